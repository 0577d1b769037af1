"""LIKE, SIMILAR TO and regular expressions as Flink SQL has them."""

from __future__ import annotations

import re
from typing import Any

from penstock.core.dtypes import Boolean, DType, Int32, List, String
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr import patterns
from penstock.expr import sql_strings as strings
from penstock.expr.function import Function, RowFault
from penstock.expr.overflow import constant
from penstock.expr.rowwise import per_row, python_fault, python_value
from penstock.expr.signatures import INTEGER, TEXT, takes

Types = tuple[DType, ...]


# -- LIKE -------------------------------------------------------------------------------------------


def _like(text: str, pattern: str, escape: str | None) -> bool:
    return strings.like(text, pattern, escape)


def _lower_like(text: Any, pattern: Any, escape: str | None, types: Types, returns: DType) -> Any:
    known = constant(pattern)
    if known is None:
        return python_value(_like)(text, pattern, escape=escape, types=types, returns=returns)
    try:
        found = strings.like_pattern(known, escape)
    except RowFault:
        return pl.when(text.is_null()).then(pl.lit(None, dtype=pl.Boolean))
    return text.str.contains(found)


def _like_fault(text: Any, pattern: Any, escape: str | None, types: Types, returns: DType) -> Any:
    if escape is None:
        return None
    return python_fault(_like)(text, pattern, escape=escape, types=types, returns=returns)


def _similar(text: str, pattern: str) -> bool:
    return re.match(strings.similar_pattern(pattern).removesuffix("$") + r"\Z", text) is not None


# -- Regular expressions ---


def _regexp_replace(text: str, pattern: str, new: str) -> str | None:
    try:
        return re.sub(pattern, lambda match: new, text)
    except re.error:
        return None


def _regexp(text: str, pattern: str) -> bool:
    try:
        return bool(pattern) and re.search(pattern, text) is not None
    except re.error:
        return False


def _instr(text: str, pattern: str) -> int | None:
    try:
        found = re.search(pattern, text)
    except re.error:
        return None
    return found.start() + 1 if found else 0


def _extract(text: str, pattern: str, group: int) -> str | None:
    try:
        found = re.search(pattern, text)
        return found[group] if found and 0 <= group <= found.re.groups else None
    except re.error:
        return None


def _extract_all(text: str, pattern: str, group: int) -> list[str | None] | None:
    try:
        made = re.compile(pattern)
    except re.error:
        return None
    return [m[group] for m in made.finditer(text)] if 0 <= group <= made.groups else None


def _count(text: str, pattern: str) -> int | None:
    try:
        return len(re.findall(pattern, text))
    except re.error:
        return None


# -- Patterns of constants --------------------------------------------------------------------------


def _known(pattern: Any) -> str | None:
    """A constant pattern that Polars can read; None if it is none."""
    found = constant(pattern)
    if not found:
        return None
    try:
        patterns.check(found)
    except PlanError:
        return None
    return str(found)


def _lower_regexp(text: Any, pattern: Any, types: Types, returns: DType) -> Any:
    known = _known(pattern)
    return text.str.contains(known) if known else python_value(_regexp)(text, pattern, types=types, returns=returns)


def _lower_extract(text: Any, pattern: Any, group: Any, types: Types, returns: DType) -> Any:
    known, place = _known(pattern), constant(group)
    if known is None or place is None or not 0 <= place <= re.compile(known).groups:
        return python_value(_extract)(text, pattern, group, types=types, returns=returns)
    return text.str.extract(known, place)


def _lower_replace(text: Any, pattern: Any, new: Any, types: Types, returns: DType) -> Any:
    known, other = _known(pattern), constant(new)
    if known is None or other is None or re.compile(known).match(""):
        return python_value(_regexp_replace)(text, pattern, new, types=types, returns=returns)
    return text.str.replace_all(known, other.replace("$", "$$"))


_T3 = takes(TEXT, TEXT, TEXT, returns=String)

FUNCTIONS = (
    Function(
        name="sql.like",
        doc="Whether a text has the form of a pattern, in which `%` stands for any letters and `_` for one.",
        signature=takes(TEXT, TEXT, returns=Boolean),
        polars=_lower_like,
        fault=_like_fault,
        oracle=lambda text, pattern, escape, types, returns: _like(text, pattern, escape),
        typed=True,
        options={"escape": None},
        flink="({0} LIKE {1})",
        examples=[(("abc", "a%"), True), (("abc", "a_"), False), (("a.c", "a.c"), True), ((None, "a"), None)],
    ),
    per_row(
        "sql.similar",
        "Whether a text has the form of a regular expression of SQL.",
        takes(TEXT, TEXT, returns=Boolean),
        _similar,
        "({0} SIMILAR TO {1})",
        [(("abc", "a(b|x)%"), True), (("abc", "b"), False), ((None, "a"), None)],
    ),
    per_row(
        "sql.regexp",
        "Whether a regular expression is found.",
        takes(TEXT, TEXT, returns=Boolean),
        _regexp,
        "REGEXP({0}, {1})",
        [(("abc", "b."), True), (("abc", "z"), False), ((None, "a"), None)],
        polars=_lower_regexp,
    ),
    per_row(
        "sql.regexp_replace",
        "With all matches of a regular expression replaced by a text as it is.",
        _T3,
        _regexp_replace,
        "REGEXP_REPLACE({0}, {1}, {2})",
        [(("abc", "(b)", "[$1]"), "a[$1]c"), (("abc", "z", ""), "abc"), ((None, "a", ""), None)],
        gives_null=True,
        polars=_lower_replace,
    ),
    per_row(
        "sql.regexp_extract",
        "What a group of the first match holds, 0 for the whole; null if there is none.",
        takes(TEXT, TEXT, INTEGER, returns=String),
        _extract,
        "REGEXP_EXTRACT({0}, {1}, {2})",
        [(("abc", "(b)(c)", 2), "c"), (("abc", "z", 0), None), ((None, "a", 0), None)],
        gives_null=True,
        polars=_lower_extract,
    ),
    per_row(
        "sql.regexp_extract_all",
        "What a group of each match holds, 0 for the whole.",
        takes(TEXT, TEXT, INTEGER, returns=List(String)),
        _extract_all,
        "REGEXP_EXTRACT_ALL({0}, {1}, {2})",
        [(("abab", "b", 0), ["b", "b"]), (("abab", "(a)b", 1), ["a", "a"]), ((None, "a", 0), None)],
        gives_null=True,
    ),
    per_row(
        "sql.regexp_count",
        "How many matches a regular expression has.",
        takes(TEXT, TEXT, returns=Int32),
        _count,
        "REGEXP_COUNT({0}, {1})",
        [(("abab", "b"), 2), (("abc", "z"), 0), ((None, "a"), None)],
        gives_null=True,
    ),
    per_row(
        "sql.regexp_instr",
        "Where the first match of a regular expression begins, from 1; 0 if there is none.",
        takes(TEXT, TEXT, returns=Int32),
        _instr,
        "REGEXP_INSTR({0}, {1})",
        [(("abc", "b."), 2), (("abc", "z"), 0), ((None, "a"), None)],
        gives_null=True,
    ),
)
