"""Integer overflow, found afterwards and cheaply: Polars wraps around, and these conditions say where it did.

Each takes the operands as Polars expressions of one integer type, and gives a condition that is true where
the exact result does not fit the type, or None if it always fits. With a constant operand it is one comparison.
"""

from __future__ import annotations

import math
from typing import Any

from penstock.core.dtypes import UNSIGNED, DType, to_polars
from penstock.core.lazy import pl
from penstock.expr.signatures import bits, limits


def constant(expression: Any) -> Any:
    """The value of a Polars literal; None for anything else."""
    return pl.select(expression).item() if expression.meta.is_literal() else None


def outside(value: Any, low: int, high: int, dtype: DType) -> Any | None:
    """Where a value is below `low` or above `high`; None if its type says that it never is."""
    smallest, largest = limits(dtype)
    kind = to_polars(dtype)
    above = value > pl.lit(high, dtype=kind) if high < largest else None
    below = value < pl.lit(low, dtype=kind) if low > smallest else None
    return above if below is None else below if above is None else above | below


def of_sum(a: Any, b: Any, dtype: DType) -> Any | None:
    """Where `a + b` does not fit."""
    low, high = limits(dtype)
    for value, other in ((a, constant(b)), (b, constant(a))):
        if other is not None:
            return outside(value, max(low, low - other), min(high, high - other), dtype)
    total = a + b
    if dtype in UNSIGNED:
        return total < a
    return ((a ^ total) & (b ^ total)) < 0


def of_difference(a: Any, b: Any, dtype: DType) -> Any | None:
    """Where `a - b` does not fit."""
    low, high = limits(dtype)
    known = constant(b)
    if known is not None:
        return outside(a, max(low, low + known), min(high, high + known), dtype)
    if dtype in UNSIGNED:
        return a < b
    return ((a ^ b) & (a ^ (a - b))) < 0


def of_product(a: Any, b: Any, dtype: DType) -> Any | None:
    """Where `a * b` does not fit."""
    low, high = limits(dtype)
    for value, factor in ((a, constant(b)), (b, constant(a))):
        if factor is not None:
            return _of_multiple(value, factor, dtype)
    if bits(dtype) <= 32:
        wide = pl.UInt64 if dtype in UNSIGNED else pl.Int64
        return ~(a.cast(wide) * b.cast(wide)).is_between(low, high)
    return _far(a.cast(pl.Float64) * b.cast(pl.Float64), a * b, dtype)


def _of_multiple(value: Any, factor: int, dtype: DType) -> Any | None:
    low, high = limits(dtype)
    if factor == 0:
        return None
    first, last = (low, high) if factor > 0 else (high, low)
    return outside(value, -(-first // factor), last // factor, dtype)


def of_power(a: Any, exponent: Any, result: Any, dtype: DType) -> Any | None:
    """Where `a` to a power that is not negative does not fit; `result` is what Polars gave."""
    known = constant(exponent)
    if known is not None and known < 2:
        return None
    if known is not None:
        low, high = limits(dtype)
        top = _root(high, known)
        bottom = 0 if dtype in UNSIGNED else -(top if known % 2 == 0 else _root(-low, known))
        return outside(a, bottom, top, dtype)
    return _far(a.cast(pl.Float64).pow(exponent.cast(pl.Float64)), result, dtype)


def _root(number: int, degree: int) -> int:
    """The largest integer whose power is at most the number."""
    root = round(math.pow(number, 1 / degree)) + 1
    while root**degree > number:
        root -= 1
    return root


def _far(estimate: Any, wrapped: Any, dtype: DType) -> Any:
    """Where a wrapped result is not the one that a float estimates.

    A result that wrapped is off by a multiple of 2 ** bits, and the estimate by less than 2 ** 13 wherever the
    exact result fits, so half of that multiple tells them apart.
    """
    return (estimate - wrapped.cast(pl.Float64)).abs() > 2.0 ** (bits(dtype) - 1)
