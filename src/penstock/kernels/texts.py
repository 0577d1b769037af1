"""Columns of keys to key words and back: texts as two words each, canonical floats, null masks.

A text in two words is a string view of Arrow: 4 bytes of length, 4 of prefix; then the other 8 bytes if
it has at most 12 bytes in all (zeros after the end), else the stable hash of all its bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel
from penstock.kernels.hashing import mix_eight, mix_word
from penstock.kernels.intrinsics import load_eight, store_eight

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Flags, Floats, Number, Rows, Words

SHORT_TEXT = 12
LENGTH_MASK = 0xFFFFFFFF
NAN_BITS = 0x7FF8000000000000


@kernel
def long_bytes(views: Words, valid: Flags, found: Words) -> None:
    """Measure the long texts among string views; `valid` may be empty: all are.

    Args:
        views: String views.
        valid: Which rows are not null.
        found: Out [3]: bytes of all long texts, and the lowest and highest number of the buffers they lie in.
    """
    total = np.int64(0)
    lowest = np.int64(LENGTH_MASK)
    highest = np.int64(-1)
    checked = valid.shape[0] > 0
    for row in range(views.shape[0]):
        length = views[row, 0] & LENGTH_MASK
        if length > SHORT_TEXT and (not checked or valid[row]):
            total += length
            lowest = min(lowest, views[row, 1] & LENGTH_MASK)
            highest = max(highest, views[row, 1] & LENGTH_MASK)
    found[0] = total
    found[1] = lowest
    found[2] = highest


@kernel
def put_short_texts(views: Words, valid: Flags, words: Words, column: Number) -> None:
    """Copy string views into two columns of key words; null is two zeros, a long text only half done."""
    checked = valid.shape[0] > 0
    for row in range(views.shape[0]):
        known = not checked or valid[row]
        words[row, column] = views[row, 0] if known else 0
        words[row, column + 1] = views[row, 1] if known else 0


@kernel
def put_long_texts(
    views: Words, valid: Flags, number: Number, source: Bytes, words: Words, column: Number, starts: Words,
    text: Number, heap: Bytes, tail: Number,
) -> Number:  # fmt: skip
    """Finish the key words of the long texts that lie in one buffer, and copy their bytes.

    Args:
        views: String views of all rows.
        valid: Which rows are not null; empty if all.
        number: The number of the buffer among those that the views name.
        source: The buffer.
        words: Out; column `column` + 1 gets the hash of all bytes.
        column: See `words`.
        starts: Out; column `text` gets the offset in `heap`.
        text: See `starts`.
        heap: Out; gets the bytes, one text after the other.
        tail: Where in `heap` to go on.

    Returns:
        Where in `heap` the next text goes.
    """
    checked = valid.shape[0] > 0
    for row in range(views.shape[0]):
        length = views[row, 0] & LENGTH_MASK
        if length <= SHORT_TEXT or (checked and not valid[row]) or views[row, 1] & LENGTH_MASK != number:
            continue
        start = views[row, 1] >> 32
        # `hash_bytes`, written into the loop that copies.
        state = mix_word(np.uint64(0), np.uint64(length))
        for place in range(0, length - 7, 8):
            word = load_eight(source, start + place)
            store_eight(heap, tail + place, word)
            state = mix_eight(state, word)
        word = load_eight(source, start + length - 8)
        store_eight(heap, tail + length - 8, word)
        words[row, column + 1] = np.int64(mix_word(state, word))
        starts[row, text] = tail
        tail += length
    return tail


@kernel
def same_bytes(one: Bytes, one_start: Number, other: Bytes, other_start: Number, length: Number) -> Number:
    """Whether two ranges of at least 8 bytes are equal; eight bytes at a time, the last eight may overlap."""
    for place in range(0, length - 7, 8):
        if load_eight(one, one_start + place) != load_eight(other, other_start + place):
            return False
    last = length - 8
    return load_eight(one, one_start + last) == load_eight(other, other_start + last)


@kernel
def text_bytes(rows: Words, column: Number) -> Number:
    """How many bytes the long texts of a column of key rows have in all."""
    total = np.int64(0)
    for row in range(rows.shape[0]):
        length = rows[row, column] & LENGTH_MASK
        if length > SHORT_TEXT:
            total += length
    return total


@kernel
def take_texts(rows: Words, column: Number, start_column: Number, heap: Bytes, views: Words, taken: Bytes) -> None:
    """Make string views of key rows; long texts are copied next to each other into `taken`.

    Args:
        rows: key rows: key words, then heap offsets.
        column: the first of the two words of the text.
        start_column: the column of its heap offset.
        heap: the bytes of long texts.
        views: out [n, 2].
        taken: out [`text_bytes` of the column].
    """
    end = np.int64(0)
    for row in range(rows.shape[0]):
        views[row, 0] = rows[row, column]
        length = rows[row, column] & LENGTH_MASK
        if length > SHORT_TEXT:
            start = rows[row, start_column]
            for place in range(length):
                taken[end + place] = heap[start + place]
            # Buffer 0 in the lower half, the offset in it in the upper.
            views[row, 1] = end << 32
            end += length
        else:
            views[row, 1] = rows[row, column + 1]


@kernel
def put_floats(values: Floats, bits: Words, words: Words, column: Number) -> None:
    """Copy floats into a column of key words: one pattern for all NaN, one zero."""
    for row in range(values.shape[0]):
        if values[row] != values[row]:
            words[row, column] = NAN_BITS
        elif values[row] == 0.0:
            words[row, column] = 0
        else:
            words[row, column] = bits[row]


@kernel
def put_nulls(valid: Flags, words: Words, column: Number, mask_column: Number, bit: Number) -> None:
    """Zero a column where it is null, and set its bit in the column of null masks."""
    for row in range(valid.shape[0]):
        if not valid[row]:
            words[row, column] = 0
            words[row, mask_column] |= np.int64(1) << bit


@kernel
def move_texts(slots: Rows, key_width: Number, texts: Rows, table: Words, heap: Bytes, moved: Bytes) -> Number:
    """Copy the long texts of slots next to each other into `moved` and point the slots there; returns the end."""
    end = np.int64(0)
    for place in range(slots.shape[0]):
        slot = slots[place]
        for text in range(texts.shape[0]):
            length = table[slot, texts[text]] & LENGTH_MASK
            if length > SHORT_TEXT:
                start = table[slot, key_width + text]
                for offset in range(length):
                    moved[end + offset] = heap[start + offset]
                table[slot, key_width + text] = end
                end += length
    return end
