"""What a step costs is its rows, not its rows times the state: the same steps over states of three sizes."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.testing import Driver, T
from penstock.testing.case import case_of

SIZES = (1_000, 10_000, 100_000)
STEPS, ROWS = 12, 64
MOST = 5.0
"""How much more a step may cost over a hundred times the state: what misses of caches cost, and not what passes do.

Processor time is taken, of the best of several turns, so that other work on the machine counts little.
"""

VERBS = {
    "sessions": lambda s: s.group_by("k").window(ps.session("1 d")).agg(n=ps.count(), v=col("v").sum()),
    "sessions, sent on change": lambda s: s.group_by("k").window(ps.session("1 d"), emit="change").agg(n=ps.count()),
    "over rows": lambda s: s.with_columns(m=col("v").mean().over("k", rows=5)),
    "over range": lambda s: s.with_columns(m=col("v").mean().over("k", range="1 d")),
    "over so far": lambda s: s.with_columns(m=col("v").sum().over("k", rows="all")),
    "top_n of many groups": lambda s: s.group_by("k").top_n(2, by="v"),
    "top_n of one great group": lambda s: s.as_table("k").group_by("g").top_n(3, by="v", rank="rank"),
    "dedup": lambda s: s.dedup("k", within="1 d"),
    "dedup, last": lambda s: s.dedup("k", keep="last", by="at"),
    "sliding": lambda s: s.group_by("k").window(ps.sliding("1 d")).agg(n=ps.count(), v=col("v").sum()),
    "hybrid": lambda s: s.group_by("k").window(ps.hybrid(1_000, "1 d")).agg(n=ps.count()),
    "tumbling": lambda s: s.group_by("k").window(ps.tumbling("1 d")).agg(n=ps.count()),
}

DRAW = np.random.default_rng(1)


def rows(keys, first):
    """Rows of some keys, one millisecond after the other."""
    at = pl.Series("at", (first + np.arange(len(keys))) * 1_000).cast(pl.Datetime("us", "UTC"))
    values = DRAW.integers(0, 1_000_000, len(keys))
    return pl.DataFrame({"k": keys, "g": np.zeros(len(keys), np.int64), "v": values}).with_columns(at)


def cost(build, size):
    """The processor time of some steps over the state of so many keys, the least of a few turns."""
    case = case_of(build, T("k:Int64 | g:Int64 | v:Int64 | at:Datetime"), watermark="0 s")
    driver = Driver(case.pipeline)
    driver.push("input", rows(DRAW.permutation(size), 0)).step()
    first, found = size, []
    for _ in range(4):
        given = [rows(DRAW.integers(0, size, ROWS), first + i * ROWS) for i in range(STEPS)]
        first += STEPS * ROWS
        begun = time.process_time()
        for frame in given:
            driver.push("input", frame).step()
        found.append(time.process_time() - begun)
    return min(found)


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_steps_cost_their_rows(verb):
    cost(VERBS[verb], 100)  # what is compiled or loaded is so by now
    small, middle, large = (cost(VERBS[verb], size) for size in SIZES)
    assert middle < MOST * small, f"{middle / small:.1f} times as much over {SIZES[1] // SIZES[0]} times the state"
    assert large < MOST * small, f"{large / small:.1f} times as much over {SIZES[2] // SIZES[0]} times the state"
