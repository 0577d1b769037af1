"""The same plan on Apache Flink: comes with the Flink engine."""
