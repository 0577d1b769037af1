"""Process functions: state, timers by both times, side outputs, failures; in every cut, restored after every step."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.api.stored import from_json, to_json
from penstock.connectors.memory import MemorySink, MemorySource
from penstock.core.delta import Delta
from penstock.core.lazy import pl
from penstock.operators.base import Environment, StepContext
from penstock.testing import T, check

ROWS = T("""
    at       | k | v:Int64
    00:00:01 | a | 4
    00:00:04 | b | 0
    00:00:05 | c | null
    ~ 00:00:05
    00:00:06 | a | 2
    00:00:12 | a | 3
    00:00:11 | b | 3
    ~ 00:00:12
    00:00:20 | c | 3
    00:00:19 | c | -1
""")
INSTANT = ps.Datetime("us", "UTC")


class Silent(ps.Process):
    """Tells when a key has been silent, and keeps one of each kind of state."""

    output: ClassVar = {"at": INSTANT, "since": INSTANT, "n": ps.Int64}
    sides: ClassVar = {"alarms": {"v": ps.Int64}}
    last = ps.ValueState(INSTANT)
    n = ps.ValueState(int, default=0)
    seen = ps.ListState(int)
    by = ps.MapState(str, float)

    def __init__(self, gap="5 s"):
        self.gap = gap

    def on_row(self, row, ctx):
        self.last = row.at
        self.n += 1
        self.seen.append(row.v)
        self.by[ctx.key.k] = self.by.get(row["k"], 0.0) + 0.5
        ctx.timer("quiet", after=self.gap)
        if row.v == 0:
            yield ps.side("alarms", {"v": self.n})
        if row.v == -1:
            self.n = 1_000
            raise ValueError("minus one")

    def on_timer(self, timer, ctx):
        assert (timer, len(self.seen), self.by[ctx.key.k]) == ("quiet", self.n, self.n / 2)
        yield {"since": self.last, "n": self.n}


class Beat(ps.Process):
    """A timer that sets itself again."""

    output: ClassVar = {"n": ps.Int64}
    n = ps.ValueState(int, default=0)

    def on_row(self, row, ctx):
        if self.n == 0:
            ctx.timer("beat", after="2 s")
        self.n += 1

    def on_timer(self, timer, ctx):
        yield {"n": self.n}
        ctx.timer("beat", after="2 s")


class Clock(ps.Process):
    """Sends by the clock what has come."""

    output: ClassVar = {"n": ps.Int64}
    n = ps.ValueState(int, default=0)

    def on_row(self, row, ctx):
        self.n += 1
        ctx.timer("flush", after="5 s", on=ps.processing_time())

    def on_timer(self, timer, ctx):
        n, self.n = self.n, 0
        yield {"n": n}


def test_timers_fire_behind_the_rows_of_their_instant_and_are_replaced():
    check(
        lambda s: s.group_by("k").process(Silent()),
        input=ROWS,
        output=T("""
            at       | k | n
            00:00:09 | b | 1
            00:00:10 | c | 1
            00:00:11 | a | 2
            00:00:16 | b | 2
            00:00:17 | a | 3
            00:00:25 | c | 2
        """),
        errors=1,
    )


def test_event_time_goes_on():
    check(
        lambda s: s.group_by("k").process(Silent("3 s")).window(ps.tumbling("10 s")).agg(n=col("n").sum()),
        input=ROWS,
        errors=1,
    )


def test_side_outputs_and_errors():
    def build(rows):
        made = rows.group_by("k").process(Silent())
        return {"alarms": made.side("alarms"), "bad": made.errors()}

    check(build, input=ROWS, output={"alarms": [{"k": "b", "v": 1}], "bad": [{"k": "c", "v": -1}]}, errors=1)


def test_a_timer_that_sets_itself_again_ends_with_the_rows():
    check(lambda s: s.group_by("k").process(Beat()), input=ROWS)


@pytest.mark.parametrize("columns", [("at", "k", "v"), ("k", "v")])
def test_timers_by_the_clock(columns):
    ticks = [(2, "3 s"), (3, "3 s"), (5, "10 s")]
    check(lambda s: s.select(*columns).group_by("k").process(Clock()), input=ROWS, ticks=ticks)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.integers(-1, 2)), max_size=12))
def test_generated_rows_in_any_cut(rows):
    table = [{"at": f"2026-01-01T00:00:{s:02}Z", "k": k, "v": v} for s, k, v in rows]
    frame = pl.DataFrame(table, schema={"at": str, "k": str, "v": int}).with_columns(
        at=pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC", time_unit="us")
    )
    check(
        lambda s: [s.group_by("k").process(Silent("4 s")), s.group_by("k").process(Beat())],
        input=frame,
        watermark="3 s",
        late=None,
        errors=None,
    )


def test_a_plan_comes_back_with_the_attributes_of_the_object():
    source = ps.read(MemorySource([{"k": "a", "v": 0}], name="rows"))
    sink = MemorySink("out")
    made = source.group_by("k").process(NoTime(3))
    text = to_json(ps.Pipeline("p", made.write(sink)))
    node = next(n for n in from_json(text, {"rows": source.node.source, "out": sink}).nodes() if n.verb == "process")
    assert node.instance().step == 3
    assert json.loads(text)


class NoTime(ps.Process):
    """Counts in steps."""

    output: ClassVar = {"n": ps.Int64}
    n = ps.ValueState(int, default=0)

    def __init__(self, step):
        self.step = step

    def on_row(self, row, ctx):
        self.n += self.step
        yield {"n": self.n}


class Wrong(NoTime):
    """Gives what is not declared."""

    def on_row(self, row, ctx):
        self.n = "text" if row.v == 1 else 5
        if row.v == 2:
            yield {"m": 1}
        yield {"n": self.n}


def test_what_does_not_fit_its_declaration_is_refused_and_changes_no_state():
    rows = ps.read([{"k": "a", "v": v} for v in (1, 2, 0)])
    made = rows.group_by("k").process(Wrong(1))
    assert made.collect().to_dicts() == [{"k": "a", "n": 5}]
    reasons = [row["_why"]["reason"] for row in made.errors().collect().to_dicts()]
    assert reasons == [
        'Wrong.on_row: "n": gave str, declared is Int64',
        'Wrong.on_row: the column "m" is not declared; there are n',
    ]


def test_what_cannot_be_processed_is_refused_with_the_reason():
    rows = ps.read([{"k": "a", "v": 1}])
    with pytest.raises(ps.PlanError, match="takes an object"):
        rows.group_by("k").process(NoTime)
    with pytest.raises(ps.PlanError, match="rows of a Table change"):
        rows.group_by("k").agg(n=ps.count()).group_by("k").process(NoTime(1))
    with pytest.raises(ps.PlanError, match="not offered yet"):
        ps.ValueState(int, ttl="5 s")
    with pytest.raises(ps.PlanError, match="side output"):
        rows.group_by("k").process(NoTime(1)).side("alarms")
    with pytest.raises(ps.PlanError, match="state of a key"):
        assert NoTime(1).n


def test_state_is_seen_as_a_table_and_leaves_when_it_is_the_default():
    node = ps.read([{"k": "a", "v": 1}]).group_by("k").process(NoTime(1)).node
    executor = node.executor(Environment())
    for values, held in (([1], 1), ([1, 1], 1)):
        delta = Delta.of_frame(pl.DataFrame({"k": ["a"] * len(values), "v": values}))
        list(executor.step([delta], StepContext(step=0, now=0, watermark=0)))
        assert executor.state_size()[0] == held
    assert json.loads(executor.contents(10)["state"][0])["values"]["v"] == [["n", 3]]
