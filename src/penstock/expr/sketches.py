"""Sketches in plain Python: how values are hashed, which cells they change, what cells say, and the bytes of a sketch.

A sketch is a set of numbered cells: the registers of a HyperLogLog, the counters of a Count-Min sketch, the words of
the bits of a Bloom filter. Its bytes are `PSK`, the version, the kind, its parameters, and those blocks of eight 64-bit
words that are not all zero, by number. They are stored by users: `VERSION` changes if their meaning does.
"""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from penstock.expr.zones import micros

VERSION = 1
HEAD = struct.Struct("<3sBBBBQI")
BLOCK = struct.Struct("<I64s")
MASK = (1 << 64) - 1
HLL, COUNT_MIN, BLOOM, QUANTILES = 1, 2, 3, 4
NAMES = {HLL: "HyperLogLog", COUNT_MIN: "Count-Min sketch", BLOOM: "Bloom filter", QUANTILES: "quantile sketch"}

THETA, KLL, TDIGEST, FREQUENT = 5, 6, 7, 8
"""The kinds whose bytes are those of Apache DataSketches; `first` is their size. See `theta` and `apache`."""

HEAVY = 9
"""Heavy hitters: `first` counters, `second` values given, and `size` microseconds of half-life. See `heavy`."""

SUMS = (COUNT_MIN, QUANTILES)
"""The kinds whose cells are counters."""

Cells = Mapping[int, int]


@dataclass(frozen=True)
class Shape:
    """The kind of a sketch and its parameters.

    Attributes:
        kind: `HLL`, `COUNT_MIN`, `BLOOM` or `QUANTILES`.
        first: HyperLogLog: the bits that choose a register. Count-Min: the rows. Bloom: the bits per value.
        second: Count-Min: the bits that choose a column.
        size: Bloom: how many bits there are. Quantiles: the relative error, in millionths.
    """

    kind: int
    first: int
    second: int = 0
    size: int = 0


# -- Hashes -----------------------------------------------------------------------------------------


def _mix(state: int, word: int) -> int:
    value = ((state + 0x9E3779B97F4A7C15) & MASK) ^ word
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & MASK
    return value ^ (value >> 31)


def _eight(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 8], "little")


def _long(data: bytes) -> int:
    state = _mix(0, len(data))
    for place in range(0, len(data) - 7, 8):
        value = (state ^ _eight(data, place)) * 0xD6E8FEB86659FD93 & MASK
        state = (value ^ (value >> 29)) * 0xC2B2AE3D27D4EB4F & MASK
    return _mix(state, _eight(data, len(data) - 8))


def _words(value: Any) -> tuple[int, ...]:
    """A value as 64-bit words; equal values have equal words."""
    match value:
        case float():
            plain = math.nan if value != value else value + 0.0
            return (0x7FF8000000000000 if plain != plain else int.from_bytes(struct.pack("<d", plain), "little"),)
        case int():
            return (value & MASK,)
        case str() | bytes():
            data = value.encode() if isinstance(value, str) else value
            head = len(data) | int.from_bytes(data[:4], "little") << 32
            return (head, int.from_bytes(data[4:12], "little") if len(data) <= 12 else _long(data))
        case dt.datetime():
            return (micros(value) & MASK,)
        case dt.date():
            return (value.toordinal() - dt.date(1970, 1, 1).toordinal() & MASK,)
        case dt.time():
            seconds = (value.hour * 60 + value.minute) * 60 + value.second
            return ((seconds * 10**6 + value.microsecond) * 1000,)
        case dt.timedelta():
            return (value // dt.timedelta(microseconds=1) & MASK,)
    raise TypeError(f"no hash of {value!r}")


def canonical_word(value: Any) -> int:
    """A number, boolean, date, time or duration as 64 bits; equal values have equal ones."""
    return _words(value)[0]


def hash_of(value: Any) -> int:
    """The stable 64-bit hash of a value; see `penstock.kernels.hashing`."""
    state = 0
    for word in _words(value):
        state = _mix(state, word)
    return state


# -- Cells ------------------------------------------------------------------------------------------


def cells_of(shape: Shape, value: Any) -> Iterable[tuple[int, int]]:
    """The cells that a value changes, and what they are combined with."""
    if shape.kind == QUANTILES:
        return [(bucket_of(shape, value), 1)]
    found = hash_of(value)
    low, high = found & 0xFFFFFFFF, found >> 32 | 1
    match shape.kind:
        case 1:
            rest = found << shape.first & MASK
            rank = min(64 - rest.bit_length(), 64 - shape.first) + 1
            return [(found >> (64 - shape.first), rank)]
        case 2:
            width = 1 << shape.second
            return [(row * width + (low + row * high) % width, 1) for row in range(shape.first)]
    bits = [(low + i * high) % shape.size for i in range(shape.first)]
    return [(bit >> 6, 1 << (bit & 63)) for bit in bits]


def combined(shape: Shape, cells: Cells, more: Iterable[tuple[int, int]]) -> Cells:
    """Cells with others put into them: the greater register, the sum of counters, the bits of both."""
    found = dict(cells)
    for cell, value in more:
        old = found.get(cell, 0)
        found[cell] = max(old, value) if shape.kind == HLL else old + value if shape.kind in SUMS else old | value
    return found


def buckets_of(shape: Shape) -> tuple[float, int]:
    """The width of a bucket of a DDSketch, as a logarithm, and how many are on each side of 1 at most."""
    error = shape.size / 1e6
    width = math.log((1 + error) / (1 - error))
    return width, math.ceil(746 / width)


def bucket_of(shape: Shape, value: float) -> int:
    """The counter of a number: counters are in the order of numbers, from minus infinity to infinity, NaN last."""
    width, most = buckets_of(shape)
    if value != value:
        return 4 * most + 5
    if math.isinf(value):
        return 4 * most + 4 if value > 0 else 0
    if value == 0:
        return 2 * most + 2
    bucket = math.ceil(math.log(abs(value)) / width)
    return 3 * most + 3 + bucket if value > 0 else most + 1 - bucket


# -- What cells say ---------------------------------------------------------------------------------


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1.0 - x, -1.0
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
    return z / 3.0


def distinct_count(shape: Shape, cells: Cells) -> int:
    """How many distinct values went into a HyperLogLog: Ertl's improved estimate, which needs no table of biases."""
    size, last = 1 << shape.first, 64 - shape.first
    ranks = [0] * (last + 2)
    for rank in cells.values():
        ranks[rank] += 1
    ranks[0] = size - sum(ranks[1:])
    total = size * _tau((size - ranks[last + 1]) / size)
    for rank in range(last, 0, -1):
        total = 0.5 * (total + ranks[rank])
    total += size * _sigma(ranks[0] / size)
    return math.floor(size * size / (2.0 * math.log(2.0)) / total + 0.5)


def times(shape: Shape, cells: Cells, value: Any) -> int:
    """How often a value came, at most: the least of its counters."""
    return min(cells.get(cell, 0) for cell, _ in cells_of(shape, value))


def contains(shape: Shape, cells: Cells, value: Any) -> bool:
    """Whether a value may have come; false if it surely has not."""
    return all(cells.get(cell, 0) & bit for cell, bit in cells_of(shape, value))


def quantile(shape: Shape, cells: Cells, share: float) -> float:
    """The middle of the bucket of the nearest value at a share of all."""
    rank = math.floor(share * (sum(cells.values()) - 1) + 0.5)
    cell = -1
    for cell in sorted(cells):
        rank -= cells[cell]
        if rank < 0:
            break
    width, most = buckets_of(shape)
    special = {0: -math.inf, 2 * most + 2: 0.0, 4 * most + 4: math.inf, 4 * most + 5: math.nan}
    if cell in special:
        return special[cell]
    bucket = cell - 3 * most - 3 if cell > 2 * most + 2 else most + 1 - cell
    # At the far end of floats a middle may be past the last of them.
    found = math.exp(min(bucket * width - math.log((math.exp(width) + 1) / 2), 709.78))
    return found if cell > 2 * most + 2 else -found


def rank(shape: Shape, cells: Cells, value: float) -> float:
    """The share of the values that are in the bucket of a value, or below it."""
    most = bucket_of(shape, value)
    return sum(count for cell, count in cells.items() if cell <= most) / sum(cells.values())


# -- Bytes ------------------------------------------------------------------------------------------


def head_of(shape: Shape, blocks: int) -> bytes:
    """The bytes before the blocks."""
    return HEAD.pack(b"PSK", VERSION, shape.kind, shape.first, shape.second, shape.size, blocks)


def to_bytes(shape: Shape, cells: Cells) -> bytes:
    """A sketch as bytes."""
    per_word = 8 if shape.kind == HLL else 1
    blocks: dict[int, bytearray] = {}
    for cell, value in cells.items():
        block, place = divmod(cell, 8 * per_word)
        size = 8 // per_word
        made = blocks.setdefault(block, bytearray(64))
        made[place * size : place * size + size] = value.to_bytes(size, "little")
    return head_of(shape, len(blocks)) + b"".join(BLOCK.pack(n, bytes(blocks[n])) for n in sorted(blocks))


def shape_of(data: bytes) -> Shape | None:
    """The kind and parameters of a sketch; None if the bytes are none, or of another version."""
    if len(data) < HEAD.size:
        return None
    magic, version, kind, first, second, size, blocks = HEAD.unpack_from(data)
    whole = len(data) == HEAD.size + blocks * BLOCK.size
    return Shape(kind, first, second, size) if magic == b"PSK" and version == VERSION and whole else None


@lru_cache(maxsize=16)
def _read(data: bytes) -> tuple[Shape, Cells] | None:
    shape = shape_of(data)
    if shape is None:
        return None
    size = 1 if shape.kind == HLL else 8
    cells = {}
    for number, words in BLOCK.iter_unpack(data[HEAD.size :]):
        for place in range(0, 64, size):
            value = int.from_bytes(words[place : place + size], "little")
            if value:
                cells[(number * 64 + place) // size] = value
    return shape, cells


def from_bytes(data: bytes, kind: int | None = None) -> tuple[Shape, Cells] | None:
    """A sketch out of its bytes; None if they are no sketch, or one of another kind."""
    found = _read(data)
    return None if found is None or (kind is not None and found[0].kind != kind) else found
