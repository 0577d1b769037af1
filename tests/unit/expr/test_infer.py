"""Types and nullability of expressions, and what is said when they do not fit."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from penstock.core import dtypes as t
from penstock.core.errors import PlanError, UnknownNameError
from penstock.core.schema import Field, Schema
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.build import Expr, col, count, function, lit, when
from penstock.expr.infer import Typed, infer, infer_aggregation

ROWS = Schema.of(
    [
        Field("i", t.Int64, nullable=False),
        Field("n", t.Int64),
        Field("i8", t.Int8, nullable=False),
        Field("i32", t.Int32),
        Field("u8", t.UInt8, nullable=False),
        Field("u64", t.UInt64),
        Field("f", t.Float64, nullable=False),
        Field("f32", t.Float32),
        Field("d", t.Decimal(10, 2), nullable=False),
        Field("s", t.String, nullable=False, mask="hash"),
        Field("b", t.Boolean),
        Field("day", t.Date),
        Field("at", t.Datetime("us", "UTC")),
        Field("wall", t.Datetime("ms")),
        Field("span", t.Duration("us")),
        Field("l", t.List(t.Int32)),
    ]
)
NULL = lit(None)


def typed(expr: Expr) -> Typed:
    return infer(expr.term, ROWS)


@pytest.mark.parametrize(
    ("expr", "dtype"),
    [
        (col("i8") + 1, t.Int8),
        (col("i8") + 300, t.Int64),
        (col("u8") - 1, t.UInt8),
        (col("u8") - (-1), t.Int64),
        (1 + col("i32"), t.Int32),
        (col("i8") + col("u8"), t.Int16),
        (col("i32") + col("n"), t.Int64),
        (col("i") / 2, t.Float64),
        (col("f32") / 2, t.Float32),
        (col("f32") * 1.5, t.Float32),
        (col("f32") + col("i8"), t.Float32),
        (col("f32") + col("i"), t.Float64),
        (col("i") * 0.5, t.Float64),
        (col("d") + 1, t.Decimal(38, 2)),
        (col("i") * Decimal("0.908"), t.Decimal(38, 3)),
        (col("d") * 0.5, t.Float64),
        (col("d").round(1), t.Decimal(11, 2)),
        (col("d").floor(), t.Decimal(11, 2)),
        (col("s") + "x", t.String),
        (col("day") + dt.timedelta(days=1), t.Date),
        (dt.timedelta(days=1) + col("at"), t.Datetime("us", "UTC")),
        (col("wall") - col("day"), t.Duration("us")),
        (col("at") - dt.timedelta(days=1), t.Datetime("us", "UTC")),
        (col("span") * 2, t.Duration("us")),
        (2.5 * col("span"), t.Duration("us")),
        (col("span") / col("span"), t.Float64),
        (col("span") / 2, t.Duration("us")),
        (col("i8") ** 2, t.Int8),
        (col("i8") ** 0.5, t.Float64),
        (col("i32").sqrt(), t.Float64),
        (col("f32").sin(), t.Float32),
        (col("s").str.len_chars(), t.UInt32),
        (col("n").fill_null(0), t.Int64),
        (col("i8").clip(0, 10), t.Int8),
        (when(col("b")).then(col("i32")).otherwise(0), t.Int32),
        (when(col("b")).then(1).otherwise(2.5), t.Float64),
        (when(col("b")).then("x"), t.String),
        (col("wall") == col("day"), t.Boolean),
        (col("n") + NULL, t.Int64),
        (col("day") + NULL, t.Date),
        (NULL + NULL, t.Int64),
        (~NULL, t.Boolean),
        (function("coalesce")("i32", 0), t.Int32),
        (lit([1, None, 2.5]), t.List(t.Float64)),
        (lit(5, t.UInt8), t.UInt8),
        (col("i8") + np.int64(1), t.Int8),
        (col("f32") * np.float64(0.5), t.Float32),
        (lit(dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))), t.Datetime("us", "UTC")),
    ],
    ids=str,
)
def test_types(expr: Expr, dtype: t.DType) -> None:
    assert typed(expr).dtype == dtype


@pytest.mark.parametrize(
    ("expr", "nullable"),
    [
        (col("i"), False),
        (col("n"), True),
        (col("i") + 1, False),
        (col("i") + col("n"), True),
        (col("i") // 2, True),
        (col("n").is_null(), False),
        (col("n").eq_missing(1), False),
        (col("n").fill_null(0), False),
        (col("n").fill_null(col("n")), True),
        (function("coalesce")("n", "i"), False),
        (col("i").clip(col("n"), 3), False),
        (col("i").is_in([1, 2]), False),
        (col("n").is_in([1, 2]), True),
        ((col("i") > 1) & (col("f") > 1), False),
        (col("b") & (col("f") > 1), True),
        (col("i").is_between(1, col("n")), True),
        (col("s").str.extract("(a)"), True),
        (col("s").str.to_integer(), True),
        (col("i").null_if(1), True),
        (col("i").cast(t.Int8), False),
        (col("i").try_cast(t.Int8), True),
        (when(col("b")).then(1).otherwise(2), False),
        (when(col("b")).then(1), True),
        (lit(1), False),
        (NULL, True),
    ],
    ids=str,
)
def test_nullability(expr: Expr, nullable: bool) -> None:
    assert typed(expr).nullable is nullable


def test_masks_are_carried() -> None:
    assert typed(col("s").str.to_uppercase() + "x").mask == "hash"
    assert typed(when(col("b")).then(col("s")).otherwise("")).mask == "hash"
    assert typed(col("i") + 1).mask is None


@pytest.mark.parametrize(
    ("expr", "message", "hint"),
    [
        (col("s") + 1, "there is no String + Int64 in (s + 1)", "cast the other one"),
        (col("i") - col("s"), "there is no Int64 - String in (i - s)", None),
        (col("n") + col("u64"), "numbers of the types Int64 and UInt64 have no common type", "cast one of them"),
        (col("b") + col("b"), "there is no Boolean + Boolean", None),
        (col("day") > "2024-01-01", "values of the types Date and String have no common type", "datetime.date"),
        (col("span") > "1h", "have no common type", "datetime.timedelta"),
        (col("at") > dt.datetime(2024, 1, 1), "have no common type", "replace_time_zone"),
        (col("at") - col("wall"), 'there is no Datetime("us", "UTC") - Datetime("ms")', "replace_time_zone"),
        (col("i") & col("i"), "expected booleans, found Int64", ".bitwise_and"),
        (col("s") | col("b"), "expected booleans, found String", "brackets"),
        (~col("i"), "expected booleans, found Int64", ".bitwise_not"),
        (col("l") < col("l"), "found List(Int32)", None),
        (-col("u8"), "expected a signed number or duration as argument 1, found UInt8", None),
        (col("i").str.to_uppercase(), "expected a string as argument 1, found Int64", None),
        (col("s").sqrt(), "expected a number as argument 1, found String", None),
        (col("s").str.slice(1.5), "expected an integer as argument 2, found Float64", None),
        (when(col("i")).then(1).otherwise(2), "a condition must be a boolean, found Int64: i", None),
        (when(col("b")).then(1).otherwise("x"), "branches of the types Int64 and String", "cast"),
        (lit(2**63), "does not fit 64 bits", None),
        (col("i") > 2**63, "does not fit 64 bits", None),
        (col("f").round(-1), "a number of digits from 0 to 30, found -1", None),
        (col("f").round(mode="up"), "the mode is one of half_to_even, half_away_from_zero", None),
        (col("f").log(-2), "the base of a logarithm is a positive number", None),
        (col("i").is_between(1, 2, closed="outer"), "closed is one of both, left, right, none", None),
        (col("s").str.pad_start(5, "ab"), "padded with one character, found 'ab'", None),
        (col("s").str.to_integer(37), "between 2 and 36", None),
        (col("s").str.encode("hexa"), 'did you mean "hex"?', None),
        (col("s").str.split_index("/", -1), "from 0 on, found -1", None),
        (col("i").truncdiv(1.5), "expected integers, found Int64 and Float64", "divide with /"),
        (col("i").abs(1), "expected 1 argument(s), found 2 in abs(i, 1)", None),
        (col("l").cast(t.Date), "there is no cast from List(Int32) to Date", None),
        (count() + 1, "has no place here", ".agg"),
    ],
    ids=str,
)
def test_what_does_not_fit(expr: Expr, message: str, hint: str | None) -> None:
    with pytest.raises(PlanError) as refused:
        typed(expr)
    assert message in refused.value.message
    assert hint is None or hint in str(refused.value.hint)


def test_unknown_columns_name_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match='no column "dya"; did you mean "day"'):
        typed(col("dya").is_null())


@pytest.mark.parametrize(("value", "dtype"), [(300, t.Int8), (-1, t.UInt8)])
def test_a_constant_that_does_not_fit_its_type(value: Any, dtype: t.DType) -> None:
    with pytest.raises(PlanError, match=f"the integer {value} does not fit {dtype}"):
        lit(value, dtype)


def test_aggregations() -> None:
    result, where = infer_aggregation(count().filter(col("b")).term, ROWS)
    assert (result.dtype, result.nullable) == (t.Int64, False)
    assert where is not None
    assert where.dtype == t.Boolean
    with pytest.raises(PlanError, match="is no aggregate"):
        infer_aggregation(col("i").term, ROWS)
    with pytest.raises(PlanError, match="a condition must be a boolean, found Int64"):
        infer_aggregation(count().filter(col("i")).term, ROWS)
    assert "count" in AGGREGATES
