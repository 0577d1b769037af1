"""Take back what was merged: the exact inverses of merging counts and whole sums; and keep slots in key order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel

if TYPE_CHECKING:
    from penstock.kernels.arrays import Number, Rows, Words


@kernel
def unmerge_count(
    table: Words, column: Number, slots: Rows, other: Words, other_column: Number, other_slots: Rows
) -> None:
    """Subtract counts."""
    for place in range(slots.shape[0]):
        table[slots[place], column] -= other[other_slots[place], other_column]


@kernel
def unmerge_sum(
    table: Words, column: Number, slots: Rows, other: Words, other_column: Number, other_slots: Rows
) -> None:
    """Subtract sums of 128 bits."""
    for place in range(slots.shape[0]):
        slot, other_slot = slots[place], other_slots[place]
        low, less = np.uint64(table[slot, column]), np.uint64(other[other_slot, other_column])
        table[slot, column] = np.int64(low - less)
        table[slot, column + 1] -= other[other_slot, other_column + 1] + np.int64(low < less)


@kernel
def merge_order(order: Rows, dead: Rows, added: Rows, table: Words, merged: Rows) -> Number:
    """Slots in order of their keys' first word: those of `order` that are not dead, and the added ones.

    Args:
        order: Slots in key order.
        dead: By slot, whether it is to be left out (1) or not (0).
        added: Further slots in key order.
        table: The rows of the slots; word 0 is the key.
        merged: Where the slots go; as long as both together.

    Returns:
        How many slots there are.
    """
    at, taken = 0, 0
    for place in range(order.shape[0]):
        slot = order[place]
        if dead[slot]:
            continue
        key = table[slot, 0]
        while taken < added.shape[0] and table[added[taken], 0] < key:
            merged[at] = added[taken]
            at += 1
            taken += 1
        merged[at] = slot
        at += 1
    while taken < added.shape[0]:
        merged[at] = added[taken]
        at += 1
        taken += 1
    return at
