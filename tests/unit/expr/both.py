"""Evaluate an expression by its plain meaning and by its Polars lowering, and compare the two row by row."""

from __future__ import annotations

import datetime as dt
import functools
import math
import operator
from typing import Any

import polars as pl

from penstock.core.dtypes import DType, to_polars
from penstock.core.schema import Schema
from penstock.expr.build import Expr
from penstock.expr.function import RowFault
from penstock.expr.infer import Typed, infer
from penstock.expr.interpret import interpret
from penstock.expr.lower import lower

FAULT = RowFault
"""Stands for "the row is refused" in results and examples."""


def typed_of(expr: Expr, **types: Any) -> Typed:
    return infer(expr.term, Schema.of(types))


def by_meaning(typed: Typed, rows: list[dict[str, Any]]) -> list[Any]:
    function = interpret(typed)
    results: list[Any] = []
    for row in rows:
        try:
            results.append(function(row))
        except RowFault:
            results.append(FAULT)
    return results


def by_polars(typed: Typed, rows: list[dict[str, Any]], **types: DType) -> list[Any]:
    frame = pl.DataFrame(rows, schema={name: to_polars(dtype) for name, dtype in types.items()}, strict=False)
    lowered = lower(typed)
    value = lowered.value
    fault = functools.reduce(operator.or_, (f.condition.fill_null(False) for f in lowered.faults), pl.lit(False))
    out = frame.select(*(pl.col(name) for name in types)).with_columns(__value=value, __fault=fault)
    assert out.schema["__value"] == to_polars(typed.dtype), f"{typed.term}: declared {typed.dtype}"
    return [
        FAULT if bad else good for good, bad in zip(out["__value"].to_list(), out["__fault"].to_list(), strict=True)
    ]


def plain(value: Any) -> Any:
    """A form in which equal means equal: NaN equals itself, zoned datetimes are instant and offset, 0.0 is not -0.0."""
    match value:
        case float():
            return "NaN" if math.isnan(value) else (value, math.copysign(1, value))
        case dt.datetime() if value.tzinfo is not None:
            return value.astimezone(dt.UTC), value.utcoffset()
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case bool() | int():
            return type(value), value
    return value


def both(expr: Expr, rows: list[dict[str, Any]], **types: DType) -> list[Any]:
    """The results, which must be the same by meaning and by Polars."""
    typed = typed_of(expr, **types)
    expected, found = by_meaning(typed, rows), by_polars(typed, rows, **types)
    for row, a, b in zip(rows, expected, found, strict=True):
        assert plain(a) == plain(b), f"{typed.term} of {row!r}: meaning {a!r}, Polars {b!r}"
        assert a is not None or typed.nullable, f"{typed.term} of {row!r} is null but declared not null"
    return expected


def each(expr: Expr, values: list[Any], dtype: DType) -> list[Any]:
    """As `both` for an expression of one column `x`."""
    return both(expr, [{"x": value} for value in values], x=dtype)
