"""Joins as of processing time are what their meaning says: rows in any order, a clock that moves, any cut, restarts."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest

import penstock as ps
from penstock import col
from penstock.operators import join_state
from penstock.plan.watermark import policy
from penstock.testing.case import Case, case_of
from penstock.testing.check import agree, reference
from penstock.testing.scene import Input, cut
from penstock.testing.trial import Mode, try_out

BEGUN = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
TYPES = {"at": ps.Datetime("us", "UTC"), "k": ps.String, "i": ps.Int64, "low": ps.Int64, "high": ps.Int64}
RANGES = (
    col("left.i").is_between(col("right.low"), col("right.high")),
    (col("right.low") < col("left.i")) & (col("left.i") <= col("right.high")) & (col("left.k") != col("right.k")),
    (col("left.i") * 1.0 - 2.5 < col("right.i")) & (col("right.i") <= col("left.i") * 1.0 + 2.5),
    col("left.i") * 1.5 >= col("right.low"),
    (col("right.at") > col("left.at")) & (col("left.i") >= 3),
    col("left.i").is_between(col("right.high") * 1.0 - 3, col("right.low"), closed="none"),
)
CONDITIONS = (None, None, None, col("left.i") < col("right.i"), col("left.k") != col("right.k"))


def at(second: int) -> dt.datetime:
    return BEGUN + dt.timedelta(seconds=second)


def rows_of(chance: random.Random, count: int) -> list[dict[str, Any]]:
    """Few keys, so that many rows meet; nulls, duplicates, and times that go back at times."""
    made: list[dict[str, Any]] = []
    for second in range(count):
        if made and chance.random() < 0.15:
            made.append(made[-1])
            continue
        low = chance.choice([None, *range(-5, 25)])
        made.append({
            "at": at(second + chance.choice([-6, -1, 0, 0, 0, 3])),
            "k": chance.choice([None, "a", "b", "c", "a text that is long enough"]),
            "i": chance.choice([None, *range(-1, 18)]),
            "low": low,
            "high": chance.choice([None, *(low + width for width in (-1, 0, 1, 3, 9, 40))]) if low is not None else 7,
        })  # fmt: skip
    return made


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
    inputs = {
        name: tuple(tuple(rows_of(chance, chance.randint(2, 12))) for _ in range(chance.randint(1, 2)))
        for name in ("one", "other")
    }

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

    given = {name: Input(name, ps.Schema.of(TYPES), parts, "at", policy("2 s")) for name, parts in inputs.items()}
    order = [(source, split) for source, one in enumerate(given.values()) for split in range(len(one.splits))
             for _ in one.splits[split]]  # fmt: skip
    chance.shuffle(order)
    ticks = tuple((chance.randint(0, len(order)), chance.randint(1, 9_000_000)) for _ in range(chance.randint(0, 6)))
    return case_of(build, given, order=order).with_ticks(ticks)


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
