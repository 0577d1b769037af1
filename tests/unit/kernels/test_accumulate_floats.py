"""Float accumulators against exact arithmetic."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.kernels import accumulate_floats as module
from tests.unit.kernels.folding import ALL, COLUMN, SLOTS, Row, by_slot, fold, fresh, merge, rows_of

ODD = st.sampled_from([math.nan, math.inf, -math.inf])
FINITE = st.floats(-1e12, 1e12) | st.sampled_from([0.1, 1e300, -1e300, 5e-324, 0.0, -0.0])
FEW = settings(deadline=None, max_examples=50)
NAN = 0x7FF8000000000000
BOTTOM = int(np.float64(-math.inf).view(np.int64))


def exact(part: list[Row]) -> tuple[float, float]:
    """The sum of finite values, and the sum of their magnitudes."""
    values = [(Fraction(row.value) * row.sign) for row in part if math.isfinite(row.value)]
    return float(sum(values)), float(sum(map(abs, values)))


def read(table: np.ndarray) -> tuple[list[float], list[int]]:
    sums, counts = np.empty(SLOTS), np.empty(SLOTS, np.int64)
    module.read_float_sum(table, table.view(np.float64), COLUMN, ALL, sums, counts)
    return sums.tolist(), counts.tolist()


@FEW
@given(rows_of(FINITE), rows_of(FINITE), st.booleans())
def test_sum_of_finite_values(kernels: str, rows: list[Row], more: list[Row], selected: bool) -> None:
    table = fold(module.add_float_sum, fresh([0] * 6), rows, np.float64, selected)
    for drawn in (rows, rows + more):
        sums, counts = read(table)
        for total, count, part in zip(sums, counts, by_slot(drawn), strict=True):
            expected, magnitude = exact(part)
            assert count == sum(row.sign for row in part)
            assert total == pytest.approx(expected, rel=0, abs=1e-12 * magnitude)
        if drawn is rows:
            merge(module.merge_float_sum, table, fold(module.add_float_sum, fresh([0] * 6), more, np.float64))


def test_what_rounding_loses_is_kept(kernels: str) -> None:
    values = [1e16, *[1.0] * 20, 1e100, -1e100, -1e16]
    table = fold(module.add_float_sum, fresh([0] * 6), [Row(0, value) for value in values], np.float64)
    assert read(table)[0][0] == 20.0
    table = fold(module.add_float_sum, fresh([0] * 6), [Row(0, value) for value in values[:-1]], np.float64)
    rest = fold(module.add_float_sum, fresh([0] * 6), [Row(0, values[-1])], np.float64)
    assert read(merge(module.merge_float_sum, table, rest))[0][0] == 20.0


@FEW
@given(rows_of(FINITE | ODD), rows_of(FINITE | ODD), st.randoms(use_true_random=False))
def test_what_is_retracted_is_gone(kernels: str, rows: list[Row], gone: list[Row], random: object) -> None:
    mixed = [(0, row) for row in rows] + [(1, row) for row in gone]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    back = [Row(row.slot, row.value, -1) for _, row in mixed]
    table = fold(module.add_float_sum, fresh([0] * 6), [row for _, row in mixed] + back, np.float64)
    assert (table[:, COLUMN:-1] == 0).all()
    back = [Row(row.slot, row.value, -1) for kind, row in mixed if kind == 1]
    table = fold(module.add_float_sum, fresh([0] * 6), [row for _, row in mixed] + back, np.float64)
    sums, _ = read(table)
    for total, part, parts in zip(sums, by_slot(rows), by_slot(rows + gone), strict=True):
        odd = [row.value for row in part if not math.isfinite(row.value)]
        if odd:
            assert total == pytest.approx(sum(odd), nan_ok=True)
        else:
            assert total == pytest.approx(exact(part)[0], rel=0, abs=1e-12 * exact(parts)[1])


def variances(table: np.ndarray, freedom: int) -> tuple[list[float], list[int]]:
    found, counts = np.empty(SLOTS), np.empty(SLOTS, np.int64)
    module.read_variance(table, table.view(np.float64), COLUMN, ALL, freedom, found, counts)
    return found.tolist(), counts.tolist()


@FEW
@given(rows_of(st.floats(-1e6, 1e6) | ODD), rows_of(st.floats(-1e6, 1e6) | ODD), st.booleans(), st.integers(0, 1))
def test_variance(kernels: str, rows: list[Row], more: list[Row], selected: bool, freedom: int) -> None:
    table = fold(module.add_variance, fresh([0] * 4), rows, np.float64, selected)
    for drawn in (rows, rows + more):
        found, counts = variances(table, freedom)
        for variance, count, part in zip(found, counts, by_slot(drawn), strict=True):
            values = [row.value for row in part]
            assert count == len(values)
            if len(values) <= freedom or not all(map(math.isfinite, values)):
                assert math.isnan(variance)
            else:
                expected = float(statistics.pvariance(values)) * len(values) / (len(values) - freedom)
                assert variance == pytest.approx(expected, rel=1e-9, abs=1e-5)
        if drawn is rows:
            merge(module.merge_variance, table, fold(module.add_variance, fresh([0] * 4), more, np.float64))


@FEW
@given(rows_of(st.floats(-1e3, 1e3) | ODD), rows_of(st.floats(-1e3, 1e3) | ODD))
def test_variance_takes_back(kernels: str, rows: list[Row], gone: list[Row]) -> None:
    back = [Row(row.slot, row.value, -1) for row in gone]
    expected = variances(fold(module.add_variance, fresh([0] * 4), rows, np.float64), 0)
    found = variances(fold(module.add_variance, fresh([0] * 4), gone + rows + back, np.float64), 0)
    assert found[1] == expected[1]
    assert found[0] == pytest.approx(expected[0], rel=1e-6, abs=1e-6, nan_ok=True)
    nothing = fold(module.add_variance, fresh([0] * 4), gone + back, np.float64)
    assert (nothing[:, COLUMN:-1] == 0).all()


def order(value: float) -> tuple[int, float]:
    return (1, 0.0) if math.isnan(value) else (0, value)


@pytest.mark.parametrize(("name", "start", "bits"), [("min", math.nan, NAN), ("max", -math.inf, BOTTOM)])
def test_smallest_and_largest(kernels: str, name: str, start: float, bits: int) -> None:
    choose = min if name == "min" else max

    @FEW
    @given(rows_of(FINITE | ODD), rows_of(FINITE | ODD), st.booleans())
    def check(rows: list[Row], more: list[Row], selected: bool) -> None:
        add, join = getattr(module, f"add_float_{name}"), getattr(module, f"merge_float_{name}")
        table = fold(add, fresh([bits]), rows, np.float64, selected)
        for drawn in (rows, rows + more):
            found = table.view(np.float64)[:, COLUMN].tolist()
            expected = [choose([start, *(row.value for row in part)], key=order) for part in by_slot(drawn)]
            assert list(map(order, found)) == list(map(order, expected))
            if drawn is rows:
                merge(join, table, fold(add, fresh([bits]), more, np.float64))

    check()
