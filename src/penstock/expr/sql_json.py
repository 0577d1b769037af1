"""JSON as Flink SQL reads and writes it. A number stays the text that it was written with."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import re
from typing import Any

from penstock.core.dtypes import DType, List, Map, Struct
from penstock.expr.function import RowFault
from penstock.expr.sql_cast_meaning import text_of

_PATH = re.compile(r"\s*(?:(lax|strict)\s+)?\$((?:\.[A-Za-z_]\w*|\.\"[^\"]*\"|\['[^']*'\]|\[\d+\]|\[\*\]|\.\*)*)\s*")
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\.\"([^\"]*)\"|\['([^']*)'\]|\[(\d+)\]|(\[\*\]|\.\*)")


class Number(str):
    """A number as it is written."""


class MissingError(Exception):
    """There is nothing at a path; or the text is no JSON."""


def parse(text: str) -> Any:
    """The value of a text.

    Raises:
        MissingError: If it is no JSON.
    """
    try:
        return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise MissingError from None


def _refused(word: str) -> Any:
    raise ValueError(word)


def is_path(path: str) -> bool:
    """Whether a path is one that is offered."""
    return _PATH.fullmatch(path) is not None


def found(text: str, path: str) -> tuple[str, Any]:
    """What is at a path: `value`, `empty` or `error`, and the value.

    Paths are strict unless they begin with `lax`: what is not there is an error, in lax mode empty.
    """
    match = _PATH.fullmatch(path)
    lax = match is not None and match[1] == "lax"
    try:
        value = parse(text)
        for step in _STEP.finditer(match[2] if match else ""):
            value = _step(value, step)
    except MissingError:
        return ("empty" if lax else "error"), None
    return "value", value


def _step(value: Any, step: re.Match[str]) -> Any:
    name = next((one for one in step.groups()[:3] if one is not None), None)
    if name is not None:
        if not isinstance(value, dict) or name not in value:
            raise MissingError
        return value[name]
    if step[5]:
        if not isinstance(value, (list, dict)):
            raise MissingError
        return list(value.values()) if isinstance(value, dict) else value
    if not isinstance(value, list) or int(step[4]) >= len(value):
        raise MissingError
    return value[int(step[4])]


def write(value: Any) -> str:
    """A value as compact JSON."""
    match value:
        case Number():
            return str(value)
        case list():
            return f"[{','.join(map(write, value))}]"
        case dict():
            return "{" + ",".join(f"{quoted(key)}:{write(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def quoted(text: str) -> str:
    """A text as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def escaped(text: str) -> str:
    """A text as a JSON string of ASCII letters only."""
    return json.dumps(text)


def scalar(value: Any) -> str | None:
    """The text of a number, a string or a boolean."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) else None


def kind_of(text: str) -> str | None:
    """OBJECT, ARRAY or SCALAR; None if it is no JSON."""
    try:
        value = parse(text)
    except MissingError:
        return None
    return "OBJECT" if isinstance(value, dict) else "ARRAY" if isinstance(value, list) else "SCALAR"


def value(text: str, path: str, on_empty: str | None, on_error: str | None) -> str | None:
    """JSON_VALUE, with the defaults that replace what is missing or no scalar."""
    state, at = found(text, path)
    if state == "empty" or (state == "value" and at is None):
        return on_empty
    one = scalar(at) if state == "value" else None
    return on_error if one is None else one


def query(text: str, path: str, wrapper: str, on_empty: str, on_error: str) -> str | None:
    """JSON_QUERY: objects and arrays, or anything in a wrapper."""
    made = {"NULL": None, "EMPTY ARRAY": "[]", "EMPTY OBJECT": "{}"}
    state, at = found(text, path)
    if state == "empty" or (state == "value" and at is None):
        return made[on_empty]
    if state == "error":
        return made[on_error]
    nested = isinstance(at, (list, dict))
    if "WITH" in wrapper.split() and not (isinstance(at, list) and "CONDITIONAL" in wrapper):
        return f"[{write(at)}]"
    return write(at) if nested else made[on_error]


def exists(text: str, path: str) -> bool:
    """JSON_EXISTS: whether there is something that is not null."""
    state, at = found(text, path)
    return state == "value" and at is not None


def encode(item: Any, dtype: DType, raw: bool = False) -> str:
    """A value of a type as JSON."""
    match item:
        case None:
            return "null"
        case str() if raw:
            return write(parse(item))
        case bool() | str():
            return json.dumps(item, ensure_ascii=False)
        case int():
            return str(item)
        case float():
            return str(decimal.Decimal(text_of(item, dtype))) if math.isfinite(item) else "null"
        case decimal.Decimal():
            return f"{item:f}"
        case dt.datetime():
            shown = item.replace(tzinfo=None).isoformat()
            cut = shown.rstrip("0").rstrip(".") if "." in shown else shown
            return quoted(cut + ("Z" if item.tzinfo else ""))
        case bytes():
            import base64

            return quoted(base64.b64encode(item).decode())
    match dtype:
        case List(inner):
            return f"[{','.join(encode(one, inner) for one in item)}]"
        case Map(key, inner):
            pairs = (f"{quoted(text_of(k, key))}:{encode(v, inner)}" for k, v in item.items())
            return "{" + ",".join(pairs) + "}"
        case Struct(fields):
            return "{" + ",".join(f"{quoted(name)}:{encode(item[name], inner)}" for name, inner in fields) + "}"
    return quoted(text_of(item, dtype))


def unquote(text: str) -> str:
    """JSON_UNQUOTE: the value of a JSON string; other text as it is."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    try:
        found_value = json.loads(text)
    except ValueError:
        return text
    return found_value if isinstance(found_value, str) else text


def valid(text: str) -> str:
    """A text that must be JSON.

    Raises:
        RowFault: If it is none.
    """
    try:
        parse(text)
    except MissingError:
        raise RowFault("no JSON") from None
    return text
