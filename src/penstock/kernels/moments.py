"""A queue of slots by the moment at which something is to be done with them: a binary heap in two arrays.

An entry counts as long as its slot is queued for its moment; what has been put off is queued again when its turn
comes, so that a slot is moved in the queue only as often as its moment passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel

if TYPE_CHECKING:
    from penstock.kernels.arrays import Number, Rows, Words

NEVER = -(2**63) + 1


@kernel
def sift_up(moments: Words, slots: Rows, place: Number) -> None:
    """Move an entry up to where it belongs."""
    moment, slot = moments[place], slots[place]
    while place > 0:
        above = (place - 1) // 2
        if moments[above] <= moment:
            break
        moments[place] = moments[above]
        slots[place] = slots[above]
        place = above
    moments[place] = moment
    slots[place] = slot


@kernel
def sift_down(moments: Words, slots: Rows, count: Number) -> None:
    """Move the first entry down to where it belongs."""
    if count == 0:
        return
    moment, slot = moments[0], slots[0]
    place = np.int64(0)
    while True:
        below = 2 * place + 1
        if below >= count:
            break
        if below + 1 < count and moments[below + 1] < moments[below]:
            below += 1
        if moments[below] >= moment:
            break
        moments[place] = moments[below]
        slots[place] = slots[below]
        place = below
    moments[place] = moment
    slots[place] = slot


@kernel
def push(moments: Words, slots: Rows, count: Number, added: Words, added_slots: Rows, queued: Words) -> Number:
    """Queue slots for moments, unless one is queued for an earlier one already.

    Args:
        moments: The heap, with room for what is added.
        slots: Its slots.
        count: How many entries it has.
        added: The moments.
        added_slots: Their slots.
        queued: By slot, the moment for which it is queued; `NEVER` = it is not.

    Returns:
        How many entries it has then.
    """
    for place in range(added.shape[0]):
        slot, moment = added_slots[place], added[place]
        if queued[slot] != NEVER and queued[slot] <= moment:
            continue
        queued[slot] = moment
        moments[count] = moment
        slots[count] = slot
        sift_up(moments, slots, count)
        count += 1
    return count


@kernel
def pop(
    moments: Words, slots: Rows, count: Number, until: Number, wanted: Words, queued: Words, found: Rows
) -> tuple[Number, Number]:
    """Take out the slots whose moment has come.

    Args:
        moments: The heap.
        slots: Its slots.
        count: How many entries it has.
        until: The moment that has come.
        wanted: By slot, the moment at which it is wanted now: later, perhaps, than when it was queued.
        queued: By slot, the moment for which it is queued.
        found: Room for the slots, as many as there are entries.

    Returns:
        How many entries it has then, and how many slots were found.
    """
    taken = 0
    while count > 0 and moments[0] <= until:
        moment, slot = moments[0], slots[0]
        count -= 1
        moments[0], slots[0] = moments[count], slots[count]
        sift_down(moments, slots, count)
        if queued[slot] != moment:
            continue
        if wanted[slot] > moment:
            queued[slot] = wanted[slot]
            moments[count] = wanted[slot]
            slots[count] = slot
            sift_up(moments, slots, count)
            count += 1
            continue
        queued[slot] = NEVER
        found[taken] = slot
        taken += 1
    return count, taken
