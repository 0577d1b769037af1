"""Logical types and their names in Polars, Arrow and Python.

Types are named as in Polars. `Int64`, `String` and the like are values; `Datetime`, `List`,
`Struct`, `Map`, `Decimal` and `Duration` take parameters.
"""

from __future__ import annotations

import datetime as dt
import decimal
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.core.errors import PlanError, one_of
from penstock.core.lazy import pl


@dataclass(frozen=True)
class DType:
    """A logical type. Equality is by value."""

    def to_json(self) -> Any:
        """The type as JSON: a string, or a list of its name and parameters."""
        return str(self)


@dataclass(frozen=True)
class Simple(DType):
    """A type without parameters."""

    name: str

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


Null = Simple("Null")
Boolean = Simple("Boolean")
Int8 = Simple("Int8")
Int16 = Simple("Int16")
Int32 = Simple("Int32")
Int64 = Simple("Int64")
UInt8 = Simple("UInt8")
UInt16 = Simple("UInt16")
UInt32 = Simple("UInt32")
UInt64 = Simple("UInt64")
Float32 = Simple("Float32")
Float64 = Simple("Float64")
String = Simple("String")
Binary = Simple("Binary")
Date = Simple("Date")
Time = Simple("Time")
Json = Simple("Json")

SIMPLE: dict[str, Simple] = {
    t.name: t
    for t in (
        Null, Boolean, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64, Float32, Float64,
        String, Binary, Date, Time, Json,
    )
}  # fmt: skip
SIGNED = (Int8, Int16, Int32, Int64)
UNSIGNED = (UInt8, UInt16, UInt32, UInt64)
INTEGERS = SIGNED + UNSIGNED
FLOATS = (Float32, Float64)


@dataclass(frozen=True)
class Decimal(DType):
    """An exact decimal number.

    Attributes:
        precision: Digits in all, at most 38.
        scale: Digits after the point.
    """

    precision: int = 38
    scale: int = 0

    def __str__(self) -> str:
        return f"Decimal({self.precision}, {self.scale})"

    def to_json(self) -> Any:
        """`["Decimal", precision, scale]`."""
        return ["Decimal", self.precision, self.scale]


@dataclass(frozen=True)
class Datetime(DType):
    """A moment: an instant if it has a zone, else a wall-clock time.

    Attributes:
        unit: `"us"` or `"ms"`. Nanoseconds of a source are cut to microseconds where they are read.
        zone: An IANA zone name, or None for wall-clock time.
    """

    unit: str = "us"
    zone: str | None = None

    def __post_init__(self) -> None:
        if self.unit == "ns":
            object.__setattr__(self, "unit", "us")
        if self.unit not in ("ms", "us"):
            raise PlanError(f'a Datetime has the unit "us" or "ms", not "{self.unit}"')

    def __str__(self) -> str:
        zone = f', "{self.zone}"' if self.zone else ""
        return f'Datetime("{self.unit}"{zone})'

    def to_json(self) -> Any:
        """`["Datetime", unit, zone]`."""
        return ["Datetime", self.unit, self.zone]


@dataclass(frozen=True)
class Duration(DType):
    """A span of time.

    Attributes:
        unit: `"us"` or `"ms"`.
    """

    unit: str = "us"

    def __post_init__(self) -> None:
        if self.unit == "ns":
            object.__setattr__(self, "unit", "us")

    def __str__(self) -> str:
        return f'Duration("{self.unit}")'

    def to_json(self) -> Any:
        """`["Duration", unit]`."""
        return ["Duration", self.unit]


@dataclass(frozen=True)
class List(DType):
    """A list of values of one type."""

    inner: DType

    def __post_init__(self) -> None:
        object.__setattr__(self, "inner", as_dtype(self.inner))

    def __str__(self) -> str:
        return f"List({self.inner})"

    def to_json(self) -> Any:
        """`["List", inner]`."""
        return ["List", self.inner.to_json()]


@dataclass(frozen=True)
class Struct(DType):
    """Named fields in order; written `Struct({"a": Int64})`."""

    fields: tuple[tuple[str, DType], ...] = field(default=())

    def __init__(self, fields: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()) -> None:
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        object.__setattr__(self, "fields", tuple((name, as_dtype(t)) for name, t in pairs))

    def __str__(self) -> str:
        return "Struct({" + ", ".join(f'"{n}": {t}' for n, t in self.fields) + "})"

    def to_json(self) -> Any:
        """`["Struct", [name, type], ...]`."""
        return ["Struct", *([n, t.to_json()] for n, t in self.fields)]

    def get(self, name: str) -> DType | None:
        """The type of a field, or None."""
        return dict(self.fields).get(name)


@dataclass(frozen=True)
class Map(DType):
    """Keys to values; keys are unique."""

    key: DType
    value: DType

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", as_dtype(self.key))
        object.__setattr__(self, "value", as_dtype(self.value))

    def __str__(self) -> str:
        return f"Map({self.key}, {self.value})"

    def to_json(self) -> Any:
        """`["Map", key, value]`."""
        return ["Map", self.key.to_json(), self.value.to_json()]


_PYTHON: dict[Any, DType] = {
    bool: Boolean,
    int: Int64,
    float: Float64,
    str: String,
    bytes: Binary,
    dt.datetime: Datetime("us", "UTC"),
    dt.date: Date,
    dt.time: Time,
    dt.timedelta: Duration("us"),
    decimal.Decimal: Decimal(38, 9),
    type(None): Null,
}


def as_dtype(value: Any) -> DType:
    """A logical type from what users write: ours, Polars', a Python type, or a name.

    Raises:
        PlanError: If `value` is none of these.
    """
    if isinstance(value, DType):
        return value
    if isinstance(value, type) and issubclass(value, (Datetime, Duration, Decimal)):
        return value()
    if isinstance(value, str):
        if value in SIMPLE:
            return SIMPLE[value]
        raise one_of("type", value, SIMPLE)
    if value in _PYTHON:
        return _PYTHON[value]
    origin, arguments = typing.get_origin(value), typing.get_args(value)
    if origin in (typing.Union, types.UnionType):
        inner = [a for a in arguments if a is not type(None)]
        if len(inner) == 1:
            return as_dtype(inner[0])
    if origin is list and arguments:
        return List(as_dtype(arguments[0]))
    if origin is dict and len(arguments) == 2:
        return Map(as_dtype(arguments[0]), as_dtype(arguments[1]))
    module = getattr(value, "__module__", "") or type(value).__module__
    if module.startswith("polars"):
        return from_polars(value)
    if type(value).__module__.startswith("pyarrow"):
        return from_polars(pl.DataFrame(schema=pl.Schema({"x": _polars_of_arrow(value)})).schema["x"])
    raise PlanError(f"{value!r} is not a type", hint="use the types of penstock or Polars, such as ps.Int64")


def _polars_of_arrow(value: Any) -> Any:
    from penstock.core.lazy import pa

    return pl.from_arrow(pa.array([], type=value)).dtype  # type: ignore[union-attr]


def from_polars(dtype: Any) -> DType:
    """The logical type of a Polars type.

    Raises:
        PlanError: For Polars types without a logical type here (Object, Int128 and the like).
    """
    kind = dtype if isinstance(dtype, type) else type(dtype)
    name = kind.__name__
    instance = dtype() if isinstance(dtype, type) and name in ("Datetime", "Duration") else dtype
    if name in SIMPLE:
        return SIMPLE[name]
    if name in ("Categorical", "Enum", "Utf8"):
        return String
    if name == "Datetime":
        return Datetime(instance.time_unit or "us", instance.time_zone)
    if name == "Duration":
        return Duration(instance.time_unit or "us")
    if name == "Decimal":
        return Decimal(instance.precision or 38, instance.scale or 0)
    if name in ("List", "Array"):
        return List(from_polars(instance.inner))
    if name == "Struct":
        return Struct(tuple((f.name, from_polars(f.dtype)) for f in instance.fields))
    if name == "Map":
        return Map(from_polars(instance.key), from_polars(instance.value))
    raise PlanError(f"the Polars type {dtype} has no counterpart here", hint="cast the column before reading it")


def to_polars(dtype: DType) -> Any:
    """The Polars type that holds values of a logical type (`Json` is text)."""
    match dtype:
        case Simple("Json"):
            return pl.String
        case Simple(name):
            return getattr(pl, name)
        case Decimal(precision, scale):
            return pl.Decimal(precision, scale)
        case Datetime(unit, zone):
            return pl.Datetime(unit, zone)  # type: ignore[arg-type]
        case Duration(unit):
            return pl.Duration(unit)  # type: ignore[arg-type]
        case List(inner):
            return pl.List(to_polars(inner))
        case Struct(fields):
            return pl.Struct([pl.Field(name, to_polars(t)) for name, t in fields])
        case Map(key, value):
            return pl.Map(to_polars(key), to_polars(value))
    raise PlanError(f"{dtype} has no Polars type")


def from_json(data: Any) -> DType:
    """The inverse of `DType.to_json`.

    Raises:
        PlanError: If the data name no type.
    """
    if isinstance(data, str):
        return as_dtype(data)
    match data:
        case ["Decimal", int(p), int(s)]:
            return Decimal(p, s)
        case ["Datetime", str(unit), zone]:
            return Datetime(unit, zone)
        case ["Duration", str(unit)]:
            return Duration(unit)
        case ["List", inner]:
            return List(from_json(inner))
        case ["Struct", *fields]:
            return Struct(tuple((name, from_json(t)) for name, t in fields))
        case ["Map", key, value]:
            return Map(from_json(key), from_json(value))
    raise PlanError(f"{data!r} names no type")


def is_numeric(dtype: DType) -> bool:
    """Whether values can be added and multiplied."""
    return dtype in INTEGERS or dtype in FLOATS or isinstance(dtype, Decimal)


def is_temporal(dtype: DType) -> bool:
    """Whether values are dates or moments."""
    return dtype in (Date, Time) or isinstance(dtype, Datetime)


def is_fixed(dtype: DType) -> bool:
    """Whether a value fits one 8-byte word."""
    return (
        dtype in INTEGERS
        or dtype in FLOATS
        or dtype in (Boolean, Date, Time, Null)
        or isinstance(dtype, (Datetime, Duration))
    )
