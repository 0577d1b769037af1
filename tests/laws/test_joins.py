"""Joins are what their meaning says: all forms, of Streams and Tables, in any cut, over shards, after restarts."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.api.stream import stream
from penstock.operators import join_state
from penstock.operators.joining import FORMS
from penstock.plan.pipeline import Pipeline
from penstock.testing.case import Case
from penstock.testing.check import agree
from penstock.testing.plans import _start
from penstock.testing.scene import Kept, Scene, cut
from penstock.testing.strategies import cuts, inputs, orders, windows
from penstock.testing.trial import Mode, try_out
from tests.laws.crowd import crowded
from tests.laws.law import LAW, SLOW_LAW, told

COLUMNS = ("at", "k", "i", "s")


def conditions():
    """Conditions beside the keys, most often none."""
    some = [col("left.i") < col("right.i"), col("left.k") != col("right.k"), col("right.i") > 0]
    return st.one_of(st.none(), st.none(), st.sampled_from(some))


def side(draw, rows):
    """A Stream with duplicates, or a Table of it: with the key of the join for its own, or another one."""
    rows = rows.select(*COLUMNS) if draw(st.booleans()) else rows.select("k", "i")
    kind = draw(st.sampled_from(["stream", "stream", "by key", "by another", "without a key"]))
    if kind == "by key":
        return rows.group_by("k").agg(i=col("i").max(), n=ps.count())
    if kind == "by another":
        return rows.group_by("i").agg(k=col("k").min(), n=ps.count())
    if kind == "without a key":
        return rows.group_by("k", "i").agg(n=ps.count()).select("k", "i")
    return rows


@st.composite
def pairs(draw, most_rows=10, verb=None, **options):
    """Two inputs, or one with itself, and a join of what is made of them."""
    one = draw(inputs("input1", most_rows=most_rows, most_splits=2, finite=True, **options))
    shared = {"key_types": [one.schema["k"].dtype], "starts": [_start(one)]}
    given_ = [one]
    left = right = stream(one.node())
    if draw(st.integers(0, 5)):
        other = draw(inputs("input2", most_rows=most_rows, most_splits=2, finite=True, **{**options, **shared}))
        given_.append(other)
        right = stream(other.node())
    joined = (verb or regular)(draw, left, right)
    pipeline = Pipeline("drawn", joined.write(Kept(), name="output"))
    names = [node.name for node in pipeline.nodes() if node.verb == "read"]
    given_ = [next(one for one in given_ if one.name == name) for name in names]
    return Case(pipeline, Scene(tuple(given_), draw(orders(given_))))


def regular(draw, left, right):
    left, right = side(draw, left), side(draw, right)
    how = draw(st.sampled_from(FORMS))
    where = draw(conditions())
    if how == "cross":
        return left.join(right, how=how, where=where)
    on = draw(st.sampled_from([["k"], ["k"], ["i"], ["k", "i"]]))
    return left.join(right, on=on, how=how, where=where, nulls_equal=draw(st.booleans()))


def keyed(draw, left, right):
    """A join of two Tables with keys, of which it compares all, some or none."""
    makers = {
        "k": lambda rows: rows.group_by("k").agg(i=col("i").max()),
        "i": lambda rows: rows.group_by("i").agg(k=col("k").min()),
        "ki": lambda rows: rows.group_by("k", "i").agg(n=ps.count()),
        "all": lambda rows: rows.agg(k=col("k").min(), i=col("i").max()),
    }
    left, right = (makers[draw(st.sampled_from(sorted(makers)))](rows) for rows in (left, right))
    on = draw(st.sampled_from([["k"], ["i"], ["k", "i"]]))
    how = draw(st.sampled_from(["inner", "left", "right", "full", "full", "full"]))
    where = draw(st.one_of(st.none(), st.none(), st.just(col("left.i") < col("right.i"))))
    return left.join(right, on=on, how=how, where=where, nulls_equal=draw(st.booleans()))


def sets(draw, left, right):
    """Rows of one side that the other has or has not, counted or not."""
    left, right = (side(draw, rows).select("k", "i") for rows in (left, right))
    return getattr(left, draw(st.sampled_from(["intersect", "except_"])))(right, all=draw(st.booleans()))


def append_only(draw, left, right):
    left, right = (rows.select(*COLUMNS) for rows in (left, right))
    return left.join(right, on=draw(st.sampled_from([["k"], ["i"]])), where=draw(conditions()))


def expiring(chance, left, right):
    """Streams whose rows expire, of one side or both, by one time."""
    left, right = (rows.select("at", "k", "i") for rows in (left, right))
    names = chance.choice([["ttl"], ["ttl_left"], ["ttl_right"], ["ttl_left", "ttl_right"]])
    kept = {name: chance.choice(["1 ms", "1 s", "3 s", "20 s"]) for name in names}
    if chance.random() < 0.5:
        kept = {name: ps.processing_time(span) for name, span in kept.items()}
    where = chance.choice([None, None, col("left.i") < col("right.i")])
    return left.join(right, on=chance.choice(["k", "i"]), where=where).state("pairs", **kept)


def interval(draw, left, right):
    left, right = (rows.select(*COLUMNS) for rows in (left, right))
    how = draw(st.sampled_from(["inner", "left", "right", "full", "semi", "anti"]))
    within = draw(st.sampled_from([("-10 s", "5 s"), ("0 s", "3 s"), ("-3 s", "-1 s"), ("1 ms", "20 s")]))
    closed = draw(st.sampled_from(["both", "left", "right", "none"]))
    on = draw(st.sampled_from([["k"], ["i"], ["k", "s"]]))
    options = {"where": draw(conditions()), "nulls_equal": draw(st.booleans())}
    joined = left.join(right, on=on, how=how, within=within, closed=closed, **options)
    if joined.node.facts.time is not None and draw(st.booleans()):
        return joined.window(ps.tumbling("5 s")).agg(n=ps.count())
    return joined


def as_of(draw, left, right):
    left, right = (rows.select(*COLUMNS) for rows in (left, right))
    strategy = draw(st.sampled_from(["backward", "backward", "forward", "nearest"]))
    tolerances = ["0 s", "2 s", "20 s"] + [None] * (strategy == "backward")
    joined = left.join_asof(
        right,
        by=draw(st.sampled_from([["k"], ["i"], None, ["k", "s"]])),
        strategy=strategy,
        tolerance=draw(st.sampled_from(tolerances)),
        how=draw(st.sampled_from(["left", "inner"])),
        where=draw(conditions()),
        nulls_equal=draw(st.booleans()),
    )
    if draw(st.booleans()):
        deletes = draw(st.sampled_from([col("i") > 0, col("k").is_null(), col("s") == "a"]))
        joined = stream(replace(joined.node, delete=deletes.term))
    return joined.window(ps.tumbling("5 s")).agg(n=ps.count()) if draw(st.integers(0, 3)) == 0 else joined


def in_windows(draw, left, right):
    left, right = (rows.select(*COLUMNS) for rows in (left, right))
    how = draw(st.sampled_from(["inner", "left", "right", "full", "semi", "anti"]))
    on = draw(st.sampled_from([["k"], ["i"], None, ["k", "s"]]))
    options = {"where": draw(conditions()), "nulls_equal": draw(st.booleans())}
    joined = left.join(right, on=on, how=how, window=draw(windows()), **options)
    return joined.window(ps.tumbling("5 s")).agg(n=ps.count()) if draw(st.integers(0, 3)) == 0 else joined


@st.composite
def pauses(draw, steps):
    """After which steps the state is saved (0) or restored over so many shards."""
    return draw(st.dictionaries(st.integers(0, max(0, len(steps) - 1)), st.sampled_from([0, 1, 2, 3]), max_size=8))


@LAW
@given(pairs())
def test_regular_joins(case):
    agree(case, told(case))


@LAW
@given(pairs(), st.data())
def test_regular_joins_over_restarts(case, data):
    steps = data.draw(cuts(case.scene.events(), most=12))
    shards = data.draw(st.integers(1, 3))
    try_out(case, told(case), Mode("restarts", steps, shards, 0, data.draw(pauses(steps))))


@LAW
@given(pairs(verb=sets))
def test_sets(case):
    agree(case, told(case))


@LAW
@given(pairs(verb=sets), st.data())
def test_sets_over_restarts(case, data):
    steps = data.draw(cuts(case.scene.events(), most=12))
    shards = data.draw(st.integers(1, 3))
    try_out(case, told(case), Mode("restarts", steps, shards, 0, data.draw(pauses(steps))))


@settings(LAW, max_examples=60)
@given(pairs(verb=keyed))
def test_keys_of_joins_are_unique(case):
    """Looked at by `try_out`, after every step."""
    steps = [[event] for event in case.scene.events()]
    try_out(case, told(case), Mode("one by one", steps))


def dense(chance, left, right):
    """Any form of regular join, or a set operation, of Streams and Tables whose rows meet often."""

    def one_of(rows):
        kind = chance.choice(["stream", "stream", "by key", "without a key"])
        if kind == "by key":
            return rows.group_by("k").agg(i=col("i").max())
        return rows.select("k", "i") if kind == "stream" else rows.group_by("k", "i").agg(n=ps.count()).drop("n")

    left, right = one_of(left), one_of(right)
    if chance.random() < 0.2:
        return getattr(left, chance.choice(["intersect", "except_"]))(right.select(*left.columns), all=True)
    how = chance.choice(["inner", "left", "right", "full", "semi", "anti"])
    where = chance.choice([None, None, col("left.i") < col("right.i")])
    return left.join(right, on=chance.choice(["k", "i"]), how=how, where=where, nulls_equal=chance.random() < 0.3)


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(8, 40))])
def test_crowded_joins(seed):
    chance = random.Random(seed)
    case = crowded(chance, lambda one, other: dense(chance, one, other))
    agree(case, told(case), cuts=2)


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(5, 20))])
def test_joins_whose_rows_expire(seed):
    chance = random.Random(seed)
    case = crowded(chance, lambda one, other: expiring(chance, one, other))
    agree(case, told(case), cuts=1)
    events = case.scene.events()
    steps = cut(events, sorted(chance.randint(0, len(events)) for _ in range(6)))
    pauses = {step: chance.choice([0, 1, 2, 3]) for step in range(len(steps)) if chance.random() < 0.6}
    try_out(case, told(case), Mode("restarts", steps, chance.randint(1, 3), 0, pauses))


@LAW
@given(pairs(verb=interval))
def test_interval_joins(case):
    agree(case, told(case))


@LAW
@given(pairs(verb=interval), st.data())
def test_interval_joins_over_restarts(case, data):
    steps = data.draw(cuts(case.scene.events(), most=12))
    shards = data.draw(st.integers(1, 3))
    try_out(case, told(case), Mode("restarts", steps, shards, 0, data.draw(pauses(steps))))


@LAW
@given(pairs(verb=as_of))
def test_asof_joins(case):
    agree(case, told(case))


@LAW
@given(pairs(verb=as_of), st.data())
def test_asof_joins_over_restarts(case, data):
    steps = data.draw(cuts(case.scene.events(), most=12))
    shards = data.draw(st.integers(1, 3))
    try_out(case, told(case), Mode("restarts", steps, shards, 0, data.draw(pauses(steps))))


@LAW
@given(pairs(verb=in_windows))
def test_window_joins(case):
    agree(case, told(case))


@LAW
@given(pairs(verb=in_windows), st.data())
def test_window_joins_over_restarts(case, data):
    steps = data.draw(cuts(case.scene.events(), most=12))
    shards = data.draw(st.integers(1, 3))
    try_out(case, told(case), Mode("restarts", steps, shards, 0, data.draw(pauses(steps))))


@LAW
@given(st.sampled_from([append_only, interval, as_of, in_windows]).flatmap(lambda verb: pairs(verb=verb)))
def test_many_small_deltas_are_one_large_one(case):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(join_state, "pairs_of", lambda environment, node: 2)
        agree(case, told(case), cuts=2)


@pytest.mark.slow
@SLOW_LAW
@given(pairs(most_rows=25, verb=in_windows))
def test_long_window_joins(case):
    agree(case, told(case), cuts=6)


@pytest.mark.slow
@SLOW_LAW
@given(pairs(most_rows=25, verb=as_of))
def test_long_asof_joins(case):
    agree(case, told(case), cuts=6)


@pytest.mark.slow
@SLOW_LAW
@given(pairs(most_rows=25, verb=interval))
def test_long_interval_joins(case):
    agree(case, told(case), cuts=6)


@pytest.mark.slow
@SLOW_LAW
@given(pairs(most_rows=25))
def test_long_regular_joins(case):
    agree(case, told(case), cuts=6)
