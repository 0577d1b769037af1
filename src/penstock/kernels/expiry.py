"""Expiry of keys: which rows find their key, which begin it anew, and which keys of a bucket have expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Bytes, Flags, Number, Rows, Words

UNTOUCHED = -(1 << 62)
"""The last instant of a key that no row was admitted to, or of which it is not known."""
STOPPED = 1 << 62
"""The last instant of a key that has expired and that a row has found so: it waits for its removal."""

TAKEN, STALE, REFUSED = 0, 1, 2
"""Verdicts: the row counts; its key has expired before it; it takes back what is not there."""


@kernel
def admit(
    slots: Rows,
    rows: Rows,
    instants: Words,
    signs: Array,
    table: Words,
    last: Number,
    count: Number,
    ttl: Number,
    verdicts: Bytes,
    begun: Rows,
) -> tuple[Number, Number]:
    """Test rows one after the other against the last instant of their keys.

    Args:
        slots: A slot per place.
        rows: The row of each place; none = place p is row p.
        instants: By row, its instant.
        signs: By row +1 or -1; none = all are added.
        table: The rows of the slots.
        last: The column of the last instant.
        count: The column that counts the rows of a key, or -1 if there is none. It is counted here.
        ttl: How long keys are kept.
        verdicts: Out: one per place.
        begun: Out: slots that got their first row, some perhaps more than once.

    Returns:
        How many rows were not taken, and how many slots have begun.
    """
    selected = rows.shape[0] > 0
    left = 0
    first = 0
    for place in range(slots.shape[0]):
        slot = np.int64(slots[place])
        row = np.int64(rows[place]) if selected else np.int64(place)
        now = instants[row]
        before = table[slot, last]
        unknown = before == UNTOUCHED
        empty = table[slot, count] == 0 if count >= 0 else unknown
        if before == STOPPED or (not empty and not unknown and before + ttl <= now):
            table[slot, last] = STOPPED
            verdicts[place] = STALE
            left += 1
            continue
        sign = np.int64(signs[row]) if signs.shape[0] > 0 else np.int64(1)
        if sign < 0 and empty:
            verdicts[place] = REFUSED
            left += 1
            continue
        if count >= 0:
            table[slot, count] += sign
        table[slot, last] = now if empty else max(before, now)
        verdicts[place] = TAKEN
        if empty or unknown:
            begun[first] = slot
            first += 1
    return left, first


@kernel
def first_alive(
    slots: Rows, instants: Words, table: Words, last: Number, ttl: Number, first: Flags, begun: Rows
) -> Number:
    """Mark the rows that begin their keys: the first, and each that comes `ttl` or more after the one before it.

    Args:
        slots: By row, its slot.
        instants: By row, its instant.
        table: The rows of the slots.
        last: The column of the instant of the row that began the key.
        ttl: How long keys are kept after that.
        first: Out: by row, whether it begins its key.
        begun: Out: slots that were empty.

    Returns:
        How many slots were empty.
    """
    count = 0
    for row in range(slots.shape[0]):
        slot = np.int64(slots[row])
        before = table[slot, last]
        first[row] = before == UNTOUCHED or before + ttl <= instants[row]
        if before == UNTOUCHED:
            begun[count] = slots[row]
            count += 1
        if first[row]:
            table[slot, last] = instants[row]
    return count


@kernel
def sweep(
    slots: Rows,
    bucket: Number,
    now: Number,
    ttl: Number,
    table: Words,
    mark: Number,
    last: Number,
    gone: Rows,
    kept: Rows,
) -> tuple[Number, Number]:
    """Of the slots filed in a bucket, those that have expired and those that were touched since.

    Args:
        slots: What was filed; also slots that died since, or that are filed elsewhere now.
        bucket: The number of the bucket.
        now: How far time has come.
        ttl: How long keys are kept.
        table: The rows of the slots.
        mark: The column of the mark: negative if the slot is dead.
        last: The column of the last instant; behind it is the bucket in which the slot is filed.
        gone: Out: what has expired.
        kept: Out: what must be filed again.

    Returns:
        How many have expired, and how many must be filed again.
    """
    left = 0
    again = 0
    for place in range(slots.shape[0]):
        slot = np.int64(slots[place])
        if table[slot, mark] < 0 or table[slot, last + 1] != bucket:
            continue
        # Once is enough: a slot that was given to another key in this time is in the bucket twice.
        table[slot, last + 1] = -1
        if table[slot, last] + ttl <= now:
            gone[left] = slot
            left += 1
        else:
            kept[again] = slot
            again += 1
    return left, again
