"""Numbers: arithmetic, rounding, powers."""

from __future__ import annotations

from typing import Any

from penstock.core.dtypes import Boolean, DType, Float64, Int64
from penstock.expr.function import Function, RowFault
from penstock.expr.signatures import NUMBER, converted, unified


def _add(a: Any, b: Any, types: tuple[DType, ...], returns: DType) -> Any:
    total = a + b
    if returns == Int64 and not -(2**63) <= total < 2**63:
        raise RowFault("overflow")
    return total


def _add_fault(a: Any, b: Any, types: tuple[DType, ...], returns: DType) -> Any:
    if returns != Int64:
        return None
    total = a + b
    return ((a ^ total) & (b ^ total)) < 0


FUNCTIONS = (
    Function(
        name="add",
        doc="The sum; strings are joined, a duration moves a date or time.",
        signature=unified(NUMBER, least=2),
        polars=lambda a, b, types, returns: a + b,
        fault=_add_fault,
        typed=True,
        oracle=_add,
        flink="({0} + {1})",
        examples=[((1, 2), 3), ((1, None), None), ((1.5, 2.0), 3.5), ((2**63 - 1, 1), RowFault)],
    ),
    Function(
        name="truediv",
        doc="The quotient as a float; division by zero is infinite or NaN.",
        signature=converted(Float64, Float64, returns=Float64),
        polars=lambda a, b: a / b,
        oracle=lambda a, b: a / b if b else (float("nan") if a == 0 or a != a else a * float("inf")),
        flink="(CAST({0} AS DOUBLE) / {1})",
        examples=[((1, 2), 0.5), ((None, 2), None)],
    ),
)

_ = Boolean
