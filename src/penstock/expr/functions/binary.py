"""Bytes: their length and parts, and hexadecimal and base64 text for them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import Binary, Boolean, DType, String, UInt32
from penstock.core.errors import one_of
from penstock.expr.function import Function, Kind, NotOnFlink, Resolver, RowFault, Signature, Spelling
from penstock.expr.functions.text import head, lower_slice, positions, slice_, tail
from penstock.expr.signatures import BYTES, TEXT, takes

_ENCODINGS = ("hex", "base64")
_NO_BYTES = NotOnFlink("Flink has no such function of bytes")


def _coding(kind: Kind, returns: DType) -> Resolver:
    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        if options["encoding"] not in _ENCODINGS:
            raise one_of("encoding", str(options["encoding"]), _ENCODINGS)
        return takes(kind, returns=returns)(types, options)

    return resolve


def _encode(value: str | bytes, encoding: str) -> str:
    data = value.encode() if isinstance(value, str) else value
    return data.hex() if encoding == "hex" else base64.b64encode(data).decode()


def _decode(value: str | bytes, encoding: str, strict: bool) -> bytes | None:
    try:
        text = value if isinstance(value, str) else value.decode("ascii")
        data = binascii.unhexlify(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except ValueError:
        data = None
    # Python overlooks bits behind the last byte that are not zero.
    fine = data is not None and (encoding == "hex" or base64.b64encode(data).decode() == text)
    if not fine and strict:
        raise RowFault(f"no {encoding}")
    return data if fine else None


def _lower_decode(namespace: str) -> Callable[..., Any]:
    return lambda value, encoding, strict: getattr(value, namespace).decode(encoding, strict=False)


def _fault_of_decode(namespace: str) -> Callable[..., Any]:
    def fault(value: Any, encoding: str, strict: bool) -> Any | None:
        decoded = getattr(value, namespace).decode(encoding, strict=False)
        return value.is_not_null() & decoded.is_null() if strict else None

    return fault


def _encode_on_flink(types: Sequence[DType], options: Mapping[str, Any]) -> Spelling:
    if options["encoding"] == "hex":
        return "LOWER(HEX({0}))" if types[0] == String else _NO_BYTES
    return "TO_BASE64({0})" if types[0] == String else _NO_BYTES


def _encoder(namespace: str, kind: Kind, value: Any) -> Function:
    return Function(
        name=f"{namespace}.encode",
        doc='The bytes (of a string: in UTF-8) as text: `encoding` is `"hex"` or `"base64"`.',
        signature=_coding(kind, String),
        polars=lambda value, encoding: getattr(value, namespace).encode(encoding),
        oracle=_encode,
        options={"encoding": ...},
        flink=_encode_on_flink,
        examples=[
            ((value,), {"encoding": "hex"}, "61c3a9"),
            ((value,), {"encoding": "base64"}, "YcOp"),
            ((None,), {"encoding": "hex"}, None),
        ],
        guesses=["hex", "to_hex", "to_base64"] if namespace == "str" else [],
    )


def _decoder(namespace: str, kind: Kind, texts: Sequence[Any]) -> Function:
    return Function(
        name=f"{namespace}.decode",
        doc='The bytes that hexadecimal or base64 text stands for: `encoding` is `"hex"` or `"base64"`. Other text is '
        "an error row, or null if not `strict`.",
        signature=_coding(kind, Binary),
        polars=_lower_decode(namespace),
        fault=_fault_of_decode(namespace),
        oracle=_decode,
        gives_null=True,
        options={"encoding": ..., "strict": True},
        flink=_NO_BYTES,
        examples=[
            ((texts[0],), {"encoding": "hex"}, b"a\xff"),
            ((texts[1],), {"encoding": "base64"}, b"a\xff"),
            ((texts[2],), {"encoding": "hex"}, RowFault),
            ((texts[2],), {"encoding": "hex", "strict": False}, None),
            ((None,), {"encoding": "hex"}, None),
        ],
        guesses=["from_hex", "unhex", "from_base64"] if namespace == "str" else [],
    )


def _pair(name: str, doc: str, oracle: Callable[[bytes, bytes], bool], found: bytes) -> Function:
    return Function(
        name=f"bin.{name}",
        doc=doc,
        signature=takes(BYTES, BYTES, returns=Boolean),
        polars=lambda value, other: getattr(value.bin, name)(other),
        oracle=oracle,
        flink=_NO_BYTES,
        examples=[((b"abc", found), True), ((b"abc", b"x"), False), ((None, b"a"), None), ((b"a", None), None)],
    )


def _part(name: str, doc: str, oracle: Callable[[bytes, int], bytes], result: bytes) -> Function:
    return Function(
        name=f"bin.{name}",
        doc=doc,
        signature=positions(BYTES, 1, returns=Binary),
        polars=lambda value, n: getattr(value.bin, name)(n),
        oracle=oracle,
        flink=_NO_BYTES,
        examples=[
            ((b"abc", 2), result),
            ((b"abc", -2), result[:1] if name == "head" else result[1:]),
            ((None, 1), None),
        ],
        parameters=["n"],
    )


FUNCTIONS = (
    Function(
        name="bin.size",
        doc="How many bytes there are.",
        signature=takes(BYTES, returns=UInt32),
        polars=lambda value: value.bin.size(),
        oracle=len,
        flink=_NO_BYTES,
        examples=[((b"abc",), 3), ((None,), None)],
        guesses=["length"],
    ),
    _pair("contains", "Whether some bytes are found anywhere.", lambda value, other: other in value, b"b"),
    _pair("starts_with", "Whether it begins with some bytes.", bytes.startswith, b"ab"),
    _pair("ends_with", "Whether it ends with some bytes.", bytes.endswith, b"bc"),
    Function(
        name="bin.slice",
        doc="The bytes from `offset` on, at most `length` of them; a negative offset counts from the end. Without a "
        "length, or where that is null, up to the end.",
        signature=positions(BYTES, 2, optional=1, returns=Binary),
        polars=lower_slice("bin"),
        oracle=slice_,
        null="own",
        flink=_NO_BYTES,
        examples=[((b"abcde", 1, 2), b"bc"), ((b"abcde", -2), b"de"), ((None, 0, 1), None)],
        parameters=["offset", "length"],
    ),
    _part("head", "The first `n` bytes; with a negative `n` all but the last.", head, b"ab"),
    _part("tail", "The last `n` bytes; with a negative `n` all but the first.", tail, b"bc"),
    _encoder("bin", BYTES, b"a\xc3\xa9"),
    _decoder("bin", BYTES, (b"61ff", b"Yf8=", b"6")),
    _encoder("str", TEXT, "aé"),
    _decoder("str", TEXT, ("61ff", "Yf8=", "6")),
)
