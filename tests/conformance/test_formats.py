"""Every format through the kit."""

from __future__ import annotations

import datetime as dt
import importlib

import polars as pl
import pytest

from penstock.connectors.formats import FORMATS
from penstock.testing.conform import check_format

TIMES = [dt.datetime(2024, 3, 10, 7, 0, 0, 123_456, dt.UTC), None, dt.datetime(1969, 12, 31, tzinfo=dt.UTC)]
FRAME = pl.DataFrame(
    {
        "i": [2**63 - 1, None, -1],
        "f": [1.5, None, -0.0],
        "s": ['ü,"|\n', None, "x"],
        "b": [True, None, False],
        "d": [dt.date(2024, 2, 29), None, dt.date(1960, 1, 1)],
        "t": pl.Series(TIMES, dtype=pl.Datetime("us", "UTC")),
    }
)


@pytest.mark.parametrize("name", list(FORMATS))
def test_formats(tmp_path, name):
    check_format(importlib.import_module(FORMATS[name]).FORMAT(), tmp_path, FRAME)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "csv"])
def test_formats_with_nested_values(tmp_path, name):
    frame = FRAME.with_columns(
        l=pl.Series([[1, None], None, []], dtype=pl.List(pl.Int64)), o=pl.struct(x=pl.col("i"), y=pl.col("s"))
    )
    check_format(importlib.import_module(FORMATS[name]).FORMAT(), tmp_path, frame)
