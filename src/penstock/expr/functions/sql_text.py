"""Strings as Flink SQL has them: places count from 1, and what is not there is null or empty."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import INTEGERS, Binary, Boolean, DType, Int32, Int64, List, Map, String
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr import sql_strings as strings
from penstock.expr.function import Function, Kind, RowFault, Signature
from penstock.expr.overflow import constant
from penstock.expr.rowwise import python_fault, python_value
from penstock.expr.signatures import ANY, BYTES, INTEGER, TEXT, takes

Types = tuple[DType, ...]
Examples = list[tuple[Any, ...]]


def per_row(
    name: str,
    doc: str,
    signature: Any,
    meaning: Callable[..., Any],
    flink: str,
    examples: Examples,
    *,
    gives_null: bool = False,
    fails: bool = False,
    options: Mapping[str, Any] | None = None,
    typed: bool = False,
) -> Function:
    """A function that is computed in Python, row by row."""
    plain = meaning if typed else lambda *args, types, returns, **more: meaning(*args, **more)
    return Function(
        name=name,
        doc=f"{doc} Computed in Python: not fast.",
        signature=signature,
        polars=python_value(meaning, typed=typed),
        fault=python_fault(meaning, typed=typed) if fails else None,
        oracle=plain,
        typed=True,
        gives_null=gives_null,
        options=options or {},
        flink=flink,
        examples=examples,
    )


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


# -- Parts ------------------------------------------------------------------------------------------


def _lower_substring(text: Any, start: Any, length: Any = None) -> Any:
    size = text.str.len_chars().cast(pl.Int64)
    at = start.cast(pl.Int64)
    first = pl.when(at > 0).then(at - 1).when(at < 0).then(size + at).otherwise(0)
    if length is None:
        return text.str.slice(first.clip(lower_bound=0))
    last = first + length.cast(pl.Int64)
    count = (last - first.clip(lower_bound=0)).clip(lower_bound=0)
    found = text.str.slice(first.clip(lower_bound=0), count)
    return pl.when(length > 0).then(found).when(length.is_not_null() & found.is_not_null()).then(pl.lit(""))


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


def _length(kind: Kind) -> Any:
    return takes(kind, returns=Int32)


def _concat_ws(separator: str | None, *parts: str | None) -> str | None:
    return None if separator is None else separator.join(part for part in parts if part is not None)


def _lower_concat_ws(separator: Any, *parts: Any, types: Types, returns: DType) -> Any:
    known = constant(separator)
    if known is not None:
        return pl.concat_str(*parts, separator=known, ignore_nulls=True)
    return python_value(_concat_ws, propagate=False)(separator, *parts, types=types, returns=returns)


def _replace(text: str, old: str, new: str) -> str:
    return text.replace(old, new) if old else text


def _lower_replace(text: Any, old: Any, new: Any, types: Types, returns: DType) -> Any:
    known, other = constant(old), constant(new)
    if known and other is not None:
        return text.str.replace_all(known, other, literal=True)
    return python_value(_replace)(text, old, new, types=types, returns=returns)


def _regexp_replace(text: str, pattern: str, new: str) -> str | None:
    try:
        return re.sub(pattern, re.sub(r"\$(\d)", r"\\g<\1>", new), text)
    except re.error:
        return None


def _regexp(text: str, pattern: str) -> bool:
    try:
        return re.search(pattern, text) is not None
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


def _elt(index: int, *texts: str | None) -> str | None:
    return texts[index - 1] if index is not None and 1 <= index <= len(texts) else None


def _elt_types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    return takes(INTEGER, TEXT, returns=String, repeated=True)(types, options)


def _hash_size(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    if options["size"] not in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512"):
        raise PlanError(f"there is no digest {options['size']}", hint="224, 256, 384 or 512")
    return takes(TEXT, returns=String)(types, options)


def _charset(kind: Kind, returns: DType) -> Any:
    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        if options["charset"] not in strings.CHARSETS:
            raise PlanError(f"no character set {options['charset']!r}", hint=f"there is {', '.join(strings.CHARSETS)}")
        return takes(kind, returns=returns)(types, options)

    return resolve


def _hex(number: int) -> str:
    return f"{number % 2**64:X}"


def _binary(number: int) -> str:
    return f"{number % 2**64:b}"


_T2 = takes(TEXT, TEXT, returns=String)
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
        "sql.similar", "Whether a text has the form of a regular expression of SQL.", takes(TEXT, TEXT, returns=Boolean),
        _similar, "({0} SIMILAR TO {1})", [(("abc", "a(b|x)%"), True), (("abc", "b"), False), ((None, "a"), None)],
    ),
    Function(
        name="sql.substring",
        doc="The part that begins at a place, counted from 1 or from the end, with so many characters at most.",
        signature=takes(TEXT, INTEGER, INTEGER, returns=String, optional=1),
        polars=_lower_substring,
        oracle=strings.substring,
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
        "sql.locate", "Where a text is found first from a place on, from 1; 0 if nowhere.",
        takes(TEXT, TEXT, INTEGER, returns=Int32), strings.position, "LOCATE({1}, {0}, {2})",
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
        examples=[(("abab", "a", "x"), "xbxb"), (("abc", "", "x"), "abc"), ((None, "a", "b"), None)],
    ),
    per_row("sql.repeat", "The text so many times.", takes(TEXT, INTEGER, returns=String), lambda text, count: text * count,
            "REPEAT({0}, {1})", [(("ab", 2), "abab"), (("ab", 0), ""), ((None, 1), None)]),
    per_row("sql.overlay", "With a part replaced by another text.",
            takes(TEXT, TEXT, INTEGER, INTEGER, returns=String, optional=1), strings.overlay,
            "OVERLAY({0} PLACING {1} FROM {2})", [(("abcd", "XY", 2), "aXYd"), (("abcd", "X", 2, 2), "aXd"), ((None, "a", 1), None)]),
    per_row("sql.translate", "With letters replaced one by one; those without a counterpart are dropped.", _T3,
            strings.translate, "TRANSLATE({0}, {1}, {2})", [(("abc", "ab", "x"), "xc"), (("abc", "c", "z"), "abz"), ((None, "a", "b"), None)]),
    per_row("sql.lpad", "Filled up in front, or cut, to a length; null if that is below zero.",
            takes(TEXT, INTEGER, TEXT, returns=String), lambda text, length, fill: strings.padded(text, length, fill, True),
            "LPAD({0}, {1}, {2})", [(("7", 3, "0"), "007"), (("abc", 2, "*"), "ab"), ((None, 1, "a"), None)], gives_null=True),
    per_row("sql.rpad", "Filled up behind, or cut, to a length; null if that is below zero.",
            takes(TEXT, INTEGER, TEXT, returns=String), lambda text, length, fill: strings.padded(text, length, fill, False),
            "RPAD({0}, {1}, {2})", [(("7", 3, "0"), "700"), (("abc", 2, "*"), "ab"), ((None, 1, "a"), None)], gives_null=True),
    per_row("sql.initcap", "The first letter of each word in upper case, the others in lower case.", takes(TEXT, returns=String),
            strings.initcap, "INITCAP({0})", [(("hello WORLD",), "Hello World"), (("a1b",), "A1b"), ((None,), None)]),
    per_row("sql.ascii", "The first byte of UTF-8 as a signed number; 0 of an empty text.", takes(TEXT, returns=Int32), strings.ascii_code,
            "ASCII({0})", [(("abc",), 97), (("",), 0), ((None,), None)], gives_null=True),
    per_row("sql.chr", "The character of the lowest byte of a number.", takes(INTEGER, returns=String), strings.character,
            "CHR({0})", [((65,), "A"), ((353,), "a"), ((None,), None)], gives_null=True),
    per_row("sql.split", "The parts between separators; the characters if the separator is empty.", takes(TEXT, TEXT, returns=List(String)),
            strings.split, "SPLIT({0}, {1})", [(("a,b", ","), ["a", "b"]), (("ab", ""), ["a", "b"]), ((None, ","), None)]),
    per_row("sql.split_index", "The part with an index, from 0, between separators; null if there is none.",
            takes(TEXT, TEXT, INTEGER, returns=String), strings.split_index, "SPLIT_INDEX({0}, {1}, {2})",
            [(("a,b", ",", 1), "b"), (("a", ",", 1), None), ((None, ",", 0), None)], gives_null=True),
    per_row("sql.elt", "The text with an index, from 1; null if there is none.", _elt_types, _elt, "ELT({0}, {1}, {2})",
            [((2, "a", "b"), "b"), ((3, "a", "b"), None), ((None, "a", "b"), None)], gives_null=True),
    per_row("sql.hash", "A digest of the text in UTF-8 as hexadecimal digits: `md5`, `sha1`, `sha256` and so on.", _hash_size,
            lambda text, size: strings.digest(text, size), "{size}({0})",
            [(("a",), {"size": "md5"}, "0cc175b9c0f1b6a831c399e269772661"), ((None,), {"size": "sha1"}, None)], options={"size": ...}),
    per_row("sql.url_encode", "As forms of the web are encoded.", takes(TEXT, returns=String), strings.url_encode, "URL_ENCODE({0})",
            [(("a b&c",), "a+b%26c"), (("ä",), "%C3%A4"), ((None,), None)]),
    per_row("sql.url_decode", "As forms of the web are decoded; null if the text is none.", takes(TEXT, returns=String), strings.url_decode,
            "URL_DECODE({0})", [(("a+b%26c",), "a b&c"), (("%z",), None), ((None,), None)], gives_null=True),
    per_row("sql.parse_url", "A part of a URL, or of its query; null if there is none.", takes(TEXT, TEXT, TEXT, returns=String, optional=1),
            strings.parse_url, "PARSE_URL({0}, {1})",
            [(("http://a.org/p?x=1", "HOST"), "a.org"), (("http://a.org/p?x=1", "QUERY", "x"), "1"), ((None, "HOST"), None)], gives_null=True),
    per_row("sql.str_to_map", "The pairs that a text lists; both separators are regular expressions.", takes(TEXT, returns=Map(String, String)),
            lambda text, pairs, inside: strings.str_to_map(text, pairs, inside), "STR_TO_MAP({0}, {pairs}, {inside})",
            [(("a=1,b=2",), {"a": "1", "b": "2"}), ((None,), None)], options={"pairs": ",", "inside": "="}),
    per_row("sql.encode", "The bytes of a text in a character set.", _charset(TEXT, Binary), lambda text, charset: strings.encoded(text, charset),
            "ENCODE({0}, {charset})", [(("a",), {"charset": "UTF-8"}, b"a"), ((None,), {"charset": "UTF-8"}, None)], options={"charset": ...}),
    per_row("sql.decode", "The text of bytes in a character set.", _charset(BYTES, String), lambda value, charset: strings.decoded(value, charset),
            "DECODE({0}, {charset})", [((b"a",), {"charset": "UTF-8"}, "a"), ((None,), {"charset": "UTF-8"}, None)], options={"charset": ...}),
    per_row("sql.from_base64", "The text that base64 stands for.", takes(TEXT, returns=String), strings.from_base64, "FROM_BASE64({0})",
            [(("YQ==",), "a"), (("",), ""), ((None,), None)], gives_null=True),
    per_row("sql.regexp", "Whether a regular expression is found.", takes(TEXT, TEXT, returns=Boolean), _regexp, "REGEXP({0}, {1})",
            [(("abc", "b."), True), (("abc", "z"), False), ((None, "a"), None)]),
    per_row("sql.regexp_replace", "With all matches of a regular expression replaced; `$1` stands for a group.", _T3, _regexp_replace,
            "REGEXP_REPLACE({0}, {1}, {2})", [(("abc", "(b)", "[$1]"), "a[b]c"), (("abc", "z", ""), "abc"), ((None, "a", ""), None)], gives_null=True),
    per_row("sql.regexp_extract", "What a group of the first match holds, 0 for the whole; null if there is none.",
            takes(TEXT, TEXT, INTEGER, returns=String), _extract, "REGEXP_EXTRACT({0}, {1}, {2})",
            [(("abc", "(b)(c)", 2), "c"), (("abc", "z", 0), None), ((None, "a", 0), None)], gives_null=True),
    per_row("sql.regexp_extract_all", "What a group of each match holds, 0 for the whole.",
            takes(TEXT, TEXT, INTEGER, returns=List(String)), _extract_all, "REGEXP_EXTRACT_ALL({0}, {1}, {2})",
            [(("abab", "b", 0), ["b", "b"]), (("abab", "(a)b", 1), ["a", "a"]), ((None, "a", 0), None)], gives_null=True),
    per_row("sql.regexp_count", "How many matches a regular expression has.", takes(TEXT, TEXT, returns=Int32), _count, "REGEXP_COUNT({0}, {1})",
            [(("abab", "b"), 2), (("abc", "z"), 0), ((None, "a"), None)], gives_null=True),
    per_row("sql.regexp_instr", "Where the first match of a regular expression begins, from 1; 0 if there is none.", takes(TEXT, TEXT, returns=Int32),
            _instr, "REGEXP_INSTR({0}, {1})", [(("abc", "b."), 2), (("abc", "z"), 0), ((None, "a"), None)], gives_null=True),
    per_row("sql.hex", "A number in hexadecimal digits, in two's complement if negative.", takes(INTEGER, returns=String), _hex, "HEX({0})",
            [((255,), "FF"), ((-1,), "F" * 16), ((None,), None)]),
    per_row("sql.hex_text", "The bytes of a text in hexadecimal digits.", takes(TEXT, returns=String), lambda text: text.encode().hex().upper(),
            "HEX({0})", [(("a",), "61"), (("",), ""), ((None,), None)]),
    per_row("sql.unhex", "The bytes of hexadecimal digits; null of other text.", takes(TEXT, returns=Binary), strings.unhex, "UNHEX({0})",
            [(("61",), b"a"), (("x",), None), ((None,), None)], gives_null=True),
    per_row("sql.bin", "A number in binary digits, in two's complement if negative.", takes(INTEGER, returns=String), _binary, "BIN({0})",
            [((5,), "101"), ((-1,), "1" * 64), ((None,), None)]),
)
