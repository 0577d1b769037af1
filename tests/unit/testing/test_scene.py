from __future__ import annotations

import random

import polars as pl
import pytest

from penstock.core.dtypes import Int64
from penstock.core.errors import PlanError, StartError
from penstock.core.schema import Schema
from penstock.plan.watermark import Bounded, Scripted
from penstock.testing import Input, Kept, Pushed, T
from penstock.testing.oracle import Arrival, Ended
from penstock.testing.scene import Scene, at_once, at_random, cut, one_by_one, story

TIMED = T("at | v\n00:00:01 | 1\n~ 00:00:05\n00:00:02 | 2")


def numbers(count, first=0):
    return tuple({"v": first + i} for i in range(count))


def test_an_input_of_a_drawn_table():
    found = Input.of(TIMED, "rows")
    assert (found.time, found.policy, len(found.splits[0])) == ("at", Scripted(((0, 1, 5_000_000),)), 2)
    assert found.node().verb == "watermark"


def test_an_input_of_several_splits():
    found = Input.of((TIMED, TIMED), "rows")
    assert found.policy == Scripted(((0, 1, 5_000_000), (1, 1, 5_000_000)))
    with pytest.raises(PlanError, match="different columns"):
        Input.of((TIMED, T("v")), "rows")


def test_an_input_of_a_frame_or_of_dicts():
    assert Input.of(pl.DataFrame({"v": [1]}), "rows").splits == (({"v": 1},),)
    found = Input.of([{"v": 1}, {"v": None}], "rows", watermark="5 s")
    assert (found.time, found.policy) == (None, Bounded(5_000_000))
    assert found.node().verb == "read"
    with pytest.raises(PlanError, match="drawn table"):
        Input.of("rows", "rows")


def test_watermark_lines_need_an_event_time():
    with pytest.raises(PlanError, match="no event time"):
        Input.of(T("v\n1\n~ 00:00:01"), "rows")


def test_events_follow_the_order_and_splits_end_after_their_last_row():
    schema = Schema.of({"v": Int64})
    left, right = Input("a", schema, (numbers(2), ())), Input("b", schema, (numbers(1, 10),), ends=False)
    scene = Scene((left, right), ((1, 0), (0, 0)))
    assert scene.events() == [
        Ended(0, 1), Arrival(1, 0, 0, {"v": 10}), Arrival(0, 0, 0, {"v": 0}), Arrival(0, 0, 1, {"v": 1}), Ended(0, 0)
    ]  # fmt: skip
    assert scene.splits == [2, 1]


def test_cuts_keep_every_event_in_order():
    events = Scene((Input("a", Schema.of({"v": Int64}), (numbers(9),)),)).events()
    assert one_by_one(events) == [[event] for event in events]
    assert at_once(events) == [events]
    assert cut(events, [3, 3, 99]) == [events[:3], [], events[3:]]
    for seed in range(20):
        steps = at_random(events, random.Random(seed))
        assert [event for step in steps for event in step] == events
    assert at_random(events, random.Random(1)) == at_random(events, random.Random(1))


def test_sources_and_sinks_of_tests_cannot_be_opened():
    source = Pushed(name="rows", columns=Schema.of({"v": Int64}))
    with pytest.raises(StartError):
        source.reader(source.splits()[0], None, None)
    with pytest.raises(StartError):
        Kept().writer(None)


def test_a_story_is_short():
    events = Scene((Input("a", Schema.of({"v": Int64}), (numbers(99),)),)).events()
    told = story(one_by_one(events)).splitlines()
    assert len(told) < 70
    assert told[-1] == "  0.0 ends"
