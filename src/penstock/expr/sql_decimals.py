"""Types and rounding of decimals in Flink SQL.

With (p1, s1) and (p2, s2): a sum has the scale max(s1, s2) and one digit more before the point; a product p1 + p2 + 1
digits, s1 + s2 of them after the point; a quotient max(6, s1 + p2 + 1) digits after the point. A type that would
have more than 38 digits loses some after the point, but keeps six of them if it has them.
"""

from __future__ import annotations

import decimal

from penstock.core.dtypes import Decimal, DType

EXACT = decimal.Context(prec=200, rounding=decimal.ROUND_HALF_UP, Emax=999_999, Emin=-999_999)


def adjusted(precision: int, scale: int) -> Decimal:
    """A type of at most 38 digits: what is too much is taken from behind the point, down to six digits."""
    if precision <= 38:
        return Decimal(precision, scale)
    before = precision - scale
    return Decimal(38, max(38 - before, min(scale, 6)))


def result_type(name: str, a: Decimal, b: Decimal) -> Decimal:
    """The type of an operation: add, subtract, multiply, divide or mod."""
    match name:
        case "multiply":
            return adjusted(a.precision + b.precision + 1, a.scale + b.scale)
        case "divide":
            scale = max(6, a.scale + b.precision + 1)
            return adjusted(a.precision - a.scale + b.scale + scale, scale)
        case "mod":
            if a.scale == 0 and b.scale == 0:
                return b
            scale = max(a.scale, b.scale)
            return adjusted(min(a.precision - a.scale, b.precision - b.scale) + scale, scale)
    scale = max(a.scale, b.scale)
    return adjusted(max(a.precision - a.scale, b.precision - b.scale) + scale + 1, scale)


def fitted(value: decimal.Decimal, dtype: DType) -> decimal.Decimal | None:
    """The value with the digits of a type, halves away from zero; None if it has too many."""
    assert isinstance(dtype, Decimal)
    if value.adjusted() >= 100:
        return None
    found = value.quantize(decimal.Decimal(1).scaleb(-dtype.scale), context=EXACT)
    return None if abs(found.scaleb(dtype.scale, EXACT)) >= 10**dtype.precision else found if found else abs(found)


def lowered_sum(returns: Decimal, types: tuple[DType, ...]) -> bool:
    """Whether a sum can be computed in its own type: no digit is lost, and none can be too many."""
    scales = max(t.scale for t in types if isinstance(t, Decimal))
    before = max(t.precision - t.scale for t in types if isinstance(t, Decimal))
    return returns.scale == scales and before + scales + 1 <= 38


def lowered_product(types: tuple[DType, ...]) -> bool:
    """Whether a product has all of its digits: Polars multiplies decimals of one scale, and rounds to it."""
    return sum(t.precision for t in types if isinstance(t, Decimal)) < 38
