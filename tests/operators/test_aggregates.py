"""Aggregates of pairs, collections, distinct values and sketches: in groups and windows, restored, over Tables."""

from __future__ import annotations

import random

import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.connectors.memory import MemorySink
from penstock.engine.job import Job
from penstock.engine.options import JobOptions, LoopOptions
from penstock.state import chunks
from penstock.testing import T, check

ROWS = T("""
    at:Datetime         | k:String | v:Int64 | w:Int64 | t:String
    2024-01-01 00:00:01 | a        | 1       | 4       | x
    2024-01-01 00:00:03 | a        | 2       | 8       | y
    2024-01-01 00:00:02 | b        | 5       |         | x
    2024-01-01 00:00:12 | a        | 2       | 6       |
    2024-01-01 00:00:09 | a        | 4       | 0       | a text of more than twelve bytes
    2024-01-01 00:00:14 | b        |         | 1       | x
    2024-01-01 00:00:31 |          | 3       | 3       | z
    2024-01-01 00:00:33 |          | 1       | 1       | z
""")
PAIRS = {
    "cov": col("v").cov("w"),
    "corr": col("v").corr("w"),
    "slope": col("v").regr_slope("w"),
    "start": col("v").regr_intercept("w"),
    "share": col("v").regr_r2("w"),
    "pairs": col("v").regr_count("w"),
}
COLLECTED = {
    "set": col("t").unique(),
    "text": col("t").str_join("+"),
    "once": col("t").str_join("+", distinct=True),
    "map": col("t").to_map("v"),
    "some": col("v").quantile([0.0, 0.5, 1.0]),
    "sum": col("v").sum(distinct=True),
    "few": col("v").sum(distinct=True).filter(col("w") > 2),
}
SKETCHES = {
    "about": col("t").approx_n_unique(),
    "hll": col("v").hll(precision=8),
    "often": col("t").count_min(error=0.1),
    "half": col("v").approx_quantile(0.5),
    "known": col("t").bloom(capacity=10),
}
HEAVY = {
    "top": col("t").top_k(2, size=8),
    "numbers": col("v").top_k(3, size=3),
    "late": col("t").top_k_decayed("at", half_life="7 s", k=3, size=5),
    "some": col("w").top_k_decayed("at", half_life="1 ms", k=2, size=40).filter(col("v") > 1),
}
FAMILIES = {"pairs": PAIRS, "collected": COLLECTED, "sketches": SKETCHES, "heavy": HEAVY}
LIBRARY = {
    "set": col("t").theta(precision=5),
    "ranks": col("v").kll(),
    "digest": col("v").tdigest(),
    "items": col("t").frequent_items(),
    "numbers": col("w").frequent_items(size=8).filter(col("v") > 1),
}
ASKED = {
    "set": col("set").sketch.n_unique(),
    "ranks": col("ranks").sketch.quantile(0.5),
    "rank": col("ranks").sketch.rank(2.0),
    "digest": col("digest").sketch.quantile(0.5),
    "items": col("items").sketch.frequent(),
    "numbers": col("numbers").sketch.frequent(),
}
WINDOWS = [ps.tumbling("10 s"), ps.hopping("20 s", every="10 s"), ps.session("5 s")]


@pytest.mark.parametrize("family", FAMILIES)
def test_running_groups(family: str) -> None:
    check(lambda rows: rows.group_by("k").agg(**FAMILIES[family]), input=ROWS)


@pytest.mark.parametrize("windows", WINDOWS, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_windows(family: str, windows: object) -> None:
    check(
        lambda rows: rows.group_by("k").window(windows).agg(**FAMILIES[family]),
        input=ROWS,
        watermark="5 s",
        late=None,
    )


@pytest.mark.parametrize("chunk", [2, 512])
def test_sketches_of_the_library(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", chunk)
    check(lambda rows: rows.group_by("k").agg(**LIBRARY).select("k", **ASKED), input=ROWS)
    for windows in WINDOWS:
        check(
            lambda rows, windows=windows: rows.group_by("k").window(windows).agg(**LIBRARY).select("k", **ASKED),
            input=ROWS,
            watermark="5 s",
            late=None,
        )


def test_a_row_that_goes_is_the_one_that_came() -> None:
    """Of sketches that toss coins, too: what is read of the state is the same each time."""
    rng = random.Random(1)
    frame = pl.DataFrame({"k": [n % 3 for n in range(6000)], "v": [rng.random() for _ in range(6000)]})
    for step in (100, 1700):
        aggregates = {"q": col("v").kll(k=8), "d": col("v").tdigest(k=10), "i": col("k").frequent_items(size=8)}
        table = ps.read(frame).group_by("k").agg(**aggregates, s=col("v").theta(precision=5))
        counted = table.select("k", m=col("q").sketch.quantile(0.5), n=col("s").sketch.n_unique())
        sink = MemorySink()
        Job(ps.Pipeline("p", counted.write(sink)), JobOptions(loop=LoopOptions(step_rows=step))).run()
        found = sink.table().sort("k")
        assert found["k"].to_list() == [0, 1, 2]
        assert all(0.1 < m < 0.9 for m in found["m"])


def test_stored_sets_are_merged_and_compared() -> None:
    def days(rows: ps.Stream) -> ps.Stream:
        parts = rows.group_by("k").window(ps.tumbling("10 s")).agg(s=col("t").theta(), q=col("v").tdigest())
        whole = parts.group_by("k").agg(s=col("s").theta_merge(), q=col("q").tdigest_merge())
        both = col("s").sketch.intersect(col("s")).sketch.n_unique()
        return whole.select("k", both=both, none=col("s").sketch.difference(col("s")).sketch.n_unique(),
                            most=col("q").sketch.quantile(1.0))  # fmt: skip

    output = [
        {"k": "a", "both": 3, "none": 0, "most": 4.0},
        {"k": "b", "both": 1, "none": 0, "most": 5.0},
        {"k": None, "both": 1, "none": 0, "most": 3.0},
    ]
    check(days, input=ROWS, watermark="5 s", output=output)


def test_over_a_table_rows_are_taken_back() -> None:
    kept = {name: COLLECTED[name] for name in ("some", "sum")} | {"set": col("v").unique()} | PAIRS

    def again(rows: ps.Stream) -> ps.Stream:
        last = rows.group_by("t").agg(v=col("v").max(), w=col("w").min())
        return last.group_by(col("t").is_null().alias("g")).agg(**kept)

    check(again, input=ROWS)


def test_stored_sketches_are_merged_and_asked() -> None:
    def days(rows: ps.Stream) -> ps.Stream:
        parts = rows.group_by("k").window(ps.tumbling("10 s")).agg(s=col("t").hll(), b=col("t").bloom(capacity=10))
        whole = parts.group_by("k").agg(s=col("s").hll_merge(), b=col("b").bloom_merge(capacity=10))
        return whole.select("k", n=col("s").sketch.n_unique(), x=col("b").sketch.contains("x"))

    output = [{"k": "a", "n": 3, "x": True}, {"k": "b", "n": 1, "x": True}, {"k": None, "n": 1, "x": False}]
    check(days, input=ROWS, watermark="5 s", output=output)


def test_bytes_that_are_no_sketch_leave_by_errors() -> None:
    rows = T("b:String\nabc")
    check(lambda rows: rows.select(n=col("b").cast(ps.Binary).sketch.n_unique()), input=rows, errors=1)


@pytest.mark.parametrize("sets", [ps.rollup("k", "t", id="g"), ps.grouping_sets("k", [])], ids=["rollup", "sets"])
def test_grouping_sets(sets: object) -> None:
    check(lambda rows: rows.group_by(sets).agg(n=ps.count(), s=col("v").sum()), input=ROWS)


def test_grouping_sets_per_window() -> None:
    check(
        lambda rows: rows.group_by(ps.cube("k", id="g")).window(ps.tumbling("10 s")).agg(n=ps.count()),
        input=ROWS,
        watermark="5 s",
    )
