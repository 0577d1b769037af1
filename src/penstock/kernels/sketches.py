"""Sketches in blocks of eight 64-bit words: which words values change, how words are combined, what registers say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel, scalar

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Number, Rows, Words

HLL, COUNT_MIN, BLOOM, QUANTILES = 1, 2, 3, 4
BLOCK = 8
LOW = 0xFFFFFFFF
HIGH = 0x8080808080808080


@kernel
def places_of(
    kind: Number, first: Number, second: Number, size: Number, hashes: Array, places: Words, values: Words
) -> None:
    """The word that each hash changes and what it is combined with: `first` of them per hash, one for HyperLogLog.

    Args:
        kind: The kind of sketch; `first`, `second`, `size` are its parameters.
        first: See `penstock.expr.sketches.Shape`.
        second: See there.
        size: See there.
        hashes: The hashes.
        places: Out: numbers of words.
        values: Out: words.
    """
    each = 1 if kind == HLL else first
    for row in range(hashes.shape[0]):
        found = hashes[row]
        if kind == HLL:
            register = np.int64(found >> np.uint64(64 - first))
            rest = found << np.uint64(first)
            rank = 1
            while rank <= 64 - first and (rest >> np.uint64(63)) == np.uint64(0):
                rest = rest << np.uint64(1)
                rank += 1
            places[row] = register >> 3
            values[row] = np.int64(rank) << ((register & 7) * 8)
            continue
        low, high = np.int64(found & np.uint64(LOW)), np.int64(found >> np.uint64(32)) | 1
        for i in range(each):
            at = row * each + i
            if kind == COUNT_MIN:
                places[at] = (np.int64(i) << second) + ((low + i * high) & ((np.int64(1) << second) - 1))
                values[at] = 1
            else:
                bit = (low + i * high) % size
                places[at] = bit >> 6
                values[at] = np.int64(1) << (bit & 63)


@scalar
def greater_bytes(a: Number, b: Number) -> Number:
    """Of two words the greater byte at each place; no byte is above 127, so that none borrows from the next."""
    high = np.uint64(HIGH)
    x, y = np.uint64(a), np.uint64(b)
    # All bits of the bytes at which the first is not the smaller.
    chosen = ((((x | high) - y) & high) >> np.uint64(7)) * np.uint64(255)
    return np.int64((x & chosen) | (y & ~chosen))


@kernel
def put_words(table: Words, first: Number, kind: Number, entries: Rows, places: Words, values: Words) -> None:
    """Combine words into those of blocks: `places` say which of the eight."""
    for row in range(entries.shape[0]):
        entry, column = entries[row], first + (places[row] & 7)
        old, new = table[entry, column], values[row]
        if kind == HLL:
            table[entry, column] = greater_bytes(old, new)
        elif kind in (COUNT_MIN, QUANTILES):
            table[entry, column] = old + new
        else:
            table[entry, column] = old | new


@kernel
def count_ranks(words: Words, owners: Words, ranks: Words) -> None:
    """Count the registers of blocks by owner and rank."""
    for row in range(words.shape[0]):
        for word in range(BLOCK):
            for shift in range(0, 64, 8):
                rank = (words[row, word] >> shift) & 255
                if rank > 0:
                    ranks[owners[row], rank] += 1


@scalar
def empty_share(x: Number) -> Number:
    """Ertl's sigma: what the empty registers add."""
    if x == 1.0:
        return np.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


@scalar
def full_share(x: Number) -> Number:
    """Ertl's tau: what the full registers add."""
    if x == 0.0 or x == 1.0:
        return 0.0
    y, z, before = 1.0, 1.0 - x, -1.0
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
    return z / 3.0


@kernel
def estimate(ranks: Words, bits: Number, found: Words) -> None:
    """The distinct values of each HyperLogLog, from how many registers have each rank (rank 0 is made up here)."""
    size = np.int64(1) << bits
    last = 64 - bits
    for row in range(ranks.shape[0]):
        empty = size
        for rank in range(1, last + 2):
            empty -= ranks[row, rank]
        total = size * full_share((size - ranks[row, last + 1]) / size)
        for rank in range(last, 0, -1):
            total = 0.5 * (total + ranks[row, rank])
        total += size * empty_share(empty / size)
        found[row] = np.int64(math.floor(np.float64(size) * size / (2.0 * math.log(2.0)) / total + 0.5))


@kernel
def buckets_of(values: Array, width: Number, most: Number, places: Words) -> None:
    """The counter of each number in a DDSketch; see `penstock.expr.sketches.bucket_of`."""
    for row in range(values.shape[0]):
        value = values[row]
        if value != value:
            places[row] = 4 * most + 5
        elif value == 0.0:
            places[row] = 2 * most + 2
        elif value - value != 0.0:
            places[row] = 4 * most + 4 if value > 0 else 0
        else:
            bucket = np.int64(math.ceil(math.log(abs(value)) / width))
            places[row] = 3 * most + 3 + bucket if value > 0 else most + 1 - bucket


@kernel
def cells_at(words: Words, cells: Words, edges: Words, share: Number, found: Words) -> None:
    """By owner, the counter in which the value at a share of all lies; blocks are in order of owner and number."""
    for owner in range(found.shape[0]):
        total = np.int64(0)
        for row in range(edges[owner], edges[owner + 1]):
            for word in range(BLOCK):
                total += words[row, word]
        rank = np.int64(math.floor(share * (total - 1) + 0.5))
        done = False
        for row in range(edges[owner], edges[owner + 1]):
            for word in range(BLOCK):
                rank -= words[row, word]
                if rank < 0 and not done:
                    found[owner] = cells[row, word]
                    done = True
