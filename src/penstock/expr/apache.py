"""Sketches by Apache DataSketches (an extra): KLL and t-digest quantiles, frequent items.

Their bytes are those of the library, which has them in C++, Java, Go and Rust too. A state is such bytes: they are
read, fed with an array of values, and written, so what it costs is shared by the values of an array.

KLL tosses coins, which the library does not let us seed: two runs differ, each within the bound, and a restart goes on
from the bytes that it finds.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from penstock.core.errors import StartError
from penstock.core.lazy import np
from penstock.expr.apache_bytes import is_whole
from penstock.expr.sketches import FREQUENT, KLL, TDIGEST, Shape

FAMILIES = {15: KLL, 20: TDIGEST, 10: FREQUENT, 3: 5}
NAMES = {KLL: "KLL sketch", TDIGEST: "t-digest", FREQUENT: "sketch of frequent items"}
FLOATS = (KLL, TDIGEST)
"""The kinds that are made of numbers."""

_DAMAGE = (IndexError, ValueError, RuntimeError, MemoryError, OverflowError, UnicodeDecodeError)


def library(what: str) -> Any:
    """The library.

    Args:
        what: Who asks for it.

    Raises:
        StartError: If it is not installed.
    """
    try:
        import datasketches
    except ImportError as missing:
        raise StartError(
            f'{what} needs the package "datasketches"', hint="pip install 'penstock[sketches]'"
        ) from missing
    return datasketches


def _class_of(kind: int) -> Any:
    found = library(NAMES[kind])
    return {
        KLL: found.kll_doubles_sketch, TDIGEST: found.tdigest_double, FREQUENT: found.frequent_strings_sketch
    }[kind]  # fmt: skip


def kind_of(data: bytes) -> int | None:
    """What kind of sketch bytes may be, by the family that DataSketches writes into them."""
    return FAMILIES.get(data[2]) if len(data) >= 8 else None


def _size_of(kind: int, data: bytes) -> int:
    """The parameter with which a sketch was made."""
    if kind == FREQUENT:
        return 1 << data[3]
    (size,) = struct.unpack_from("<H", data, 4 if kind == KLL else 3)
    return int(size)


def read(shape: Shape, data: bytes) -> Any:
    """The sketch that bytes are; None if they are none of this kind and size."""
    if kind_of(data) != shape.kind or _size_of(shape.kind, data) != shape.first:
        return None
    return _opened(shape.kind, data)


def _opened(kind: int, data: bytes) -> Any:
    if not is_whole(kind, data):
        return None
    try:
        return _class_of(kind).deserialize(data)
    except _DAMAGE:
        return None


def _new(shape: Shape) -> Any:
    return _class_of(shape.kind)(shape.first.bit_length() - 1 if shape.kind == FREQUENT else shape.first)


def fed(shape: Shape, data: bytes | None, values: Any, chunk: int = 512) -> bytes:
    """A sketch with values more.

    Args:
        shape: The kind, and its size.
        data: The sketch so far; None = an empty one.
        values: Numbers as an array, or texts.
        chunk: How many are fed at once, in ascending order; between two chunks the sketch is as if it had been stored,
            so that it does not depend on how many chunks came at once.
    """
    kind = _class_of(shape.kind)
    sketch = _new(shape) if data is None else kind.deserialize(data)
    if shape.kind == KLL and len(values):
        sketch.update(np.sort(np.asarray(values, np.float64)))
        return bytes(sketch.serialize())
    for start in range(0, len(values), chunk):
        part = values[start : start + chunk]
        if shape.kind == TDIGEST:
            sketch.update(np.sort(np.asarray(part, np.float64)))
            sketch.compress()
            continue
        if start:
            sketch = kind.deserialize(bytes(sketch.serialize()))
        for text, count in sorted(Counter(part).items()):
            sketch.update(text, count)
    return bytes(sketch.serialize())


def merged(shape: Shape, parts: Sequence[bytes]) -> bytes | None:
    """Sketches joined, in this order; None if one is none of this kind and size."""
    found = [read(shape, data) for data in parts]
    if not found or None in found:
        return None
    if len(found) == 1:
        return parts[0]
    whole = found[0]
    for sketch in found[1:]:
        whole.merge(sketch)
    return bytes(whole.serialize())


# -- What sketches say ------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _asked(data: bytes, kinds: tuple[int, ...]) -> Any:
    kind = kind_of(data)
    return None if kind is None or kind not in kinds else _opened(kind, data)


def numbers(data: bytes) -> Any:
    """A KLL sketch or a t-digest; None if bytes are none."""
    return _asked(data, FLOATS)


def items(data: bytes) -> Any:
    """A sketch of frequent items; None if bytes are none."""
    return _asked(data, (FREQUENT,))


def quantile(sketch: Any, share: float) -> float | None:
    """The value below which a share of the numbers lies; null if there are none."""
    return None if sketch.is_empty() else float(sketch.get_quantile(share))


def rank(sketch: Any, value: float) -> float | None:
    """The share of the numbers that are at most a value; null if there are none."""
    if sketch.is_empty() or math.isnan(value):
        return None
    # A t-digest has no such choice: of the numbers equal to the value it counts a half.
    return float(
        sketch.get_rank(value, True) if hasattr(sketch, "get_normalized_rank_error") else sketch.get_rank(value)
    )


def frequent(sketch: Any, threshold: int) -> list[dict[str, Any]]:
    """The items whose count may be above a threshold, or above the error of the sketch: the most frequent first."""
    kind = library("frequent items").frequent_items_error_type.NO_FALSE_NEGATIVES
    found = sketch.get_frequent_items(kind, threshold) if threshold else sketch.get_frequent_items(kind)
    rows = [
        {"item": text, "count": int(about), "least": int(low), "most": int(high)} for text, about, low, high in found
    ]
    return sorted(rows, key=lambda row: (-row["count"], row["item"].encode()))


def usable(shape: Shape, values: Iterable[Any]) -> list[Any]:
    """The values that a sketch takes: of numbers those that have a place among others."""
    if shape.kind == FREQUENT:
        return list(values)
    keep = math.isfinite if shape.kind == TDIGEST else lambda value: not math.isnan(value)
    return [value for value in values if keep(value)]
