"""Find or insert keys of several words, some of them texts. The layout is in `index`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel
from penstock.kernels.hashing import GOLDEN, group_of_hash, mix_word, tag_of_hash, tag_word
from penstock.kernels.index import (
    BLOCK,
    EPOCH_COUNT,
    EPOCH_START,
    HEAP_TAIL,
    LOW_HALF,
    MORE_ENTRIES,
    MORE_HEAP,
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
from penstock.kernels.texts import LENGTH_MASK, SHORT_TEXT, same_bytes

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Entries, Number, Rows, Words


@kernel
def same_texts(
    words: Words, starts: Words, bytes_in: Bytes, row: Number, table: Words, heap: Bytes, slot: Number, texts: Rows
) -> Number:
    """Whether the long texts of a row and of a slot with equal key words are equal byte by byte."""
    width = words.shape[1]
    for text in range(texts.shape[0]):
        length = words[row, texts[text]] & LENGTH_MASK
        if length > SHORT_TEXT and not same_bytes(bytes_in, starts[row, text], heap, table[slot, width + text], length):
            return False
    return True


@kernel
def keep_texts(
    words: Words, starts: Words, bytes_in: Bytes, row: Number, table: Words, heap: Bytes, slot: Number, texts: Rows,
    header: Words,
) -> None:  # fmt: skip
    """Copy the long texts of a row into the heap, where there is room, and their offsets into the slot."""
    width = words.shape[1]
    for text in range(texts.shape[0]):
        length = words[row, texts[text]] & LENGTH_MASK
        table[slot, width + text] = 0
        if starts.shape[0] > 0 and length > SHORT_TEXT:
            tail = header[HEAP_TAIL]
            for place in range(length):
                heap[tail + place] = bytes_in[starts[row, text] + place]
            table[slot, width + text] = tail
            header[HEAP_TAIL] = tail + length


@kernel
def room_for_texts(words: Words, starts: Words, row: Number, heap: Bytes, texts: Rows, header: Words) -> Number:
    """Whether the heap has room for the long texts of a row."""
    if starts.shape[0] == 0:
        return True
    needed = header[HEAP_TAIL]
    for text in range(texts.shape[0]):
        length = words[row, texts[text]] & LENGTH_MASK
        if length > SHORT_TEXT:
            needed += length
    if needed > heap.shape[0]:
        header[NEEDS] = MORE_HEAP
        return False
    return True


@kernel
def hash_words_block(
    words: Words,
    starts: Words,
    bytes_in: Bytes,
    rows: Rows,
    start: Number,
    stop: Number,
    warm: Number,
    bits: Number,
    slots: Rows,
    table: Words,
    heap: Bytes,
    entries: Entries,
    header: Words,
    texts: Rows,
    cache: Words,
    pending: Words,
    tags: Entries,
) -> Number:
    """Answer a block of rows from the cache; hash the others and ask for their index entries."""
    width = words.shape[1]
    selected = rows.shape[0] > 0
    seed = np.uint64(header[SEED])
    spread = np.uint64(header[SPREAD])
    shift = np.uint64(64 - bits)
    short = starts.shape[0] == 0
    count = 0
    for place in range(start, stop):
        row = np.int64(rows[place]) if selected else np.int64(place)
        quick = np.uint64(0)
        for column in range(width):
            quick = (quick ^ np.uint64(words[row, column])) * np.uint64(GOLDEN)
        recent = np.int64(cache[np.int64(quick >> shift), 1])
        if recent >= 0:
            column = 0
            while column < width and table[recent, column] == words[row, column]:
                column += 1
            if column == width and (short or same_texts(words, starts, bytes_in, row, table, heap, recent, texts)):
                slots[place] = recent
                continue
        state = np.uint64(0)
        tagging = seed
        for column in range(width):
            word = np.uint64(words[row, column])
            state = mix_word(state, word)
            tagging = tag_word(tagging, word)
        group = group_of_hash(state)
        tag = tag_of_hash(tagging) & spread
        pending[count] = (place << 8) | group
        tags[count] = tag
        count += 1
        if warm:
            region = REGIONS + 4 * group
            prefetch(entries, header[region] + (np.int64(tag) & header[region + 1]))
    return count


@kernel
def probe_words_block(
    words: Words, starts: Words, bytes_in: Bytes, rows: Rows, step: Number, bits: Number, slots: Rows, touches: Rows,
    table: Words, heap: Bytes, entries: Entries, header: Words, queues: Rows, initial: Words, texts: Rows,
    cache: Words, pending: Words, tags: Entries, count: Number,
) -> Number:  # fmt: skip
    """Probe for the pending rows, in order; insert if `step` is not negative. Returns how many were done."""
    width = words.shape[1]
    mark = width + texts.shape[0]
    selected = rows.shape[0] > 0
    shift = np.uint64(64 - bits)
    for number in range(count):
        place = pending[number] >> 8
        region = REGIONS + 4 * (pending[number] & 0xFF)
        row = np.int64(rows[place]) if selected else place
        tag = tags[number]
        start = header[region]
        mask = header[region + 1]
        position = np.int64(tag) & mask
        entry = entries[start + position]
        slot = np.int64(-1)
        while entry != np.uint64(0):
            if entry >> np.uint64(32) == tag:
                candidate = np.int64(entry & np.uint64(LOW_HALF)) - 1
                column = 0
                while column < width and table[candidate, column] == words[row, column]:
                    column += 1
                if column == width and (
                    starts.shape[0] == 0 or same_texts(words, starts, bytes_in, row, table, heap, candidate, texts)
                ):
                    slot = candidate
                    break
            position = (position + 1) & mask
            entry = entries[start + position]
        new = slot < 0
        if new and step >= 0:
            if header[region + 2] >= header[region + 3]:
                header[NEEDS] = MORE_ENTRIES
                return number
            if not room_for_texts(words, starts, row, heap, texts, header):
                return number
            slot = claim_slot(step, mark, table, header, queues, initial)
            if slot < 0:
                return number
            for column in range(width):
                table[slot, column] = words[row, column]
            keep_texts(words, starts, bytes_in, row, table, heap, slot, texts, header)
            entries[start + position] = (tag << np.uint64(32)) | np.uint64(slot + 1)
            header[region + 2] += 1
        if step >= 0 and (new or table[slot, mark] != step):
            if not new and table[slot, mark] < header[EPOCH_START]:
                queues[header[EPOCH_COUNT], 1] = slot
                header[EPOCH_COUNT] += 1
            table[slot, mark] = step
            touch = header[TOUCHES]
            header[TOUCHES] = touch + 1
            touches[0, touch] = slot
            touches[1, touch] = row
            touches[2, touch] = new
        slots[place] = slot
        quick = np.uint64(0)
        for column in range(width):
            quick = (quick ^ np.uint64(words[row, column])) * np.uint64(GOLDEN)
        cache[np.int64(quick >> shift), 1] = slot
    return count


@kernel
def lookup_words(
    words: Words,
    starts: Words,
    bytes_in: Bytes,
    rows: Rows,
    start: Number,
    step: Number,
    warm: Number,
    bits: Number,
    slots: Rows,
    touches: Rows,
    table: Words,
    heap: Bytes,
    entries: Entries,
    header: Words,
    queues: Rows,
    initial: Words,
    texts: Rows,
    cache: Words,
    pending: Words,
    tags: Entries,
) -> Number:
    """Find the slot of each row's key; insert what is missing if `step` is not negative.

    As `lookup_word`, for keys of any width; `starts` and `bytes_in` hold the long texts of the rows, `texts`
    the places of texts among the key words, `heap` the long texts of the slots.

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
        count = hash_words_block(
            words, starts, bytes_in, rows, place, stop, warm, bits, slots, table, heap, entries, header, texts,
            cache, pending, tags,
        )  # fmt: skip
        if warm:
            prefetch_rows(table, entries, header, pending, tags, count)
        done = probe_words_block(
            words, starts, bytes_in, rows, step, bits, slots, touches, table, heap, entries, header, queues,
            initial, texts, cache, pending, tags, count,
        )  # fmt: skip
        place = stop
        if done < count:
            place = pending[done] >> 8
            if header[NEEDS] != MORE_ENTRIES or not grow_region(entries, header, pending[done] & 0xFF):
                return place
    return total
