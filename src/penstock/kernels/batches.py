"""Rows of keys cut into windows of so many rows or so much time, whichever is reached first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Number, Rows, Words

NUMBER, START, ROWS = 0, 1, 2
"""Words of a key: the number of its window, when that began, and how many rows it has; none = there is no window."""


@kernel
def cut_windows(
    table: Words,
    first: Number,
    slots: Rows,
    times: Words,
    most: Number,
    size: Number,
    numbers: Words,
    starts: Words,
    full: Array,
) -> None:
    """Put rows into the windows of their keys, one after the other.

    Args:
        table: The keys; their words begin at column `first`.
        first: See `table`.
        slots: By row, the slot of its key.
        times: By row, its instant; those of a key ascend.
        most: How many rows fill a window.
        size: For how long a window takes rows.
        numbers: Out: by row, the number of its window among those of its key.
        starts: Out: by row, when its window began.
        full: Out: by row, whether it fills its window.
    """
    for row in range(slots.shape[0]):
        slot = np.int64(slots[row])
        if table[slot, first + ROWS] == 0 or times[row] >= table[slot, first + START] + size:
            table[slot, first + NUMBER] += 1
            table[slot, first + START] = times[row]
            table[slot, first + ROWS] = 0
        table[slot, first + ROWS] += 1
        numbers[row] = table[slot, first + NUMBER]
        starts[row] = table[slot, first + START]
        full[row] = table[slot, first + ROWS] == most
        if full[row]:
            table[slot, first + ROWS] = 0
