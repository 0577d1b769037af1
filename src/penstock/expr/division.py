"""Division of floats, exact to the last digit whatever the rows are cut into.

Polars divides a column by one number by multiplying with its reciprocal, unless the column has one row. So
`x / 3.0` would depend on how many rows a step has, and on whether a constant column is stored as one value.
Here the divisor is made a column of its own first.
"""

from __future__ import annotations

import math
from typing import Any

from penstock.expr.overflow import constant


def divisor(dividend: Any, by: Any) -> Any:
    """What to divide by, as a Polars expression of floats: the same values, never stored as one."""
    number = constant(by)
    if number is None:
        # Where the dividend is NaN or null the quotient is too, so the divisor does not matter there.
        return by if constant(dividend) is not None else by * dividend.clip(1.0, 1.0)
    return by if _has_exact_reciprocal(number) else dividend.clip(number, number)


def _has_exact_reciprocal(number: float) -> bool:
    if number == 0 or not math.isfinite(number):
        return True
    fraction, exponent = math.frexp(abs(number))
    return fraction == 0.5 and abs(exponent) < 100
