"""Functions of dates and times: by plain meaning and by Polars alike, over zones and around changes of summer time."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from penstock.core import dtypes as t
from penstock.core.errors import PlanError
from penstock.expr.build import Expr, col, from_epoch
from tests.unit.expr.both import FAULT, each, plain, typed_of
from tests.unit.expr.test_zones import MOMENTS, NEAR, ZONES

NAIVE = t.Datetime("us")
PARTS = (
    "year", "quarter", "month", "week", "iso_year", "day", "weekday", "ordinal_day", "days_in_month", "is_leap_year",
    "date", "time", "hour", "minute", "second", "millisecond", "microsecond",
)  # fmt: skip
EVERY = ("1us", "7ms", "15m", "25m", "1h", "2h", "7h", "1d", "5d", "1w", "3w", "1mo", "1q", "5mo", "1y")
BY = ("1us", "-90m", "1d", "-1d12h", "1w", "1mo", "-1mo1d", "1y", "-13mo", "2w3h")


def zoned(values: list[dt.datetime], zone: str | None) -> list[dt.datetime]:
    """The values as moments: instants read as UTC and shown in a zone."""
    return values if zone is None else [v.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone)) for v in values]


def check(expressions: list[Expr], zone: str | None, examples: int = 4) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(st.lists(MOMENTS, min_size=1, max_size=20))
    @example(list(NEAR))
    def agree(values: list[dt.datetime]) -> None:
        for expression in expressions:
            each(expression, [*zoned(values, zone), None], t.Datetime("us", zone))

    agree()


@pytest.mark.parametrize("zone", [None, *ZONES])
def test_parts(zone: str | None) -> None:
    check([getattr(col("x").dt, part)() for part in PARTS], zone)


@pytest.mark.parametrize("zone", [None, *ZONES])
def test_truncate(zone: str | None) -> None:
    check([col("x").dt.truncate(every) for every in EVERY], zone)


@pytest.mark.parametrize("zone", [None, *ZONES])
def test_round(zone: str | None) -> None:
    check([col("x").dt.round(every) for every in ("15m", "7h", "1d", "1w", "1mo")], zone, 3)


@pytest.mark.parametrize("zone", [None, *ZONES])
def test_offset_by(zone: str | None) -> None:
    check([col("x").dt.offset_by(by) for by in BY], zone)


@pytest.mark.parametrize("zone", [None, *ZONES])
def test_months_zones_and_epochs(zone: str | None) -> None:
    x = col("x").dt
    expressions = [x.month_start(), x.month_end(), x.convert_time_zone("Asia/Kathmandu"), x.timestamp("ms")]
    expressions += [x.epoch(unit) for unit in ("us", "ms", "s", "d")]
    expressions += [x.replace_time_zone(z) for z in (None, "UTC", "America/New_York", "Australia/Lord_Howe")]
    for ambiguous in ("earliest", "latest", "null", "raise"):
        for gap in ("forward", "null", "raise"):
            expressions.append(x.replace_time_zone("America/New_York", ambiguous=ambiguous, non_existent=gap))
    check(expressions, zone, 3)


def test_truncation_is_never_after_the_value_and_starts_a_piece() -> None:
    zone = ZoneInfo("America/New_York")
    values = [dt.datetime(2024, 11, 3, 4, 30, tzinfo=dt.UTC) + dt.timedelta(minutes=30 * i) for i in range(8)]
    values = [value.astimezone(zone) for value in values]
    starts = each(col("x").dt.truncate("1h"), values, t.Datetime("us", "America/New_York"))
    assert [start.utctimetuple()[3:5] for start in starts] == [
        (4, 0),
        (5, 0),
        (5, 0),
        (6, 0),
        (6, 0),
        (7, 0),
        (7, 0),
        (8, 0),
    ]
    days = each(col("x").dt.truncate("1d"), values, t.Datetime("us", "America/New_York"))
    assert {day.utctimetuple()[2:5] for day in days} == {(3, 4, 0)}


def test_a_day_that_begins_in_a_gap_begins_after_it() -> None:
    value = dt.datetime(2018, 11, 4, 12, tzinfo=ZoneInfo("America/Sao_Paulo"))
    (start,) = each(col("x").dt.truncate("1d"), [value], t.Datetime("us", "America/Sao_Paulo"))
    assert (start.day, start.hour) == (4, 1)


def test_a_calendar_day_is_not_24_hours() -> None:
    value = dt.datetime(2024, 3, 9, 12, tzinfo=ZoneInfo("America/New_York"))
    dtype = t.Datetime("us", "America/New_York")
    (day,) = each(col("x").dt.offset_by("1d"), [value], dtype)
    (hours,) = each(col("x").dt.offset_by("24h"), [value], dtype)
    assert (day.hour, hours.hour) == (12, 13)


@pytest.mark.parametrize(
    ("expression", "dtype"),
    [
        (col("x").dt.truncate("1h"), t.Date),
        (col("x").dt.truncate("1d12h"), NAIVE),
        (col("x").dt.truncate("0d"), NAIVE),
        (col("x").dt.truncate("500us"), t.Datetime("ms")),
        (col("x").dt.offset_by("90m"), t.Date),
        (col("x").dt.offset_by("20000y"), NAIVE),
        (col("x").dt.convert_time_zone("Mars/Olympus"), NAIVE),
        (col("x").dt.replace_time_zone("UTC", ambiguous="first"), NAIVE),
        (col("x").dt.epoch("h"), NAIVE),
        (col("x").dt.to_string("%H"), t.Date),
        (col("x").dt.to_string("%Y"), t.Time),
        (col("x").dt.to_string("%z"), NAIVE),
        (col("x").dt.to_string("%Q"), NAIVE),
        (col("x").dt.to_string("%f"), NAIVE),
        (col("x").dt.to_string("iso"), NAIVE),
        (col("x").str.to_date("%Y-%m"), t.String),
        (col("x").str.to_date("%y-%m-%d"), t.String),
        (col("x").str.to_datetime("%Y-%m-%d %H"), t.String),
        (col("x").str.to_datetime("%Y-%m-%d %I:%M"), t.String),
        (col("x").str.to_datetime("%Y-%m-%d %d"), t.String),
        (col("x").str.to_datetime(time_unit="ns"), t.String),
        (col("x").str.to_time("%Y %H:%M"), t.String),
        (col("x").str.strptime(t.Int64, "%Y"), t.String),
        (col("x").from_epoch("ns"), t.Int64),
    ],
    ids=str,
)
def test_what_cannot_mean_anything_is_refused_when_the_plan_is_built(expression: Expr, dtype: t.DType) -> None:
    with pytest.raises(PlanError):
        typed_of(expression, x=dtype)


# -- Formats ----------------------------------------------------------------------------------------

DATES = ("%Y-%m-%d", "%d.%m.%Y", "%Y%m%d", "%b %d %Y", "%A, %d %B %Y", "%Y-%j", "%F", "%a %d %b %Y", "%%%Y/%m/%d")
CLOCKS = ("%H:%M", "%H:%M:%S", "%H%M%S", "%I:%M %p", "%T%.f", "%H:%M:%S.%3f", "%R", "%H:%M:%S%.6f", "%I%M%S%p")
WRITTEN = (
    *DATES, "%y %e %u %w %V %G %U %W %h %D", *CLOCKS, "%k %l %P %.f %.3f %6f %S%M", "%s", "%Y-%m-%dT%H:%M:%S%.f",
    "%%Y%%",
)  # fmt: skip


@pytest.mark.parametrize("zone", [None, "America/New_York", "Asia/Kathmandu"])
def test_writing(zone: str | None) -> None:
    formats = [*WRITTEN, *(("%z", "%:z", "%Z", "%F %T%:z %Z") if zone else ())]
    check([col("x").dt.to_string(format) for format in formats], zone, 6)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.dates(), min_size=1, max_size=20), st.lists(st.times(), min_size=1, max_size=20))
@example([dt.date.min, dt.date.max], [dt.time.min, dt.time.max])
def test_writing_dates_and_times(days: list[dt.date], times: list[dt.time]) -> None:
    for format in (*DATES, "%y %e %u %w %V %G %U %W %h %D"):
        each(col("x").dt.strftime(format), days, t.Date)
    for format in CLOCKS:
        each(col("x").dt.strftime(format), times, t.Time)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_reading(data: st.DataObject) -> None:
    """What was written reads back; what was damaged is refused, or read, by both sides alike."""
    clock = data.draw(st.sampled_from(["", *(f" {clock}" for clock in CLOCKS)]))
    format = (
        data.draw(st.sampled_from(DATES)) + clock + (data.draw(st.sampled_from(["", "%z", "%:z"])) if clock else "")
    )
    offset = dt.timezone(dt.timedelta(minutes=data.draw(st.integers(-720, 840))))
    values = data.draw(st.lists(st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31)), min_size=1, max_size=8))
    python = {"%.f": ".%f", "%T": "%H:%M:%S", "%F": "%Y-%m-%d", "%R": "%H:%M", "%.6f": ".%f"}
    texts = []
    for value in values:
        spelled = format.replace("%3f", f"{value.microsecond // 1000:03d}")
        for ours, theirs in python.items():
            spelled = spelled.replace(ours, theirs)
        moment = value.replace(tzinfo=offset)
        colon = f"{moment:%z}"[:3] + ":" + f"{moment:%z}"[3:]
        texts.append(moment.strftime(spelled.replace("%Y", f"{value.year:04d}").replace("%:z", colon)))
    damaged = [
        data.draw(
            st.sampled_from(
                [
                    text,
                    text[1:],
                    text + " ",
                    text.replace("0", "", 1),
                    text.upper(),
                    text[:-1],
                    text.replace("1", "9"),
                    f" {text}",
                    text.replace("3", "6"),
                ]
            )
        )
        for text in texts
    ]
    zone = data.draw(st.sampled_from([None, "UTC"]))
    for rows in (texts, damaged):
        each(col("x").str.to_datetime(format, time_zone=zone), rows, t.String)
        each(col("x").str.to_datetime(format, time_zone=zone, strict=False), rows, t.String)
    assert FAULT not in each(col("x").str.to_datetime(format, time_zone=zone), texts, t.String)
    if not clock:
        found = each(col("x").str.to_date(format), texts, t.String)
        assert found == [value.date() for value in values]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(CLOCKS), st.lists(st.times(), min_size=1, max_size=8), st.sampled_from("0123456789:. pPaA"))
def test_reading_times(format: str, values: list[dt.time], noise: str) -> None:
    texts = each(col("x").dt.to_string(format), values, t.Time)
    assert FAULT not in each(col("x").str.to_time(format), texts, t.String)
    each(col("x").str.to_time(format), [text.replace("0", noise, 1) for text in texts], t.String)


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe"])
def test_text_without_an_offset_is_local_to_the_zone(zone: str) -> None:
    texts = [f"{value:%Y-%m-%d %H:%M:%S}" for value in NEAR]
    expression = col("x").str.to_datetime("%Y-%m-%d %H:%M:%S", time_zone=zone)
    found = each(expression, texts, t.String)
    expected = each(col("x").dt.replace_time_zone(zone), list(NEAR), NAIVE)
    assert plain(found) == plain(expected)
    assert plain(each(col("x").str.to_datetime(time_zone=zone), texts, t.String)) == plain(expected)


def test_strptime_takes_types_of_any_spelling() -> None:
    import polars as pl

    for dtype in (t.Date, pl.Date, dt.date):
        assert each(col("x").str.strptime(dtype, "%d.%m.%Y"), ["1.2.2024"], t.String) == [dt.date(2024, 2, 1)]
    zoned_type = t.Datetime("ms", "UTC")
    found = each(col("x").str.strptime(zoned_type, "%Y-%m-%d %H:%M"), ["2024-01-01 00:30", "x"], t.String)
    assert found == [dt.datetime(2024, 1, 1, 0, 30, tzinfo=dt.UTC), FAULT]


# -- Epochs and durations ---------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["us", "ms", "s", "d"])
@settings(max_examples=30, deadline=None)
@given(whole=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**12), 10**12)), real=st.lists(st.floats()))
def test_from_epoch(unit: str, whole: list[int], real: list[float]) -> None:
    edges = [-62_135_596_800, 253_402_300_799, 253_402_300_800, -719_162, -719_163, 2_932_896, 2_932_897]
    each(col("x").from_epoch(unit), [*whole, *edges, None], t.Int64)
    each(col("x").from_epoch(unit), [*real, *map(float, edges), None], t.Float64)
    each(col("x").from_epoch(unit), [1, None], t.Int8)


def test_from_epoch_takes_the_name_of_a_column() -> None:
    assert str(from_epoch("ms", "ms").term) == str(col("ms").from_epoch("ms").term) == "from_epoch(ms, unit='ms')"


def test_epochs_are_inverse() -> None:
    value = dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
    (seconds,) = each(col("x").dt.epoch("s"), [value], t.Datetime("us", "UTC"))
    assert each(col("x").from_epoch("s"), [seconds], t.Int64) == [value]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.timedeltas(dt.timedelta(days=-(10**5)), dt.timedelta(days=10**5)), min_size=1))
def test_totals(values: list[dt.timedelta]) -> None:
    for unit in ("days", "hours", "minutes", "seconds", "milliseconds", "microseconds"):
        found: list[Any] = each(getattr(col("x").dt, f"total_{unit}")(), values, t.Duration("us"))
        assert all(abs(number) * dt.timedelta(**{unit: 1}) <= abs(v) for number, v in zip(found, values, strict=True))


@settings(max_examples=40, deadline=None)
@given(st.dates(), st.sampled_from(["1d", "3d", "1w", "1mo", "5mo", "1y", "-1mo", "-1w1d"]))
@example(dt.date.min, "5mo")
@example(dt.date.max, "1mo")
def test_dates(day: dt.date, by: str) -> None:
    each(col("x").dt.offset_by(by), [day], t.Date)
    assume(not by.startswith("-"))
    each(col("x").dt.truncate(by), [day], t.Date)
    each(col("x").dt.round(by), [day], t.Date)
    each(col("x").dt.month_end(), [day], t.Date)
