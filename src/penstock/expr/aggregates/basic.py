"""Counts, sums, means, spread, and whether any or all are true."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import FLOATS, INTEGERS, Boolean, Decimal, DType, Duration, Float64, Int64
from penstock.core.errors import PlanError
from penstock.core.lazy import np, pl
from penstock.expr.exact_sums import Moments, mean_of, merged, plus, sum_of, variance_of
from penstock.expr.function import Aggregate, Kind, NotOnFlink, RowFault, Signature, Words
from penstock.expr.signatures import ANY, LOGICAL, takes

Types = Sequence[DType]
Options = Mapping[str, Any]

_SUMMED = Kind(
    "a number, boolean or duration",
    lambda t: t in INTEGERS or t in FLOATS or t == Boolean or isinstance(t, (Decimal, Duration)),
    Int64,
)
_AVERAGED = Kind("a number or boolean", lambda t: _SUMMED.accepts(t) and not isinstance(t, Duration), Int64)


# -- Signatures -------------------------------------------------------------------------------------


def _sum_type(types: Types, options: Options) -> Signature:
    (dtype,) = takes(_SUMMED, returns=0)(types, options).args
    if isinstance(dtype, Decimal):
        return Signature((dtype,), Decimal(38, dtype.scale))
    summed = dtype if isinstance(dtype, Duration) else Float64 if dtype in FLOATS else Int64
    return Signature((summed,), summed)


def _mean_type(types: Types, options: Options) -> Signature:
    (dtype,) = takes(_AVERAGED, returns=0)(types, options).args
    return Signature((Int64 if dtype in INTEGERS or dtype == Boolean else Float64,), Float64)


def _spread_type(types: Types, options: Options) -> Signature:
    if not isinstance(options["ddof"], int) or options["ddof"] < 0:
        raise PlanError(f'"ddof" is a whole number from 0, found {options["ddof"]!r}')
    takes(_AVERAGED, returns=0)(types, options)
    return Signature((Float64,), Float64)


# -- Words ------------------------------------------------------------------------------------------


def _sum_words(types: Types, options: Options) -> Words | None:
    if types[0] == Float64:
        return Words(kinds=(("float_sum", 0),), finish=lambda read: (read[0], read[1] > 0))
    if isinstance(types[0], Decimal):
        return None
    return Words(
        kinds=(("sum", 0), ("count", None)),
        finish=lambda read, count: (read[0], count > 0),
        fits=lambda read, count: read[1],
    )


def _mean_words(types: Types, options: Options) -> Words:
    if types[0] == Float64:
        return Words(kinds=(("float_sum", 0),), finish=lambda read: _ratio(*read))
    return Words(kinds=(("sum", 0), ("count", None)), finish=lambda read, count: _ratio(read[2], count))


def _ratio(sums: Any, counts: Any) -> tuple[Any, Any]:
    return sums / np.maximum(counts, 1), counts > 0


def _spread_words(root: bool) -> Callable[[Types, Options], Words]:
    def words(types: Types, options: Options) -> Words:
        ddof = options["ddof"]

        def finish(read: tuple[Any, Any, Any, Any]) -> tuple[Any, Any]:
            finite, _, squares, others = read
            # The squares of equal numbers may come out a little below zero.
            found = np.maximum(squares, 0.0) / np.maximum(finite - ddof, 1)
            found = np.where(others > 0, np.nan, np.sqrt(found) if root else found)
            return found, finite + others > ddof

        return Words(kinds=(("variance", 0),), finish=finish)

    return words


def _logical_words(every: bool) -> Callable[[Types, Options], Words]:
    def finish(read: tuple[Any, Any, Any], count: Any) -> tuple[Any, Any]:
        return (read[0] == count if every else read[0] > 0), count > 0

    return lambda types, options: Words(kinds=(("sum", 0), ("count", None)), finish=finish)


# -- Declarations -----------------------------------------------------------------------------------


def _spread(name: str, root: bool, guesses: tuple[str, ...]) -> Aggregate:
    def result(state: Moments, ddof: int) -> float | None:
        found = variance_of(state, ddof)
        return math.sqrt(found) if root and found is not None else found

    def flink(types: Types, options: Options) -> str | NotOnFlink:
        spelled = {0: f"{_FLINK[name]}_POP({{0}})", 1: f"{_FLINK[name]}_SAMP({{0}})"}
        return spelled.get(options["ddof"], NotOnFlink("Flink has ddof 0 and 1 only"))

    return Aggregate(
        name=name,
        doc=f"The {'standard deviation' if root else 'variance'} of the values, with `ddof` degrees of freedom taken "
        "off; null for too few values, NaN if one is not finite.",
        arity=1,
        signature=_spread_type,
        init=lambda ddof: Moments(),
        add=lambda state, value, ddof: state.plus(value),
        merge=lambda a, b: a.merged(b),
        retract=lambda state, value, ddof: state.plus(value, -1),
        result=result,
        retraction="invertible",
        polars=lambda x, ddof: x.std(ddof) if root else x.var(ddof),
        words=_spread_words(root),
        options={"ddof": 1},
        gives_null=True,
        flink=flink,
        examples=[
            ([(1.0,), (3.0,), (5.0,)], 2.0 if root else 4.0),
            ([(1.0,), (3.0,)], {"ddof": 0}, 1.0),
            ([(1.0,)], None),
            ([], None),
        ],
        guesses=guesses,
    )


_FLINK = {"var": "VAR", "std": "STDDEV"}


def _logical(name: str, doc: str, every: bool, guesses: tuple[str, ...]) -> Aggregate:
    return Aggregate(
        name=name,
        doc=doc,
        arity=1,
        signature=takes(LOGICAL, returns=Boolean),
        init=lambda: (0, 0),
        add=lambda state, value: (state[0] + value, state[1] + 1),
        merge=lambda a, b: (a[0] + b[0], a[1] + b[1]),
        retract=lambda state, value: (state[0] - value, state[1] - 1),
        result=lambda state: state[0] == state[1] if every else state[0] > 0,
        retraction="invertible",
        polars=lambda x: x.all() if every else x.any(),
        words=_logical_words(every),
        flink="(MIN(CASE WHEN {0} THEN 1 ELSE 0 END) = 1)" if every else "(MAX(CASE WHEN {0} THEN 1 ELSE 0 END) = 1)",
        examples=[([(True,), (False,)], not every), ([(every,)], every), ([], None)],
        guesses=guesses,
    )


AGGREGATES = (
    Aggregate(
        name="count",
        doc="The number of rows of a group: `ps.count()`. Of a column, `.count()` is the number of its values.",
        arity=0,
        method="",
        signature=lambda types, options: Signature(tuple(types), Int64),
        init=lambda: 0,
        add=lambda state, *args: state + 1,
        merge=lambda a, b: a + b,
        retract=lambda state, *args: state - 1,
        result=lambda state: state,
        retraction="invertible",
        polars=lambda *args: pl.len().cast(pl.Int64),
        words=lambda types, options: Words(kinds=(("count", None),), finish=lambda n: (n, None)),
        flink="COUNT(*)",
        empty=0,
        examples=[([(), ()], 2), ([], 0)],
    ),
    Aggregate(
        name="count_values",
        doc="The number of values that are not null: `.count()` of a column.",
        arity=1,
        method="count",
        signature=takes(ANY, returns=Int64),
        init=lambda: 0,
        add=lambda state, value: state + 1,
        merge=lambda a, b: a + b,
        retract=lambda state, value: state - 1,
        result=lambda state: state,
        retraction="invertible",
        polars=lambda x: x.count().cast(pl.Int64),
        words=lambda types, options: Words(kinds=(("count", None),), finish=lambda n: (n, None)),
        flink="COUNT({0})",
        empty=0,
        examples=[([(1,), (1,)], 2), ([], 0)],
        guesses=("len", "size"),
    ),
    Aggregate(
        name="sum",
        doc="The sum: Int64 for integers and booleans, Float64 for floats (compensated), Decimal(38, scale), Duration. "
        "The sum of nothing is null; a group has no row while its sum does not fit, which is an error row.",
        arity=1,
        signature=_sum_type,
        init=lambda: None,
        add=plus,
        merge=merged,
        retract=lambda state, value: plus(state, value, -1),
        result=sum_of,
        retraction="invertible",
        polars=lambda x: x.sum(),
        words=_sum_words,
        flink="SUM({0})",
        examples=[
            ([(1,), (2,)], 3),
            ([(0.5,), (0.25,)], 0.75),
            ([(True,), (True,)], 2),
            ([(2**63 - 1,), (1,)], RowFault),
            ([], None),
        ],
        guesses=("total",),
    ),
    Aggregate(
        name="mean",
        doc="The mean as a float; null of nothing.",
        arity=1,
        signature=_mean_type,
        init=Moments,
        add=lambda state, value: state.plus(value),
        merge=lambda a, b: a.merged(b),
        retract=lambda state, value: state.plus(value, -1),
        result=mean_of,
        retraction="invertible",
        polars=lambda x: x.mean(),
        words=_mean_words,
        flink="AVG(CAST({0} AS DOUBLE))",
        examples=[([(1,), (2,)], 1.5), ([(0.5,)], 0.5), ([], None)],
        guesses=("avg", "average"),
    ),
    _spread("var", False, ("variance",)),
    _spread("std", True, ("stddev",)),
    _logical("any", "Whether one is true; null of nothing.", False, ("bool_or",)),
    _logical("all", "Whether all are true; null of nothing.", True, ("bool_and", "every")),
)
