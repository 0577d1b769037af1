"""Fold pairs of numbers into means, squared distances from them and products of distances.

Arguments are those of `penstock.kernels.accumulate`; `values` has a row per pair. Pairs in which a number is not finite
are counted, not added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.kernels._jit import kernel

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Flags, Floats, Number, Rows, Words

COUNT, ODD, X, Y, XX, YY, XY = 0, 1, 2, 3, 4, 5, 6


@kernel
def add_covariance(
    table: Words, floats: Floats, column: Number, slots: Rows, rows: Rows, values: Floats, valid: Flags, signs: Array
) -> None:
    """Seven words: finite pairs, others, both means, both sums of squared distances, the sum of products (Welford)."""
    for place in range(slots.shape[0]):
        row = rows[place] if rows.shape[0] > 0 else place
        if valid.shape[0] > 0 and not valid[row]:
            continue
        slot = slots[place]
        sign = 1
        if signs.shape[0] > 0 and signs[row] < 0:
            sign = -1
        x, y = values[row, 0], values[row, 1]
        if x - x != 0.0 or y - y != 0.0:
            table[slot, column + ODD] += sign
            continue
        count = table[slot, column + COUNT] + sign
        table[slot, column + COUNT] = count
        if count == 0:
            for word in range(X, XY + 1):
                floats[slot, column + word] = 0.0
            continue
        dx = x - floats[slot, column + X]
        dy = y - floats[slot, column + Y]
        floats[slot, column + X] += sign * dx / count
        floats[slot, column + Y] += sign * dy / count
        after = y - floats[slot, column + Y]
        floats[slot, column + XX] = max(floats[slot, column + XX] + sign * dx * (x - floats[slot, column + X]), 0.0)
        floats[slot, column + YY] = max(floats[slot, column + YY] + sign * dy * after, 0.0)
        floats[slot, column + XY] += sign * dx * after
        if count == 1:
            for word in range(XX, XY + 1):
                floats[slot, column + word] = 0.0


@kernel
def merge_covariance(
    table: Words, floats: Floats, column: Number, slots: Rows,
    other: Words, other_floats: Floats, other_column: Number, other_slots: Rows,
) -> None:  # fmt: skip
    """Combine means, squared distances and products (Chan)."""
    for place in range(slots.shape[0]):
        slot = slots[place]
        source = other_slots[place]
        table[slot, column + ODD] += other[source, other_column + ODD]
        mine = table[slot, column + COUNT]
        theirs = other[source, other_column + COUNT]
        count = mine + theirs
        if theirs == 0 or count == 0:
            continue
        dx = other_floats[source, other_column + X] - floats[slot, column + X]
        dy = other_floats[source, other_column + Y] - floats[slot, column + Y]
        share = mine / count * theirs
        table[slot, column + COUNT] = count
        floats[slot, column + X] += dx * theirs / count
        floats[slot, column + Y] += dy * theirs / count
        floats[slot, column + XX] += other_floats[source, other_column + XX] + dx * dx * share
        floats[slot, column + YY] += other_floats[source, other_column + YY] + dy * dy * share
        floats[slot, column + XY] += other_floats[source, other_column + XY] + dx * dy * share
