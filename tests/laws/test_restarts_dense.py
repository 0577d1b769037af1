"""Restarts in the middle of long streams: many open windows, late rows, values that come and go, keys that are null."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.testing import Driver, Kept
from penstock.testing.scene import Input

ROWS, STEPS = 250, 30


def frames(seed, late):
    """Disordered rows of two splits, by step, some of them late; keys are null from the middle on."""
    draw = np.random.default_rng(seed)
    times = np.arange(ROWS) * 100_000 + draw.integers(-400_000, 400_000, ROWS)
    times -= (draw.random(ROWS) < late) * draw.integers(1_000_000, 9_000_000, ROWS)
    keys = [
        None if i > ROWS // 2 and k == 3 else f"{'key ' * (k % 3 * 2)}{k}"
        for i, k in enumerate(draw.integers(0, 9, ROWS))
    ]
    frame = pl.DataFrame(
        {
            "at": pl.Series(times).cast(pl.Datetime("us")),
            "k": pl.Series(keys, dtype=pl.String),
            "v": draw.integers(-9, 9, ROWS),
            "f": draw.normal(size=ROWS) * 10.0 ** draw.integers(-9, 9, ROWS),
            "n": draw.choice(np.array([None, "a", "b", "a long text, longer than 12"], object), ROWS).tolist(),
        },
        schema_overrides={"n": pl.String},
    )
    bounds = np.sort(draw.integers(0, ROWS, STEPS - 1))
    return [frame.slice(int(a), int(b - a)) for a, b in zip([0, *bounds], [*bounds, ROWS], strict=True)]


def run(build, seed, *, late=0.0, shards=1, pauses=None, splits=2):
    """The driver of a run, after its end."""
    parts = frames(seed, late)
    node = ps.api.stream.stream(Input.of(parts[0], "input", watermark="1 s").node())
    driver = Driver(ps.Pipeline("p", build(node).write(Kept(), name="out")), splits={"input": splits}, shards=shards)
    for number, frame in enumerate(parts):
        half = frame.height // 3
        driver.push("input", frame[:half], split=0).push("input", frame[half:], split=splits - 1).step()
        stop = (pauses or {}).get(number)
        if stop == 0:
            driver.checkpoint()
        elif stop:
            driver.restart(shards=stop, seed=number)
    driver.end().step()
    return driver


def told(driver, exact=True):
    rows = [(step, diff, shown(row, exact)) for step, (row, diff) in driver.timed()]
    return rows, [shown(row, exact) for row in driver.late]


def shown(row, exact):
    return repr({name: value for name, value in row.items() if exact or not isinstance(value, float)})


def every(shards):
    """A restart or a snapshot after two steps of three."""
    return {number: (shards, 0, None)[number % 3] for number in range(STEPS) if number % 3 != 2}


AGGREGATES = {
    "whole sums": {"n": ps.count(), "v": col("v").sum()},
    "float sums": {"f": col("f").sum(), "m": col("f").mean(), "s": col("f").std(), "v": col("v").max()},
    "values": {"u": col("n").n_unique(), "d": col("f").median(), "v": col("v").sum()},
    "in order": {"a": col("n").first(), "b": col("f").last(), "all": col("v").list()},
}
WINDOWS = {
    "hopping": ps.hopping("4 s", every="1 s"),
    "tumbling": ps.tumbling("3 s"),
    "cumulative": ps.cumulative("6 s", every="2 s"),
    "with gaps": ps.hopping("1 s", every="3 s"),
    "of a zone": ps.tumbling("1 hour", zone="Asia/Kolkata"),
}


@pytest.mark.parametrize("aggregates", AGGREGATES)
@pytest.mark.parametrize(
    "windows", ["hopping", *(pytest.param(name, marks=pytest.mark.slow) for name in list(WINDOWS)[1:])]
)
@pytest.mark.parametrize("late", [0.0, 0.03])
def test_windows(windows, aggregates, late):
    def build(rows):
        return rows.group_by("k").window(WINDOWS[windows]).agg(**AGGREGATES[aggregates])

    whole = run(build, 3, late=late)
    assert told(run(build, 3, late=late, pauses=every(1))) == told(whole)
    moves = {4: 2, 5: 0, 9: 2, 12: 5, 13: 0, 17: 3, 18: 3, 21: 1, 23: 0, 24: 1, 27: 4}
    assert told(run(build, 3, late=late, pauses=moves), exact=False) == told(whole, exact=False)
    assert len(whole.late) > 1 or not late or windows == "of a zone"


@pytest.mark.parametrize("aggregates", AGGREGATES)
def test_running_aggregates(aggregates):
    def build(rows):
        return rows.group_by("k").agg(**AGGREGATES[aggregates])

    whole = run(build, 5)
    assert told(run(build, 5, pauses=every(1))) == told(whole)
    assert told(run(build, 5, shards=3, pauses=every(3))) == told(whole)
    assert told(run(build, 5, pauses={4: 2, 5: 0, 9: 2, 12: 5, 17: 3, 21: 1, 26: 1})) == told(whole)


def test_rows_that_are_taken_back():
    """Keys move from group to group: entries of values come, go and come again."""

    def build(rows):
        counts = rows.group_by("k").agg(g=col("v").sum() % 3, x=col("f").sum(), v=col("v").last())
        return counts.group_by("g").agg(
            low=col("x").min(), high=col("v").max(), d=col("v").n_unique(), m=col("x").median(), n=ps.count()
        )

    whole = run(build, 8)
    assert told(run(build, 8, pauses=every(1))) == told(whole)
    assert told(run(build, 8, pauses={4: 2, 5: 0, 9: 2, 12: 5, 17: 3, 21: 1, 26: 1})) == told(whole)


def test_a_log_grows_by_what_changed():
    driver = run(lambda rows: rows.group_by("k").agg(n=ps.count()), 5, pauses=dict.fromkeys(range(10, STEPS), 0))
    ((table, count),) = driver.saved.records.items()
    assert (table, count) == ("out/group-1:0/keys", STEPS - 10)
