"""Aggregates that give what a group holds as one value: a set, a map, a text; and several quantiles at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.dtypes import FLOATS, DType, Float64, Int64, List, Map, String
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr.aggregates.order import (
    in_order,
    joined,
    no_values,
    quantile_of,
    quantile_type,
    with_value,
    without_value,
)
from penstock.expr.aggregates.position import SINGLE
from penstock.expr.function import Aggregate, Kind, NotOnFlink, Signature
from penstock.expr.signatures import ORDERED, TEXT, takes
from penstock.expr.values import equal

Types = Sequence[DType]
Options = Mapping[str, Any]
_KEYS = Kind("a key that is no float", lambda t: ORDERED.accepts(t) and t not in FLOATS, Int64)


def distinct_values(values: Sequence[Any]) -> list[Any]:
    """The first of each of equal values; NaN equals itself."""
    found: list[Any] = []
    for value in values:
        if not any(equal(value, other) for other in found):
            found.append(value)
    return found


# -- Signatures -------------------------------------------------------------------------------------


def _set_type(types: Types, options: Options) -> Signature:
    (dtype,) = takes(ORDERED, returns=0)(types, options).args
    return Signature((dtype,), List(dtype))


def _map_type(types: Types, options: Options) -> Signature:
    key, value = takes(_KEYS, SINGLE, returns=0)(types, options).args
    return Signature((key, value), Map(key, value))


def _join_type(types: Types, options: Options) -> Signature:
    if not isinstance(options["separator"], str):
        raise PlanError(f'"separator" is a text, found {options["separator"]!r}')
    return takes(TEXT, returns=String)(types, options)


def _several_type(types: Types, options: Options) -> Signature:
    shares = options["q"]
    if not isinstance(shares, (list, tuple)) or not shares:
        raise PlanError(f'"q" is a list of shares from 0 to 1, found {shares!r}')
    (dtype,) = {quantile_type(types, {**options, "q": one}).args[0] for one in shares}
    return Signature((dtype,), List(Float64))


# -- Meaning and lowering ---------------------------------------------------------------------------


def _last_of_each(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    """By key in ascending order, the value that came last."""
    keys = in_order(distinct_values([key for key, _ in pairs]))
    return {key: next(value for other, value in reversed(pairs) if equal(key, other)) for key in keys}


def _polars_map(key: Any, value: Any) -> Any:
    last = key.is_last_distinct()
    return pl.struct(key.alias("key"), value.alias("value")).filter(last).sort_by(key.filter(last)).implode()


def _polars_several(x: Any, q: Sequence[float], interpolation: str) -> Any:
    return pl.concat_list([x.quantile(float(one), interpolation) for one in q])


# -- Declarations -----------------------------------------------------------------------------------


def _collected(name: str, doc: str, **more: Any) -> Aggregate:
    return Aggregate(
        name=name,
        doc=doc,
        init=no_values,
        add=with_value,
        merge=joined,
        retract=without_value,
        retraction="multiset",
        words=lambda types, options: None,
        **more,
    )


AGGREGATES = (
    _collected(
        "unique",
        "The distinct values as a list, in ascending order (NaN last); null of nothing.",
        arity=1,
        signature=_set_type,
        result=lambda state: in_order(distinct_values(state)),
        polars=lambda x: x.unique().sort().implode(),
        flink=NotOnFlink("COLLECT of Flink is a multiset, and has no order"),
        examples=[([(3,), (1,), (3,)], [1, 3]), ([("b",), ("a",)], ["a", "b"]), ([], None)],
        guesses=("collect_set", "set", "distinct", "to_set"),
    ),
    _collected(
        "to_map",
        "A map from the values of the column to those of another, in ascending order of keys; of equal keys the value "
        "that came last. A row with a null in either does not count.",
        arity=2,
        signature=_map_type,
        result=_last_of_each,
        polars=_polars_map,
        order_sensitive=True,
        flink=NotOnFlink("Flink has JSON_OBJECTAGG only, which is a text"),
        examples=[([("b", 1), ("a", 2), ("b", 3)], {"a": 2, "b": 3}), ([], None)],
        guesses=("map_agg", "collect_map", "object_agg", "dict"),
    ),
    _collected(
        "str_join",
        "The texts in order of position with `separator` between them; null of nothing.",
        arity=1,
        signature=_join_type,
        result=lambda state, separator: separator.join(state),
        polars=lambda x, separator: x.str.join(separator),
        order_sensitive=True,
        options={"separator": ","},
        flink="LISTAGG({0}, {separator})",
        examples=[([("b",), ("a",)], "b,a"), ([("a",), ("b",)], {"separator": ""}, "ab"), ([], None)],
        guesses=("listagg", "string_agg", "str.join", "group_concat", "join"),
    ),
    _collected(
        "quantiles",
        "Several quantiles as a list, one for each share in `q`: each as `quantile` gives it.",
        arity=1,
        signature=_several_type,
        result=lambda state, q, interpolation: [quantile_of(state, one, interpolation) for one in q],
        polars=_polars_several,
        options={"q": ..., "interpolation": "nearest"},
        flink=NotOnFlink("PERCENTILE of Flink is linear between two values only"),
        examples=[
            ([(1,), (2,), (3,), (4,)], {"q": (0.0, 0.5, 1.0)}, [1.0, 3.0, 4.0]),
            ([(1,), (2,)], {"q": (0.5,), "interpolation": "linear"}, [1.5]),
            ([], {"q": (0.5,)}, None),
        ],
        guesses=("percentiles",),
    ),
)
