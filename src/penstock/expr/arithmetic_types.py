"""The types of arithmetic: which operands `+ - * /` take, what they are converted to, what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import (
    INTEGERS,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float32,
    Float64,
    Int64,
    Null,
    String,
    Time,
    is_numeric,
)
from penstock.core.errors import PlanError
from penstock.expr import decimals
from penstock.expr.function import Resolver, Signature
from penstock.expr.signatures import as_decimal, common

SPAN = Duration("us")
"""What all arithmetic of durations is done in."""


def pair(sign: str, special: Callable[[DType, DType], Signature | None]) -> Resolver:
    """The types of an operation on two values: what `special` says, else those of numbers."""

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        if len(types) != 2:
            raise PlanError(f"expected 2 argument(s), found {len(types)}")
        a, b = types
        # A bare null counts as what the other operand is, or as a duration if that has no sense.
        pairs = [(a, b)] if Null not in types else [_filled(a, b, other) for other in (None, SPAN)]
        found = next((found for x, y in pairs if (found := special(x, y) or _numbers(x, y))), None)
        if found is None:
            hint = "strings are joined with strings: cast the other one" if String in (a, b) and sign == "+" else None
            raise PlanError(f"there is no {a} {sign} {b}", hint=hint)
        return found

    return resolve


def _filled(a: DType, b: DType, other: DType | None) -> tuple[DType, DType]:
    if a == b:
        return Int64, Int64
    return (other or b, b) if a == Null else (a, other or a)


def _numbers(a: DType, b: DType) -> Signature | None:
    if not (is_numeric(a) and is_numeric(b)):
        return None
    shared = common(a, b)
    if shared is None:
        raise PlanError(f"numbers of the types {a} and {b} have no common type", hint="cast one of them")
    if isinstance(shared, Decimal):
        # Operands keep their own digits: they tell whether a result can be too large at all.
        x, y = as_decimal(a), as_decimal(b)
        return Signature((x, y), decimals.product_type(x, y))
    return Signature((shared, shared), shared)


def added(a: DType, b: DType) -> Signature | None:
    """Of `+`, other than numbers."""
    if a == b == String:
        return Signature((a, b), String)
    if isinstance(a, Duration) and isinstance(b, Duration):
        return Signature((SPAN, SPAN), SPAN)
    for moved, by in ((a, b), (b, a)):
        if isinstance(by, Duration) and (moved == Date or isinstance(moved, Datetime)):
            result = Datetime("us", moved.zone) if isinstance(moved, Datetime) else Date
            return Signature((result, SPAN) if moved is a else (SPAN, result), result)
    return None


def subtracted(a: DType, b: DType) -> Signature | None:
    """Of `-`, other than numbers."""
    if isinstance(b, Duration):
        return added(a, b)
    days = [t for t in (a, b) if t == Date or isinstance(t, Datetime)]
    if len(days) < 2:
        return Signature((Time, Time), SPAN) if a == b == Time else None
    if a == b == Date:
        return Signature((a, b), SPAN)
    zones = [t.zone if isinstance(t, Datetime) else None for t in days]
    if (zones[0] is None) != (zones[1] is None):
        raise PlanError(f"there is no {a} - {b}", hint="one has a zone: .dt.replace_time_zone gives the other one too")
    return Signature((Datetime("us", zones[0]), Datetime("us", zones[1])), SPAN)


def multiplied(a: DType, b: DType) -> Signature | None:
    """Of `*`, other than numbers."""
    if isinstance(b, Duration) and not isinstance(a, Duration):
        turned = multiplied(b, a)
        return turned and Signature(turned.args[::-1], SPAN)
    if not isinstance(a, Duration):
        return None
    if not is_numeric(b):
        return None
    return Signature((SPAN, Int64 if b in INTEGERS else Float64), SPAN)


def divided(a: DType, b: DType) -> Signature | None:
    """Of `/`: floats, unless it is of decimals or durations."""
    if isinstance(a, Duration):
        return Signature((SPAN, SPAN), Float64) if isinstance(b, Duration) else multiplied(a, b)
    if not (is_numeric(a) and is_numeric(b)) or isinstance(common(a, b), Decimal):
        return None
    width = Float32 if a == b == Float32 else Float64
    return Signature((width, width), width)


def raised(a: DType, b: DType) -> Signature | None:
    """Of `**`: the type of an integer stays what it is, all else is floats."""
    if a in INTEGERS and b in INTEGERS:
        return Signature((a, b), a)
    if not (is_numeric(a) and is_numeric(b)):
        return None
    width = Float32 if a == b == Float32 else Float64
    return Signature((width, width), width)


def cut(a: DType, b: DType) -> Signature | None:
    """Of a division of integers only."""
    if a in INTEGERS and b in INTEGERS:
        return None
    raise PlanError(f"expected integers, found {a} and {b}", hint="divide with / and round the result")
