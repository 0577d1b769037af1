"""Aggregates as Flink SQL has them: sums and means keep the type of what they are of.

A sum of integers wraps around in its type, and a mean is cut towards zero. A sum of decimals has 38 digits and is null
if it has more. `dtype` is the type of the result.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from penstock.core.dtypes import FLOATS, SIGNED, Decimal, DType, Float32, Float64, String, to_polars
from penstock.core.errors import PlanError
from penstock.core.lazy import np, pl
from penstock.expr.aggregates.order import joined, no_values, with_value, without_value
from penstock.expr.cast_meaning import narrow
from penstock.expr.exact_sums import Moments, as_float, merged, plus, variance_of
from penstock.expr.function import Aggregate, Kind, Signature, Words
from penstock.expr.signatures import TEXT, bits, limits, takes
from penstock.expr.sql_cast_meaning import wrapped
from penstock.expr.sql_decimals import fitted
from penstock.expr.values import equal

Types = Sequence[DType]
Options = Mapping[str, Any]
State = tuple[int, Any]

SUMMED = Kind("a signed number", lambda t: t in SIGNED or t in FLOATS or isinstance(t, Decimal))
PLAIN = Kind("a signed integer or float", lambda t: t in SIGNED or t in FLOATS)


def sum_type(dtype: DType) -> DType:
    """The type of a sum."""
    return Decimal(38, dtype.scale) if isinstance(dtype, Decimal) else dtype


def mean_type(dtype: DType) -> DType:
    """The type of a mean."""
    return Decimal(38, max(6, dtype.scale)) if isinstance(dtype, Decimal) else dtype


def _signature(kind: Kind) -> Callable[[Types, Options], Signature]:
    def resolve(types: Types, options: Options) -> Signature:
        (dtype,) = takes(kind, returns=0)(types, options).args
        return Signature((Float64 if dtype in FLOATS else dtype,), options["dtype"])

    return resolve


# -- Meaning ----------------------------------------------------------------------------------------


def _total(values: Sequence[Any]) -> State:
    state: State = (0, None)
    for value in values:
        state = (state[0] + 1, plus(state[1], value))
    return state


def _sum_of(state: State, dtype: DType) -> Any:
    total = state[1]
    if isinstance(total, Moments):
        odd = total.odd()
        found = as_float(total.total) if odd is None else odd
        return narrow(found) if dtype == Float32 else found
    return fitted(total, dtype) if isinstance(dtype, Decimal) else wrapped(int(total), dtype)


def _mean_of(state: State, dtype: DType) -> Any:
    count, total = state
    if isinstance(total, Moments):
        odd = total.odd()
        found = as_float(total.total / count) if odd is None else odd
        return narrow(found) if dtype == Float32 else found
    if isinstance(dtype, Decimal):
        exact = decimal.Context(prec=38, rounding=decimal.ROUND_HALF_UP).divide(total, count)
        return fitted(exact, dtype)
    return wrapped(math.trunc(Fraction(int(total), count)), dtype)


def _distinct(values: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not any(equal(value, other) for other in found):
            found.append(value)
    return found


def _spread_of(state: Moments, dtype: DType, ddof: int, root: bool) -> Any:
    found = variance_of(state, ddof)
    if found is None:
        return None
    found = math.sqrt(found) if root else found
    return narrow(found) if dtype == Float32 else found if dtype in FLOATS else wrapped(math.trunc(found), dtype)


# -- Lowering ---------------------------------------------------------------------------------------


def _narrowed(value: Any, dtype: DType) -> Any:
    return value.cast(to_polars(dtype), wrap_numerical=True) if dtype in SIGNED else value.cast(to_polars(dtype))


def _polars_sum(x: Any, dtype: DType) -> Any:
    if isinstance(dtype, Decimal):
        return _exactly(lambda values: _sum_of(_total(values), dtype), x, dtype)
    return _narrowed(x.cast(pl.Int64).sum() if dtype in SIGNED else x.sum(), dtype)


def _polars_mean(x: Any, dtype: DType) -> Any:
    if isinstance(dtype, Decimal):
        return _exactly(lambda values: _mean_of(_total(values), dtype), x, dtype)
    if dtype in SIGNED:
        # The total of 64-bit integers may have more bits than they.
        return _exactly(lambda values: _mean_of(_total(values), dtype), x, dtype)
    return _narrowed(x.mean(), dtype)


def _exactly(meaning: Callable[[Sequence[Any]], Any], x: Any, dtype: DType) -> Any:
    kind = to_polars(dtype)

    def apply(values: Any) -> Any:
        return pl.Series(values.name, [meaning(values.drop_nulls().to_list()) if len(values) else None], dtype=kind)

    return x.map_batches(apply, return_dtype=kind, returns_scalar=True)


def _polars_spread(x: Any, dtype: DType, ddof: int, root: bool) -> Any:
    found = x.cast(pl.Float64).std(ddof) if root else x.cast(pl.Float64).var(ddof)
    return _narrowed(found.cast(pl.Int64, strict=False) if dtype in SIGNED else found, dtype)


def _wrap(values: Any, dtype: DType) -> Any:
    low, _ = limits(dtype)
    if bits(dtype) == 64:
        return values
    return (values - low) % (1 << bits(dtype)) + low


def _sum_words(types: Types, options: Options) -> Words | None:
    dtype = options["dtype"]
    if types[0] == Float64:
        return Words(kinds=(("float_sum", 0),), finish=lambda read: (_as(read[0], dtype), read[1] > 0))
    if isinstance(dtype, Decimal):
        return None
    return Words(kinds=(("sum", 0), ("count", None)), finish=lambda read, count: (_wrap(read[0], dtype), count > 0))


def _as(values: Any, dtype: DType) -> Any:
    return values.astype(np.float32) if dtype == Float32 else values


def _mean_words(types: Types, options: Options) -> Words | None:
    dtype = options["dtype"]
    if types[0] == Float64:
        return Words(
            kinds=(("float_sum", 0),),
            finish=lambda read: (_as(read[0] / np.maximum(read[1], 1), dtype), read[1] > 0),
        )
    if isinstance(dtype, Decimal) or bits(dtype) == 64:
        return None
    # A sum of integers of at most 32 bits fits 64.
    return Words(kinds=(("sum", 0), ("count", None)), finish=lambda read, count: (_quotient(read[0], count), count > 0))


def _quotient(totals: Any, counts: Any) -> Any:
    sizes = np.abs(totals) // np.maximum(counts, 1)
    return np.where(totals < 0, -sizes, sizes)


def _spread_words(types: Types, options: Options) -> Words:
    dtype, ddof, root = options["dtype"], options["ddof"], options["root"]

    def finish(read: tuple[Any, Any, Any, Any]) -> tuple[Any, Any]:
        finite, _, squares, others = read
        found = np.maximum(squares, 0.0) / np.maximum(finite - ddof, 1)
        found = np.where(others > 0, np.nan, np.sqrt(found) if root else found)
        # What rounding took from a whole number is given back before it is cut.
        if dtype not in SIGNED:
            return _as(found, dtype), finite + others > ddof
        found = _wrap(np.trunc(found + 1e-9 * np.maximum(found, 1.0)).astype(np.int64), dtype)
        return found, finite + others > ddof

    return Words(kinds=(("variance", 0),), finish=finish)


# -- Declarations -----------------------------------------------------------------------------------


def _summing(
    name: str, doc: str, result: Callable[[State, DType], Any], polars: Any, words: Any, flink: str, examples: Any
) -> tuple[Aggregate, Aggregate]:
    """The aggregate of all values, and that of distinct ones."""
    plain = Aggregate(
        name=f"sql.{name}",
        doc=doc,
        arity=1,
        signature=_signature(SUMMED),
        init=lambda dtype: (0, None),
        add=lambda state, value, dtype: (state[0] + 1, plus(state[1], value)),
        merge=lambda a, b: (a[0] + b[0], merged(a[1], b[1])),
        retract=lambda state, value, dtype: (state[0] - 1, plus(state[1], value, -1)),
        result=result,
        retraction="invertible",
        polars=polars,
        words=words,
        flink=f"{flink}({{0}})",
        options={"dtype": ...},
        examples=examples,
        method="",
    )
    distinct = Aggregate(
        name=f"sql.{name}_distinct",
        doc=f"{doc} Equal values count once.",
        arity=1,
        signature=_signature(SUMMED),
        init=no_values,
        add=with_value,
        merge=joined,
        retract=without_value,
        result=lambda state, dtype: result(_total(_distinct(state)), dtype),
        retraction="multiset",
        polars=lambda x, dtype: polars(x.unique(maintain_order=True), dtype),
        words=lambda types, options: None,
        flink=f"{flink}(DISTINCT {{0}})",
        options={"dtype": ...},
        examples=[([(1,), (1,)], _LONG, 1), ([(0.5,), (0.5,)], {"dtype": Float64}, 0.5)],
        method="",
    )
    return plain, distinct


def _spread_on_flink(types: Types, options: Options) -> str:
    name = "STDDEV" if options["root"] else "VAR"
    return f"{name}_SAMP({{0}})" if options["ddof"] else f"{name}_POP({{0}})"


def _listagg_type(types: Types, options: Options) -> Signature:
    if not isinstance(options["separator"], str):
        raise PlanError(f"a separator is a text, found {options['separator']!r}")
    return takes(TEXT, returns=String)(types, options)


_LONG = {"dtype": SIGNED[3]}
_D = decimal.Decimal

AGGREGATES = (
    *_summing(
        "sum",
        "The sum in the type of the values: integers wrap around, decimals have 38 digits.",
        _sum_of,
        _polars_sum,
        _sum_words,
        "SUM",
        [
            ([(2**63 - 1,), (1,)], _LONG, -(2**63)),
            ([(0.5,), (0.25,)], {"dtype": Float64}, 0.75),
            ([(_D("0.50"),)], {"dtype": Decimal(38, 2)}, _D("0.50")),
            ([(1,), (2,)], _LONG, 3),
        ],
    ),
    *_summing(
        "avg",
        "The mean in the type of the values: of integers it is cut towards zero.",
        _mean_of,
        _polars_mean,
        _mean_words,
        "AVG",
        [([(1,), (2,)], _LONG, 1), ([(0.5,), (0.25,)], {"dtype": Float64}, 0.375), ([(-1,), (-2,)], _LONG, -1)],
    ),
    Aggregate(
        name="sql.spread",
        doc="The variance or, with `root`, the standard deviation in the type of the values, `ddof` degrees of freedom "
        "taken off; of integers it is cut to an integer.",
        arity=1,
        signature=_signature(PLAIN),
        init=lambda dtype, ddof, root: Moments(),
        add=lambda state, value, dtype, ddof, root: state.plus(value),
        merge=lambda a, b: a.merged(b),
        retract=lambda state, value, dtype, ddof, root: state.plus(value, -1),
        result=_spread_of,
        retraction="invertible",
        polars=_polars_spread,
        words=_spread_words,
        flink=_spread_on_flink,
        options={"dtype": ..., "ddof": 0, "root": False},
        gives_null=True,
        examples=[([(1.0,), (3.0,)], {"dtype": Float64}, 1.0), ([(1,), (4,)], _LONG, 2)],
        method="",
    ),
    Aggregate(
        name="sql.listagg",
        doc="The texts in order of position with a separator between them.",
        arity=1,
        signature=_listagg_type,
        init=no_values,
        add=with_value,
        merge=joined,
        retract=without_value,
        result=lambda state, separator: separator.join(state),
        retraction="multiset",
        polars=lambda x, separator: x.str.join(separator),
        words=lambda types, options: None,
        order_sensitive=True,
        flink="LISTAGG({0}, {separator})",
        options={"separator": ","},
        examples=[([("a",), ("b",)], "a,b"), ([("a",), ("b",)], {"separator": "|"}, "a|b"), ([], None)],
        method="",
    ),
)
