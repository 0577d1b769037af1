"""Rows of a key as versions: which one counts at an instant, and which count no more.

The chains are those of `penstock.kernels.chains`, in order of (instant, place).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.kernels._jit import kernel
from penstock.kernels.chains import NEWER, OLDEST

if TYPE_CHECKING:
    from penstock.kernels.arrays import Number, Rows, Words


@kernel
def find_versions(
    keys: Words, key: Number, cursor: Number, rows: Words, row: Number, time: Number, slots: Rows, times: Words,
    before: Rows, after: Rows,
) -> None:  # fmt: skip
    """For each probe the last version at or before its instant, and the first one from it on.

    Of versions of one instant the last one counts. A key remembers how far its probes have come, so that each version
    is passed once, whatever the number of probes.

    Args:
        keys: The table of keys.
        key: The column of their first accumulator.
        cursor: A column of a key that is used here and means nothing to anybody else.
        rows: The table of versions.
        row: The column of their first accumulator.
        time: The column of their instant.
        slots: By probe, the slot of its key, or -1.
        times: By probe, its instant; of a key, ascending.
        before: Out: the version at or before, or -1.
        after: Out: the version from the instant on, or -1; if it has no place, it is not looked for.
    """
    for number in range(slots.shape[0]):
        if slots[number] >= 0:
            keys[slots[number], cursor] = -1
    for number in range(slots.shape[0]):
        owner = slots[number]
        before[number] = -1
        if number < after.shape[0]:
            after[number] = -1
        if owner < 0:
            continue
        at = times[number]
        last = keys[owner, cursor]
        coming = keys[owner, key + OLDEST] if last < 0 else rows[last, row + NEWER]
        while coming >= 0 and rows[coming, time] <= at:
            last = coming
            coming = rows[coming, row + NEWER]
        keys[owner, cursor] = last
        before[number] = last
        if number < after.shape[0]:
            if last >= 0 and rows[last, time] == at:
                coming = last
            elif coming >= 0:
                first = rows[coming, time]
                following = rows[coming, row + NEWER]
                while following >= 0 and rows[following, time] == first:
                    coming = following
                    following = rows[coming, row + NEWER]
            after[number] = coming


@kernel
def outdated_versions(
    keys: Words, key: Number, rows: Words, row: Number, time: Number, kept: Number, gone: Number, slots: Rows,
    until: Number, over: Rows,
) -> Number:  # fmt: skip
    """Which versions before an instant count no more, since another one has come before it: all but one per key.

    Args:
        keys: The table of keys.
        key: The column of their first accumulator.
        rows: The table of versions.
        row: The column of their first accumulator.
        time: The column of their instant.
        kept: The column that says whether a version was the last one before an earlier instant.
        gone: The column that says whether a version is a delete: nothing counts then; -1 if none can be.
        slots: The versions that have come to be before the instant since the last call. After a restart those that
            were kept then may be among them.
        until: The instant.
        over: Filled with the versions that count no more, each once; as long as there may be of them.

    Returns:
        How many these are.
    """
    count = 0
    for number in range(slots.shape[0]):
        entry = slots[number]
        newer = rows[entry, row + NEWER]
        if newer >= 0 and rows[newer, time] < until:
            if rows[entry, kept] == 0:
                over[count] = entry
                count += 1
            continue
        older = keys[rows[entry, 0], key + OLDEST]
        while older != entry:
            if rows[older, kept] != 0 and count < over.shape[0]:
                over[count] = older
                count += 1
            older = rows[older, row + NEWER]
        if gone >= 0 and rows[entry, gone] != 0:
            over[count] = entry
            count += 1
        else:
            rows[entry, kept] = 1
    return count
