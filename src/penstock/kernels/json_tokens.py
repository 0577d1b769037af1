"""The words of JSON: texts, numbers, `true`, `false` and `null`, each checked against the grammar.

A function that reads a word gives the position behind it, times 16, plus the kind of the word
(see `text_spans`); or a negative number made by `fault_at`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import lean_scalar
from penstock.kernels.text_spans import ESCAPED, FALSE, FRACTION, INTEGER, NULL, TEXT, TRUE, hex_value

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Number

EARLY_END, UNEXPECTED, TRAILING, CONTROL, BAD_ESCAPE, SURROGATE, TOO_DEEP, NOT_OBJECT, TWICE, UNKNOWN = range(8, 18)
"""Faults: the text ends within a value, a byte that cannot stand there, more behind the value, a control
character in a text, an unknown escape, half of a surrogate pair, nesting without end, no object where one
must be, a field that is there twice, a field that is not declared."""

QUOTE, BACKSLASH, SPACE = 34, 92, 32
COMMA, COLON, MINUS, PLUS, POINT, ZERO, NINE = 44, 58, 45, 43, 46, 48, 57
ESCAPES = (QUOTE, BACKSLASH, 47, 98, 102, 110, 114, 116)
"""What may follow a backslash, besides `u`."""

OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET = 123, 125, 91, 93


@lean_scalar
def fault_at(position: Number, fault: Number) -> Number:
    """A fault and where it is, as a negative number."""
    return -(position * 32 + fault)


@lean_scalar
def skip_space(data: Bytes, position: Number, end: Number) -> Number:
    """The next position that is no white space."""
    while position < end and data[position] <= SPACE:
        byte = data[position]
        if byte != SPACE and byte != 10 and byte != 9 and byte != 13:
            break
        position += 1
    return position


@lean_scalar
def text_end(data: Bytes, position: Number, end: Number) -> Number:
    """Behind the text that opens at a position, times 16, plus its kind; or a fault."""
    kind = np.int64(TEXT)
    position += 1
    while position < end:
        byte = data[position]
        if byte == QUOTE:
            return (position + 1) * 16 + kind
        if byte < SPACE:
            return fault_at(position, CONTROL)
        if byte != BACKSLASH:
            position += 1
            continue
        kind = np.int64(ESCAPED)
        if position + 1 >= end:
            break
        byte = data[position + 1]
        if byte == 117:  # u
            if position + 6 > end:
                break
            code = hex_value(data, position + 2)
            if code < 0:
                return fault_at(position, BAD_ESCAPE)
            position += 6
            if 0xD800 <= code < 0xDC00:
                if position + 6 > end or data[position] != BACKSLASH or data[position + 1] != 117:
                    return fault_at(position - 6, SURROGATE)
                code = hex_value(data, position + 2)
                if code < 0xDC00 or code > 0xDFFF:
                    return fault_at(position - 6, SURROGATE)
                position += 6
            elif 0xDC00 <= code < 0xE000:
                return fault_at(position - 6, SURROGATE)
        elif byte in ESCAPES:
            position += 2
        else:
            return fault_at(position, BAD_ESCAPE)
    return fault_at(end, EARLY_END)


@lean_scalar
def digits_end(data: Bytes, position: Number, end: Number) -> Number:
    """Behind the digits at a position."""
    while position < end and ZERO <= data[position] <= NINE:
        position += 1
    return position


@lean_scalar
def number_end(data: Bytes, position: Number, end: Number) -> Number:
    """Behind the number at a position, times 16, plus its kind; or a fault."""
    kind = np.int64(INTEGER)
    if data[position] == MINUS:
        position += 1
    first = position
    position = digits_end(data, position, end)
    if position == first or (data[first] == ZERO and position > first + 1):
        return fault_at(position, EARLY_END if position >= end else UNEXPECTED)
    if position < end and data[position] == POINT:
        kind = np.int64(FRACTION)
        first = position + 1
        position = digits_end(data, first, end)
        if position == first:
            return fault_at(position, EARLY_END if position >= end else UNEXPECTED)
    if position < end and (data[position] | 32) == 101:  # e
        kind = np.int64(FRACTION)
        first = position + 1
        if first < end and (data[first] == PLUS or data[first] == MINUS):
            first += 1
        position = digits_end(data, first, end)
        if position == first:
            return fault_at(position, EARLY_END if position >= end else UNEXPECTED)
    return position * 16 + kind


@lean_scalar
def word_end(data: Bytes, position: Number, end: Number) -> Number:
    """Behind `true`, `false` or `null` at a position, times 16, plus its kind; or a fault."""
    byte = data[position]
    if byte == 116 and position + 4 <= end:
        if data[position + 1] == 114 and data[position + 2] == 117 and data[position + 3] == 101:
            return (position + 4) * 16 + TRUE
    elif byte == 110 and position + 4 <= end:
        if data[position + 1] == 117 and data[position + 2] == 108 and data[position + 3] == 108:
            return (position + 4) * 16 + NULL
    elif (
        byte == 102
        and position + 5 <= end
        and (data[position + 1] == 97 and data[position + 2] == 108)
        and (data[position + 3] == 115 and data[position + 4] == 101)
    ):
        return (position + 5) * 16 + FALSE
    return fault_at(position, UNEXPECTED)
