"""Sketches in the bytes of Apache DataSketches: KLL and t-digest quantiles, theta sets, frequent items.

Theta sets are made by kernels of our own; the others by the library, which is an extra. What is stored can be read by
DataSketches in any language, and what that wrote can be merged and asked here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import INTEGERS, Binary, DType, Float64, String, to_polars
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr import apache, theta
from penstock.expr.aggregates.order import joined, no_values, with_value
from penstock.expr.aggregates.sketches import VALUE
from penstock.expr.function import Aggregate, Kind, NotOnFlink, Signature, Sketched
from penstock.expr.signatures import BYTES, NUMBER, takes
from penstock.expr.sketches import FREQUENT, KLL, TDIGEST, THETA, Shape

Types = Sequence[DType]
Options = Mapping[str, Any]
ITEM = Kind("a string or an integer", lambda t: t == String or t in INTEGERS, String)
_NONE = NotOnFlink("Flink has no sketches as values")


# -- Options to shapes ------------------------------------------------------------------------------


def _whole(options: Options, name: str, least: int, most: int) -> int:
    value = options[name]
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise PlanError(f'"{name}" is a whole number from {least} to {most}, found {value!r}')
    return value


def theta_shape(options: Options) -> Shape:
    """A theta sketch of at most 2**precision hashes; its standard error is 1 / sqrt of that."""
    return Shape(THETA, _whole(options, "precision", 5, 20))


def kll_shape(options: Options) -> Shape:
    """A KLL sketch of the size k (Karnin, Lang, Liberty): 200 gives a rank to within 1.65 % with 99 % confidence."""
    return Shape(KLL, _whole(options, "k", 8, 65_535))


def tdigest_shape(options: Options) -> Shape:
    """A t-digest of the compression k (Dunning, Ertl)."""
    return Shape(TDIGEST, _whole(options, "k", 10, 65_535))


def frequent_shape(options: Options) -> Shape:
    """Counters of at most three quarters of `size` items (Misra, Gries; Anderson and others)."""
    size = _whole(options, "size", 8, 1 << 20)
    if size & (size - 1):
        raise PlanError(f'"size" is a power of two, found {size}')
    return Shape(FREQUENT, size)


# -- Signatures -------------------------------------------------------------------------------------


def _checked(shape: Callable[[Options], Shape], name: str, merges: bool) -> Callable[[Types, Options], Signature]:
    def signature(types: Types, options: Options) -> Signature:
        kind = shape(options).kind
        if kind != THETA:
            apache.library(f'"{name}"')
        if merges:
            return takes(BYTES, returns=Binary)(types, options)
        if kind == THETA:
            return takes(VALUE, returns=Binary)(types, options)
        takes(ITEM if kind == FREQUENT else NUMBER, returns=Binary)(types, options)
        return Signature((String if kind == FREQUENT else Float64,), Binary)

    return signature


# -- Meanings ---------------------------------------------------------------------------------------


def _theta_of(state: Sequence[Any], precision: int, merges: bool) -> bytes | None:
    found = [
        theta.from_bytes(value) if merges else theta.Theta(theta.WHOLE, (theta.theta_hash(value),)) for value in state
    ]
    whole = theta.NOTHING
    for one in found:
        if one is None:
            return None
        whole = theta.united(whole, one, precision)
    return theta.to_bytes(whole)


def _made_of(shape: Shape, state: Sequence[Any], merges: bool) -> bytes | None:
    if shape.kind == THETA:
        return _theta_of(state, shape.first, merges)
    if merges:
        return apache.merged(shape, state)
    values = apache.usable(shape, state)
    return apache.fed(shape, None, values) if values else None


# -- Declarations -----------------------------------------------------------------------------------


def _sketch(name: str, doc: str, shape: Callable[[Options], Shape], options: Options, **more: Any) -> Aggregate:
    merges = name.endswith("_merge")

    def result(state: Sequence[Any], **given: Any) -> bytes | None:
        return _made_of(shape(given), state, merges)

    def lower(x: Any, **given: Any) -> Any:
        def apply(values: Any) -> Any:
            found = values.drop_nulls().to_list()
            return pl.Series(values.name, [result(found, **given) if found else None], dtype=to_polars(Binary))

        return x.map_batches(apply, return_dtype=to_polars(Binary), returns_scalar=True)

    return Aggregate(
        name=name,
        doc=doc,
        arity=1,
        signature=_checked(shape, name, merges),
        init=no_values,
        add=with_value,
        merge=joined,
        retract=None,
        result=result,
        retraction="refused",
        polars=lower,
        words=lambda types, options: None,
        sketch=lambda types, given: Sketched(shape(given), merges),
        options=options,
        gives_null=merges or shape in (kll_shape, tdigest_shape),
        deterministic=shape is not kll_shape,
        flink=_NONE,
        **more,
    )


_ONE = bytes.fromhex("01030300001acc9390c643ec3689ab65")
_KLL = bytes.fromhex(
    "05010f00c80008000200000000000000c8000100c6000000000000000000f03f00000000000000400000000000000040000000000000f03f"
)
_KLL_ONE = bytes.fromhex("02020f04c80008000000000000000840")
_DIGEST_ONE = bytes.fromhex("010114c8000600000000000000000840")
_ITEMS = bytes.fromhex(
    "04010a0a0300000002000000000000000500000000000000000000000000000002000000000000000300000000000000"
    "0200000062620100000061"
)
_NO_SKETCH = ([(b"no sketch",)], None)

AGGREGATES = (
    _sketch(
        "theta",
        "The values as a theta sketch, a set that can be united, intersected and subtracted: `.sketch.n_unique()` "
        "asks it, `.sketch.union(other)`, `.intersect(other)` and `.difference(other)` make others. The standard error "
        "is 1 / sqrt(2**`precision`), 1.6 % by default.",
        theta_shape,
        {"precision": 12},
        examples=[([("abc",), ("abc",)], _ONE), ([], None)],
        guesses=("theta_sketch",),
    ),
    _sketch(
        "theta_merge",
        "Theta sketches united into one of 2**`precision` hashes; null if one of the values is none.",
        theta_shape,
        {"precision": 12},
        examples=[([(_ONE,), (_ONE,)], _ONE), _NO_SKETCH, ([], None)],
        guesses=("theta_union",),
    ),
    _sketch(
        "kll",
        "The numbers as a KLL sketch of Apache DataSketches: `.sketch.quantile(q)` and `.sketch.rank(value)` ask it. A "
        "rank is off by at most 1.65 % with 99 % confidence where `k` is 200. NaN is left out. It tosses coins.",
        kll_shape,
        {"k": 200},
        examples=[([(3.0,)], _KLL_ONE), ([(1,), (2,)], _KLL), ([], None)],
        guesses=("kll_sketch",),
    ),
    _sketch(
        "kll_merge",
        "KLL sketches of one `k` joined into one; null if one of the values is none of these.",
        kll_shape,
        {"k": 200},
        examples=[([(_KLL_ONE,)], _KLL_ONE), _NO_SKETCH, ([], None)],
    ),
    _sketch(
        "tdigest",
        "The numbers as a t-digest of Apache DataSketches: `.sketch.quantile(q)` and `.sketch.rank(value)` ask it; "
        "it is most exact at both ends. NaN and infinities are left out.",
        tdigest_shape,
        {"k": 200},
        examples=[([(3.0,)], _DIGEST_ONE), ([], None)],
        guesses=("t_digest",),
    ),
    _sketch(
        "tdigest_merge",
        "t-digests of one `k` joined into one; null if one of the values is none of these.",
        tdigest_shape,
        {"k": 200},
        examples=[([(_DIGEST_ONE,)], _DIGEST_ONE), _NO_SKETCH, ([], None)],
    ),
    _sketch(
        "frequent_items",
        "How often the most frequent texts came, by Apache DataSketches: `.sketch.frequent()` lists them, "
        "`.sketch.count(item)` asks for one. A count is too high by at most 3.5 / `size` of all; "
        "integers become texts.",
        frequent_shape,
        {"size": 1024},
        examples=[([("a",), ("bb",), ("a",), ("bb",), ("a",)], _ITEMS), ([], None)],
        guesses=("frequent_strings", "frequent"),
    ),
    _sketch(
        "frequent_items_merge",
        "Sketches of frequent items of one `size` joined into one; null if one of the values is none of these.",
        frequent_shape,
        {"size": 1024},
        examples=[([(_ITEMS,)], _ITEMS), _NO_SKETCH, ([], None)],
    ),
)
