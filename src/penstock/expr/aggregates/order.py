"""Aggregates that look at the values one by one: extremes, distinct values, quantiles.

Their state, as a meaning, is the values themselves, in the order in which they came.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import FLOATS, DType, Duration, Float64, Int64, UInt64, is_fixed
from penstock.core.errors import PlanError, UnknownNameError
from penstock.core.lazy import pl
from penstock.expr.function import Aggregate, NotOnFlink, Signature, Spelling, Words
from penstock.expr.signatures import NUMBER, ORDERED, takes
from penstock.expr.values import equal, less

Types = Sequence[DType]
Options = Mapping[str, Any]
Values = tuple[Any, ...]

_INTERPOLATIONS = ("nearest", "lower", "higher", "midpoint", "linear", "equiprobable")


# -- Values as a state ------------------------------------------------------------------------------


def no_values(**options: Any) -> Values:
    """The state of an empty group."""
    return ()


def with_value(state: Values, *values: Any, **options: Any) -> Values:
    """A value more, or a pair of values."""
    return (*state, values[0] if len(values) == 1 else values)


def without_value(state: Values, *values: Any, **options: Any) -> Values:
    """A value less: of equal ones, that which came last."""
    wanted = list(values)
    for place in range(len(state) - 1, -1, -1):
        found = [state[place]] if len(values) == 1 else list(state[place])
        if equal(found, wanted):
            return state[:place] + state[place + 1 :]
    return state


def joined(a: Values, b: Values) -> Values:
    """The values of two parts of a group."""
    return a + b


def least(values: Sequence[Any]) -> Any:
    """The first of the least values."""
    return functools.reduce(lambda a, b: b if less(b, a) else a, values)


def greatest(values: Sequence[Any]) -> Any:
    """The first of the greatest values; NaN is greater than every number."""
    return functools.reduce(lambda a, b: b if less(a, b) else a, values)


def in_order(values: Sequence[Any]) -> list[Any]:
    """The values in ascending order, NaN last."""
    return sorted(values, key=functools.cmp_to_key(lambda a, b: -1 if less(a, b) else 1 if less(b, a) else 0))


# -- Extremes ---------------------------------------------------------------------------------------


def _extreme_words(name: str) -> Callable[[Types, Options], Words | None]:
    """Words of `min` or `max`."""

    def words(types: Types, options: Options) -> Words | None:
        dtype = types[0]
        if dtype in FLOATS:
            return Words(kinds=((f"float_{name}", 0), ("count", None)), finish=lambda found, count: (found, count > 0))
        if not is_fixed(dtype) or dtype == UInt64:  # the words are signed
            return None
        if dtype == Int64 or isinstance(dtype, Duration):
            return Words(kinds=((name, 0), ("count", None)), finish=lambda found, count: (found, count > 0))
        # Values of these types are never the smallest or largest of 64 bits: that is a group without values.
        start = 2**63 - 1 if name == "min" else -(2**63)
        return Words(kinds=((name, 0),), finish=lambda found: _present(found, start))

    return words


def _present(found: Any, start: int) -> tuple[Any, Any]:
    valid = found != start
    return (found, None) if valid.all() else (found * valid, valid)


def _extreme(name: str, doc: str, result: Callable[[Values], Any], polars: Any, examples: Any) -> Aggregate:
    return Aggregate(
        name=name,
        doc=doc,
        arity=1,
        signature=takes(ORDERED, returns=0),
        init=no_values,
        add=with_value,
        merge=joined,
        retract=without_value,
        result=result,
        retraction="multiset",
        polars=polars,
        words=_extreme_words(name),
        flink=f"{name.upper()}({{0}})",
        examples=examples,
        guesses=(f"{name}imum",),
    )


# -- Distinct values --------------------------------------------------------------------------------


def _distinct(values: Values) -> int:
    found: list[Any] = []
    for value in values:
        if not any(equal(value, other) for other in found):
            found.append(value)
    return len(found)


def _most_frequent(values: Values) -> Any:
    counts: list[tuple[Any, int]] = []
    for value in values:
        for place, (other, count) in enumerate(counts):
            if equal(value, other):
                counts[place] = (other, count + 1)
                break
        else:
            counts.append((value, 1))
    most = max(count for _, count in counts)
    return least([value for value, count in counts if count == most])


# -- Quantiles --------------------------------------------------------------------------------------


def quantile_type(types: Types, options: Options) -> Signature:
    """The signature of a quantile, its options checked."""
    q = options["q"]
    if isinstance(q, bool) or not isinstance(q, (int, float)) or not 0 <= q <= 1:
        raise PlanError(f'"q" is a share from 0 to 1, found {q!r}')
    if options["interpolation"] not in _INTERPOLATIONS:
        raise UnknownNameError("interpolation", str(options["interpolation"]), _INTERPOLATIONS)
    return _float_type(types, options)


def _float_type(types: Types, options: Options) -> Signature:
    takes(NUMBER, returns=0)(types, options)
    return Signature((Float64,), Float64)


def quantile_of(values: Values, q: float, interpolation: str) -> float:
    """One quantile of values, as `quantile` declares it."""
    ordered = in_order(values)
    last = len(ordered) - 1
    place = last * float(q)
    low, high = math.floor(place), math.ceil(place)
    match interpolation:
        case "nearest":
            return float(ordered[min(math.floor(place + 0.5), last)])
        case "lower":
            return float(ordered[low])
        case "higher":
            return float(ordered[high])
        case "equiprobable":
            return float(ordered[max(math.ceil(len(ordered) * float(q)) - 1, 0)])
    lower, upper = float(ordered[low]), float(ordered[high])
    if low == high or equal(lower, upper):
        return lower
    return (lower + upper) / 2 if interpolation == "midpoint" else lower + (upper - lower) * (place - low)


def _percentile_on_flink(options: Options) -> Spelling:
    if options["interpolation"] != "linear":
        return NotOnFlink("PERCENTILE of Flink is linear between two values only")
    return "PERCENTILE({0}, {q})"


def _quantiles(name: str, doc: str, **more: Any) -> Aggregate:
    return Aggregate(
        name=name,
        doc=doc,
        arity=1,
        init=no_values,
        add=with_value,
        merge=joined,
        retract=without_value,
        retraction="multiset",
        words=lambda types, options: None,
        **more,
    )


AGGREGATES = (
    _extreme("min", "The least value; NaN is greater than every number. Null of nothing.", least,
             lambda x: x.sort().first(), [([(2,), (1,)], 1), ([("b",), ("a",)], "a"), ([], None)]),
    _extreme("max", "The greatest value; NaN is greater than every number. Null of nothing.", greatest,
             lambda x: x.sort().last(), [([(2,), (1,)], 2), ([(1.0,), (math.nan,)], math.nan), ([], None)]),
    Aggregate(
        name="n_unique",
        doc="The number of distinct values; NaN is one, and null is none.",
        arity=1,
        signature=takes(ORDERED, returns=Int64),
        init=no_values,
        add=with_value,
        merge=joined,
        retract=without_value,
        result=_distinct,
        retraction="multiset",
        polars=lambda x: x.n_unique().cast(pl.Int64),
        words=lambda types, options: None,
        flink="COUNT(DISTINCT {0})",
        empty=0,
        examples=[([(1,), (2,), (1,)], 2), ([], 0)],
        guesses=("nunique", "count_distinct", "unique_count"),
    ),
    Aggregate(
        name="mode",
        doc="The value that comes most often; of several the least. NaN equals itself; null of nothing.",
        arity=1,
        signature=takes(ORDERED, returns=0),
        init=no_values,
        add=with_value,
        merge=joined,
        retract=without_value,
        result=_most_frequent,
        retraction="multiset",
        polars=lambda x: x.mode().sort().first(),
        words=lambda types, options: None,
        flink=NotOnFlink("Flink has no aggregate for it"),
        examples=[([(3,), (1,), (3,)], 3), ([(2,), (1,)], 1), ([("b",), ("a",), ("b",)], "b"), ([], None)],
        guesses=("most_frequent", "most_common"),
    ),
    _quantiles(
        "median",
        "The value in the middle, or the mean of the two there; null of nothing.",
        signature=_float_type,
        result=lambda state: quantile_of(state, 0.5, "midpoint"),
        polars=lambda x: x.quantile(0.5, "midpoint"),
        flink="PERCENTILE({0}, 0.5)",
        examples=[([(1,), (2,), (4,)], 2.0), ([(1,), (2,)], 1.5), ([], None)],
    ),
    _quantiles(
        "quantile",
        "The value below which a share `q` of the values lies. Between two: the `nearest`, the `lower`, the `higher`, "
        "their `midpoint`, or `linear` between them; `equiprobable`: the least value that a share `q` does not exceed.",
        signature=quantile_type,
        result=quantile_of,
        polars=lambda x, q, interpolation: x.quantile(float(q), interpolation),
        flink=lambda types, options: _percentile_on_flink(options),
        options={"q": ..., "interpolation": "nearest"},
        examples=[
            ([(1,), (2,), (3,), (4,)], {"q": 0.5}, 3.0),
            ([(1,), (2,), (3,), (4,)], {"q": 0.5, "interpolation": "linear"}, 2.5),
            ([], {"q": 0.5}, None),
        ],
        guesses=("percentile",),
    ),
)  # fmt: skip
