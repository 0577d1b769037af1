"""Fold rows into accumulators of whole numbers: counts, sums, smallest and largest; and read words.

All kernels of `accumulate*` that fold rows take the same arguments:

    table      rows of words, int64 [slots, stride]
    floats     the same memory as float64
    column     the column of the accumulator's first word
    slots      the slot of each place
    rows       the row of each place; empty: place p is row p
    values     the values by row: int64 or float64
    valid      by row, whether the value is not null; empty: none is. Null rows are passed over
    signs      by row, +1 to add or -1 to retract (int8); empty: all are added

and those that merge take a table, its floats, a column and slots twice: first what is merged into.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel, scalar
from penstock.kernels.intrinsics import prefetch

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Flags, Floats, Number, Rows, Words

# Far enough ahead for a line to arrive from memory, near enough for it to be there still.
AHEAD = 16


@scalar
def plus(one: Number, other: Number) -> Number:
    """One plus other, wrapped around to 64 bits: that of signed numbers is undefined once compiled."""
    return np.int64(np.uint64(one) + np.uint64(other))


@scalar
def carry_of(low: Number, value: Number) -> Number:
    """What adding `value` to a sum of two words adds to its upper word."""
    wrapped = np.uint64(low) + np.uint64(value) < np.uint64(low)
    return (value >> 63) + np.int64(wrapped)


@kernel
def add_count(
    table: Words, floats: Floats, column: Number, slots: Rows, rows: Rows, values: Words, valid: Flags, signs: Array
) -> None:
    """One word: the number of rows, or of values that are not null."""
    stride = table.shape[1]
    places = slots.shape[0]
    if rows.shape[0] == 0 and valid.shape[0] == 0 and signs.shape[0] == 0:
        for place in range(places):
            if place + AHEAD < places:
                prefetch(table, np.int64(slots[place + AHEAD]) * stride + column)
            table[slots[place], column] += 1
        return
    for place in range(places):
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        if valid.shape[0] == 0 or valid[row]:
            table[slots[place], column] += np.int64(signs[row]) if signs.shape[0] > 0 else 1


@kernel
def merge_count(
    table: Words, floats: Floats, column: Number, slots: Rows,
    other: Words, other_floats: Floats, other_column: Number, other_slots: Rows,
) -> None:  # fmt: skip
    """Add counts."""
    for place in range(slots.shape[0]):
        table[slots[place], column] += other[other_slots[place], other_column]


@kernel
def add_sum(
    table: Words, floats: Floats, column: Number, slots: Rows, rows: Rows, values: Words, valid: Flags, signs: Array
) -> Number:
    """Two words: the lower and the upper half of an exact sum of 128 bits, so that no order can overflow it.

    Returns after how many rows the sum did not fit 64 bits.
    """
    stride = table.shape[1]
    places = slots.shape[0]
    outside = 0
    for place in range(places):
        if place + AHEAD < places:
            prefetch(table, np.int64(slots[place + AHEAD]) * stride + column)
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        if valid.shape[0] > 0 and not valid[row]:
            continue
        slot = slots[place]
        value = values[row]
        low = table[slot, column]
        if signs.shape[0] == 0 or signs[row] > 0:
            table[slot, column] = plus(low, value)
            table[slot, column + 1] += carry_of(low, value)
        else:
            # What has to be added to the rest to have `low` again.
            rest = np.int64(np.uint64(low) - np.uint64(value))
            table[slot, column] = rest
            table[slot, column + 1] -= carry_of(rest, value)
        outside += table[slot, column] >> 63 != table[slot, column + 1]
    return outside


@kernel
def mark_outside(
    sums: Words, groups: Rows, rows: Rows, values: Words, valid: Flags, signs: Array, outside: Flags
) -> None:
    """By place, whether the sum of its group does not fit 64 bits after its row; flags that are set stay so.

    Args:
        sums: The two words of each group's sum [n, 2], as they were before; they are added to.
        groups: The group of each place.
        rows: As for all kernels here.
        values: Likewise.
        valid: Likewise.
        signs: Likewise.
        outside: By place, the flags.
    """
    for place in range(groups.shape[0]):
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        group = groups[place]
        if valid.shape[0] == 0 or valid[row]:
            low = sums[group, 0]
            if signs.shape[0] == 0 or signs[row] > 0:
                sums[group, 0] = plus(low, values[row])
                sums[group, 1] += carry_of(low, values[row])
            else:
                rest = np.int64(np.uint64(low) - np.uint64(values[row]))
                sums[group, 0] = rest
                sums[group, 1] -= carry_of(rest, values[row])
        outside[place] = outside[place] or sums[group, 0] >> 63 != sums[group, 1]


@kernel
def mark_leaving(were: Flags, groups: Rows, outside: Flags) -> None:
    """Leave the flags only of places after which a group is outside and before which it was not.

    Args:
        were: By group, whether it was outside before; it is changed.
        groups: The group of each place.
        outside: By place, whether its group is outside after it.
    """
    for place in range(groups.shape[0]):
        is_outside = outside[place]
        outside[place] = is_outside and not were[groups[place]]
        were[groups[place]] = is_outside


@kernel
def merge_sum(
    table: Words, floats: Floats, column: Number, slots: Rows,
    other: Words, other_floats: Floats, other_column: Number, other_slots: Rows,
) -> None:  # fmt: skip
    """Add sums of 128 bits."""
    for place in range(slots.shape[0]):
        low = table[slots[place], column]
        more = other[other_slots[place], other_column]
        wrapped = np.uint64(low) + np.uint64(more) < np.uint64(low)
        table[slots[place], column] = plus(low, more)
        table[slots[place], column + 1] += other[other_slots[place], other_column + 1] + np.int64(wrapped)


@kernel
def read_sum(table: Words, column: Number, slots: Rows, sums: Words, fits: Flags) -> Number:
    """Read sums: the lower 64 bits, and whether that is the sum; returns how many do not fit."""
    failed = 0
    for place in range(slots.shape[0]):
        low = table[slots[place], column]
        sums[place] = low
        fits[place] = low >> 63 == table[slots[place], column + 1]
        failed += not fits[place]
    return failed


@kernel
def read_sum_as_float(table: Words, column: Number, slots: Rows, sums: Floats) -> None:
    """Read sums of 128 bits as floats: what a mean of whole numbers divides."""
    for place in range(slots.shape[0]):
        low = table[slots[place], column]
        high = table[slots[place], column + 1]
        if low >> 63 == high:
            sums[place] = np.float64(low)
        else:
            sums[place] = np.float64(high) * 18446744073709551616.0 + np.float64(np.uint64(low))


@kernel
def add_min(
    table: Words, floats: Floats, column: Number, slots: Rows, rows: Rows, values: Words, valid: Flags, signs: Array
) -> None:
    """One word: the smallest value; starts at the largest there is. Cannot retract."""
    stride = table.shape[1]
    places = slots.shape[0]
    for place in range(places):
        if place + AHEAD < places:
            prefetch(table, np.int64(slots[place + AHEAD]) * stride + column)
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        if (valid.shape[0] == 0 or valid[row]) and values[row] < table[slots[place], column]:
            table[slots[place], column] = values[row]


@kernel
def merge_min(
    table: Words, floats: Floats, column: Number, slots: Rows,
    other: Words, other_floats: Floats, other_column: Number, other_slots: Rows,
) -> None:  # fmt: skip
    """Keep the smaller value."""
    for place in range(slots.shape[0]):
        value = other[other_slots[place], other_column]
        if value < table[slots[place], column]:
            table[slots[place], column] = value


@kernel
def add_max(
    table: Words, floats: Floats, column: Number, slots: Rows, rows: Rows, values: Words, valid: Flags, signs: Array
) -> None:
    """One word: the largest value; starts at the smallest there is. Cannot retract."""
    stride = table.shape[1]
    places = slots.shape[0]
    for place in range(places):
        if place + AHEAD < places:
            prefetch(table, np.int64(slots[place + AHEAD]) * stride + column)
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        if (valid.shape[0] == 0 or valid[row]) and values[row] > table[slots[place], column]:
            table[slots[place], column] = values[row]


@kernel
def merge_max(
    table: Words, floats: Floats, column: Number, slots: Rows,
    other: Words, other_floats: Floats, other_column: Number, other_slots: Rows,
) -> None:  # fmt: skip
    """Keep the larger value."""
    for place in range(slots.shape[0]):
        value = other[other_slots[place], other_column]
        if value > table[slots[place], column]:
            table[slots[place], column] = value


@kernel
def gather_rows(table: Words, slots: Rows) -> Words:
    """All words of each slot: in a large table to fetch a row is dear, and to read more of it costs nothing."""
    stride = table.shape[1]
    places = slots.shape[0]
    taken = np.empty((places, stride), np.int64)
    for place in range(places):
        if place + AHEAD < places:
            ahead = np.int64(slots[place + AHEAD]) * stride
            prefetch(table, ahead)
            prefetch(table, ahead + stride - 1)
        slot = np.int64(slots[place])
        for column in range(stride):
            taken[place, column] = table[slot, column]
    return taken


@kernel
def gather(table: Words, column: Number, slots: Rows) -> Words:
    """One word of each slot."""
    taken = np.empty(slots.shape[0], np.int64)
    for place in range(slots.shape[0]):
        taken[place] = table[slots[place], column]
    return taken


@kernel
def gather_floats(floats: Floats, column: Number, slots: Rows) -> Floats:
    """One word of each slot, read as a float."""
    taken = np.empty(slots.shape[0], np.float64)
    for place in range(slots.shape[0]):
        taken[place] = floats[slots[place], column]
    return taken
