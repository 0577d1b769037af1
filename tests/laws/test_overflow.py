"""Sums that do not fit their type: a key has no row while its sum does not fit, whatever the steps and shards."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.connectors.memory import MemorySink
from penstock.core.errors import RowError
from penstock.engine.job import Job, JobOptions
from penstock.engine.loop import LoopOptions
from penstock.testing import Driver, T, check
from penstock.testing.case import case_of
from penstock.testing.check import agree
from tests.laws.law import LAW, told

TOP, BOTTOM = 2**63 - 1, -(2**63)
SCHEMA = {"at": pl.Datetime("us", "UTC"), "k": pl.String, "v": pl.Int64, "w": pl.Int64}
NUMBERS = st.none() | st.sampled_from([TOP, BOTTOM, 2**62, -(2**62), 1, -1, 0])
ROWS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["a", "b", None]), NUMBERS, NUMBERS), max_size=14)


def frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    data = [(start + dt.timedelta(seconds=at), *values) for at, *values in sorted(rows, key=lambda row: row[0])]
    return pl.DataFrame(data, schema=SCHEMA, orient="row")


def totals(stream: Any) -> Any:
    return stream.agg(n=ps.count(), v=col("v").sum(), w=col("w").sum().filter(col("v") != 0), m=col("v").mean())


@LAW
@given(ROWS)
def test_running_sums(rows):
    case = case_of(lambda s: [totals(s.group_by("k")), totals(s.group_by("k")).errors()], frame(rows))
    agree(case, told(case))


@LAW
@given(ROWS)
def test_running_sums_without_keys(rows):
    case = case_of(lambda s: [s.agg(v=col("v").sum()), s.agg(v=col("v").sum()).errors()], frame(rows))
    agree(case, told(case))


@LAW
@given(ROWS)
def test_running_sums_over_a_table(rows):
    """Rows are taken back too; which of them are told is as for all changes of a Table."""
    case = case_of(
        lambda s: s.group_by("k", "w").agg(v=col("v").max()).group_by("k").agg(v=col("v").sum()), frame(rows)
    )
    agree(case, told(case))


@LAW
@given(
    ROWS, st.sampled_from([ps.tumbling("10 s"), ps.hopping("10 s", every="5 s"), ps.cumulative("10 s", every="5 s")])
)
def test_sums_of_windows(rows, windows):
    case = case_of(lambda s: totals(s.group_by("k").window(windows)), frame(rows))
    agree(case, told(case))


@LAW
@given(ROWS)
def test_sums_of_windows_without_keys(rows):
    case = case_of(lambda s: s.window(ps.tumbling("10 s")).agg(v=col("v").sum(), f=col("v").first()), frame(rows))
    agree(case, told(case))


def test_the_row_after_which_a_sum_does_not_fit_is_told_and_counted():
    check(
        lambda s: [s.group_by("k").agg(v=col("v").sum()), s.group_by("k").agg(v=col("v").sum()).errors()],
        input=T(f"""
            k | v
            a | {TOP}
            b | 1
            a | 1
            a | 2
            a | -3
            a | 7
            c | 5
        """),
        output=[
            T("""
                k | v
                b | 1
                c | 5
            """),
            T("""
                k | v
                a | 1
                a | 7
            """),
        ],
        errors=None,
    )


def test_a_window_whose_sum_does_not_fit_is_told_with_its_keys():
    rows = frame([(1, "a", TOP, 1), (2, "a", 1, 1), (3, "b", 1, 1), (14, "a", 1, 1)])
    case = case_of(lambda s: s.group_by("k").window(ps.tumbling("10 s")).agg(v=col("v").sum()), rows)
    driver = Driver(case.pipeline).push("input", rows).end().step()
    assert [(row["k"], row["v"]) for row in driver.rows()] == [("b", 1), ("a", 1)]
    (refused,) = driver.errors
    assert (refused["k"], refused["v"], refused["at"], refused["_why"]["offset"]) == ("a", None, None, None)
    assert refused["_why"]["reason"] == (
        "no result for the key: sum(v) does not fit its type "
        "in the window from 1970-01-01 00:00:00 to 1970-01-01 00:00:10 UTC"
    )


@pytest.mark.parametrize("step_rows", [1, 2, 100])
def test_a_policy_to_fail_does_not_depend_on_the_steps(step_rows):
    rows = [{"v": TOP}, {"v": 1}, {"v": -1}]  # it fits again at the end
    pipeline = ps.Pipeline("p", ps.read(rows).agg(v=col("v").sum()).write(MemorySink()), on_error="fail")
    job = Job(pipeline, JobOptions(loop=LoopOptions(step_rows=step_rows)))
    with pytest.raises(RowError, match=r"offset 1: no result for the key: sum\(v\) does not fit its type"):
        job.run()
