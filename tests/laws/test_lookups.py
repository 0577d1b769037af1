"""Lookups are what their meaning says: whatever is answered when, in any cut, after restarts while rows wait."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.api.stream import stream
from penstock.core.errors import SourceLost
from penstock.core.schema import Field, Schema
from penstock.plan.pipeline import Pipeline
from penstock.testing.case import Case
from penstock.testing.check import agree
from penstock.testing.compare import difference
from penstock.testing.driver import Driver
from penstock.testing.oracle import Port
from penstock.testing.scene import Kept, Scene
from penstock.testing.strategies import cuts, inputs, orders
from penstock.testing.trial import check_counts, push
from tests.laws.asked import Asking, Known
from tests.laws.law import LAW, SLOW_LAW, told


@st.composite
def tables(draw, one, on):
    """Rows of an outside source: some keys of the input, others, duplicates, nulls."""
    keys = [tuple(row[name] for name in on) for rows in one.splits for row in rows]
    chosen = draw(st.lists(st.sampled_from(keys), max_size=6)) if keys else []
    fields = [Field(name, one.schema[name].dtype) for name in on]
    schema = Schema((*fields, Field("word", ps.String), Field("number", ps.Int64)))
    rows = [{**dict(zip(on, key, strict=True)), "word": f"w{n}", "number": n} for n, key in enumerate(chosen)]
    return rows, schema


def build(draw, rows, source, on, **options):
    made = rows.lookup(source, on=on, how=draw(st.sampled_from(["inner", "left"])), suffix="_there", **options)
    kind = draw(st.sampled_from(["rows", "rows", "windows"]))
    if kind == "windows" and "at" in made.schema:
        return made.group_by("word").window(ps.tumbling("10 s")).agg(n=ps.count(), least=col("i").min())
    return made


@st.composite
def loaded(draw):
    """A lookup in a table that is at hand."""
    one = draw(inputs("input1", most_rows=10, most_splits=2, finite=True))
    on = draw(st.sampled_from([["k"], ["i"], ["k", "i"]]))
    rows, schema = draw(tables(one, on))
    made = build(draw, stream(one.node()), rows, on, schema=schema)
    return Case(Pipeline("drawn", made.write(Kept(), name="output")), Scene((one,), draw(orders([one]))))


@LAW
@given(loaded(), st.integers(0, 1 << 30))
def test_a_table_that_is_at_hand_is_joined_in_any_cut(case, seed):
    agree(case, seed=seed)


@st.composite
def asked(draw):
    """A lookup in a source that is asked, with how it is asked."""
    one = draw(inputs("input1", most_rows=12, most_splits=2, finite=True))
    on = draw(st.sampled_from([["k"], ["i"], ["k", "i"]]))
    rows, schema = draw(tables(one, on))
    source = Known(rows, schema)
    options = {
        "ordered": draw(st.booleans()),
        "parallelism": draw(st.integers(1, 3)),
        "batch": draw(st.sampled_from([1, 2, 100])),
        "cache": draw(st.sampled_from([None, "1 h", {"rows": 2}, {"misses": False}, "full"])),
        "retry": {"attempts": 50, "delay": "10 ms", "most": "1 s"},
        "breaker": draw(st.sampled_from([False, {"failures": 2, "pause": "50 ms"}])),
    }
    made = build(draw, stream(one.node()), source, on, **options)
    pipeline = Pipeline("drawn", made.write(Kept(), name="output"))
    case = Case(pipeline, Scene((one,), draw(orders([one]))))
    return case, source, options["ordered"] and made.node.verb == "lookup", draw(cuts(case.scene.events()))


def run(case, source, steps, seed, *, failures=0.3, restarts=0.2):
    """What comes out when calls end, fail and are forgotten at random."""
    chosen = random.Random(seed)
    drawn = [SourceLost("away") if chosen.random() < failures else None for _ in range(40)]
    source.script.extend(drawn)
    one = Asking(Driver(case.pipeline, splits={i.name: len(i.splits) for i in case.scene.inputs}, seed=seed))
    for events in steps:
        push(one.driver, case, events)
        one.step()
        one.hand.finish(chosen, chosen.randrange(3))
        if chosen.random() < 0.3:
            one.driver.advance("20 ms")
        if chosen.random() < 0.2:
            one.driver.checkpoint()
        if chosen.random() < restarts:
            one.restart(shards=chosen.randrange(1, 4))
    one.settle(chosen)
    source.script.clear()
    return one.driver


def agrees(case, source, ordered, steps, seed):
    expected: Port = told(case).outputs["output"]
    driver = run(case, source, steps, seed)
    rows, wanted = driver.rows(), [row.values for row in expected.rows]
    assert difference(wanted, rows, case.within, ("the reference", "the engine")) is None
    if ordered:
        assert rows == wanted
    check_counts(driver)
    assert not driver.errors


@LAW
@given(asked(), st.integers(0, 1 << 30))
def test_whatever_is_answered_when_the_result_is_that_of_a_source_that_answers_at_once(drawn, seed):
    agrees(*drawn, seed)


@pytest.mark.slow
@SLOW_LAW
@given(asked(), st.integers(0, 1 << 30))
def test_whatever_is_answered_when_the_result_is_that_of_a_source_that_answers_at_once_slow(drawn, seed):
    agrees(*drawn, seed)
