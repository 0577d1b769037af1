"""Grouping sets, rollup and cube in Python: one grouping per set, keys that a set lacks are null."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.core.errors import PlanError, UnsupportedError

FRAME = pl.DataFrame({"a": ["x", "x", "y", None], "b": [1, 2, 1, 1], "v": [10, 20, 30, 40]})
CASES = {
    'ROLLUP (a, b)': (ps.rollup("a", "b", id="g"),),
    'CUBE (a, b)': (ps.cube("a", col("b"), id="g"),),
    'GROUPING SETS ((a, b), (b), ())': (ps.grouping_sets(["a", "b"], "b", [], id="g"),),
    'a, ROLLUP (b)': ("a", ps.rollup("b", id="g")),
    'ROLLUP ((a, b))': (ps.rollup(["a", "b"], id="g"),),
}  # fmt: skip


@pytest.mark.parametrize("sql", CASES)
def test_as_another_database_has_it(sql: str) -> None:
    found = ps.read(FRAME).group_by(*CASES[sql]).agg(n=ps.count(), s=col("v").sum()).collect()
    rows = FRAME  # noqa: F841 - DuckDB finds it by name
    query = f"SELECT a, b, GROUPING_ID(a, b) AS g, count(*) AS n, sum(v)::BIGINT AS s FROM rows GROUP BY {sql}"
    wanted = duckdb.sql(query).pl()
    order = ["g", "a", "b"]
    assert found.select(wanted.columns).sort(order).rows() == wanted.sort(order).rows()
    assert found.columns == ["a", "b", "g", "n", "s"]


def test_per_window_and_without_an_id() -> None:
    frame = pl.DataFrame({"t": [0, 1, 11], "k": ["a", "b", "a"]}).with_columns(
        t=pl.from_epoch("t", time_unit="s").dt.replace_time_zone("UTC")
    )
    rows = ps.read(frame, event_time="t", watermark="0 s").group_by(ps.rollup("k")).window(ps.tumbling("10 s"))
    found = rows.agg(n=ps.count()).collect()
    assert found.columns == ["k", "window_start", "window_end", "n"]
    counted = sorted((k or "", start.second, n) for k, start, _, n in found.rows())
    assert counted == [("", 0, 2), ("", 10, 1), ("a", 0, 1), ("a", 10, 1), ("b", 0, 1)]


def test_what_cannot_mean_anything_is_refused() -> None:
    rows = ps.read(FRAME)
    with pytest.raises(PlanError, match="at least one"):
        ps.rollup()
    with pytest.raises(PlanError, match="at least one"):
        ps.grouping_sets()
    with pytest.raises(UnsupportedError, match="128 grouping sets"):
        ps.cube(*"abcdefg")
    with pytest.raises(PlanError, match="one id"):
        rows.group_by(ps.rollup("a", id="g"), ps.rollup("b", id="h"))
    with pytest.raises(PlanError, match='"b"'):
        rows.group_by(ps.rollup("a", "b")).agg(b=ps.count())
    with pytest.raises(PlanError, match="with_columns"):
        rows.group_by(ps.rollup("a"), c=col("b") + 1)
    with pytest.raises(PlanError, match='"nothing"'):
        rows.group_by(ps.rollup("nothing")).agg(n=ps.count())
    with pytest.raises(PlanError):
        rows.group_by(ps.rollup("a")).top_n(1, by="v")
