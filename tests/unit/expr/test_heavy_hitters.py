"""Heavy hitters: counts within their bounds, cuts that do not show, merging, and weights that halve with time."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.core import dtypes as t
from penstock.core.errors import PlanError, UnsupportedError
from penstock.expr.heavy import heaviest
from penstock.state.aggregates import AggregateTable
from penstock.state.layout import layout_of
from tests.unit.expr.test_aggregates import by_engine, schema_of
from tests.unit.expr.test_apache_sketches import MILLION, made, value_of

x = col("x")


def draws(size, seed=0):
    return np.minimum(np.random.default_rng(seed).zipf(1.3, size), 10**6)


@pytest.mark.parametrize("size", [MILLION, pytest.param(10 * MILLION, marks=pytest.mark.slow)])
def test_counts_are_within_their_bounds(size):
    numbers = draws(size)
    found = value_of(*made(x.top_k(50, size=200), pl.Series(numbers), t.Int64))
    values, counts = np.unique(numbers, return_counts=True)
    exact = dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert len(found) == 50
    for row in found:
        assert exact[row["item"]] <= row["count"] <= exact[row["item"]] + row["error"]
        assert row["error"] <= size / 200
    # Whoever comes more often than one in `size` has a counter.
    heavy = {value for value, count in exact.items() if count > size / 50}
    assert heavy <= {row["item"] for row in found}


@pytest.mark.parametrize("half_life", [0, 3])
def test_cuts_into_steps_do_not_show(half_life):
    rng = np.random.default_rng(4)
    numbers = draws(3000, 1) % 60
    seconds = np.sort(rng.integers(0, 200, 3000)) - rng.integers(0, 5, 3000)
    at = pl.Series(seconds * 10**6).cast(pl.Datetime("us"))
    schema = schema_of((t.Int64, t.Datetime("us")))
    expr = x.top_k_decayed("y", half_life=f"{half_life} s", k=20, size=20) if half_life else x.top_k(20, size=20)
    found = []
    for step in (1, 7, 3000):
        layout = layout_of(schema, ["key"], [("r", expr.term)], updating=False, counted=True)
        table = AggregateTable(layout)
        frame = pl.DataFrame({"key": np.zeros(3000, np.int64), "x": numbers, "y": at})
        for number, start in enumerate(range(0, 3000, step)):
            batch = batch_at(layout, frame.slice(start, step), schema, start)
            table.fold(batch, None, number + 1)
        found.append(value_of(layout, table).to_list())
    assert found[0] == found[1] == found[2]
    rows = list(zip(numbers.tolist(), (seconds * 10**6).tolist(), strict=True))
    meant = heaviest([(v, w if half_life else 0) for v, w in rows], 20, 20, half_life * 10**6)
    got = [tuple(row.values()) for row in found[0]]
    assert [one[0] for one in got] == [one[0] for one in meant]
    assert np.allclose([one[1:] for one in got], [one[1:] for one in meant], rtol=1e-9)


def batch_at(layout, frame, schema, start):
    from tests.unit.expr.test_aggregates import batch_of

    batch = batch_of(layout, frame, schema)
    batch.first = start
    return batch


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_merged_counts_are_within_their_bounds_in_any_order(order):
    numbers = draws(60_000, 2)
    parts = [numbers[:100], numbers[100:20_000], numbers[20_000:]]
    layout, target = made(x.top_k(20, size=100), pl.Series(parts[order[0]]), t.Int64)
    for i in order[1:]:
        target.merge(made(x.top_k(20, size=100), pl.Series(parts[i]), t.Int64)[1], 9)
    for row in value_of(layout, target):
        exact = int((numbers == row["item"]).sum())
        assert exact <= row["count"] <= exact + row["error"]
        assert row["error"] <= len(numbers) / 100


def test_old_rows_weigh_nothing_in_the_end_and_nothing_overflows():
    early, late = dt.datetime(1, 1, 1), dt.datetime(9999, 1, 1)
    rows = [("old", early)] * 5 + [("new", late), ("old", early)]
    (found,) = by_engine(x.top_k_decayed("y", half_life="1 ms"), [rows], (t.String, t.Datetime("us")))
    assert [(row["item"], row["weight"]) for row in found] == [("new", 1.0), ("old", 0.0)]


def test_options_are_checked():
    rows = ps.read(pl.DataFrame({"x": [1], "at": [dt.datetime(2024, 1, 1)]}))
    for wrong in (
        x.top_k(0), x.top_k(20, size=10), x.top_k_decayed("at", half_life="0 s"), x.top_k_decayed("x", half_life="1 s"),
    ):  # fmt: skip
        with pytest.raises(PlanError):
            rows.agg(r=wrong)
    with pytest.raises(UnsupportedError):
        rows.group_by("x").agg(n=ps.count()).agg(r=col("n").top_k())
