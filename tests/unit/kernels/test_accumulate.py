"""Whole accumulators against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.kernels import accumulate
from penstock.kernels.accumulate import gather, gather_floats, read_sum, read_sum_as_float
from tests.unit.kernels.folding import ALL, COLUMN, SLOTS, Row, by_slot, fold, fresh, merge, rows_of

WORD = st.integers(-4, 4) | st.integers(-(2**63), 2**63 - 1)
LARGEST, SMALLEST = 2**63 - 1, -(2**63)
FEW = settings(deadline=None, max_examples=40)


@FEW
@given(rows_of(WORD, signed=True), rows_of(WORD, signed=True), st.booleans())
def test_count(kernels: str, rows: list[Row], more: list[Row], selected: bool) -> None:
    table = fold(accumulate.add_count, fresh([0]), rows, np.int64, selected)
    assert table[:, COLUMN].tolist() == [sum(row.sign for row in part) for part in by_slot(rows)]
    merge(accumulate.merge_count, table, fold(accumulate.add_count, fresh([0]), more, np.int64))
    assert table[:, COLUMN].tolist() == [sum(row.sign for row in part) for part in by_slot(rows + more)]


def sums(rows: list[Row]) -> list[int]:
    return [sum(row.sign * row.value for row in part) for part in by_slot(rows)]


def wide(table: np.ndarray) -> list[int]:
    return [(int(high) << 64) + (int(low) % 2**64) for low, high in table[:, COLUMN : COLUMN + 2]]


@FEW
@given(rows_of(WORD, signed=True), rows_of(WORD, signed=True), st.booleans())
def test_sum_is_exact(kernels: str, rows: list[Row], more: list[Row], selected: bool) -> None:
    table = fold(accumulate.add_sum, fresh([0, 0]), rows, np.int64, selected)
    assert wide(table) == sums(rows)
    merge(accumulate.merge_sum, table, fold(accumulate.add_sum, fresh([0, 0]), more, np.int64))
    expected = sums(rows + more)
    assert wide(table) == expected
    low, fits, floats = np.empty(SLOTS, np.int64), np.empty(SLOTS, np.bool_), np.empty(SLOTS)
    assert read_sum(table, COLUMN, ALL, low, fits) == SLOTS - fits.sum()
    assert fits.tolist() == [SMALLEST <= total <= LARGEST for total in expected]
    assert [int(one) for one, fit in zip(low, fits, strict=True) if fit] == [
        total for total in expected if SMALLEST <= total <= LARGEST
    ]
    read_sum_as_float(table, COLUMN, ALL, floats)
    assert floats.tolist() == pytest.approx([float(total) for total in expected], rel=1e-15, abs=0)


@pytest.mark.parametrize(("name", "choose", "start"), [("min", min, LARGEST), ("max", max, SMALLEST)])
def test_smallest_and_largest(kernels: str, name: str, choose: object, start: int) -> None:
    @FEW
    @given(rows_of(WORD), rows_of(WORD), st.booleans())
    def check(rows: list[Row], more: list[Row], selected: bool) -> None:
        add, join = getattr(accumulate, f"add_{name}"), getattr(accumulate, f"merge_{name}")
        table = fold(add, fresh([start]), rows, np.int64, selected)
        for drawn in (rows, rows + more):
            expected = [choose([start, *(row.value for row in part)]) for part in by_slot(drawn)]  # type: ignore[operator]
            assert table[:, COLUMN].tolist() == expected
            if drawn is rows:
                merge(join, table, fold(add, fresh([start]), more, np.int64))

    check()


def test_gather(kernels: str) -> None:
    table = np.arange(12, dtype=np.int64).reshape(3, 4)
    slots = np.array([2, 0, 2], np.int32)
    assert gather(table, 1, slots).tolist() == [9, 1, 9]
    assert gather_floats(table.astype(np.float64), 1, slots).tolist() == [9.0, 1.0, 9.0]
