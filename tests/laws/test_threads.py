"""Threads do not matter: shards on threads give what one shard gives."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.connectors.memory import MemorySink
from penstock.engine.job import Job
from penstock.engine.options import JobOptions, LoopOptions
from penstock.operators import sharding

ROWS = 6_000


def rows(seed: int) -> pl.DataFrame:
    """Disordered rows with null keys, of which many are late."""
    draw = np.random.default_rng(seed)
    times = np.arange(ROWS) * 10_000 + draw.integers(-3_000_000, 3_000_000, ROWS)
    keys = pl.Series("k", draw.integers(0, 40, ROWS))
    frame = pl.DataFrame([keys, pl.Series("v", draw.integers(-9, 9, ROWS)), pl.Series("f", draw.normal(size=ROWS))])
    at = pl.Series("at", times).cast(pl.Datetime("us", "UTC"))
    return frame.with_columns(at, k=pl.when(pl.col("v") == 3).then(None).otherwise(pl.col("k")))


def result(stream: ps.Stream, shards: int, step: int) -> tuple[pl.DataFrame, int]:
    """The rows (of a Table the final ones) of a run, and how many were late."""
    sink = MemorySink()
    job = Job(ps.Pipeline("p", stream.write(sink)), JobOptions(shards=shards, loop=LoopOptions(step_rows=step)))
    job.run()
    frame = sink.table() if isinstance(stream, ps.Table) else sink.frame()
    keys = [name for name in ("window_end", "window_start", "k") if name in frame.columns]
    return frame.sort(keys), job.status().late


STREAMS = {
    "running": lambda s: s.group_by("k").agg(n=ps.count(), top=col("v").max(), last=col("v").last()),
    "tumbling": lambda s: s.group_by("k").window(ps.tumbling("5 s")).agg(n=ps.count(), all=col("v").list()),
    "hopping": lambda s: s.group_by("k").window(ps.hopping("6 s", every="2 s")).agg(n=ps.count(), v=col("v").sum()),
    "two stacks": lambda s: s.group_by("k").window(ps.hopping("6 s", every="1 s")).agg(top=col("f").max()),
}


@pytest.mark.parametrize("name", STREAMS)
def test_threads_do_not_matter(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharding, "THREADS_FROM", 1)
    stream = STREAMS[name](ps.read(rows(7), event_time="at", watermark="2 s"))
    alone = result(stream, 1, ROWS)
    for shards, step in ((2, 1_000), (3, ROWS), (5, 333)):
        frame, late = result(stream, shards, step)
        assert frame.equals(alone[0], null_equal=True)
        assert late == alone[1]
