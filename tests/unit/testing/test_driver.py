from __future__ import annotations

import polars as pl
import pytest

import penstock as ps
from penstock.core.clock import Signal
from penstock.core.errors import InvariantError, UnknownNameError
from penstock.core.timespan import NEVER, SECOND
from penstock.testing import Driver, ManualClock, T
from penstock.testing.case import case_of

ROWS = T("at | k\n00:00:01 | a\n00:00:02 | b")


def driver(build, **options):
    return Driver(case_of(build, ROWS, watermark="0 s").pipeline, **options)


def counts(rows):
    return rows.group_by("k").agg(n=ps.count())


def test_a_clock_stands_still_until_it_is_moved():
    clock = ManualClock(1_000)
    assert (clock.now(), clock.monotonic()) == (1_000, 0)
    clock.advance("2 s")
    assert (clock.now(), clock.monotonic()) == (1_000 + 2 * SECOND, 2 * SECOND)


def test_waiting_moves_the_clock():
    clock, signal = ManualClock(0), Signal()
    assert clock.wait(signal, 500) is False
    assert clock.now() == 500
    signal.set()
    assert clock.wait(signal, 500) is True
    assert clock.now() == 500
    with pytest.raises(InvariantError):
        clock.wait(Signal(), None)


def test_nothing_happens_before_a_step():
    one = driver(lambda s: s).push("input", ROWS)
    assert one.rows() == []
    assert one.watermark == NEVER
    assert len(one.step().rows()) == 2
    assert one.watermark == 2 * SECOND


def test_rows_come_in_many_forms():
    one = driver(lambda s: s.select("k"))
    one.push("input", ROWS).push("input", ROWS.frame()).push("input", [{"k": "c", "at": ROWS.rows[0]["at"]}])
    assert [row["k"] for row in one.step().rows()] == ["a", "b", "a", "b", "c"]


def test_offsets_go_on_from_step_to_step():
    one = driver(lambda s: s.expect(never=ps.col("k") == "z"), splits={"input": 2})
    one.push("input", ROWS).push("input", ROWS, split=1).step().push("input", ROWS, split=1).step()
    places = [(row["_why"]["split"], row["_why"]["offset"]) for row in one.errors]
    assert places == [("0", 0), ("0", 1), ("1", 0), ("1", 1), ("1", 2), ("1", 3)]


def test_a_table_is_what_its_changes_add_up_to():
    one = driver(counts).push("input", ROWS).step().push("input", ROWS).step()
    assert one.changes(step=0) == [({"k": "a", "n": 1}, 1), ({"k": "b", "n": 1}, 1)]
    assert [diff for _, diff in one.changes()] == [1, 1, -1, -1, 1, 1]
    assert one.rows() == [{"k": "a", "n": 2}, {"k": "b", "n": 2}]
    assert one.frame().equals(pl.DataFrame({"k": ["a", "b"], "n": [2, 2]}))


def test_an_optimised_plan_takes_the_same_rows():
    assert driver(counts, optimized=True, shards=2, seed=7).push("input", ROWS).step().rows() == [
        {"k": "a", "n": 1}, {"k": "b", "n": 1}
    ]  # fmt: skip


def test_wrong_names_are_told():
    one = driver(counts)
    with pytest.raises(UnknownNameError, match='no source "inpt"; did you mean "input"'):
        one.push("inpt", ROWS)
    with pytest.raises(UnknownNameError, match='no output "outptu"'):
        one.rows("outptu")


def test_a_restart_goes_on_with_another_engine():
    one = driver(counts).push("input", ROWS).step()
    first = one.engine
    one.push("input", ROWS).restart(shards=3, seed=5).step()
    assert one.engine is not first
    assert one.engine.steps == 2
    assert [diff for _, diff in one.changes()] == [1, 1, -1, -1, 1, 1]
    assert one.rows() == [{"k": "a", "n": 2}, {"k": "b", "n": 2}]
    assert one.engine.metrics[0].rows_in == 4
    assert set(one.saved.records) == {"output/group-1:0/keys"}
    assert set(one.restart().saved.records) == {f"output/group-1:{shard}/keys" for shard in range(3)}


def test_a_checkpoint_takes_what_changed():
    one = driver(counts).push("input", ROWS).step().checkpoint().push("input", ROWS).step().checkpoint()
    table = one.saved.nodes["output/group-1"].tables["0/keys"]
    assert [len(record.slots) for record in table.records] == [2, 2]
    assert [
        len(record.slots) for record in one.restart().restart().saved.nodes["output/group-1"].tables["0/keys"].records
    ] == [2, 2, 0, 0]
