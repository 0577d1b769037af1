"""Aggregates that follow the order of rows: first, last, list; and the value of one column where another is extreme."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import FLOATS, DType, Int64, List, Map, Struct, UInt64, is_fixed
from penstock.expr.aggregates.order import joined, no_values, with_value, without_value
from penstock.expr.function import Aggregate, Kind, NotOnFlink, Signature, Words
from penstock.expr.signatures import ORDERED, takes
from penstock.expr.values import less

Types = Sequence[DType]
Options = Mapping[str, Any]

# State keeps values by comparing them, which nested ones are not.
SINGLE = Kind("a value that is no list, struct or map", lambda t: not isinstance(t, (List, Struct, Map)), Int64)


def _kept_words(name: str) -> Callable[[Types, Options], Words | None]:
    """Words of `first` or `last`: of types whose values are whole numbers of 64 bits, or floats."""

    def words(types: Types, options: Options) -> Words | None:
        if not is_fixed(types[0]) or types[0] == UInt64:
            return None
        kind = f"float_{name}" if types[0] in FLOATS else name
        return Words(kinds=((kind, 0),), finish=lambda read: (read[0], read[1]))

    return words


def _list_type(types: Types, options: Options) -> Signature:
    (dtype,) = takes(SINGLE, returns=0)(types, options).args
    return Signature((dtype,), List(dtype))


def _first_least(state: tuple[Any, ...]) -> Any:
    found = state[0]
    for pair in state[1:]:
        found = pair if less(pair[1], found[1]) else found
    return found[0]


def _last_greatest(state: tuple[Any, ...]) -> Any:
    found = state[0]
    for pair in state[1:]:
        found = found if less(pair[1], found[1]) else pair
    return found[0]


def _first_greatest(state: tuple[Any, ...]) -> Any:
    found = state[0]
    for pair in state[1:]:
        found = pair if less(found[1], pair[1]) else found
    return found[0]


def _ascending(x: Any, by: Any) -> Any:
    return x.sort_by(by, maintain_order=True)


def _descending(x: Any, by: Any) -> Any:
    return x.sort_by(by, descending=True, maintain_order=True)


def _ordered(name: str, doc: str, arity: int, **more: Any) -> Aggregate:
    """An aggregate whose state is the values in order of position."""
    more.setdefault("words", lambda types, options: None)
    more.setdefault("signature", takes(*(SINGLE, ORDERED)[:arity], returns=0))
    return Aggregate(
        name=name,
        doc=doc,
        arity=arity,
        init=no_values,
        add=with_value,
        merge=joined,
        retract=without_value,
        retraction="multiset",
        order_sensitive=True,
        **more,
    )


_NONE = NotOnFlink("Flink has no aggregate for it")
_PAIRS = [("a", 2), ("b", 1), ("c", 2), ("d", 1)]

AGGREGATES = (
    _ordered(
        "first",
        "The first value that is not null: by position, or where the column `by=` is least (ties by position).",
        1,
        by="first_by",
        words=_kept_words("first"),
        result=lambda state: state[0],
        polars=lambda x: x.first(),
        flink="FIRST_VALUE({0})",
        examples=[([(3,), (1,)], 3), ([("b",), ("a",)], "b"), ([], None)],
        guesses=("first_value",),
    ),
    _ordered(
        "last",
        "The last value that is not null: by position, or where the column `by=` is greatest (ties by position).",
        1,
        by="last_by",
        words=_kept_words("last"),
        result=lambda state: state[-1],
        polars=lambda x: x.last(),
        flink="LAST_VALUE({0})",
        examples=[([(3,), (1,)], 1), ([], None)],
        guesses=("last_value",),
    ),
    _ordered(
        "first_by",
        "The value where another column is least, of several the first: `.first(by=...)`.",
        2,
        method="",
        result=_first_least,
        polars=lambda x, by: _ascending(x, by).first(),
        flink=_NONE,
        examples=[(_PAIRS, "b"), ([], None)],
    ),
    _ordered(
        "last_by",
        "The value where another column is greatest, of several the last: `.last(by=...)`.",
        2,
        method="",
        result=_last_greatest,
        polars=lambda x, by: _ascending(x, by).last(),
        flink=_NONE,
        examples=[(_PAIRS, "c"), ([], None)],
    ),
    _ordered(
        "arg_min",
        "The value where another column is least, of several the first.",
        2,
        result=_first_least,
        polars=lambda x, by: _ascending(x, by).first(),
        flink=_NONE,
        examples=[(_PAIRS, "b"), ([], None)],
        guesses=("min_by",),
    ),
    _ordered(
        "arg_max",
        "The value where another column is greatest, of several the first.",
        2,
        result=_first_greatest,
        polars=lambda x, by: _descending(x, by).first(),
        flink=_NONE,
        examples=[(_PAIRS, "a"), ([], None)],
        guesses=("max_by",),
    ),
    _ordered(
        "list",
        "The values that are not null as a list, in order of position; null of nothing.",
        1,
        signature=_list_type,
        result=list,
        polars=lambda x: x.implode(),
        flink="ARRAY_AGG({0})",
        examples=[([(3,), (1,), (3,)], [3, 1, 3]), ([], None)],
        guesses=("implode", "collect", "array_agg", "collect_list"),
    ),
)
