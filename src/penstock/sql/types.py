"""Flink's types, and what each is here."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
)


@dataclass(frozen=True)
class SqlType:
    """A type as Flink names it.

    Attributes:
        name: In capitals: `BIGINT`, `TIMESTAMP_LTZ`, `ROW`.
        params: Length, or precision and scale.
        inner: The types inside of ARRAY, MULTISET, MAP and ROW.
        fields: The names of a ROW's fields.
        nullable: Whether values may be NULL.
    """

    name: str
    params: tuple[int, ...] = ()
    inner: tuple[SqlType, ...] = ()
    fields: tuple[str, ...] = ()
    nullable: bool = True

    def __str__(self) -> str:
        params = f"({', '.join(map(str, self.params))})" if self.params else ""
        inner = ""
        if self.name == "ROW":
            inner = f"<{', '.join(f'`{n}` {t}' for n, t in zip(self.fields, self.inner, strict=True))}>"
        elif self.inner:
            inner = f"<{', '.join(map(str, self.inner))}>"
        return f"{self.name}{params}{inner}{'' if self.nullable else ' NOT NULL'}"


_SIMPLE: dict[str, DType] = {
    "BOOLEAN": Boolean, "TINYINT": Int8, "SMALLINT": Int16, "INT": Int32, "BIGINT": Int64,
    "FLOAT": Float32, "DOUBLE": Float64, "STRING": String, "VARCHAR": String, "CHAR": String,
    "BYTES": Binary, "VARBINARY": Binary, "BINARY": Binary, "DATE": Date, "TIME": Time, "NULL": Null,
    "VARIANT": Json,
}  # fmt: skip

ALIASES = {
    "INTEGER": "INT", "DEC": "DECIMAL", "NUMERIC": "DECIMAL", "DOUBLE PRECISION": "DOUBLE",
    "TIMESTAMP WITHOUT TIME ZONE": "TIMESTAMP", "TIMESTAMP WITH LOCAL TIME ZONE": "TIMESTAMP_LTZ",
    "TIME WITHOUT TIME ZONE": "TIME",
}  # fmt: skip

NAMES = (*(name for name in _SIMPLE if name not in ("NULL", "VARIANT")), "DECIMAL", "TIMESTAMP", "TIMESTAMP_LTZ",
         "INTERVAL", "ARRAY", "MAP", "MULTISET", "ROW")  # fmt: skip
"""The names that a type may begin with, besides `ALIASES`."""

ELSEWHERE = {
    "TEXT": "STRING", "LONG": "BIGINT", "INT64": "BIGINT", "INT32": "INT", "BOOL": "BOOLEAN", "REAL": "FLOAT",
    "NUMBER": "DECIMAL", "DATETIME": "TIMESTAMP(3)", "TIMESTAMPTZ": "TIMESTAMP_LTZ(3)", "BLOB": "BYTES",
    "BYTEA": "BYTES", "STRUCT": "ROW<name TYPE>", "INT8": "BIGINT", "FLOAT64": "DOUBLE", "FLOAT8": "DOUBLE",
    "JSON": "STRING", "UUID": "STRING", "SERIAL": "BIGINT", "NVARCHAR": "STRING", "LIST": "ARRAY<TYPE>",
    "OBJECT": "ROW<name TYPE>", "TIMESTAMP_NTZ": "TIMESTAMP(3)", "UNSIGNED": "BIGINT", "CHARACTER": "CHAR",
}  # fmt: skip
"""What other databases call a type, and its name here."""


def dtype_of(kind: SqlType, zone: str) -> DType:
    """The logical type of a Flink type; TIMESTAMP_LTZ is an instant shown in the session's zone."""
    match kind.name:
        case "DECIMAL":
            precision, scale = (*kind.params, *(10, 0)[len(kind.params) :])[:2]
            return Decimal(precision, scale)
        case "TIMESTAMP":
            return Datetime(_unit(kind))
        case "TIMESTAMP_LTZ":
            return Datetime(_unit(kind), zone)
        case "INTERVAL":
            return Duration("us")
        case "ARRAY":
            return List(dtype_of(kind.inner[0], zone))
        case "MAP":
            return Map(dtype_of(kind.inner[0], zone), dtype_of(kind.inner[1], zone))
        case "MULTISET":
            return Map(dtype_of(kind.inner[0], zone), Int32)
        case "ROW":
            pairs = zip(kind.fields, kind.inner, strict=True)
            return Struct(tuple((name, dtype_of(one, zone)) for name, one in pairs))
    return _SIMPLE[kind.name]


def _unit(kind: SqlType) -> str:
    return "ms" if (kind.params or (6,))[0] <= 3 else "us"


_FLINK = {
    "Boolean": "BOOLEAN", "Int8": "TINYINT", "Int16": "SMALLINT", "Int32": "INT", "Int64": "BIGINT",
    "Float32": "FLOAT", "Float64": "DOUBLE", "String": "STRING", "Binary": "BYTES", "Date": "DATE", "Time": "TIME(0)",
    "Null": "NULL", "Json": "STRING", "UInt8": "SMALLINT", "UInt16": "INT", "UInt32": "BIGINT",
    "UInt64": "DECIMAL(20, 0)",
}  # fmt: skip


def spelled(dtype: DType) -> str:
    """What Flink calls a logical type."""
    match dtype:
        case Simple(name):
            return _FLINK[name]
        case Decimal(precision, scale):
            return f"DECIMAL({precision}, {scale})"
        case Datetime(unit, zone):
            return f"{'TIMESTAMP_LTZ' if zone else 'TIMESTAMP'}({3 if unit == 'ms' else 6})"
        case Duration():
            return "INTERVAL SECOND"
        case List(inner):
            return f"ARRAY<{spelled(inner)}>"
        case Map(key, value):
            return f"MAP<{spelled(key)}, {spelled(value)}>"
        case Struct(fields):
            return f"ROW<{', '.join(f'`{name}` {spelled(one)}' for name, one in fields)}>"
    return str(dtype)


def not_null(kind: SqlType) -> SqlType:
    """The same type without NULL."""
    return replace(kind, nullable=False)
