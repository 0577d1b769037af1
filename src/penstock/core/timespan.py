"""Instants and spans as whole microseconds; durations as users write them.

An instant is an int64 of microseconds since 1970-01-01 UTC. Watermarks and firing look at whole
milliseconds, as Flink does: a window fires when the watermark reaches its end less one millisecond.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from penstock.core.errors import PlanError

NEVER = -(2**63) + 1
"""The watermark before anything was seen: nothing is late."""
END = 2**63 - 1
"""The watermark after the last row of bounded input: everything fires."""

MILLISECOND = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_UNITS: dict[str, tuple[int, int, int, int]] = {}  # name -> months, weeks, days, microseconds


def _declare(amount: tuple[int, int, int, int], *names: str) -> None:
    for name in names:
        _UNITS[name] = amount


_declare((0, 0, 0, 1), "us", "microsecond", "microseconds")
_declare((0, 0, 0, MILLISECOND), "ms", "millisecond", "milliseconds")
_declare((0, 0, 0, SECOND), "s", "sec", "second", "seconds")
_declare((0, 0, 0, MINUTE), "m", "min", "minute", "minutes")
_declare((0, 0, 0, HOUR), "h", "hour", "hours")
_declare((0, 0, 1, 0), "d", "day", "days")
_declare((0, 1, 0, 0), "w", "week", "weeks")
_declare((1, 0, 0, 0), "mo", "month", "months")
_declare((3, 0, 0, 0), "q", "quarter", "quarters")
_declare((12, 0, 0, 0), "y", "year", "years")

_PART = re.compile(r"\s*(\d+)\s*([a-zA-Z]+)\s*")


@dataclass(frozen=True)
class Span:
    """A length of time: calendar months, weeks and days, and exact microseconds.

    Attributes:
        months: Calendar months.
        weeks: Calendar weeks.
        days: Calendar days: their length depends on the zone.
        us: Exact microseconds.
    """

    months: int = 0
    weeks: int = 0
    days: int = 0
    us: int = 0

    @property
    def is_calendar(self) -> bool:
        """Whether the length depends on a calendar and a zone."""
        return bool(self.months or self.weeks or self.days)

    def exact(self) -> int:
        """The length in microseconds, a day being 24 hours.

        Raises:
            PlanError: If the span has months, which have no fixed length.
        """
        if self.months:
            raise PlanError(f'"{self}" has no fixed length', hint="use days, hours or smaller units here")
        return (self.weeks * 7 + self.days) * DAY + self.us

    def __str__(self) -> str:
        parts = [(self.months, "mo"), (self.weeks, "w"), (self.days, "d")]
        rest = self.us
        for size, unit in ((HOUR, "h"), (MINUTE, "m"), (SECOND, "s"), (MILLISECOND, "ms"), (1, "us")):
            parts.append((rest // size, unit))
            rest %= size
        return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def span(value: Any) -> Span:
    """A span from `"90 min"`, Polars' `"1h30m"`, a `timedelta` or a `Span`.

    Raises:
        PlanError: For a bare number (its unit is unknown), an unknown unit or malformed text.
    """
    if isinstance(value, Span):
        return value
    if isinstance(value, dt.timedelta):
        # Exact, as timedelta is; whole days become days so that windows of a day follow the calendar.
        us = value // dt.timedelta(microseconds=1)
        if us < 0:
            raise PlanError(f"a duration cannot be negative, found {value!r}")
        return Span(days=us // DAY, us=us % DAY)
    if not isinstance(value, str):
        raise PlanError(f"a duration needs a unit, found {value!r}", hint='write it as text, such as "90 s" or "1h30m"')
    text, total, at = value.strip(), [0, 0, 0, 0], 0
    while at < len(text):
        found = _PART.match(text, at)
        if not found or found.group(2) not in _UNITS:
            raise PlanError(
                f'"{value}" is not a duration', hint='such as "10 s", "5 min", "1h30m" ("m" is a minute, "mo" a month)'
            )
        for i, amount in enumerate(_UNITS[found.group(2)]):
            total[i] += int(found.group(1)) * amount
        at = found.end()
    if not text:
        raise PlanError("a duration cannot be empty", hint='such as "10 s"')
    return Span(*total)


def duration(value: Any) -> int:
    """The exact length in microseconds of what `span` accepts, days being 24 hours; may be negative as text.

    Raises:
        PlanError: As `span`, and for months.
    """
    if isinstance(value, str) and value.strip().startswith("-"):
        return -span(value.strip()[1:]).exact()
    if isinstance(value, dt.timedelta):
        return value // dt.timedelta(microseconds=1)
    return span(value).exact()


def floor_to_millisecond(instant: int) -> int:
    """The start of the millisecond that contains an instant."""
    return instant // MILLISECOND * MILLISECOND


def to_datetime(instant: int) -> dt.datetime:
    """An instant as a Python datetime in UTC."""
    return EPOCH + dt.timedelta(microseconds=instant)


def from_datetime(moment: dt.datetime) -> int:
    """A Python datetime as microseconds since the epoch; one without a zone is read as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def instant_text(instant: int) -> str:
    """An instant for people: ISO time in UTC, or `never`/`end` at the bounds."""
    if instant <= NEVER + 1:
        return "never"
    if instant >= END - DAY:
        return "end"
    try:
        moment = to_datetime(instant)
    except OverflowError:
        return f"{instant} us"
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    fraction = instant % SECOND
    return f"{text}.{fraction // MILLISECOND:03d}" if fraction else text
