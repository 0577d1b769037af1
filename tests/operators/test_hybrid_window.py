"""Hybrid windows: so many rows or so long, whichever is first."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.testing import T, check
from penstock.testing.check import agree
from penstock.testing.plans import aggregates, cases, keys_of
from penstock.testing.scene import one_by_one
from penstock.testing.trial import Mode, try_out
from tests.laws.law import LAW, told
from tests.laws.test_keyed_windows import TICKS

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

ROWS = T("""
    k | v | at
    a | 1 | 01:00:05
    a | 2 | 01:00:01
    b | 9 | 01:00:02
    a | 3 | 01:00:06
    a | 4 | 01:00:07
    a | 5 | 01:00:20
""")


def cut(rows, size, *keys, **options):
    return lambda s: s.group_by(*keys).window(ps.hybrid(rows, size), **options).agg(n=ps.count(), v=col("v").sum())


def test_a_window_ends_with_its_last_row_or_when_its_time_is_over():
    check(
        cut(3, "10 s", "k"),
        input=ROWS,
        output=T("""
            k | window_start | window_end   | n | v
            a | 01:00:01     | 01:00:06.001 | 3 | 6
            b | 01:00:02     | 01:00:12     | 1 | 9
            a | 01:00:07     | 01:00:17     | 1 | 4
            a | 01:00:20     | 01:00:30     | 1 | 5
        """),
    )


def test_late_rows_are_those_behind_the_watermark():
    check(cut(2, "10 s"), input=ROWS, watermark="1 s", late=2, output=T("""
        window_start | window_end   | n | v
        01:00:05     | 01:00:06.001 | 2 | 4
        01:00:07     | 01:00:17     | 1 | 4
        01:00:20     | 01:00:30     | 1 | 5
    """))  # fmt: skip
    rows = ps.read(_frame(), event_time="at", watermark="1 s")
    late = rows.window(ps.hybrid(2, "10 s")).agg(n=ps.count()).late().collect()
    assert sorted(late["v"].to_list()) == [2, 9]


def _frame():
    pairs = ((1, 5), (2, 1), (9, 2), (3, 6), (4, 7), (5, 20))
    return [{"v": v, "at": START + dt.timedelta(seconds=s)} for v, s in pairs]


def test_by_the_clock_rows_are_taken_as_they_come():
    check(
        cut(3, "10 s", on=ps.processing_time()),
        input=ROWS,
        ticks=[(0, "1 s"), (2, "10 s")],
        output=T("n | v\n2 | 3\n3 | 16\n1 | 5"),
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda s: s.window(ps.hybrid(2, "1 s"), emit="change").agg(n=ps.count()), "sent once"),
        (lambda s: s.window(ps.hybrid(2, "1 s"), allowed_lateness="1 s").agg(n=ps.count()), "sent once"),
        (lambda s: s.as_table("v").window(ps.hybrid(2, "1 s")).agg(n=ps.count()), "a Table change"),
        (lambda s: s.window(ps.hybrid(0, "1 s")), "from 1"),
        (lambda s: s.window(ps.hybrid(2, "0 s")), "at least one"),
    ],
)
def test_what_is_refused_says_why(make, words):
    with pytest.raises(ps.PlanError, match=words):
        make(ps.read(_frame(), event_time="at"))


@st.composite
def hybrids(draw, rows, **options):
    usable = keys_of(rows)[:3]
    keys = draw(st.lists(st.sampled_from(usable), max_size=2, unique=True)) if usable else []
    windows = ps.hybrid(draw(st.integers(1, 4)), draw(st.sampled_from(["1 ms", "1 s", "4 s", "20 s"])))
    return rows.group_by(*keys).window(windows, **options).agg(**draw(aggregates(rows)))


@st.composite
def clocked(draw):
    case = draw(cases(lambda rows: hybrids(rows, on=ps.processing_time())))
    return case.with_ticks(draw(TICKS))


@LAW
@given(st.one_of(cases(hybrids), clocked()))
def test_engine_is_reference(case):
    agree(case, told(case))


@LAW
@given(st.one_of(cases(hybrids), clocked()))
def test_restored_after_every_step(case):
    events = case.scene.events()
    pauses = {number: number % 3 + 1 for number in range(len(events))}
    try_out(case, told(case), Mode("restored after every step", one_by_one(events), 2, 7, pauses))
