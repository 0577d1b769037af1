"""Decimals of SQL: the types of operations, and Polars beside exact arithmetic."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.dtypes import Decimal
from penstock.core.schema import Schema
from penstock.expr.ast import Call, Column
from penstock.expr.infer import infer
from penstock.expr.sql_decimals import EXACT, adjusted, fitted, result_type
from tests.unit.expr.both import by_meaning, by_polars, plain


@pytest.mark.parametrize(
    ("name", "a", "b", "result"),
    [
        ("add", Decimal(12, 3), Decimal(2, 1), Decimal(13, 3)),
        ("multiply", Decimal(12, 3), Decimal(12, 3), Decimal(25, 6)),
        ("divide", Decimal(12, 3), Decimal(10, 0), Decimal(23, 14)),
        ("mod", Decimal(12, 3), Decimal(10, 0), Decimal(12, 3)),
        ("multiply", Decimal(38, 10), Decimal(38, 10), Decimal(38, 6)),
    ],
)
def test_types_are_those_seen_in_flink(name: str, a: Decimal, b: Decimal, result: Decimal) -> None:
    assert result_type(name, a, b) == result


def test_digits_behind_the_point_give_way() -> None:
    assert adjusted(40, 10) == Decimal(38, 8)
    assert adjusted(60, 20) == Decimal(38, 6)
    assert adjusted(60, 4) == Decimal(38, 4)


def test_what_does_not_fit_is_null() -> None:
    assert fitted(D("99.995"), Decimal(4, 2)) is None
    assert fitted(D("99.994"), Decimal(4, 2)) == D("99.99")
    assert fitted(D("1e300"), Decimal(38, 0)) is None


def types() -> st.SearchStrategy[Decimal]:
    return st.integers(1, 38).flatmap(lambda p: st.integers(0, p).map(lambda s: Decimal(p, s)))


def values(dtype: Decimal) -> st.SearchStrategy[D]:
    most = 10**dtype.precision - 1
    return (st.integers(-most, most) | st.sampled_from([0, 1, most, -most])).map(
        lambda n: D(n).scaleb(-dtype.scale, EXACT)
    )


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "mod"])
def test_polars_is_exact(name: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.data(), types(), types())
    def agree(data: st.DataObject, a: Decimal, b: Decimal) -> None:
        rows = [{"x": data.draw(values(a)), "y": data.draw(values(b))} for _ in range(3)]
        typed = infer(Call(f"sql.{name}", (Column("x"), Column("y"))), Schema.of({"x": a, "y": b}))
        meant, found = by_meaning(typed, rows), by_polars(typed, rows, x=a, y=b)
        assert [plain(v) for v in meant] == [plain(v) for v in found]

    agree()
