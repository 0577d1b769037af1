"""Aggregates of SQL: percentiles, several columns counted, distinct texts and arrays."""

from __future__ import annotations

import polars as pl
import pytest

import penstock as ps
from penstock.core.errors import PlanError, UnsupportedError

ROWS = pl.DataFrame(
    {
        "k": ["a", "a", "a", "b"],
        "s": ["x", "y", "x", "z"],
        "v": [1, 2, 4, None],
        "w": [1.0, None, 2.0, 3.0],
    }
)


def asked(what):
    return ps.sql(f"SELECT k, {what} AS r FROM t GROUP BY k", t=ps.read(ROWS)).collect().sort("k")["r"].to_list()


@pytest.mark.parametrize(
    ("what", "result"),
    [
        ("PERCENTILE(v, 0.25)", [1.5, None]),
        ("PERCENTILE(v, 1)", [4.0, None]),
        ("PERCENTILE(w, 0.5) FILTER (WHERE v < 3)", [1.0, None]),
        ("PERCENTILE(v, ARRAY[0.0, 0.75])", [[1.0, 3.0], None]),
        ("PERCENTILE(DISTINCT v, 0.5)", [2.0, None]),
        ("COUNT(v, w)", [2, 0]),
        ("COUNT(v, w) FILTER (WHERE v > 1)", [1, 0]),
        ("LISTAGG(DISTINCT s, '|')", ["x|y", "z"]),
        ("LISTAGG(DISTINCT s)", ["x,y", "z"]),
        ("ARRAY_AGG(DISTINCT COALESCE(s, ''))", [["x", "y"], ["z"]]),
    ],
)
def test_results(what, result):
    assert asked(what) == result


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("PERCENTILE(v, 2)", "from 0 to 1"),
        ("PERCENTILE(v, w)", "a constant"),
        ("PERCENTILE(s, 0.5)", "does not take"),
        ("PERCENTILE(v, 0.5, 2)", "found 3"),
        ("PERCENTILE(DISTINCT v, ARRAY[0.5])", "not offered"),
    ],
)
def test_refusals(what, words):
    with pytest.raises((PlanError, UnsupportedError), match=words):
        asked(what)
