"""Theta sketches in plain Python, as Apache DataSketches has them: hashes, the sketch, its bytes, operations of sets.

A sketch keeps the hashes of distinct values below theta, and at most `2**precision` of them: then theta is the least
hash that it does not keep. Which ones these are depends on the set of values only, so merging in any order gives the
same bytes. They are the compact, ordered form (serial version 3) that every DataSketches library reads.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from penstock.expr.sketches import canonical_word

MASK = (1 << 64) - 1
WHOLE = (1 << 63) - 1
"""Theta of a sketch that keeps every hash."""

SEED, SEED_HASH = 9001, 0x93CC
VERSION, FAMILY = 3, 3
EMPTY, COMPACT, ORDERED, SINGLE = 4, 2 | 8, 16, 32
HEAD = struct.Struct("<BBBBBBH")


class Theta(NamedTuple):
    """A theta sketch.

    Attributes:
        theta: All hashes are below it; `WHOLE` if none was dropped.
        hashes: In ascending order.
    """

    theta: int
    hashes: tuple[int, ...]


NOTHING = Theta(WHOLE, ())

# -- Hashes -----------------------------------------------------------------------------------------

_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F


def _turn(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & MASK


def _last(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return value ^ value >> 33


def murmur(data: bytes, seed: int = SEED) -> int:
    """The first 64 bits of MurmurHash3 (x64, 128 bits), by Austin Appleby."""
    one = two = seed
    whole = len(data) // 16 * 16
    for place in range(0, whole, 16):
        low, high = struct.unpack_from("<QQ", data, place)
        one ^= _turn(low * _C1 & MASK, 31) * _C2 & MASK
        one = ((_turn(one, 27) + two) * 5 + 0x52DCE729) & MASK
        two ^= _turn(high * _C2 & MASK, 33) * _C1 & MASK
        two = ((_turn(two, 31) + one) * 5 + 0x38495AB5) & MASK
    low, high = struct.unpack("<QQ", data[whole:].ljust(16, b"\0"))
    two ^= _turn(high * _C2 & MASK, 33) * _C1 & MASK
    one ^= _turn(low * _C1 & MASK, 31) * _C2 & MASK
    one, two = one ^ len(data), two ^ len(data)
    one = (one + two) & MASK
    two = (two + one) & MASK
    return (_last(one) + _last(two)) & MASK


def theta_hash(value: object) -> int:
    """The hash of a value: of the bytes of a text, of the eight of a number; 0 stands for none."""
    if isinstance(value, (str, bytes)):
        return murmur(value.encode() if isinstance(value, str) else value) >> 1
    return murmur(struct.pack("<Q", canonical_word(value))) >> 1


# -- Sets -------------------------------------------------------------------------------------------


def of_hashes(hashes: Iterable[int], theta: int, precision: int) -> Theta:
    """The sketch of hashes of which those from theta on do not count."""
    kept = sorted({one for one in hashes if 0 < one < theta})
    most = 1 << precision
    return Theta(kept[most], tuple(kept[:most])) if len(kept) > most else Theta(theta, tuple(kept))


def united(a: Theta, b: Theta, precision: int) -> Theta:
    """What is in one of two sets."""
    return of_hashes((*a.hashes, *b.hashes), min(a.theta, b.theta), precision)


def shared(a: Theta, b: Theta) -> Theta:
    """What is in both."""
    theta = min(a.theta, b.theta)
    return Theta(theta, tuple(sorted(one for one in set(a.hashes) & set(b.hashes) if one < theta)))


def without(a: Theta, b: Theta) -> Theta:
    """What is in the first and not in the second."""
    theta = min(a.theta, b.theta)
    return Theta(theta, tuple(sorted(one for one in set(a.hashes) - set(b.hashes) if one < theta)))


def estimate(sketch: Theta) -> int:
    """About how many distinct values there are."""
    return math.floor(len(sketch.hashes) / (sketch.theta / WHOLE) + 0.5)


# -- Bytes ------------------------------------------------------------------------------------------


def head_of(theta: int, count: int) -> bytes:
    """The bytes before the hashes."""
    if theta < WHOLE:
        flags = COMPACT | ORDERED
        return HEAD.pack(3, VERSION, FAMILY, 0, 0, flags, SEED_HASH) + struct.pack("<IIQ", count, 0, theta)
    if count < 2:
        flags = COMPACT | ORDERED | (0 if count else EMPTY)
        return HEAD.pack(1, VERSION, FAMILY, 0, 0, flags, SEED_HASH)
    return HEAD.pack(2, VERSION, FAMILY, 0, 0, COMPACT | ORDERED, SEED_HASH) + struct.pack("<II", count, 0)


def to_bytes(sketch: Theta) -> bytes:
    """A sketch as bytes."""
    count = len(sketch.hashes)
    return head_of(sketch.theta, count) + struct.pack(f"<{count}Q", *sketch.hashes)


@lru_cache(maxsize=64)
def from_bytes(data: bytes) -> Theta | None:
    """A sketch out of its bytes; None if they are none, or of a form that is not read: compressed, another seed."""
    if len(data) < HEAD.size:
        return None
    longs, version, family, _, _, flags, seed = HEAD.unpack_from(data)
    longs &= 0x3F
    known = version == VERSION and family == FAMILY and seed == SEED_HASH and flags & 8
    if not known or longs not in (1, 2, 3) or len(data) < 8 * longs:
        return None
    count, theta = (0 if flags & EMPTY else 1) if longs == 1 else struct.unpack_from("<I", data, 8)[0], WHOLE
    if longs == 3:
        (theta,) = struct.unpack_from("<Q", data, 16)
    if len(data) != 8 * (longs + count):
        return None
    hashes = struct.unpack_from(f"<{count}Q", data, 8 * longs)
    ordered = tuple(sorted(set(hashes)))
    whole = len(ordered) == count and 0 < theta <= WHOLE and (not ordered or (ordered[0] > 0 and ordered[-1] < theta))
    return Theta(theta, ordered) if whole else None
