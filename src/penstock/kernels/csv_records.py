"""Delimited text to spans: one per field that is wanted, with a fault per record that is malformed.

A quote is special only where a field begins; inside it is doubled, and newlines and delimiters are
text. A record with a malformed quote costs its first line: the scan goes on at the line after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import lean_kernel, lean_scalar
from penstock.kernels.text_spans import (
    ESCAPED,
    FINE,
    LINES_NEXT,
    LINES_NUMBER,
    LINES_SKIPPING,
    MISSING,
    TEXT,
    TOO_LONG,
    find_byte,
)

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Bytes, Number, Words

TOO_FEW, TOO_MANY, AFTER_QUOTE, OPEN_QUOTE = 8, 9, 10, 11
"""Faults of a record: fewer or more fields than there should be, text behind a closing quote, no closing quote."""

RECORD_START, RECORD_END, RECORD_LINE, RECORD_FIELDS = 0, 1, 2, 3
"""Columns of the table of records: first byte, byte after the last, number of the line, count of fields."""

_NEWLINE, _RETURN = 10, 13
# What a scan of one record gives instead of a position.
_UNFINISHED, _BAD_QUOTE, _NO_QUOTE = -1, -2, -3


@lean_scalar
def quoted_end(data: Bytes, position: Number, end: Number, last: Number, quote: Number) -> Number:
    """Twice the position of the closing quote (`end` if there is none yet), plus 1 if quotes were doubled before."""
    doubled = np.int64(0)
    while True:
        position = find_byte(data, position, end, quote)
        if position + 1 < end and data[position + 1] == quote:
            doubled = np.int64(1)
            position += 2
            continue
        if position + 1 == end and last == 0:
            # The byte that follows may be another quote.
            position = end
        return 2 * position + doubled


@lean_scalar
def scan_record(
    data: Bytes, position: Number, end: Number, last: Number, marks: Words,
    wanted: Words, starts: Array, ends: Array, kinds: Array, records: Array, row: Number,
) -> Number:  # fmt: skip
    """Note the fields of the record at a position; `marks` are delimiter and quote (-1 = none).

    Returns:
        Twice the position of its newline (or the end of the block), plus 1 if it has quoted fields; or
        one of the negative codes.
    """
    delimiter, quote = marks[0], marks[1]
    field, quoted = np.int64(0), np.int64(0)
    while True:
        first, kind = position, np.int64(TEXT)
        if position < end and data[position] == quote:
            quoted = np.int64(1)
            found = quoted_end(data, position + 1, end, last, quote)
            first, stop = position + 1, found // 2
            if stop >= end:
                return _NO_QUOTE
            kind = np.int64(ESCAPED) if found % 2 else kind
            position = stop + 1
            if position < end and data[position] == _RETURN:
                position += 1
                if position < end and data[position] != _NEWLINE:
                    return _BAD_QUOTE
            elif position < end and data[position] != delimiter and data[position] != _NEWLINE:
                return _BAD_QUOTE
        else:
            while position < end and data[position] != delimiter and data[position] != _NEWLINE:
                position += 1
            stop = position
            ended = position == end or data[position] == _NEWLINE
            if ended and stop > first and data[stop - 1] == _RETURN:
                stop -= 1
            if stop == first:
                kind = np.int64(MISSING)
        if position >= end and last == 0:
            return _UNFINISHED
        slot = wanted[field] if field < wanted.shape[0] else -1
        if slot >= 0:
            starts[slot, row], ends[slot, row], kinds[slot, row] = first, stop, kind
        field += 1
        if position >= end or data[position] == _NEWLINE:
            records[row, RECORD_FIELDS] = field
            return 2 * position + quoted
        position += 1


@lean_scalar
def skip_blank(data: Bytes, position: Number, end: Number, last: Number) -> Number:
    """The position of the newline if the line is blank, else -1."""
    if data[position] == _NEWLINE:
        return position
    if data[position] == _RETURN and position + 1 < end and data[position + 1] == _NEWLINE:
        return position + 1
    return -1


@lean_kernel
def scan_records(
    data: Bytes, end: Number, last: Number, longest: Number, marks: Words, wanted: Words,
    starts: Array, ends: Array, kinds: Array, records: Array, faults: Words, state: Words,
) -> Number:  # fmt: skip
    """Find records and the spans of their wanted fields.

    Args:
        data: the block.
        end: where the block ends.
        last: whether nothing follows it; else an unfinished record at its end is left for later.
        longest: a record with more bytes is a fault; the rest of its line is skipped.
        marks: delimiter and quote as bytes, -1 for no quote; and whether blank lines are records.
        wanted: for each field of a record the row of `starts`, `ends` and `kinds` to fill, or -1.
        starts: out [columns, records].
        ends: out [columns, records].
        kinds: out [columns, records]: TEXT, ESCAPED (quotes are doubled), MISSING (empty and not quoted).
        records: out [records, 4]; see the constants.
        faults: out [records]; FINE, or what is wrong.
        state: in and out; as for `find_lines`.

    Returns:
        How many records were found, at most as many as `faults` has room for.
    """
    position, number = state[LINES_NEXT], state[LINES_NUMBER]
    found = np.int64(0)
    while position < end and found < faults.shape[0]:
        if state[LINES_SKIPPING] != 0:
            stop = find_byte(data, position, end, _NEWLINE)
            if stop < end:
                state[LINES_SKIPPING] = 0
                number += 1
            position = min(stop + 1, end)
            continue
        if marks[2] == 0:
            stop = skip_blank(data, position, end, last)
            if stop >= 0:
                position = stop + 1
                number += 1
                continue
        records[found, RECORD_FIELDS] = 0
        result = scan_record(data, position, end, last, marks, wanted, starts, ends, kinds, records, found)
        fault, stop, lines = np.int64(FINE), result // 2, np.int64(1)
        if result < 0:
            stop = find_byte(data, position, end, _NEWLINE)
            if end - position > longest and result != _BAD_QUOTE:
                fault = np.int64(OPEN_QUOTE if result == _NO_QUOTE and stop < end else TOO_LONG)
            elif last == 0 and (result != _BAD_QUOTE or stop >= end):
                break
            else:
                fault = np.int64(AFTER_QUOTE if result == _BAD_QUOTE else OPEN_QUOTE)
            if stop >= end and last == 0:
                state[LINES_SKIPPING] = 1
                lines = np.int64(0)
        elif stop - position > longest:
            fault = np.int64(TOO_LONG)
        elif records[found, RECORD_FIELDS] != wanted.shape[0]:
            fault = np.int64(TOO_FEW if records[found, RECORD_FIELDS] < wanted.shape[0] else TOO_MANY)
        if result >= 0 and result % 2:
            for place in range(position, stop):
                lines += data[place] == _NEWLINE
        if fault != FINE:
            for slot in range(kinds.shape[0]):
                kinds[slot, found] = MISSING
        records[found, RECORD_START], records[found, RECORD_END] = position, stop
        records[found, RECORD_LINE], faults[found] = number, fault
        found += 1
        number += lines
        position = min(stop + 1, end)
    state[LINES_NEXT], state[LINES_NUMBER] = position, number
    return found


@lean_kernel
def note_nulls(data: Bytes, starts: Words, ends: Words, kinds: Bytes, quote: Number, word: Bytes) -> None:
    """Make MISSING what equals a word and is not quoted."""
    size = word.shape[0]
    for row in range(starts.shape[0]):
        start = starts[row]
        if kinds[row] != TEXT or ends[row] - start != size or (start > 0 and data[start - 1] == quote):
            continue
        place = np.int64(0)
        while place < size and data[start + place] == word[place]:
            place += 1
        if place == size:
            kinds[row] = MISSING
