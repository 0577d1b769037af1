"""First, last and least against plain Python."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.kernels import accumulate_order as module
from penstock.kernels.arrays import frozen
from tests.unit.kernels.folding import ALL, COLUMN, SLOTS, Row, fold, fresh, merge, rows_of

FEW = settings(deadline=None, max_examples=40)
VALUES = st.integers(-3, 3)


def kept(table: np.ndarray, place: int) -> list[int | str | None]:
    states = {module.EMPTY: "empty", module.NULL: None}
    return [
        states.get(int(row[COLUMN]), int(row[COLUMN + place]))
        if row[COLUMN] != module.VALUE
        else int(row[COLUMN + place])
        for row in table
    ]


def expected(rows: list[Row], place: int) -> list[int | str | None]:
    parts = [[row.value for row in rows if row.slot == slot and row.value is not None] for slot in range(SLOTS)]
    return [part[place] if part else "empty" for part in parts]


@FEW
@given(rows_of(VALUES), rows_of(VALUES), st.booleans())
def test_first_and_last(kernels: str, rows: list[Row], more: list[Row], selected: bool) -> None:
    for name, place in (("first", 0), ("last", -1)):
        add, join = getattr(module, f"add_{name}"), getattr(module, f"merge_{name}")
        table = fold(add, fresh([0, 0]), rows, np.int64, selected)
        assert kept(table, 1) == expected(rows, place)
        merge(join, table, fold(add, fresh([0, 0]), more, np.int64))
        assert kept(table, 1) == expected(rows + more, place)


COMPETITORS = st.lists(
    st.tuples(st.integers(0, SLOTS - 1), st.none() | VALUES, st.integers(0, 2), st.none() | VALUES), max_size=14
)
Competitor = tuple[int, int | None, int, int | None]


def fold_least(rows: list[Competitor]) -> np.ndarray:
    table = fresh([0] * 4)
    orders = np.array([[0 if order is None else order, tie] for _, order, tie, _ in rows], np.int64).reshape(-1, 2)
    module.add_least(
        table,
        COLUMN,
        frozen(np.array([slot for slot, *_ in rows]), np.int32),
        frozen(np.empty(0), np.int32),
        frozen(orders),
        frozen(np.array([0 if value is None else value for *_, value in rows]), np.int64),
        frozen(np.array([value is not None for *_, value in rows]), np.bool_),
        frozen(np.array([order is not None for _, order, _, _ in rows]), np.bool_),
    )
    assert (table[:, 0] == 77).all()
    assert (table[:, -1] == 77).all()
    return table


def least(rows: list[Competitor]) -> list[int | str | None]:
    parts = [[row for row in rows if row[0] == slot and row[1] is not None] for slot in range(SLOTS)]
    return [min(part, key=lambda row: (row[1], row[2]))[3] if part else "empty" for part in parts]


@FEW
@given(COMPETITORS, COMPETITORS)
def test_least(kernels: str, rows: list[Competitor], more: list[Competitor]) -> None:
    table = fold_least(rows)
    assert kept(table, 3) == least(rows)
    module.merge_least(table, COLUMN, ALL, fold_least(more), COLUMN, ALL, 2)
    assert kept(table, 3) == least(rows + more)


@FEW
@given(st.lists(st.floats() | st.sampled_from([0.0, -0.0]), max_size=8))
def test_order_of_floats(kernels: str, values: list[float]) -> None:
    floats = frozen(np.array(values, np.float64))
    orders = module.order_of_floats(floats, floats.view(np.int64)).tolist()
    keys = [(1, 0.0) if math.isnan(value) else (0, value) for value in values]
    for one in range(len(values)):
        for other in range(one):
            assert (orders[one] < orders[other]) == (keys[one] < keys[other])
            assert (orders[one] == orders[other]) == (keys[one] == keys[other])
