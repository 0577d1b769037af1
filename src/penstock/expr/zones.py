"""Wall-clock time and instants: one rule for gaps and overlaps, in plain Python and in Polars.

A wall-clock time that a zone skips (a gap, when summer time begins) moves forward by the length of the
gap; one that it has twice (an overlap) is the earlier instant. That is Flink's rule and Java's.
Only the years 1 to 9999 have values: Python and ISO text know no others.
"""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from typing import Any

from penstock.core.dtypes import Date, Datetime, DType, Duration
from penstock.core.errors import PlanError, nearest
from penstock.core.lazy import pl
from penstock.core.timespan import DAY, MILLISECOND

FIRST = -62_135_596_800_000_000
"""The start of the year 1 in microseconds since the epoch."""
LAST = 253_402_300_799_999_999
"""The last microsecond of the year 9999."""

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1)
_SAME_AS_UTC = ("UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu", "Etc/Zulu")


@functools.cache
def check_zone(name: str) -> str:
    """The name of a zone, if there is one.

    Raises:
        PlanError: If no zone has this name; the message names the nearest.
    """
    if not isinstance(name, str):
        raise PlanError(f"a zone is a name such as 'Europe/Berlin', found {name!r}")
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise PlanError(f'no zone "{name}"{nearest(name, zoneinfo.available_timezones())}') from None
    return name


def zone_info(name: str) -> dt.tzinfo:
    """The rules of a zone."""
    return zoneinfo.ZoneInfo(name)


def from_wall(wall: dt.datetime, zone: str) -> dt.datetime:
    """The moment of a wall-clock time in a zone: a gap moves forward, an overlap is the earlier one.

    Raises:
        OverflowError: Outside of the years 1 to 9999.
    """
    rules = zone_info(zone)
    return wall.replace(tzinfo=rules, fold=0).astimezone(UTC).astimezone(rules)


def micros(value: dt.datetime | dt.date) -> int:
    """Microseconds since the epoch; a value without a zone counts as UTC, a date is its midnight."""
    if not isinstance(value, dt.datetime):
        return (value - EPOCH.date()).days * DAY
    if value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return (value - EPOCH) // dt.timedelta(microseconds=1)


def moment(instant: int, dtype: Datetime) -> dt.datetime:
    """The Python value of microseconds since the epoch in a type; finer than its unit is cut.

    Raises:
        OverflowError: Outside of the years 1 to 9999.
    """
    if dtype.unit == "ms":
        instant = instant // MILLISECOND * MILLISECOND
    value = EPOCH + dt.timedelta(microseconds=instant)
    return value.replace(tzinfo=UTC).astimezone(zone_info(dtype.zone)) if dtype.zone else value


def polars_moment(wall: Any, zone: str | None, ambiguous: str = "earliest", gap: str = "forward") -> Any:
    """The Polars form of `from_wall`; wall-clock time stays what it is if there is no zone.

    Args:
        wall: An expression without a zone.
        zone: The zone to read it in.
        ambiguous: `"earliest"`, `"latest"` or `"null"` for an overlap.
        gap: `"forward"` or `"null"` for a gap.
    """
    if zone is None or zone in _SAME_AS_UTC:
        return wall.dt.replace_time_zone(zone)
    direct = wall.dt.replace_time_zone(zone, ambiguous=ambiguous, non_existent="null")
    if gap != "forward":
        return direct
    # In a gap the offset before it counts; it is that of the same time a day earlier, which no gap of a day's length
    # at most contains. An overlap that is to be null has the same instant both ways only outside of it.
    day = pl.duration(days=1)
    moved = (wall - day).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null") + day
    if ambiguous != "null":
        return pl.coalesce(direct, moved)
    exists = wall.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").is_not_null()
    return pl.when(exists).then(direct).otherwise(moved)


def polars_wall(value: Any, dtype: DType) -> Any:
    """The Polars form of the wall-clock time of a datetime; others stay what they are."""
    if isinstance(dtype, Datetime) and dtype.zone is not None:
        return value.dt.replace_time_zone(None)
    return value


def bounds(dtype: DType) -> tuple[int, int]:
    """The smallest and the largest physical value of a date or datetime type, in its own unit.

    Values with a zone keep a day away from both ends, so that their wall-clock time has a year too.
    """
    margin = DAY if isinstance(dtype, Datetime) and dtype.zone else 0
    size = DAY if dtype == Date else MILLISECOND if dtype == Datetime("ms", getattr(dtype, "zone", None)) else 1
    return (FIRST + margin) // size, (LAST - margin) // size


def duration_bounds(dtype: Duration) -> tuple[int, int]:
    """The smallest and the largest number of units of a duration: what fits 64 bits of microseconds."""
    size = MILLISECOND if dtype.unit == "ms" else 1
    return -(2**63 // size) + 1, 2**63 // size - 1


def in_years(value: dt.datetime | dt.date, dtype: DType) -> bool:
    """Whether a value is inside the bounds of its type."""
    low, high = bounds(Datetime("us", getattr(dtype, "zone", None)))
    return low <= micros(value) <= high


def polars_in_years(value: Any, dtype: DType) -> Any:
    """A Polars condition: whether a date or datetime is inside the bounds of its type."""
    low, high = bounds(dtype)
    return value.to_physical().is_between(low, high)


def polars_within(value: Any, dtype: DType) -> Any:
    """The Polars value, or null outside of the bounds of its type."""
    return pl.when(polars_in_years(value, dtype)).then(value)
