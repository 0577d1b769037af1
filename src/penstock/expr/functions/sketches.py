"""What sketches say: distinct values of a HyperLogLog, counts of a Count-Min sketch, members of a Bloom filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.core.dtypes import Boolean, DType, Int64, to_polars
from penstock.core.lazy import pl
from penstock.expr import sketches
from penstock.expr.aggregates.sketches import VALUE
from penstock.expr.function import Function, NotOnFlink, RowFault
from penstock.expr.signatures import BYTES, takes

_NONE = NotOnFlink("Flink has no sketches as values")


def _asked(kind: int, ask: Callable[..., Any]) -> Callable[..., Any]:
    def oracle(data: bytes, *values: Any) -> Any:
        found = sketches.from_bytes(data, kind)
        if found is None:
            raise RowFault(f"no {sketches.NAMES[kind]}")
        return ask(*found, *values)

    return oracle


def _lower(kind: int, ask: Callable[..., Any], returns: DType) -> Callable[..., Any]:
    def apply(columns: Any) -> Any:
        made: list[Any] = []
        # A sketch has thousands of cells: a call for each is not what it costs.
        for data, *values in zip(*(column.to_list() for column in columns), strict=True):
            found = sketches.from_bytes(data, kind) if data is not None else None
            made.append(None if found is None or None in values else ask(*found, *values))
        return pl.Series(columns[0].name, made, dtype=to_polars(returns))

    return lambda *columns: pl.map_batches([*_broadcast(columns)], apply, return_dtype=to_polars(returns))


def _broadcast(columns: Any) -> Any:
    first, *rest = columns
    # A constant is as long as the column it is compared with.
    return [first, *(pl.when(first.is_null()).then(one).otherwise(one) for one in rest)]


def _fault(kind: int) -> Callable[..., Any]:
    def fault(data: Any, *values: Any) -> Any:
        def apply(column: Any) -> Any:
            wrong = [value is not None and sketches.from_bytes(value, kind) is None for value in column.to_list()]
            return pl.Series(column.name, wrong, dtype=pl.Boolean)

        return data.map_batches(apply, return_dtype=pl.Boolean)

    return fault


def _function(name: str, doc: str, kind: int, ask: Callable[..., Any], returns: DType, examples: Any) -> Function:
    kinds = (BYTES,) if name == "sketch.n_unique" else (BYTES, VALUE)
    return Function(
        name=name,
        doc=doc,
        signature=takes(*kinds, returns=returns),
        polars=_lower(kind, ask, returns),
        oracle=_asked(kind, ask),
        fault=_fault(kind),
        flink=_NONE,
        examples=examples,
    )


def _made(shape: sketches.Shape, *values: Any) -> bytes:
    cells: sketches.Cells = {}
    for value in values:
        cells = sketches.combined(shape, cells, sketches.cells_of(shape, value))
    return sketches.to_bytes(shape, cells)


_HLL = _made(sketches.Shape(sketches.HLL, 12), "a", "b", "a")
_COUNTS = _made(sketches.Shape(sketches.COUNT_MIN, 3, 6), "a", "b", "a")
_BLOOM = _made(sketches.Shape(sketches.BLOOM, 4, 0, 512), "a", "b")

FUNCTIONS = (
    _function(
        "sketch.n_unique",
        "About how many distinct values went into a HyperLogLog; other bytes are a bad row.",
        sketches.HLL,
        sketches.distinct_count,
        Int64,
        [((_HLL,), 2), ((b"ab",), RowFault), ((None,), None)],
    ),
    _function(
        "sketch.count",
        "How often a value went into a Count-Min sketch, or somewhat more; other bytes are a bad row.",
        sketches.COUNT_MIN,
        sketches.times,
        Int64,
        [((_COUNTS, "a"), 2), ((_COUNTS, "x"), 0), ((_HLL, "a"), RowFault), ((None, "a"), None)],
    ),
    _function(
        "sketch.contains",
        "Whether a value may have gone into a Bloom filter; false if it surely has not. Other bytes are a bad row.",
        sketches.BLOOM,
        sketches.contains,
        Boolean,
        [((_BLOOM, "a"), True), ((_BLOOM, "x"), False), ((_COUNTS, "a"), RowFault), ((None, "a"), None)],
    ),
)
