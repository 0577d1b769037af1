"""Splits that keep pace: who is too far ahead of its group is not read, and what comes out is the same."""

from __future__ import annotations

import datetime as dt
import random
from itertools import pairwise

import pytest

import penstock as ps
from penstock.connectors.memory import MemorySink
from penstock.core.timespan import SECOND, from_datetime
from penstock.engine.job import Job
from penstock.engine.options import JobOptions, LoopOptions
from penstock.operators.watermark import WatermarkExecutor

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def rows(count, every, name, **options):
    times = [{"at": START + dt.timedelta(seconds=every * i)} for i in range(count)]
    return ps.read(times, event_time="at", watermark="0 s", name=name, **options)


def run(build):
    """A run step by step: how far each split had come after each step, the rows of the sink, and the last status."""
    sink = MemorySink()
    job = Job(ps.Pipeline("aligned", build().write(sink)), JobOptions(loop=LoopOptions(step_rows=4), control=False))
    loop = job._parts.loop
    marks = [made.executor for made in loop.engine.plan.nodes if isinstance(made.executor, WatermarkExecutor)]
    seen = []
    while not loop._over:
        held = loop.progress.held()
        loop.once()
        seen.append((held, {pair: at for one in marks for pair, at in one.seen.items()}))
    job.run()
    return seen, sink.frame(), job.status()


def both(**options):
    fast, slow = rows(300, 10, "fast", **options), rows(300, 1, "slow", **options)
    return fast.union(slow).window(ps.tumbling("1 min")).agg(n=ps.count())


def test_the_fast_source_waits_for_the_slow_one_until_that_has_ended():
    seen, found, status = run(lambda: both(align="pace", drift="30 s"))
    assert any(held for held, _ in seen)
    for (_, before), (held, after) in pairwise(seen):
        assert all(before[pair] == after[pair] for pair in held)
    # A split's share of a step are two rows, ten seconds apart: further than by the drift and a step they never were.
    origin, end = from_datetime(START), from_datetime(START) + 299 * SECOND
    apart = [max(after.values()) - min(after.values()) for _, after in seen if origin <= min(after.values()) < end]
    assert 30 * SECOND < max(apart) <= 50 * SECOND
    _, plain, _ = run(both)
    assert found.sort("window_start").rows() == plain.sort("window_start").rows()
    assert [one.held for one in status.splits] == [False, False]


def test_other_groups_are_not_waited_for():
    def build():
        fast, slow = rows(300, 10, "fast", align="one"), rows(300, 1, "slow", align="other")
        return fast.union(slow).window(ps.tumbling("1 min")).agg(n=ps.count())

    assert not any(held for held, _ in run(build)[0])


def test_an_alignment_is_in_the_plan_and_needs_a_watermark():
    assert "aligned with pace, at most 30 s ahead" in rows(1, 1, "a", align="pace", drift="30 s").node.describe()
    with pytest.raises(ps.PlanError, match="compares watermarks"):
        ps.read([{"at": START}], event_time="at", align="pace")
    with pytest.raises(ps.PlanError, match="say event_time="):
        ps.read([{"at": START}], align="pace")
    with pytest.raises(ps.PlanError, match="more than nothing"):
        rows(1, 1, "a", align="pace", drift="0 s")


def test_the_status_says_how_rows_come_in_time():
    # Every tenth row is 7 s behind the one before it, one of them 90 s.
    seconds = [i - 7 * (i % 10 == 9) - 83 * (i == 999) for i in range(1_000)]
    given = [{"at": START + dt.timedelta(seconds=s)} for s in seconds]

    def build():
        read = ps.read(given, event_time="at", watermark="5 s", name="given")
        return read.window(ps.tumbling("10 s")).agg(n=ps.count())

    (split,) = run(build)[2].splits
    assert (split.source, split.rows, split.behind, split.late) == ("given", 1_000, 100, 100)
    assert split.stated == 5 * SECOND
    assert 6 * SECOND < split.most <= 7 * SECOND
    assert split.nearly_all <= split.all
    assert 89 * SECOND <= split.all <= 91 * SECOND
    assert split.ahead_us < 0


def test_the_bound_that_is_suggested_lets_as_many_rows_be_in_time_as_it_says():
    draw = random.Random(5)
    seconds = [i - draw.choice([0, 0, 0, 1, 2, 40, 300]) for i in range(2_000)]
    given = [{"at": START + dt.timedelta(seconds=s)} for s in seconds]

    def late(bound):
        read = ps.read(given, event_time="at", watermark=dt.timedelta(microseconds=bound), name="given")
        return run(lambda: read.window(ps.tumbling("10 s")).agg(n=ps.count()))[2].splits[0]

    first = late(0)
    assert late(first.all).late == 0
    assert late(first.nearly_all).late <= 2
    assert late(first.most).late <= 20
    assert late(first.most // 2_000 * 1_000).late > 20
