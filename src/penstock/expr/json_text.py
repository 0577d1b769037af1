"""JSON text: paths into it, what is valid, how values are written; in plain Python and in Polars.

A path is `$` followed by `.name`, `['any name']` and `[0]`. What it finds is text: a string without its quotes, a
number as Penstock writes numbers, `true` and `false`, arrays and objects as compact JSON; null in JSON, and nothing
found, is null. Numbers with a fraction or exponent are 64-bit floats; the last digit of one with more than 15 digits
or an exponent beyond 15 may differ from what was written, as Polars reads them so.

Not valid, as in Polars: numbers beyond the range of floats, lone surrogates, more than 127 levels.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable
from typing import Any

from penstock.core.dtypes import Float64
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr.cast_meaning import float_text

DEEPEST = 127
_STEP = re.compile(r"""\.([^.\[\]'"\s*$@\\]+)|\[(0|[1-9][0-9]{0,8})\]|\['([^'\\]*)'\]|\["([^"\\]*)"\]""")
_BLANK = " \t\n\r"

Step = str | int


@functools.cache
def steps_of(path: str) -> tuple[Step, ...]:
    """The names and indices of a path.

    Raises:
        PlanError: If it is none of the paths that are known here: wildcards and filters are not.
    """
    steps: list[Step] = []
    at = 1 if str(path).startswith("$") else -1
    while 0 <= at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            at = -1
            break
        name, index, single, double = found.groups()
        steps.append(int(index) if index is not None else next(n for n in (name, single, double) if n is not None))
        at = found.end()
    if at < 0:
        raise PlanError(f"{path!r} is no JSON path", hint="""such as "$.user.name", "$['a b']" or "$.items[0]\"""")
    return tuple(steps)


def element_path(key: Any) -> str:
    """The path of one element, by name or by index.

    Raises:
        PlanError: If the key is neither a name nor an index from 0.
    """
    if isinstance(key, bool) or not isinstance(key, (str, int)) or (isinstance(key, int) and key < 0):
        raise PlanError(f"an element of JSON is taken by its name or its index from 0, found {key!r}")
    path = _spelled((key,))
    steps_of(path)
    return path


def _spelled(steps: tuple[Step, ...]) -> str:
    quoted = (f"[{s}]" if isinstance(s, int) else f"['{s}']" if "'" not in s else f'["{s}"]' for s in steps)
    return "$" + "".join(quoted)


# -- Plain Python -----------------------------------------------------------------------------------


class _Invalid(ValueError):
    """The text is no JSON."""


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Invalid("a number beyond the range of floats")
    return number


def _integer(text: str) -> int | float:
    number = int(text) if len(text) < 25 else _float(text)
    if text == "-0" or not -(2**63) <= number < 2**64:
        return _float(text)
    return number


def _refuse(text: str) -> Any:
    raise _Invalid(f"{text} is no JSON")


def parse(text: str) -> Any:
    """The value of JSON text.

    Raises:
        ValueError: If the text is not valid.
    """
    value = json.loads(text.strip(_BLANK), parse_float=_float, parse_int=_integer, parse_constant=_refuse)
    _check(value, DEEPEST)
    return value


def _check(value: Any, depth: int) -> None:
    match value:
        case str():
            if any("\ud800" <= c <= "\udfff" for c in value):
                raise _Invalid("a lone surrogate")
        case list() | dict():
            if depth == 0:
                raise _Invalid("too many levels")
            for item in (*value, *value.values()) if isinstance(value, dict) else value:
                _check(item, depth - 1)


def is_valid(text: str) -> bool:
    """Whether text is valid JSON."""
    try:
        parse(text)
    except (ValueError, RecursionError):
        return False
    return True


def find(text: str, path: str) -> Any:
    """The value at a path: a Python value; None for null, nothing and invalid text."""
    try:
        value = parse(text)
    except (ValueError, RecursionError):
        return None
    for step in steps_of(path):
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def write(value: Any) -> str:
    """Compact JSON of a Python value; floats that are not finite are null."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            return float_text(value, Float64) if math.isfinite(value) else "null"
        case list() | tuple():
            return f"[{','.join(write(item) for item in value)}]"
        case dict():
            return "{" + ",".join(f"{write(str(key))}:{write(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def python_match(text: str, path: str) -> str | None:
    """The text of what is at a path."""
    value = find(text, path)
    return value if isinstance(value, str) else None if value is None else write(value)


# -- Polars -----------------------------------------------------------------------------------------


def polars_match(text: Any, path: str) -> Any:
    """The Polars form of `python_match`."""
    return text.str.json_path_match(_spelled(steps_of(path)))


def polars_valid(text: Any) -> Any:
    """The Polars form of `is_valid`."""
    return text.str.json_path_match("$").is_not_null() | (text.str.strip_chars(_BLANK) == "null")


def polars_by_python(text: Any, rows: Any, function: Callable[[str], Any], dtype: Any) -> Any:
    """A Polars expression that calls a Python function on the text of the rows where `rows` is true, else null."""

    def apply(series: Any) -> Any:
        values = [None if one is None else function(one) for one in series.to_list()]
        return pl.Series(series.name, values, dtype=dtype)

    return pl.when(rows).then(text).map_batches(apply, return_dtype=dtype)
