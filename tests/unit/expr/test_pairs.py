"""Aggregates of two columns: meaning, Polars and the engine agree; merging and taking back are lawful."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import dtypes as t
from penstock.core.errors import PlanError
from penstock.expr.build import Expr, col
from penstock.expr.infer import infer_aggregation
from tests.unit.expr.both import plain
from tests.unit.expr.test_aggregates import (
    Row,
    by_engine,
    by_meaning,
    by_polars,
    declared,
    near,
    result_of,
    schema_of,
    state_after,
)

x = col("x")
RATIOS = [x.corr("y"), x.regr_slope("y"), x.regr_intercept("y"), x.regr_r2(col("y"))]
PAIRS = [x.cov("y"), x.cov("y", ddof=0), *RATIOS, x.regr_count("y")]
MAPS = [x.to_map("y")]
FLOATS = (t.Float64, t.Float64)
# Steps of a half: what the two ways of computing round is far from zero.
NUMBERS = st.integers(-8, 8).map(lambda n: n / 2) | st.sampled_from([0.1, 0.3, 1e6])
ODD = NUMBERS | st.sampled_from([math.nan, math.inf, -math.inf])
ROWS = st.lists(st.tuples(st.none() | ODD, NUMBERS | st.none()), max_size=6)


@pytest.mark.parametrize("expr", PAIRS, ids=str)
def test_meaning_polars_and_engine_agree(expr: Expr) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(ROWS, min_size=1, max_size=3))
    def agree(groups: list[list[Row]]) -> None:
        meant = [by_meaning(expr, group, FLOATS) for group in groups]
        polars, engine = by_polars(expr, groups, FLOATS), by_engine(expr, groups, FLOATS)
        for a, b, c in zip(meant, polars, engine, strict=True):
            scale = max(1.0, abs(a)) if isinstance(a, float) and math.isfinite(a) else 1.0
            assert near(a, b, scale * 1e3), f"meaning {a!r}, Polars {b!r}"
            assert near(a, c, scale * 1e3), f"meaning {a!r}, engine {c!r}"

    agree()


@pytest.mark.parametrize("expr", PAIRS, ids=str)
def test_rows_are_taken_back(expr: Expr) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(ROWS, ROWS), min_size=1, max_size=3))
    def agree(parts: list[tuple[list[Row], list[Row]]]) -> None:
        meant = [by_meaning(expr, kept, FLOATS) for kept, _ in parts]
        found = by_engine(expr, [kept + gone for kept, gone in parts], FLOATS, [gone for _, gone in parts])
        for a, b in zip(meant, found, strict=True):
            # A covariance keeps of 1e6 * 1e6 what rounding left.
            assert near(a, b, 1e7), f"meaning {a!r}, engine {b!r}"

    agree()


@pytest.mark.parametrize("expr", [*PAIRS, *MAPS], ids=str)
def test_merging_is_associative_and_taking_back_undoes_adding(expr: Expr) -> None:
    aggregate, _ = declared(expr)
    key = NUMBERS.map(lambda n: round(n * 2)) if expr is MAPS[0] else ODD
    rows = st.lists(st.tuples(key, NUMBERS), max_size=4)
    types = (t.Int64, t.Float64) if expr is MAPS[0] else FLOATS

    @settings(max_examples=25, deadline=None)
    @given(rows, rows, rows)
    def laws(a: list[Row], b: list[Row], c: list[Row]) -> None:
        one, two, three = (state_after(expr, part, types) for part in (a, b, c))
        whole = state_after(expr, a + b + c, types)
        left = aggregate.merge(aggregate.merge(one, two), three)
        right = aggregate.merge(one, aggregate.merge(two, three))
        results = [plain(result_of(expr, a + b + c, state)) for state in (whole, left, right)]
        assert results[0] == results[1] == results[2]
        undone = state_after(expr, b[::-1], types, state_after(expr, a + b, types), sign=-1)
        assert plain(result_of(expr, a, undone)) == plain(result_of(expr, a, one))

    laws()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.tuples(st.none() | st.text("abc", max_size=1), st.none() | ODD), max_size=6), min_size=1))
def test_maps(groups: list[list[Row]]) -> None:
    types = (t.String, t.Float64)
    meant = [by_meaning(MAPS[0], group, types) for group in groups]
    assert plain(by_polars(MAPS[0], groups, types)) == plain(meant)
    assert plain(by_engine(MAPS[0], groups, types)) == plain(meant)


def test_numbers_that_are_known() -> None:
    """Against figures of another implementation (Polars' own functions over a whole column)."""
    frame = pl.DataFrame({"x": [1.0, 4.0, 2.5, 9.0, -3.0], "y": [2.0, 3.0, 7.0, 5.0, 1.0]})
    rows = list(frame.iter_rows())
    cov, corr = frame.select(c=pl.cov("x", "y"), r=pl.corr("x", "y")).row(0)
    slope = cov / frame["y"].var()
    wanted = [cov, cov * 4 / 5, corr, slope, frame["x"].mean() - slope * frame["y"].mean(), corr * corr, 5]
    for expr, value in zip(PAIRS, wanted, strict=True):
        assert by_engine(expr, [rows], FLOATS) == [pytest.approx(value)]


def test_far_from_zero_a_line_is_still_straight() -> None:
    rows = [(2.0 * n + 1e9, 1e9 + n) for n in range(100)]
    assert by_engine(x.regr_slope("y"), [rows], FLOATS) == [2.0]
    assert by_engine(x.corr("y"), [rows], FLOATS) == [pytest.approx(1.0)]


@pytest.mark.parametrize("wrong", [x.cov("y", ddof=-1), x.cov("y", ddof=True), x.quantiles([]), x.quantiles([2.0])])
def test_options_that_mean_nothing_are_refused(wrong: Expr) -> None:
    with pytest.raises(PlanError):
        infer_aggregation(wrong.term, schema_of(FLOATS))


def test_distinct_is_refused_where_it_has_no_meaning() -> None:
    assert str(x.count(distinct=True).term) == "n_unique(x)"
    assert str(x.max(distinct=True).term) == "max(x)"
    assert str(x.sum(distinct=False).term) == "sum(x)"
    with pytest.raises(PlanError, match="no distinct=True"):
        x.first(distinct=True)
