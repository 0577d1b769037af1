"""Flink's aggregates: from SQL names and typed arguments to aggregations of the plan."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from penstock.core.dtypes import Decimal, List, String, is_numeric
from penstock.core.errors import PlanError, UnknownNameError, UnsupportedError
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.aggregates.sql import mean_type, sum_type
from penstock.expr.ast import Aggregation, Call, Cast
from penstock.expr.function import with_options
from penstock.expr.infer import Typed
from penstock.sql.entries import known
from penstock.sql.terms import Session, call, spelled

Make = Callable[[Sequence[Typed], bool], Aggregation]


def _aggregation(name: str, args: Sequence[Typed], **options: Any) -> Aggregation:
    return Aggregation(
        name, tuple(arg.term for arg in args), None, with_options(AGGREGATES[name].options, options, name)
    )


def _count(args: Sequence[Typed], distinct: bool) -> Aggregation:
    if not args:
        return _aggregation("count", ())
    if distinct:
        return _aggregation("n_unique", args if len(args) == 1 else [_together(args)])
    if len(args) > 1:
        # Rows in which none of them is NULL.
        whole = reduce(lambda a, b: call("and", [a, b]), [call("is_not_null", [arg]) for arg in args])
        return Aggregation("count", (), whole.term, ())
    return _aggregation("count_values", args)


def _together(args: Sequence[Typed]) -> Typed:
    """Several values as one text, each behind its length; NULL if one of them is."""
    from penstock.sql import functions

    pieces: list[Typed] = []
    for arg in args:
        text = functions.cast(arg, String)
        length = functions.cast(functions.resolve("CHAR_LENGTH", [text]), String)
        pieces += [length, functions.constant(":", String), text]
    return functions.resolve("CONCAT", pieces)


def _single(name: str, args: Sequence[Typed]) -> None:
    if len(args) != 1:
        raise PlanError(f"{name} takes one argument, found {len(args)}")


def _numeric(name: str, sql: str) -> Make:
    def make(args: Sequence[Typed], distinct: bool) -> Aggregation:
        _single(sql, args)
        if not is_numeric(args[0].dtype):
            raise PlanError(f"{sql} does not take ({spelled(args[0].dtype)})", hint=f"there is {sql}(NUMERIC)")
        dtype = sum_type(args[0].dtype) if name == "sql.sum" else mean_type(args[0].dtype)
        return _aggregation(f"{name}_distinct" if distinct else name, args, dtype=dtype)

    return make


def _extreme(name: str) -> Make:
    # Equal values change nothing.
    def make(args: Sequence[Typed], distinct: bool) -> Aggregation:
        _single(name.upper(), args)
        return _aggregation(name, args)

    return make


def _spread(name: str, ddof: int) -> Make:
    def make(args: Sequence[Typed], distinct: bool) -> Aggregation:
        _single(name, args)
        if not is_numeric(args[0].dtype):
            raise PlanError(f"{name.upper()} does not take ({spelled(args[0].dtype)})")
        if distinct or isinstance(args[0].dtype, Decimal):
            what = "of distinct values" if distinct else "of DECIMAL"
            raise UnsupportedError(f"{name.upper()} {what} is not offered yet", hint="CAST it to DOUBLE")
        return _aggregation("sql.spread", args, dtype=args[0].dtype, ddof=ddof, root=name == "stddev")

    return make


def _position(name: str) -> Make:
    def make(args: Sequence[Typed], distinct: bool) -> Aggregation:
        _single(name, args)
        return _aggregation(name, args)

    return make


def _listagg(args: Sequence[Typed], distinct: bool) -> Aggregation:
    if not 1 <= len(args) <= 2:
        raise PlanError(f"LISTAGG takes a value and a separator, found {len(args)} arguments")
    separator = known(args[1]) if len(args) > 1 else ","
    if not isinstance(separator, str):
        raise PlanError("the separator of LISTAGG must be a constant")
    if distinct:
        # Each text stands where it came first, as in Flink.
        return _aggregation("str_join_distinct", args[:1], separator=separator)
    return _aggregation("sql.listagg", args[:1], separator=separator)


def _array(args: Sequence[Typed], distinct: bool) -> Aggregation:
    _single("ARRAY_AGG", args)
    if args[0].nullable:
        # Flink keeps nulls, and this aggregate does not see them.
        raise UnsupportedError("ARRAY_AGG of a column that may be NULL is not offered yet", hint="COALESCE it first")
    return _aggregation("list_distinct" if distinct else "list", args)


def _percentile(args: Sequence[Typed], distinct: bool) -> Aggregation:
    """PERCENTILE(value, share), linear between two values; or of an array of shares."""
    if len(args) != 2:
        hint = "repeat the rows instead of the third argument" if len(args) == 3 else None
        raise PlanError(f"PERCENTILE takes a value and a share from 0 to 1, found {len(args)} argument(s)", hint=hint)
    if not is_numeric(args[0].dtype):
        raise PlanError(f"PERCENTILE does not take ({spelled(args[0].dtype)})", hint="CAST it to DOUBLE")
    parts = args[1].args if isinstance(args[1].dtype, List) else (args[1],)
    shares = [known(part.args[0] if isinstance(part.term, Cast) else part) for part in parts]
    if not shares or not all(isinstance(one, (int, float, decimal.Decimal)) and 0 <= one <= 1 for one in shares):
        raise PlanError("the share of PERCENTILE is a constant from 0 to 1, or an array of them")
    numbers = [float(one) for one in shares]
    if not isinstance(args[1].dtype, List):
        name = "quantile_distinct" if distinct else "quantile"
        return _aggregation(name, args[:1], q=numbers[0], interpolation="linear")
    if distinct:
        raise UnsupportedError(
            "PERCENTILE(DISTINCT ...) of several shares is not offered yet", hint="one call for each"
        )
    return _aggregation("quantiles", args[:1], q=numbers, interpolation="linear")


TABLE: dict[str, Make] = {
    "COUNT": _count,
    "SUM": _numeric("sql.sum", "SUM"),
    "AVG": _numeric("sql.avg", "AVG"),
    "MIN": _extreme("min"),
    "MAX": _extreme("max"),
    "STDDEV_POP": _spread("stddev", 0),
    "STDDEV_SAMP": _spread("stddev", 1),
    "STDDEV": _spread("stddev", 1),
    "VAR_POP": _spread("variance", 0),
    "VAR_SAMP": _spread("variance", 1),
    "VARIANCE": _spread("variance", 1),
    "FIRST_VALUE": _position("first"),
    "LAST_VALUE": _position("last"),
    "LISTAGG": _listagg,
    "ARRAY_AGG": _array,
    "PERCENTILE": _percentile,
}
NOT_YET = {
    "COLLECT": "GROUP BY the value too, and COUNT(*)",
    "APPROX_COUNT_DISTINCT": "COUNT(DISTINCT ...) is exact",
    "JSON_OBJECTAGG": "build it from ARRAY_AGG and JSON_STRING",
    "JSON_ARRAYAGG": "JSON_STRING(ARRAY_AGG(...))",
    "SUM0": "COALESCE(SUM(...), 0)",
}
NAMES = frozenset(TABLE)
"""The names of all aggregates, in capitals."""


def resolve(
    name: str,
    args: Sequence[Typed],
    session: Session,
    *,
    distinct: bool = False,
    condition: Typed | None = None,
    **options: Any,
) -> Aggregation:
    """See `functions.resolve_aggregate`."""
    if name in NOT_YET:
        raise UnsupportedError(f"{name} is not offered yet", hint=NOT_YET[name])
    if name not in TABLE:
        raise UnknownNameError("aggregate", name, NAMES)
    made = TABLE[name](args, distinct)
    if condition is None:
        return made
    where = condition.term if made.where is None else Call("and", (made.where, condition.term))
    return Aggregation(made.aggregate, made.args, where, made.options)
