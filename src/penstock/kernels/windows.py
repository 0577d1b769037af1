"""Give each row its pane, and tell whether it is late for the windows of the pane.

A pane is the piece of time that all its windows share: a window is a run of whole panes. A row is late for a
window if `end - 1 ms + allowed <= watermark before the row`. All rows of a pane are in the same windows, of
which only the first to end and the last to end decide the status.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel, scalar
from penstock.kernels.arrays import frozen

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Bytes, Number, Words

# Late for none of its windows; for some; for all; in no window, because the slide is larger than the size.
ON_TIME, LATE_FOR_SOME, LATE_FOR_ALL, IN_NO_WINDOW = 0, 1, 2, 3
STATUSES = 4

MILLISECOND = 1000
EXACT = 1 << 52


@scalar
def floor_divide(value: Number, width: Number, inverse: Number) -> Number:
    """`value // width`, by a multiplication where floats are exact enough to be off by one at most."""
    if value > EXACT or value < -EXACT:
        return value // width
    quotient = np.int64(np.floor(value * inverse))
    rest = value - quotient * width
    if rest < 0:
        quotient -= 1
    elif rest >= width:
        quotient += 1
    return quotient


@scalar
def status_of(first_end: Number, last_end: Number, allowed: Number, watermark: Number) -> Number:
    """The status of a row whose windows end from `first_end` to `last_end`."""
    test = watermark - (allowed - MILLISECOND)
    return np.int64(first_end <= test) + np.int64(last_end <= test)


@kernel
def _assign_hopping(
    times: Words, watermarks: Words, size: Number, slide: Number, offset: Number, width: Number, allowed: Number,
    panes: Words, statuses: Bytes, counts: Words,
) -> None:  # fmt: skip
    pane_inverse = 1.0 / width
    slide_inverse = 1.0 / slide
    whole = size // slide
    part = size % slide
    tested = watermarks.shape[0] > 0
    some = 0
    late = 0
    outside = 0
    for row in range(times.shape[0]):
        since = times[row] - offset
        pane = floor_divide(since, width, pane_inverse)
        panes[row] = pane
        last = pane if width == slide else floor_divide(since, slide, slide_inverse)
        first = last - whole + np.int64(since - last * slide >= part)
        status = np.int64(ON_TIME)
        if first > last:
            status = np.int64(IN_NO_WINDOW)
            outside += 1
        elif tested:
            end = size + offset
            status = status_of(first * slide + end, last * slide + end, allowed, watermarks[row])
            some += status == LATE_FOR_SOME
            late += status == LATE_FOR_ALL
        statuses[row] = status
    _keep_counts(counts, times.shape[0], some, late, outside)


@kernel
def _assign_cumulative(
    times: Words, watermarks: Words, size: Number, step: Number, offset: Number, allowed: Number,
    panes: Words, statuses: Bytes, counts: Words,
) -> None:  # fmt: skip
    step_inverse = 1.0 / step
    size_inverse = 1.0 / size
    tested = watermarks.shape[0] > 0
    some = 0
    late = 0
    for row in range(times.shape[0]):
        since = times[row] - offset
        pane = floor_divide(since, step, step_inverse)
        panes[row] = pane
        status = np.int64(ON_TIME)
        if tested:
            last_end = (floor_divide(since, size, size_inverse) + 1) * size + offset
            status = status_of((pane + 1) * step + offset, last_end, allowed, watermarks[row])
            some += status == LATE_FOR_SOME
            late += status == LATE_FOR_ALL
        statuses[row] = status
    _keep_counts(counts, times.shape[0], some, late, 0)


@kernel
def _keep_counts(counts: Words, rows: Number, some: Number, late: Number, outside: Number) -> None:
    counts[ON_TIME] = rows - some - late - outside
    counts[LATE_FOR_SOME] = some
    counts[LATE_FOR_ALL] = late
    counts[IN_NO_WINDOW] = outside


@kernel
def _assign_between(
    times: Words, watermarks: Words, boundaries: Words, first_ends: Words, last_ends: Words, allowed: Number,
    panes: Words, statuses: Bytes, counts: Words,
) -> Number:  # fmt: skip
    tested = watermarks.shape[0] > 0
    ends = boundaries.shape[0] - 1
    pane = 0
    for row in range(times.shape[0]):
        time = times[row]
        if time < boundaries[0] or time >= boundaries[ends]:
            return row
        if time < boundaries[pane] or time >= boundaries[pane + 1]:
            low = 0
            high = ends
            while high - low > 1:
                middle = (low + high) // 2
                if boundaries[middle] <= time:
                    low = middle
                else:
                    high = middle
            pane = low
        panes[row] = pane
        status = np.int64(ON_TIME)
        if last_ends[pane] < boundaries[pane]:
            status = np.int64(IN_NO_WINDOW)
        elif tested:
            status = status_of(first_ends[pane], last_ends[pane], allowed, watermarks[row])
        statuses[row] = status
        counts[status] += 1
    return times.shape[0]


def pane_width(size: int, slide: int) -> int:
    """The width of the panes of hopping windows: the largest that both size and slide are multiples of."""
    return gcd(size, slide)


def assign_hopping(
    times: Words, watermarks: Words | None, size: int, slide: int, offset: int = 0, allowed: int = 0
) -> tuple[Words, Bytes, Words]:
    """Panes and statuses of rows under hopping windows; tumbling if size and slide are equal.

    Window k is [k * slide + offset, k * slide + offset + size); pane p is [p * w + offset, (p + 1) * w + offset)
    with w = `pane_width(size, slide)`. All numbers are microseconds.

    Args:
        times: Event times.
        watermarks: The watermark before each row (`watermark_before`); nothing is late if not given.
        size: The length of a window.
        slide: The distance between starts of windows.
        offset: Moves all windows.
        allowed: The allowed lateness.

    Returns:
        The pane of each row, its status, and how many rows have each status.
    """
    panes, statuses, counts, before = _outputs(times, watermarks)
    width = pane_width(size, slide)
    _assign_hopping(frozen(times, np.int64), before, size, slide, offset, width, allowed, panes, statuses, counts)
    return panes, statuses, counts


def assign_cumulative(
    times: Words, watermarks: Words | None, size: int, step: int, offset: int = 0, allowed: int = 0
) -> tuple[Words, Bytes, Words]:
    """Panes and statuses of rows under cumulative windows: from a start, ever longer by a step, up to the size.

    Pane p is [p * step + offset, (p + 1) * step + offset); the windows of a row end at the end of its pane, and
    at each step after it until the next multiple of the size.

    Args:
        times: Event times in microseconds.
        watermarks: The watermark before each row; nothing is late if not given.
        size: The length of the longest window, a multiple of the step.
        step: How much longer each window is than the one before.
        offset: Moves all windows.
        allowed: The allowed lateness.

    Returns:
        As `assign_hopping`.
    """
    panes, statuses, counts, before = _outputs(times, watermarks)
    _assign_cumulative(frozen(times, np.int64), before, size, step, offset, allowed, panes, statuses, counts)
    return panes, statuses, counts


def assign_between(
    times: Words, watermarks: Words | None, boundaries: Words, first_ends: Words, last_ends: Words, allowed: int = 0
) -> tuple[Words, Bytes, Words]:
    """Panes and statuses of rows where panes do not have one width, such as local days.

    Args:
        times: Event times in microseconds.
        watermarks: The watermark before each row; nothing is late if not given.
        boundaries: Where panes begin, ascending; pane p is [boundaries[p], boundaries[p + 1]).
        first_ends: For each pane the end of the first of its windows to end.
        last_ends: For each pane the end of the last of its windows; smaller than its start if it is in none.
        allowed: The allowed lateness.

    Returns:
        As `assign_hopping`; panes are numbers of boundaries.

    Raises:
        ValueError: A row is not between the boundaries; the caller has to have made enough of them.
    """
    panes, statuses, counts, before = _outputs(times, watermarks)
    times = frozen(times, np.int64)
    ends = [frozen(array, np.int64) for array in (boundaries, first_ends, last_ends)]
    done = _assign_between(times, before, ends[0], ends[1], ends[2], allowed, panes, statuses, counts)
    if done < len(times):
        raise ValueError(f"time {int(times[done])} is outside of {int(boundaries[0])} to {int(boundaries[-1])}")
    return panes, statuses, counts


def _outputs(times: Words, watermarks: Words | None) -> tuple[Words, Bytes, Words, Array]:
    rows = len(times)
    before: Array = frozen(np.empty(0, np.int64) if watermarks is None else watermarks, np.int64)
    return np.empty(rows, np.int64), np.empty(rows, np.uint8), np.zeros(STATUSES, np.int64), before
