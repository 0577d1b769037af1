"""Comparison and three-valued logic."""

from __future__ import annotations

from penstock.core.dtypes import Boolean
from penstock.expr.function import Function
from penstock.expr.signatures import ANY, takes, unified

FUNCTIONS = (
    Function(
        name="gt",
        doc="Whether the first is greater; NaN is greater than every number.",
        signature=unified(returns=Boolean, least=2),
        polars=lambda a, b: a > b,
        oracle=lambda a, b: a > b,
        flink="({0} > {1})",
        examples=[((1, 2), False), ((2, 1), True), ((1, None), None)],
    ),
    Function(
        name="is_not_null",
        doc="Whether there is a value.",
        signature=takes(ANY, returns=Boolean),
        polars=lambda a: a.is_not_null(),
        oracle=lambda a: a is not None,
        flink="({0} IS NOT NULL)",
        examples=[((1,), True), ((None,), False)],
        null="never",
    ),
)
