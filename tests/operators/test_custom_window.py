"""Windows that a function assigns."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock.core.errors import PlanError
from penstock.plan.custom_windows import Custom
from penstock.testing import T, check
from penstock.testing.check import agree
from penstock.testing.plans import aggregates, cases
from tests.laws.law import LAW, told


def shifts(moment):
    """Early shift 06-14, late 14-22; nothing at night, and none at all at noon sharp."""
    if moment.minute == 59:
        raise ValueError("the clock is broken")
    start = moment.replace(minute=0, second=0, microsecond=0)
    if 6 <= moment.hour < 14:
        yield start.replace(hour=6), start.replace(hour=14)
    elif 14 <= moment.hour < 22:
        yield start.replace(hour=14), start.replace(hour=22)


def parts(moment):
    """The seconds 0-7 and 5-10 of each ten seconds; the last second fails."""
    second = moment.second % 10
    if second == 9:
        raise ValueError("nine")
    start = moment.replace(microsecond=0) - dt.timedelta(seconds=second)
    if second < 7:
        yield start, start + dt.timedelta(seconds=7)
    if second >= 5:
        yield start + dt.timedelta(seconds=5), start + dt.timedelta(seconds=10)


def minutes(times):
    """Minutes, many at once."""
    start = times.dt.truncate("1m")
    return pl.DataFrame({"row": range(len(times)), "start": start, "end": start + dt.timedelta(minutes=1)})


def test_rows_are_where_the_function_says_and_what_it_raises_goes_to_errors():
    check(
        lambda s: s.window(ps.custom(shifts)).agg(n=ps.count()),
        input=T("at\n06:00:00\n13:58:00\n14:00:00\n23:00:00\n12:59:00"),
        output=T("""
            window_start | window_end | n
            06:00:00     | 14:00:00   | 2
            14:00:00     | 22:00:00   | 1
        """),
        errors=1,
    )
    start = dt.datetime(2026, 1, 1, 12, 59, tzinfo=dt.UTC)
    made = ps.read([{"at": start}], event_time="at").window(ps.custom(shifts)).agg(n=ps.count())
    assert made.errors().collect()["_why"][0]["reason"] == "shifts: ValueError: the clock is broken"


def test_many_at_once():
    rows = T("at\n00:00:01\n00:01:00\n00:00:59")
    check(
        lambda s: s.window(ps.custom(minutes, vectorised=True)).agg(n=ps.count()),
        input=rows,
        output=T("window_start | window_end | n\n00:00:00 | 00:01:00 | 2\n00:01:00 | 00:02:00 | 1"),
    )


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda moment: [(moment, moment)], "begins before its end"),
        (lambda moment: [(moment.replace(tzinfo=None), moment)], "with a zone"),
        (lambda moment: [moment], "TypeError"),
    ],
)
def test_what_is_no_window_goes_to_errors(function, words):
    rows = [{"at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}]
    made = ps.read(rows, event_time="at").window(ps.custom(function)).agg(n=ps.count())
    assert words in made.errors().collect()["_why"][0]["reason"]


def test_it_is_stored_by_its_name():
    with pytest.raises(PlanError, match="function of an instant"):
        ps.custom(3)
    assert ps.custom(shifts) == Custom(function=f"{__name__}:shifts")
    one, other = ps.custom(lambda _: []), ps.custom(lambda _: [])
    assert one != other
    lost = ps.read([{"at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}], event_time="at").window(
        Custom(function="nowhere:f")
    )
    with pytest.raises(PlanError, match="is not there"):
        lost.agg(n=ps.count())


@st.composite
def plans(draw, rows):
    """Aggregates of custom windows, however often they are sent."""
    options = draw(st.sampled_from([{}, {"emit": "change"}, {"allowed_lateness": "3 s"}, {"emit": ps.every(rows=2)}]))
    function = draw(st.sampled_from([(parts, False), (minutes, True)]))
    made = rows.group_by("k").window(ps.custom(function[0], vectorised=function[1]), **options)
    return made.agg(**draw(aggregates(rows)))


@LAW
@given(cases(plans))
def test_the_engine_is_the_meaning(case):
    agree(case, told(case))
