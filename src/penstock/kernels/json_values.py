"""JSON text to spans: the fields of objects, the elements of arrays, the entries of maps.

One pass over each span, without recursion. Text is checked against the grammar in full, also where
nothing is wanted of it. What is found are spans of the same block, so nested values are found by
scanning the spans of their parents again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import lean_kernel, lean_scalar
from penstock.kernels.json_tokens import (
    CLOSE_BRACE,
    CLOSE_BRACKET,
    COLON,
    COMMA,
    EARLY_END,
    MINUS,
    NINE,
    NOT_OBJECT,
    OPEN_BRACE,
    OPEN_BRACKET,
    QUOTE,
    TOO_DEEP,
    TRAILING,
    TWICE,
    UNEXPECTED,
    UNKNOWN,
    ZERO,
    fault_at,
    number_end,
    skip_space,
    text_end,
    word_end,
)
from penstock.kernels.text_spans import ARRAY, ESCAPED, FINE, MISSING, OBJECT, TEXT, unescape

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Bytes, Number, Words

WHOLE, FIELDS, ELEMENTS, ENTRIES = 0, 1, 2, 3
"""What to find in each span: the value itself, named fields of an object, elements of an array, all entries of an
object."""

MEMO_KEY, MEMO_KEY_END, MEMO_KEY_KIND, MEMO_GUESS, MEMO_TOTAL = 0, 1, 2, 3, 4
MEMO_SIZE = 5
"""Places in the memory of a scan: the last key (start, end, kind), the field expected next, how many elements."""

# What may come next.
_VALUE, _VALUE_OR_CLOSE, _KEY, _KEY_OR_CLOSE, _COMMA_OR_CLOSE = 0, 1, 2, 3, 4


@lean_scalar
def same_text(one: Bytes, position: Number, other: Bytes, start: Number, length: Number) -> Number:
    """Whether two ranges of bytes are equal."""
    place = np.int64(0)
    while place < length and one[position + place] == other[start + place]:
        place += 1
    return place >= length


@lean_scalar
def find_field(data: Bytes, memo: Words, names: Bytes, offsets: Words, scratch: Bytes) -> Number:
    """The number of the field whose key was read last, or -1; tries the one after the last match first."""
    start, end = memo[MEMO_KEY], memo[MEMO_KEY_END]
    count = offsets.shape[0] - 1
    length = end - start
    escaped = memo[MEMO_KEY_KIND] == ESCAPED
    if escaped:
        if length > scratch.shape[0]:
            return -1
        length = unescape(data, start, end, scratch, 0)
    for step in range(count):
        slot = memo[MEMO_GUESS] + step
        if slot >= count:
            slot -= count
        if offsets[slot + 1] - offsets[slot] != length:
            continue
        if escaped:
            same = same_text(scratch, 0, names, offsets[slot], length)
        else:
            same = same_text(data, start, names, offsets[slot], length)
        if same:
            memo[MEMO_GUESS] = slot + 1 if slot + 1 < count else 0
            return slot
    return -1


@lean_scalar
def put_child(
    data: Bytes, first: Number, stop: Number, kind: Number, row: Number, mode: Number, forbid: Number,
    names: Bytes, offsets: Words, scratch: Bytes, starts: Array, ends: Array, kinds: Array, memo: Words,
) -> Number:  # fmt: skip
    """Note a value within the scanned one; returns 0 or a fault."""
    slot, place = np.int64(0), row
    if mode == FIELDS:
        slot = find_field(data, memo, names, offsets, scratch)
        if slot < 0:
            return fault_at(memo[MEMO_KEY], UNKNOWN) if forbid else 0
        if kinds[slot, row] != MISSING:
            return fault_at(memo[MEMO_KEY], TWICE)
    elif mode != WHOLE:
        place = memo[MEMO_TOTAL]
        memo[MEMO_TOTAL] += 1
        if mode == ENTRIES:
            starts[1, place], ends[1, place] = memo[MEMO_KEY], memo[MEMO_KEY_END]
            kinds[1, place] = memo[MEMO_KEY_KIND]
    inside = 1 if kind in (TEXT, ESCAPED) else 0
    starts[slot, place], ends[slot, place], kinds[slot, place] = first + inside, stop - inside, kind
    return 0


@lean_scalar
def closes(expected: Number, byte: Number, container: Number) -> Number:
    """Whether a byte ends the object or array that is open."""
    if expected == _KEY_OR_CLOSE:
        return byte == CLOSE_BRACE
    if expected == _VALUE_OR_CLOSE:
        return byte == CLOSE_BRACKET
    return expected == _COMMA_OR_CLOSE and byte == (CLOSE_BRACE if container == OBJECT else CLOSE_BRACKET)


@lean_scalar
def scan_value(
    data: Bytes, position: Number, end: Number, row: Number, mode: Number, forbid: Number, names: Bytes,
    offsets: Words, scratch: Bytes, starts: Array, ends: Array, kinds: Array, stack: Bytes, memo: Words,
) -> Number:  # fmt: skip
    """Scan one span, see `scan_json`; returns 0 or a fault."""
    depth, expected, opened = np.int64(0), np.int64(_VALUE), position
    level = 0 if mode == WHOLE else 1
    while True:
        position = skip_space(data, position, end)
        if position >= end:
            return fault_at(end, EARLY_END)
        byte, first, token, kind = data[position], position, np.int64(0), np.int64(MISSING)
        if closes(expected, byte, stack[depth - 1]):
            depth -= 1
            kind = np.int64(stack[depth])
            position, first = position + 1, opened
        elif expected == _COMMA_OR_CLOSE:
            if byte != COMMA:
                return fault_at(position, UNEXPECTED)
            expected = np.int64(_KEY if stack[depth - 1] == OBJECT else _VALUE)
            position += 1
            continue
        elif byte == QUOTE:
            token = text_end(data, position, end)
        elif expected in (_KEY, _KEY_OR_CLOSE):
            return fault_at(position, UNEXPECTED)
        elif byte in (OPEN_BRACE, OPEN_BRACKET):
            if depth == stack.shape[0]:
                return fault_at(position, TOO_DEEP)
            if depth == level:
                opened = position
            stack[depth] = OBJECT if byte == OPEN_BRACE else ARRAY
            if depth == 0 and mode != WHOLE and (stack[0] == ARRAY) != (mode == ELEMENTS):
                return fault_at(position, NOT_OBJECT)
            expected = np.int64(_KEY_OR_CLOSE if byte == OPEN_BRACE else _VALUE_OR_CLOSE)
            depth += 1
            position += 1
            continue
        elif byte == MINUS or ZERO <= byte <= NINE:
            token = number_end(data, position, end)
        else:
            token = word_end(data, position, end)
        if token < 0:
            return token
        if token > 0:
            position, kind = token // 16, token % 16
        if expected == _KEY or (expected == _KEY_OR_CLOSE and kind != OBJECT):
            if depth == 1:
                memo[MEMO_KEY], memo[MEMO_KEY_END], memo[MEMO_KEY_KIND] = first + 1, position - 1, kind
            position = skip_space(data, position, end)
            if position >= end or data[position] != COLON:
                return fault_at(position, EARLY_END if position >= end else UNEXPECTED)
            position += 1
            expected = np.int64(_VALUE)
            continue
        if depth == level:
            fault = put_child(
                data, first, position, kind, row, mode, forbid, names, offsets, scratch, starts, ends, kinds, memo
            )
            if fault < 0:
                return fault
        if depth == 0:
            if level == 1 and token > 0:
                return fault_at(first, NOT_OBJECT)
            position = skip_space(data, position, end)
            return 0 if position >= end else fault_at(position, TRAILING)
        expected = np.int64(_COMMA_OR_CLOSE)


@lean_kernel
def scan_json(
    data: Bytes, spans: Words, span_ends: Words, given: Bytes, expected: Number, mode: Number, forbid: Number,
    names: Bytes, offsets: Words, starts: Array, ends: Array, kinds: Array, counts: Words, faults: Words,
    stack: Bytes, memo: Words, scratch: Bytes,
) -> Number:  # fmt: skip
    """Find the values within spans of JSON text.

    Args:
        data: the block.
        spans: where each span starts.
        span_ends: where it ends.
        given: the kinds of the spans; only those of kind `expected` are looked at.
        expected: see `given`.
        mode: WHOLE: the value of the span; FIELDS: the named fields of an object; ELEMENTS: all elements of an
            array; ENTRIES: all entries of an object.
        forbid: whether a field that is not named is a fault.
        names: the names of fields, laid end to end.
        offsets: where each name starts, and where the last one ends.
        starts: out [fields, spans]; for ELEMENTS [1, elements]; for ENTRIES values in row 0 and keys in row 1.
        ends: out, as `starts`.
        kinds: out, as `starts`; must hold MISSING throughout.
        counts: out [spans]; how many elements or entries each has.
        faults: in and out [spans]; spans with a fault are passed over; a fault is negative, see `fault_at`.
        stack: work space; its size is how deep values may be nested.
        memo: work space [MEMO_SIZE].
        scratch: work space; a key with escapes that is longer is none of the names.

    Returns:
        How many elements or entries there are in all.
    """
    memo[:] = 0
    for row in range(spans.shape[0]):
        counts[row] = 0
        if given[row] != expected or faults[row] != FINE:
            continue
        before = memo[MEMO_TOTAL]
        fault = scan_value(
            data, spans[row], span_ends[row], row, mode, forbid, names,
            offsets, scratch, starts, ends, kinds, stack, memo,
        )  # fmt: skip
        if fault < 0:
            faults[row] = fault
            memo[MEMO_TOTAL] = before
            if mode == FIELDS:
                for slot in range(kinds.shape[0]):
                    kinds[slot, row] = MISSING
        counts[row] = memo[MEMO_TOTAL] - before
    return memo[MEMO_TOTAL]
