"""Two inputs whose rows meet often: what Hypothesis draws is too sparse to show what joins do."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from typing import Any

import penstock as ps
from penstock.plan.watermark import policy
from penstock.testing.case import Case, case_of
from penstock.testing.scene import Input

BEGUN = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
TYPES = {"at": ps.Datetime("us", "UTC"), "k": ps.String, "i": ps.Int64, "low": ps.Int64, "high": ps.Int64}


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


def crowded(chance: random.Random, build: Callable[[Any, Any], Any]) -> Case:
    """A pipeline over two inputs, whose rows come in any order while the clock moves at times."""
    inputs = {
        name: tuple(tuple(rows_of(chance, chance.randint(2, 12))) for _ in range(chance.randint(1, 2)))
        for name in ("one", "other")
    }
    given = {name: Input(name, ps.Schema.of(TYPES), parts, "at", policy("2 s")) for name, parts in inputs.items()}
    order = [
        (source, split)
        for source, one in enumerate(given.values())
        for split in range(len(one.splits))
        for _ in one.splits[split]
    ]
    chance.shuffle(order)
    ticks = tuple((chance.randint(0, len(order)), chance.randint(1, 9_000_000)) for _ in range(chance.randint(0, 6)))
    return case_of(build, given, order=order).with_ticks(ticks)
