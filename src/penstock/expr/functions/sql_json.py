"""JSON as Flink SQL has it. Paths are strict unless they begin with `lax`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.dtypes import Boolean, Date, DType, List, Map, String, Struct, Time
from penstock.core.errors import PlanError
from penstock.expr import sql_json as json
from penstock.expr.function import Function, Kind, Signature
from penstock.expr.rowwise import per_row, python_value
from penstock.expr.signatures import TEXT, takes

Types = tuple[DType, ...]
_DOCUMENT = '{"a": 1.50, "b": [1, "x"], "c": null}'


def _path(returns: DType) -> Any:
    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        if not json.is_path(options["path"]):
            raise PlanError(f"{options['path']!r} is no path that is offered", hint="such as '$.user.tags[0]'")
        return takes(TEXT, returns=returns)(types, options)

    return resolve


def _object(
    *values: Any, names: tuple[str, ...], absent: bool, raw: tuple[bool, ...], types: Types, returns: DType
) -> str:
    """Flink sorts the names."""
    pairs = sorted(zip(names, values, types, raw, strict=True), key=lambda pair: pair[0])
    inside = (f"{json.quoted(n)}:{json.encode(v, t, r)}" for n, v, t, r in pairs if not (absent and v is None))
    return "{" + ",".join(inside) + "}"


def _array(*values: Any, absent: bool, raw: tuple[bool, ...], types: Types, returns: DType) -> str:
    items = zip(values, types, raw, strict=True)
    return f"[{','.join(json.encode(v, t, r) for v, t, r in items if not (absent and v is None))}]"


def _string(value: Any, types: Types, returns: DType) -> str:
    return json.encode(value, types[0])


def _writable(dtype: DType) -> bool:
    match dtype:
        case List(inner):
            return _writable(inner)
        case Map(key, inner):
            return key == String and _writable(inner)
        case Struct(fields):
            return all(_writable(inner) for _, inner in fields)
    return dtype not in (Date, Time)


_VALUE = Kind("a value that JSON has words for", _writable)
_ON = {"path": ..., "on_empty": None, "on_error": None}
_PATH = {"path": ...}


def _any(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    return Signature(tuple(types), String)


FUNCTIONS = (
    per_row(
        "sql.json_kind",
        "`OBJECT`, `ARRAY` or `SCALAR`; null if the text is no JSON.",
        takes(TEXT, returns=String),
        json.kind_of,
        "CASE WHEN {0} IS JSON OBJECT THEN 'OBJECT' WHEN {0} IS JSON ARRAY THEN 'ARRAY' "
        "WHEN {0} IS JSON THEN 'SCALAR' END",
        [(("[1]",), "ARRAY"), (("x",), None), ((None,), None)],
        gives_null=True,
    ),
    per_row(
        "sql.json_exists",
        "Whether there is something at a path, null aside.",
        _path(Boolean),
        lambda text, path: json.exists(text, path),
        "JSON_EXISTS({0}, {path})",
        [((_DOCUMENT,), {"path": "$.a"}, True), ((_DOCUMENT,), {"path": "$.c"}, False), ((None,), {"path": "$"}, None)],
        options=_PATH,
    ),
    per_row(
        "sql.json_value",
        "The text of a number, string or boolean at a path; else null, or what `on_empty` and `on_error` say.",
        _path(String),
        lambda text, path, on_empty, on_error: json.value(text, path, on_empty, on_error),
        "JSON_VALUE({0}, {path})",
        [
            ((_DOCUMENT,), {"path": "$.a"}, "1.50"),
            ((_DOCUMENT,), {"path": "$.b"}, None),
            ((_DOCUMENT,), {"path": "lax $.x", "on_empty": "e"}, "e"),
            ((None,), {"path": "$"}, None),
        ],
        gives_null=True,
        options=_ON,
    ),
    per_row(
        "sql.json_query",
        "The object or array at a path as text; else null, or what `on_empty` and `on_error` say.",
        _path(String),
        lambda text, path, wrapper, on_empty, on_error: json.query(text, path, wrapper, on_empty, on_error),
        "JSON_QUERY({0}, {path})",
        [
            ((_DOCUMENT,), {"path": "$.b"}, '[1,"x"]'),
            ((_DOCUMENT,), {"path": "$.a"}, None),
            ((_DOCUMENT,), {"path": "$.a", "wrapper": "WITH WRAPPER"}, "[1.50]"),
            ((None,), {"path": "$"}, None),
        ],
        gives_null=True,
        options={"path": ..., "wrapper": "WITHOUT WRAPPER", "on_empty": "NULL", "on_error": "NULL"},
    ),
    Function(
        name="sql.json_object",
        doc="A JSON object of several values, its names in order. Computed in Python: not fast.",
        signature=_any,
        polars=python_value(_object, propagate=False, typed=True),
        oracle=_object,
        typed=True,
        null="never",
        options={"names": ..., "absent": False, "raw": ...},
        flink="JSON_OBJECT(...)",
        examples=[
            ((1, "x"), {"names": ("b", "a"), "raw": (False, False)}, '{"a":"x","b":1}'),
            ((1,), {"names": ("b",), "raw": (False,)}, '{"b":1}'),
            ((None,), {"names": ("b",), "raw": (False,), "absent": True}, "{}"),
        ],
    ),
    Function(
        name="sql.json_array",
        doc="A JSON array of several values. Computed in Python: not fast.",
        signature=_any,
        polars=python_value(_array, propagate=False, typed=True),
        oracle=_array,
        typed=True,
        null="never",
        options={"absent": True, "raw": ...},
        flink="JSON_ARRAY(...)",
        examples=[
            ((1, "x"), {"raw": (False, False)}, '[1,"x"]'),
            ((1, None), {"raw": (False, False)}, "[1]"),
            ((None,), {"raw": (False,)}, "[]"),
        ],
    ),
    per_row(
        "sql.json_string",
        "The value as JSON.",
        takes(_VALUE, returns=String),
        _string,
        "JSON_STRING({0})",
        [(("a",), '"a"'), ((1.5,), "1.5"), ((None,), None)],
        typed=True,
    ),
    per_row(
        "sql.json_quote",
        "The text as a JSON string.",
        takes(TEXT, returns=String),
        json.escaped,
        "JSON_QUOTE({0})",
        [(('a"b',), '"a\\"b"'), (("",), '""'), ((None,), None)],
    ),
    per_row(
        "sql.json_unquote",
        "The text that a JSON string stands for; other text as it is.",
        takes(TEXT, returns=String),
        json.unquote,
        "JSON_UNQUOTE({0})",
        [(('"a"',), "a"), (("a",), "a"), ((None,), None)],
    ),
    per_row(
        "sql.json",
        "A text that must be JSON; other text is an error row.",
        takes(TEXT, returns=String),
        json.valid,
        "JSON({0})",
        [(("[1]",), "[1]"), ((None,), None)],
        fails=True,
    ),
)
