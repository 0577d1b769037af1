"""Sketches: errors within their bounds, the same bytes in any order, stored and merged and read back."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.core import dtypes as t
from penstock.core.errors import PlanError, UnsupportedError
from penstock.expr import sketches
from penstock.expr.aggregates.sketches import bloom_shape, count_min_shape
from penstock.expr.infer import infer_aggregation
from penstock.expr.sketches import BLOOM, COUNT_MIN, HLL, Shape
from penstock.kernels.arrays import frozen
from penstock.kernels.hashing import hash_words
from penstock.state.aggregates import AggregateTable
from penstock.state.layout import layout_of
from tests.unit.expr.test_aggregates import batch_of, by_engine, by_meaning, schema_of

x = col("x")
MILLION = 1_000_000


def tables(expr, parts):
    """The sketch of a column of numbers, a table per part; the layout too."""
    schema = schema_of((t.Int64,))
    layout = layout_of(schema, ["key"], [("r", expr.term)], updating=False, counted=True, merged=True)
    made = []
    for part in parts:
        table = AggregateTable(layout)
        frame = pl.DataFrame({"key": np.zeros(len(part), np.int64), "x": part})
        table.fold(batch_of(layout, frame, schema), None, 1)
        made.append(table)
    return layout, made


def value_of(layout, table):
    (raw,), _ = table.results(table.keys.live())
    return raw.series("r", layout.columns[0].dtype)[0]


@pytest.mark.parametrize("precision", [8, 12])
@pytest.mark.parametrize("distinct", [100, 20_000, MILLION, pytest.param(10 * MILLION, marks=pytest.mark.slow)])
def test_distinct_counts_are_within_three_standard_errors(distinct: int, precision: int) -> None:
    numbers = np.arange(distinct, dtype=np.int64) * 7919
    layout, (table,) = tables(x.approx_n_unique(precision=precision), [numbers])
    error = 1.04 / math.sqrt(2**precision)
    assert abs(value_of(layout, table) - distinct) <= 3 * error * distinct


def test_repeating_values_changes_nothing() -> None:
    numbers = np.arange(1000, dtype=np.int64)
    layout, (once, often) = tables(x.hll(), [numbers, np.tile(numbers, 5)])
    assert value_of(layout, once) == value_of(layout, often)


def test_counts_are_never_too_low_and_rarely_too_high() -> None:
    rng = np.random.default_rng(7)
    numbers = np.minimum(rng.zipf(1.3, MILLION), 10**6)
    layout, (table,) = tables(x.count_min(error=0.001, confidence=0.99), [numbers])
    shape, cells = sketches.from_bytes(value_of(layout, table))
    values, counts = np.unique(numbers, return_counts=True)
    chosen = rng.choice(len(values), 1000, replace=False)
    over = [sketches.times(shape, cells, int(values[i])) - int(counts[i]) for i in chosen]
    assert min(over) >= 0
    assert sum(one > 0.001 * MILLION for one in over) <= 0.01 * len(over)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("error", [0.01, 0.001])
def test_quantiles_are_within_their_relative_error(share: float, error: float) -> None:
    rng = np.random.default_rng(11)
    numbers = rng.lognormal(0, 4, MILLION) * rng.choice([-1.0, 1.0, 1.0], MILLION)
    schema = schema_of((t.Float64,))
    layout = layout_of(schema, ["key"], [("r", x.approx_quantile(share, error=error).term)], updating=False)
    table = AggregateTable(layout)
    frame = pl.DataFrame({"key": np.zeros(MILLION, np.int64), "x": numbers})
    table.fold(batch_of(layout, frame, schema), None, 1)
    exact = np.sort(numbers)[math.floor(share * (MILLION - 1) + 0.5)]
    assert abs(value_of(layout, table) - exact) <= error * 1.000001 * abs(exact)


def test_the_ends_of_floats_have_buckets() -> None:
    odd = [5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 0.0, math.inf, -math.inf, math.nan]
    for share in (0.0, 0.2, 0.4, 0.5, 0.7, 0.9, 1.0):
        expr = x.approx_quantile(share)
        rows = [(value,) for value in odd]
        assert repr(by_engine(expr, [rows], (t.Float64,))) == repr([by_meaning(expr, rows, (t.Float64,))])


def test_bloom_filters_miss_nothing_and_find_little_else() -> None:
    numbers = np.arange(MILLION, dtype=np.int64)
    layout, (table,) = tables(x.bloom(capacity=MILLION, error=0.01), [numbers])
    shape, cells = sketches.from_bytes(value_of(layout, table))
    assert all(sketches.contains(shape, cells, n) for n in range(0, MILLION, 997))
    wrong = sum(sketches.contains(shape, cells, n) for n in range(MILLION, MILLION + 20_000))
    # Three standard errors of a count with a mean of 200.
    assert wrong <= 200 + 3 * math.sqrt(200)


@pytest.mark.parametrize(
    "expr", [x.hll(), x.count_min(error=0.01), x.bloom(capacity=5000), x.quantile_sketch()], ids=str
)
def test_the_order_of_merging_is_irrelevant(expr) -> None:
    rng = np.random.default_rng(3)
    numbers = rng.integers(0, 4000, 9000)
    parts = [numbers[:10], numbers[10:5000], numbers[5000:]]
    layout, (whole,) = tables(expr, [numbers])
    wanted = value_of(layout, whole)
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        _, made = tables(expr, [parts[i] for i in order])
        target = AggregateTable(layout)
        for table in made:
            target.merge(table, 2)
        assert value_of(layout, target) == wanted
    stored = [(value_of(layout, table),) for table in tables(expr, parts)[1]]
    again = getattr(x, expr.term.aggregate + "_merge")(**dict(expr.term.options))
    assert by_engine(again, [stored, stored[::-1]], (t.Binary,)) == [wanted, wanted]


def test_bytes_that_are_no_such_sketch_make_the_result_null() -> None:
    good = by_engine(x.hll(), [[(1,)]], (t.Int64,))[0]
    other = by_engine(x.hll(precision=8), [[(1,)]], (t.Int64,))[0]
    assert by_engine(x.hll_merge(), [[(good,)], [(good,), (other,)], [(b"",), (good,)]], (t.Binary,)) == [
        good, None, None,
    ]  # fmt: skip


def test_bytes_are_those_of_version_one() -> None:
    """A sketch that somebody stored must mean the same for ever: if this fails, `VERSION` must change."""
    rows = [(f"value {n}",) for n in range(200)] + [("",), ("\u00e9",)]
    found = [
        hashlib.sha256(by_engine(expr, [rows], (t.String,))[0]).hexdigest()[:16]
        for expr in (x.hll(), x.count_min(), x.bloom())
    ]
    assert found == FIXED


FIXED = ["32c72917417f766b", "ced9626ab304d283", "8011d4fc0b9163e5"]


def test_plain_hashes_are_those_of_the_kernels() -> None:
    numbers = [0, -1, 2**63 - 1, 12345]
    words = frozen(np.array(numbers, np.int64).reshape(-1, 1))
    assert hash_words(words).tolist() == [sketches.hash_of(n) for n in numbers]


def test_bytes_that_were_cut_are_no_sketch() -> None:
    data = sketches.to_bytes(Shape(HLL, 8), {3: 1})
    assert sketches.from_bytes(data) == (Shape(HLL, 8), {3: 1})
    assert sketches.from_bytes(data, COUNT_MIN) is None
    assert sketches.from_bytes(data[:-1]) is None
    assert sketches.from_bytes(b"PSK\x02" + data[4:]) is None


def test_shapes_follow_from_bounds() -> None:
    assert count_min_shape({"error": 0.001, "confidence": 0.99}) == Shape(COUNT_MIN, 5, 12)
    assert bloom_shape({"capacity": 1000, "error": 0.01}) == Shape(BLOOM, 7, 0, 9728)


@pytest.mark.parametrize(
    "wrong",
    [x.hll(precision=5), x.hll(precision=17), x.approx_n_unique(precision=True), x.count_min(error=0),
     x.bloom(capacity=0), x.count_min(confidence=1.0), x.bloom(error=2)],
    ids=str,
)  # fmt: skip
def test_options_that_mean_nothing_are_refused(wrong) -> None:
    with pytest.raises(PlanError):
        infer_aggregation(wrong.term, schema_of((t.Int64,)))


def test_in_a_pipeline() -> None:
    frame = pl.DataFrame({"day": [1, 1, 2, 2, 2], "user": ["a", "b", "b", "c", "c"]})
    days = (
        ps.read(frame)
        .group_by("day")
        .agg(users=col("user").hll(), known=col("user").bloom(capacity=10), often=col("user").count_min())
    )
    found = days.select(
        "day",
        n=col("users").sketch.n_unique(),
        c=col("known").sketch.contains("c"),
        k=col("often").sketch.count("c"),
    ).collect()
    assert found.sort("day").rows() == [(1, 2, False, 0), (2, 2, True, 2)]


def test_tables_are_refused_with_a_hint() -> None:
    table = ps.read(pl.DataFrame({"k": [1], "v": [2]})).group_by("k").agg(n=col("v").sum())
    with pytest.raises(UnsupportedError, match="cannot take rows back") as refused:
        table.group_by("n").agg(x=col("k").approx_n_unique())
    assert "exact form" in str(refused.value)
