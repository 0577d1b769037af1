"""Digests, encodings and URLs as Flink SQL has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.dtypes import Binary, DType, Map, String
from penstock.core.errors import PlanError
from penstock.expr import sql_strings as strings
from penstock.expr.function import Kind, Signature
from penstock.expr.rowwise import per_row
from penstock.expr.signatures import BYTES, INTEGER, TEXT, takes

Types = tuple[DType, ...]


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


FUNCTIONS = (
    per_row(
        "sql.hash",
        "A digest of the text in UTF-8 as hexadecimal digits: `md5`, `sha1`, `sha256` and so on.",
        _hash_size,
        lambda text, size: strings.digest(text, size),
        "{size}({0})",
        [(("a",), {"size": "md5"}, "0cc175b9c0f1b6a831c399e269772661"), ((None,), {"size": "sha1"}, None)],
        options={"size": ...},
    ),
    per_row(
        "sql.url_encode",
        "As forms of the web are encoded.",
        takes(TEXT, returns=String),
        strings.url_encode,
        "URL_ENCODE({0})",
        [(("a b&c",), "a+b%26c"), (("ä",), "%C3%A4"), ((None,), None)],
    ),
    per_row(
        "sql.url_decode",
        "As forms of the web are decoded; null if the text is none.",
        takes(TEXT, returns=String),
        strings.url_decode,
        "URL_DECODE({0})",
        [(("a+b%26c",), "a b&c"), (("%z",), None), ((None,), None)],
        gives_null=True,
    ),
    per_row(
        "sql.parse_url",
        "A part of a URL, or of its query; null if there is none.",
        takes(TEXT, TEXT, TEXT, returns=String, optional=1),
        strings.parse_url,
        "PARSE_URL({0}, {1})",
        [
            (("http://a.org/p?x=1", "HOST"), "a.org"),
            (("http://a.org/p?x=1", "QUERY", "x"), "1"),
            ((None, "HOST"), None),
        ],
        gives_null=True,
    ),
    per_row(
        "sql.str_to_map",
        "The pairs that a text lists; both separators are regular expressions.",
        takes(TEXT, returns=Map(String, String)),
        lambda text, pairs, inside: strings.str_to_map(text, pairs, inside),
        "STR_TO_MAP({0}, {pairs}, {inside})",
        [(("a=1,b=2",), {"a": "1", "b": "2"}), ((None,), None)],
        options={"pairs": ",", "inside": "="},
    ),
    per_row(
        "sql.encode",
        "The bytes of a text in a character set.",
        _charset(TEXT, Binary),
        lambda text, charset: strings.encoded(text, charset),
        "ENCODE({0}, {charset})",
        [(("a",), {"charset": "UTF-8"}, b"a"), ((None,), {"charset": "UTF-8"}, None)],
        options={"charset": ...},
    ),
    per_row(
        "sql.decode",
        "The text of bytes in a character set.",
        _charset(BYTES, String),
        lambda value, charset: strings.decoded(value, charset),
        "DECODE({0}, {charset})",
        [((b"a",), {"charset": "UTF-8"}, "a"), ((None,), {"charset": "UTF-8"}, None)],
        options={"charset": ...},
    ),
    per_row(
        "sql.from_base64",
        "The text that base64 stands for.",
        takes(TEXT, returns=String),
        strings.from_base64,
        "FROM_BASE64({0})",
        [(("YQ==",), "a"), (("",), ""), ((None,), None)],
        gives_null=True,
    ),
    per_row(
        "sql.hex",
        "A number in hexadecimal digits, in two's complement if negative.",
        takes(INTEGER, returns=String),
        _hex,
        "HEX({0})",
        [((255,), "FF"), ((-1,), "F" * 16), ((None,), None)],
    ),
    per_row(
        "sql.hex_text",
        "The bytes of a text in hexadecimal digits.",
        takes(TEXT, returns=String),
        lambda text: text.encode().hex().upper(),
        "HEX({0})",
        [(("a",), "61"), (("",), ""), ((None,), None)],
    ),
    per_row(
        "sql.unhex",
        "The bytes of hexadecimal digits; null of other text.",
        takes(TEXT, returns=Binary),
        strings.unhex,
        "UNHEX({0})",
        [(("61",), b"a"), (("x",), None), ((None,), None)],
        gives_null=True,
    ),
    per_row(
        "sql.bin",
        "A number in binary digits, in two's complement if negative.",
        takes(INTEGER, returns=String),
        _binary,
        "BIN({0})",
        [((5,), "101"), ((-1,), "1" * 64), ((None,), None)],
    ),
)
