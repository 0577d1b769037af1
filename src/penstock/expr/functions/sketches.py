"""What sketches say: distinct values, counts, members, quantiles, ranks, frequent items; and operations of sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from penstock.core.dtypes import Binary, Boolean, DType, Float64, Int64, List, String, Struct, to_polars
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr import apache, sketches, theta
from penstock.expr.aggregates.apache import theta_shape
from penstock.expr.aggregates.sketches import VALUE, quantile_shape
from penstock.expr.function import Function, NotOnFlink, RowFault, Signature
from penstock.expr.signatures import BYTES, NUMBER, takes

_NONE = NotOnFlink("Flink has no sketches as values")
FREQUENT_ITEMS = List(Struct({"item": String, "count": Int64, "least": Int64, "most": Int64}))


# -- Rows -------------------------------------------------------------------------------------------


def _by_row(ask: Callable[..., Any], columns: Any, options: Mapping[str, Any], *, faults: bool) -> list[Any]:
    """What a function gives of each row, or for which rows it has nothing."""
    made: list[Any] = []
    # A sketch has thousands of cells: a call for each is not what it costs.
    for values in zip(*(column.to_list() for column in columns), strict=True):
        wrong, found = False, None
        if None not in values:
            try:
                found = ask(*values, **options)
            except RowFault:
                wrong = True
        made.append(wrong if faults else found)
    return made


def _lower(ask: Callable[..., Any], returns: DType, *, faults: bool) -> Callable[..., Any]:
    target = pl.Boolean if faults else to_polars(returns)

    def lower(*columns: Any, **options: Any) -> Any:
        first, *rest = columns
        # A constant is as long as the column it is compared with.
        chosen = [first, *(pl.when(first.is_null()).then(one).otherwise(one) for one in rest)]

        def apply(found: Any) -> Any:
            return pl.Series(found[0].name, _by_row(ask, found, options, faults=faults), dtype=target)

        return pl.map_batches(chosen, apply, return_dtype=target)

    return lower


def _lazy(make: Callable[..., Callable[..., Any]]) -> Callable[..., Any]:
    return lambda *columns, **options: make()(*columns, **options)


def _function(name: str, doc: str, kinds: Any, ask: Callable[..., Any], returns: DType, **more: Any) -> Function:
    more.setdefault("signature", takes(*kinds, returns=returns))
    return Function(
        name=name,
        doc=doc,
        polars=_lazy(partial(_lower, ask, returns, faults=False)),
        oracle=ask,
        fault=_lazy(partial(_lower, ask, returns, faults=True)),
        flink=_NONE,
        **more,
    )


# -- Meanings ---------------------------------------------------------------------------------------


def _n_unique(data: bytes) -> int:
    found = sketches.from_bytes(data, sketches.HLL)
    return (
        theta.estimate(_set(data, "HyperLogLog or theta sketch")) if found is None else sketches.distinct_count(*found)
    )


def _set(data: bytes, name: str = "theta sketch") -> theta.Theta:
    found = theta.from_bytes(data)
    if found is None:
        raise RowFault(f"no {name}")
    return found


def _union(data: bytes, other: bytes, precision: int) -> bytes:
    return theta.to_bytes(theta.united(_set(data), _set(other), precision))


def _count(data: bytes, value: Any) -> int:
    found = sketches.from_bytes(data, sketches.COUNT_MIN)
    if found is not None:
        return sketches.times(*found, value)
    items = apache.items(data)
    if items is None:
        raise RowFault("no Count-Min sketch, and none of frequent items")
    return int(items.get_estimate(value if isinstance(value, str) else str(value)))


def _contains(data: bytes, value: Any) -> bool:
    found = sketches.from_bytes(data, sketches.BLOOM)
    if found is None:
        raise RowFault("no Bloom filter")
    return sketches.contains(*found, value)


def _numbers(data: bytes) -> Any:
    found = apache.numbers(data)
    if found is None:
        raise RowFault("no quantile sketch")
    return found


def _quantile(data: bytes, q: float) -> float | None:
    found = sketches.from_bytes(data, sketches.QUANTILES)
    return apache.quantile(_numbers(data), q) if found is None else sketches.quantile(*found, q)


def _rank(data: bytes, value: float) -> float | None:
    found = sketches.from_bytes(data, sketches.QUANTILES)
    return apache.rank(_numbers(data), value) if found is None else sketches.rank(*found, value)


def _frequent(data: bytes, threshold: int) -> list[dict[str, Any]]:
    found = apache.items(data)
    if found is None:
        raise RowFault("no sketch of frequent items")
    return apache.frequent(found, threshold)


# -- Signatures -------------------------------------------------------------------------------------


def _quantile_type(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    quantile_shape({"error": 0.01, **options})
    return takes(BYTES, returns=Float64)(types, options)


def _union_type(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    theta_shape(options)
    return takes(BYTES, BYTES, returns=Binary)(types, options)


def _rank_type(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    takes(BYTES, NUMBER, returns=Float64)(types, options)
    return Signature((Binary, Float64), Float64)


def _frequent_type(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    threshold = options["threshold"]
    if isinstance(threshold, bool) or not isinstance(threshold, int) or threshold < 0:
        raise PlanError(f'"threshold" is a count from 0 on, found {threshold!r}')
    return takes(BYTES, returns=FREQUENT_ITEMS)(types, options)


# -- Declarations -----------------------------------------------------------------------------------


def _made(shape: sketches.Shape, *values: Any) -> bytes:
    cells: sketches.Cells = {}
    for value in values:
        cells = sketches.combined(shape, cells, sketches.cells_of(shape, value))
    return sketches.to_bytes(shape, cells)


def _theta(*values: Any) -> bytes:
    return theta.to_bytes(theta.of_hashes(map(theta.theta_hash, values), theta.WHOLE, 12))


_HLL = _made(sketches.Shape(sketches.HLL, 12), "a", "b", "a")
_COUNTS = _made(sketches.Shape(sketches.COUNT_MIN, 3, 6), "a", "b", "a")
_BLOOM = _made(sketches.Shape(sketches.BLOOM, 4, 0, 512), "a", "b")
_NUMBERS = _made(sketches.Shape(sketches.QUANTILES, 0, 0, 10_000), -1.0, 0.0, 1.0)
_KLL = bytes.fromhex("02020f04c80008000000000000000840")
_ITEMS = bytes.fromhex(
    "04010a0a0300000002000000000000000500000000000000000000000000000002000000000000000300000000000000"
    "0200000062620100000061"
)

FUNCTIONS = (
    _function(
        "sketch.n_unique",
        "About how many distinct values went into a HyperLogLog or a theta sketch; other bytes are a bad row.",
        (BYTES,),
        _n_unique,
        Int64,
        examples=[((_HLL,), 2), ((_theta(1, 2, 3),), 3), ((b"ab",), RowFault), ((None,), None)],
    ),
    _function(
        "sketch.count",
        "How often a value went into a Count-Min sketch or one of frequent items, or somewhat more; other bytes are a "
        "bad row.",
        (BYTES, VALUE),
        _count,
        Int64,
        examples=[
            ((_COUNTS, "a"), 2), ((_COUNTS, "x"), 0), ((_ITEMS, "bb"), 2), ((_HLL, "a"), RowFault),
            ((None, "a"), None),
        ],
    ),
    _function(
        "sketch.contains",
        "Whether a value may have gone into a Bloom filter; false if it surely has not. Other bytes are a bad row.",
        (BYTES, VALUE),
        _contains,
        Boolean,
        examples=[((_BLOOM, "a"), True), ((_BLOOM, "x"), False), ((_COUNTS, "a"), RowFault), ((None, "a"), None)],
    ),
    _function(
        "sketch.quantile",
        "About the value below which a share `q` of what went into a quantile sketch (DDSketch, KLL, t-digest) lies; "
        "other bytes are a bad row.",
        (BYTES,),
        _quantile,
        Float64,
        examples=[
            ((_NUMBERS,), {"q": 0.5}, 0.0), ((_KLL,), {"q": 0.5}, 3.0), ((_HLL,), {"q": 0.5}, RowFault),
            ((None,), {"q": 0.5}, None),
        ],
        signature=_quantile_type,
        options={"q": ...},
        gives_null=True,
    ),
    _function(
        "sketch.rank",
        "About the share of what went into a quantile sketch (DDSketch, KLL, t-digest) that is at most a value; other "
        "bytes are a bad row.",
        (BYTES, NUMBER),
        _rank,
        Float64,
        examples=[
            ((_NUMBERS, 1.0), 1.0), ((_KLL, 2.0), 0.0), ((_KLL, 3.0), 1.0), ((_HLL, 1.0), RowFault),
            ((None, 1.0), None),
        ],
        signature=_rank_type,
        gives_null=True,
    ),
    _function(
        "sketch.union",
        "The theta sketch of what is in one of two, of 2**`precision` hashes; other bytes are a bad row.",
        (BYTES, BYTES),
        _union,
        Binary,
        examples=[
            ((_theta(1, 2), _theta(2, 3)), _theta(1, 2, 3)), ((_theta(), _theta()), _theta()),
            ((_theta(1), b"ab"), RowFault), ((None, _theta(1)), None),
        ],
        signature=_union_type,
        options={"precision": 12},
    ),
    _function(
        "sketch.intersect",
        "The theta sketch of what is in both of two; other bytes are a bad row. The fewer that is, compared to what is "
        "in one of them, the greater the error.",
        (BYTES, BYTES),
        lambda data, other: theta.to_bytes(theta.shared(_set(data), _set(other))),
        Binary,
        examples=[
            ((_theta(1, 2), _theta(2, 3)), _theta(2)), ((b"ab", _theta(1)), RowFault), ((_theta(1), None), None),
        ],
        guesses=("intersection",),
    ),
    _function(
        "sketch.difference",
        "The theta sketch of what is in the first and not in the second; other bytes are a bad row.",
        (BYTES, BYTES),
        lambda data, other: theta.to_bytes(theta.without(_set(data), _set(other))),
        Binary,
        examples=[((_theta(1, 2), _theta(2, 3)), _theta(1)), ((_theta(1), b""), RowFault), ((_theta(1), None), None)],
        guesses=("a_not_b", "minus", "except"),
    ),
    _function(
        "sketch.frequent",
        "The items of a sketch of frequent ones whose count may be above `threshold` (0: above its error), the most "
        "frequent first, with the least and the most that the count can be; other bytes are a bad row.",
        (BYTES,),
        _frequent,
        FREQUENT_ITEMS,
        examples=[
            (
                (_ITEMS,),
                {"threshold": 2},
                [{"item": "a", "count": 3, "least": 3, "most": 3}],
            ),
            ((_HLL,), RowFault),
            ((None,), None),
        ],
        signature=_frequent_type,
        options={"threshold": 0},
    ),
)  # fmt: skip
