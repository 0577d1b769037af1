"""Rows of keys in slots of their own, without an index: kept, linked and let go in one pass.

The tables are those of `penstock.kernels.chains`; what of their headers and queues is written is told in
`penstock.kernels.index`. A row is reached by its key, or by its slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel
from penstock.kernels.chains import COUNT, NEWER, NEWEST, OLDER, OLDEST, ROWS
from penstock.kernels.index import (
    EPOCH_COUNT,
    EPOCH_START,
    FREE_HEAD,
    FREE_TAIL,
    HEAP_GARBAGE,
    HEAP_TAIL,
    LIVE,
    NEXT_SLOT,
)
from penstock.kernels.intrinsics import load_eight, store_eight
from penstock.kernels.texts import LENGTH_MASK, SHORT_TEXT

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Number, Rows, Words

PLACE = 1
"""The column of a row that holds its place; column 0 is the slot of its key."""


@kernel
def claim_rows(step: Number, mark: Number, table: Words, header: Words, queues: Rows, slots: Rows) -> None:
    """Give each row a free or fresh slot, in order; there must be room for all."""
    head, fresh, listed = header[FREE_HEAD], header[NEXT_SLOT], header[EPOCH_COUNT]
    epoch = header[EPOCH_START]
    for row in range(slots.shape[0]):
        known = False
        if head < header[FREE_TAIL]:
            slot = np.int64(queues[head % queues.shape[0], 0])
            head += 1
            known = ~table[slot, mark] >= epoch
        else:
            slot = fresh
            fresh += 1
        if not known:
            queues[listed, 1] = slot
            listed += 1
        table[slot, mark] = step
        slots[row] = slot
    header[FREE_HEAD], header[NEXT_SLOT], header[EPOCH_COUNT] = head, fresh, listed
    header[LIVE] += slots.shape[0]


@kernel
def write_rows(
    words: Words, starts: Words, source: Bytes, texts: Rows, mark: Number, initial: Words, table: Words, heap: Bytes,
    header: Words, slots: Rows,
) -> None:  # fmt: skip
    """Write rows and the first words of their accumulators into slots; the heap must have room for their long texts.

    Args:
        words: The words of the rows.
        starts: For each row and text the offset of its bytes in `source`; none at all if no text is long.
        source: Bytes of the long texts.
        texts: The place of the first word of each text.
        mark: The column of the mark.
        initial: The accumulators of a new slot.
        table: The slots.
        heap: The bytes of the long texts of all slots.
        header: Has the end of the heap.
        slots: By row, its slot.
    """
    width = words.shape[1]
    tail = header[HEAP_TAIL]
    for row in range(slots.shape[0]):
        slot = slots[row]
        for column in range(width):
            table[slot, column] = words[row, column]
        for column in range(initial.shape[0]):
            table[slot, mark + 1 + column] = initial[column]
        for text in range(texts.shape[0]):
            length = words[row, texts[text]] & LENGTH_MASK
            if length > SHORT_TEXT:
                start = starts[row, text]
                for place in range(0, length - 7, 8):
                    store_eight(heap, tail + place, load_eight(source, start + place))
                store_eight(heap, tail + length - 8, load_eight(source, start + length - 8))
                table[slot, width + text] = tail
                tail += length
    header[HEAP_TAIL] = tail


@kernel
def chain_rows(
    keys: Words, key: Number, rows: Words, row: Number, header: Words, queues: Rows, slots: Rows, step: Number,
    time: Number, finger: Number,
) -> None:  # fmt: skip
    """Put new rows into the chains of their keys: at the end, or by their instants.

    By instants, a row is looked for from the one that was put in before it, so that a call passes each row of a chain
    that is later than the first new one twice at most, whatever the number of new rows.

    Args:
        keys: The table of keys.
        key: The column of their first accumulator.
        rows: The table of rows, whose mark is the column before their first accumulator.
        row: The column of their first accumulator.
        header: Of the rows.
        queues: Of the rows.
        slots: The slots of the new rows, in order of their places; by instants, of (instant, place).
        step: The number of the step.
        time: The column of their instant if chains are in order of (instant, place), else -1.
        finger: A column of a key that is used here then, and means nothing to anybody else.
    """
    epoch = header[EPOCH_START]
    if time >= 0:
        for number in range(slots.shape[0]):
            keys[rows[slots[number], 0], finger] = -1
    for number in range(slots.shape[0]):
        entry = np.int64(slots[number])
        owner = rows[entry, 0]
        above, below = keys[owner, key + NEWEST], np.int64(-1)
        if time >= 0:
            if above >= 0 and rows[above, time] > rows[entry, time]:
                if keys[owner, finger] >= 0:
                    above = keys[owner, finger]
                    below = rows[above, row + NEWER]
                    while below >= 0 and rows[below, time] <= rows[entry, time]:
                        above = below
                        below = rows[above, row + NEWER]
                else:
                    while above >= 0 and rows[above, time] > rows[entry, time]:
                        below = above
                        above = rows[above, row + OLDER]
            keys[owner, finger] = entry
        rows[entry, row + OLDER] = above
        rows[entry, row + NEWER] = below
        if above >= 0:
            rows[above, row + NEWER] = entry
            if rows[above, row - 1] < epoch:
                queues[header[EPOCH_COUNT], 1] = above
                header[EPOCH_COUNT] += 1
            rows[above, row - 1] = step
        else:
            keys[owner, key + OLDEST] = entry
        if below >= 0:
            rows[below, row + OLDER] = entry
            if rows[below, row - 1] < epoch:
                queues[header[EPOCH_COUNT], 1] = below
                header[EPOCH_COUNT] += 1
            rows[below, row - 1] = step
        else:
            keys[owner, key + NEWEST] = entry
        keys[owner, key + ROWS] += 1


@kernel
def release_rows(
    keys: Words, key: Number, rows: Words, row: Number, header: Words, queues: Rows, texts: Rows, slots: Rows,
    step: Number, owners: Rows, empty: Rows, counts: Words,
) -> Number:  # fmt: skip
    """Take rows out of the chains of their keys, and free their slots.

    Args:
        keys: The table of keys.
        key: The column of their first accumulator.
        rows: The table of rows.
        row: The column of their first accumulator.
        header: Of the rows.
        queues: Of the rows.
        texts: The place of the first word of each text of a row.
        slots: Live slots, each once.
        step: The number of the step.
        owners: Filled with the keys that have changed and still have rows, as often as they have changed.
        empty: Filled with the keys that have no row left.
        counts: Out [2]: how many `owners` and `empty` are.

    Returns:
        How many slots were done: less than given if one was not live.
    """
    epoch = header[EPOCH_START]
    changed = gone = 0
    for number in range(slots.shape[0]):
        entry = np.int64(slots[number])
        if entry < 0 or entry >= header[NEXT_SLOT] or rows[entry, row - 1] < 0:
            return number
        owner = rows[entry, 0]
        older, newer = rows[entry, row + OLDER], rows[entry, row + NEWER]
        if older >= 0:
            rows[older, row + NEWER] = newer
            if rows[older, row - 1] < epoch:
                queues[header[EPOCH_COUNT], 1] = older
                header[EPOCH_COUNT] += 1
            rows[older, row - 1] = step
        else:
            keys[owner, key + OLDEST] = newer
        if newer >= 0:
            rows[newer, row + OLDER] = older
            if rows[newer, row - 1] < epoch:
                queues[header[EPOCH_COUNT], 1] = newer
                header[EPOCH_COUNT] += 1
            rows[newer, row - 1] = step
        else:
            keys[owner, key + NEWEST] = older
        keys[owner, key + ROWS] -= 1
        if keys[owner, key + ROWS] == 0:
            empty[gone] = owner
            gone += 1
        else:
            owners[changed] = owner
            changed += 1
        for text in range(texts.shape[0]):
            length = rows[entry, texts[text]] & LENGTH_MASK
            if length > SHORT_TEXT:
                header[HEAP_GARBAGE] += length
        if rows[entry, row - 1] < epoch:
            queues[header[EPOCH_COUNT], 1] = entry
            header[EPOCH_COUNT] += 1
        rows[entry, row - 1] = ~step
        queues[header[FREE_TAIL] % queues.shape[0], 0] = entry
        header[FREE_TAIL] += 1
    header[LIVE] -= slots.shape[0]
    counts[0], counts[1] = changed, gone
    return slots.shape[0]


@kernel
def walk_earlier(
    keys: Words, key: Number, rows: Words, row: Number, slots: Rows, places: Words, time: Number, lows: Words,
    highs: Words, state: Words, probes: Rows, entries: Rows,
) -> Number:  # fmt: skip
    """As `walk_chains`: pairs with rows whose place is smaller, and whose instant is within bounds.

    Args:
        keys: The table of keys.
        key: The column of their first accumulator.
        rows: The table of rows, each with its place.
        row: The column of their first accumulator.
        slots: The keys to walk, -1 for one that has no rows.
        places: By key to walk, the place that those of its rows must be below.
        time: The column of the instant of a row; -1 if no instant is compared.
        lows: By key to walk, the first instant.
        highs: By key to walk, the last instant.
        state: Where to begin, and after the call where to go on: (place, row).
        probes: Filled with places in `slots`.
        entries: Filled with rows, of each key the oldest first.

    Returns:
        How many pairs were written; the walk is over once `state[0]` is the number of slots.
    """
    number, entry, made = state[0], state[1], 0
    while number < slots.shape[0]:
        if entry < 0 and slots[number] >= 0:
            entry = keys[slots[number], key + OLDEST]
        while entry >= 0 and made < entries.shape[0]:
            if rows[entry, PLACE] >= places[number]:
                entry = -1  # chains are in order of place
                break
            good = rows[entry, row + COUNT] != 0
            if good and time >= 0:
                good = rows[entry, time] >= lows[number] and rows[entry, time] <= highs[number]
            if good:
                probes[made] = number
                entries[made] = entry
                made += 1
            entry = rows[entry, row + NEWER]
        if entry >= 0:
            break
        number += 1
        if made >= entries.shape[0]:
            break
    state[0], state[1] = number, entry
    return made


@kernel
def take_words(table: Words, slots: Rows, column: Number, taken: Words) -> None:
    """Copy one column of some slots; 0 for slot -1."""
    for number in range(slots.shape[0]):
        slot = slots[number]
        taken[number] = table[slot, column] if slot >= 0 else 0


@kernel
def take_slot_texts(
    table: Words, slots: Rows, column: Number, start_column: Number, heap: Bytes, views: Words, taken: Bytes
) -> Number:
    """Make string views of a text of some slots; long ones are copied next to each other, if they fit.

    Args:
        table: The slots.
        slots: Which.
        column: The first of the two words of the text.
        start_column: The column of its offset in the heap.
        heap: The bytes of long texts.
        views: Out [n, 2].
        taken: Out: the bytes of the long texts.

    Returns:
        How many bytes the long texts have; if `taken` has fewer, it and the views must not be used.
    """
    end = np.int64(0)
    for number in range(slots.shape[0]):
        slot = slots[number]
        views[number, 0] = table[slot, column]
        length = table[slot, column] & LENGTH_MASK
        if length > SHORT_TEXT:
            if end + length <= taken.shape[0]:
                start = table[slot, start_column]
                for place in range(0, length - 7, 8):
                    store_eight(taken, end + place, load_eight(heap, start + place))
                store_eight(taken, end + length - 8, load_eight(heap, start + length - 8))
            views[number, 1] = end << 32
            end += length
        else:
            views[number, 1] = table[slot, column + 1]
    return end
