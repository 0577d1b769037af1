"""Heavy hitters: the values that come most often, in bounded state, all alike or the latest most."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.dtypes import Datetime, DType, Float64, Int64, List, Struct, to_polars
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.core.timespan import duration
from penstock.expr.aggregates.order import joined, no_values, with_value
from penstock.expr.function import Aggregate, NotOnFlink, Signature, Sketched
from penstock.expr.heavy import heaviest
from penstock.expr.signatures import DATETIME, ORDERED, takes
from penstock.expr.sketches import HEAVY, Shape
from penstock.expr.zones import micros

Types = Sequence[DType]
Options = Mapping[str, Any]


def fields_of(given: DType, *, decayed: bool) -> Struct:
    """What is said of a value: itself, how often or how heavily it came, and how much of that may be of others."""
    if decayed:
        return Struct({"item": given, "weight": Float64, "error": Float64})
    return Struct({"item": given, "count": Int64, "error": Int64})


def shape_of(options: Options) -> Shape:
    """How many counters there are, how many values are given, and the half-life in microseconds (0 = none)."""
    for name, most in (("k", 10_000), ("size", 100_000)):
        value = options[name]
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise PlanError(f'"{name}" is a whole number from 1 to {most:,}, found {value!r}')
    if options["size"] < options["k"]:
        raise PlanError(
            f"{options['k']} values need as many counters, found size={options['size']}",
            hint="ten counters for each value that is wanted are a good start",
        )
    half_life = duration(options["half_life"]) if "half_life" in options else 0
    if "half_life" in options and half_life <= 0:
        raise PlanError(f'"half_life" is a positive duration, found {options["half_life"]!r}')
    return Shape(HEAVY, options["size"], options["k"], half_life)


def _signature(types: Types, options: Options) -> Signature:
    shape = shape_of(options)
    decayed = bool(shape.size)
    kinds = (ORDERED, DATETIME) if decayed else (ORDERED,)
    args = takes(*kinds, returns=0)(types, options).args
    converted = (args[0], Datetime("us", args[1].zone)) if decayed and isinstance(args[1], Datetime) else args
    return Signature(converted, List(fields_of(args[0], decayed=decayed)))


def _result(state: Sequence[Any], **options: Any) -> list[dict[str, Any]]:
    shape = shape_of(options)
    rows = [(value, micros(time)) for value, time in state] if shape.size else [(value, 0) for value in state]
    found = heaviest(rows, shape.first, shape.second, shape.size)
    if shape.size:
        return [{"item": value, "weight": weight, "error": error} for value, weight, error in found]
    return [{"item": value, "count": round(weight), "error": round(error)} for value, weight, error in found]


def _lower(*columns: Any, **options: Any) -> Any:
    def apply(found: Sequence[Any]) -> Any:
        rows = found[0].to_list() if len(found) == 1 else list(zip(*(one.to_list() for one in found), strict=True))
        fields = {name: to_polars(kind) for name, kind in fields_of(Int64, decayed="half_life" in options).fields}
        inner = pl.Struct({**fields, "item": found[0].dtype})
        return pl.Series(found[0].name, [_result(rows, **options) if rows else None], dtype=pl.List(inner))

    return pl.map_groups(list(columns), apply, returns_scalar=True)


def _heavy(name: str, arity: int, doc: str, options: Options, examples: Any, guesses: Sequence[str]) -> Aggregate:
    return Aggregate(
        name=name,
        doc=doc,
        arity=arity,
        signature=_signature,
        init=no_values,
        add=with_value,
        merge=joined,
        retract=None,
        result=_result,
        retraction="refused",
        polars=_lower,
        words=lambda types, given: None,
        sketch=lambda types, given: Sketched(shape_of(given)),
        options=options,
        flink=NotOnFlink("Flink has no heavy hitters in bounded state"),
        examples=examples,
        guesses=guesses,
    )


def _at(seconds: int) -> dt.datetime:
    return dt.datetime(2024, 1, 1) + dt.timedelta(seconds=seconds)


AGGREGATES = (
    _heavy(
        "top_k",
        1,
        "About the `k` values that come most often, with counts, by `size` counters (Space-Saving): a count is too "
        "high by at most `error`, and that by at most one part in `size` of all. Exact up to `size` distinct values.",
        {"k": 10, "size": 256},
        [
            ([("a",), ("b",), ("a",)], {"k": 1}, [{"item": "a", "count": 2, "error": 0}]),
            ([(1,), (2,), (3,)], {"k": 2, "size": 2},
             [{"item": 3, "count": 2, "error": 1}, {"item": 2, "count": 1, "error": 0}]),
            ([], None),
        ],
        ("heavy_hitters", "approx_top_k", "topk", "most_common"),
    ),
    _heavy(
        "top_k_decayed",
        2,
        "As `top_k`, and a row weighs half as much for each `half_life` that the column given is before its latest: "
        '`col("item").top_k_decayed("at", half_life="1 h")`. Rows may come in any order.',
        {"half_life": ..., "k": 10, "size": 256},
        [
            (
                [("a", _at(0)), ("b", _at(3600)), ("a", _at(3600))],
                {"half_life": "1 h"},
                [{"item": "a", "weight": 1.5, "error": 0.0}, {"item": "b", "weight": 1.0, "error": 0.0}],
            ),
            ([], {"half_life": "1 h"}, None),
        ],
        ("trending", "decayed_top_k"),
    ),
)  # fmt: skip
