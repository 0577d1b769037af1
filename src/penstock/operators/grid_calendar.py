"""The grid of windows that follow a calendar: days, weeks and months of a zone, from a wall clock time on.

Bounds are counted in units: unit `n` begins at a local date, and so much of the wall clock later. A wall clock time
that a zone leaves out begins when the clock has gone on, one that it has twice begins the first time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from math import gcd
from typing import Any

from penstock.core.lazy import np
from penstock.core.timespan import DAY, EPOCH, from_datetime, to_datetime
from penstock.kernels.windows import assign_between
from penstock.operators.grid import NOWHERE, Assigned, LocalGrid
from penstock.plan.windows import Cumulative, Hopping, Windows

MONDAY = 3
"""1970-01-01 was a Thursday: three days after a Monday."""


class CalendarGrid(LocalGrid):
    """Windows whose bounds are units of a calendar."""

    def __init__(self, windows: Windows) -> None:
        super().__init__(windows)
        self.unit, self.size = windows.unit, windows.count(windows.size)
        self.shift_days, rest = divmod(windows.offset, DAY)
        self.clock = dt.timedelta(microseconds=rest)
        self.kind = windows.kind
        self.days_inside = 0
        self.step = self.size
        if isinstance(windows, Cumulative) and windows.in_days:
            self.days_inside = windows.every.weeks * 7 + windows.every.days
        elif isinstance(windows, (Cumulative, Hopping)):
            self.step = windows.count(windows.every)
        self.pane_width = self.step if isinstance(windows, Cumulative) else gcd(self.size, self.step)
        self._bounds: dict[int, int] = {}
        self._panes: dict[int, list[int]] = {}

    # -- units

    def bound(self, number: int) -> int:
        """The instant at which a unit begins."""
        found = self._bounds.get(number)
        if found is None:
            if len(self._bounds) > 100_000:
                self._bounds.clear()
            found = self._bounds[number] = self._instant(self._first_day(number))
        return found

    def _first_day(self, number: int) -> int:
        """The first local day of a unit, as days since 1970-01-01, without the shift."""
        if self.unit == "month":
            return (dt.date(1970 + number // 12, number % 12 + 1, 1) - EPOCH.date()).days
        return number * 7 - MONDAY if self.unit == "week" else number

    def _instant(self, day: int) -> int:
        date = EPOCH.date() + dt.timedelta(days=day + self.shift_days)
        return from_datetime((dt.datetime(date.year, date.month, date.day) + self.clock).replace(tzinfo=self.zone))

    def number(self, instant: int) -> int:
        """The unit that an instant is in; of units without length, none."""
        date = to_datetime(instant).astimezone(self.zone).date() - dt.timedelta(days=self.shift_days)
        if self.unit == "month":
            number = (date.year - 1970) * 12 + date.month - 1
        else:
            day = (date - EPOCH.date()).days
            number = (day + MONDAY) // 7 if self.unit == "week" else day
        while self.bound(number) > instant:
            number -= 1
        while self.bound(number + 1) <= instant:
            number += 1
        return number

    # -- panes

    def assign(self, times: Any, watermarks: Any) -> Assigned:
        """Panes and statuses of rows."""
        edges: set[int] = set()
        for day in np.unique(times // DAY).tolist():
            edges.update(self._edges(day))
        boundaries = sorted(edges)
        bounds = [list(self.windows(start)) for start in boundaries[:-1]]
        first = np.array([w[0][1] if w else NOWHERE for w in bounds], np.int64)
        last = np.array([w[-1][1] if w else NOWHERE for w in bounds], np.int64)
        starts = np.array(boundaries, np.int64)
        panes, statuses, counts = assign_between(times, watermarks, starts, first, last)
        return Assigned(starts[panes], statuses, counts)

    def _edges(self, day: int) -> list[int]:
        """Where panes begin and end around a day of UTC."""
        found = self._panes.get(day)
        if found is None:
            if len(self._panes) > 10_000:
                self._panes.clear()
            start, end = self._pane(day * DAY)
            found = [start, end]
            while end < (day + 1) * DAY:
                start, end = self._pane(end)
                found.append(end)
            self._panes[day] = found
        return found

    def _pane(self, instant: int) -> tuple[int, int]:
        """The pane that an instant is in."""
        number = self.number(instant)
        if not self.days_inside:
            first = number // self.pane_width * self.pane_width
            return self.bound(first), self.bound(first + self.pane_width)
        ends = [self.bound(number // self.size * self.size), *self._ends(number)]
        place = next(i for i, end in enumerate(ends) if end > instant)
        return ends[place - 1], ends[place]

    def _ends(self, number: int) -> list[int]:
        """The ends of the cumulative windows of the period of a unit that grow by days."""
        first = number // self.size * self.size
        end = self.bound(first + self.size)
        days = range(self._first_day(first), self._first_day(first + self.size), self.days_inside)
        found = [self._instant(day) for day in days[1:]]
        return [*(one for one in dict.fromkeys(found) if self.bound(first) < one < end), end]

    def windows(self, start: int) -> Iterator[tuple[int, int]]:
        """The windows (start, end) that the pane beginning at an instant is part of, by end."""
        number = self.number(start)
        if self.kind == "cumulative":
            begin = number // self.size * self.size
            ends = self._ends(number) if self.days_inside else self._steps(begin)
            yield from ((self.bound(begin), end) for end in dict.fromkeys(ends) if end > start)
            return
        begin = -((self.size - 1 - number) // self.step) * self.step
        while begin <= number:
            if self.bound(begin + self.size) > start:
                yield self.bound(begin), self.bound(begin + self.size)
            begin += self.step

    def _steps(self, begin: int) -> list[int]:
        return [self.bound(end) for end in range(begin + self.step, begin + self.size + 1, self.step)]
