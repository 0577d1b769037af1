"""The hash index of an arrangement: find or insert keys, delete them, grow one key group.

Layout. A table has one row of 8-byte words per slot:

    [key words: K] [heap offsets: T] [mark] [accumulators: W]

A text takes two key words, as in a string view of Arrow: the length and the first four bytes, then the
other eight bytes if it has at most 12, else a hash of the whole; the bytes of such a long text are in
the heap, at the offset in the row. So rows with equal key words are equal keys, except that long texts
are compared byte by byte. The mark is the last step that touched the slot; ~step once it was deleted.

Each key group has a region of `entries`, a power of two, with linear probing. An entry is a tag (the upper
32 bits) and the slot plus one; zero is empty. A region is addressed by tag bits, so growing and deleting
never look at keys, and deletion shifts entries back instead of leaving tombstones. `header` holds the
counters and, per group, start, mask, number used and limit of its region. A group without a region has
the limit zero and points at an entry that is never filled.

A call works in blocks: first a small cache of recent keys answers, for the others hash and prefetch;
then probe, in row order. Loops are flat on purpose: a helper that takes arrays costs four times as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel
from penstock.kernels.hashing import GROUPS, group_of_hash, mix_word, tag_of_hash, tag_word
from penstock.kernels.intrinsics import prefetch

if TYPE_CHECKING:
    from penstock.kernels.arrays import Entries, Number, Rows, Words

# Places in the header.
LIVE = 0
NEXT_SLOT = 1
FREE_HEAD = 2
FREE_TAIL = 3
ENTRIES_TAIL = 4
HEAP_TAIL = 5
EPOCH_COUNT = 6
EPOCH_START = 7
MOVED = 8
SEED = 9
SPREAD = 10
TOUCHES = 11
NEEDS = 12
HEAP_GARBAGE = 13
VACANT = 16
REGIONS = 64
HEADER = REGIONS + 4 * GROUPS

# What a call that returned early needs.
NOTHING = 0
MORE_SLOTS = 1
MORE_ENTRIES = 2
MORE_HEAP = 3

FIRST_REGION = 16
FIRST_ENTRY = 16
BLOCK = 128
CACHE_BITS = 10
CACHE_SIZE = 1 << CACHE_BITS
LOW_HALF = 0xFFFFFFFF


@kernel
def room_of(size: Number, group: Number) -> Number:
    """How many keys a region of a key group takes before it grows: half to three quarters of its size.

    All groups are about equally full. That each has another limit keeps them from growing in the same step.
    """
    return size // 2 + size * (group & (GROUPS - 1)) // (4 * GROUPS)


@kernel
def grow_region(entries: Entries, header: Words, group: Number) -> Number:
    """Double the region of a key group; False if `entries` has no room for it."""
    region = REGIONS + 4 * group
    old_start = header[region]
    old_size = header[region + 1] + 1 if header[region + 3] > 0 else 0
    new_size = max(FIRST_REGION, 2 * old_size)
    rank = 0
    while (1 << rank) < new_size:
        rank += 1
    new_start = header[VACANT + rank]
    if new_start > 0:
        # A region that another group left: its first entry holds the next vacant one of that size.
        header[VACANT + rank] = np.int64(entries[new_start])
        entries[new_start] = np.uint64(0)
    else:
        new_start = header[ENTRIES_TAIL]
        if new_start + new_size > entries.shape[0]:
            header[NEEDS] = MORE_ENTRIES
            return False
        header[ENTRIES_TAIL] = new_start + new_size
    mask = new_size - 1
    for position in range(old_start, old_start + old_size):
        entry = entries[position]
        if entry != np.uint64(0):
            entries[position] = np.uint64(0)
            place = np.int64(entry >> np.uint64(32)) & mask
            while entries[new_start + place] != np.uint64(0):
                place = (place + 1) & mask
            entries[new_start + place] = entry
    if old_size > 0:
        entries[old_start] = np.uint64(header[VACANT + rank - 1])
        header[VACANT + rank - 1] = old_start
    header[region] = new_start
    header[region + 1] = mask
    header[region + 3] = room_of(new_size, group)
    header[MOVED] += old_size
    return True


@kernel
def prefetch_rows(table: Words, entries: Entries, header: Words, pending: Words, tags: Entries, count: int) -> None:
    """For each pending row, ask for the table row that its first index entry names."""
    width = table.shape[1]
    for place in range(count):
        region = REGIONS + 4 * (pending[place] & 0xFF)
        tag = np.int64(tags[place])
        entry = entries[header[region] + (tag & header[region + 1])] & np.uint64(LOW_HALF)
        if entry != np.uint64(0):
            first = (np.int64(entry) - 1) * width
            prefetch(table, first)
            prefetch(table, first + width - 1)


@kernel
def remove(
    slots: Rows,
    step: Number,
    key_width: Number,
    mark: Number,
    table: Words,
    entries: Entries,
    header: Words,
    queues: Rows,
) -> Number:
    """Delete live slots: take them out of the index, mark them, queue them for use again.

    Returns:
        The number of slots done; less than given if a slot was not live, which stops the call there.
    """
    seed = np.uint64(header[SEED])
    homes = np.empty(BLOCK, np.int64)
    groups = np.empty(BLOCK, np.int64)
    for done in range(slots.shape[0]):
        ahead = done % BLOCK
        if ahead == 0:
            # Hash a block, and ask for its index entries.
            for place in range(min(BLOCK, slots.shape[0] - done)):
                slot = np.int64(slots[done + place])
                if slot < 0 or slot >= header[NEXT_SLOT]:
                    break
                state = np.uint64(0)
                tagging = seed
                for column in range(key_width):
                    word = np.uint64(table[slot, column])
                    state = mix_word(state, word)
                    tagging = tag_word(tagging, word)
                region = REGIONS + 4 * group_of_hash(state)
                homes[place] = (np.int64(tag_of_hash(tagging)) & header[SPREAD]) & header[region + 1]
                groups[place] = region
                prefetch(entries, header[region] + homes[place])
        slot = np.int64(slots[done])
        if slot < 0 or slot >= header[NEXT_SLOT] or table[slot, mark] < 0:
            return done
        region = groups[ahead]
        start = header[region]
        mask = header[region + 1]
        hole = homes[ahead]
        while np.int64(entries[start + hole] & np.uint64(LOW_HALF)) != slot + 1:
            hole = (hole + 1) & mask
        # Shift back what a probe would no longer reach over the hole.
        place = (hole + 1) & mask
        while entries[start + place] != np.uint64(0):
            home = np.int64(entries[start + place] >> np.uint64(32)) & mask
            if ((place - home) & mask) >= ((place - hole) & mask):
                entries[start + hole] = entries[start + place]
                hole = place
            place = (place + 1) & mask
        entries[start + hole] = np.uint64(0)
        header[region + 2] -= 1
        if table[slot, mark] < header[EPOCH_START]:
            queues[header[EPOCH_COUNT], 1] = slot
            header[EPOCH_COUNT] += 1
        table[slot, mark] = ~step
        queues[header[FREE_TAIL] % queues.shape[0], 0] = slot
        header[FREE_TAIL] += 1
        header[LIVE] -= 1
    return slots.shape[0]


def lay_out_regions(counts: Words, header: Words) -> int:
    """Give each key group an empty region with room for so many keys; how many entries they take in all.

    Args:
        counts: By key group, how many keys are to come.
        header: Counters and regions; all old regions are forgotten.
    """
    header[VACANT : REGIONS + 4 * GROUPS] = 0
    tail = FIRST_ENTRY
    for group, count in enumerate(counts.tolist()):
        size = FIRST_REGION
        while count > room_of(size, group):
            size *= 2
        if count > 0:
            region = REGIONS + 4 * group
            header[region : region + 4] = tail, size - 1, 0, room_of(size, group)
            tail += size
    header[ENTRIES_TAIL] = tail
    return tail


@kernel
def hash_slots(
    key_width: Number, mark: Number, table: Words, header: Words, entries: Entries, groups: Rows, counts: Words
) -> None:
    """Make index entries of all slots below `NEXT_SLOT`, and find the step behind the last one that touched them.

    Args:
        key_width: How many words a key has.
        mark: The column of the mark.
        table: The rows.
        header: Counters; `LIVE` and `EPOCH_START` are set.
        entries: Becomes the entry of each live slot.
        groups: Becomes the key group of each live slot, -1 for dead ones.
        counts: By key group, how many live slots it has: zero before.
    """
    seed = np.uint64(header[SEED])
    spread = np.uint64(header[SPREAD])
    last = np.int64(-1)
    live = 0
    for slot in range(header[NEXT_SLOT]):
        step = table[slot, mark]
        if step < 0:
            last = max(last, ~step)
            groups[slot] = -1
            continue
        last = max(last, step)
        live += 1
        state = np.uint64(0)
        tagging = seed
        for column in range(key_width):
            word = np.uint64(table[slot, column])
            state = mix_word(state, word)
            tagging = tag_word(tagging, word)
        group = group_of_hash(state)
        entries[slot] = ((tag_of_hash(tagging) & spread) << np.uint64(32)) | np.uint64(slot + 1)
        groups[slot] = group
        counts[group] += 1
    header[LIVE] = live
    header[EPOCH_START] = last + 1


@kernel
def place_entries(made: Entries, groups: Rows, ends: Words, sorted_: Entries, entries: Entries, header: Words) -> None:
    """Put entries into the index; the regions of their key groups are empty and have room for them.

    They are sorted by group first: a region stays in the cache while it is filled, and tables are read in their order.

    Args:
        made: The entries, by slot.
        groups: The key group of each, -1 for those to leave out.
        ends: By key group, where its entries begin in `sorted_`; becomes where they end.
        sorted_: Room for all entries.
        entries: The index.
        header: Counters and regions.
    """
    for slot in range(groups.shape[0]):
        group = groups[slot]
        if group >= 0:
            sorted_[ends[group]] = made[slot]
            ends[group] += 1
    low = np.int64(0)
    for group in range(GROUPS):
        region = REGIONS + 4 * group
        start = header[region]
        mask = header[region + 1]
        for place in range(low, ends[group]):
            entry = sorted_[place]
            position = np.int64(entry >> np.uint64(32)) & mask
            while entries[start + position] != np.uint64(0):
                position = (position + 1) & mask
            entries[start + position] = entry
        header[region + 2] += ends[group] - low
        low = ends[group]


@kernel
def touch_slots(slots: Rows, step: Number, mark: Number, table: Words, header: Words, queues: Rows) -> None:
    """Mark live slots as touched in a step: the epoch lists them."""
    for place in range(slots.shape[0]):
        slot = np.int64(slots[place])
        if table[slot, mark] < header[EPOCH_START]:
            queues[header[EPOCH_COUNT], 1] = slot
            header[EPOCH_COUNT] += 1
        table[slot, mark] = step


@kernel
def claim_slot(step: Number, mark: Number, table: Words, header: Words, queues: Rows, initial: Words) -> Number:
    """Take a free or fresh slot and set its mark and accumulators; -1 if the table is full."""
    slot = np.int64(-1)
    head = header[FREE_HEAD]
    listed = False
    if head < header[FREE_TAIL]:
        slot = np.int64(queues[head % queues.shape[0], 0])
        header[FREE_HEAD] = head + 1
        # It is listed already if it died in this epoch.
        listed = ~table[slot, mark] >= header[EPOCH_START]
    else:
        slot = header[NEXT_SLOT]
        if slot >= table.shape[0]:
            header[NEEDS] = MORE_SLOTS
            return -1
        header[NEXT_SLOT] = slot + 1
    if not listed:
        queues[header[EPOCH_COUNT], 1] = slot
        header[EPOCH_COUNT] += 1
    header[LIVE] += 1
    table[slot, mark] = step
    for column in range(initial.shape[0]):
        table[slot, mark + 1 + column] = initial[column]
    return slot


@kernel
def clear_index(entries: Entries, header: Words) -> None:
    """Empty the region of every key group, and keep its size."""
    for group in range(GROUPS):
        region = REGIONS + 4 * group
        if header[region + 2] > 0:
            for position in range(header[region], header[region] + header[region + 1] + 1):
                entries[position] = np.uint64(0)
            header[region + 2] = 0
