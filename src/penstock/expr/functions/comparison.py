"""Comparison and logic. A null operand gives null, but false decides an `and`, and true an `or`.

NaN equals itself and is greater than every number; -0.0 equals 0.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from penstock.core.dtypes import Boolean, DType, List, Map, Struct
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr.function import Function, Kind, Resolver, Signature
from penstock.expr.signatures import ANY, LOGICAL, ORDERED, takes, unified
from penstock.expr.values import equal, less


def _without_maps(dtype: DType) -> bool:
    match dtype:
        case List(inner):
            return _without_maps(inner)
        case Struct(fields):
            return all(_without_maps(inner) for _, inner in fields)
    return not isinstance(dtype, Map)


COMPARABLE = Kind("anything but a map", _without_maps)


# -- Types ------------------------------------------------------------------------------------------


def _logic(least: int, most: int | None) -> Resolver:
    """Booleans; other types get a hint."""
    booleans = unified(LOGICAL, returns=Boolean, least=least, most=most)

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        for dtype in types:
            if not LOGICAL.accepts(dtype) and str(dtype) != "Null":
                integer = "Int" in str(dtype)
                hint = (
                    "for bits there are .bitwise_and, .bitwise_or, .bitwise_xor and .bitwise_not"
                    if integer
                    else ("put comparisons into brackets: (a > 1) & (b > 2)")
                )
                raise PlanError(f"expected booleans, found {dtype}", hint=hint)
        return booleans(types, options)

    return resolve


_CLOSED = {"both": ("<=", "<="), "left": ("<=", "<"), "right": ("<", "<="), "none": ("<", "<")}


def _between_types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    if options["closed"] not in _CLOSED:
        raise PlanError(f"closed is one of {', '.join(_CLOSED)}, found {options['closed']!r}")
    return unified(ORDERED, returns=Boolean, least=3, most=3)(types, options)


# -- Meaning ----------------------------------------------------------------------------------------


def _and(*values: bool | None) -> bool | None:
    return False if False in values else None if None in values else True


def _or(*values: bool | None) -> bool | None:
    return True if True in values else None if None in values else False


def _ordered(a: Any, b: Any, symbol: str) -> bool | None:
    if a is None or b is None:
        return None
    return less(a, b) if symbol == "<" else not less(b, a)


def _between(a: Any, low: Any, high: Any, closed: str) -> bool | None:
    first, second = _CLOSED[closed]
    return _and(_ordered(low, a, first), _ordered(a, high, second))


def _is_in(a: Any, *constants: Any) -> bool | None:
    return None if a is None else any(equal(a, item) for item in constants if item is not None)


# -- Lowering ---------------------------------------------------------------------------------------


def _lower_between(a: Any, low: Any, high: Any, closed: str) -> Any:
    first, second = _CLOSED[closed]
    above = low <= a if first == "<=" else low < a
    return above & (a <= high if second == "<=" else a < high)


def _lower_is_in(a: Any, *constants: Any) -> Any:
    if constants and all(item.meta.is_literal() for item in constants):
        items = pl.concat([pl.select(item).to_series() for item in constants]).drop_nulls()
        return a.is_in(pl.lit(items).implode())
    found = (a.eq_missing(item) & item.is_not_null() for item in constants)
    return pl.when(a.is_not_null()).then(reduce(lambda x, y: x | y, found, pl.lit(False)))


def _in_on_flink(types: Sequence[DType], options: Mapping[str, Any]) -> str:
    if len(types) == 1:
        return "CASE WHEN {0} IS NOT NULL THEN FALSE END"
    return f"({{0}} IN ({', '.join(f'{{{i}}}' for i in range(1, len(types)))}))"


def _between_on_flink(types: Sequence[DType], options: Mapping[str, Any]) -> str:
    first, second = _CLOSED[options["closed"]]
    return f"({{1}} {first} {{0}} AND {{0}} {second} {{2}})"


def _joined(word: str) -> Callable[[Sequence[DType], Mapping[str, Any]], str]:
    return lambda types, options: "(" + f" {word} ".join(f"{{{i}}}" for i in range(len(types))) + ")"


def _comparison(
    name: str, doc: str, kind: Kind, symbol: str, polars: Callable[..., Any], oracle: Callable[..., Any], **more: Any
) -> Function:
    return Function(
        name=name,
        doc=doc,
        signature=unified(kind, returns=Boolean, least=2, most=2),
        polars=polars,
        oracle=oracle,
        flink=f"({{0}} {symbol} {{1}})",
        **more,
    )


FUNCTIONS = (
    _comparison(
        "eq",
        "Whether both are equal; null if one is null.",
        COMPARABLE,
        "=",
        lambda a, b: a == b,
        equal,
        examples=[
            ((1, 1), True),
            ((1, 2), False),
            ((1, None), None),
            ((math.nan, math.nan), True),
            ((-0.0, 0.0), True),
        ],
        guesses=["equals"],
    ),
    _comparison(
        "ne",
        "Whether they differ; null if one is null.",
        COMPARABLE,
        "<>",
        lambda a, b: a != b,
        lambda a, b: not equal(a, b),
        examples=[((1, 1), False), (("a", "b"), True), ((None, 1), None)],
    ),
    _comparison(
        "lt",
        "Whether the first is less.",
        ORDERED,
        "<",
        lambda a, b: a < b,
        less,
        examples=[((1, 2), True), ((2, 2), False), ((1.0, math.nan), True), ((None, 1), None)],
        guesses=["less"],
    ),
    _comparison(
        "le",
        "Whether the first is less or equal.",
        ORDERED,
        "<=",
        lambda a, b: a <= b,
        lambda a, b: not less(b, a),
        examples=[((2, 2), True), (("b", "a"), False), ((None, 1), None)],
    ),
    _comparison(
        "gt",
        "Whether the first is greater; NaN is greater than every number.",
        ORDERED,
        ">",
        lambda a, b: a > b,
        lambda a, b: less(b, a),
        examples=[((1, 2), False), ((2, 1), True), ((math.nan, math.inf), True), ((1, None), None)],
        guesses=["greater"],
    ),
    _comparison(
        "ge",
        "Whether the first is greater or equal.",
        ORDERED,
        ">=",
        lambda a, b: a >= b,
        lambda a, b: not less(a, b),
        examples=[((2, 2), True), ((1, 2), False), ((None, 1), None)],
    ),
    _comparison(
        "eq_missing",
        "Whether both are equal, where null equals null; never null.",
        COMPARABLE,
        "IS NOT DISTINCT FROM",
        lambda a, b: a.eq_missing(b),
        equal,
        null="never",
        examples=[((None, None), True), ((1, None), False), ((1, 1), True)],
        guesses=["is_not_distinct_from", "null_safe_eq"],
    ),
    _comparison(
        "ne_missing",
        "Whether they differ, where null equals null; never null.",
        COMPARABLE,
        "IS DISTINCT FROM",
        lambda a, b: a.ne_missing(b),
        lambda a, b: not equal(a, b),
        null="never",
        examples=[((None, None), False), ((1, None), True), ((1, 1), False)],
        guesses=["is_distinct_from"],
    ),
    Function(
        name="and",
        doc="Whether both are true: false if one is false, else null if one is null.",
        signature=_logic(2, 2),
        polars=lambda a, b: a & b,
        oracle=_and,
        null="any",
        flink="({0} AND {1})",
        examples=[((True, True), True), ((True, None), None), ((False, None), False), ((None, None), None)],
        guesses=["and_"],
    ),
    Function(
        name="or",
        doc="Whether one is true: true if one is true, else null if one is null.",
        signature=_logic(2, 2),
        polars=lambda a, b: a | b,
        oracle=_or,
        null="any",
        flink="({0} OR {1})",
        examples=[((False, False), False), ((True, None), True), ((False, None), None), ((None, None), None)],
        guesses=["or_"],
    ),
    Function(
        name="xor",
        doc="Whether exactly one of the two is true; null if one is null.",
        signature=_logic(2, 2),
        polars=lambda a, b: a ^ b,
        oracle=lambda a, b: a != b,
        flink="({0} <> {1})",
        examples=[((True, False), True), ((True, True), False), ((True, None), None)],
    ),
    Function(
        name="not",
        doc="True of false, false of true, null of null.",
        signature=_logic(1, 1),
        polars=lambda a: ~a,
        oracle=lambda a: not a,
        flink="(NOT {0})",
        examples=[((True,), False), ((False,), True), ((None,), None)],
        guesses=["not_", "negated"],
    ),
    Function(
        name="all_horizontal",
        doc="Whether all of several conditions are true: false if one is false, else null if one is null.",
        signature=_logic(1, None),
        polars=lambda *values: pl.all_horizontal(*values),
        oracle=_and,
        null="any",
        top=True,
        flink=_joined("AND"),
        examples=[((True, True, None), None), ((True, None, False), False), ((True,), True)],
    ),
    Function(
        name="any_horizontal",
        doc="Whether one of several conditions is true: true if one is true, else null if one is null.",
        signature=_logic(1, None),
        polars=lambda *values: pl.any_horizontal(*values),
        oracle=_or,
        null="any",
        top=True,
        flink=_joined("OR"),
        examples=[((False, False, None), None), ((True, None, False), True), ((False,), False)],
    ),
    Function(
        name="is_null",
        doc="Whether there is no value.",
        signature=takes(ANY, returns=Boolean),
        polars=lambda a: a.is_null(),
        oracle=lambda a: a is None,
        null="never",
        flink="({0} IS NULL)",
        examples=[((1,), False), ((None,), True)],
        guesses=["isna", "is_none", "isnull"],
    ),
    Function(
        name="is_not_null",
        doc="Whether there is a value.",
        signature=takes(ANY, returns=Boolean),
        polars=lambda a: a.is_not_null(),
        oracle=lambda a: a is not None,
        null="never",
        flink="({0} IS NOT NULL)",
        examples=[((1,), True), ((None,), False)],
        guesses=["notna", "not_null"],
    ),
    Function(
        name="is_in",
        doc="Whether the value equals one of some constants, of which nulls do not count; null if it is null.",
        signature=unified(COMPARABLE, returns=Boolean, what="a value and constants"),
        polars=_lower_is_in,
        oracle=_is_in,
        null="first",
        flink=_in_on_flink,
        examples=[((2, 1, 2), True), ((3, 1, 2), False), ((None, 1, 2), None), ((1,), False), ((1, 2, None), False)],
        guesses=["isin", "one_of"],
    ),
    Function(
        name="is_between",
        doc='Whether the value lies between two others; `closed` says which of them belong to it: `"both"`, '
        '`"left"`, `"right"` or `"none"`.',
        signature=_between_types,
        polars=_lower_between,
        oracle=_between,
        null="any",
        options={"closed": "both"},
        flink=_between_on_flink,
        examples=[
            ((2, 1, 2), True),
            ((2, 1, 2), {"closed": "left"}, False),
            ((0, 1, None), False),
            ((2, 1, None), None),
            ((None, 1, 2), None),
        ],
        parameters=["lower_bound", "upper_bound"],
        guesses=["between"],
    ),
)
