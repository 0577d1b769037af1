"""Punctuated watermarks, and the time at which rows are taken."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.core.errors import PlanError
from penstock.testing.check import agree
from penstock.testing.plans import cases, conditions
from tests.laws.law import LAW, told

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
TICKS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9_000_000)), max_size=4).map(tuple)


def rows(*items):
    """Rows at seconds, with the second that a row marks, or none."""
    moments = [(START + dt.timedelta(seconds=a), m if m is None else START + dt.timedelta(seconds=m)) for a, m in items]
    return [{"at": at, "mark": mark} for at, mark in moments]


def test_marks_move_time_and_rows_behind_them_are_late():
    given_rows = rows((1, None), (25, None), (3, 5), (4, 9), (12, 10), (2, None), (13, 8))
    stream = ps.read(given_rows, event_time="at", watermark=ps.punctuated("mark"))
    made = stream.window(ps.tumbling("10 s")).agg(n=ps.count())
    assert made.collect()["n"].to_list() == [3, 2, 1]
    late = made.late().collect()
    assert late["at"].dt.second().to_list() == [2]
    assert late["_why"][0]["watermark"] == START + dt.timedelta(seconds=10)


def test_a_row_whose_mark_cannot_be_computed_leaves_by_errors():
    data = [{"at": START, "text": text} for text in ("2026-01-01", "x")]
    stream = ps.read(data, event_time="at", watermark=ps.punctuated(col("text").str.to_datetime("%Y-%m-%d")))
    assert stream.collect()["text"].to_list() == ["2026-01-01"]


def test_what_is_no_mark():
    with pytest.raises(PlanError, match="takes an instant"):
        ps.read([{"at": START, "n": 1}], event_time="at", watermark=ps.punctuated("n"))
    with pytest.raises(PlanError, match="a watermark of its own"):
        ps.read([{"n": 1}], event_time=ps.ingestion_time(), watermark="1 s")
    with pytest.raises(PlanError, match="there is one already"):
        ps.read([{"event_time": 1}], event_time=ps.ingestion_time())


def test_ingestion_time_is_what_the_clock_says():
    before = dt.datetime.now(dt.UTC)
    stream = ps.read([{"n": 1}, {"n": 2}], event_time=ps.ingestion_time())
    found = stream.collect()
    assert found.columns == ["n", "event_time"]
    assert before - dt.timedelta(seconds=1) < found["event_time"][0] <= dt.datetime.now(dt.UTC)
    days = stream.window(ps.tumbling("400 d")).agg(n=ps.count())
    assert not days.node.facts.deterministic
    assert days.collect()["n"].sum() == 2


@st.composite
def punctuated(draw, given_rows):
    """Windows under marks that some rows have, over an event time that was renamed."""
    marks = ps.when(draw(conditions(given_rows))).then(col("at")).otherwise(None)
    stream = given_rows.with_event_time("at", watermark=ps.punctuated(marks))
    return stream.group_by("k").window(ps.tumbling("5 s")).agg(n=ps.count())


@LAW
@given(cases(punctuated))
def test_marks(case):
    agree(case, told(case))


@st.composite
def taken(draw, given_rows):
    """Windows over ingestion time, and the rows themselves."""
    stream = given_rows.with_event_time(ps.ingestion_time())
    made = stream.group_by("k").window(draw(st.sampled_from([ps.tumbling("2 s"), ps.hopping("6 s", every="2 s")])))
    return draw(st.sampled_from([stream, made.agg(n=ps.count())]))


@LAW
@given(cases(taken), TICKS)
def test_ingestion_time(case, ticks):
    case = case.with_ticks(ticks)
    agree(case, told(case))
