"""Keep the word of one row per slot: of the first, the last, or the one least in some order.

The kernels take the arguments of `penstock.kernels.accumulate`; `state` (the first word of each) is 0 before any
row, 1 if the kept value is one, 2 if it is null. None can retract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Flags, Floats, Number, Rows, Words

EMPTY, VALUE, NULL = 0, 1, 2


@kernel
def add_first(
    table: Words, floats: Floats, column: Number, slots: Rows, rows: Rows, values: Words, valid: Flags, signs: Array
) -> None:
    """Two words: state and the value of the first row that counts, by the order in which rows are given."""
    for place in range(slots.shape[0]):
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        slot = slots[place]
        if table[slot, column] == EMPTY and (valid.shape[0] == 0 or valid[row]):
            table[slot, column] = VALUE
            table[slot, column + 1] = values[row]


@kernel
def merge_first(
    table: Words, floats: Floats, column: Number, slots: Rows,
    other: Words, other_floats: Floats, other_column: Number, other_slots: Rows,
) -> None:  # fmt: skip
    """Keep what is there: what is merged into comes first."""
    for place in range(slots.shape[0]):
        slot = slots[place]
        if table[slot, column] == EMPTY:
            table[slot, column] = other[other_slots[place], other_column]
            table[slot, column + 1] = other[other_slots[place], other_column + 1]


@kernel
def add_last(
    table: Words, floats: Floats, column: Number, slots: Rows, rows: Rows, values: Words, valid: Flags, signs: Array
) -> None:
    """Two words: state and the value of the last row that counts, by the order in which rows are given."""
    for place in range(slots.shape[0]):
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        slot = slots[place]
        if valid.shape[0] == 0 or valid[row]:
            table[slot, column] = VALUE
            table[slot, column + 1] = values[row]


@kernel
def merge_last(
    table: Words, floats: Floats, column: Number, slots: Rows,
    other: Words, other_floats: Floats, other_column: Number, other_slots: Rows,
) -> None:  # fmt: skip
    """Take what is merged, if there is anything: it comes after what it is merged into."""
    for place in range(slots.shape[0]):
        slot = slots[place]
        source = other_slots[place]
        if other[source, other_column] != EMPTY:
            table[slot, column] = other[source, other_column]
            table[slot, column + 1] = other[source, other_column + 1]


@kernel
def add_least(
    table: Words,
    column: Number,
    slots: Rows,
    rows: Rows,
    orders: Words,
    values: Words,
    valid: Flags,
    wanted: Flags,
) -> None:
    """State, the order words, and the value of the row whose order words are least, compared from the left.

    The result does not depend on the order in which rows come, except among rows with equal order words, where
    the first stays: so give the position as the last of them. For the greatest instead of the least give ~order.

    Args:
        table: Rows of words.
        column: The column of the state.
        slots: The slot of each place.
        rows: The row of each place; empty: place p is row p.
        orders: Order words by row [n, k].
        values: The value by row.
        valid: By row, whether the value is not null; empty: none is null.
        wanted: By row, whether it competes at all (its order is not null); empty: all do.
    """
    width = orders.shape[1]
    for place in range(slots.shape[0]):
        row = np.int64(rows[place]) if rows.shape[0] > 0 else np.int64(place)
        if wanted.shape[0] > 0 and not wanted[row]:
            continue
        slot = slots[place]
        better = table[slot, column] == EMPTY
        if not better:
            word = 0
            while word < width and orders[row, word] == table[slot, column + 1 + word]:
                word += 1
            better = word < width and orders[row, word] < table[slot, column + 1 + word]
        if better:
            known = valid.shape[0] == 0 or valid[row]
            table[slot, column] = VALUE if known else NULL
            for word in range(width):
                table[slot, column + 1 + word] = orders[row, word]
            table[slot, column + 1 + width] = values[row] if known else 0


@kernel
def merge_least(
    table: Words, column: Number, slots: Rows, other: Words, other_column: Number, other_slots: Rows, width: Number
) -> None:
    """Keep the value whose `width` order words are less."""
    for place in range(slots.shape[0]):
        slot = slots[place]
        source = other_slots[place]
        if other[source, other_column] == EMPTY:
            continue
        better = table[slot, column] == EMPTY
        if not better:
            word = 1
            while word <= width and other[source, other_column + word] == table[slot, column + word]:
                word += 1
            better = word <= width and other[source, other_column + word] < table[slot, column + word]
        if better:
            for word in range(width + 2):
                table[slot, column + word] = other[source, other_column + word]


@kernel
def order_of_floats(values: Floats, bits: Words) -> Words:
    """Whole numbers in the order of floats: one zero, NaN greatest."""
    orders = np.empty(values.shape[0], np.int64)
    for row in range(values.shape[0]):
        if values[row] != values[row]:
            orders[row] = 0x7FFFFFFFFFFFFFFF
        elif values[row] == 0.0:
            orders[row] = 0
        elif bits[row] < 0:
            # Negative floats grow away from zero: turn all bits but the sign.
            orders[row] = bits[row] ^ 0x7FFFFFFFFFFFFFFF
        else:
            orders[row] = bits[row]
    return orders
