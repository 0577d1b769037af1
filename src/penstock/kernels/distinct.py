"""First rows of keys within a span of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.kernels._jit import kernel

if TYPE_CHECKING:
    from penstock.kernels.arrays import Flags, Number, Rows, Words

NOTHING = -(2**63)
"""The time of a slot of which no row was sent."""


@kernel
def mark_first(
    slots: Rows, below: Rows, above: Rows, times: Words, within: Number, table: Words, column: Number, first: Flags
) -> None:
    """Mark the rows that no row sent before them is near to, and note their times.

    A slot stands for a key and a piece of time `within` long: two rows of one slot are always near.

    Args:
        slots: By row, its slot.
        below: The slot of its key and the piece of time before, or -1.
        above: The slot of its key and the piece of time after, or -1.
        times: By row, its instant.
        within: How near two rows of a key may not be.
        table: The slots; column `column` has the time of the row that was sent, or `NOTHING`.
        column: See `table`.
        first: Out: by row, whether it is sent.
    """
    for row in range(slots.shape[0]):
        near = table[slots[row], column] != NOTHING
        if not near and below[row] >= 0:
            other = table[below[row], column]
            near = other != NOTHING and times[row] - other < within
        if not near and above[row] >= 0:
            other = table[above[row], column]
            near = other != NOTHING and other - times[row] < within
        first[row] = not near
        if not near:
            table[slots[row], column] = times[row]
