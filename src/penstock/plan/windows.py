"""Aligned windows: their sizes, offsets and zones. What a row falls into is in `operators/window`."""

from __future__ import annotations

import importlib
import zoneinfo
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.timespan import DAY, Span, duration, span
from penstock.core.where import caller

UTC = "UTC"


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows whose bounds do not depend on the rows.

    Attributes:
        size: Their length. From a day up it follows the calendar of `zone`.
        offset: Microseconds by which all bounds are shifted.
        zone: The IANA zone whose midnights the bounds are aligned to.
    """

    kind: ClassVar[str]

    size: Span
    offset: int = 0
    zone: str = UTC

    def __post_init__(self) -> None:
        _known_zone(self.zone)
        for length in self.lengths():
            _supported(length)
        if self.is_calendar:
            self._check_calendar()
            return
        if self.is_local and self.kind != "tumbling" and any(length.us for length in self.lengths()):
            raise UnsupportedError(f"{self.kind} windows in the zone {self.zone} are of whole days, found {self}")
        if self.zone != UTC and any(_is_fractional(length) for length in self.lengths()):
            raise UnsupportedError(
                f"in the zone {self.zone} a window of less than a day must divide it evenly, found {self.size}"
            )

    def lengths(self) -> tuple[Span, ...]:
        """The lengths that make up the windows."""
        return (self.size,)

    @property
    def is_local(self) -> bool:
        """Whether bounds follow the days of a zone, or a calendar."""
        return self.zone != UTC or self.is_calendar

    @property
    def is_calendar(self) -> bool:
        """Whether bounds follow weeks or months, or are shifted from the midnights of a zone."""
        shifted = self.zone != UTC and self.offset != 0
        return shifted or any(length.months or length.weeks for length in self.lengths())

    @property
    def unit(self) -> str:
        """What the bounds of calendar windows are counted in: `month`, `week` or `day`."""
        if self.size.months:
            return "month"
        step = self.lengths()[-1]
        weekly = self.size.weeks and not self.size.days and (step.weeks or self.kind == "cumulative")
        return "week" if weekly else "day"

    def _check_calendar(self) -> None:
        """Lengths are of one unit; the steps of cumulative windows may be days.

        Raises:
            PlanError: If they are not.
        """
        size, *rest = self.lengths()
        if any(length.us for length in self.lengths()):
            raise UnsupportedError(f"windows with an offset and a zone are of whole days, found {self}")
        if sum(bool(part) for part in (size.months, size.weeks, size.days)) > 1:
            raise UnsupportedError(f'a window is of months, of weeks or of days, found "{size}"')
        for step in rest:
            same = bool(step.months) == bool(size.months)
            if not same and not (self.kind == "cumulative" and not step.months):
                raise UnsupportedError(
                    f"{self.kind} windows have sizes and steps of the same unit, found {size} and {step}",
                    hint="months every month, weeks every week; cumulative windows grow by days, too",
                )

    def count(self, length: Span) -> int:
        """How many units of the calendar a length has."""
        if self.unit == "month":
            return length.months
        return length.weeks if self.unit == "week" else length.weeks * 7 + length.days

    def __str__(self) -> str:
        zone = f", {self.zone}" if self.zone != UTC else ""
        offset = f", offset {self.offset / 1e6:g} s" if self.offset else ""
        return f"{self.kind} {', every '.join(map(str, self.lengths()))}{offset}{zone}"


@dataclass(frozen=True, kw_only=True)
class Tumbling(Windows):
    """Windows side by side: every row falls into exactly one."""

    kind: ClassVar[str] = "tumbling"


@dataclass(frozen=True, kw_only=True)
class Hopping(Windows):
    """A window begins at every `every`: a row falls into several if they overlap."""

    kind: ClassVar[str] = "hopping"

    every: Span

    def lengths(self) -> tuple[Span, ...]:
        """Size and hop."""
        return (self.size, self.every)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_calendar:
            _not_too_many(self.count(self.size) // max(1, self.count(self.every)), str(self))
            return
        _not_too_many(self.size.exact() // self.every.exact(), str(self))


@dataclass(frozen=True, kw_only=True)
class Cumulative(Windows):
    """Windows that share a start and grow by `every` up to the size."""

    kind: ClassVar[str] = "cumulative"

    every: Span

    @property
    def in_days(self) -> bool:
        """Whether windows of months or weeks grow by days; the last of a period ends with it."""
        return (self.unit == "month" and not self.every.months) or (self.unit == "week" and bool(self.every.days))

    def lengths(self) -> tuple[Span, ...]:
        """Size and step."""
        return (self.size, self.every)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_calendar:
            whole, step = self.count(self.size), self.count(self.every)
            if step and whole % step and not self.in_days:
                raise PlanError(f"a cumulative window of {self.size} is no multiple of its step {self.every}")
            return
        if self.size.exact() % self.every.exact():
            raise PlanError(f"a cumulative window of {self.size} is no multiple of its step {self.every}")
        _not_too_many(self.size.exact() // self.every.exact(), str(self))


MOST_WINDOWS = 10_000
"""In how many windows a row may be."""


def _not_too_many(count: int, windows: str) -> None:
    if count > MOST_WINDOWS:
        raise UnsupportedError(
            f"a row would be in {count:,} windows ({windows}), at most {MOST_WINDOWS:,} are possible",
            hint="a longer every=, or a coarser size",
        )


def _known_zone(zone: str) -> None:
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise PlanError(f'no time zone "{zone}"', hint='an IANA name such as "America/New_York"') from None


def _supported(length: Span) -> None:
    if (length.months or length.weeks or length.days) and length.us:
        raise UnsupportedError(f'a window is either of whole days or shorter than one day, found "{length}"')
    if not length.months and length.exact() <= 0:
        raise PlanError("a window must have a length")
    if length.us % 1_000:
        raise UnsupportedError(f'windows have whole milliseconds, found "{length}"')


def _is_fractional(length: Span) -> bool:
    return not length.days and (length.us > DAY or DAY % length.us != 0)


def _build(kind: type[Windows], size: Any, offset: Any, zone: Any, **more: Any) -> Any:
    by_row = not isinstance(zone, str)
    try:
        shift = duration(offset) if offset is not None else 0
        built = kind(size=span(size), offset=0, zone=UTC if by_row else zone, **more)
        if shift % 1_000:
            raise UnsupportedError(f"offsets have whole milliseconds, found {offset!r}")
        built = replace(built, offset=shift)
        return _by_row(built, zone) if by_row else built
    except PlanError as refused:
        raise refused.at(caller()) from None


def _by_row(windows: Windows, zone: Any) -> Any:
    if not hasattr(zone, "term"):
        raise PlanError(f"zone is a name, or a column of names, found {zone!r}", hint='zone=col("zone")')
    # By name: windows in the zone of a row are made of these.
    return importlib.import_module("penstock.plan.zoned_windows").Zoned(windows=windows, zone=zone.term)


def tumbling(size: Any, *, offset: Any = None, zone: Any = UTC) -> Any:
    """Windows side by side.

    Args:
        size: Their length, such as `"10 s"`, `"1 day"`, `"1 w"`, `"1 mo"`, `"1 q"`, `"1 y"`. From a day up it follows
            the calendar of `zone`: weeks begin on Monday, months are counted from January 1970.
        offset: Shifts all bounds, such as `"15 min"`. In a zone, and of weeks and months, on the wall clock: `"6 h"`
            lets local days begin at six, `"-1 d"` weeks on Sunday.
        zone: The IANA zone whose midnights the bounds are aligned to, or an expression that names it by row:
            `zone=col("zone")`. Then the bounds are instants in UTC, windows of different zones with the same bounds are
            one, and rows without a zone leave by `errors`.

    Raises:
        PlanError: If a duration or the zone is not understood.
    """
    return _build(Tumbling, size, offset, zone)


def hopping(size: Any, *, every: Any, offset: Any = None, zone: Any = UTC) -> Any:
    """Windows of `size`, one beginning at every `every`; they overlap if `every` is less than `size`.

    Args:
        size: Their length.
        every: The distance between their starts.
        offset: Shifts all bounds.
        zone: The IANA zone whose midnights the bounds are aligned to, or an expression that names it by row:
            `zone=col("zone")`. Then the bounds are instants in UTC, windows of different zones with the same bounds are
            one, and rows without a zone leave by `errors`.

    Raises:
        PlanError: If a duration or the zone is not understood.
    """
    return _build(Hopping, size, offset, zone, every=span(every))


def cumulative(size: Any, *, every: Any, offset: Any = None, zone: Any = UTC) -> Any:
    """Windows that share a start and end after every `every`, up to `size`.

    Args:
        size: The length of the last.
        every: The step between their ends; `size` must be a multiple.
        offset: Shifts all bounds.
        zone: The IANA zone whose midnights the bounds are aligned to, or an expression that names it by row:
            `zone=col("zone")`. Then the bounds are instants in UTC, windows of different zones with the same bounds are
            one, and rows without a zone leave by `errors`.

    Raises:
        PlanError: If a duration or the zone is not understood, or the size is no multiple of the step.
    """
    return _build(Cumulative, size, offset, zone, every=span(every))
