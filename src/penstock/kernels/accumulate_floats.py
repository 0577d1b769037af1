"""Fold rows into accumulators of floats: compensated sums, variance, smallest and largest.

Arguments are those of `penstock.kernels.accumulate`. Values that are not finite are counted, not added: so a
sum can take them back, and the finite part comes back with them. A count that returns to zero makes the
float words exactly zero again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel, scalar
from penstock.kernels.intrinsics import prefetch

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Flags, Floats, Number, Rows, Words

AHEAD = 16
INFINITY = float("inf")

# Words of a float sum: the sum, what rounding lost, the number of values, and how many of them are what.
SUM, LOST, COUNT, NANS, TOPS, BOTTOMS = 0, 1, 2, 3, 4, 5
# Words of a variance: number of finite values, their mean, the sum of squared distances from it, not finite.
NUMBER, MEAN, SQUARES, ODD = 0, 1, 2, 3


@scalar
def lost_in(total: Number, value: Number, rounded: Number) -> Number:
    """What the addition `rounded = total + value` lost to rounding (Neumaier)."""
    if abs(total) >= abs(value):
        return (total - rounded) + value
    return (value - rounded) + total


@kernel
def add_float_sum(
    table: Words, floats: Floats, column: Number, slots: Rows, rows: Rows, values: Floats, valid: Flags, signs: Array
) -> None:
    """Six words: sum, lost, number of values, and of them NaN, +inf, -inf."""
    stride = table.shape[1]
    places = slots.shape[0]
    for place in range(places):
        if place + AHEAD < places:
            prefetch(table, np.int64(slots[place + AHEAD]) * stride + column)
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        if valid.shape[0] > 0 and not valid[row]:
            continue
        slot = slots[place]
        value = values[row]
        sign = np.int64(signs[row]) if signs.shape[0] > 0 else 1
        count = table[slot, column + COUNT] + sign
        table[slot, column + COUNT] = count
        if value - value != 0.0:
            kind = NANS if value != value else (TOPS if value > 0 else BOTTOMS)
            table[slot, column + kind] += sign
        else:
            value = value * sign
            total = floats[slot, column + SUM]
            rounded = total + value
            floats[slot, column + SUM] = rounded
            floats[slot, column + LOST] += lost_in(total, value, rounded)
        if count == 0:
            floats[slot, column + SUM] = 0.0
            floats[slot, column + LOST] = 0.0


@kernel
def merge_float_sum(
    table: Words, floats: Floats, column: Number, slots: Rows,
    other: Words, other_floats: Floats, other_column: Number, other_slots: Rows,
) -> None:  # fmt: skip
    """Add sums, and what both lost."""
    for place in range(slots.shape[0]):
        slot = slots[place]
        source = other_slots[place]
        for word in range(COUNT, BOTTOMS + 1):
            table[slot, column + word] += other[source, other_column + word]
        total = floats[slot, column + SUM]
        value = other_floats[source, other_column + SUM]
        rounded = total + value
        floats[slot, column + SUM] = rounded
        floats[slot, column + LOST] += other_floats[source, other_column + LOST] + lost_in(total, value, rounded)
        if table[slot, column + COUNT] == 0:
            floats[slot, column + SUM] = 0.0
            floats[slot, column + LOST] = 0.0


@kernel
def read_float_sum(table: Words, floats: Floats, column: Number, slots: Rows, sums: Floats, counts: Words) -> None:
    """Read float sums, and of how many values; the sum of none is 0.0 with a count of 0."""
    for place in range(slots.shape[0]):
        slot = slots[place]
        counts[place] = table[slot, column + COUNT]
        nans = table[slot, column + NANS]
        tops = table[slot, column + TOPS]
        bottoms = table[slot, column + BOTTOMS]
        total = floats[slot, column + SUM]
        if nans != 0 or (tops != 0 and bottoms != 0):
            sums[place] = np.nan
        elif tops != 0:
            sums[place] = INFINITY
        elif bottoms != 0:
            sums[place] = -INFINITY
        elif total - total != 0.0:
            # The finite values overflowed: what rounding lost is not a number then.
            sums[place] = total
        else:
            sums[place] = total + floats[slot, column + LOST]


@kernel
def add_variance(
    table: Words, floats: Floats, column: Number, slots: Rows, rows: Rows, values: Floats, valid: Flags, signs: Array
) -> None:
    """Four words: number of finite values, mean, sum of squared distances from it, number of others."""
    stride = table.shape[1]
    places = slots.shape[0]
    for place in range(places):
        if place + AHEAD < places:
            prefetch(table, np.int64(slots[place + AHEAD]) * stride + column)
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        if valid.shape[0] > 0 and not valid[row]:
            continue
        slot = slots[place]
        value = values[row]
        sign = np.int64(signs[row]) if signs.shape[0] > 0 else 1
        if value - value != 0.0:
            table[slot, column + ODD] += sign
            continue
        count = table[slot, column + NUMBER] + sign
        table[slot, column + NUMBER] = count
        if count == 0:
            floats[slot, column + MEAN] = 0.0
            floats[slot, column + SQUARES] = 0.0
            continue
        before = floats[slot, column + MEAN]
        distance = value - before
        mean = before + sign * distance / count
        squares = floats[slot, column + SQUARES] + sign * distance * (value - mean)
        floats[slot, column + MEAN] = mean
        floats[slot, column + SQUARES] = max(squares, 0.0) if count > 1 else 0.0


@kernel
def merge_variance(
    table: Words, floats: Floats, column: Number, slots: Rows,
    other: Words, other_floats: Floats, other_column: Number, other_slots: Rows,
) -> None:  # fmt: skip
    """Combine means and squared distances (Chan)."""
    for place in range(slots.shape[0]):
        slot = slots[place]
        source = other_slots[place]
        table[slot, column + ODD] += other[source, other_column + ODD]
        mine = table[slot, column + NUMBER]
        theirs = other[source, other_column + NUMBER]
        count = mine + theirs
        if theirs == 0 or count == 0:
            continue
        distance = other_floats[source, other_column + MEAN] - floats[slot, column + MEAN]
        table[slot, column + NUMBER] = count
        floats[slot, column + MEAN] += distance * theirs / count
        floats[slot, column + SQUARES] += (
            other_floats[source, other_column + SQUARES] + distance * distance * mine / count * theirs
        )


@kernel
def read_variance(
    table: Words, floats: Floats, column: Number, slots: Rows, freedom: Number, variances: Floats, counts: Words
) -> None:
    """Read variances with `freedom` degrees taken off; NaN (null to the caller) where there are too few values."""
    for place in range(slots.shape[0]):
        slot = slots[place]
        odd = table[slot, column + ODD]
        count = table[slot, column + NUMBER]
        counts[place] = count + odd
        if odd != 0 or count <= freedom:
            variances[place] = np.nan
        else:
            variances[place] = floats[slot, column + SQUARES] / (count - freedom)


@kernel
def add_float_min(
    table: Words, floats: Floats, column: Number, slots: Rows, rows: Rows, values: Floats, valid: Flags, signs: Array
) -> None:
    """One word: the smallest value; starts at NaN, which is the greatest of all. Cannot retract."""
    stride = table.shape[1]
    places = slots.shape[0]
    for place in range(places):
        if place + AHEAD < places:
            prefetch(table, np.int64(slots[place + AHEAD]) * stride + column)
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        if valid.shape[0] > 0 and not valid[row]:
            continue
        # Not (least <= value): true also where the least so far is NaN.
        if values[row] == values[row] and not floats[slots[place], column] <= values[row]:
            floats[slots[place], column] = values[row]


@kernel
def merge_float_min(
    table: Words, floats: Floats, column: Number, slots: Rows,
    other: Words, other_floats: Floats, other_column: Number, other_slots: Rows,
) -> None:  # fmt: skip
    """Keep the smaller value."""
    for place in range(slots.shape[0]):
        value = other_floats[other_slots[place], other_column]
        if value == value and not floats[slots[place], column] <= value:
            floats[slots[place], column] = value


@kernel
def add_float_max(
    table: Words, floats: Floats, column: Number, slots: Rows, rows: Rows, values: Floats, valid: Flags, signs: Array
) -> None:
    """One word: the largest value, NaN if there is one; starts at -inf. Cannot retract."""
    stride = table.shape[1]
    places = slots.shape[0]
    for place in range(places):
        if place + AHEAD < places:
            prefetch(table, np.int64(slots[place + AHEAD]) * stride + column)
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        if valid.shape[0] > 0 and not valid[row]:
            continue
        # Not (value <= largest): true also where the value is NaN.
        if floats[slots[place], column] == floats[slots[place], column] and not (
            values[row] <= floats[slots[place], column]
        ):
            floats[slots[place], column] = values[row]


@kernel
def merge_float_max(
    table: Words, floats: Floats, column: Number, slots: Rows,
    other: Words, other_floats: Floats, other_column: Number, other_slots: Rows,
) -> None:  # fmt: skip
    """Keep the larger value."""
    for place in range(slots.shape[0]):
        value = other_floats[other_slots[place], other_column]
        if floats[slots[place], column] == floats[slots[place], column] and not (value <= floats[slots[place], column]):
            floats[slots[place], column] = value
