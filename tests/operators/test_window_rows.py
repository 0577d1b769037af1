"""Rows of windows, and the first of each window and key."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.core.errors import PlanError, UnsupportedError
from penstock.testing import T, check
from penstock.testing.check import agree
from penstock.testing.plans import cases, keys_of
from penstock.testing.strategies import windows
from tests.laws.law import LAW, told

ROWS = T("""
    at | k | v:Int64
    00:00:01 | a | 3
    00:00:04 | b | 9
    00:00:02 | a | 5
    00:00:12 | a | 1
    00:00:03 | a | 5
    00:00:11 | b |
""")


def test_rows_come_when_their_window_closes():
    check(lambda s: s.window(ps.tumbling("10 s")).rows(), input=ROWS, watermark="30 s", output=T("""
        at | k | v | window_start | window_end
        00:00:01 | a | 3 | 00:00:00 | 00:00:10
        00:00:04 | b | 9 | 00:00:00 | 00:00:10
        00:00:02 | a | 5 | 00:00:00 | 00:00:10
        00:00:03 | a | 5 | 00:00:00 | 00:00:10
        00:00:12 | a | 1 | 00:00:10 | 00:00:20
        00:00:11 | b |   | 00:00:10 | 00:00:20
    """))  # fmt: skip


def frame():
    """The rows, as a frame."""
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    seconds = [1, 4, 2, 12, 3, 11]
    return [
        {"at": start + dt.timedelta(seconds=s), "k": k, "v": v}
        for s, k, v in zip(seconds, "abaaab", [3, 9, 5, 1, 5, None], strict=True)
    ]


def test_the_first_of_each_window_and_key_with_their_ranks():
    stream = ps.read(frame(), event_time="at", watermark="30 s")
    made = stream.group_by("k").window(ps.tumbling("10 s")).top_n(2, by="v", rank="place")
    assert (made.node.facts.mode, made.node.facts.time) == ("append", "window_end")
    found = made.select("k", "v", "place").collect().rows()
    assert found == [("a", 5, 1), ("a", 5, 2), ("b", 9, 1), ("a", 1, 1), ("b", None, 1)]


def test_an_offset_and_an_expression():
    stream = ps.read(frame(), event_time="at", watermark="30 s")
    made = stream.window(ps.tumbling("1 min")).top_n(2, by=-col("v"), descending=False, offset=1, nulls="last")
    assert made.columns == ["at", "k", "v", "window_start", "window_end"]
    assert made.collect()["v"].to_list() == [5, 5]


def test_the_first_and_the_last_by_time():
    windowed = ps.read(frame(), event_time="at", watermark="30 s").group_by("k").window(ps.tumbling("10 s"))
    assert windowed.dedup().collect()["at"].dt.second().to_list() == [1, 4, 12, 11]
    assert windowed.dedup(keep="last").collect()["at"].dt.second().to_list() == [3, 4, 12, 11]


def test_late_rows_leave_and_say_what_would_have_saved_them():
    stream = ps.read(frame(), event_time="at", watermark="1 s")
    made = stream.window(ps.tumbling("10 s")).rows()
    late = made.late().collect()
    assert late["v"].to_list() == [5]
    why = late["_why"][0]
    assert (why["reason"], why["needed"]) == ("late", "2002 ms")
    assert made.collect()["v"].to_list() == [3, 9, 5, 1, None]


def test_windows_over_the_rows_of_windows():
    stream = ps.read(frame(), event_time="at", watermark="30 s")
    tops = stream.group_by("k").window(ps.tumbling("10 s")).top_n(1, by="v").drop("window_start")
    with pytest.raises(PlanError, match="there is one already"):
        tops.window(ps.tumbling("20 s")).rows()
    renamed = tops.rename({"window_end": "end"}).window(ps.tumbling("20 s")).agg(v=col("v").sum())
    assert renamed.collect()["v"].to_list() == [15]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda s: s.window(ps.session("5 s")).rows(), "session window is not offered"),
        (lambda s: s.window(ps.tumbling("5 s"), emit="change").rows(), "sent once, when it closes"),
        (lambda s: s.window(ps.tumbling("5 s"), allowed_lateness="1 s").top_n(1, by="v"), "sent once"),
    ],
)
def test_what_is_not_offered(build, words):
    with pytest.raises(UnsupportedError, match=words):
        build(ps.read(frame(), event_time="at"))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda s: s.window(ps.tumbling("5 s")).top_n(0, by="v"), "number of rows from 1"),
        (lambda s: s.window(ps.tumbling("5 s")).top_n(1, by="x"), "x"),
        (lambda s: s.window(ps.tumbling("5 s")).top_n(1, by="v", rank="v"), 'a column "v"'),
        (lambda s: s.window(ps.tumbling("5 s")).top_n(1, by="v", offset=-1), "offset"),
        (lambda s: s.window(ps.tumbling("5 s")).dedup(keep="any"), "keep"),
        (lambda s: s.group_by("k").agg(n=ps.count()).window(ps.tumbling("5 s")).rows(), "this is a Table"),
        (lambda s: s.select("k").window(ps.tumbling("5 s")).rows(), "needs an event time"),
    ],
)
def test_what_means_nothing(build, words):
    with pytest.raises(PlanError, match=words):
        build(ps.read(frame(), event_time="at"))


@st.composite
def plans(draw, rows):
    """Rows of windows, all or the first, with keys, ranks and orders, by event time or by the clock."""
    kept = [name for name in keys_of(rows) if name not in ("window_start", "window_end", "rank")]
    time = rows.node.facts.time
    rows = rows.select(*dict.fromkeys([*kept, time]))
    keys = draw(st.lists(st.sampled_from(kept), max_size=2, unique=True)) if kept else []
    on = draw(st.sampled_from([None, None, ps.processing_time()]))
    made = rows.group_by(*keys).window(draw(windows()), on=on)
    kind = draw(st.sampled_from(["rows", "top", "top", "first"]))
    if kind == "rows":
        return made.rows()
    if kind == "first":
        return made.dedup(keep=draw(st.sampled_from(["first", "last"])))
    by = draw(st.lists(st.sampled_from([*kept, time]), min_size=1, max_size=2, unique=True))
    rank, offset = draw(st.sampled_from([None, "rank"])), draw(st.sampled_from([0, 0, 1]))
    return made.top_n(draw(st.integers(1, 3)), by=by, descending=draw(st.booleans()), rank=rank, offset=offset)


@LAW
@given(cases(plans), st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9_000_000)), max_size=4).map(tuple))
def test_the_engine_is_the_meaning(case, ticks):
    case = case.with_ticks(ticks)
    agree(case, told(case))


@LAW
@given(cases(lambda rows: plans(rows).flatmap(lambda made: st.just(made.group_by().agg(n=ps.count())))))
def test_groups_of_them(case):
    agree(case, told(case))
