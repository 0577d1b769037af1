"""ISO 8601 text of dates, times, datetimes and durations: one grammar, in plain Python and in Polars.

    date      2024-01-31
    time      10:30, 10:30:05, 10:30:05.25 (up to nine digits; what is finer than a microsecond is cut)
    datetime  a date, or a date, a "T" or blank and a time; then perhaps "Z", +01:00 or +0100
    duration  P1DT2H3M4.5S, -PT0.25S

Text is matched by the same patterns on both sides, so that neither side's laxness shows.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from penstock.core.dtypes import Datetime
from penstock.core.lazy import pl
from penstock.core.timespan import DAY, HOUR, MINUTE, SECOND
from penstock.expr.function import RowFault
from penstock.expr.zones import from_wall, micros, moment, polars_moment, polars_within

_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
_OFFSET = "Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]"
_DATETIME = f"({_DATE})(?:[T ]({_TIME})({_OFFSET})?)?"
_DURATION = (
    r"([+-]?)P(?:([0-9]{1,7})D)?(?:T(?:([0-9]{1,8})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,12})(?:\.([0-9]{1,9}))?S)?)?"
)


def _matched(pattern: str, text: str) -> re.Match[str]:
    found = re.fullmatch(pattern, text)
    if found is None:
        raise RowFault(f"{text!r} is no ISO text")
    return found


def _only(text: Any, pattern: str) -> Any:
    return pl.when(text.str.contains(f"^(?:{pattern})$")).then(text)


# -- Reading ----------------------------------------------------------------------------------------


def read_date(text: str) -> dt.date:
    """The date of ISO text.

    Raises:
        RowFault: If it is none.
    """
    _matched(_DATE, text)
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise RowFault("no such day") from None


def read_time(text: str) -> dt.time:
    """The time of ISO text.

    Raises:
        RowFault: If it is none.
    """
    _matched(_TIME, text)
    return dt.time.fromisoformat(text[:15])


def read_datetime(text: str, dtype: Datetime) -> dt.datetime:
    """The datetime of ISO text in a type: text without an offset is local to the type's zone (or to none).

    Text with an offset is an instant; for a type without a zone, that instant in UTC.

    Raises:
        RowFault: If it is none.
    """
    day, clock, offset = _matched(_DATETIME, text).groups()
    wall = dt.datetime.combine(read_date(day), read_time(clock or "00:00"))
    try:
        if offset:
            sign = dt.timezone(_offset(offset))
            return moment(micros(wall.replace(tzinfo=sign)), dtype)
        return moment(micros(from_wall(wall, dtype.zone) if dtype.zone else wall), dtype)
    except OverflowError:
        raise RowFault("outside of the years 1 to 9999") from None


def _offset(text: str) -> dt.timedelta:
    if text == "Z":
        return dt.timedelta(0)
    sign = -1 if text[0] == "-" else 1
    return sign * dt.timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))


def read_duration(text: str) -> int:
    """The microseconds of an ISO duration.

    Raises:
        RowFault: If it is none.
    """
    sign, days, hours, minutes, seconds, fraction = _matched(_DURATION, text).groups()
    if text.endswith(("P", "T")):
        raise RowFault("an empty duration")
    total = int(days or 0) * DAY + int(hours or 0) * HOUR + int(minutes or 0) * MINUTE + int(seconds or 0) * SECOND
    total += int((fraction or "").ljust(6, "0")[:6])
    return -total if sign == "-" else total


def polars_date(text: Any) -> Any:
    """The Polars form of `read_date`; null for other text."""
    day = _only(text, _DATE).str.to_date("%Y-%m-%d", strict=False)
    return pl.when(day.dt.year() >= 1).then(day)


def polars_time(text: Any) -> Any:
    """The Polars form of `read_time`; null for other text."""
    known = _only(text, _TIME)
    read = pl.coalesce(known.str.to_time("%H:%M:%S%.f", strict=False), known.str.to_time("%H:%M", strict=False))
    return _whole_micros(read)


def _whole_micros(time: Any) -> Any:
    return (time.to_physical() // 1000 * 1000).cast(pl.Time)


def polars_datetime(text: Any, dtype: Datetime) -> Any:
    """The Polars form of `read_datetime`; null for other text."""
    known = _only(text, _DATETIME).str.replace(" ", "T", literal=True)

    def read(format: str) -> Any:
        return known.str.to_datetime(format, strict=False, time_unit="us")

    day = known.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    local = pl.coalesce(read("%Y-%m-%dT%H:%M:%S%.f"), read("%Y-%m-%dT%H:%M"), day)
    instant = pl.coalesce(read("%Y-%m-%dT%H:%M:%S%.f%#z"), read("%Y-%m-%dT%H:%M%#z"))
    target = Datetime("us", dtype.zone)
    fitting = instant.dt.convert_time_zone(dtype.zone) if dtype.zone else instant.dt.replace_time_zone(None)
    result = pl.coalesce(polars_moment(local, dtype.zone), fitting)
    return polars_within(result, target).cast(pl.Datetime(dtype.unit, dtype.zone))  # type: ignore[arg-type]


def polars_duration(text: Any) -> Any:
    """The Polars form of `read_duration`: microseconds; null for other text."""
    known = pl.when(~text.str.contains("[PT]$")).then(text)
    parts = known.str.extract_groups(f"^{_DURATION}$")

    def part(index: int, size: int) -> Any:
        return parts.struct.field(str(index)).cast(pl.Int64, strict=False).fill_null(0) * size

    fraction = parts.struct.field("6").fill_null("").str.pad_end(6, "0").str.head(6).cast(pl.Int64)
    total = part(2, DAY) + part(3, HOUR) + part(4, MINUTE) + part(5, SECOND) + fraction
    signed = pl.when(parts.struct.field("1") == "-").then(-total).otherwise(total)
    return pl.when(parts.struct.field("1").is_not_null()).then(signed)


# -- Writing ----------------------------------------------------------------------------------------


def write_offset(moment: dt.datetime, colon: bool = True) -> str:
    """The offset from UTC, such as `-05:00`; seconds of an old local mean time are cut towards zero."""
    offset = moment.utcoffset() or dt.timedelta(0)
    minutes = int(abs(offset).total_seconds()) // 60
    sign = "-" if offset < dt.timedelta(0) else "+"
    return f"{sign}{minutes // 60:02d}{':' if colon else ''}{minutes % 60:02d}"


def write_datetime(value: dt.datetime, dtype: Datetime) -> str:
    """`2024-01-31 10:30:05.250000-05:00`: as many digits as the unit has, the offset if there is a zone."""
    digits = 6 if dtype.unit == "us" else 3
    fraction = f"{value.microsecond:06d}"[:digits]
    offset = write_offset(value) if dtype.zone else ""
    return f"{value.year:04d}-{value:%m-%d %H:%M:%S}.{fraction}{offset}"


def write_time(value: dt.time) -> str:
    """`10:30:05.250000`."""
    return f"{value:%H:%M:%S}.{value.microsecond:06d}"


def write_duration(total: int) -> str:
    """`P1DT2H3M4.5S` of microseconds; zero is `PT0S`."""
    sign, rest = ("-" if total < 0 else ""), abs(total)
    days, rest = divmod(rest, DAY)
    text = f"{sign}P{days}D" if days else f"{sign}P"
    if rest == 0:
        return text if days else "PT0S"
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    text += "T" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if rest:
        seconds, fraction = divmod(rest, SECOND)
        text += f"{seconds}" + (f".{fraction:06d}".rstrip("0") if fraction else "") + "S"
    return text


def polars_write_datetime(value: Any, dtype: Datetime) -> Any:
    """The Polars form of `write_datetime`."""
    digits = 6 if dtype.unit == "us" else 3
    return value.dt.to_string(f"%Y-%m-%d %H:%M:%S%.{digits}f{'%:z' if dtype.zone else ''}")
