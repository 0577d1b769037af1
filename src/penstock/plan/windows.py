"""Aligned windows: their sizes, offsets and zones. What a row falls into is in `operators/window`."""

from __future__ import annotations

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
        """Whether bounds follow a zone whose days differ in length."""
        return self.zone != UTC

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
        _not_too_many(self.size.exact() // self.every.exact(), str(self))


@dataclass(frozen=True, kw_only=True)
class Cumulative(Windows):
    """Windows that share a start and grow by `every` up to the size."""

    kind: ClassVar[str] = "cumulative"

    every: Span

    def lengths(self) -> tuple[Span, ...]:
        """Size and step."""
        return (self.size, self.every)

    def __post_init__(self) -> None:
        super().__post_init__()
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
    if length.months or length.weeks:
        raise UnsupportedError(
            f'windows of calendar weeks and months are not offered yet, found "{length}"', hint="use days, as in 7 days"
        )
    if length.days and length.us:
        raise UnsupportedError(f'a window is either of whole days or shorter than one day, found "{length}"')
    if length.exact() <= 0:
        raise PlanError("a window must have a length")
    if length.us % 1_000:
        raise UnsupportedError(f'windows have whole milliseconds, found "{length}"')


def _is_fractional(length: Span) -> bool:
    return not length.days and (length.us > DAY or DAY % length.us != 0)


def _build(kind: type[Windows], size: Any, offset: Any, zone: str, **more: Any) -> Any:
    try:
        shift = duration(offset) if offset is not None else 0
        built = kind(size=span(size), offset=0, zone=zone, **more)
        if shift % 1_000:
            raise UnsupportedError(f"offsets have whole milliseconds, found {offset!r}")
        if built.is_local and shift:
            raise UnsupportedError("an offset together with a zone is not offered yet", hint="leave one of them out")
        return replace(built, offset=shift)
    except PlanError as refused:
        raise refused.at(caller()) from None


def tumbling(size: Any, *, offset: Any = None, zone: str = UTC) -> Tumbling:
    """Windows side by side.

    Args:
        size: Their length, such as `"10 s"` or `"1 day"`. From a day up it follows the calendar of `zone`.
        offset: Shifts all bounds, such as `"15 min"`.
        zone: The IANA zone whose midnights the bounds are aligned to.

    Raises:
        PlanError: If a duration or the zone is not understood.
    """
    built: Tumbling = _build(Tumbling, size, offset, zone)
    return built


def hopping(size: Any, *, every: Any, offset: Any = None, zone: str = UTC) -> Hopping:
    """Windows of `size`, one beginning at every `every`; they overlap if `every` is less than `size`.

    Args:
        size: Their length.
        every: The distance between their starts.
        offset: Shifts all bounds.
        zone: The IANA zone whose midnights the bounds are aligned to.

    Raises:
        PlanError: If a duration or the zone is not understood.
    """
    built: Hopping = _build(Hopping, size, offset, zone, every=span(every))
    return built


def cumulative(size: Any, *, every: Any, offset: Any = None, zone: str = UTC) -> Cumulative:
    """Windows that share a start and end after every `every`, up to `size`.

    Args:
        size: The length of the last.
        every: The step between their ends; `size` must be a multiple.
        offset: Shifts all bounds.
        zone: The IANA zone whose midnights the bounds are aligned to.

    Raises:
        PlanError: If a duration or the zone is not understood, or the size is no multiple of the step.
    """
    built: Cumulative = _build(Cumulative, size, offset, zone, every=span(every))
    return built
