"""The cells of drawn tables: from text to values of a type, and from texts to the type they have in common."""

from __future__ import annotations

import ast
import datetime as dt
import decimal
import json
import re
import zoneinfo
from collections.abc import Iterable
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
    SIMPLE,
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float64,
    Int64,
    Json,
    List,
    Map,
    Null,
    String,
    Struct,
    Time,
)
from penstock.core.errors import PlanError, one_of
from penstock.core.timespan import duration

UTC = dt.UTC
INSTANT = Datetime("us", "UTC")
"""What a column of times is unless it says otherwise."""

_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{1,2}:\d{2}.*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_WHOLE = re.compile(r"[+-]?\d+")
_ZONE = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")


def is_time_column(name: str) -> bool:
    """Whether a bare `HH:MM:SS` in a column of this name is an instant of 1970-01-01."""
    return name in ("at", "window_start", "window_end", "event_time") or name.endswith("_time")


# -- types ---------------------------------------------------------------------


def infer(name: str, cells: Iterable[str]) -> DType:
    """The type of a column of a drawn table.

    Args:
        name: The column's name: some names hold times.
        cells: Its cells as written.
    """
    found = {_kind(cell, is_time_column(name)) for cell in cells} - {Null}
    if not found:
        return INSTANT if is_time_column(name) else String
    if len(found) == 1:
        return found.pop()
    if found == {Int64, Float64}:
        return Float64
    if found <= {INSTANT, Date}:
        return INSTANT
    lists = [kind for kind in found if isinstance(kind, List)]
    if len(lists) == len(found):
        return max(lists, key=lambda kind: (kind.inner == Float64, kind.inner != Null))
    return String


def _kind(cell: str, times: bool) -> DType:
    if cell in ("", "null"):
        return Null
    if cell.startswith('"'):
        return String
    if cell in ("true", "false"):
        return Boolean
    if cell.startswith("["):
        return _kind_of_value(_json(cell))
    if _WHOLE.fullmatch(cell):
        return Int64
    if times and _CLOCK.fullmatch(cell):
        return INSTANT
    if _DATED.fullmatch(cell):
        return INSTANT if times or _ZONE.search(cell) else Datetime("us", None)
    if _DAY.fullmatch(cell):
        return Date
    return Float64 if _is_float(cell) else String


def _kind_of_value(value: Any) -> DType:
    if isinstance(value, list):
        inner = {_kind_of_value(item) for item in value} - {Null}
        return List(inner.pop() if len(inner) == 1 else Float64 if inner == {Int64, Float64} else Null)
    for python, dtype in ((bool, Boolean), (int, Int64), (float, Float64), (str, String)):
        if isinstance(value, python):
            return dtype
    return Null


def _is_float(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def parse_type(text: str) -> DType:
    """A type as a header writes it: `String`, `Decimal(10, 2)`, `List(Int64)`, `Struct(a=Int64)`.

    A bare `Datetime` is an instant in UTC; `Datetime("us", None)` is wall-clock time.

    Raises:
        PlanError: If the text is no type.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise PlanError(f'"{text}" is not a type', hint="such as k:Int64 or k:List(String)") from None
    return _type_of(tree)


_MADE = {"Datetime": Datetime, "Duration": Duration, "Decimal": Decimal, "List": List, "Map": Map}


def _type_of(tree: ast.expr) -> DType:
    match tree:
        case ast.Name("Datetime"):
            return INSTANT
        case ast.Name("Duration"):
            return Duration("us")
        case ast.Name(name):
            if name not in SIMPLE:
                raise one_of("type", name, [*SIMPLE, *_MADE, "Struct"])
            return SIMPLE[name]
        case ast.Call(ast.Name("Struct"), [], keywords):
            return Struct({str(one.arg): _type_of(one.value) for one in keywords})
        case ast.Call(ast.Name(name), arguments, []) if name in _MADE:
            made: DType = _MADE[name](*(a.value if isinstance(a, ast.Constant) else _type_of(a) for a in arguments))
            return made
    raise PlanError(f'"{ast.unparse(tree)}" is not a type')


# -- values --------------------------------------------------------------------


def parse(cell: str, dtype: DType) -> Any:
    """The value of a cell in a type; null is empty or `null`, an empty text is `""`.

    Raises:
        PlanError: If the cell is no such value.
    """
    if cell in ("", "null"):
        return None
    try:
        if isinstance(dtype, (List, Struct, Map)):
            return from_plain(_json(cell), dtype)
        text = str(_json(cell)) if cell.startswith('"') else cell
        return _scalar(text, dtype)
    except (ValueError, decimal.InvalidOperation, zoneinfo.ZoneInfoNotFoundError):
        raise PlanError(f'"{cell}" is no {dtype}') from None


def _json(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        raise PlanError(f"{cell} is not JSON", hint='lists are written as in JSON: ["a", "b"]') from None


def _scalar(text: str, dtype: DType) -> Any:
    if dtype in (String, Json):
        return text
    if dtype == Boolean:
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _refuse(text)
    if dtype in INTEGERS:
        return int(text)
    if dtype in FLOATS:
        return float(text)
    if dtype == Binary:
        return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()
    if dtype == Date:
        return dt.date.fromisoformat(text)
    if dtype == Time:
        return dt.time.fromisoformat(_two_digits(text))
    if isinstance(dtype, Datetime):
        return moment(text, dtype)
    if isinstance(dtype, Duration):
        return dt.timedelta(microseconds=duration(text))
    if isinstance(dtype, Decimal):
        return decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-dtype.scale))
    return _refuse(text)


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _two_digits(text: str) -> str:
    return text if len(text.partition(":")[0]) == 2 else f"0{text}"


def moment(text: str, dtype: Datetime) -> dt.datetime:
    """A time of a cell: in the type's own zone, unless it names an offset; without a date on 1970-01-01.

    Raises:
        ValueError: If the text is no time.
    """
    if _CLOCK.fullmatch(text):
        text = f"1970-01-01T{_two_digits(text)}"
    found = dt.datetime.fromisoformat(text)
    if dtype.zone is None:
        if found.tzinfo is not None:
            raise ValueError(text)
        return found
    zone = UTC if dtype.zone == "UTC" else zoneinfo.ZoneInfo(dtype.zone)
    return found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)


def from_plain(value: Any, dtype: DType) -> Any:
    """A value of JSON, or of a cell inside a list, as a value of a type.

    Raises:
        PlanError: If it is none.
    """
    if value is None:
        return None
    match dtype:
        case List(inner):
            return [from_plain(item, inner) for item in value]
        case Struct(fields):
            return {name: from_plain(value.get(name), inner) for name, inner in fields}
        case Map(_, inner):
            return {key: from_plain(item, inner) for key, item in value.items()}
    if isinstance(value, str) and dtype not in (String, Json):
        return _scalar(value, dtype)
    if isinstance(value, int) and not isinstance(value, bool) and dtype in FLOATS:
        return float(value)
    return value
