"""Which rows can be among the first of their group: the rest need not be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Flags, Number, Rows, Words


@kernel
def let_enter(
    groups: Rows, words: Array, ties: Number, best: Words, counts: Rows, keep: Flags, turns: Words, turn: Number,
    entered: Rows,
) -> Number:  # fmt: skip
    """Mark rows that are among the first of their group once all have come, and note their words.

    Args:
        groups: By row, its group.
        words: By row, a word whose order is that of the rows, the first the least.
        ties: Whether rows of equal words are in the order in which they came.
        best: By group, the least words in ascending order, as many as there are places.
        counts: By group, how many there are.
        keep: Out: by row, whether it enters, and stays.
        turns: By group, the last turn in which one entered.
        turn: The turn.
        entered: Out: the groups into which one entered for the first time in this turn.

    Returns:
        How many these are.
    """
    most = best.shape[1]
    found = 0
    for row in range(groups.shape[0]):
        group, word = groups[row], words[row]
        place = np.int64(counts[group])
        if place == most:
            last = best[group, most - 1]
            if word > last or (ties and word == last):
                keep[row] = False
                continue
            place -= 1
        else:
            counts[group] += 1
        while place > 0 and best[group, place - 1] > word:
            best[group, place] = best[group, place - 1]
            place -= 1
        best[group, place] = word
        keep[row] = True
        if turns[group] != turn:
            turns[group] = turn
            entered[found] = group
            found += 1
    # Who enters and is gone before the step is over is never seen.
    for row in range(groups.shape[0]):
        group = groups[row]
        if keep[row] and counts[group] == most and words[row] > best[group, most - 1]:
            keep[row] = False
    return np.int64(found)
