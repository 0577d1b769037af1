"""Which type of PostgreSQL holds values of a logical type, and which columns of existing tables can."""

from __future__ import annotations

import re

from penstock.core.dtypes import (
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Json,
    List,
    Map,
    Null,
    Simple,
    String,
    Struct,
    Time,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
)
from penstock.core.errors import UnsupportedError

SIMPLE_TYPES: dict[DType, str] = {
    Null: "text",
    Boolean: "boolean",
    Int8: "smallint",
    Int16: "smallint",
    Int32: "integer",
    Int64: "bigint",
    UInt8: "smallint",
    UInt16: "integer",
    UInt32: "bigint",
    UInt64: "numeric(20,0)",
    Float32: "real",
    Float64: "double precision",
    String: "text",
    Binary: "bytea",
    Date: "date",
    Time: "time without time zone",
    Json: "jsonb",
}
"""The types of the columns of tables that are created."""

_DIGITS: dict[DType, int] = {
    Int8: 3, Int16: 5, Int32: 10, Int64: 19, UInt8: 3, UInt16: 5, UInt32: 10, UInt64: 20,
}  # fmt: skip
_INTEGERS = {"smallint": (Int8, Int16, UInt8), "integer": (Int32, UInt16), "bigint": (Int64, UInt32)}
_TEXTS = ("text", "character varying", "citext", "uuid", "json", "jsonb")
_DOCUMENTS = ("jsonb", "json", "text")
_TYPE = re.compile(r"(?P<name>[^(]+?)(?:\((?P<one>-?\d+)(?:,(?P<two>-?\d+))?\))?(?P<rest>( with(out)? time zone)?)")


def is_nested(dtype: DType) -> bool:
    """Whether values are lists, structs or maps, which are stored as JSON documents."""
    return isinstance(dtype, (List, Struct, Map))


def sql_type(dtype: DType) -> str:
    """The type of a new column.

    Raises:
        UnsupportedError: If there is none.
    """
    if isinstance(dtype, Simple) and dtype in SIMPLE_TYPES:
        return SIMPLE_TYPES[dtype]
    if isinstance(dtype, Decimal):
        return f"numeric({dtype.precision},{dtype.scale})"
    if isinstance(dtype, Datetime):
        return f"timestamp {'without' if dtype.zone is None else 'with'} time zone"
    if isinstance(dtype, Duration):
        return "interval"
    if is_nested(dtype):
        return "jsonb"
    raise UnsupportedError(f"PostgreSQL has no type for {dtype}")


def can_take(found: str, is_enum: bool, dtype: DType) -> bool:
    """Whether a column holds every value of a logical type exactly.

    Lengths of texts, the labels of an enum and the syntax of a uuid are not looked at: what does not fit them is
    found when it is written.

    Args:
        found: The type of the column as `format_type` writes it; of a domain, that of its base.
        is_enum: Whether it is an enum.
        dtype: The type of the values.
    """
    match = _TYPE.fullmatch(found)
    if match is None:
        return False
    name = f"{match['name']}{match['rest']}"
    if dtype == Null:
        return True
    if dtype == String:
        return is_enum or name in _TEXTS
    if dtype == Json or is_nested(dtype):
        return name in _DOCUMENTS
    if name == "numeric" and (dtype in _DIGITS or isinstance(dtype, Decimal)):
        whole, scale = (
            (dtype.precision - dtype.scale, dtype.scale) if isinstance(dtype, Decimal) else (_DIGITS[dtype], 0)
        )
        room = int(match["two"] or 0)
        return match["one"] is None or (int(match["one"]) - room >= whole and room >= scale)
    if dtype in _DIGITS:
        return name in _wide_enough(dtype)
    if dtype == Float32:
        return name in ("real", "double precision")
    if isinstance(dtype, (Datetime, Duration)) or dtype == Time:
        digits = 3 if isinstance(dtype, (Datetime, Duration)) and dtype.unit == "ms" else 6
        return name == sql_type(dtype) and (match["one"] is None or int(match["one"]) >= digits)
    return name == sql_type(dtype)


def _wide_enough(dtype: DType) -> list[str]:
    """The integer types from the narrowest that holds all values."""
    names = list(_INTEGERS)
    first = next((place for place, name in enumerate(names) if dtype in _INTEGERS[name]), len(names))
    return names[first:]
