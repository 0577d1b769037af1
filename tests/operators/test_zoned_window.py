"""Windows in the zone that each row names."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.testing import T, check
from penstock.testing.check import agree
from penstock.testing.plans import aggregates, cases, conditions, keys_of
from tests.laws.law import LAW, told
from tests.laws.test_keyed_windows import EMISSIONS, TICKS

ZONES = ("Asia/Kathmandu", "America/New_York", "UTC", "Australia/Lord_Howe", "Pacific/Apia", "Mars/Crater")


def test_each_row_is_in_the_day_of_its_zone_and_one_without_is_refused():
    check(
        lambda s: s.window(ps.tumbling("1 day", zone=col("zone"))).agg(n=ps.count()),
        input=T("""
            zone             | at
            Europe/Berlin    | 2024-07-01T21:59:00
            Europe/Berlin    | 2024-07-01T22:00:00
            America/New_York | 2024-07-01T22:00:00
            Africa/Cairo     | 2024-12-01T22:00:00
            Europe/Athens    | 2024-12-01T23:00:00
            Mars/Crater      | 2024-07-01T22:00:00
            null             | 2024-07-01T22:00:00
        """),
        output=T("""
            window_start        | window_end          | n
            2024-06-30T22:00:00 | 2024-07-01T22:00:00 | 1
            2024-07-01T04:00:00 | 2024-07-02T04:00:00 | 1
            2024-07-01T22:00:00 | 2024-07-02T22:00:00 | 1
            2024-12-01T22:00:00 | 2024-12-02T22:00:00 | 2
        """),
        errors=2,
    )


def test_it_is_what_each_zone_gives_by_itself():
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    known = [zone for zone in ZONES if not zone.startswith("Mars")]
    frame = pl.DataFrame(
        {"at": [start + dt.timedelta(hours=7 * i) for i in range(1_500)], "zone": [known[i % 5] for i in range(1_500)]}
    )
    made = lambda rows, zone: rows.window(ps.tumbling("1 mo", zone=zone)).agg(n=ps.count()).collect()  # noqa: E731
    together = ps.read(frame, event_time="at").group_by("zone").window(ps.tumbling("1 mo", zone=col("zone")))
    found = together.agg(n=ps.count()).collect()
    for zone in known:
        alone = made(ps.read(frame.filter(pl.col("zone") == zone), event_time="at"), zone)
        bounds = [alone[name].dt.convert_time_zone("UTC") for name in ("window_start", "window_end")]
        expected = list(zip(*(one.to_list() for one in bounds), alone["n"].to_list(), strict=True))
        assert found.filter(pl.col("zone") == zone).select("window_start", "window_end", "n").rows() == expected
        assert all(one[0].astimezone(zoneinfo.ZoneInfo(zone)).day == 1 for one in expected)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda s: s.window(ps.tumbling("1 day", zone=col("v"))).agg(n=ps.count()), "is a text"),
        (lambda s: s.window(ps.tumbling("1 day", zone=col("nope"))).agg(n=ps.count()), "nope"),
        (lambda s: ps.tumbling("7 h", zone=col("zone")), "divide it evenly"),
        (lambda s: ps.hopping("6 h", every="3 h", zone=col("zone")), "whole days"),
        (lambda s: ps.tumbling("1 day", zone=3), "name, or a column"),
    ],
)
def test_what_is_refused_says_why(make, words):
    rows = ps.read([{"zone": "UTC", "v": 1, "at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)}], event_time="at")
    with pytest.raises(ps.PlanError, match=words):
        make(rows)


@st.composite
def zoned(draw, rows):
    """Windows whose zone depends on the row; sent once, or again."""
    zone = ps.when(draw(conditions(rows))).then(ps.lit(draw(st.sampled_from(ZONES))))
    zone = zone.when(draw(conditions(rows))).then(ps.lit(draw(st.sampled_from(ZONES)))).otherwise(ps.lit("UTC"))
    windows = draw(
        st.sampled_from([
            ps.tumbling("1 day", zone=zone), ps.tumbling("6 h", zone=zone), ps.tumbling("1 mo", zone=zone),
            ps.hopping("2 d", every="1 d", zone=zone), ps.cumulative("1 w", every="1 d", zone=zone),
            ps.tumbling("1 day", offset="6 h", zone=zone),
        ])
    )  # fmt: skip
    usable = keys_of(rows)[:3]
    keys = draw(st.lists(st.sampled_from(usable), max_size=2, unique=True)) if usable else []
    windowed = rows.group_by(*keys).window(windows, **draw(st.one_of(st.just({}), EMISSIONS)))
    return windowed.agg(**draw(aggregates(rows)))


@st.composite
def ticking(draw):
    return draw(cases(zoned)).with_ticks(draw(TICKS))


@LAW
@given(ticking())
def test_engine_is_reference(case):
    agree(case, told(case))
