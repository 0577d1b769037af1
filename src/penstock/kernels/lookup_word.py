"""Find or insert keys of one 8-byte word: the fast flavour of `lookup_words`. The layout is in `index`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel
from penstock.kernels.hashing import GOLDEN, group_of_hash, mix_word, tag_of_hash, tag_word
from penstock.kernels.index import (
    BLOCK,
    EPOCH_COUNT,
    EPOCH_START,
    LOW_HALF,
    MORE_ENTRIES,
    NEEDS,
    NOTHING,
    REGIONS,
    SEED,
    SPREAD,
    TOUCHES,
    claim_slot,
    grow_region,
    prefetch_rows,
)
from penstock.kernels.intrinsics import prefetch

if TYPE_CHECKING:
    from penstock.kernels.arrays import Entries, Number, Rows, Words


@kernel
def hash_word_block(
    words: Words,
    rows: Rows,
    start: Number,
    stop: Number,
    warm: Number,
    bits: Number,
    slots: Rows,
    entries: Entries,
    header: Words,
    cache: Words,
    pending: Words,
    tags: Entries,
) -> Number:
    """Answer a block of rows from the cache; hash the others and ask for their index entries."""
    selected = rows.shape[0] > 0
    seed = np.uint64(header[SEED])
    spread = np.uint64(header[SPREAD])
    shift = np.uint64(64 - bits)
    count = 0
    for place in range(start, stop):
        row = np.int64(rows[place]) if selected else np.int64(place)
        key = words[row, 0]
        cached = np.int64((np.uint64(key) * np.uint64(GOLDEN)) >> shift)
        if cache[cached, 0] == key and cache[cached, 1] >= 0:
            slots[place] = cache[cached, 1]
            continue
        group = group_of_hash(mix_word(np.uint64(0), np.uint64(key)))
        tag = tag_of_hash(tag_word(seed, np.uint64(key))) & spread
        pending[count] = (place << 8) | group
        tags[count] = tag
        count += 1
        if warm:
            region = REGIONS + 4 * group
            prefetch(entries, header[region] + (np.int64(tag) & header[region + 1]))
    return count


@kernel
def probe_word_block(
    words: Words,
    rows: Rows,
    step: Number,
    bits: Number,
    slots: Rows,
    touches: Rows,
    table: Words,
    entries: Entries,
    header: Words,
    queues: Rows,
    initial: Words,
    cache: Words,
    pending: Words,
    tags: Entries,
    count: Number,
) -> Number:
    """Probe for the pending rows, in order; insert if `step` is not negative. Returns how many were done."""
    selected = rows.shape[0] > 0
    shift = np.uint64(64 - bits)
    epoch = header[EPOCH_START]
    for number in range(count):
        place = pending[number] >> 8
        region = REGIONS + 4 * (pending[number] & 0xFF)
        row = np.int64(rows[place]) if selected else place
        key = words[row, 0]
        tag = tags[number]
        start = header[region]
        mask = header[region + 1]
        position = np.int64(tag) & mask
        entry = entries[start + position]
        slot = np.int64(-1)
        while entry != np.uint64(0):
            if entry >> np.uint64(32) == tag:
                candidate = np.int64(entry & np.uint64(LOW_HALF)) - 1
                if table[candidate, 0] == key:
                    slot = candidate
                    break
            position = (position + 1) & mask
            entry = entries[start + position]
        new = slot < 0
        if new and step >= 0:
            if header[region + 2] >= header[region + 3]:
                header[NEEDS] = MORE_ENTRIES
                return number
            slot = claim_slot(step, 1, table, header, queues, initial)
            if slot < 0:
                return number
            table[slot, 0] = key
            entries[start + position] = (tag << np.uint64(32)) | np.uint64(slot + 1)
            header[region + 2] += 1
        if step >= 0 and (new or table[slot, 1] != step):
            if not new and table[slot, 1] < epoch:
                queues[header[EPOCH_COUNT], 1] = slot
                header[EPOCH_COUNT] += 1
            table[slot, 1] = step
            touch = header[TOUCHES]
            header[TOUCHES] = touch + 1
            touches[0, touch] = slot
            touches[1, touch] = row
            touches[2, touch] = new
        slots[place] = slot
        if slot >= 0:
            cached = np.int64((np.uint64(key) * np.uint64(GOLDEN)) >> shift)
            cache[cached, 0] = key
            cache[cached, 1] = slot
    return count


@kernel
def lookup_word(
    words: Words,
    rows: Rows,
    start: Number,
    step: Number,
    warm: Number,
    bits: Number,
    slots: Rows,
    touches: Rows,
    table: Words,
    entries: Entries,
    header: Words,
    queues: Rows,
    initial: Words,
    cache: Words,
    pending: Words,
    tags: Entries,
) -> Number:
    """Find the slot of each row's key; insert what is missing if `step` is not negative.

    Args:
        words: the keys [n, 1].
        rows: the rows to look up, in this order; none means all.
        start: the place to go on at after an early return; 0 in the first call.
        step: the number of the step, or -1 to find only.
        warm: whether to prefetch: worth it once the index does not fit the cache.
        bits: the size of the cache of recent keys, as a power of two.
        slots: out, one per place; -1 for a key that is not there.
        touches: out [3, n]: slot, row and whether new, of each slot touched first in this step by this call.
        table: the rows of the slots.
        entries: the index.
        header: counters and regions.
        queues: free slots [:, 0], and slots touched in this epoch [:, 1].
        initial: the accumulators of a new slot.
        cache: scratch [at least 2**bits, 2].
        pending: scratch [BLOCK].
        tags: scratch [BLOCK].

    Returns:
        The place to go on at: the number of places if all are done, else `header[NEEDS]` says what is missing.
    """
    total = rows.shape[0] if rows.shape[0] > 0 else words.shape[0]
    if start == 0:
        header[TOUCHES] = 0
        for place in range(1 << bits):
            cache[place, 1] = -1
    header[NEEDS] = NOTHING
    place = start
    while place < total:
        stop = min(total, place + BLOCK)
        count = hash_word_block(words, rows, place, stop, warm, bits, slots, entries, header, cache, pending, tags)
        if warm:
            prefetch_rows(table, entries, header, pending, tags, count)
        done = probe_word_block(
            words, rows, step, bits, slots, touches, table, entries, header, queues, initial,
            cache, pending, tags, count,
        )  # fmt: skip
        place = stop
        if done < count:
            place = pending[done] >> 8
            if header[NEEDS] != MORE_ENTRIES or not grow_region(entries, header, pending[done] & 0xFF):
                return place
    return total
