"""JSON text: elements by path, validity, and writing values as JSON."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Int64,
    Json,
    List,
    Null,
    String,
    Struct,
    Time,
)
from penstock.core.lazy import pl
from penstock.expr import json_text
from penstock.expr.cast_meaning import float_text, python_cast
from penstock.expr.casts import lower_cast
from penstock.expr.function import Function, Kind, NotOnFlink, Signature
from penstock.expr.json_text import find, is_valid, polars_by_python, polars_match, polars_valid, python_match, steps_of
from penstock.expr.signatures import JSON, takes

Types = tuple[DType, ...]


def _with_path(returns: DType) -> Any:
    def resolve(types: Any, options: Any) -> Signature:
        steps_of(options["path"])
        return takes(JSON, returns=returns)(types, options)

    return resolve


# -- Reading ----------------------------------------------------------------------------------------


def _value(text: str, path: str) -> str | None:
    found = find(text, path)
    return None if isinstance(found, (list, dict)) else python_match(text, path)


def _polars_value(text: Any, path: str) -> Any:
    found = polars_match(text, path)
    # A string can look like an array; what it is, only the document tells. Such rows are few.
    looks = found.str.contains(r"^[\[{]").fill_null(False)
    told = polars_by_python(text, looks, lambda one: _value(one, path), pl.String)
    return pl.when(looks).then(told).otherwise(found)


def _length(text: str, path: str) -> int | None:
    found = find(text, path)
    return len(found) if isinstance(found, list) else None


def _keys(text: str, path: str) -> list[str] | None:
    found = find(text, path)
    return list(found) if isinstance(found, dict) else None


def _polars_length(text: Any, path: str) -> Any:
    rows = polars_match(text, path).str.starts_with("[")
    return polars_by_python(text, rows, lambda one: _length(one, path), pl.Int64)


def _polars_keys(text: Any, path: str) -> Any:
    rows = polars_match(text, path).str.starts_with("{")
    return polars_by_python(text, rows, lambda one: _keys(one, path), pl.List(pl.String))


# -- Writing ----------------------------------------------------------------------------------------


def _stored(dtype: DType) -> DType | None:
    """The type under which JSON has the values of a type: text for what it has no word for; None if there is none."""
    match dtype:
        case List(inner):
            item = _stored(inner)
            return List(item) if item is not None else None
        case Struct(fields):
            stored = [(name, _stored(field)) for name, field in fields]
            known = tuple((name, field) for name, field in stored if field is not None)
            return Struct(known) if known and len(known) == len(fields) else None
        case Decimal() | Datetime() | Duration():
            return String
    if dtype in INTEGERS or dtype in FLOATS or dtype in (Boolean, String, Null):
        return dtype
    return String if dtype in (Date, Time) else None


_VALUE = Kind("a value that JSON has words for", lambda t: _stored(t) is not None)


def _to_json(value: Any, types: Types, returns: DType) -> str:
    return _written(value, types[0])


def _written(value: Any, dtype: DType) -> str:
    match value, dtype:
        case list(), List(inner):
            return f"[{','.join(_written(item, inner) for item in value)}]"
        case dict(), Struct(fields):
            inside = (f"{json_text.write(name)}:{_written(value.get(name), field)}" for name, field in fields)
            return "{" + ",".join(inside) + "}"
        case float(), _:
            return float_text(value, dtype) if math.isfinite(value) else "null"
    if value is None or _stored(dtype) == dtype:
        return json_text.write(value)
    return json_text.write(python_cast(value, dtype, String))


def _polars_to_json(value: Any, types: Types, returns: DType) -> Any:
    # Polars writes structs only: the value is written as the one field of a struct, which is then taken off.
    stored = lower_cast(value, types[0], _stored(types[0]) or String)
    text = pl.struct(stored.alias("x")).struct.json_encode()
    return pl.when(value.is_not_null()).then(text.str.strip_prefix('{"x":').str.head(-1))


_DOCUMENT = '{"user": {"id": 7, "name": "Ada"}, "tags": ["a", 1.50], "none": null}'
_PATHS = {"path": "$"}

FUNCTIONS = (
    Function(
        name="json.path_match",
        doc="The text of what is at a path such as `$.user.name` or `$.tags[0]`: a string without its quotes, anything "
        "else as compact JSON; null for null, for nothing, and for text that is no JSON.",
        signature=_with_path(String),
        polars=polars_match,
        oracle=python_match,
        gives_null=True,
        flink=NotOnFlink("JSON_VALUE and JSON_QUERY of Flink each give null for what the other finds"),
        options={"path": ...},
        examples=[
            ((_DOCUMENT,), {"path": "$.user.name"}, "Ada"),
            ((_DOCUMENT,), {"path": "$.tags"}, '["a",1.5]'),
            ((_DOCUMENT,), {"path": "$.none"}, None),
            (("{",), {"path": "$.none"}, None),
            ((None,), {"path": "$"}, None),
        ],
    ),
    Function(
        name="json.get",
        doc="As `json.path_match`, but of the type Json: what it gives can be searched again.",
        signature=_with_path(Json),
        polars=polars_match,
        oracle=python_match,
        gives_null=True,
        flink=NotOnFlink("JSON_VALUE and JSON_QUERY of Flink each give null for what the other finds"),
        options={"path": ...},
        examples=[((_DOCUMENT,), {"path": "$.user"}, '{"id":7,"name":"Ada"}'), ((None,), {"path": "$"}, None)],
    ),
    Function(
        name="json.value",
        doc="The text of a string, number or boolean at a path; null for all else.",
        signature=_with_path(String),
        polars=_polars_value,
        oracle=_value,
        gives_null=True,
        flink="JSON_VALUE({0}, {path})",
        options={"path": ...},
        examples=[
            ((_DOCUMENT,), {"path": "$.user.id"}, "7"),
            ((_DOCUMENT,), {"path": "$.user"}, None),
            (('{"a": "[1]"}',), {"path": "$.a"}, "[1]"),
            ((None,), {"path": "$"}, None),
        ],
    ),
    Function(
        name="json.is_valid",
        doc="Whether text is JSON.",
        signature=takes(JSON, returns=Boolean),
        polars=polars_valid,
        oracle=is_valid,
        flink="({0} IS JSON)",
        examples=[((_DOCUMENT,), True), (("null",), True), (("{'a': 1}",), False), ((None,), None)],
    ),
    Function(
        name="json.array_length",
        doc="The number of elements of the array at a path; null if there is none. Read in Python: not fast.",
        signature=_with_path(Int64),
        polars=_polars_length,
        oracle=_length,
        gives_null=True,
        flink="JSON_LENGTH({0}, {path})",
        options=_PATHS,
        examples=[((_DOCUMENT,), {"path": "$.tags"}, 2), ((_DOCUMENT,), None), ((None,), None)],
    ),
    Function(
        name="json.keys",
        doc="The names in the object at a path, in order; null if there is none. Read in Python: not fast.",
        signature=_with_path(List(String)),
        polars=_polars_keys,
        oracle=_keys,
        gives_null=True,
        flink=NotOnFlink("Flink has no function for it"),
        options=_PATHS,
        examples=[((_DOCUMENT,), ["user", "tags", "none"]), ((_DOCUMENT,), {"path": "$.tags"}, None), ((None,), None)],
    ),
    Function(
        name="to_json",
        doc="The value as compact JSON. Decimals, dates, times, durations are text; NaN and infinities are null.",
        signature=takes(_VALUE, returns=Json),
        polars=_polars_to_json,
        oracle=_to_json,
        typed=True,
        flink="JSON_STRING({0})",
        examples=[
            (({"a": 1, "b": [1.0, None]},), '{"a":1,"b":[1.0,null]}'),
            (('say "x"',), '"say \\"x\\""'),
            ((dt.date(2024, 1, 2),), '"2024-01-02"'),
            ((None,), None),
        ],
        guesses=("json_encode", "to_json_string"),
    ),
)
