"""Typed columns to declared types."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest

from penstock.connectors.formats._adapt import MismatchError, adapt, canonical, convertible, lossless, missing_column
from penstock.core import dtypes as d
from penstock.core.errors import PlanError


@pytest.mark.parametrize(
    ("source", "target", "is_lossless", "is_convertible"),
    [
        (d.Int32, d.Int64, True, True), (d.Int64, d.Int32, False, True), (d.UInt32, d.Int64, True, True),
        (d.UInt64, d.Int64, False, True), (d.Int8, d.UInt64, False, True), (d.Int64, d.Float64, True, True),
        (d.Float32, d.Float64, True, True), (d.Float64, d.Int64, False, False), (d.String, d.Int64, False, False),
        (d.Null, d.Struct({"a": d.Date}), True, True), (d.String, d.Json, True, True), (d.Json, d.String, True, True),
        (d.Datetime("ms", "UTC"), d.Datetime("us", "Europe/Berlin"), True, True),
        (d.Datetime("us"), d.Datetime("us", "UTC"), False, False), (d.Datetime("us"), d.Datetime("ms"), False, True),
        (d.Duration("ms"), d.Duration("us"), True, True), (d.Duration("us"), d.Duration("ms"), False, True),
        (d.Decimal(5, 2), d.Decimal(6, 2), True, True), (d.Decimal(5, 2), d.Decimal(5, 1), False, True),
        (d.List(d.Int8), d.List(d.Int64), True, True), (d.List(d.Int64), d.List(d.Int8), False, False),
        (d.Struct({"a": d.Int8}), d.Struct({"a": d.Int64}), True, True),
        (d.Struct({"a": d.Int8}), d.Struct({"b": d.Int8}), False, False),
        (d.Map(d.String, d.Int8), d.Map(d.String, d.Int64), True, True), (d.Date, d.Datetime("us"), False, False),
    ],
)  # fmt: skip
def test_which_types_go_together(source, target, is_lossless, is_convertible):
    assert lossless(source, target) is is_lossless
    assert convertible(source, target) is is_convertible


def test_a_column_of_the_type_is_itself():
    column = pl.Series("a", [1, None])
    assert adapt(column, d.Int64) == (column, None) or adapt(column, d.Int64)[0] is column


def test_values_that_do_not_fit_are_null_and_marked():
    values, wrong = adapt(pl.Series("a", [1, 300, None, -129]), d.Int8)
    assert values.to_list() == [1, None, None, None]
    assert wrong.to_list() == [False, True, False, True]
    values, wrong = adapt(pl.Series("a", ["1.50", "1.25", None]).cast(pl.Decimal(5, 2)), d.Decimal(5, 1))
    assert values.to_list() == [Decimal("1.5"), None, None]
    assert wrong.to_list() == [False, True, False]


def test_types_that_do_not_go_together_are_named():
    with pytest.raises(MismatchError, match='column "a" is String, not Int64'):
        adapt(pl.Series("a", ["x"]), d.Int64)
    with pytest.raises(MismatchError, match="an instant is no wall-clock time"):
        adapt(pl.Series("a", [dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]), d.Datetime("us"))


def test_a_frame_becomes_canonical():
    frame = pl.DataFrame(
        {
            "t": pl.Series([1999], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
            "c": pl.Series(["x"], dtype=pl.Categorical),
            "a": pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)),
        }
    )
    assert list(canonical(frame).schema.values()) == [pl.Datetime("us", "UTC"), pl.String, pl.List(pl.Int64)]
    with pytest.raises(PlanError, match="has no counterpart"):
        canonical(pl.DataFrame({"o": pl.Series([1], dtype=pl.Int128)}))


def test_a_missing_column_guesses_or_lists():
    assert 'did you mean "amount"' in str(missing_column("amont", {"amount": 1}))
    assert "columns: a, b" in str(missing_column("zzz", {"a": 1, "b": 2}))
