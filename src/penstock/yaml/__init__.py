"""Pipelines as YAML: sources, streams with steps, sinks; the same plans as the Python API builds."""
