"""Building blocks for the types of functions: kinds of arguments, common types, and resolvers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
    SIGNED,
    UNSIGNED,
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float32,
    Float64,
    Int64,
    Json,
    List,
    Map,
    Null,
    String,
    Struct,
    Time,
    is_numeric,
    is_temporal,
)
from penstock.core.errors import PlanError
from penstock.expr.function import Kind, Resolver, Signature

ANY = Kind("anything", lambda t: True)
NUMBER = Kind("a number", is_numeric, Int64)
INTEGER = Kind("an integer", lambda t: t in INTEGERS, Int64)
FLOAT = Kind("a float", lambda t: t in FLOATS, Float64)
TEXT = Kind("a string", lambda t: t == String, String)
BYTES = Kind("bytes", lambda t: t == Binary, Binary)
LOGICAL = Kind("a boolean", lambda t: t == Boolean, Boolean)
DATE = Kind("a date", lambda t: t == Date, Date)
DATETIME = Kind("a datetime", lambda t: isinstance(t, Datetime), Datetime("us"))
ZONED = Kind("a datetime with a zone", lambda t: isinstance(t, Datetime) and t.zone is not None, Datetime("us", "UTC"))
NAIVE = Kind("a datetime without a zone", lambda t: isinstance(t, Datetime) and t.zone is None, Datetime("us"))
DAYS = Kind("a date or datetime", lambda t: t == Date or isinstance(t, Datetime), Date)
CLOCK = Kind("a time or datetime", lambda t: t == Time or isinstance(t, Datetime), Time)
SPAN = Kind("a duration", lambda t: isinstance(t, Duration), Duration("us"))
LIST = Kind("a list", lambda t: isinstance(t, List))
STRUCT = Kind("a struct", lambda t: isinstance(t, Struct))
MAP = Kind("a map", lambda t: isinstance(t, Map))
JSON = Kind("JSON text", lambda t: t in (Json, String), String)
AMOUNT = Kind("a number or duration", lambda t: is_numeric(t) or isinstance(t, Duration), Int64)
SIGNED_AMOUNT = Kind(
    "a signed number or duration", lambda t: AMOUNT.accepts(t) and t not in UNSIGNED and t != Null, Int64
)
MEASURE = Kind(
    "a number, date, time or duration",
    lambda t: AMOUNT.accepts(t) or t in (Date, Time) or isinstance(t, Datetime),
    Int64,
)
ORDERED = Kind(
    "a number, string, boolean, date, time or duration",
    lambda t: MEASURE.accepts(t) or t in (String, Binary, Boolean),
    Int64,
)


def bits(dtype: DType) -> int:
    """How many bits an integer or float type has."""
    return int("".join(c for c in str(dtype) if c.isdigit()))


def limits(dtype: DType) -> tuple[int, int]:
    """The smallest and the largest value of an integer type."""
    size = bits(dtype)
    return (0, 2**size - 1) if dtype in UNSIGNED else (-(2 ** (size - 1)), 2 ** (size - 1) - 1)


def as_decimal(dtype: DType) -> Decimal:
    """The decimal type that holds all values of a decimal or integer type."""
    return dtype if isinstance(dtype, Decimal) else Decimal(len(str(limits(dtype)[1])), 0)


def _common_number(a: DType, b: DType) -> DType | None:
    if isinstance(a, Decimal) or isinstance(b, Decimal):
        if a in FLOATS or b in FLOATS:
            return Float64
        pair = as_decimal(a), as_decimal(b)
        scale = max(t.scale for t in pair)
        return Decimal(min(38, max(t.precision - t.scale for t in pair) + scale), scale)
    if a in FLOATS or b in FLOATS:
        both = [t for t in (a, b) if t in FLOATS]
        if len(both) == 2:
            return Float64 if Float64 in both else Float32
        integer = b if a in FLOATS else a
        return Float32 if both[0] == Float32 and bits(integer) <= 16 else Float64
    for family in (SIGNED, UNSIGNED):
        if a in family and b in family:
            return max(a, b, key=bits)
    signed, unsigned = (a, b) if a in SIGNED else (b, a)
    wide = max(bits(signed), 2 * bits(unsigned))
    return next((t for t in SIGNED if bits(t) == wide), None)


def common(a: DType, b: DType) -> DType | None:
    """The type that holds the values of both, or None: Polars' rules without Int128."""
    if a == b or b == Null:
        return a
    if a == Null:
        return b
    if is_numeric(a) and is_numeric(b):
        return _common_number(a, b)
    if isinstance(a, Datetime) and isinstance(b, Datetime):
        if (a.zone is None) != (b.zone is None):
            return None
        return Datetime("us" if "us" in (a.unit, b.unit) else "ms", a.zone)
    if isinstance(a, Duration) and isinstance(b, Duration):
        return Duration("us")
    if {a, b} == {Json, String}:
        return String
    for day, other in ((a, b), (b, a)):
        if day == Date and isinstance(other, Datetime) and other.zone is None:
            return other
    if isinstance(a, List) and isinstance(b, List):
        inner = common(a.inner, b.inner)
        return List(inner) if inner else None
    if isinstance(a, Struct) and isinstance(b, Struct) and [n for n, _ in a.fields] == [n for n, _ in b.fields]:
        shared = [(name, common(t, dict(b.fields)[name])) for name, t in a.fields]
        return Struct(tuple(shared)) if all(t for _, t in shared) else None
    return None


def common_of(types: Sequence[DType], what: str = "values") -> DType:
    """The common type of several.

    Raises:
        PlanError: If there is none.
    """
    result: DType = types[0]
    for other in types[1:]:
        found = common(result, other)
        if found is None:
            raise PlanError(f"{what} of the types {result} and {other} have no common type", hint=_hint(result, other))
        result = found
    return result


def _hint(a: DType, b: DType) -> str:
    """What to do about two types that do not meet."""
    for text, other in ((a, b), (b, a)):
        if text == String and is_temporal(other):
            return f"write a Python {_PYTHON[str(other)[:4]]}, or cast the string"
        if text == String and isinstance(other, Duration):
            return "write a datetime.timedelta"
    zones = [t.zone is None for t in (a, b) if isinstance(t, Datetime)]
    if len(zones) == 2 and zones[0] != zones[1]:
        return "one has a zone, the other is wall-clock time: .dt.replace_time_zone gives it one"
    return "cast one of them"


_PYTHON = {"Date": "datetime.date or datetime.datetime", "Time": "datetime.time"}


def _check(kind: Kind, dtype: DType, position: int) -> DType:
    """The type, or the typical one of the kind for a bare null."""
    if dtype == Null:
        return kind.typical or dtype
    if not kind.accepts(dtype):
        place = "" if position < 0 else f" as argument {position + 1}"
        raise PlanError(f"expected {kind.name}{place}, found {dtype}")
    return dtype


def takes(
    *kinds: Kind, returns: DType | Callable[..., DType] | int, repeated: bool = False, optional: int = 0
) -> Resolver:
    """Arguments of the given kinds, not converted.

    Args:
        kinds: One per argument; with `repeated` the last stands for any further ones too.
        returns: A type, the index of the argument whose type it is, or a function of the types.
        repeated: Whether the last kind may repeat.
        optional: How many of the last arguments may be left out.
    """
    needed = len(kinds) - optional

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        if len(types) < needed or (len(types) > len(kinds) and not repeated):
            count = str(needed) if not optional else f"{needed} to {len(kinds)}"
            raise PlanError(f"expected {count} argument(s), found {len(types)}")
        given = tuple(_check(kinds[min(i, len(kinds) - 1)], dtype, i) for i, dtype in enumerate(types))
        if isinstance(returns, int):
            result = given[returns]
        elif isinstance(returns, DType):
            result = returns
        else:
            result = returns(*given)
        return Signature(given, result)

    return resolve


def unified(
    kind: Kind = ANY, *, returns: DType | None = None, least: int = 1, most: int | None = None, what: str = "values"
) -> Resolver:
    """Arguments that are converted to their common type, which is also the result unless `returns` says other."""

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        if len(types) < least:
            raise PlanError(f"expected at least {least} argument(s), found {len(types)}")
        if most is not None and len(types) > most:
            raise PlanError(f"expected at most {most} argument(s), found {len(types)}")
        for i, dtype in enumerate(types):
            _check(kind, dtype, i)
        shared = _check(kind, common_of(types, what), -1)
        return Signature(tuple(shared for _ in types), returns or shared)

    return resolve


def floating(count: int = 1, *, returns: DType | None = None) -> Resolver:
    """Numbers that are converted to floats: 32-bit ones if all are, else 64-bit; the result is such a float too."""

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        if len(types) != count:
            raise PlanError(f"expected {count} argument(s), found {len(types)}")
        for i, dtype in enumerate(types):
            _check(NUMBER, dtype, i)
        width = Float32 if all(t in (Float32, Null) for t in types) and Float32 in types else Float64
        return Signature((width,) * count, returns or width)

    return resolve


def converted(*targets: DType, returns: DType) -> Resolver:
    """Numbers that are all converted to the given types."""

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        if len(types) != len(targets):
            raise PlanError(f"expected {len(targets)} argument(s), found {len(types)}")
        for i, dtype in enumerate(types):
            _check(NUMBER, dtype, i)
        return Signature(tuple(targets), returns)

    return resolve


def first_of(*resolvers: Resolver) -> Resolver:
    """The first resolver that accepts the types; the last one's error if none does."""

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        failure: PlanError | None = None
        for one in resolvers:
            try:
                return one(types, options)
            except PlanError as refused:
                failure = refused
        raise failure or PlanError("no signature fits")

    return resolve
