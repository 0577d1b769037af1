from __future__ import annotations

import datetime as dt
import decimal
import zoneinfo

import pytest

from penstock.core.dtypes import (
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    Duration,
    Float64,
    Int64,
    List,
    Map,
    Null,
    String,
    Struct,
    Time,
)  # fmt: skip
from penstock.core.errors import PlanError
from penstock.testing.cells import INSTANT, infer, parse, parse_type

UTC = dt.UTC
NEW_YORK = Datetime("us", "America/New_York")


@pytest.mark.parametrize(
    ("name", "cells", "dtype"),
    [
        ("x", ["1", "-2", ""], Int64),
        ("x", ["1", "2.5"], Float64),
        ("x", ["1", "nan"], Float64),
        ("x", ["1e3", "-inf"], Float64),
        ("x", ["true", "null"], Boolean),
        ("x", ["1", "a"], String),
        ("x", ["1_000"], String),
        ("x", ['"1"'], String),
        ("x", ["00:00:01"], String),
        ("x", ["2024-03-01"], Date),
        ("x", ["2024-03-01 10:00"], Datetime("us", None)),
        ("x", ["2024-03-01 10:00Z"], INSTANT),
        ("at", ["00:00:01", "2024-03-01"], INSTANT),
        ("window_end", ["0:01"], INSTANT),
        ("order_time", ["00:00:01.25"], INSTANT),
        ("at", [], INSTANT),
        ("x", ["", "null"], String),
        ("x", ["[1, 2]", "[]"], List(Int64)),
        ("x", ["[1, 2.5]"], List(Float64)),
        ("x", ['["a", null]'], List(String)),
    ],
)
def test_types_are_inferred(name, cells, dtype):
    assert infer(name, cells) == dtype


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("Int64", Int64),
        ("Datetime", INSTANT),
        ('Datetime("ms", None)', Datetime("ms", None)),
        ("Decimal(10, 2)", Decimal(10, 2)),
        ("List(List(String))", List(List(String))),
        ("Struct(a=Int64, b=Datetime)", Struct({"a": Int64, "b": INSTANT})),
        ("Map(String, Float64)", Map(String, Float64)),
        ("Duration", Duration("us")),
    ],
)
def test_types_are_parsed(text, dtype):
    assert parse_type(text) == dtype


@pytest.mark.parametrize("text", ["Int", "List()(", "Int64()", "1", "List.x(Int64)", ""])
def test_what_is_no_type_is_refused(text):
    with pytest.raises(PlanError):
        parse_type(text)


@pytest.mark.parametrize(
    ("cell", "dtype", "value"),
    [
        ("", Int64, None),
        ("null", String, None),
        ('""', String, ""),
        ('"null"', String, "null"),
        ("null?", String, "null?"),
        ("12", String, "12"),
        ("12", Float64, 12.0),
        ("TRUE", Boolean, True),
        ("0x00ff", Binary, b"\x00\xff"),
        ("ab", Binary, b"ab"),
        ("1.5", Decimal(10, 3), decimal.Decimal("1.500")),
        ("1h30m", Duration("us"), dt.timedelta(minutes=90)),
        ("2024-02-29", Date, dt.date(2024, 2, 29)),
        ("7:08", Time, dt.time(7, 8)),
        ("7:08:09.5", INSTANT, dt.datetime(1970, 1, 1, 7, 8, 9, 500_000, UTC)),
        ("2024-03-10", NEW_YORK, dt.datetime(2024, 3, 10, tzinfo=zoneinfo.ZoneInfo("America/New_York"))),
        ("2024-03-10 05:00Z", NEW_YORK, dt.datetime(2024, 3, 10, 5, tzinfo=UTC)),
        ("2024-03-10 05:00", Datetime("us", None), dt.datetime(2024, 3, 10, 5)),
        ("[1, null]", List(Float64), [1.0, None]),
        ('{"a": 1}', Struct({"a": Int64, "b": String}), {"a": 1, "b": None}),
        ('{"x": "00:00:01"}', Map(String, INSTANT), {"x": dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)}),
    ],
)
def test_values_are_parsed(cell, dtype, value):
    assert parse(cell, dtype) == value


@pytest.mark.parametrize(
    ("cell", "dtype"),
    [
        ("x", Int64), ("1.5", Int64), ("maybe", Boolean), ("25:00:00", INSTANT), ("2024-03-10 05:00Z", Datetime()),
        ("[1", List(Int64)), ("0xfg", Binary), ("x", Decimal(3, 1)), ("x", Null),
    ],
)  # fmt: skip
def test_what_is_no_value_is_refused(cell, dtype):
    with pytest.raises(PlanError):
        parse(cell, dtype)
