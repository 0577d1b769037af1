"""Wall-clock time becomes an instant by one rule, in plain Python as in Polars."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.core.dtypes import Date, Datetime
from penstock.core.errors import PlanError
from penstock.expr import zones
from tests.unit.expr.both import plain

# Zones with an hour of summer time, half an hour, none at an odd offset, a skipped day, gaps at midnight.
ZONES = (
    "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo",
    "Europe/London", "Africa/Cairo", "America/St_Johns", "Pacific/Chatham",
)  # fmt: skip
# Around changes of summer time of these zones, and anywhere.
NEAR = (
    dt.datetime(2024, 3, 10, 2), dt.datetime(2024, 11, 3, 1), dt.datetime(2024, 4, 7, 2), dt.datetime(2024, 10, 6, 2),
    dt.datetime(2011, 12, 30, 0), dt.datetime(2018, 11, 4, 0), dt.datetime(2018, 2, 17, 23),
    dt.datetime(2024, 3, 31, 1), dt.datetime(2006, 4, 2, 0, 1), dt.datetime(2024, 9, 29, 2, 45),
    dt.datetime(2023, 4, 28, 0),
)  # fmt: skip
MOMENTS = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2037, 12, 30)) | st.builds(
    lambda base, minutes: base + dt.timedelta(minutes=minutes), st.sampled_from(NEAR), st.integers(-1600, 1600)
)


def in_polars(walls: list[dt.datetime], zone: str) -> list[dt.datetime]:
    frame = pl.DataFrame({"x": walls}, schema={"x": pl.Datetime("us")})
    return frame.select(zones.polars_moment(pl.col("x"), zone))["x"].to_list()


@pytest.mark.parametrize("zone", ZONES)
def test_polars_and_python_read_wall_clock_time_alike(zone: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(MOMENTS, min_size=1, max_size=30))
    @example(list(NEAR))
    def agree(walls: list[dt.datetime]) -> None:
        assert plain(in_polars(walls, zone)) == plain([zones.from_wall(wall, zone) for wall in walls])

    agree()


def test_a_gap_moves_forward_by_its_length() -> None:
    assert zones.from_wall(dt.datetime(2024, 3, 10, 2, 30), "America/New_York").time() == dt.time(3, 30)
    assert zones.from_wall(dt.datetime(2024, 10, 6, 2, 10), "Australia/Lord_Howe").time() == dt.time(2, 40)
    assert zones.from_wall(dt.datetime(2011, 12, 30, 10), "Pacific/Apia").date() == dt.date(2011, 12, 31)


def test_an_overlap_is_the_earlier_instant() -> None:
    found = zones.from_wall(dt.datetime(2024, 11, 3, 1, 30), "America/New_York")
    assert found.utcoffset() == dt.timedelta(hours=-4)


def test_micros_and_moment_are_inverse() -> None:
    dtype = Datetime("us", "America/New_York")
    for instant in (-1, 0, 1_710_054_000_000_001, 1_730_613_600_000_000, 1_730_617_200_000_000):
        assert zones.micros(zones.moment(instant, dtype)) == instant
    assert zones.moment(-1, Datetime("ms")) == dt.datetime(1969, 12, 31, 23, 59, 59, 999_000)
    assert zones.micros(dt.date(1969, 12, 31)) == -86_400_000_000


def test_values_stay_in_the_years_1_to_9999() -> None:
    assert zones.bounds(Date) == (-719_162, 2_932_896)
    low, high = zones.bounds(Datetime("ms"))
    assert zones.moment(low * 1000, Datetime("us")).year == 1
    assert zones.moment(high * 1000, Datetime("us")).year == 9999
    assert not zones.in_years(dt.datetime(1, 1, 1, 5, tzinfo=dt.UTC), Datetime("us", "UTC"))


def test_an_unknown_zone_is_refused_with_the_nearest() -> None:
    with pytest.raises(PlanError, match="America/New_York"):
        zones.check_zone("America/NewYork")
    with pytest.raises(PlanError, match="name"):
        zones.check_zone(5)  # type: ignore[arg-type]
