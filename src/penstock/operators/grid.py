"""The grid of aligned windows: which pane a row falls into, and which windows share a pane.

A pane is the piece of time that all its windows share, known by its first instant. Exact windows are
arithmetic on instants; windows in a zone whose days differ in length use the boundaries of its days.
"""

from __future__ import annotations

import datetime as dt
import importlib
import zoneinfo
from collections.abc import Iterable, Iterator
from math import gcd
from typing import Any, NamedTuple

from penstock.core.lazy import np
from penstock.core.timespan import DAY, EPOCH, from_datetime, to_datetime
from penstock.kernels.windows import assign_between, assign_cumulative, assign_hopping
from penstock.plan.windows import Cumulative, Hopping, Windows


class Assigned(NamedTuple):
    """Rows on the grid.

    Attributes:
        panes: For each row the number of its pane.
        statuses: For each row: on time, late for some windows, late for all, in none (`kernels.windows`).
        counts: How many rows have each status.
    """

    panes: Any
    statuses: Any
    counts: Any


class ExactGrid:
    """Windows whose bounds are multiples on the axis of instants."""

    def __init__(self, windows: Windows) -> None:
        self.size, self.offset = windows.size.exact(), windows.offset
        self.cumulative = isinstance(windows, Cumulative)
        stepped = isinstance(windows, (Cumulative, Hopping))
        self.every = windows.every.exact() if stepped else self.size  # type: ignore[attr-defined]
        self.width = self.every if self.cumulative else gcd(self.size, self.every)

    def assign(self, times: Any, watermarks: Any) -> Assigned:
        """Panes and statuses of rows."""
        if self.cumulative:
            return Assigned(*assign_cumulative(times, watermarks, self.size, self.every, self.offset))
        return Assigned(*assign_hopping(times, watermarks, self.size, self.every, self.offset))

    def start(self, pane: int) -> int:
        """The first instant of a pane."""
        return pane * self.width + self.offset

    def windows(self, start: int) -> Iterator[tuple[int, int]]:
        """The windows (start, end) that the pane beginning at an instant is part of, by end."""
        since = start - self.offset
        if self.cumulative:
            first = since // self.size * self.size + self.offset
            for end in range(start + self.every, first + self.size + 1, self.every):
                yield first, end
            return
        begin = -((self.size - self.width - since) // self.every) * self.every
        while begin <= since:
            yield begin + self.offset, begin + self.offset + self.size
            begin += self.every

    def before(self, start: int) -> int:
        """The first instant of the pane before one."""
        return start - self.width

    def new_windows(self, start: int) -> Iterator[tuple[int, int]]:
        """The windows of a pane that the pane before it is not part of: those that begin with it."""
        since = start - self.offset
        if self.cumulative:
            if since % self.size == 0:
                yield from self.windows(start)
        elif since % self.every == 0:
            yield start, start + self.size


class LocalGrid:
    """Windows whose bounds follow the days of a zone."""

    first, last = -62_104_060_800_000_000, 253_339_228_800_000_000
    """From the year 2 to the year 9997: beyond, days of a zone have no instant."""

    def __init__(self, windows: Windows) -> None:
        self.zone = zoneinfo.ZoneInfo(windows.zone)
        self.days, self.part = windows.size.days, windows.size.us
        self.cumulative = isinstance(windows, Cumulative)
        stepped = isinstance(windows, (Cumulative, Hopping))
        self.every = windows.every.days if stepped else self.days  # type: ignore[attr-defined]
        self.width = 1 if self.part else (self.every if self.cumulative else gcd(self.days, self.every))
        self._midnights: dict[int, int] = {}

    def _midnight(self, day: int) -> int:
        """The first instant of a local day, given as days since 1970-01-01."""
        found = self._midnights.get(day)
        if found is None:
            date = EPOCH.date() + dt.timedelta(days=day)
            found = from_datetime(dt.datetime(date.year, date.month, date.day, tzinfo=self.zone))
            if len(self._midnights) > 100_000:
                self._midnights.clear()
            self._midnights[day] = found
        return found

    def _day(self, instant: int) -> int:
        return (to_datetime(instant).astimezone(self.zone).date() - EPOCH.date()).days

    def assign(self, times: Any, watermarks: Any) -> Assigned:
        """Panes and statuses of rows."""
        boundaries = self._boundaries(times)
        bounds = [list(self.windows(start)) for start in boundaries[:-1]]
        first = np.array([w[0][1] if w else NOWHERE for w in bounds], np.int64)
        last = np.array([w[-1][1] if w else NOWHERE for w in bounds], np.int64)
        edges = np.array(boundaries, np.int64)
        panes, statuses, counts = assign_between(times, watermarks, edges, first, last)
        return Assigned(edges[panes], statuses, counts)

    def _boundaries(self, times: Any) -> list[int]:
        """Where panes begin and end, for all panes that have rows."""
        found: set[int] = set()
        for first in self._days(times):
            end = self._midnight(first + self.width)
            found.add(end)
            found.update(range(self._midnight(first), end, self.part) if self.part else (self._midnight(first),))
        return sorted(found)

    def _days(self, times: Any) -> Iterable[int]:
        """The first days of the panes (or the days) of some instants, and perhaps of others between them."""
        first = self._day(int(times.min())) // self.width * self.width
        last = self._day(int(times.max()))
        if last - first <= MOST_DAYS:
            return range(first, last + 1, self.width)
        # Rows far apart in time: a local day may begin in the day before or after that of UTC.
        days = np.unique(times // DAY)
        near = np.unique(np.concatenate([days - 1, days, days + 1])) // self.width * self.width
        return [int(day) for day in np.unique(near)]

    def start(self, pane: int) -> int:
        """The first instant of a pane."""
        return pane

    def windows(self, start: int) -> Iterator[tuple[int, int]]:
        """The windows (start, end) that the pane beginning at an instant is part of, by end."""
        day = self._day(start)
        if self.part:
            yield start, min(start + self.part, self._midnight(day + 1))
        elif self.cumulative:
            first = day // self.days * self.days
            for end in range(day + self.every, first + self.days + 1, self.every):
                yield self._midnight(first), self._midnight(end)
        else:
            begin = -((self.days - self.width - day) // self.every) * self.every
            while begin <= day:
                yield self._midnight(begin), self._midnight(begin + self.days)
                begin += self.every

    def before(self, start: int) -> int:
        """No pane: all windows of each are looked at."""
        return NOWHERE

    def new_windows(self, start: int) -> Iterator[tuple[int, int]]:
        """All windows of a pane."""
        return self.windows(start)


MOST_DAYS = 1_000
"""Up to how many days all are looked at, whether they have rows or not."""

NOWHERE = -(2**63)
"""The end of the windows of a pane that is in none."""


def grid_of(windows: Windows) -> ExactGrid | LocalGrid:
    """The grid of some windows."""
    if windows.is_calendar:
        # By name: a grid that follows a calendar is a local one, too.
        found: LocalGrid = importlib.import_module("penstock.operators.grid_calendar").CalendarGrid(windows)
        return found
    return LocalGrid(windows) if windows.is_local else ExactGrid(windows)
