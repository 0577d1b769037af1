"""Windows of days, weeks and months against a calculation of its own: every bound of 400 years, in many zones."""

from __future__ import annotations

import bisect
import datetime as dt
import zoneinfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock.core.timespan import HOUR
from penstock.operators.grid import grid_of
from penstock.testing import T, check
from tests.laws.law import LAW

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia",
    "Asia/Kathmandu", "Asia/Kolkata", "Africa/Casablanca", "Europe/Dublin", "America/St_Johns", "Asia/Tehran",
    "Pacific/Kiritimati", "Pacific/Kwajalein", "America/Havana", "Asia/Amman", "Asia/Gaza", "America/Asuncion",
    "Antarctica/Troll", "Pacific/Chatham", "America/Santiago", "Asia/Beirut", "Africa/Cairo", "Asia/Pyongyang",
)  # fmt: skip
"""Half hours of summer time, days that were left out, midnights that did not exist, offsets of 45 minutes."""

SECOND = 1_000_000
EPOCH = dt.datetime(1970, 1, 1)


def wall(zone, instant):
    """The wall clock at an instant, in seconds since 1970: by the zone's offset, not by its local times."""
    moment = dt.datetime.fromtimestamp(instant // SECOND, zone)
    return instant + round(moment.utcoffset().total_seconds() * SECOND)


def first_at(zone, local):
    """The first instant at which the wall clock shows a local time or a later one, found by bisection.

    Two days around it the wall clock may go back, by less than three hours: the first instant is looked for in quarters
    of hours, and then exactly.
    """
    wanted = (local - EPOCH) // dt.timedelta(microseconds=1)
    low = wanted - 26 * HOUR
    hours = [low + n * HOUR // 4 for n in range(4 * 52)]
    place = next(n for n, instant in enumerate(hours) if wall(zone, instant) >= wanted)
    low, high = hours[place - 1], hours[place]
    while high - low > SECOND:
        middle = (low + high) // (2 * SECOND) * SECOND
        low, high = (low, middle) if wall(zone, middle) >= wanted else (middle, high)
    return high


def starts(unit):
    """The local starts of 400 years of units."""
    if unit == "mo":
        return [dt.datetime(year, month, 1) for year in range(1900, 2300) for month in range(1, 13)]
    days = 7 if unit == "w" else 1
    first = dt.datetime(1900, 1, 1)  # a Monday
    return [first + dt.timedelta(days=n) for n in range(0, 400 * 365, days)]


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
def test_months_begin_when_the_clock_first_shows_it(zone):
    grid = grid_of(ps.tumbling("1 mo", zone=zone))
    expected = [first_at(zoneinfo.ZoneInfo(zone), local) for local in starts("mo")]
    times = np.array([t + d for t in expected[1:-1] for d in (-1, 0, 1)], np.int64)
    assert_windows(grid, times, expected)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
def test_days_weeks_and_months_where_the_clock_is_changed(zone):
    """All days of the years in which zones were changed most, and some later."""
    for size, unit in (("1 d", "d"), ("1 w", "w")):
        local = [one for one in starts(unit) if 1990 <= one.year < 2030]
        expected = [first_at(zoneinfo.ZoneInfo(zone), one) for one in local]
        times = np.array([t + d for t in expected[1:-1] for d in (-1, 0)], np.int64)
        assert_windows(grid_of(ps.tumbling(size, zone=zone)), times, expected)


def assert_windows(grid, times, expected):
    """Each instant is between two expected bounds that are those of its window."""
    found = grid.assign(times, None)
    edges = sorted(set(expected))
    for time, pane in zip(times.tolist(), found.panes.tolist(), strict=True):
        place = bisect.bisect_right(edges, time)
        assert list(grid.windows(grid.start(pane))) == [(edges[place - 1], edges[place])], time


def test_windows_of_months_weeks_and_years():
    rows = T("""
        at
        2024-02-29 23:59:59
        2024-03-01 00:00:00
        2024-03-31 12:00:00
        2024-04-01 00:00:00
        2025-01-01 00:00:00
    """)

    def starts_of(windows):
        return lambda s: s.window(windows).agg(n=ps.count())

    check(starts_of(ps.tumbling("1 mo")), input=rows, output=T("""
        window_start        | window_end          | n
        2024-02-01 00:00:00 | 2024-03-01 00:00:00 | 1
        2024-03-01 00:00:00 | 2024-04-01 00:00:00 | 2
        2024-04-01 00:00:00 | 2024-05-01 00:00:00 | 1
        2025-01-01 00:00:00 | 2025-02-01 00:00:00 | 1
    """))  # fmt: skip
    check(starts_of(ps.tumbling("1 q")), input=rows, output=[{"n": 3}, {"n": 1}, {"n": 1}])
    check(starts_of(ps.tumbling("1 y")), input=rows, output=[{"n": 4}, {"n": 1}])
    check(starts_of(ps.tumbling("1 w")), input=rows, output=T("""
        window_start        | window_end          | n
        2024-02-26 00:00:00 | 2024-03-04 00:00:00 | 2
        2024-03-25 00:00:00 | 2024-04-01 00:00:00 | 1
        2024-04-01 00:00:00 | 2024-04-08 00:00:00 | 1
        2024-12-30 00:00:00 | 2025-01-06 00:00:00 | 1
    """))  # fmt: skip
    check(starts_of(ps.tumbling("1 w", offset="-1 d")), input=rows, output=[{"n": 2}, {"n": 2}, {"n": 1}])


LENGTHS = st.sampled_from([
    ("tumbling", "1 mo", None), ("tumbling", "1 q", None), ("tumbling", "1 y", None), ("tumbling", "2 w", None),
    ("hopping", "3 mo", "1 mo"), ("hopping", "2 w", "1 w"), ("hopping", "1 w", "1 d"), ("hopping", "1 mo", "2 mo"),
    ("cumulative", "1 mo", "1 d"), ("cumulative", "1 w", "1 d"), ("cumulative", "1 y", "1 mo"),
    ("cumulative", "1 mo", "1 w"), ("cumulative", "2 w", "1 w"), ("tumbling", "1 d", None), ("hopping", "3 d", "1 d"),
])  # fmt: skip


@st.composite
def calendars(draw):
    kind, size, every = draw(LENGTHS)
    offset = draw(st.sampled_from([None, "6 h", "-1 d", "90 min", "14 d 2 h"]))
    options = {"zone": draw(st.sampled_from(ZONES)), "offset": offset}
    return getattr(ps, kind)(size, **options, **({"every": every} if every else {}))


# When clocks were changed, days left out and months begun.
NEAR = [
    dt.datetime(2011, 12, 30, 10), dt.datetime(2024, 3, 31, 1), dt.datetime(2024, 10, 27, 1),
    dt.datetime(2024, 4, 6, 15), dt.datetime(2018, 11, 4, 3), dt.datetime(2024, 2, 29),
    dt.datetime(1999, 12, 31, 23), dt.datetime(1970, 1, 1),
]  # fmt: skip


def test_a_calendar_that_is_sent_at_every_change():
    rows = [{"at": near.replace(tzinfo=dt.UTC)} for near in NEAR]
    windows = ps.cumulative("1 mo", every="1 d", zone="Pacific/Apia")
    check(lambda s: s.window(windows, emit="change").agg(n=ps.count()), input=rows, watermark="2 h", late=None)


@LAW
@given(calendars(), st.lists(st.tuples(st.sampled_from(NEAR), st.integers(-3_000, 3_000)), min_size=1, max_size=12))
def test_any_calendar(windows, moments):
    rows = [{"at": (near + dt.timedelta(minutes=minutes)).replace(tzinfo=dt.UTC)} for near, minutes in moments]
    check(lambda s: s.window(windows).agg(n=ps.count()), input=rows, watermark="2 h", late=None)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ps.hopping("1 mo", every="1 d"), "of the same unit"),
        (lambda: ps.tumbling("1mo2d"), "of months, of weeks or of days"),
        (lambda: ps.tumbling("1mo2h"), "either of whole days or shorter"),
        (lambda: ps.cumulative("1 y", every="5 mo"), "no multiple of its step"),
        (lambda: ps.tumbling("2 h", zone="Europe/Berlin", offset="1 h"), "of whole days"),
    ],
)
def test_what_no_calendar_has_is_refused(build, message):
    with pytest.raises(ps.PlanError, match=message):
        build()
