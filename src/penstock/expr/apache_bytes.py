"""Whether bytes are a whole sketch of Apache DataSketches: the library trusts what it reads, and damage can crash it.

The layouts are those of its C++ code (`kll_sketch_impl.hpp`, `tdigest_impl.hpp`, `frequent_items_sketch_impl.hpp`), all
little-endian; the first eight bytes say what follows.
"""

from __future__ import annotations

import struct
from itertools import pairwise

from penstock.expr.sketches import FREQUENT, KLL

MOST = (1 << 62) - 1
"""No count or sum of weights is greater."""


def is_whole(kind: int, data: bytes) -> bool:
    """Whether bytes are a sketch of a kind, with all of its parts."""
    if len(data) < 8:
        return False
    return _kll(data) if kind == KLL else _frequent(data) if kind == FREQUENT else _digest(data)


# -- KLL --------------------------------------------------------------------------------------------

_EMPTY, _SINGLE = 1, 4
_WIDTH = 8


def _kll(data: bytes) -> bool:
    longs, version, _, flags, k, width = struct.unpack_from("<BBBBHB", data)
    if k < 8 or width != _WIDTH:
        return False
    if flags & (_EMPTY | _SINGLE):
        one = bool(flags & _SINGLE)
        return bool(longs == 2 and version == (2 if one else 1) and len(data) == (16 if one else 8))
    if longs != 5 or version != 1 or len(data) < 20:
        return False
    count, least, levels = struct.unpack_from("<QHB", data, 8)
    if not (0 < levels <= 60 and 8 <= least <= k and 0 < count <= MOST and len(data) >= 36 + 4 * levels):
        return False
    capacity = sum(max(_WIDTH, _level(k, levels - height - 1)) for height in range(levels))
    edges = [*struct.unpack_from(f"<{levels}I", data, 20), capacity]
    if any(a > b for a, b in pairwise(edges)) or len(data) != 36 + 4 * levels + 8 * (capacity - edges[0]):
        return False
    return bool(sum((b - a) << height for height, (a, b) in enumerate(pairwise(edges))) == count)


def _level(k: int, depth: int) -> int:
    """How many items a level has room for."""
    if depth > 30:
        half = depth // 2
        return _part(_part(k, half), depth - half)
    return _part(k, depth)


def _part(k: int, depth: int) -> int:
    return int(((k << 1) << depth) // 3**depth + 1) >> 1


# -- t-digest ---------------------------------------------------------------------------------------


def _digest(data: bytes) -> bool:
    longs, version, _, k, flags = struct.unpack_from("<BBBHB", data)
    if version != 1 or k < 10:
        return False
    if flags & 3:
        return bool(longs == 1 and len(data) == (8 if flags & 1 else 16))
    if longs != 2 or len(data) < 32:
        return False
    centroids, waiting = struct.unpack_from("<II", data, 8)
    if len(data) != 32 + 16 * centroids + 8 * waiting or centroids + waiting == 0:
        return False
    parts = struct.unpack_from("<" + "dQ" * centroids, data, 32)
    low, high = struct.unpack_from("<dd", data, 16)
    means, weights = parts[::2], parts[1::2]
    ordered = all(a <= b for a, b in pairwise((low, *means, high)))
    return ordered and all(weights) and sum(weights) <= MOST


# -- Frequent items ---------------------------------------------------------------------------------


def _frequent(data: bytes) -> bool:
    longs, version, _, most, now, flags = struct.unpack_from("<BBBBBB", data)
    if version != 1 or not 3 <= now <= most <= 26:
        return False
    if flags & 5:
        return bool(longs == 1 and len(data) == 8)
    if longs != 4 or len(data) < 32:
        return False
    (count,) = struct.unpack_from("<I", data, 8)
    total, offset = struct.unpack_from("<QQ", data, 16)
    if not 0 < count <= 3 * (1 << now) // 4 or len(data) < 32 + 8 * count:
        return False
    weights = struct.unpack_from(f"<{count}Q", data, 32)
    if not all(weights) or sum(weights) > total or total > MOST or offset > total:
        return False
    place, items = 32 + 8 * count, set()
    for _ in range(count):
        if place + 4 > len(data):
            return False
        (length,) = struct.unpack_from("<I", data, place)
        item = data[place + 4 : place + 4 + length]
        place += 4 + length
        if len(item) != length or not _is_text(item):
            return False
        items.add(item)
    return bool(place == len(data) and len(items) == count)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
