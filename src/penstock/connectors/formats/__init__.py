"""The table of file formats."""

from __future__ import annotations

FORMATS: dict[str, str] = {
    "csv": "penstock.connectors.formats.csv",
    "json": "penstock.connectors.formats.json",
    "parquet": "penstock.connectors.formats.parquet",
    "arrow": "penstock.connectors.formats.arrow",
}
"""Format names and the modules that hold their `FORMAT` class."""
