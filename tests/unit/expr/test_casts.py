"""Casts mean the same in plain Python and in Polars, and refuse what does not fit."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from decimal import Decimal as D
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.core import dtypes as t
from penstock.core.dtypes import DType
from penstock.core.errors import PlanError
from penstock.expr.build import col, lit
from penstock.expr.cast_meaning import float_text, narrow
from penstock.expr.casts import cast_fault, check_cast
from tests.unit.expr.both import FAULT, both, each, plain, typed_of

NEW_YORK = t.Datetime("us", "America/New_York")
UTC = t.Datetime("us", "UTC")
NAIVE = t.Datetime("us")
INTEGERS = t.INTEGERS


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc]


def new_york(*parts: int, fold: int = 0) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=ZoneInfo("America/New_York"), fold=fold)  # type: ignore[misc]


CASES: list[tuple[DType, DType, Any, Any]] = [
    (t.Int64, t.Int8, 127, 127),
    (t.Int64, t.Int8, 128, FAULT),
    (t.Int64, t.UInt8, -1, FAULT),
    (t.UInt64, t.Int64, 2**63, FAULT),
    (t.Int64, t.Float32, 16_777_217, 16_777_216.0),
    (t.Int64, t.Boolean, -3, True),
    (t.Int64, t.String, -12, "-12"),
    (t.Int64, t.Decimal(5, 2), 999, D("999.00")),
    (t.Int64, t.Decimal(5, 2), 1000, FAULT),
    (t.Float64, t.Int64, -1.9, -1),
    (t.Float64, t.Int64, math.nan, FAULT),
    (t.Float64, t.Int64, math.inf, FAULT),
    (t.Float64, t.Int64, 2.0**63, FAULT),
    (t.Float64, t.Int64, -(2.0**63), -(2**63)),
    (t.Float64, t.UInt8, -0.9, 0),
    (t.Float64, t.Float32, 1e300, math.inf),
    (t.Float64, t.Boolean, math.nan, True),
    (t.Float64, t.String, 1e16, "1e+16"),
    (t.Float64, t.String, 1e-5, "0.00001"),
    (t.Float64, t.String, math.nan, "NaN"),
    (t.Float64, t.String, -0.0, "-0.0"),
    (t.Float32, t.String, narrow(0.1), "0.1"),
    (t.Float64, t.Decimal(5, 2), 999.994, D("999.99")),
    (t.Float64, t.Decimal(5, 2), 999.995, FAULT),
    (t.Float64, t.Decimal(5, 2), math.inf, FAULT),
    (t.Decimal(10, 2), t.Int64, D("-1.99"), -1),
    (t.Decimal(10, 2), t.Decimal(10, 1), D("2.45"), D("2.4")),
    (t.Decimal(10, 2), t.Decimal(3, 1), D("99.96"), FAULT),
    (t.Decimal(10, 2), t.String, D("1.50"), "1.50"),
    (t.Decimal(10, 2), t.Float64, D("1.50"), 1.5),
    (t.Boolean, t.Int8, True, 1),
    (t.Boolean, t.String, False, "false"),
    (t.Boolean, t.Decimal(5, 2), True, D("1.00")),
    (t.String, t.Int64, "+12", 12),
    (t.String, t.Int64, " 12", FAULT),
    (t.String, t.Int64, "1.0", FAULT),
    (t.String, t.Int8, "128", FAULT),
    (t.String, t.Float64, "1e400", math.inf),
    (t.String, t.Float64, "1_0", FAULT),
    (t.String, t.Boolean, "True", True),
    (t.String, t.Boolean, "yes", FAULT),
    (t.String, t.Decimal(5, 2), "1.005", D("1.00")),
    (t.String, t.Decimal(5, 2), "1.015", D("1.02")),
    (t.String, t.Binary, "é", b"\xc3\xa9"),
    (t.Binary, t.String, b"\xc3\xa9", "é"),
    (t.Binary, t.String, b"\xff", FAULT),
    (t.Binary, t.String, b"\xed\xa0\x80", FAULT),
    (t.Date, t.Int32, dt.date(1970, 1, 2), 1),
    (t.Date, t.Int8, dt.date(2024, 1, 1), FAULT),
    (t.Date, t.String, dt.date(4, 3, 2), "0004-03-02"),
    (t.Date, NAIVE, dt.date(2024, 3, 10), dt.datetime(2024, 3, 10)),
    (t.Date, NEW_YORK, dt.date(2024, 3, 10), new_york(2024, 3, 10)),
    (t.Int64, t.Date, 2_932_897, FAULT),
    (t.Int32, t.Date, -1, dt.date(1969, 12, 31)),
    (t.Int64, t.Time, 86_399_999_999, dt.time(23, 59, 59, 999_999)),
    (t.Int64, t.Time, 86_400_000_000, FAULT),
    (t.Time, t.Int64, dt.time(0, 0, 1), 1_000_000),
    (t.Time, t.String, dt.time(1, 2, 3, 4), "01:02:03.000004"),
    (t.String, t.Time, "23:59", dt.time(23, 59)),
    (t.String, t.Time, "23:59:60", FAULT),
    (t.Int64, UTC, 1_500_000, utc(1970, 1, 1, 0, 0, 1, 500_000)),
    (t.Int64, t.Datetime("ms", "UTC"), 1_500, utc(1970, 1, 1, 0, 0, 1, 500_000)),
    (t.Int64, NAIVE, 2**62, FAULT),
    (UTC, t.Int64, utc(1969, 12, 31, 23, 59, 59, 999_999), -1),
    (UTC, t.Int8, utc(2024, 1, 1), FAULT),
    (UTC, t.Datetime("ms", "UTC"), utc(1969, 12, 31, 23, 59, 59, 999_999), utc(1969, 12, 31, 23, 59, 59, 999_000)),
    (UTC, NEW_YORK, utc(2024, 3, 10, 7), new_york(2024, 3, 10, 3)),
    (NAIVE, NEW_YORK, dt.datetime(2024, 3, 10, 7), new_york(2024, 3, 10, 3)),
    (NEW_YORK, NAIVE, new_york(2024, 11, 3, 1, fold=1), dt.datetime(2024, 11, 3, 6)),
    (NEW_YORK, t.Date, new_york(2024, 11, 3, 23), dt.date(2024, 11, 3)),
    (NEW_YORK, t.Time, new_york(2024, 11, 3, 23), dt.time(23)),
    (NEW_YORK, t.String, new_york(2024, 11, 3, 1, fold=1), "2024-11-03 01:00:00.000000-05:00"),
    (t.Datetime("ms"), t.String, dt.datetime(2024, 1, 2), "2024-01-02 00:00:00.000"),
    (t.String, NAIVE, "2024-01-02", dt.datetime(2024, 1, 2)),
    (t.String, NAIVE, "2024-01-02T03:04", dt.datetime(2024, 1, 2, 3, 4)),
    (t.String, NAIVE, "2024-01-02 03:04:05.123456789", dt.datetime(2024, 1, 2, 3, 4, 5, 123_456)),
    (t.String, NAIVE, "2024-01-02T03:04:05+0530", dt.datetime(2024, 1, 1, 21, 34, 5)),
    (t.String, NAIVE, "2024-02-30", FAULT),
    (t.String, NAIVE, "0000-01-01", FAULT),
    (t.String, NAIVE, "2024-01-02\n", FAULT),
    (t.String, NEW_YORK, "2024-03-10 02:30:00", new_york(2024, 3, 10, 3, 30)),
    (t.String, NEW_YORK, "2024-11-03 01:30:00", new_york(2024, 11, 3, 1, 30)),
    (t.String, NEW_YORK, "2024-11-03T06:30:00Z", new_york(2024, 11, 3, 1, 30, fold=1)),
    (t.Int64, t.Duration("ms"), 1_500, dt.timedelta(seconds=1.5)),
    (t.Int64, t.Duration("ms"), 2**62, FAULT),
    (t.Duration("us"), t.Duration("ms"), dt.timedelta(microseconds=-1), dt.timedelta(0)),
    (t.Duration("us"), t.Int64, dt.timedelta(days=-1), -86_400_000_000),
    (t.Duration("us"), t.String, dt.timedelta(days=1, hours=1, microseconds=5), "P1DT1H0.000005S"),
    (t.String, t.Duration("us"), "-P1DT2.5S", dt.timedelta(days=-1, seconds=-2, microseconds=-500_000)),
    (t.String, t.Duration("us"), "P", FAULT),
    (t.String, t.Json, '{"a":1}', '{"a":1}'),
    (t.Json, t.Int64, "12", 12),
    (t.List(t.Int64), t.List(t.Int8), [1, None, 2], [1, None, 2]),
    (t.List(t.Int64), t.List(t.Int8), [1, 300], FAULT),
    (t.List(t.Int64), t.List(t.String), [], []),
    (t.List(t.List(t.Int64)), t.List(t.List(t.UInt8)), [[1], [-1]], FAULT),
    (t.List(t.String), t.List(UTC), ["2024-01-02"], [utc(2024, 1, 2)]),
    (t.Struct({"a": t.Int64, "b": t.String}), t.Struct({"b": t.Int8, "c": t.Date}), {"a": 1, "b": "7"},
     {"b": 7, "c": None}),
    (t.Struct({"b": t.String}), t.Struct({"b": t.Int8}), {"b": "x"}, FAULT),
    (t.Map(t.String, t.Int8), t.Map(t.String, t.Int64), {"a": 1}, {"a": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target", "value", "expected"), CASES)
def test_example(source: DType, target: DType, value: Any, expected: Any) -> None:
    found = each(col("x").cast(target), [value, None], source)
    assert plain(found) == plain([expected, None])


@pytest.mark.parametrize(("source", "target", "value", "expected"), [case for case in CASES if case[3] is FAULT])
def test_try_cast_gives_null_where_cast_refuses(source: DType, target: DType, value: Any, expected: Any) -> None:
    assert each(col("x").try_cast(target), [value], source) == [None]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (t.Date, t.Boolean), (t.String, t.List(t.Int64)), (t.List(t.Int64), t.String), (t.Float64, UTC),
        (UTC, t.Float64), (t.Binary, t.Int64), (t.Struct({"a": t.Date}), t.Struct({"a": t.Time})),
        (t.List(t.Binary), t.List(t.Date)), (t.Map(t.String, t.Int64), t.Map(t.String, t.Int8)), (t.Int64, t.Json),
        (t.String, t.Null),
    ],
)  # fmt: skip
def test_a_cast_without_meaning_is_refused_when_the_plan_is_built(source: DType, target: DType) -> None:
    with pytest.raises(PlanError, match="no cast from"):
        typed_of(col("x").cast(target), x=source)


def test_a_zone_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(PlanError, match="Europe/Berlin"):
        check_cast(t.Int64, t.Datetime("us", "Europe/Berln"))


def test_null_casts_to_everything() -> None:
    assert each(col("x").cast(t.List(t.Int64)), [None], t.Null) == [None]
    assert both(lit(None).cast(UTC), [{"x": 1}], x=t.Int64) == [None]


@pytest.mark.parametrize("target", INTEGERS)
@pytest.mark.parametrize("source", INTEGERS)
def test_only_widening_of_integers_has_no_fault(source: DType, target: DType) -> None:
    low, high = _range(source)
    wanted_low, wanted_high = _range(target)
    fits = wanted_low <= low and high <= wanted_high
    if fits:
        assert cast_fault(None, None, source, target) is None
    assert each(col("x").cast(target), [low, high], source) == [
        value if wanted_low <= value <= wanted_high else FAULT for value in (low, high)
    ]


def _range(dtype: DType) -> tuple[int, int]:
    bits = int("".join(c for c in str(dtype) if c.isdigit()))
    return (0, 2**bits - 1) if dtype in t.UNSIGNED else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


# -- Any value, any pair ----------------------------------------------------------------------------

FLOATS = st.floats(width=64) | st.floats(-1e6, 1e6).map(lambda v: round(v, 3)) | st.integers(-(2**65), 2**65).map(float)
MOMENTS = st.datetimes(dt.datetime(1972, 1, 1), dt.datetime(2037, 12, 31))
# Zones beyond 2037 depend on the tables of the zone database that each library carries.
ISO_LIKE = st.from_regex(
    r"\A(0[0-9]|1[09]|20)[0-3][0-9]-[01][0-9]-[0-3][0-9]"
    r"([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,10})?)?(Z|[+-][0-2][0-9]:?[0-6][0-9])?)?\Z"
)
NUMBER_LIKE = st.text("0123456789+-.eEinfa _", max_size=8) | st.integers().map(str) | FLOATS.map(repr)
TEXT = st.text(max_size=5) | NUMBER_LIKE | ISO_LIKE | st.sampled_from(["TRUE", "false", "falſe", "PT1S", "P1D"])
VALUES: list[tuple[DType, st.SearchStrategy[Any]]] = [
    (t.Boolean, st.booleans()),
    (t.Int64, st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)),
    (t.UInt64, st.integers(0, 2**64 - 1)),
    (t.Float64, FLOATS),
    (t.Float32, st.floats(width=32)),
    (t.Decimal(20, 4), st.integers(-(10**20) + 1, 10**20 - 1).map(lambda n: D(n).scaleb(-4))),
    (t.String, TEXT),
    (t.Binary, st.binary(max_size=6) | TEXT.map(str.encode)),
    (t.Date, st.dates(max_value=dt.date(2037, 12, 31))),
    (t.Time, st.times()),
    (NAIVE, MOMENTS),
    (NEW_YORK, MOMENTS.map(lambda v: v.replace(tzinfo=dt.UTC).astimezone(ZoneInfo("America/New_York")))),
    (t.Datetime("ms", "Australia/Lord_Howe"), MOMENTS.map(
        lambda v: v.replace(microsecond=v.microsecond // 1000 * 1000, tzinfo=dt.UTC)
        .astimezone(ZoneInfo("Australia/Lord_Howe")))),
    (t.Duration("us"), st.timedeltas(dt.timedelta(days=-10**5), dt.timedelta(days=10**5))),
]  # fmt: skip
TARGETS: list[DType] = [
    t.Boolean, t.Int8, t.Int64, t.UInt16, t.UInt64, t.Float32, t.Float64, t.Decimal(8, 2), t.Decimal(38, 10), t.String,
    t.Binary, t.Date, t.Time, NAIVE, t.Datetime("ms"), UTC, NEW_YORK, t.Datetime("us", "Asia/Kathmandu"),
    t.Duration("us"), t.Duration("ms"),
]  # fmt: skip


def _allowed(source: DType, target: DType) -> bool:
    try:
        check_cast(source, target)
    except PlanError:
        return False
    return True


PAIRS = [(s, v, target) for s, v in VALUES for target in TARGETS if _allowed(s, target)]


@pytest.mark.parametrize(("source", "values", "target"), PAIRS, ids=[f"{s}-{target}" for s, _, target in PAIRS])
def test_meaning_and_polars_agree(source: DType, values: st.SearchStrategy[Any], target: DType) -> None:
    @settings(max_examples=12, deadline=None)
    @given(st.lists(st.none() | values, min_size=1, max_size=12))
    @example([None])
    def agree(rows: list[Any]) -> None:
        each(col("x").cast(target), rows, source)
        each(col("x").try_cast(target), rows, source)

    agree()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.none() | st.integers(-200, 200)) | st.none(), min_size=1, max_size=5))
def test_lists_convert_as_a_whole(rows: list[Any]) -> None:
    found = each(col("x").try_cast(t.List(t.Int8)), rows, t.List(t.Int64))
    for row, result in zip(rows, found, strict=True):
        fits = row is not None and all(v is None or -128 <= v <= 127 for v in row)
        assert result == (row if fits else None)


def test_decimals_keep_all_their_digits() -> None:
    value = D("12345678901234567890123456789012345.678")
    with decimal.localcontext(decimal.Context(prec=5)):  # the meaning must not depend on the context of its caller
        assert each(col("x").cast(t.String), [value], t.Decimal(38, 3)) == [str(value)]
        rounded = D("12345678901234567890123456789012345.68")
        assert each(col("x").cast(t.Decimal(38, 2)), [value], t.Decimal(38, 3)) == [rounded]


def test_the_shortest_text_where_two_are_as_near():
    # Half way between two texts of sixteen digits, of which only the upper one reads as the value.
    assert float_text(2.0**-24, t.Float64) == "5.960464477539063e-8"
    assert float_text(2.0**-24, t.Float32) == pl.Series([2.0**-24], dtype=pl.Float32).cast(pl.String)[0]
