"""Strings as Flink SQL has them: places count from 1, and what is not there is null or empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.dtypes import DType, Int32, List, String
from penstock.core.lazy import pl
from penstock.expr import sql_strings as strings
from penstock.expr.function import Function, Signature
from penstock.expr.overflow import constant
from penstock.expr.rowwise import per_row, python_value
from penstock.expr.signatures import INTEGER, TEXT, takes

Types = tuple[DType, ...]


# -- Parts ------------------------------------------------------------------------------------------


def _lower_substring(text: Any, start: Any, length: Any = None) -> Any:
    size = text.str.len_chars().cast(pl.Int64)
    at = start.cast(pl.Int64)
    first = pl.when(at > 0).then(at - 1).when(at < 0).then(size + at).otherwise(0)
    if length is None:
        return pl.when(first >= 0).then(text.str.slice(first.clip(lower_bound=0))).when(first < 0).then(pl.lit(""))
    found = text.str.slice(first.clip(lower_bound=0), length.clip(lower_bound=0))
    known = length >= 0
    return pl.when(known & (first >= 0)).then(found).when(known & (first < 0)).then(pl.lit(""))


def _lower_position(text: Any, wanted: Any) -> Any:
    at = text.str.find(wanted, literal=True)
    before = text.cast(pl.Binary).bin.slice(0, at).cast(pl.String).str.len_chars().cast(pl.Int32) + 1
    found = pl.when(at.is_not_null()).then(before).otherwise(pl.lit(0, dtype=pl.Int32))
    return pl.when(text.is_not_null() & wanted.is_not_null()).then(found)


def _lower_left(text: Any, count: Any) -> Any:
    return text.str.head(count.clip(lower_bound=0))


def _lower_right(text: Any, count: Any) -> Any:
    return text.str.tail(count.clip(lower_bound=0))


def _trimmed(text: str, letters: str, side: str) -> str:
    return {"both": text.strip, "leading": text.lstrip, "trailing": text.rstrip}[side](letters) if letters else text


def _lower_trim(text: Any, letters: Any, side: str) -> Any:
    if side == "leading":
        return text.str.strip_chars_start(letters)
    return text.str.strip_chars(letters) if side == "both" else text.str.strip_chars_end(letters)


def _concat_ws(separator: str | None, *parts: str | None) -> str | None:
    return None if separator is None else separator.join(part for part in parts if part is not None)


def _lower_concat_ws(separator: Any, *parts: Any, types: Types, returns: DType) -> Any:
    known = constant(separator)
    if known is not None:
        return pl.concat_str(*parts, separator=known, ignore_nulls=True)
    return python_value(_concat_ws, propagate=False)(separator, *parts, types=types, returns=returns)


def _replace(text: str, old: str, new: str) -> str:
    return text.replace(old, new)


def _lower_replace(text: Any, old: Any, new: Any, types: Types, returns: DType) -> Any:
    known, other = constant(old), constant(new)
    if known and other is not None:
        return text.str.replace_all(known, other, literal=True)
    return python_value(_replace)(text, old, new, types=types, returns=returns)


def _elt(index: int, *texts: str | None) -> str | None:
    return texts[index - 1] if 1 <= index <= len(texts) else None


def _elt_types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    return takes(INTEGER, TEXT, returns=String, repeated=True)(types, options)


_T3 = takes(TEXT, TEXT, TEXT, returns=String)

FUNCTIONS = (
    Function(
        name="sql.substring",
        doc="The part that begins at a place, counted from 1 or from the end, with so many characters at most.",
        signature=takes(TEXT, INTEGER, INTEGER, returns=String, optional=1),
        polars=_lower_substring,
        oracle=strings.substring,
        gives_null=True,
        flink=lambda types, options: "SUBSTRING({0}, {1}, {2})" if len(types) == 3 else "SUBSTRING({0}, {1})",
        examples=[(("penstock", 4, 3), "sto"), (("penstock", -4), "tock"), (("abc", 0, 2), "ab"), ((None, 1), None)],
    ),
    Function(
        name="sql.position",
        doc="Where a text is found first, from 1; 0 if nowhere.",
        signature=takes(TEXT, TEXT, returns=Int32),
        polars=_lower_position,
        oracle=lambda text, wanted: strings.position(text, wanted),
        flink="POSITION({1} IN {0})",
        examples=[(("äbc", "b"), 2), (("abc", "x"), 0), (("abc", ""), 1), ((None, "a"), None)],
    ),
    per_row(
        "sql.locate",
        "Where a text is found first from a place on, from 1; 0 if nowhere.",
        takes(TEXT, TEXT, INTEGER, returns=Int32),
        strings.position,
        "LOCATE({1}, {0}, {2})",
        [(("abcb", "b", 3), 4), (("abc", "a", 2), 0), ((None, "a", 1), None)],
    ),
    Function(
        name="sql.trim",
        doc="Without any of the given letters at one or both ends.",
        signature=takes(TEXT, TEXT, returns=String),
        polars=_lower_trim,
        oracle=_trimmed,
        options={"side": "both"},
        flink="TRIM({side} {1} FROM {0})",
        examples=[((" a ", " "), "a"), (("xax", "x"), {"side": "leading"}, "ax"), ((None, " "), None)],
    ),
    Function(
        name="sql.left",
        doc="The first characters; none for a number below zero.",
        signature=takes(TEXT, INTEGER, returns=String),
        polars=_lower_left,
        oracle=lambda text, count: text[: max(count, 0)],
        flink="LEFT({0}, {1})",
        examples=[(("abc", 2), "ab"), (("abc", -1), ""), ((None, 1), None)],
    ),
    Function(
        name="sql.right",
        doc="The last characters; none for a number below zero.",
        signature=takes(TEXT, INTEGER, returns=String),
        polars=_lower_right,
        oracle=lambda text, count: text[max(len(text) - max(count, 0), 0) :],
        flink="RIGHT({0}, {1})",
        examples=[(("abc", 2), "bc"), (("abc", 0), ""), ((None, 1), None)],
    ),
    Function(
        name="sql.concat_ws",
        doc="Texts that are not null with a separator between them.",
        signature=takes(TEXT, TEXT, returns=String, repeated=True),
        polars=_lower_concat_ws,
        oracle=lambda separator, *parts, types, returns: _concat_ws(separator, *parts),
        typed=True,
        null="first",
        flink=lambda types, options: f"CONCAT_WS({', '.join(f'{{{i}}}' for i in range(len(types)))})",
        examples=[(("-", "a", "b"), "a-b"), (("-", "a", None), "a"), ((None, "a", "b"), None)],
    ),
    Function(
        name="sql.replace",
        doc="With a text replaced by another wherever it occurs.",
        signature=_T3,
        polars=_lower_replace,
        oracle=lambda text, old, new, types, returns: _replace(text, old, new),
        typed=True,
        flink="REPLACE({0}, {1}, {2})",
        examples=[(("abab", "a", "x"), "xbxb"), (("ab", "", "x"), "xaxbx"), ((None, "a", "b"), None)],
    ),
    per_row(
        "sql.repeat",
        "The text so many times.",
        takes(TEXT, INTEGER, returns=String),
        lambda text, count: text * count,
        "REPEAT({0}, {1})",
        [(("ab", 2), "abab"), (("ab", 0), ""), ((None, 1), None)],
    ),
    per_row(
        "sql.overlay",
        "With a part replaced by another text.",
        takes(TEXT, TEXT, INTEGER, INTEGER, returns=String, optional=1),
        strings.overlay,
        "OVERLAY({0} PLACING {1} FROM {2})",
        [(("abcd", "XY", 2), "aXYd"), (("abcd", "X", 2, 2), "aXd"), ((None, "a", 1), None)],
    ),
    per_row(
        "sql.translate",
        "With letters replaced one by one; those without a counterpart are dropped.",
        _T3,
        strings.translate,
        "TRANSLATE({0}, {1}, {2})",
        [(("abc", "ab", "x"), "xc"), (("abc", "c", "z"), "abz"), ((None, "a", "b"), None)],
    ),
    per_row(
        "sql.lpad",
        "Filled up in front, or cut, to a length; null if that is below zero.",
        takes(TEXT, INTEGER, TEXT, returns=String),
        lambda text, length, fill: strings.padded(text, length, fill, True),
        "LPAD({0}, {1}, {2})",
        [(("7", 3, "0"), "007"), (("abc", 2, "*"), "ab"), ((None, 1, "a"), None)],
        gives_null=True,
    ),
    per_row(
        "sql.rpad",
        "Filled up behind, or cut, to a length; null if that is below zero.",
        takes(TEXT, INTEGER, TEXT, returns=String),
        lambda text, length, fill: strings.padded(text, length, fill, False),
        "RPAD({0}, {1}, {2})",
        [(("7", 3, "0"), "700"), (("abc", 2, "*"), "ab"), ((None, 1, "a"), None)],
        gives_null=True,
    ),
    per_row(
        "sql.initcap",
        "The first letter of each word in upper case, the others in lower case.",
        takes(TEXT, returns=String),
        strings.initcap,
        "INITCAP({0})",
        [(("hello WORLD",), "Hello World"), (("a1b",), "A1b"), ((None,), None)],
    ),
    per_row(
        "sql.ascii",
        "The first byte of UTF-8 as a signed number; 0 of an empty text.",
        takes(TEXT, returns=Int32),
        strings.ascii_code,
        "ASCII({0})",
        [(("abc",), 97), (("",), 0), ((None,), None)],
        gives_null=True,
    ),
    per_row(
        "sql.chr",
        "The character of the lowest byte of a number.",
        takes(INTEGER, returns=String),
        strings.character,
        "CHR({0})",
        [((65,), "A"), ((353,), "a"), ((None,), None)],
        gives_null=True,
    ),
    per_row(
        "sql.split",
        "The parts between separators; the characters if the separator is empty.",
        takes(TEXT, TEXT, returns=List(String)),
        strings.split,
        "SPLIT({0}, {1})",
        [(("a,b", ","), ["a", "b"]), (("ab", ""), ["a", "b"]), ((None, ","), None)],
    ),
    per_row(
        "sql.split_index",
        "The part with an index, from 0, between separators; null if there is none.",
        takes(TEXT, TEXT, INTEGER, returns=String),
        strings.split_index,
        "SPLIT_INDEX({0}, {1}, {2})",
        [(("a,b", ",", 1), "b"), (("a", ",", 1), None), ((None, ",", 0), None)],
        gives_null=True,
    ),
    per_row(
        "sql.elt",
        "The text with an index, from 1; null if there is none.",
        _elt_types,
        _elt,
        "ELT({0}, {1}, {2})",
        [((2, "a", "b"), "b"), ((3, "a", "b"), None), ((None, "a", "b"), None)],
        gives_null=True,
    ),
)
