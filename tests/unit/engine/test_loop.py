"""The step budget, epochs, refused rows, stopping."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.connectors.memory import MemorySink
from penstock.core.errors import RowError
from penstock.engine.loop import LEAST_ROWS, MOST_ROWS, LoopOptions, StepBudget
from penstock.engine.outputs import ErrorRate


def test_steps_grow_while_they_are_quick_and_shrink_when_they_are_slow() -> None:
    budget = StepBudget(LoopOptions(latency=10_000))
    for _ in range(20):
        budget.learn(budget.rows, 100)
    assert budget.rows == MOST_ROWS
    for _ in range(20):
        budget.learn(budget.rows, 10_000_000)
    assert budget.rows == LEAST_ROWS


def test_a_step_that_was_not_full_teaches_nothing() -> None:
    budget = StepBudget(LoopOptions())
    before = budget.rows
    budget.learn(1, 1)
    assert budget.rows == before


def test_the_error_rate_looks_at_recent_rows_only() -> None:
    rate = ErrorRate(0.1)
    rate.add(900, 500)  # too few rows to judge
    with pytest.raises(RowError, match="500 of the last 1100"):
        rate.add(200, 0)
    calm = ErrorRate(0.1)
    for _ in range(100):
        calm.add(1000, 100)


def bad_rows() -> ps.Stream:
    """A hundred rows of which every tenth cannot be cast."""
    text = [str(i) if i % 10 else "x" for i in range(100)]
    return ps.read(pl.DataFrame({"text": text})).with_columns(number=col("text").cast(ps.Int64))


def test_refused_rows_go_to_the_table_errors(tmp_path: Path) -> None:
    sink = MemorySink()
    job = ps.run(ps.Pipeline("p", bad_rows().write(sink)), state=tmp_path / "state")
    assert sink.frame().height == 90
    assert job.status().errors == 10
    table = pl.read_ndjson(next((tmp_path / "state" / "errors").glob("*.json*")))
    assert table.height == 10
    assert set(table["row"]) == {'{"text":"x"}'}
    assert set(table["reason"]) == {'cannot cast "x" to Int64 (text)'}
    assert job.status().reasons == (("cannot cast text to Int64", 10),)  # counted whatever the values are


def test_refused_rows_have_all_columns_in_an_output_and_those_of_the_plan_in_the_table(tmp_path: Path) -> None:
    rows = ps.read(pl.DataFrame({"text": ["1", "x"], "other": ["a", "b"]}), name="rows")
    parsed = rows.select("other", number=col("text").cast(ps.Int64))
    sums = parsed.select("number").agg(total=col("number").sum())
    ps.run(ps.Pipeline("p", sums.write(MemorySink())), state=tmp_path / "one")
    table = pl.read_ndjson(next((tmp_path / "one" / "errors").glob("*.json*")))
    assert table.select("row", "source", "offset").rows() == [('{"text":"x"}', "rows", 1)]
    refused = MemorySink()
    ps.run(
        ps.Pipeline("p", sums.write(MemorySink()), parsed.errors().write(refused, name="refused")),
        state=tmp_path / "two",
    )
    assert refused.frame().drop("_why").rows(named=True) == [{"text": "x", "other": "b"}]


def test_on_error_fail_names_the_row_and_the_line(tmp_path: Path) -> None:
    pipeline = ps.Pipeline("p", bad_rows().write(MemorySink()), on_error="fail")
    with pytest.raises(RowError, match=r"test_loop.py:\d+: .*offset 0: cannot cast"):
        ps.run(pipeline, state=tmp_path)


def test_on_error_drop_counts(tmp_path: Path) -> None:
    job = ps.run(ps.Pipeline("p", bad_rows().write(MemorySink()), on_error="drop"), state=tmp_path)
    assert job.status().errors == 10
    assert not list((tmp_path / "errors").glob("*.json*"))


def test_rows_add_up(tmp_path: Path) -> None:
    stream = bad_rows().filter(col("number") > 50)
    job = ps.run(ps.Pipeline("p", stream.write(MemorySink())), state=tmp_path)
    nodes = {node.label: node for node in job.status().nodes}
    assert nodes["read"].rows_out == sum(n.rows_in for label, n in nodes.items() if label.startswith("select"))
    assert job.status().rows_in == 100
