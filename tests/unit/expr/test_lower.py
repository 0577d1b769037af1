"""Case expressions, three-valued logic and constants: by plain meaning and by Polars; which rows are refused."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from penstock.core import dtypes as t
from penstock.core.schema import Schema
from penstock.expr.ast import Call, Cast, Literal, literal
from penstock.expr.build import Expr, col, function, lit, when
from penstock.expr.infer import infer
from penstock.expr.lower import lower
from tests.unit.expr.both import FAULT, both, each

x, y = col("x"), col("y")
LOGIC = (True, False, None)
INTS: dict[str, t.DType] = {"x": t.Int64, "y": t.Int64}
TOP = 2**63 - 1


# -- Three-valued logic ----------------------------------------------------------------------------

TABLES = {
    "and": (True, False, None, False, False, False, None, False, None),
    "or": (True, True, True, True, False, None, True, None, None),
    "xor": (False, True, None, True, False, None, None, None, None),
    "eq": (True, False, None, False, True, None, None, None, None),
    "eq_missing": (True, False, False, False, True, False, False, False, True),
    "ne_missing": (False, True, True, True, False, True, True, True, False),
    "all_horizontal": (True, False, None, False, False, False, None, False, None),
    "any_horizontal": (True, True, True, True, False, None, True, None, None),
}


@pytest.mark.parametrize("name", TABLES)
def test_truth_tables(name: str) -> None:
    rows = [{"x": a, "y": b} for a, b in itertools.product(LOGIC, LOGIC)]
    found = both(Expr(Call(name, (x.term, y.term))), rows, x=t.Boolean, y=t.Boolean)
    assert tuple(found) == TABLES[name]


def test_not() -> None:
    assert each(~x, [*LOGIC], t.Boolean) == [False, True, None]


@pytest.mark.parametrize("name", ["and", "or", "all_horizontal", "any_horizontal"])
def test_constants_decide_or_do_not(name: str) -> None:
    for constant in LOGIC:
        rows = [{"x": a, "y": constant} for a in LOGIC]
        with_column = both(Expr(Call(name, (x.term, y.term))), rows, x=t.Boolean, y=t.Boolean)
        assert each(Expr(Call(name, (x.term, literal(constant)))), [*LOGIC], t.Boolean) == with_column


# -- Case ------------------------------------------------------------------------------------------


def test_a_null_condition_is_not_true() -> None:
    assert each(when(x).then(1).otherwise(2), [*LOGIC], t.Boolean) == [1, 2, 2]
    assert each(when(~x).then(1).otherwise(2), [*LOGIC], t.Boolean) == [2, 1, 2]
    assert each(when(lit(None)).then(x).otherwise(2), [1, None], t.Int64) == [2, 2]
    assert each(when(x).then(1).when(x.is_null()).then(3), [*LOGIC], t.Boolean) == [1, None, 3]


def test_the_first_true_branch_counts() -> None:
    expr = when(x > 10).then("large").when(x > 5).then("middle").when(x > 7).then("never").otherwise("small")
    assert each(expr, [11, 10, 6, 5, None], t.Int64) == ["large", "middle", "middle", "small", "small"]


def test_a_branch_not_taken_refuses_nothing() -> None:
    rows = [{"x": TOP, "y": 0}, {"x": TOP, "y": 1}, {"x": 1, "y": 1}, {"x": TOP, "y": None}, {"x": None, "y": 1}]
    assert both(when(y == 1).then(x + 1).otherwise(x), rows, **INTS) == [TOP, FAULT, 2, TOP, None]
    assert both(when(y == 1).then(x).otherwise(x + 1), rows, **INTS) == [FAULT, TOP, 1, FAULT, None]
    assert both(when(y == 1).then(x + 1), rows, **INTS) == [None, FAULT, 2, None, None]
    assert both(when(y == 0).then(0).when(y == 1).then(x + 1).otherwise(-1), rows, **INTS) == [0, FAULT, 2, -1, None]


def test_a_condition_is_looked_at_only_where_the_earlier_are_not_true() -> None:
    expr = when(y == 0).then(1).when(x + 1 > 0).then(2).otherwise(3)
    rows = [{"x": TOP, "y": 0}, {"x": TOP, "y": 1}, {"x": TOP, "y": None}, {"x": None, "y": 1}, {"x": -5, "y": 1}]
    assert both(expr, rows, **INTS) == [1, FAULT, FAULT, 3, 3]


def test_cases_within_cases() -> None:
    inner = when(x > 0).then(x + 1).otherwise(x - 1)
    expr = when(y == 1).then(inner).otherwise(0) + 1
    rows = [{"x": TOP, "y": 0}, {"x": TOP, "y": 1}, {"x": -TOP, "y": 1}, {"x": -(2**63), "y": 1}, {"x": 3, "y": None}]
    assert both(expr, rows, **INTS) == [1, FAULT, -TOP, FAULT, 1]


def test_a_cast_that_fails_in_a_branch_not_taken() -> None:
    expr = when(x.str.contains("^[0-9]+$")).then(x.cast(t.Int64)).otherwise(-1)
    assert each(expr, ["12", "ab", "", None, "99999999999999999999"], t.String) == [12, -1, -1, -1, FAULT]


def test_branches_meet_in_one_type() -> None:
    expr = when(x > 0).then(x).otherwise(0.5)
    assert each(expr, [1, -1], t.Int32) == [1.0, 0.5]
    expr = when(x > 0).then(None).otherwise([1, 2])
    assert each(expr, [1, -1, None], t.Int32) == [None, [1, 2], [1, 2]]


# -- Faults ----------------------------------------------------------------------------------------


def test_a_fault_inside_is_a_fault_outside_even_beside_null() -> None:
    rows = [{"x": TOP, "y": None}, {"x": 1, "y": None}, {"x": TOP, "y": 1}]
    assert both((x + 1) * y, rows, **INTS) == [FAULT, None, FAULT]
    assert both(function("coalesce")(y, x + 1), rows, **INTS) == [FAULT, 2, FAULT]
    assert both((x + 1).is_null(), rows, **INTS) == [FAULT, False, FAULT]
    assert both((x + 1).try_cast(t.Int8), rows, **INTS) == [FAULT, 2, FAULT]


def test_reasons_name_the_expression() -> None:
    typed = infer((x.cast(t.Int8) + y).term, Schema.of({"x": t.Int64, "y": t.Int8}))
    reasons = [fault.reason for fault in lower(typed).faults]
    assert reasons == ["cannot cast x to Int8", "no value for (cast(x, Int8) + y)"]


# -- Constants -------------------------------------------------------------------------------------

CONSTANTS = [
    None, True, 7, 2.5, "é", b"\x00\xff", Decimal("1.50"), dt.date(2024, 2, 29), dt.time(1, 2, 3, 4),
    dt.timedelta(days=-1), dt.datetime(2024, 2, 29, 1), dt.datetime(2024, 2, 29, 1, tzinfo=dt.UTC),
    dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    [1, 2], [], [None, "a"], [[1], [2, 3]], {"a": 1, "b": "x"}, [{"a": 1}, {"a": None}],
    {"l": [1, 2], "s": {"x": None}},
]  # fmt: skip


@pytest.mark.parametrize("value", CONSTANTS, ids=str)
@pytest.mark.parametrize("height", [0, 1, 3])
def test_constants_are_as_long_as_the_frame(value: Any, height: int) -> None:
    typed = infer(lit(value).term, Schema.of({}))
    frame = pl.DataFrame({"x": [1] * height}, schema={"x": pl.Int64})
    for out in (frame.with_columns(value=lower(typed).value), frame.select("x", value=lower(typed).value)):
        assert out["value"].to_list() == [value] * height
        assert typed.dtype == t.Null or out.schema["value"] == t.to_polars(typed.dtype)


def test_what_is_made_of_constants_is_computed_at_once() -> None:
    typed = infer((lit(2) * 3 + 4).term, Schema.of({}))
    assert str(lower(typed).value) == str(pl.lit(10, dtype=pl.Int64))
    assert lower(typed).faults == ()
    refused = lower(infer((lit(TOP) + 1).term, Schema.of({}))).faults
    assert [fault.reason for fault in refused] == [f"no value for ({TOP} + 1)"]
    cast = Cast(Literal("2024-02-29", t.String), t.Date)
    assert str(lower(infer(cast, Schema.of({}))).value) == str(pl.lit(dt.date(2024, 2, 29), dtype=pl.Date))


def test_numbers_take_the_type_they_meet() -> None:
    assert each(x + 1, [1, 127, None], t.Int8) == [2, FAULT, None]
    assert each(x + 200, [1, 127, None], t.Int8) == [201, 327, None]
    assert each(x * Decimal("0.908"), [100, None], t.Int64) == [Decimal("90.800"), None]
    assert each(x == Decimal("1.5"), [Decimal("1.50"), Decimal("1.51")], t.Decimal(5, 2)) == [True, False]
    assert each(x == 1, [Decimal("1.00"), Decimal("1.51")], t.Decimal(5, 2)) == [True, False]
    assert each(x + 1, [1.5, None], t.Float32) == [2.5, None]


def test_moments_in_different_zones_meet() -> None:
    berlin = dt.datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    dtype = t.Datetime("us", "Europe/Berlin")
    assert each(x == dt.datetime(2024, 7, 1, 10, tzinfo=dt.UTC), [berlin, None], dtype) == [True, None]
    assert each(x - dt.datetime(2024, 7, 1, 10, tzinfo=dt.UTC), [berlin, None], dtype) == [dt.timedelta(0), None]
    assert each(x > dt.date(2024, 7, 1), [dt.datetime(2024, 7, 1), dt.datetime(2024, 7, 1, 1)], t.Datetime("ms")) == [
        False,
        True,
    ]


def test_summer_time_begins_between_two_moments() -> None:
    zone = ZoneInfo("Europe/Berlin")
    before, after = dt.datetime(2024, 3, 31, 1, 59, tzinfo=zone), dt.datetime(2024, 3, 31, 3, 0, tzinfo=zone)
    dtype = t.Datetime("us", "Europe/Berlin")
    assert both(y - x, [{"x": before, "y": after}], x=dtype, y=dtype) == [dt.timedelta(minutes=1)]
    assert each(x + dt.timedelta(minutes=1), [before], dtype) == [after]
    twice = [dt.datetime(2024, 10, 27, 2, 30, tzinfo=zone, fold=fold) for fold in (0, 1)]
    assert both(x < y, [{"x": twice[0], "y": twice[1]}], x=dtype, y=dtype) == [True]


def test_years_end() -> None:
    late = dt.datetime(9999, 12, 31, 23, 59)
    assert each(x + dt.timedelta(minutes=1), [late, None], t.Datetime("us")) == [FAULT, None]
    assert each(x + dt.timedelta(days=10**8), [late], t.Datetime("us")) == [FAULT]
    assert each(x - dt.timedelta(days=1), [dt.date(1, 1, 1)], t.Date) == [FAULT]


def test_bare_nulls() -> None:
    rows = [{"x": 1}]
    null = lit(None)
    for expr in (x + null, x == null, null - x, x > null, x.clip(2, null) + null):
        assert both(expr, rows, x=t.Int64) == [None]
    for expr in (x.fill_null(null), x.clip(null, null), function("coalesce")(null, x), x.null_if(null)):
        assert both(expr, rows, x=t.Int64) == [1]
    assert both(lit(None).str.to_uppercase(), rows, x=t.Int64) == [None]
    assert both(lit(None) & lit(None), rows, x=t.Int64) == [None]
    assert both(lit(None) == lit(None), rows, x=t.Int64) == [None]
    assert both(lit(None).eq_missing(lit(None)), rows, x=t.Int64) == [True]
    assert both(lit(None).is_null(), rows, x=t.Int64) == [True]
    assert both(x.is_in([None]), rows, x=t.Int64) == [False]
