"""Approximate aggregates of bounded state, and the sketches themselves as column values (Binary).

A sketch is stored like any bytes, merged by the `_merge` aggregate of its kind, and asked by `col("s").sketch`. Merging
in any order gives the same bytes. A sketch cannot take a value back: over a Table these aggregates are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import Binary, Decimal, DType, Float64, Int64, to_polars
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr import sketches
from penstock.expr.function import Aggregate, Kind, NotOnFlink, Signature, Sketched
from penstock.expr.signatures import BYTES, NUMBER, ORDERED, takes
from penstock.expr.sketches import Shape

Types = Sequence[DType]
Options = Mapping[str, Any]
VALUE = Kind("a number, string, boolean, date, time or duration", lambda t: _hashed(t), Int64)
"""What a sketch is made of."""


def _hashed(dtype: DType) -> bool:
    return ORDERED.accepts(dtype) and not isinstance(dtype, Decimal)


# -- Options to shapes ------------------------------------------------------------------------------


def _share(options: Options, name: str) -> float:
    value = options[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise PlanError(f'"{name}" is a share between 0 and 1, found {value!r}')
    return float(value)


def hll_shape(options: Options) -> Shape:
    """A HyperLogLog of 2**precision registers; its standard error is 1.04 / sqrt of that."""
    bits = options["precision"]
    if isinstance(bits, bool) or not isinstance(bits, int) or not 6 <= bits <= 16:
        raise PlanError(f'"precision" is a whole number from 6 to 16, found {bits!r}')
    return Shape(sketches.HLL, bits)


def count_min_shape(options: Options) -> Shape:
    """Counters of at least e / error columns and ln(1 / (1 - confidence)) rows (Cormode, Muthukrishnan)."""
    error, confidence = _share(options, "error"), _share(options, "confidence")
    columns = math.ceil(math.log2(math.e / error))
    if columns > 24:
        raise PlanError(f'"error" is at least 0.0000002, found {error}')
    return Shape(sketches.COUNT_MIN, max(1, math.ceil(-math.log(1 - confidence))), max(columns, 3))


def bloom_shape(options: Options) -> Shape:
    """The least bits and hashes by which `capacity` values give at most `error` false positives (Bloom)."""
    error, capacity = _share(options, "error"), options["capacity"]
    if isinstance(capacity, bool) or not isinstance(capacity, int) or not 0 < capacity <= 10**8:
        raise PlanError(f'"capacity" is a number of values from 1 to 100,000,000, found {capacity!r}')
    bits = math.ceil(-capacity * math.log(error) / math.log(2) ** 2)
    bits = -(-bits // 512) * 512
    return Shape(sketches.BLOOM, max(1, round(bits / capacity * math.log(2))), 0, bits)


def quantile_shape(options: Options) -> Shape:
    """A DDSketch (Masson, Rim, Lee) with buckets as wide as a relative error lets them be."""
    error = _share(options, "error")
    if not 0.001 <= error <= 0.5:
        raise PlanError(f'"error" is from 0.001 to 0.5, found {error}')
    if "q" in options:
        _at(options)
    return Shape(sketches.QUANTILES, 0, 0, round(error * 1e6))


def _at(options: Options) -> float:
    q = options["q"]
    if isinstance(q, bool) or not isinstance(q, (int, float)) or not 0 <= q <= 1:
        raise PlanError(f'"q" is a share from 0 to 1, found {q!r}')
    return float(q)


# -- Declarations -----------------------------------------------------------------------------------


def _sketch(
    name: str, doc: str, shape: Callable[[Options], Shape], *, merges: bool = False, counts: bool = False, **more: Any
) -> Aggregate:
    at = name == "approx_quantile"
    returns = Int64 if counts else Float64 if at else Binary

    def signature(types: Types, options: Options) -> Signature:
        shape(options)
        if kind == sketches.QUANTILES and not merges:
            takes(NUMBER, returns=Float64)(types, options)
            return Signature((Float64,), returns)
        return takes(BYTES if merges else VALUE, returns=returns)(types, options)

    def add(state: Any, value: Any, **options: Any) -> Any:
        wanted = shape(options)
        if not merges:
            return sketches.combined(wanted, state, sketches.cells_of(wanted, value)) if state is not None else None
        found = sketches.from_bytes(value)
        if state is None or found is None or found[0] != wanted:
            return None
        return sketches.combined(wanted, state, found[1].items())

    def result(state: Any, **options: Any) -> Any:
        wanted = shape(options)
        if state is None:
            return None
        if at:
            return sketches.quantile(wanted, state, _at(options))
        return sketches.distinct_count(wanted, state) if counts else sketches.to_bytes(wanted, state)

    def merge(a: Any, b: Any) -> Any:
        if a is None or b is None:
            return None
        return sketches.combined(_ANY[kind], a, b.items())

    def lower(x: Any, **options: Any) -> Any:
        def apply(values: Any) -> Any:
            state: Any = {}
            for value in values.to_list():
                state = add(state, value, **options)
            made = result(state, **options) if len(values) else None
            return pl.Series(values.name, [made], dtype=to_polars(returns))

        return x.map_batches(apply, return_dtype=to_polars(returns), returns_scalar=True)

    kind = more.pop("kind")
    return Aggregate(
        name=name,
        doc=doc,
        arity=1,
        signature=signature,
        init=lambda **options: {},
        add=add,
        merge=merge,
        retract=None,
        result=result,
        retraction="refused",
        polars=lower,
        words=lambda types, options: None,
        sketch=lambda types, options: Sketched(shape(options), merges, counts, _at(options) if at else None),
        gives_null=merges,
        **more,
    )


_ANY = {kind: Shape(kind, 0) for kind in sketches.NAMES}
_NONE = NotOnFlink("Flink has no sketches as values")
_HLL = {"precision": 12}
_CM = {"error": 0.001, "confidence": 0.99}
_BLOOM = {"capacity": 100_000, "error": 0.01}
_QUANTILES = Shape(sketches.QUANTILES, 0, 0, 10_000)


def _made(shape: Shape, *values: Any) -> bytes:
    cells: sketches.Cells = {}
    for value in values:
        cells = sketches.combined(shape, cells, sketches.cells_of(shape, value))
    return sketches.to_bytes(shape, cells)


def _examples(shape: Shape) -> list[Any]:
    return [([("a",), ("b",), ("a",)], _made(shape, "a", "b", "a")), ([], None)]


def _merged(shape: Shape) -> list[Any]:
    parts = [(_made(shape, "a"),), (_made(shape, "b", "a"),)]
    return [(parts, _made(shape, "a", "b", "a")), ([(b"no sketch",)], None), ([], None)]


AGGREGATES = (
    _sketch(
        "approx_n_unique",
        "About how many distinct values there are, by a HyperLogLog of 2**`precision` bytes (Ertl's estimate): the "
        "standard error is 1.04 / sqrt(2**precision), 1.6 % by default.",
        hll_shape,
        kind=sketches.HLL,
        counts=True,
        options=_HLL,
        empty=0,
        flink=NotOnFlink("Flink has APPROX_COUNT_DISTINCT in batch only"),
        examples=[([("a",), ("b",), ("a",)], 2), ([(1.5,), (2.5,)], {"precision": 8}, 2), ([], 0)],
        guesses=("approx_count_distinct", "approx_distinct", "hyperloglog"),
    ),
    _sketch(
        "hll",
        "The values as a HyperLogLog: `.sketch.n_unique()` asks it, `hll_merge` joins several.",
        hll_shape,
        kind=sketches.HLL,
        options=_HLL,
        flink=_NONE,
        examples=_examples(Shape(sketches.HLL, 12)),
        guesses=("hll_sketch",),
    ),
    _sketch(
        "hll_merge",
        "HyperLogLogs of one precision joined into one; null if one of the values is none of these.",
        hll_shape,
        kind=sketches.HLL,
        merges=True,
        options=_HLL,
        flink=_NONE,
        examples=_merged(Shape(sketches.HLL, 12)),
        guesses=("hll_union",),
    ),
    _sketch(
        "count_min",
        "How often each value came, as a Count-Min sketch: `.sketch.count(value)` asks it. It never counts too few, "
        "and with probability `confidence` at most a share `error` of all values too many.",
        count_min_shape,
        kind=sketches.COUNT_MIN,
        options=_CM,
        flink=_NONE,
        examples=_examples(count_min_shape(_CM)),
        guesses=("cms", "countmin"),
    ),
    _sketch(
        "count_min_merge",
        "Count-Min sketches of the same options joined into one; null if one of the values is none of these.",
        count_min_shape,
        kind=sketches.COUNT_MIN,
        merges=True,
        options=_CM,
        flink=_NONE,
        examples=_merged(count_min_shape(_CM)),
    ),
    _sketch(
        "bloom",
        "Which values came, as a Bloom filter: `.sketch.contains(value)` asks it. It never misses one; of others it "
        "takes a share `error` for there, as long as there are at most `capacity` distinct ones.",
        bloom_shape,
        kind=sketches.BLOOM,
        options=_BLOOM,
        flink=_NONE,
        examples=_examples(bloom_shape(_BLOOM)),
        guesses=("bloom_filter",),
    ),
    _sketch(
        "bloom_merge",
        "Bloom filters of the same options joined into one; null if one of the values is none of these.",
        bloom_shape,
        kind=sketches.BLOOM,
        merges=True,
        options=_BLOOM,
        flink=_NONE,
        examples=_merged(bloom_shape(_BLOOM)),
    ),
    _sketch(
        "approx_quantile",
        "About the value below which a share `q` of the values lies, by a DDSketch: off from the nearest such value by "
        "at most a share `error` of it, whatever the values. NaN is greater than every number.",
        quantile_shape,
        kind=sketches.QUANTILES,
        options={"q": ..., "error": 0.01},
        flink=NotOnFlink("Flink has no approximate quantiles"),
        examples=[
            ([(0.0,), (0.0,), (5.0,)], {"q": 0.5}, 0.0),
            ([(math.inf,)], {"q": 1.0}, math.inf),
            ([], {"q": 0}, None),
        ],
        guesses=("approx_percentile", "approx_median", "tdigest", "kll"),
    ),
    _sketch(
        "quantile_sketch",
        "The numbers as a DDSketch with a relative error: `.sketch.quantile(q)` asks it.",
        quantile_shape,
        kind=sketches.QUANTILES,
        options={"error": 0.01},
        flink=_NONE,
        examples=[([(1.0,), (2.0,)], _made(_QUANTILES, 1.0, 2.0)), ([], None)],
        guesses=("ddsketch",),
    ),
    _sketch(
        "quantile_sketch_merge",
        "DDSketches of one error joined into one; null if one of the values is none of these.",
        quantile_shape,
        kind=sketches.QUANTILES,
        merges=True,
        options={"error": 0.01},
        flink=_NONE,
        examples=[
            ([(_made(_QUANTILES, 1.0),), (_made(_QUANTILES, 2.0),)], _made(_QUANTILES, 1.0, 2.0)),
            ([(b"no sketch",)], None),
            ([], None),
        ],
    ),
)
