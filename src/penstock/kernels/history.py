"""The rows of keys in chains that are read from the newest back, so far as a count says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel

if TYPE_CHECKING:
    from penstock.kernels.arrays import Number, Rows, Words


@kernel
def read_back(table: Words, older: Number, newest: Words, counts: Words, slots: Rows) -> None:
    """The rows of chains, each chain from its oldest row to its newest.

    Args:
        table: The rows; column `older` has the slot of the row before.
        older: See `table`.
        newest: By chain, the slot of its newest row.
        counts: By chain, how many rows it has: what is behind them is not looked at.
        slots: Out: the rows of all chains, one chain after the other.
    """
    end = 0
    for chain in range(newest.shape[0]):
        end += counts[chain]
        slot = newest[chain]
        for back in range(counts[chain]):
            slots[end - 1 - back] = np.int32(slot)
            slot = table[slot, older]
