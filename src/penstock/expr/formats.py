"""Formats of dates and times, such as `"%Y-%m-%d %H:%M"`: one table of directives for writing and reading.

Reading is exact: the text must match the whole format, digit for digit (a number of two digits may lack its leading
zero where no digit follows). The same pattern guards both the plain meaning and Polars, whose own parser is laxer.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from penstock.core.dtypes import Date, Datetime, DType, Time
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr.function import RowFault
from penstock.expr.iso import write_offset
from penstock.expr.zones import micros

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_SHORTHANDS = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S", "%R": "%H:%M", "%D": "%m/%d/%y", "%h": "%b"}
_DIRECTIVE = re.compile(r"%(?:[.]?[36]?f|[:#]z|.)", re.DOTALL)
_DIGITS = ("%Y", "%m", "%d", "%j", "%H", "%I", "%M", "%S", "%3f", "%6f")
_OFFSET = "[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]"


class Directive(NamedTuple):
    """What a directive stands for.

    Attributes:
        part: `"date"`, `"clock"` or `"offset"`: what a value must have; empty for none.
        write: The text of a value.
        pattern: What it reads; None if it only writes. A number of two digits is `"2"`.
        reads: The name of the part that it reads; two directives of one part exclude each other.
    """

    part: str
    write: Callable[[Any], str]
    pattern: str | None = None
    reads: str = ""


def _names(names: tuple[str, ...], length: int | None = None) -> str:
    return f"(?i:{'|'.join(name[:length] for name in names)})"


def _fraction(value: Any) -> str:
    text = f"{value.microsecond:06d}"
    return "" if value.microsecond == 0 else f".{text[:3]}" if text.endswith("000") else f".{text}"


def _week(value: Any, first: int) -> str:
    """The week of the year whose weeks begin on `first` (0 is Monday); days before the first such day are in week 0."""
    return f"{(value.timetuple().tm_yday + 6 - (value.weekday() - first) % 7) // 7:02d}"


DIRECTIVES: dict[str, Directive] = {
    "%Y": Directive("date", lambda v: f"{v.year:04d}", "[0-9]{4}", "year"),
    "%m": Directive("date", lambda v: f"{v.month:02d}", "2", "month"),
    "%d": Directive("date", lambda v: f"{v.day:02d}", "2", "day"),
    "%j": Directive("date", lambda v: f"{v.timetuple().tm_yday:03d}", "[0-9]{3}", "ordinal"),
    "%b": Directive("date", lambda v: MONTHS[v.month - 1][:3], _names(MONTHS, 3), "month"),
    "%B": Directive("date", lambda v: MONTHS[v.month - 1], _names(MONTHS), "month"),
    "%a": Directive("date", lambda v: DAYS[v.weekday()][:3], _names(DAYS, 3), "weekday"),
    "%A": Directive("date", lambda v: DAYS[v.weekday()], _names(DAYS), "weekday"),
    "%y": Directive("date", lambda v: f"{v.year % 100:02d}"),
    "%e": Directive("date", lambda v: f"{v.day:2d}"),
    "%u": Directive("date", lambda v: str(v.isoweekday())),
    "%w": Directive("date", lambda v: str(v.isoweekday() % 7)),
    "%V": Directive("date", lambda v: f"{v.isocalendar()[1]:02d}"),
    "%G": Directive("date", lambda v: f"{v.isocalendar()[0]:04d}"),
    "%U": Directive("date", lambda v: _week(v, 6)),
    "%W": Directive("date", lambda v: _week(v, 0)),
    "%H": Directive("clock", lambda v: f"{v.hour:02d}", "2", "hour"),
    "%I": Directive("clock", lambda v: f"{(v.hour + 11) % 12 + 1:02d}", "2", "hour12"),
    "%p": Directive("clock", lambda v: "PM" if v.hour >= 12 else "AM", "(?i:AM|PM)", "half"),
    "%M": Directive("clock", lambda v: f"{v.minute:02d}", "2", "minute"),
    "%S": Directive("clock", lambda v: f"{v.second:02d}", "2", "second"),
    "%P": Directive("clock", lambda v: "pm" if v.hour >= 12 else "am"),
    "%k": Directive("clock", lambda v: f"{v.hour:2d}"),
    "%l": Directive("clock", lambda v: f"{(v.hour + 11) % 12 + 1:2d}"),
    "%.f": Directive("clock", _fraction, r"(?:\.[0-9]{1,9})?", "fraction"),
    "%.3f": Directive("clock", lambda v: f".{v.microsecond // 1000:03d}", r"\.[0-9]{3}", "fraction"),
    "%.6f": Directive("clock", lambda v: f".{v.microsecond:06d}", r"\.[0-9]{6}", "fraction"),
    "%3f": Directive("clock", lambda v: f"{v.microsecond // 1000:03d}", "[0-9]{3}", "fraction"),
    "%6f": Directive("clock", lambda v: f"{v.microsecond:06d}", "[0-9]{6}", "fraction"),
    "%z": Directive("offset", lambda v: write_offset(v, colon=False), _OFFSET, "offset"),
    "%:z": Directive("offset", write_offset, _OFFSET, "offset"),
    "%#z": Directive("offset", lambda v: write_offset(v, colon=False), f"(?:Z|{_OFFSET})", "offset"),
    "%Z": Directive("offset", lambda v: str(v.tzname())),
    "%s": Directive("instant", lambda v: str(micros(v) // 1_000_000)),
    "%%": Directive("", lambda v: "%", "%"),
}


@functools.cache
def pieces(format: str) -> tuple[str, ...]:
    """A format as directives and literal text, shorthands spelled out.

    Raises:
        PlanError: If it has a directive that is not known.
    """
    for short, long in _SHORTHANDS.items():
        format = re.sub(rf"(?<!%)((?:%%)*){short}", rf"\g<1>{long}", format)
    found: list[str] = []
    at = 0
    for match in _DIRECTIVE.finditer(format):
        if match.group() not in DIRECTIVES:
            hint = "fractions of a second are %.f, %3f or %6f" if match.group() == "%f" else None
            raise PlanError(f'the format "{format}" has an unknown directive "{match.group()}"', hint=hint)
        found += [format[at : match.start()], match.group()]
        at = match.end()
    if "%" in format[at:]:
        raise PlanError(f'the format "{format}" ends within a directive')
    return tuple(piece for piece in (*found, format[at:]) if piece)


# -- Writing ----------------------------------------------------------------------------------------


def check_writing(format: str, dtype: DType) -> None:
    """Refuse a format that asks for what values of a type do not have.

    Raises:
        PlanError: If it does.
    """
    zoned = isinstance(dtype, Datetime) and dtype.zone is not None
    has = {"": True, "date": dtype != Time, "clock": dtype != Date, "offset": zoned}
    if "%" not in format:
        raise PlanError(f'the format "{format}" has no directive', hint='such as "%Y-%m-%d %H:%M:%S"')
    for piece in pieces(format):
        part = DIRECTIVES[piece].part if piece in DIRECTIVES else ""
        if not has.get(part, isinstance(dtype, Datetime)):
            raise PlanError(f'"{piece}" of the format "{format}" needs what {dtype} does not have')


def write(value: Any, format: str) -> str:
    """The text of a date, time or datetime."""
    return "".join(DIRECTIVES[piece].write(value) if piece in DIRECTIVES else piece for piece in pieces(format))


def polars_write(value: Any, format: str) -> Any:
    """The Polars form of `write`."""
    return value.dt.to_string("".join("%z" if piece == "%#z" else piece for piece in pieces(format)))


# -- Reading ----------------------------------------------------------------------------------------


def check_reading(format: str, target: str) -> bool:
    """Whether text in a format has an offset; refuse a format from which no value of the target can be read.

    Args:
        format: The format.
        target: `"date"`, `"time"` or `"datetime"`.

    Raises:
        PlanError: If parts are missing, doubled or can only be written.
    """
    parts: list[str] = []
    for piece in pieces(format):
        directive = DIRECTIVES.get(piece)
        if directive is not None and directive.pattern is None:
            hint = "a year needs four digits: %Y" if piece == "%y" else None
            raise PlanError(f'"{piece}" of the format "{format}" can be written, not read', hint=hint)
        parts += [directive.reads] if directive is not None and directive.reads else []
    missing = _missing(set(parts), target)
    if missing:
        raise PlanError(f'the format "{format}" gives no {target}: it lacks {missing}')
    if len(set(parts)) < len(parts):
        raise PlanError(f'the format "{format}" names a part twice')
    if {"ordinal", "month"} <= set(parts) or {"ordinal", "day"} <= set(parts) or {"hour", "hour12"} <= set(parts):
        raise PlanError(f'the format "{format}" names a part in two ways')
    if target == "time" and {DIRECTIVES[p].part for p in pieces(format) if p in DIRECTIVES} & {"date", "offset"}:
        raise PlanError(f'the format "{format}" gives more than a time', hint="read a datetime, then take .dt.time()")
    return "offset" in parts


def _missing(parts: set[str], target: str) -> str | None:
    if target != "time":
        if "year" not in parts:
            return "the year (%Y)"
        if "ordinal" not in parts and not {"month", "day"} <= parts:
            return "the month and the day (%m and %d)"
    if target == "time" or parts & {"hour", "hour12", "half", "minute", "second", "fraction"}:
        if "hour" not in parts and not {"hour12", "half"} <= parts:
            return "the hour (%H, or %I and %p)"
        if "minute" not in parts:
            return "the minute (%M)"
        if "fraction" in parts and "second" not in parts:
            return "the second (%S)"
    return None


@functools.cache
def pattern(format: str, groups: bool = False) -> str:
    """The regular expression of what a format reads, with a group for each part if `groups`."""
    text, parts = "", pieces(format)
    for piece, following in zip(parts, (*parts[1:], ""), strict=True):
        directive = DIRECTIVES.get(piece)
        if directive is None or directive.pattern is None:
            text += re.escape(piece)
            continue
        inner = directive.pattern
        if inner == "2":
            # Next to another number, or to a literal digit, both digits are needed to tell them apart.
            close = following[:1].isdigit() or following in _DIGITS
            first = "[0-5]" if directive.reads in ("minute", "second") else "[0-9]"
            inner = f"{first}[0-9]" if close else f"{first}?[0-9]"
        text += f"(?P<{directive.reads}>{inner})" if groups and directive.reads else inner
    return text


def read(text: str, format: str) -> tuple[dt.date, dt.time, dt.timedelta | None]:
    """The date, time of day and offset that text in a format states; 1970-01-01 if the format has no date.

    Raises:
        RowFault: If the text does not match, or there is no such date or time.
    """
    found = re.fullmatch(pattern(format, groups=True), text)
    if found is None:
        raise RowFault("the text does not match the format")
    parts = found.groupdict()
    try:
        return _day(parts), _clock(parts), _offset(parts.get("offset"))
    except ValueError:
        raise RowFault("no such date or time") from None


def _day(parts: dict[str, str]) -> dt.date:
    if "year" not in parts:
        return dt.date(1970, 1, 1)
    year = int(parts["year"])
    if "ordinal" in parts:
        day = dt.date(year, 1, 1) + dt.timedelta(days=int(parts["ordinal"]) - 1)
        if day.year != year:
            raise ValueError
    else:
        day = dt.date(year, _month(parts["month"]), int(parts["day"]))
    if "weekday" in parts and not DAYS[day.weekday()].lower().startswith(parts["weekday"].lower()):
        raise ValueError
    return day


def _month(text: str) -> int:
    names = [name[: len(text)].lower() for name in MONTHS]
    return int(text) if text.isdigit() else names.index(text.lower()) + 1


def _clock(parts: dict[str, str]) -> dt.time:
    hour = int(parts.get("hour") or 0)
    if "hour12" in parts:
        twelve = int(parts["hour12"])
        if not 1 <= twelve <= 12:
            raise ValueError
        hour = twelve % 12 + (12 if parts["half"].lower() == "pm" else 0)
    fraction = (parts.get("fraction") or "").lstrip(".").ljust(6, "0")[:6]
    return dt.time(hour, int(parts.get("minute") or 0), int(parts.get("second") or 0), int(fraction))


def _offset(text: str | None) -> dt.timedelta | None:
    if text is None:
        return None
    if text == "Z":
        return dt.timedelta(0)
    sign = -1 if text[0] == "-" else 1
    return sign * dt.timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))


def polars_read(text: Any, format: str, target: str) -> Any:
    """Text in a format as Polars' Date, Time or Datetime (of microseconds; in UTC if it has offsets), else null."""
    known = pl.when(text.str.contains(f"^(?:{pattern(format)})$")).then(text)
    spelled = "".join("%#z" if piece in ("%z", "%:z") else piece for piece in pieces(format))
    if target == "time":
        return (known.str.to_time(spelled, strict=False).to_physical() // 1000 * 1000).cast(pl.Time)
    if target == "date":
        day = known.str.to_date(spelled, strict=False)
        return pl.when(day.dt.year() >= 1).then(day)
    return known.str.to_datetime(spelled, strict=False, time_unit="us")
