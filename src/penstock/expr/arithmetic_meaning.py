"""What arithmetic means, in plain Python: exact, then fitted into the type of the result."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from penstock.core.dtypes import INTEGERS, Date, Datetime, Decimal, DType, Duration, Int64, is_numeric, is_temporal
from penstock.expr import decimals
from penstock.expr.arithmetic_types import SPAN
from penstock.expr.function import RowFault
from penstock.expr.values import fitting, whole
from penstock.expr.zones import bounds, micros, moment

Types = tuple[DType, ...]


def _micros(value: Any) -> int:
    """Microseconds of a duration, of a day or moment since 1970, of a time since midnight."""
    if isinstance(value, dt.time):
        value = dt.datetime.combine(dt.date(1970, 1, 1), value)
    return value // dt.timedelta(microseconds=1) if isinstance(value, dt.timedelta) else micros(value)


def _moved(total: int, returns: DType) -> Any:
    zone = returns.zone if isinstance(returns, Datetime) else None
    low, high = bounds(Datetime("us", zone))
    if not low <= total <= high:
        raise RowFault("outside of the years 1 to 9999")
    result = moment(total, Datetime("us", zone))
    return result.date() if returns == Date else result


def arithmetic(name: str, exact: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The plain meaning of adding, subtracting, multiplying."""

    def meaning(a: Any, b: Any, types: Types, returns: DType) -> Any:
        if isinstance(returns, Decimal):
            return decimals.meaning(name, a, b, returns.scale)
        if is_temporal(returns):
            return _moved(exact(_micros(a), _micros(b)), returns)
        if returns == SPAN:
            x, y = (_micros(v) if not isinstance(v, (int, float)) else v for v in (a, b))
            total = exact(x, y)
            return dt.timedelta(microseconds=whole(total) if isinstance(total, float) else fitting(total, Int64))
        return fitting(exact(a, b), returns)

    return meaning


def _divide(a: float, b: float) -> float:
    if b != 0:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def true_division(a: Any, b: Any, types: Types, returns: DType) -> Any:
    """The quotient."""
    if isinstance(returns, Decimal):
        return decimals.meaning("truediv", a, b, returns.scale)
    if returns != SPAN:
        x, y = (float(_micros(v)) if isinstance(v, dt.timedelta) else v for v in (a, b))
        return fitting(_divide(x, y), returns)
    if b == 0:
        return None
    if isinstance(b, int):
        return dt.timedelta(microseconds=fitting(_micros(a) // b, Int64))
    return dt.timedelta(microseconds=whole(_micros(a) / b))


def _floored(value: float) -> float:
    return math.copysign(math.floor(value), value) if math.isfinite(value) else value


def floor_division(a: Any, b: Any, types: Types, returns: DType) -> Any:
    """The quotient, rounded down."""
    if isinstance(returns, Decimal):
        return decimals.meaning("floordiv", a, b, returns.scale)
    if returns in INTEGERS:
        return fitting(a // b, returns) if b else None
    return fitting(_floored(fitting(_divide(a, b), returns)), returns)


def remainder(a: Any, b: Any, types: Types, returns: DType) -> Any:
    """What a division rounded down leaves."""
    if isinstance(returns, Decimal):
        return decimals.meaning("mod", a, b, returns.scale)
    if returns in INTEGERS:
        return a % b if b else None
    quotient = _floored(fitting(_divide(a, b), returns))
    return fitting(a - fitting(b * quotient, returns), returns)


def cut_division(a: int, b: int, types: Types, returns: DType) -> int | None:
    """The quotient of integers, rounded towards zero."""
    return fitting(math.trunc(Fraction(a, b)), returns) if b else None


def power(a: Any, b: Any, types: Types, returns: DType) -> Any:
    """The power."""
    if returns in INTEGERS:
        if b < 0:
            raise RowFault("a negative power of an integer")
        # Beyond 64 only -1, 0 and 1 have powers that fit.
        return fitting(a ** (b if b < 64 else 64 + b % 2), returns)
    if b == 2:
        return fitting(a * a, returns)
    try:
        return fitting(math.pow(a, b), returns)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        odd = b % 2 == 1 and math.copysign(1.0, a) < 0
        return (-math.inf if odd else math.inf) if a == 0 else math.nan


def opposite(sign: Callable[[Any], Any]) -> Callable[..., Any]:
    """The meaning of what may turn the smallest value into one that does not fit."""

    def meaning(a: Any, types: Types, returns: DType) -> Any:
        result = sign(a)
        if isinstance(returns, Duration):
            fitting(_micros(result) // (1000 if returns.unit == "ms" else 1), Int64)
        return fitting(result, returns) if is_numeric(returns) else result

    return meaning


def negative(value: Any) -> Any:
    """The opposite; decimals have no negative zero, as in Polars."""
    if isinstance(value, decimal.Decimal):
        return value.copy_negate() if value else value.copy_abs()
    return -value


def positive(value: Any) -> Any:
    """The absolute value."""
    return value.copy_abs() if isinstance(value, decimal.Decimal) else abs(value)
