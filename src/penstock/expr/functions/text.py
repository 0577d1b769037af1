"""Strings: case, length, parts, padding. Positions and lengths count characters (code points)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import DType, Int64, String, UInt32
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr import characters
from penstock.expr.function import Function, Kind, NotOnFlink, Resolver, RowFault, Signature
from penstock.expr.signatures import INTEGER, TEXT, takes

_WHITE = "".join(chr(point) for first, last in characters.WHITE_SPACE for point in range(first, last + 1))
_UNICODE = "by Unicode's rules"


def positions(kind: Kind, count: int, *, optional: int = 0, returns: DType | int = 0) -> Resolver:
    """A value, then whole numbers, which become 64-bit ones."""
    resolve = takes(kind, *[INTEGER] * count, returns=returns, optional=optional)

    def signature(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        given = resolve(types, options)
        return Signature((given.args[0], *(Int64 for _ in given.args[1:])), given.returns)

    return signature


# -- Parts ------------------------------------------------------------------------------------------


def slice_(value: Any, offset: int | None, length: int | None = None) -> Any:
    """A part of a string or of bytes: a negative offset counts from the end, no length means up to it."""
    if value is None or offset is None:
        return None
    start = offset + len(value) if offset < 0 else offset
    end = len(value) if length is None else start + max(0, length)
    return value[max(0, start) : max(0, end)]


def head(value: Any, count: int) -> Any:
    """The first characters or bytes; with a negative count all but the last."""
    return value[:count] if count >= 0 else value[: max(0, len(value) + count)]


def tail(value: Any, count: int) -> Any:
    """The last characters or bytes; with a negative count all but the first."""
    return value[max(0, len(value) - count) :] if count >= 0 else value[-count:]


def lower_slice(namespace: str) -> Callable[..., Any]:
    """The lowering of `slice_`; Polars refuses a column with a negative length as a whole."""

    def lower(value: Any, offset: Any, length: Any = None) -> Any:
        return getattr(value, namespace).slice(offset, None if length is None else length.clip(0))

    return lower


def _strip_types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    kept = options["characters"]
    if kept is not None and not isinstance(kept, str):
        raise PlanError(f"the characters to strip are a constant string, found {kept!r}")
    return takes(TEXT, returns=String)(types, options)


def _pad_types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    if not isinstance(options["fill_char"], str) or len(options["fill_char"]) != 1:
        raise PlanError(f"a string is padded with one character, found {options['fill_char']!r}")
    return positions(TEXT, 1, returns=String)(types, options)


def _strip(polars: str, sides: str, where: str) -> Function:
    def meaning(value: str, characters: str | None) -> str:
        white = _WHITE if characters is None else characters
        value = value.lstrip(white) if "left" in sides and white else value
        return value.rstrip(white) if "right" in sides and white else value

    def on_flink(types: Sequence[DType], options: Mapping[str, Any]) -> str | NotOnFlink:
        if options["characters"] is None:
            return NotOnFlink("Flink's TRIM takes blanks only, no other white space")
        if sides == "left right":
            return "BTRIM({0}, {characters})"
        return f"{sides[0].upper()}TRIM({{0}}, {{characters}})"

    return Function(
        name=f"str.{polars}",
        doc=f"Without any of the given characters (white space by default) {where}.",
        signature=_strip_types,
        polars=lambda value, characters: getattr(value.str, polars)(characters),
        oracle=meaning,
        options={"characters": None},
        flink=on_flink,
        examples=[
            (("  a b ",), meaning("  a b ", None)),
            (("xxaxx",), {"characters": "x"}, meaning("xxaxx", "x")),
            ((None,), None),
        ],
        guesses={"strip_chars": ["strip", "trim"], "strip_chars_start": ["lstrip", "ltrim"]}.get(
            polars, ["rstrip", "rtrim"]
        ),
    )


LONGEST = 65_535
"""Padding to more characters than this is refused: a wrong number in a row must not fill the memory."""


def _padded(meaning: Callable[..., str]) -> Callable[..., str]:
    def checked(value: str, length: int, *rest: str, **options: str) -> str:
        if length > LONGEST:
            raise RowFault(f"longer than {LONGEST} characters")
        return meaning(value, length, *rest, *options.values())

    return checked


def _too_long(value: Any, length: Any, **options: Any) -> Any:
    return value.is_not_null() & (length > LONGEST)


def _pad(polars: str, where: str, meaning: Callable[[str, int, str], str], result: str, word: str) -> Function:
    def lower(value: Any, length: Any, fill_char: str) -> Any:
        return getattr(value.str, polars)(length.clip(0, LONGEST), fill_char)

    return Function(
        name=f"str.{polars}",
        doc=f"At least `length` characters long, by copies of `fill_char` {where}. A length above 65,535 is an "
        "error row.",
        signature=_pad_types,
        polars=lower,
        fault=_too_long,
        oracle=_padded(meaning),
        options={"fill_char": " "},
        flink=f"{word}({{0}}, GREATEST({{1}}, CHAR_LENGTH({{0}})), {{fill_char}})",
        examples=[(("ab", 4), {"fill_char": "-"}, result), (("abc", 2), "abc"), ((None, 2), None), (("a", -1), "a")],
        parameters=["length"],
        guesses=["rjust", "lpad"] if polars == "pad_start" else ["ljust", "rpad"],
    )


# -- Numbers and joining ----------------------------------------------------------------------------

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _integer_types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    base = options["base"]
    if not isinstance(base, int) or isinstance(base, bool) or not 2 <= base <= 36:
        raise PlanError(f"the base of a number is between 2 and 36, found {base!r}")
    return takes(TEXT, returns=Int64)(types, options)


def _to_integer(value: str, base: int, strict: bool) -> int | None:
    digits = value[1:] if value[:1] in ("+", "-") else value
    if digits and digits.isascii() and set(digits.lower()) <= set(_DIGITS[:base]):
        number = int(value, base)
        if -(2**63) <= number < 2**63:
            return number
    if strict:
        raise RowFault("no whole number")
    return None


def _lower_to_integer(value: Any, base: int, strict: bool) -> Any:
    return value.str.to_integer(base=base, strict=False)


def _concat_types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    if not isinstance(options["separator"], str):
        raise PlanError(f"the separator is a constant string, found {options['separator']!r}")
    return Signature(takes(TEXT, returns=String, repeated=True)(types, options).args, String)


def _concat(*values: str | None, separator: str, ignore_nulls: bool) -> str | None:
    if None in values and not ignore_nulls:
        return None
    return separator.join(value for value in values if value is not None)


def _concat_on_flink(types: Sequence[DType], options: Mapping[str, Any]) -> str:
    names = [f"{{{i}}}" for i in range(len(types))]
    if options["ignore_nulls"]:
        return f"CONCAT_WS({{separator}}, {', '.join(names)})"
    return f"({' || {separator} || '.join(names)})"


def _lower_reverse(value: Any) -> Any:
    # Polars' own keeps marks with their letters; Flink's and ours turns code points around.
    return value.str.split("").list.reverse().list.join("")


def _without(polars: str, doc: str, meaning: Callable[[str, str], str], examples: Sequence[Any]) -> Function:
    side = "LEFT" if polars == "strip_suffix" else "RIGHT"
    found = "ENDSWITH" if polars == "strip_suffix" else "STARTSWITH"
    return Function(
        name=f"str.{polars}",
        doc=doc,
        signature=takes(TEXT, TEXT, returns=String),
        polars=lambda value, affix: getattr(value.str, polars)(affix),
        oracle=meaning,
        flink=f"CASE WHEN {found}({{0}}, {{1}}) THEN "
        f"{side}({{0}}, CHAR_LENGTH({{0}}) - CHAR_LENGTH({{1}})) WHEN {{1}} IS NOT NULL THEN {{0}} END",
        examples=examples,
        guesses=["removesuffix" if polars == "strip_suffix" else "removeprefix"],
    )


FUNCTIONS = (
    Function(
        name="str.to_uppercase",
        doc=f"In upper case, {_UNICODE}.",
        signature=takes(TEXT, returns=String),
        polars=lambda value: value.str.to_uppercase(),
        oracle=str.upper,
        flink="UPPER({0})",
        examples=[(("straße",), "STRASSE"), ((None,), None)],
        guesses=["upper", "uppercase"],
    ),
    Function(
        name="str.to_lowercase",
        doc=f"In lower case, {_UNICODE}.",
        signature=takes(TEXT, returns=String),
        polars=lambda value: value.str.to_lowercase(),
        oracle=str.lower,
        flink="LOWER({0})",
        examples=[(("ΑΣ",), "ας"), ((None,), None)],
        guesses=["lower", "lowercase"],
    ),
    Function(
        name="str.len_chars",
        doc="How many characters (code points) it has.",
        signature=takes(TEXT, returns=UInt32),
        polars=lambda value: value.str.len_chars(),
        oracle=len,
        flink="CHAR_LENGTH({0})",
        examples=[(("né",), 2), (("",), 0), ((None,), None)],
        guesses=["len", "length", "char_length"],
    ),
    Function(
        name="str.len_bytes",
        doc="How many bytes it has in UTF-8.",
        signature=takes(TEXT, returns=UInt32),
        polars=lambda value: value.str.len_bytes(),
        oracle=lambda value: len(value.encode()),
        flink=NotOnFlink("Flink counts characters only"),
        examples=[(("né",), 3), (("",), 0), ((None,), None)],
        guesses=["octet_length"],
    ),
    Function(
        name="str.slice",
        doc="The part from `offset` on, at most `length` long; a negative offset counts from the end. Without a "
        "length, or where that is null, up to the end.",
        signature=positions(TEXT, 2, optional=1, returns=String),
        polars=lower_slice("str"),
        oracle=slice_,
        null="own",
        flink=NotOnFlink("Flink's SUBSTRING counts from 1, and a start before the text differently"),
        examples=[(("abcde", 1, 2), "bc"), (("abcde", -2), "de"), (("ab", -5, 4), "a"), ((None, 0, 1), None)],
        parameters=["offset", "length"],
        guesses=["substr", "substring"],
    ),
    Function(
        name="str.head",
        doc="The first `n` characters; with a negative `n` all but the last.",
        signature=positions(TEXT, 1, returns=String),
        polars=lambda value, n: value.str.head(n),
        oracle=head,
        flink="CASE WHEN {1} >= 0 THEN LEFT({0}, {1}) "
        "WHEN {1} < 0 THEN LEFT({0}, GREATEST(CHAR_LENGTH({0}) + {1}, 0)) END",
        examples=[(("abc", 2), "ab"), (("abc", -1), "ab"), (("abc", -5), ""), ((None, 2), None)],
        parameters=["n"],
        guesses=["left"],
    ),
    Function(
        name="str.tail",
        doc="The last `n` characters; with a negative `n` all but the first.",
        signature=positions(TEXT, 1, returns=String),
        polars=lambda value, n: value.str.tail(n),
        oracle=tail,
        flink="CASE WHEN {1} >= 0 THEN RIGHT({0}, {1}) "
        "WHEN {1} < 0 THEN RIGHT({0}, GREATEST(CHAR_LENGTH({0}) + {1}, 0)) END",
        examples=[(("abc", 2), "bc"), (("abc", -1), "bc"), (("abc", -5), ""), ((None, 2), None)],
        parameters=["n"],
        guesses=["right"],
    ),
    _strip("strip_chars", "left right", "at both ends"),
    _strip("strip_chars_start", "left", "at the start"),
    _strip("strip_chars_end", "right", "at the end"),
    _without(
        "strip_prefix",
        "Without a prefix, if it has that.",
        str.removeprefix,
        [(("abab", "ab"), "ab"), (("abab", "x"), "abab"), (("a", None), None)],
    ),
    _without(
        "strip_suffix",
        "Without a suffix, if it has that.",
        str.removesuffix,
        [(("abab", "ab"), "ab"), (("abab", "x"), "abab"), (("a", None), None)],
    ),
    _pad("pad_start", "in front", str.rjust, "--ab", "LPAD"),
    _pad("pad_end", "behind", str.ljust, "ab--", "RPAD"),
    Function(
        name="str.zfill",
        doc="At least `length` characters long, by zeros in front but behind a sign. A length above 65,535 is an "
        "error row.",
        signature=positions(TEXT, 1, returns=String),
        polars=lambda value, length: value.str.zfill(length.clip(0, LONGEST)),
        fault=_too_long,
        oracle=_padded(str.zfill),
        flink=NotOnFlink("Flink's LPAD knows no sign"),
        examples=[(("7", 3), "007"), (("-7", 3), "-07"), (("1234", 3), "1234"), ((None, 3), None)],
        parameters=["length"],
    ),
    Function(
        name="str.reverse",
        doc="The characters (code points) in reverse order.",
        signature=takes(TEXT, returns=String),
        polars=_lower_reverse,
        oracle=lambda value: value[::-1],
        flink="REVERSE({0})",
        examples=[(("aé",), "éa"), (("",), ""), ((None,), None)],
    ),
    Function(
        name="str.to_integer",
        doc="The whole number that the text writes in a base from 2 to 36, with an optional sign. What is none, or "
        "does not fit 64 bits, is an error row, or null if not `strict`.",
        signature=_integer_types,
        polars=_lower_to_integer,
        fault=lambda value, base, strict: (
            value.is_not_null() & _lower_to_integer(value, base, strict).is_null() if strict else None
        ),
        oracle=_to_integer,
        gives_null=True,
        options={"base": 10, "strict": True},
        flink=NotOnFlink("CAST reads blanks and points too, and Flink reads base 10 only"),
        examples=[
            (("-12",), -12),
            (("ff",), {"base": 16}, 255),
            (("1.5",), RowFault),
            (("x",), {"strict": False}, None),
            ((None,), None),
        ],
        guesses=["parse_int", "to_int"],
    ),
    Function(
        name="concat_str",
        doc="Several strings, one after the other with a separator between them; null if one is null, unless nulls "
        "are ignored.",
        signature=_concat_types,
        polars=lambda *values, separator, ignore_nulls: pl.concat_str(
            values, separator=separator, ignore_nulls=ignore_nulls
        ),
        oracle=_concat,
        null="own",
        top=True,
        options={"separator": "", "ignore_nulls": False},
        flink=_concat_on_flink,
        examples=[
            (("a", "b"), "ab"),
            (("a", "b"), {"separator": "-"}, "a-b"),
            (("a", None), None),
            (("a", None), {"ignore_nulls": True, "separator": "-"}, "a"),
        ],
        guesses=["concat", "concat_ws", "format"],
    ),
)
