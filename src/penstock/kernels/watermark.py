"""The watermark of a split, row by row: what each row is tested against is what was known before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel
from penstock.kernels.arrays import frozen

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Flags, Number, Words

# Before any row, and after the last one. Both leave room for one step of arithmetic beside them.
NEVER = -(2**63) + 1
END = 2**63 - 1
MILLISECOND = 1000
# The first whole millisecond there is.
EARLIEST = -(2**63 // 1000) * 1000


BUCKETS = 512
"""How many counts `note_disorder` takes: 8 for each doubling of milliseconds."""


@kernel
def note_disorder(times: Words, before: Words, delay: Number, buckets: Words) -> tuple[Number, Number, Number]:
    """Count how far rows of one split are behind the greatest time before them.

    Args:
        times: Event times, in the order of the rows.
        before: The watermark before each row.
        delay: By how much it is behind the greatest time.
        buckets: Counts by milliseconds; from 16 ms on 8 buckets for each doubling. Added to.

    Returns:
        How many rows were behind; how many of them the watermark had reached; how far one was at most.
    """
    behind = late = greatest = 0
    for row in range(times.shape[0]):
        if before[row] <= NEVER:
            continue
        distance = before[row] - times[row] + delay
        if distance <= 0:
            continue
        behind += 1
        late += times[row] <= before[row]
        greatest = max(greatest, distance)
        length, shift = distance // MILLISECOND, 0
        while length >> shift >= 16:
            shift += 1
        buckets[8 * shift + (length >> shift)] += 1
    return behind, late, greatest


@kernel
def _advance(times: Words, valid: Flags, delay: Number, current: Number, before: Words) -> Number:
    checked = valid.shape[0] > 0
    lowest = NEVER + delay
    for row in range(times.shape[0]):
        before[row] = current
        if checked and not valid[row]:
            continue
        time = times[row]
        # Compiled arithmetic must not wrap around: an instant that early says nothing.
        # Flooring divides: only where the watermark may move.
        if time >= EARLIEST and time >= lowest and time - delay > current:
            floor = time - time % MILLISECOND
            if floor >= lowest:
                current = max(current, floor - delay)
    return current


def watermark_before(times: Words, delay: int, current: int, valid: Flags | None = None) -> tuple[Words, int]:
    """The watermark of one split before each of its rows, and after the last.

    The watermark after a row is the largest so far of: its time, floored to the millisecond, minus the delay.

    Args:
        times: Event times of rows of one split, in their order, int64 microseconds.
        delay: The bound of the disorder in microseconds, not negative.
        current: The watermark before the first row; `NEVER` if there was none.
        valid: Which rows have a time; all if not given. The others get the watermark and do not move it.
    """
    times = frozen(times, np.int64)
    flags: Array = frozen(np.empty(0, np.bool_) if valid is None else valid, np.bool_)
    before: Words = np.empty(len(times), np.int64)
    return before, int(_advance(times, flags, delay, current, before))
