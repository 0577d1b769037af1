"""Joins as of processing time: what waits for what, what is refused, and what ranges cost."""

from __future__ import annotations

import datetime as dt
from typing import Any

import duckdb
import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.core.errors import PlanError
from penstock.operators.join_bands import band_of
from penstock.operators.join_parts import PairMaker
from penstock.testing.driver import Driver
from penstock.testing.scene import Kept, Pushed

BEGUN = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
LEFT = {"k": ps.Int64, "a": ps.Int64}
RIGHT = {"k": ps.Int64, "b": ps.Int64, "at": ps.Datetime("us", "UTC")}


def pushed(build: Any, *, ends: bool = False) -> Driver:
    one = ps.read(Pushed(name="one", columns=ps.Schema.of(LEFT), ends=False), name="one")
    source = Pushed(name="other", columns=ps.Schema.of(RIGHT), ends=ends)
    other = ps.read(source, name="other", event_time="at", watermark="0 s")
    return Driver(ps.Pipeline("test", build(one, other).write(Kept(), name="out")))


def row(k: int, b: int, second: int = 0) -> dict[str, Any]:
    return {"k": k, "b": b, "at": BEGUN + dt.timedelta(seconds=second)}


def test_a_row_sees_what_is_there_when_it_comes_and_is_never_corrected() -> None:
    driver = pushed(lambda one, other: one.join(other.as_table("k"), on="k", how="left", as_of="processing_time"))
    driver.push("other", [row(1, 10)]).push("one", [{"k": 1, "a": 1}, {"k": 2, "a": 2}]).step()
    assert driver.rows() == []  # the instant is not over
    driver.advance("1 ms").push("other", [row(1, 11), row(2, 20)]).push("one", [{"k": 1, "a": 3}]).step()
    assert [(r["a"], r["b"]) for r in driver.rows()] == [(1, 10), (2, None)]
    driver.advance("1 ms").step()
    assert [(r["a"], r["b"]) for r in driver.rows()] == [(1, 10), (2, None), (3, 11)]


def test_rows_wait_until_the_other_side_is_read_to_its_end() -> None:
    driver = pushed(lambda one, other: one.join(other, on="k", as_of="processing_time"), ends=True)
    for step in range(3):
        driver.push("one", [{"k": 1, "a": step}]).push("other", [row(1, step)]).advance("1 s").step()
        driver = driver.checkpoint().restart(shards=step + 1)
    assert driver.rows() == []
    driver.end("other").advance("1 s").step()
    assert driver.rows() == []  # it has been read, and the clock has not gone on since
    driver.advance("1 s").step()
    assert [(r["a"], r["b"]) for r in driver.rows()] == [(a, b) for a in range(3) for b in range(3)]


def test_rows_wait_until_the_other_side_has_reached_an_instant() -> None:
    loaded = BEGUN + dt.timedelta(seconds=9)
    driver = pushed(lambda one, other: one.join(other, on="k", as_of="processing_time", load=loaded))
    driver.push("one", [{"k": 1, "a": 1}]).push("other", [row(1, 1, 8)]).step().advance("1 s").step()
    assert driver.rows() == []
    driver.push("other", [row(1, 2, 10)]).step().advance("1 s").step()
    assert [r["b"] for r in driver.rows()] == [1, 2]


def test_what_is_refused() -> None:
    one = ps.read([{"k": 1, "a": 1}], name="one")
    table = one.group_by("k").agg(n=ps.count())
    by_clock = {"on": "k", "as_of": "processing_time"}
    for build, message in (
        (lambda: table.join(one, **by_clock), "its left side is a Table"),
        (lambda: one.join(table, **by_clock, how="full"), 'no how "full"'),
        (lambda: one.join(table, **by_clock, load="all"), 'no load "all"'),
        (lambda: one.join(table, **by_clock, load=3), "load is"),
        (lambda: one.join(table, **by_clock, load=BEGUN), "no event time that could reach an instant"),
        (lambda: one.join(table, on="k", load="end"), "load= goes with"),
        (lambda: one.join(table, on="k", as_of="yesterday"), 'no as_of "yesterday"'),
    ):
        with pytest.raises(PlanError, match=message):
            build()


def test_a_side_that_ends_gives_the_same_rows_every_time() -> None:
    one = ps.read([{"k": 1, "a": 1}], name="one")
    joined = one.join(one.group_by("k").agg(n=ps.count()), on="k", as_of="processing_time")
    assert joined.node.facts.deterministic
    assert not one.join(one, on="k", as_of="processing_time", load="none").node.facts.deterministic


def test_duckdb_finds_the_same_ranges_and_few_pairs_are_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    tested = []
    holds = PairMaker.holds

    def counting(self: PairMaker, left: Any, right: Any, count: int) -> Any:
        tested.append(count)
        return holds(self, left, right, count)

    monkeypatch.setattr(PairMaker, "holds", counting)
    ranges = pl.DataFrame({"first": range(0, 200_000, 20), "last": range(15, 200_015, 20), "place": range(10_000)})
    values = pl.DataFrame({"n": range(5_000), "ip": [(n * 7919) % 210_000 for n in range(5_000)]})
    found = ps.read(values, name="values").join(
        ps.read(ranges, name="ranges"), where=col("left.ip").is_between(col("right.first"), col("right.last")),
        how="left", as_of="processing_time",
    ).select("n", "place").collect()  # fmt: skip
    with duckdb.connect() as database:
        database.register("v", values.to_arrow())
        database.register("r", ranges.to_arrow())
        text = "select n, place from v left join r on ip between first and last order by n"
        assert found.rows() == database.execute(text).fetchall()
    assert sum(tested) <= 5_000


def test_bounds_are_found_in_a_condition() -> None:
    one = ps.read([{"k": 1, "a": 1, "t": "x"}], name="one")

    def band(where: Any) -> Any:
        return band_of(one.join(one, where=where, as_of="processing_time").node)

    both = band(col("left.a").is_between(col("right.k"), col("right.a")))
    assert both.low is not None
    assert both.high is not None
    assert band((col("left.a") > col("right.a")) & (col("left.t") == "x")).high is None
    assert band(col("right.a") > col("left.a")).low is None
    assert band((col("left.a") > col("right.a")) | (col("left.k") == 1)) is None
    assert band(col("left.t") > col("right.t")) is None  # texts are not found by ranges
    assert band(col("left.a") > col("left.k")) is None
