"""SQL in Flink's dialect: text to the same plans as the Python API builds."""
