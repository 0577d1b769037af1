"""Counts, sums, means, extremes, spread."""

from __future__ import annotations

from penstock.core.dtypes import Int64
from penstock.core.lazy import pl
from penstock.expr.function import Aggregate, Signature, Words

AGGREGATES = (
    Aggregate(
        name="count",
        doc="The number of rows of a group; of a column, the number of its values that are not null.",
        arity=0,
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
)
