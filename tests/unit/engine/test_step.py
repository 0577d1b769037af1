"""Saving and restoring a whole plan: what is compared before, and what splits are known by."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.core.errors import InvariantError, StateError
from penstock.core.timespan import NEVER, SECOND
from penstock.engine.compile import compile_plan
from penstock.engine.step import Engine, Taken
from penstock.operators.base import SplitState
from penstock.testing import Input, Kept, T
from penstock.testing.driver import Caught
from penstock.testing.saved import Saved

COLUMNS = T("at:Datetime | k:String | v:Int64")
START = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def rows(name: str = "input", **options: Any) -> ps.Stream:
    return ps.api.stream.stream(Input.of(COLUMNS, name, **{"watermark": "0 s", **options}).node())


def counts(stream: ps.Stream, size: str = "10 s") -> ps.Stream:
    return stream.group_by("k").window(ps.tumbling(size)).agg(n=ps.count())


def engine(*streams: ps.Stream, splits: Any = (("0",),)) -> Engine:
    outputs = [stream.write(Kept(), name=f"o{i}") for i, stream in enumerate(streams)]
    made = Engine(compile_plan(ps.Pipeline("p", *outputs), splits), Caught(), guarded=True)
    made.split_names = splits
    return made


def step(made: Engine, *taken: tuple[int, int], source: int = 0) -> None:
    """A step over rows given as (split, second)."""
    frames = [
        pl.DataFrame({"at": [START + dt.timedelta(seconds=second)], "k": ["a"], "v": [second]}) for _, second in taken
    ]
    parts = [Taken(source, split, frame, ((second, 1),)) for (split, second), frame in zip(taken, frames, strict=True)]
    states = {(s, p): SplitState() for s, names in enumerate(made.split_names) for p in range(len(names))}
    made.step(parts, 0, states)


def restored(old: Engine, new: Engine) -> Engine:
    saved = Saved()
    saved.take(old)
    saved.give(new)
    return new


def watermark(made: Engine) -> int:
    return next(node.executor for node in made.plan.nodes if node.node.verb == "watermark").watermark([NEVER])


def late(made: Engine) -> list[int]:
    return [v for (_, port), found in made.outlet.refused.items() for d in found for v in d.columns["v"]]


def test_splits_are_known_by_their_names() -> None:
    old = engine(counts(rows()), splits=[["x", "y"]])
    step(old, (0, 40), (1, 12))
    new = restored(old, engine(counts(rows()), splits=[["y", "x"]]))
    assert (new.steps, new.sequence, watermark(new)) == (1, 2, 12 * SECOND)
    step(new, (0, 11), (1, 11))
    # Of "y" the row is in time, of "x" it is late for its window.
    assert late(new) == [11]
    assert watermark(new) == 12 * SECOND
    step(new, (0, 50))
    assert watermark(new) == 40 * SECOND


def test_a_split_that_is_new_begins_where_the_stream_was_and_one_that_is_gone_holds_nothing_back() -> None:
    old = engine(counts(rows()), splits=[["x", "y"]])
    step(old, (0, 40), (1, 12))
    new = restored(old, engine(counts(rows()), splits=[["new", "x"]]))
    step(new, (0, 5))
    assert late(new) == [5]
    step(new, (0, 60))
    assert watermark(new) == 40 * SECOND


def test_sources_of_one_name_are_told_apart() -> None:
    two = rows().union(rows())
    old = engine(counts(two), splits=[["0"], ["0"]])
    step(old, (0, 20))
    step(old, (0, 30), source=1)
    assert [node.executor.watermark([NEVER]) for node in old.plan.nodes if node.node.verb == "watermark"] == [
        20 * SECOND,
        30 * SECOND,
    ]
    new = restored(old, engine(counts(rows().union(rows())), splits=[["0"], ["0"]]))
    assert new.watermarks == old.watermarks


def test_one_watermark_over_sources_of_one_name() -> None:
    def build() -> ps.Stream:
        plain = [rows(event_time="").rename({}) for _ in range(2)]
        return counts(plain[0].union(plain[1]).with_event_time("at", watermark="0 s"))

    old = engine(build(), splits=[["0"], ["0"]])
    step(old, (0, 20))
    step(old, (0, 30), source=1)
    new = restored(old, engine(build(), splits=[["0"], ["0"]]))
    step(new, (0, 60), source=1)
    assert watermark(new) == 20 * SECOND


def test_nothing_is_saved_within_a_step() -> None:
    made = engine(counts(rows()))
    made._inbox[1][0].append(object())  # type: ignore[arg-type]
    with pytest.raises(InvariantError, match="a step has not ended"):
        made.snapshot(lambda name: None)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda s: counts(s, "20 s"), 'windows.lengths is ["10s"] in the state, ["20s"] in the plan'),
        (
            lambda s: s.group_by("k").window(ps.hopping("10 s", every="5 s")).agg(n=ps.count()),
            'windows.kind is "tumbling" in the state, "hopping" in the plan',
        ),
        (
            lambda s: s.group_by("v").window(ps.tumbling("10 s")).agg(n=ps.count()),
            "keys is k in the state, v in the plan",
        ),
        (
            lambda s: s.window(ps.tumbling("10 s")).agg(n=ps.count()),
            "keys is k in the state, nothing in the plan",
        ),
        (
            lambda s: s.group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count(), m=col("v").max()),
            "aggregates is n in the state, n, m in the plan",
        ),
        (
            lambda s: s.group_by("k").window(ps.tumbling("10 s")).agg(n=col("v").sum()),
            'aggregates "n".function is "count" in the state, "sum" in the plan',
        ),
        (
            lambda s: s.with_columns(k=col("v")).group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count()),
            'keys "k".type is "String" in the state, "Int64" in the plan',
        ),
    ],
)
def test_state_that_does_not_fit_is_refused(build: Any, message: str) -> None:
    old = engine(counts(rows()))
    step(old, (0, 20))
    with pytest.raises(StateError) as caught:
        restored(old, engine(build(rows())))
    assert 'the stored state of "o0/window-1" does not fit: ' in str(caught.value)
    assert message in str(caught.value)


def test_a_state_that_nobody_takes_is_refused() -> None:
    old = engine(counts(rows()))
    with pytest.raises(StateError, match='nothing in the plan takes the state of "o0/window-1"'):
        restored(old, engine(rows().filter(col("v") > 0)))
    with pytest.raises(StateError, match='no state is stored for "o0/window-1"'):
        restored(engine(rows()), engine(counts(rows())))
    with pytest.raises(StateError, match='takes the state of "o0/window-1" and no state is stored for "o0/group-1"'):
        restored(old, engine(rows().group_by("k").agg(n=ps.count())))


def test_what_may_differ_without_harm() -> None:
    def total(stream: ps.Stream, term: Any) -> ps.Stream:
        return stream.filter(col("v") > 0).group_by("k").agg(total=term.sum()).state("totals")

    old = engine(total(rows(), col("v")))
    step(old, (0, 20))
    step(restored(old, engine(total(rows().inspect("here"), col("v") + 1))), (0, 30))
