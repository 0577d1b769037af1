"""Values at the edges of the types, and which types the functions take."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import math
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from penstock.core import dtypes as t
from penstock.core.dtypes import DType
from penstock.core.errors import PlanError
from penstock.expr.cast_meaning import narrow
from penstock.expr.function import Function, with_options
from penstock.expr.signatures import limits

BERLIN = t.Datetime("us", "Europe/Berlin")
POINT = t.Struct({"x": t.Float64, "y": t.String})
FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 2.675, -0.49999999999999994, 3.0, 7.25, 1e-300, 1e16, -1e300, 9.3e18,
    math.inf, -math.inf, math.nan,
)  # fmt: skip
TEXTS = (
    "", "a", "ab", "abab", "aé👧", "e\u0301x", "Straße", "İI", "ΑΣ", " a\u00a0", "\n", "a\nb", "-12", "+7", "ff",
    "0xff", "9223372036854775808", "a,b,", ".", "YQ==", "YQ", "61", "6g", "٣",
)  # fmt: skip
MOMENTS = (
    dt.datetime(1, 1, 2), dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), dt.datetime(1970, 1, 1),
    dt.datetime(2024, 3, 31, 1, 30), dt.datetime(2024, 10, 27, 0, 30), dt.datetime(2024, 10, 27, 1, 30),
    dt.datetime(9999, 12, 30, 23, 59, 59, 999_999),
)  # fmt: skip
SPANS = (0, 1, -1, 3, -7, 3_600_000_000, 86_400_000_000, -(2**62), 2**63 - 1, -(2**63))


def _integers(dtype: DType) -> list[int]:
    low, high = limits(dtype)
    near = (0, 1, -1, 2, -2, 3, 7, -8, 11, 62, 63, 64, 65, 100, 2**31, 3_037_000_500, -3_037_000_500)
    return [low, low + 1, *(n for n in near if low < n < high), high - 1, high]


def edges(dtype: DType) -> list[Any]:
    """Values of a type that break careless code, and null."""
    return [*_edges(dtype), None]


def _edges(dtype: DType) -> list[Any]:
    match dtype:
        case t.Boolean:
            return [True, False]
        case t.String:
            return list(TEXTS)
        case t.Binary:
            return [b"", b"a", b"abc", b"\xff\x00", b"61", b"YQ==", b"6"]
        case t.Float64:
            return list(FLOATS)
        case t.Float32:
            return [narrow(value) for value in FLOATS]
        case t.Date:
            return [value.date() for value in MOMENTS]
        case t.Time:
            return [dt.time(), dt.time(12, 30, 1, 5), dt.time(23, 59, 59, 999_999)]
        case t.Duration():
            return [dt.timedelta(microseconds=us) for us in SPANS]
        case t.Datetime(zone=None):
            return list(MOMENTS)
        case t.Datetime(zone=zone):
            rules = dt.UTC if zone == "UTC" else ZoneInfo(str(zone))
            return [value.replace(tzinfo=dt.UTC).astimezone(rules) for value in MOMENTS]
        case t.Decimal(precision, scale):
            digits = (0, 1, -1, 5, -5, 15, 25, 125, 10**scale, 10**precision - 1, -(10**precision - 1), 7 * 10**scale)
            exact = decimal.Context(prec=60)
            return [decimal.Decimal(n).scaleb(-scale, exact) for n in digits if abs(n) < 10**precision]
        case t.List():
            return [[], [1.5], [None], [math.nan], [1.5, None]]
        case t.Struct():
            return [{"x": 1.0, "y": "a"}, {"x": None, "y": "a"}, {"x": math.nan, "y": None}, {"x": -0.0, "y": ""}]
    return _integers(dtype)


TYPES: tuple[DType, ...] = (
    t.Int8, t.Int32, t.Int64, t.UInt8, t.UInt32, t.UInt64, t.Float32, t.Float64, t.Decimal(5, 2), t.Decimal(38, 4),
    t.Boolean, t.String, t.Binary, t.Date, t.Time, t.Datetime("us"), BERLIN, t.Datetime("us", "UTC"), t.Duration("us"),
    t.List(t.Float64), POINT,
)  # fmt: skip
FEW: tuple[DType, ...] = (t.Int8, t.Int64, t.Float64, t.String, t.Boolean, BERLIN, t.Duration("us"))


def options_of(function: Function) -> list[tuple[tuple[str, Any], ...]]:
    """The options of its examples."""
    given = [example[1] if len(example) == 3 else {} for example in function.examples]
    found = [with_options(function.options, options, function.name) for options in given]
    return [options for i, options in enumerate(found) if options not in found[:i]]


def accepted(function: Function) -> list[tuple[DType, ...]]:
    """Types of arguments that it takes, out of those above."""
    counts = sorted({len(example[0]) for example in function.examples})
    found = []
    for count in counts:
        pools = itertools.product(TYPES, repeat=count) if count < 3 else _alike(count)
        found += [types for types in pools if _takes(function, types)]
    return found


def _alike(count: int) -> list[tuple[DType, ...]]:
    mixed = [(first, *[t.Int64] * (count - 1)) for first in (t.String, t.Binary)]
    return [*((dtype,) * count for dtype in FEW), *mixed]


def _takes(function: Function, types: tuple[DType, ...]) -> bool:
    try:
        function.signature(types, dict(options_of(function)[0]))
    except PlanError:
        return False
    return True


def crossed(types: tuple[DType, ...], most: int = 200) -> list[dict[str, Any]]:
    """Rows with all combinations of edge values, or every n-th if they are many."""
    rows = list(itertools.product(*(edges(dtype) for dtype in types)))
    step = 1 + len(rows) // most
    step += step % 2 == 0  # an even step would keep to some values of the last column
    return [{f"x{i}": value for i, value in enumerate(row)} for row in rows[::step]]


def values(dtype: DType) -> st.SearchStrategy[Any]:
    """Random values of a type, with many of those at its edges."""
    return st.one_of(st.sampled_from(edges(dtype)), _values(dtype))


def _values(dtype: DType) -> st.SearchStrategy[Any]:
    match dtype:
        case t.String:
            return st.text(st.sampled_from("abAB01 -.,/\n\u00a0éßΣσ٣中👧\u0301"), max_size=8)
        case t.Binary:
            return st.binary(max_size=6)
        case t.Float64:
            return st.floats()
        case t.Float32:
            return st.floats(width=32)
        case t.Duration():
            return st.integers(-(2**63), 2**63 - 1).map(lambda us: dt.timedelta(microseconds=us))
        case t.Datetime(zone=None):
            return st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))
        case t.Decimal(precision, scale):
            exact = decimal.Context(prec=60)
            digits = st.integers(1 - 10**precision, 10**precision - 1)
            return digits.map(lambda n: decimal.Decimal(n).scaleb(-scale, exact))
    return st.integers(*limits(dtype)) if dtype in t.INTEGERS else st.sampled_from(edges(dtype))
