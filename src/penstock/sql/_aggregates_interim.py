"""Flink's aggregates in terms of the plan's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from penstock.core.dtypes import INTEGERS, Decimal, Float64, Int64
from penstock.core.errors import PlanError, UnsupportedError
from penstock.expr.ast import Aggregation, Case, Literal, Term
from penstock.expr.function import with_options
from penstock.expr.infer import Typed
from penstock.sql import functions, terms
from penstock.sql.types import spelled

Add = Callable[[Aggregation], Typed]
"""Registers an aggregation and gives the column that it becomes."""

_PLAIN = {
    "SUM": "sum", "MIN": "min", "MAX": "max", "FIRST_VALUE": "first", "LAST_VALUE": "last",
    "COLLECT": "count_values", "ARRAY_AGG": "list",
}  # fmt: skip
_SPREAD = {
    "STDDEV_POP": ("std", 0), "STDDEV_SAMP": ("std", 1), "STDDEV": ("std", 1),
    "VAR_POP": ("var", 0), "VAR_SAMP": ("var", 1), "VARIANCE": ("var", 1),
}  # fmt: skip
_LATER = ("LISTAGG", "JSON_OBJECTAGG", "JSON_ARRAYAGG", "SUM0", "PERCENTILE", "APPROX_COUNT_DISTINCT", "SINGLE_VALUE")
AGGREGATES = frozenset({*_PLAIN, *_SPREAD, "COUNT", "AVG", *_LATER})
"""The names of all aggregates, in capitals."""

_ORDINARY = ("MIN", "MAX", "FIRST_VALUE", "LAST_VALUE")


def aggregate(name: str, args: Sequence[Typed], distinct: bool, where: Term | None, add: Add) -> Typed:
    """The value of an aggregate, over columns that `add` gives for what it is made of.

    Raises:
        UnsupportedError: If it is Flink's and not offered yet.
        PlanError: If the arguments do not fit.
    """
    if name in _LATER:
        raise UnsupportedError(f"the aggregate {name} is not offered yet")

    def made(aggregate_name: str, *terms: Typed, **options: object) -> Typed:
        from penstock.expr.aggregates import AGGREGATES as DECLARED

        given = with_options(DECLARED[aggregate_name].options, options, aggregate_name)
        return add(Aggregation(aggregate_name, tuple(t.term for t in terms), where, given))

    if name == "COUNT":
        if distinct:
            if len(args) != 1:
                raise UnsupportedError("COUNT(DISTINCT a, b) is not offered yet")
            return made("n_unique", *_without_null(args))
        return made("count", *args[:1])
    if len(args) != 1:
        raise PlanError(f"{name} takes one argument, found {len(args)}")
    (value,) = args
    if distinct and name not in ("MIN", "MAX"):
        raise UnsupportedError(f"{name}(DISTINCT ...) is not offered yet", hint="SELECT DISTINCT in a subquery")
    if name in _PLAIN:
        return _kept(name, value, made(_PLAIN[name], value))
    if name == "AVG":
        return _average(value, made)
    function, freedom = _SPREAD[name]
    found = made(function, functions.widened(value, Float64), ddof=freedom)
    return _converted(found, value)


def _without_null(args: Sequence[Typed]) -> Sequence[Typed]:
    return args


def _kept(name: str, value: Typed, found: Typed) -> Typed:
    """SUM keeps an integer's type in Flink; a decimal's becomes wider."""
    if name == "SUM" and value.dtype in INTEGERS and found.dtype != value.dtype:
        return functions.cast(found, value.dtype)
    if name == "SUM" and isinstance(value.dtype, Decimal):
        return functions.cast(found, Decimal(38, value.dtype.scale))
    return found


def _average(value: Typed, made: Callable[..., Typed]) -> Typed:
    """Of integers: the sum over the count, cut towards zero, in their type."""
    if value.dtype in INTEGERS:
        whole = functions.widened(value, Int64)
        total, count = made("sum", whole), made("count", value)
        return functions.cast(terms.call("truncdiv", [total, count]), value.dtype)
    if isinstance(value.dtype, Decimal):
        total, count = made("sum", value), made("count", value)
        scale = max(6, value.dtype.scale)
        found = terms.call("truediv", [total, functions.cast(count, Decimal(20, 0))])
        return functions.cast(found, Decimal(38, scale))
    if value.dtype != Float64 and spelled(value.dtype) not in ("FLOAT", "NULL"):
        raise PlanError(f"AVG takes a number, found {spelled(value.dtype)}")
    found = made("mean", value)
    return found if found.dtype == value.dtype else functions.cast(found, value.dtype)


def _converted(found: Typed, value: Typed) -> Typed:
    """STDDEV and VAR of integers give integers."""
    if value.dtype in INTEGERS:
        return functions.cast(found, value.dtype)
    return found


_ = (Case, Literal)
