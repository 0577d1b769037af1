"""Units, formats and calendar steps of Flink SQL: plain meanings, and formats in the words of Polars."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from typing import Any

from penstock.core.errors import PlanError
from penstock.expr.function import RowFault
from penstock.expr.zones import from_wall, zone_info

UNITS = (
    "MILLENNIUM", "CENTURY", "DECADE", "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOY", "DOW", "ISODOW", "ISOYEAR",
    "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "EPOCH",
)  # fmt: skip
STEPS = {
    "WEEK": 7 * 86_400_000, "DAY": 86_400_000, "HOUR": 3_600_000, "MINUTE": 60_000, "SECOND": 1000, "MILLISECOND": 1,
}  # fmt: skip
"""Milliseconds of the units that have a length."""
MONTHS = {"YEAR": 12, "QUARTER": 3, "MONTH": 1}

_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|([^A-Za-z'])")


def wall(value: Any) -> Any:
    """The wall-clock time of a moment, as a datetime; a time of day on the first day."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, dt.time):
        return dt.datetime.combine(dt.date(1970, 1, 1), value)
    return dt.datetime.combine(value, dt.time())


def extract(value: Any, unit: str) -> int:
    """A field of a date, a time or a moment."""
    moment = wall(value)
    fields = {
        "MILLENNIUM": lambda: (moment.year + 999) // 1000,
        "CENTURY": lambda: (moment.year + 99) // 100,
        "DECADE": lambda: moment.year // 10,
        "YEAR": lambda: moment.year,
        "QUARTER": lambda: (moment.month + 2) // 3,
        "MONTH": lambda: moment.month,
        "WEEK": lambda: moment.isocalendar().week,
        "DAY": lambda: moment.day,
        "DOY": lambda: moment.timetuple().tm_yday,
        "DOW": lambda: moment.isoweekday() % 7 + 1,
        "ISODOW": moment.isoweekday,
        "ISOYEAR": lambda: moment.isocalendar().year,
        "HOUR": lambda: moment.hour,
        "MINUTE": lambda: moment.minute,
        "SECOND": lambda: moment.second,
        "MILLISECOND": lambda: moment.microsecond // 1000,
        "MICROSECOND": lambda: moment.microsecond,
        "EPOCH": lambda: (moment - dt.datetime(1970, 1, 1)) // dt.timedelta(seconds=1),
    }
    return int(fields[unit]())


def floored(moment: dt.datetime, unit: str) -> dt.datetime:
    """The start of the unit; a week begins on Sunday."""
    midnight = dt.datetime.combine(moment.date(), dt.time())
    match unit:
        case "YEAR":
            return midnight.replace(month=1, day=1)
        case "QUARTER":
            return midnight.replace(month=(moment.month - 1) // 3 * 3 + 1, day=1)
        case "MONTH":
            return midnight.replace(day=1)
        case "WEEK":
            return midnight - dt.timedelta(days=moment.isoweekday() % 7)
    step = dt.timedelta(milliseconds=STEPS[unit])
    return midnight + (moment - midnight) // step * step


def ceiled(moment: dt.datetime, unit: str) -> dt.datetime:
    """The start of the next unit, unless it is one."""
    start = floored(moment, unit)
    if start == moment:
        return start
    if unit in MONTHS:
        following: dt.datetime = plus_months(start, MONTHS[unit])
        return following
    return start + dt.timedelta(milliseconds=STEPS[unit])


def plus_months(moment: Any, months: int) -> Any:
    """Moved by months; a day that the month does not have becomes its last.

    Raises:
        RowFault: Outside of the years 1 to 9999.
    """
    total = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(total, 12)
    if not 1 <= year <= 9999:
        raise RowFault("outside of the years 1 to 9999")
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def months_between(start: dt.datetime, end: dt.datetime) -> int:
    """Whole months from one moment to another, cut towards zero."""
    if end < start:
        return -months_between(end, start)
    months = (end.year - start.year) * 12 + end.month - start.month
    before = (end.day, end.time()) < (start.day, start.time())
    return months - 1 if before else months


def difference(start: Any, end: Any, unit: str) -> int:
    """TIMESTAMPDIFF: whole units from the first to the second, cut towards zero."""
    first, second = wall(start), wall(end)
    if unit in MONTHS:
        months = months_between(first, second)
        return -(-months // MONTHS[unit]) if months < 0 else months // MONTHS[unit]
    apart: int = (second - first) // dt.timedelta(microseconds=1)
    size = STEPS[unit] * 1000
    return -(-apart // size) if apart < 0 else apart // size


# -- Formats ----------------------------------------------------------------------------------------

_POLARS = {
    "yyyy": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%-m", "dd": "%d", "d": "%-d", "HH": "%H",
    "H": "%-H", "hh": "%I", "h": "%-I", "mm": "%M", "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%3f", "SSSSSS": "%6f",
    "a": "%p", "EEE": "%a", "EE": "%a", "E": "%a", "EEEE": "%A", "DDD": "%j", "D": "%-j", "u": "%u",
}  # fmt: skip


def pieces(pattern: str) -> list[tuple[str, str]]:
    """A Java pattern as pairs: `field` and its letters, or `text` and what stands there.

    Raises:
        PlanError: If a field is not known.
    """
    found = []
    for match in _TOKEN.finditer(pattern):
        if match[2]:
            found.append(("field", match[0]))
        elif match[3]:
            found.append(("text", match[3]))
        else:
            found.append(("text", match[1].replace("''", "'") or "'"))
    for kind, text in found:
        if kind == "field" and text not in _POLARS and set(text) != {"S"}:
            raise PlanError(f'"{text}" is no field of a format that is offered', hint=f"there are {', '.join(_POLARS)}")
    return found


def polars_format(pattern: str) -> str | None:
    """The pattern in the words of Polars; None if it has no word for a field."""
    found = ""
    for kind, text in pieces(pattern):
        if kind == "field" and text not in _POLARS:
            return None
        found += _POLARS[text] if kind == "field" else text.replace("%", "%%")
    return found


_MONTHS = tuple(calendar.month_name)
_DAYS = tuple(calendar.day_name)


def write(value: Any, pattern: str) -> str:
    """A date or moment in a Java pattern."""
    moment = wall(value)
    return "".join(_field(moment, text) if kind == "field" else text for kind, text in pieces(pattern))


def _field(moment: dt.datetime, field: str) -> str:
    size, letter = len(field), field[0]
    if letter == "S":
        return f"{moment.microsecond:06d}000"[:size]
    if letter == "y":
        return f"{moment.year % 100:02d}" if size == 2 else f"{moment.year:04d}"
    if letter == "M" and size > 2:
        return _MONTHS[moment.month] if size == 4 else _MONTHS[moment.month][:3]
    if letter == "E":
        name = _DAYS[moment.weekday()]
        return name if size == 4 else name[:3]
    if letter == "a":
        return "AM" if moment.hour < 12 else "PM"
    numbers = {
        "M": moment.month, "d": moment.day, "H": moment.hour, "h": (moment.hour + 11) % 12 + 1, "m": moment.minute,
        "s": moment.second, "D": moment.timetuple().tm_yday, "u": moment.isoweekday(),
    }  # fmt: skip
    return f"{numbers[letter]:0{size}d}"


_READ = {
    "y": r"(\d{4})", "M": r"(\d{1,2})", "d": r"(\d{1,2})", "H": r"(\d{1,2})", "h": r"(\d{1,2})", "m": r"(\d{1,2})",
    "s": r"(\d{1,2})", "S": r"(\d{1,9})", "a": "(AM|PM)",
}  # fmt: skip


def read(text: str, pattern: str) -> dt.datetime:
    """A text in a Java pattern; the 31st of a month of fewer days is its last day.

    Raises:
        RowFault: If it has another form.
    """
    letters, made = [], ""
    for kind, piece in pieces(pattern):
        if kind == "text":
            made += re.escape(piece)
            continue
        letters.append(piece[0])
        exact = len(piece) >= 2 and piece[0] in "MdHhms"
        made += r"(\d{2})" if exact or piece == "yy" else _READ.get(piece[0], "(x)(?!x)")
    match = re.fullmatch(made, text)
    if match is None:
        raise RowFault("another form")
    parts = dict(zip(letters, match.groups(), strict=True))
    year = int(parts.get("y", "1970"))
    year = year + 2000 if len(parts.get("y", "1970")) == 2 else year
    month, day = int(parts.get("M", 1)), int(parts.get("d", 1))
    hour = (
        int(parts.get("H", 0)) if "H" in parts else int(parts.get("h", 0)) % 12 + (12 if parts.get("a") == "PM" else 0)
    )
    fraction = int((parts.get("S", "0") + "000000")[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and year >= 1):
        raise RowFault("no date")
    try:
        last = min(day, calendar.monthrange(year, month)[1])
        return dt.datetime(year, month, last, hour, int(parts.get("m", 0)), int(parts.get("s", 0)), fraction)
    except ValueError:
        raise RowFault("no date") from None


def convert_zone(text: str, source: str, target: str) -> str | None:
    """CONVERT_TZ: a wall-clock time of one zone in another."""
    try:
        moment = read(text[:19], "yyyy-MM-dd HH:mm:ss")
    except RowFault:
        return None
    return f"{from_wall(moment, source).astimezone(zone_info(target)):%Y-%m-%d %H:%M:%S}"
