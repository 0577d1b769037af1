"""What sketches say: distinct values of a HyperLogLog, counts of a Count-Min sketch, members of a Bloom filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import Boolean, DType, Float64, Int64, to_polars
from penstock.core.lazy import pl
from penstock.expr import sketches
from penstock.expr.aggregates.sketches import VALUE, quantile_shape
from penstock.expr.function import Function, NotOnFlink, RowFault, Signature
from penstock.expr.signatures import BYTES, takes

_NONE = NotOnFlink("Flink has no sketches as values")


def _asked(kind: int, ask: Callable[..., Any]) -> Callable[..., Any]:
    def oracle(data: bytes, *values: Any, **options: Any) -> Any:
        found = sketches.from_bytes(data, kind)
        if found is None:
            raise RowFault(f"no {sketches.NAMES[kind]}")
        return ask(*found, *values, **options)

    return oracle


def _lower(kind: int, ask: Callable[..., Any], returns: DType) -> Callable[..., Any]:
    def apply(columns: Any, options: Any) -> Any:
        made: list[Any] = []
        # A sketch has thousands of cells: a call for each is not what it costs.
        for data, *values in zip(*(column.to_list() for column in columns), strict=True):
            found = sketches.from_bytes(data, kind) if data is not None else None
            made.append(None if found is None or None in values else ask(*found, *values, **options))
        return pl.Series(columns[0].name, made, dtype=to_polars(returns))

    def lower(*columns: Any, **options: Any) -> Any:
        chosen = [*_broadcast(columns)]
        return pl.map_batches(chosen, lambda found: apply(found, options), return_dtype=to_polars(returns))

    return lower


def _broadcast(columns: Any) -> Any:
    first, *rest = columns
    # A constant is as long as the column it is compared with.
    return [first, *(pl.when(first.is_null()).then(one).otherwise(one) for one in rest)]


def _fault(kind: int) -> Callable[..., Any]:
    def fault(data: Any, *values: Any, **options: Any) -> Any:
        def apply(column: Any) -> Any:
            wrong = [value is not None and sketches.from_bytes(value, kind) is None for value in column.to_list()]
            return pl.Series(column.name, wrong, dtype=pl.Boolean)

        return data.map_batches(apply, return_dtype=pl.Boolean)

    return fault


def _quantile_type(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    quantile_shape({"error": 0.01, **options})
    return takes(BYTES, returns=Float64)(types, options)


def _function(
    name: str, doc: str, kind: int, ask: Callable[..., Any], returns: DType, examples: Any, **more: Any
) -> Function:
    kinds = (BYTES,) if name == "sketch.n_unique" else (BYTES, VALUE)
    more.setdefault("signature", takes(*kinds, returns=returns))
    return Function(
        name=name,
        doc=doc,
        polars=_lower(kind, ask, returns),
        oracle=_asked(kind, ask),
        fault=_fault(kind),
        flink=_NONE,
        examples=examples,
        **more,
    )


def _made(shape: sketches.Shape, *values: Any) -> bytes:
    cells: sketches.Cells = {}
    for value in values:
        cells = sketches.combined(shape, cells, sketches.cells_of(shape, value))
    return sketches.to_bytes(shape, cells)


_HLL = _made(sketches.Shape(sketches.HLL, 12), "a", "b", "a")
_COUNTS = _made(sketches.Shape(sketches.COUNT_MIN, 3, 6), "a", "b", "a")
_BLOOM = _made(sketches.Shape(sketches.BLOOM, 4, 0, 512), "a", "b")
_NUMBERS = _made(sketches.Shape(sketches.QUANTILES, 0, 0, 10_000), -1.0, 0.0, 1.0)

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
    _function(
        "sketch.quantile",
        "About the value below which a share `q` of what went into a quantile sketch lies; other bytes are a bad row.",
        sketches.QUANTILES,
        lambda shape, cells, q: sketches.quantile(shape, cells, q),
        Float64,
        [((_NUMBERS,), {"q": 0.5}, 0.0), ((_HLL,), {"q": 0.5}, RowFault), ((None,), {"q": 0.5}, None)],
        signature=_quantile_type,
        options={"q": ...},
    ),
)
