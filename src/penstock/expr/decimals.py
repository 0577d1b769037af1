"""Arithmetic of decimals: Polars' results, without the errors that Polars raises for a whole column.

A result has 38 digits, as many of them after the point as the operand with more of them, and is rounded
half to even. A result of more than 99.9999 % of the largest Decimal is refused: how large a result is, is
estimated with floats before it is computed.
"""

from __future__ import annotations

import decimal
import operator
from fractions import Fraction
from typing import Any

from penstock.core.dtypes import Decimal, DType
from penstock.core.lazy import pl
from penstock.expr.function import RowFault

_OPERATIONS: dict[str, Any] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
}
_EXACT = decimal.Context(prec=200, Emax=999_999, Emin=-999_999)


def product_type(a: Decimal, b: Decimal) -> Decimal:
    """The type of the result of any operation on two decimals."""
    return Decimal(38, max(a.scale, b.scale))


def largest(scale: int) -> float:
    """Results of this size or more are refused."""
    return 0.999999 * 10.0 ** (38 - scale)


# -- Meaning ----------------------------------------------------------------------------------------


def meaning(name: str, a: decimal.Decimal, b: decimal.Decimal, scale: int) -> decimal.Decimal | None:
    """The result of an operation; null for the remainder and the whole quotient of a division by zero.

    Raises:
        RowFault: If it is too large, or a quotient of a division by zero.
    """
    x, y = Fraction(a), Fraction(b)
    if y == 0 and name in ("floordiv", "mod"):
        return None
    if y == 0 and name == "truediv":
        raise RowFault("division by zero")
    result = _OPERATIONS[name](x, y)
    sizes = [abs(result), *((abs(x), abs(y)) if name == "mod" else ())]
    if max(sizes) >= Fraction(largest(scale)):
        raise RowFault("more digits than a Decimal has")
    return rounded(result, scale)


def rounded(value: Fraction, scale: int) -> decimal.Decimal:
    """The nearest decimal with so many digits after the point; of two, the even one."""
    return decimal.Decimal(round(value * 10**scale)).scaleb(-scale, _EXACT)


def to_places(value: decimal.Decimal, places: int, mode: str, dtype: DType) -> decimal.Decimal:
    """Rounded to fewer digits after the point by a mode of the `decimal` module, in the scale of a type.

    Raises:
        RowFault: If it is too large then.
    """
    assert isinstance(dtype, Decimal)
    if places >= dtype.scale:
        return value
    result = value.quantize(decimal.Decimal(1).scaleb(-places), rounding=mode, context=_EXACT)
    grows = mode != decimal.ROUND_DOWN
    if grows and dtype.precision == 38 and Fraction(value.copy_abs()) >= Fraction(largest(dtype.scale)):
        raise RowFault("more digits than a Decimal has")
    return result.quantize(decimal.Decimal(1).scaleb(-dtype.scale), context=_EXACT)


# -- Lowering ---------------------------------------------------------------------------------------


def lowered(name: str, a: Any, b: Any, types: tuple[DType, ...]) -> Any:
    """The Polars expression of an operation; null where it has no value."""
    fits = _fits(name, a, b, types)
    return _OPERATIONS[name](a if fits is None else pl.when(fits).then(a), b)


def fault(name: str, a: Any, b: Any, types: tuple[DType, ...]) -> Any | None:
    """Where an operation has no value."""
    fits = _fits(name, a, b, types)
    if fits is None:
        return None
    refused = ~fits & a.is_not_null()
    return refused & (b != 0) if name in ("floordiv", "mod") else refused


def _fits(name: str, a: Any, b: Any, types: tuple[DType, ...]) -> Any | None:
    """Where the result has a value that Polars can compute; None if that is everywhere."""
    left, right = types
    assert isinstance(left, Decimal)
    assert isinstance(right, Decimal)
    scale = max(left.scale, right.scale)
    before = left.precision - left.scale, right.precision - right.scale
    digits = {
        "add": max(before) + 1,
        "sub": max(before) + 1,
        "mul": sum(before),
        "truediv": before[0] + right.scale,
        "floordiv": before[0] + right.scale,
        "mod": max(before),
    }[name]
    x, y = a.cast(pl.Float64), b.cast(pl.Float64)
    divides = name in ("truediv", "floordiv", "mod")
    small = None
    if digits + scale > 37:
        estimate = pl.max_horizontal(x.abs(), y.abs()) if name == "mod" else _OPERATIONS[name](x, y).abs()
        small = estimate < largest(scale)
    if not divides:
        return small
    return (b != 0) if small is None else (b != 0) & small


def lowered_places(value: Any, places: int, dtype: DType, method: str, **options: Any) -> Any:
    """A Polars method that drops digits after the point; null where the result is too large."""
    assert isinstance(dtype, Decimal)
    if places >= dtype.scale:
        return value
    refused = places_fault(value, places, dtype) if method != "truncate" else None
    if refused is not None:
        value = pl.when(~refused).then(value)
    return getattr(value, method)(**options)


def places_fault(value: Any, places: int, dtype: DType) -> Any | None:
    """Where a decimal is so large that it may not fit when rounded."""
    assert isinstance(dtype, Decimal)
    if places >= dtype.scale or dtype.precision < 38:
        return None
    return value.cast(pl.Float64).abs() >= largest(dtype.scale)
