"""The types of plain Python values: of lists of dicts, and of a sample of JSON."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float64,
    Int64,
    List,
    Null,
    String,
    Struct,
    Time,
    UInt8,
    UInt16,
    UInt64,
)
from penstock.core.errors import PlanError

Conflict = Callable[[DType, DType], DType]
"""What becomes of two types that have no common one; may raise."""

_SIMPLE: tuple[tuple[type, DType], ...] = (
    (bool, Boolean),
    (float, Float64),
    (str, String),
    (bytes, Binary),
    (dt.time, Time),
    (dt.timedelta, Duration("us")),
)


_NATURAL, _BEYOND = UInt8, UInt16
"""Stand for whole numbers that Int64 and UInt64 both hold, and for sets of them that neither does."""


def unify(one: DType, other: DType, conflict: Conflict) -> DType:
    """The type that holds the values of both types.

    Args:
        one: A type; Null goes with every other.
        other: Another.
        conflict: Called where there is none.
    """
    if one == other or other == Null:
        return one
    if one == Null:
        return other
    match one, other:
        case (List(first), List(second)):
            return List(unify(first, second, conflict))
        case (Struct(), Struct()):
            fields = dict(one.fields)
            for name, dtype in other.fields:
                fields[name] = unify(fields[name], dtype, conflict) if name in fields else dtype
            return Struct(fields)
        case (Datetime(_, first_zone), Datetime(_, second_zone)) if first_zone and second_zone:
            return Datetime("us", "UTC")
        case (Decimal(_, first_scale), Decimal(_, second_scale)):
            return Decimal(38, max(first_scale, second_scale))
        case (Decimal(), number) | (number, Decimal()) if number in INTEGERS:
            return one if isinstance(one, Decimal) else other
    if one in INTEGERS and other in INTEGERS:
        return _whole(one, other)
    if one in INTEGERS + FLOATS and other in INTEGERS + FLOATS:
        return Float64
    return conflict(one, other)


def _whole(one: DType, other: DType) -> DType:
    """The narrowest of Int64, UInt64 and what is beyond that holds the whole numbers of both."""
    if _NATURAL in (one, other):
        return other if one == _NATURAL else one
    return _BEYOND


def _type_of(value: Any, conflict: Conflict) -> DType:
    """The type of a value; Null for None.

    Whole numbers have a type for where they are, which `_settled` makes one of columns.

    Raises:
        PlanError: If values of its class cannot be in a row.
    """
    if value is None:
        return Null
    for kind, dtype in _SIMPLE:
        if isinstance(value, kind):
            return dtype
    if isinstance(value, int):
        return _integer(value, conflict)
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            return Datetime("us")
        return Datetime("us", getattr(value.tzinfo, "key", None) or "UTC")
    if isinstance(value, dt.date):
        return Date
    if isinstance(value, decimal.Decimal):
        exponent = value.as_tuple().exponent
        return Decimal(38, max(0, -exponent) if isinstance(exponent, int) else 0)
    if isinstance(value, Mapping):
        return Struct({str(name): _type_of(item, conflict) for name, item in value.items()})
    if isinstance(value, (list, tuple)):
        return List(_common(value, conflict))
    raise PlanError(f"a value of {type(value).__name__} cannot be in a row: {value!r}")


def _integer(value: int, conflict: Conflict) -> DType:
    if 0 <= value < 2**63:
        return _NATURAL
    if -(2**63) <= value < 0:
        return Int64
    if abs(value) < 10**38:
        return UInt64 if 0 <= value < 2**64 else _BEYOND
    return conflict(Int64, Decimal(38, 0))


def _settled(dtype: DType) -> DType:
    match dtype:
        case List(inner):
            return List(_settled(inner))
        case Struct(fields):
            return Struct(tuple((name, _settled(inner)) for name, inner in fields))
    return Int64 if dtype == _NATURAL else Decimal(38, 0) if dtype == _BEYOND else dtype


def _common(values: Iterable[Any], conflict: Conflict) -> DType:
    found: DType = Null
    for value in values:
        found = unify(found, _type_of(value, conflict), conflict)
    return found


def common_type(values: Iterable[Any], conflict: Conflict) -> DType:
    """The type that holds all values; Null if there are none but None.

    Whole numbers keep all their digits: they are Int64; UInt64 if one is above and none is negative; Decimal(38, 0) if
    neither holds them. With floats among them they are Float64, as the floats are.
    """
    return _settled(_common(values, lambda one, other: conflict(_settled(one), _settled(other))))
