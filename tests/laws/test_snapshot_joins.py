"""Joins as of processing time are what their meaning says: rows in any order, a clock that moves, any cut, restarts."""

from __future__ import annotations

import random
from typing import Any

import pytest

import penstock as ps
from penstock import col
from penstock.operators import join_state
from penstock.testing.case import Case
from penstock.testing.check import agree, reference
from penstock.testing.scene import cut
from penstock.testing.trial import Mode, try_out
from tests.laws.crowd import at, crowded

RANGES = (
    col("left.i").is_between(col("right.low"), col("right.high")),
    (col("right.low") < col("left.i")) & (col("left.i") <= col("right.high")) & (col("left.k") != col("right.k")),
    (col("left.i") * 1.0 - 2.5 < col("right.i")) & (col("right.i") <= col("left.i") * 1.0 + 2.5),
    col("left.i") * 1.5 >= col("right.low"),
    (col("right.at") > col("left.at")) & (col("left.i") >= 3),
    col("left.i").is_between(col("right.high") * 1.0 - 3, col("right.low"), closed="none"),
)
CONDITIONS = (None, None, None, col("left.i") < col("right.i"), col("left.k") != col("right.k"))


def right_side(chance: random.Random, rows: Any) -> Any:
    """A Stream with duplicates, or a Table of it with one key or another."""
    kind = chance.choice(["stream", "stream", "last", "by key", "without a key"])
    if kind == "last":
        return rows.as_table("k")
    if kind == "by key":
        return rows.group_by("k").agg(i=col("i").max(), low=col("low").min(), high=col("high").max())
    if kind == "without a key":
        return rows.group_by("k", "i", "low", "high").agg(n=ps.count()).drop("n")
    return rows


def drawn(seed: int, conditions: Any = CONDITIONS, *, keep_time: bool = False) -> Case:
    """A join of two inputs, in which a fifth of the rows each come before the clock moves."""
    chance = random.Random(seed)

    def build(one: Any, other: Any) -> Any:
        right = other if keep_time else right_side(chance, other)
        instants = [at(2), at(6)] if right.node.facts.watermarked else []
        chosen = {
            "on": chance.choice([["k"], ["i"], None]),
            "how": chance.choice(["inner", "left", "left", "semi", "anti"]),
            "load": chance.choice(["none", "none", "end", *instants]),
            "where": chance.choice(conditions),
            "nulls_equal": chance.random() < 0.5,
        }
        made = one.select("at", "k", "i").join(right, as_of="processing_time", **chosen)
        return made.window(ps.tumbling("5 s")).agg(n=ps.count()) if chance.random() < 0.25 else made

    return crowded(chance, build)


@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 24))])
def test_joins_by_the_clock(seed: int) -> None:
    agree(drawn(seed), cuts=1)


@pytest.mark.parametrize("seed", range(100, 103))
def test_joins_by_the_clock_over_restarts(seed: int) -> None:
    case, chance = drawn(seed), random.Random(seed)
    events = case.scene.events()
    steps = cut(events, sorted(chance.randint(0, len(events)) for _ in range(6)))
    pauses = {step: chance.choice([0, 1, 2, 3]) for step in range(len(steps)) if chance.random() < 0.6}
    try_out(case, reference(case), Mode("restarts", steps, chance.randint(1, 3), 0, pauses))


@pytest.mark.parametrize("seed", range(200, 203))
def test_joins_by_the_clock_in_small_deltas(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join_state, "pairs_of", lambda environment, node: 2)
    agree(drawn(seed), cuts=1)


@pytest.mark.parametrize("number", range(len(RANGES)))
@pytest.mark.parametrize("seed", [300, pytest.param(301, marks=pytest.mark.slow)])
def test_ranges(seed: int, number: int) -> None:
    agree(drawn(10 * seed + number, [RANGES[number]], keep_time=number == 4), cuts=1)
