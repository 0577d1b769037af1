"""The bits of integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.core.dtypes import UNSIGNED, DType, UInt32
from penstock.expr.function import Function, NotOnFlink
from penstock.expr.signatures import INTEGER, bits, limits, takes, unified

Types = tuple[DType, ...]
_NO_BITS = NotOnFlink("Flink SQL has no operations on bits")


def _pattern(value: int, types: Types) -> str:
    """The bits of a value as text, as many as its type has."""
    size = bits(types[0])
    return format(value & (2**size - 1), f"0{size}b")


def _binary(name: str, doc: str, polars: Callable[..., Any], oracle: Callable[..., Any], result: int) -> Function:
    return Function(
        name=name,
        doc=doc,
        signature=unified(INTEGER, least=2, most=2),
        polars=polars,
        oracle=oracle,
        flink=_NO_BITS,
        examples=[((6, 3), result), ((None, 3), None)],
    )


def _count(name: str, doc: str, oracle: Callable[..., Any], result: int) -> Function:
    return Function(
        name=name,
        doc=doc,
        signature=takes(INTEGER, returns=UInt32),
        polars=lambda a, types, returns: getattr(a, name)(),
        typed=True,
        oracle=oracle,
        flink=_NO_BITS,
        examples=[((6,), result), ((None,), None)],
    )


FUNCTIONS = (
    _binary("bitwise_and", "The bits that are set in both.", lambda a, b: a & b, lambda a, b: a & b, 2),
    _binary("bitwise_or", "The bits that are set in either.", lambda a, b: a | b, lambda a, b: a | b, 7),
    _binary("bitwise_xor", "The bits that are set in one of the two.", lambda a, b: a ^ b, lambda a, b: a ^ b, 5),
    Function(
        name="bitwise_not",
        doc="The bits that are not set.",
        signature=takes(INTEGER, returns=0),
        polars=lambda a, types, returns: ~a,
        typed=True,
        oracle=lambda a, types, returns: limits(returns)[1] - a if returns in UNSIGNED else ~a,
        flink=_NO_BITS,
        examples=[((6,), -7), ((None,), None)],
        guesses=["invert"],
    ),
    _count(
        "bitwise_count_ones",
        "How many bits are set.",
        lambda a, types, returns: _pattern(a, types).count("1"),
        2,
    ),
    _count(
        "bitwise_leading_zeros",
        "How many bits before the first that is set.",
        lambda a, types, returns: len(_pattern(a, types)) - len(_pattern(a, types).lstrip("0")),
        61,
    ),
    _count(
        "bitwise_trailing_zeros",
        "How many bits after the last that is set.",
        lambda a, types, returns: len(_pattern(a, types)) - len(_pattern(a, types).rstrip("0")),
        1,
    ),
)
