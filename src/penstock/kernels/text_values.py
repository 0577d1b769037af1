"""Texts to numbers and moments: whole numbers, dates, times of day, instants, durations (ISO 8601).

Each kernel fills `values` and `fine` for spans of one kind and leaves the rows of other kinds alone.
`fine` is 0 where a text is no such value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import lean_kernel, lean_scalar

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Number, Words

FAILED, LOCAL, ZONED = 0, 1, 2
"""What `fine` says of an instant: no instant, a wall-clock time, one with an offset from UTC (already taken off)."""

_MINUS, _PLUS, _POINT, _COLON, _ZERO, _NINE, _SPACE = 45, 43, 46, 58, 48, 57, 32
_LETTER_T, _LETTER_Z, _LETTER_P, _LETTER_D, _LETTER_H, _LETTER_M, _LETTER_S = 84, 90, 80, 68, 72, 77, 83
_LONG_MAX = (1 << 63) - 1
_DAY_US = 86_400_000_000
# No instant of a later year fits into 64 bits of microseconds.
_LAST_YEAR = 290_000


@lean_scalar
def number_at(data: Bytes, position: Number, end: Number, count: Number) -> Number:
    """The number of exactly `count` digits at a position, or -1."""
    if position + count > end:
        return np.int64(-1)
    value = np.int64(0)
    for place in range(position, position + count):
        digit = np.int64(data[place]) - _ZERO
        if digit < 0 or digit > 9:
            return np.int64(-1)
        value = value * 10 + digit
    return value


@lean_kernel
def parse_integers(
    data: Bytes, starts: Words, ends: Words, kinds: Bytes, kind: Number, values: Words, fine: Bytes
) -> None:
    """Whole numbers of at most 64 bits: digits behind an optional sign, nothing else.

    Args:
        data: the block.
        starts: where each text starts.
        ends: where it ends.
        kinds: what each span holds.
        kind: which of them to read.
        values: out.
        fine: out; 1 or 0.
    """
    for row in range(starts.shape[0]):
        if kinds[row] != kind:
            continue
        position, end = starts[row], ends[row]
        fine[row] = 0
        negative = position < end and data[position] == _MINUS
        if negative or (position < end and data[position] == _PLUS):
            position += 1
        value = np.int64(0)
        valid = position < end
        while position < end:
            digit = np.int64(data[position]) - _ZERO
            # Counting down: the least number has no positive counterpart.
            if digit < 0 or digit > 9 or value < -922337203685477580 or (value == -922337203685477580 and digit > 8):
                valid = False
                break
            value = value * 10 - digit
            position += 1
        if valid and (negative or value >= -_LONG_MAX):
            values[row] = value if negative else -value
            fine[row] = 1


@lean_scalar
def days_from_civil(year: Number, month: Number, day: Number) -> Number:
    """Days since 1970-01-01 of a date of the Gregorian calendar."""
    year = year - 1 if month <= 2 else year
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


@lean_scalar
def month_length(year: Number, month: Number) -> Number:
    """How many days a month has."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@lean_scalar
def date_end(data: Bytes, position: Number, end: Number, out: Words) -> Number:
    """Behind the date at a position, or -1; the days since 1970-01-01 go to `out[0]`.

    Years have four digits, with a sign up to six.
    """
    if position >= end:
        return np.int64(-1)
    sign = np.int64(1)
    width = np.int64(4)
    if data[position] == _MINUS or data[position] == _PLUS:
        sign = np.int64(-1 if data[position] == _MINUS else 1)
        position += 1
        while position + width < end and width < 6 and _ZERO <= data[position + width] <= _NINE:
            width += 1
    year = number_at(data, position, end, width)
    position += width
    month, day = number_at(data, position + 1, end, 2), number_at(data, position + 4, end, 2)
    if year < 0 or month < 1 or month > 12 or day < 1 or data[position] != _MINUS or data[position + 3] != _MINUS:
        return np.int64(-1)
    year *= sign
    if day > month_length(year, month) or abs(year) > _LAST_YEAR:
        return np.int64(-1)
    out[0] = days_from_civil(year, month, day)
    return position + 6


@lean_scalar
def fraction_end(data: Bytes, position: Number, end: Number, out: Words) -> Number:
    """Behind a point and digits at a position, or -1; nanoseconds go to `out[1]`, what is finer is cut."""
    position += 1
    first = position
    value = np.int64(0)
    scale = np.int64(1_000_000_000)
    while position < end and _ZERO <= data[position] <= _NINE:
        if scale > 1:
            scale //= 10
            value += (np.int64(data[position]) - _ZERO) * scale
        position += 1
    out[1] = value
    return position if position > first else np.int64(-1)


@lean_scalar
def time_end(data: Bytes, position: Number, end: Number, out: Words) -> Number:
    """Behind the time of day at a position, or -1; nanoseconds since midnight go to `out[1]`."""
    hour, minute = number_at(data, position, end, 2), number_at(data, position + 3, end, 2)
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or data[position + 2] != _COLON:
        return np.int64(-1)
    position += 5
    second = np.int64(0)
    out[1] = 0
    if position < end and data[position] == _COLON:
        second = number_at(data, position + 1, end, 2)
        position += 3
        if second < 0 or second > 59:
            return np.int64(-1)
        if position < end and data[position] == _POINT:
            position = fraction_end(data, position, end, out)
    out[1] += ((hour * 60 + minute) * 60 + second) * 1_000_000_000
    return position


@lean_scalar
def offset_end(data: Bytes, position: Number, end: Number, out: Words) -> Number:
    """Behind `Z`, `+hh`, `+hhmm` or `+hh:mm` at a position, or -1; minutes east of UTC go to `out[2]`."""
    byte = data[position]
    if byte & 0xDF == _LETTER_Z:
        out[2] = 0
        return position + 1
    if byte != _PLUS and byte != _MINUS:
        return np.int64(-1)
    hours = number_at(data, position + 1, end, 2)
    position += 3
    minutes = np.int64(0)
    if position < end:
        position += 1 if data[position] == _COLON else 0
        minutes = number_at(data, position, end, 2)
        position += 2
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
        return np.int64(-1)
    out[2] = (hours * 60 + minutes) * (1 if byte == _PLUS else -1)
    return position


@lean_kernel
def parse_dates(
    data: Bytes, starts: Words, ends: Words, kinds: Bytes, kind: Number, values: Words, fine: Bytes, work: Words
) -> None:
    """Dates `YYYY-MM-DD` as days since 1970-01-01; arguments as for `parse_integers`, `work` has three words."""
    for row in range(starts.shape[0]):
        if kinds[row] == kind:
            fine[row] = date_end(data, starts[row], ends[row], work) == ends[row]
            values[row] = work[0]


@lean_kernel
def parse_times(
    data: Bytes, starts: Words, ends: Words, kinds: Bytes, kind: Number, values: Words, fine: Bytes, work: Words
) -> None:
    """Times `hh:mm[:ss[.fraction]]` as nanoseconds since midnight; arguments as for `parse_dates`."""
    for row in range(starts.shape[0]):
        if kinds[row] == kind:
            fine[row] = time_end(data, starts[row], ends[row], work) == ends[row]
            values[row] = work[1]


@lean_kernel
def parse_instants(
    data: Bytes, starts: Words, ends: Words, kinds: Bytes, kind: Number, values: Words, fine: Bytes, work: Words
) -> None:
    """Moments `YYYY-MM-DD[T| ]hh:mm[:ss[.fraction]][offset]`, or dates alone, as microseconds since 1970.

    Arguments as for `parse_dates`; `fine` is LOCAL or ZONED. Finer fractions are cut.
    """
    for row in range(starts.shape[0]):
        if kinds[row] != kind:
            continue
        end = ends[row]
        fine[row] = FAILED
        position = date_end(data, starts[row], end, work)
        if position < 0:
            continue
        work[1], work[2] = 0, 0
        zoned = False
        if position < end:
            byte = data[position]
            if byte != _SPACE and byte & 0xDF != _LETTER_T:
                continue
            position = time_end(data, position + 1, end, work)
            if 0 <= position < end:
                zoned = True
                position = offset_end(data, position, end, work)
        if position == end:
            values[row] = work[0] * _DAY_US + work[1] // 1000 - work[2] * 60_000_000
            fine[row] = ZONED if zoned else LOCAL


@lean_scalar
def duration_at(data: Bytes, position: Number, end: Number, out: Words) -> Number:
    """Whether a duration `[-]P[nD][T[nH][nM][n[.fraction]S]]` fills a span; microseconds go to `out[0]`."""
    negative = position < end and data[position] == _MINUS
    position += 1 if negative else 0
    if position >= end or data[position] != _LETTER_P or position + 1 == end:
        return False
    position += 1
    total, unit, timed = np.int64(0), np.int64(0), False
    while position < end:
        if data[position] == _LETTER_T:
            if timed:
                return False
            timed = True
            position += 1
        value, first = np.int64(0), position
        while position < end and _ZERO <= data[position] <= _NINE:
            if value > 100_000_000_000_000_000:
                return False
            value = value * 10 + np.int64(data[position]) - _ZERO
            position += 1
        out[1] = 0
        if position in (first, end):
            return False
        letter = np.int64(data[position])
        if letter == _POINT:
            position = fraction_end(data, position, end, out)
            if position < 0 or position == end or data[position] != _LETTER_S:
                return False
            letter = np.int64(_LETTER_S)
        position += 1
        if letter == _LETTER_D and not timed and unit < 1:
            unit, size = np.int64(1), np.int64(_DAY_US)
        elif letter == _LETTER_H and timed and unit < 2:
            unit, size = np.int64(2), np.int64(3_600_000_000)
        elif letter == _LETTER_M and timed and unit < 3:
            unit, size = np.int64(3), np.int64(60_000_000)
        elif letter == _LETTER_S and timed and unit < 4:
            unit, size = np.int64(4), np.int64(1_000_000)
        else:
            return False
        if value > (_LONG_MAX - total) // size - 1:
            return False
        total += value * size + out[1] // 1000
    out[0] = -total if negative else total
    return True


@lean_kernel
def parse_durations(
    data: Bytes, starts: Words, ends: Words, kinds: Bytes, kind: Number, values: Words, fine: Bytes, work: Words
) -> None:
    """Durations of days, hours, minutes and seconds as microseconds; arguments as for `parse_dates`."""
    for row in range(starts.shape[0]):
        if kinds[row] == kind:
            fine[row] = duration_at(data, starts[row], ends[row], work)
            values[row] = work[0]
