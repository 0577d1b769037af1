"""Texts as spans of a block of bytes: lines, checks for UTF-8, copies without their escapes.

A span is two positions in the block and a kind. Kinds say what was found there (see the constants);
those of JSON values and of delimited fields are the same, so that both are converted by the same code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import lean_kernel, lean_scalar
from penstock.kernels.intrinsics import load_eight

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Number, Words

MISSING, NULL, FALSE, TRUE, INTEGER, FRACTION, TEXT, ESCAPED, OBJECT, ARRAY = range(10)
"""What a span holds: nothing, JSON's null, false, true, a whole number, another number, text as it
stands, text with escapes, an object, an array."""

FINE, NOT_UTF8, TOO_LONG = 0, 1, 2
"""What may be wrong with a line; the faults of a format begin at 8."""

LINES_NUMBER, LINES_SKIPPING, LINES_NEXT = 0, 1, 2
"""Places in the state of a scan: number of the line at the position, whether the rest of a line that
was too long is being skipped, the position to go on from."""

_NEWLINE, _RETURN, _TAB, _SPACE = 10, 13, 9, 32
_QUOTE, _BACKSLASH = 34, 92
_EIGHT_ONES = 0x0101010101010101
_EIGHT_HIGH_BITS = 0x8080808080808080


@lean_scalar
def find_byte(data: Bytes, position: Number, end: Number, byte: Number) -> Number:
    """The first position of a byte from `position` on, or `end`; looks at eight bytes at a time."""
    pattern = np.uint64(byte) * np.uint64(_EIGHT_ONES)
    while position + 8 <= end:
        word = load_eight(data, position) ^ pattern
        if ((word - np.uint64(_EIGHT_ONES)) & ~word & np.uint64(_EIGHT_HIGH_BITS)) != np.uint64(0):
            break
        position += 8
    while position < end and data[position] != byte:
        position += 1
    return position


@lean_kernel
def find_lines(
    data: Bytes, end: Number, last: Number, longest: Number, starts: Words, ends: Words, lines: Words, state: Words
) -> Number:
    """Find lines that are not blank.

    Args:
        data: the block.
        end: where the block ends.
        last: whether nothing follows it; else an unfinished line at its end is left for later.
        longest: of a line with more bytes only these and one more are given; the rest is skipped.
        starts: out; where each line starts.
        ends: out; where each line ends, without the newline.
        lines: out; the number of each line.
        state: in and out; see the constants.

    Returns:
        How many lines were found, at most as many as `starts` has room for.
    """
    position, number = state[LINES_NEXT], state[LINES_NUMBER]
    found = np.int64(0)
    while position < end and found < starts.shape[0]:
        stop = find_byte(data, position, end, _NEWLINE)
        whole = stop < end or last != 0
        if state[LINES_SKIPPING] != 0:
            position = min(stop + 1, end)
            if stop < end:
                state[LINES_SKIPPING] = 0
                number += 1
            continue
        if not whole and stop - position <= longest:
            break
        first = position
        while first < stop and (data[first] == _SPACE or data[first] == _TAB or data[first] == _RETURN):
            first += 1
        if first < stop or not whole:
            starts[found] = position
            ends[found] = min(stop, position + longest + 1)
            lines[found] = number
            found += 1
        if whole:
            number += 1
        else:
            state[LINES_SKIPPING] = 1
        position = min(stop + 1, end)
    state[LINES_NEXT], state[LINES_NUMBER] = position, number
    return found


@lean_scalar
def utf8_length(data: Bytes, position: Number, end: Number) -> Number:
    """How many bytes the character at a position has, 0 if it is none: overlong forms and surrogates are not."""
    first = np.int64(data[position])
    if first < 0x80:
        return 1
    if first < 0xC2 or first > 0xF4:
        return 0
    length = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if position + length > end:
        return 0
    second = np.int64(data[position + 1])
    least, most = 0x80, 0xBF
    if first == 0xE0:
        least = 0xA0
    elif first == 0xED:
        most = 0x9F
    elif first == 0xF0:
        least = 0x90
    elif first == 0xF4:
        most = 0x8F
    if second < least or second > most:
        return 0
    for place in range(2, length):
        if data[position + place] & 0xC0 != 0x80:
            return 0
    return length


@lean_kernel
def check_utf8(data: Bytes, starts: Words, ends: Words, faults: Words) -> None:
    """Note NOT_UTF8 for the spans that hold anything else and have no fault yet."""
    for row in range(starts.shape[0]):
        position, end = starts[row], ends[row]
        while position < end:
            if position + 8 <= end and load_eight(data, position) & np.uint64(_EIGHT_HIGH_BITS) == np.uint64(0):
                position += 8
                continue
            length = utf8_length(data, position, end)
            if length == 0:
                if faults[row] == FINE:
                    faults[row] = NOT_UTF8
                break
            position += length


@lean_kernel
def copy_spans(data: Bytes, starts: Words, offsets: Words, out: Bytes) -> None:
    """Copy spans next to each other; `offsets` say where each goes, so also how long it is."""
    for row in range(starts.shape[0]):
        shift = starts[row] - offsets[row]
        for place in range(offsets[row], offsets[row + 1]):
            out[place] = data[place + shift]


@lean_scalar
def hex_value(data: Bytes, position: Number) -> Number:
    """The number that four hexadecimal digits stand for, -1 if they are none."""
    value = np.int64(0)
    for place in range(position, position + 4):
        digit = np.int64(data[place])
        if 48 <= digit <= 57:
            digit -= 48
        elif 97 <= (digit | 32) <= 102:
            digit = (digit | 32) - 87
        else:
            return -1
        value = value * 16 + digit
    return value


@lean_scalar
def put_utf8(code: Number, out: Bytes, at: Number) -> Number:
    """Write a code point as UTF-8; returns where it ends."""
    if code < 0x80:
        out[at] = code
        return at + 1
    if code < 0x800:
        out[at] = 0xC0 | (code >> 6)
    else:
        if code < 0x10000:
            out[at] = 0xE0 | (code >> 12)
        else:
            out[at] = 0xF0 | (code >> 18)
            at += 1
            out[at] = 0x80 | ((code >> 12) & 0x3F)
        at += 1
        out[at] = 0x80 | ((code >> 6) & 0x3F)
    out[at + 1] = 0x80 | (code & 0x3F)
    return at + 2


@lean_scalar
def plain_form(letter: Number) -> Number:
    """The character that a backslash and a letter stand for."""
    if letter == 98:  # b
        return 8
    if letter == 102:  # f
        return 12
    if letter == 110:  # n
        return _NEWLINE
    if letter == 114:  # r
        return _RETURN
    return _TAB if letter == 116 else letter  # t


@lean_scalar
def unescape(data: Bytes, position: Number, end: Number, out: Bytes, at: Number) -> Number:
    """Write a valid text of JSON without its escapes; returns where it ends, never more than it was long."""
    while position < end:
        byte = np.int64(data[position])
        if byte != _BACKSLASH:
            out[at] = byte
            at += 1
            position += 1
            continue
        letter = np.int64(data[position + 1])
        position += 2
        if letter == 117:  # u
            code = hex_value(data, position)
            position += 4
            if 0xD800 <= code < 0xDC00:
                code = 0x10000 + ((code - 0xD800) << 10) + hex_value(data, position + 2) - 0xDC00
                position += 6
            at = put_utf8(code, out, at)
            continue
        out[at] = plain_form(letter)
        at += 1
    return at


@lean_kernel
def copy_texts(
    data: Bytes, starts: Words, ends: Words, kinds: Bytes, quote: Number, offsets: Words, out: Bytes
) -> Number:
    """Copy texts next to each other without their escapes.

    Args:
        data: the block.
        starts: where each text starts.
        ends: where it ends.
        kinds: spans that are neither TEXT nor ESCAPED count as empty.
        quote: the byte that is doubled in ESCAPED texts; -1 if their escapes are those of JSON.
        offsets: out [n + 1]; where each text starts in `out`, and where the last one ends.
        out: out; has room for all spans as they are.

    Returns:
        How many bytes were written.
    """
    at = np.int64(0)
    for row in range(starts.shape[0]):
        offsets[row] = at
        if kinds[row] == TEXT:
            for position in range(starts[row], ends[row]):
                out[at] = data[position]
                at += 1
        elif kinds[row] == ESCAPED and quote < 0:
            at = unescape(data, starts[row], ends[row], out, at)
        elif kinds[row] == ESCAPED:
            position = starts[row]
            while position < ends[row]:
                out[at] = data[position]
                position += 2 if data[position] == quote else 1
                at += 1
    offsets[starts.shape[0]] = at
    return at
