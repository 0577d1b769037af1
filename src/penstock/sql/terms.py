"""Typed terms of SQL: constants, calls, conversions, and the types that Flink gives to two operands.

Types of Flink in types of the plan: CHAR, VARCHAR, STRING are String; BINARY, VARBINARY, BYTES are Binary;
TIMESTAMP(p) is Datetime in milliseconds to p = 3, in microseconds above (the last three digits of p = 7 to 9 are cut);
TIMESTAMP_LTZ(p) is the same with the session's zone; ROW is Struct, ARRAY is List, MULTISET is a Map to Int32 counts;
INTERVAL DAY TO SECOND is Duration, and INTERVAL YEAR TO MONTH the struct `MONTHS`.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from dataclasses import dataclass
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
    Float32,
    Float64,
    Int32,
    Int64,
    List,
    Map,
    Null,
    String,
    Struct,
    is_numeric,
)
from penstock.core.errors import PlanError
from penstock.expr.ast import Call, Case, Cast, Literal, Term
from penstock.expr.infer import Typed, applied, chosen
from penstock.expr.signatures import as_decimal, bits
from penstock.expr.zones import check_zone

MONTHS = Struct({"$months": Int32})
"""The type of INTERVAL YEAR TO MONTH: no other struct has this field."""


@dataclass(frozen=True)
class Session:
    """What the text of a statement does not say and its meaning depends on.

    Attributes:
        zone: `table.local-time-zone`: the zone of TIMESTAMP_LTZ and of the functions of local time.
    """

    zone: str = "UTC"

    def __post_init__(self) -> None:
        check_zone(self.zone)

    def instant(self, unit: str = "ms") -> Datetime:
        """The type of TIMESTAMP_LTZ."""
        return Datetime(unit, self.zone)


def constant(value: Any, dtype: DType) -> Typed:
    """A constant of a type; a tuple is a list, a row's fields or a map's pairs."""
    return Typed(Literal(value, dtype), dtype, value is None)


def number(text: str) -> Typed:
    """A number as Flink reads it: INT, BIGINT above it, DECIMAL with a point, DOUBLE with an exponent.

    Raises:
        PlanError: If an integer does not fit BIGINT, or a decimal has more than 38 digits.
    """
    if "e" in text.lower():
        return constant(float(text), Float64)
    if "." in text:
        exact = decimal.Decimal(text)
        scale = max(0, -int(exact.as_tuple().exponent))
        precision = max(len(exact.as_tuple().digits), scale, 1)
        if precision > 38:
            raise PlanError(f"{text} has {precision} digits, a DECIMAL has at most 38")
        return constant(exact, Decimal(precision, scale))
    whole = int(text)
    if not -(2**63) <= whole < 2**63:
        raise PlanError(f"{text} does not fit BIGINT", hint="CAST('...' AS DECIMAL(38, 0)) has more digits")
    return constant(whole, Int32 if -(2**31) <= whole < 2**31 else Int64)


def call(function: str, args: Sequence[Typed], **options: Any) -> Typed:
    """A call of a function of the plan, with all of its options in declared order."""
    from penstock.expr.function import with_options
    from penstock.expr.functions import FUNCTIONS

    given = with_options(FUNCTIONS[function].options, options, function)
    return applied(Call(function, tuple(arg.term for arg in args), given), list(args))


def case(branches: Sequence[tuple[Typed, Typed]], otherwise: Typed | None = None) -> Typed:
    """CASE: the value of the first condition that is true, in the type that all values have in common.

    Raises:
        PlanError: If they have none, or a condition is no BOOLEAN.
    """
    values = [value for _, value in branches]
    last = constant(None, Null) if otherwise is None else otherwise
    shared = common_of([*(value.dtype for value in values), last.dtype], "the values of CASE")
    parts = [part for condition, value in branches for part in (condition, widened(value, shared))]
    parts.append(widened(last, shared))
    pairs = tuple((parts[i].term, parts[i + 1].term) for i in range(0, len(parts) - 1, 2))
    return chosen(Case(pairs, parts[-1].term), parts)


def widened(value: Typed, dtype: DType) -> Typed:
    """The value in a type that holds all values of its own."""
    if value.dtype == dtype:
        return value
    if isinstance(value.term, Literal) and value.term.value is None:
        return constant(None, dtype)
    if value.dtype in FLOATS and isinstance(dtype, Decimal):
        return call("sql.cast", [value], to=dtype, attempt=False)
    return plain_cast(value, dtype)


def plain_cast(value: Typed, dtype: DType) -> Typed:
    """A conversion of the plan, for values that fit."""
    if value.dtype == dtype:
        return value
    term: Term = Cast(value.term, dtype)
    return Typed(term, dtype, value.nullable, (value,), value.mask, value.deterministic)


def common(a: DType, b: DType) -> DType | None:
    """The type that two values take together in CASE, COALESCE, set operations, comparisons; None if there is none."""
    if a == b or b == Null:
        return a
    if a == Null:
        return b
    if is_numeric(a) and is_numeric(b):
        return common_number(a, b)
    match a, b:
        case Datetime(), Datetime():
            unit = "us" if "us" in (a.unit, b.unit) else "ms"
            return Datetime(unit, a.zone or b.zone)
        case Datetime(), _ if b == Date:
            return a
        case _, Datetime() if a == Date:
            return b
        case Duration(), Duration():
            return Duration("us")
        case List(x), List(y):
            inner = common(x, y)
            return List(inner) if inner is not None else None
        case Map(x, v), Map(y, w):
            key, value = common(x, y), common(v, w)
            return Map(key, value) if key is not None and value is not None else None
        case Struct(left), Struct(right) if len(left) == len(right) and MONTHS not in (a, b):
            shared = [(name, common(t, u)) for (name, t), (_, u) in zip(left, right, strict=True)]
            return None if any(t is None for _, t in shared) else Struct(tuple((n, t) for n, t in shared if t))
    return None


def common_number(a: DType, b: DType) -> DType:
    """The number type that holds the values of both."""
    if a in FLOATS or b in FLOATS:
        if Float64 in (a, b):
            return Float64
        other = b if a in FLOATS else a
        return Float64 if isinstance(other, Decimal) else Float32
    if isinstance(a, Decimal) or isinstance(b, Decimal):
        x, y = as_decimal(a), as_decimal(b)
        scale = max(x.scale, y.scale)
        return Decimal(min(38, max(x.precision - x.scale, y.precision - y.scale) + scale), scale)
    return max(a, b, key=bits)


def common_of(types: Sequence[DType], what: str) -> DType:
    """The type of several values together.

    Raises:
        PlanError: If two have none in common.
    """
    shared: DType = Null
    for dtype in types:
        found = common(shared, dtype)
        if found is None:
            raise PlanError(f"{what} have no type in common: {spelled(shared)} and {spelled(dtype)}", hint="CAST one")
        shared = found
    return shared


def spelled(dtype: DType) -> str:
    """A type as Flink writes it, for messages and schemas."""
    match dtype:
        case Decimal(precision, scale):
            return f"DECIMAL({precision}, {scale})"
        case Datetime(unit, zone):
            return f"TIMESTAMP{'_LTZ' if zone else ''}({3 if unit == 'ms' else 6})"
        case Duration():
            return "INTERVAL DAY TO SECOND"
        case List(inner):
            return f"ARRAY<{spelled(inner)}>"
        case Map(key, value):
            return f"MAP<{spelled(key)}, {spelled(value)}>"
        case Struct(fields):
            if dtype == MONTHS:
                return "INTERVAL YEAR TO MONTH"
            return "ROW<" + ", ".join(f"`{name}` {spelled(inner)}" for name, inner in fields) + ">"
    return _SPELLED.get(str(dtype), str(dtype).upper())


_SPELLED = {
    "Int8": "TINYINT", "Int16": "SMALLINT", "Int32": "INT", "Int64": "BIGINT", "Float32": "FLOAT",
    "Float64": "DOUBLE", "Binary": "BYTES", "Time": "TIME(0)", "Json": "STRING",
}  # fmt: skip

TEXTS = (String,)
ORDERED = (*INTEGERS, *FLOATS, String, Boolean, Date, Binary)
