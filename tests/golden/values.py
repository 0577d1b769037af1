"""Values as the SQL gateway of Flink writes them, in Python."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import math
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    Binary,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float32,
    List,
    Map,
    Struct,
    Time,
)
from penstock.expr.cast_meaning import narrow
from penstock.expr.function import RowFault
from penstock.expr.zones import from_wall
from penstock.sql.terms import MONTHS

WIDE = decimal.Context(prec=100)
BEYOND = RowFault
"""Stands for a date after the year 9999, which Flink has and Python has not: the row is refused."""


def decoded(value: Any, dtype: DType) -> Any:
    """The Python value of a type."""
    if value is None:
        return None
    if dtype == MONTHS:
        return {"$months": value}
    match dtype:
        case Decimal():
            return decimal.Decimal(str(value)).quantize(decimal.Decimal(1).scaleb(-dtype.scale), context=WIDE)
        case Duration():
            return dt.timedelta(milliseconds=value)
        case Datetime(_, zone):
            if value.startswith("+"):
                return BEYOND
            # An instant is written as its local time, and Z behind it all the same.
            wall = dt.datetime.fromisoformat(value.removesuffix("Z"))
            return from_wall(wall, zone) if zone else wall
        case List(inner):
            return [decoded(item, inner) for item in value]
        case Map(key, item):
            return {decoded(k, key): decoded(v, item) for k, v in sorted(value.items())}
        case Struct(fields):
            return {name: decoded(value[name], inner) for name, inner in fields}
    if dtype == Date:
        return BEYOND if value.startswith("+") else dt.date.fromisoformat(value)
    if dtype == Time:
        return dt.time.fromisoformat(value)
    if dtype == Binary:
        return base64.b64decode(value)
    if dtype in FLOATS:
        number = float({"Infinity": "inf", "-Infinity": "-inf"}.get(value, value))
        return narrow(number) if dtype == Float32 else number
    return value


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal; floats may differ in their last digits, as libraries of mathematics do."""
    match a, b:
        case float(), float():
            return (a != a and b != b) or a == b or math.isclose(a, b, rel_tol=1e-6 if narrow(a) == a else 1e-13)
        case list(), list():
            return len(a) == len(b) and all(map(same, a, b))
        case dict(), dict():
            return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
        case dt.datetime(), dt.datetime() if a.tzinfo and b.tzinfo:
            return a.astimezone(dt.UTC) == b.astimezone(dt.UTC)
    return type(a) is type(b) and bool(a == b)


def plain(value: Any) -> Any:
    """A value as JSON in which equal means equal; floats to twelve digits."""
    match value:
        case float():
            return "NaN" if value != value else f"{value:.6g}" if narrow(value) == value else f"{value:.12g}"
        case decimal.Decimal():
            return f"{value.normalize(WIDE):f}"
        case dt.datetime():
            return (value.astimezone(dt.UTC) if value.tzinfo else value).isoformat()
        case dt.date() | dt.time() | dt.timedelta():
            return str(value)
        case bytes():
            return value.hex()
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
    return value
