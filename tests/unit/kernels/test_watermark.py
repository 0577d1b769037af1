from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.kernels.watermark import NEVER, watermark_before

TIMES = st.integers(-5_000, 5_000) | st.integers(-(2**63), -(2**63) + 2_000) | st.integers(2**63 - 2_000, 2**63 - 1)


def model(times: list[int | None], delay: int, current: int) -> tuple[list[int], int]:
    before = []
    for time in times:
        before.append(current)
        if time is not None:
            current = max(current, time // 1000 * 1000 - delay)
    return before, current


@settings(deadline=None, max_examples=60)
@given(st.lists(st.none() | TIMES, max_size=12), st.integers(0, 3_000), st.none() | TIMES)
def test_as_in_the_model(kernels: str, times: list[int | None], delay: int, start: int | None) -> None:
    current = NEVER if start is None else max(start, NEVER)
    values = np.array([0 if time is None else time for time in times], np.int64)
    valid = np.array([time is not None for time in times], np.bool_)
    before, after = watermark_before(values, delay, current, valid)
    assert (before.tolist(), after) == model(times, delay, current)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(-9_000, 9_000), max_size=12), st.integers(0, 12))
def test_a_cut_does_not_show(kernels: str, times: list[int], cut: int) -> None:
    values = np.array(times, np.int64)
    whole, end = watermark_before(values, 500, NEVER)
    first, middle = watermark_before(values[:cut], 500, NEVER)
    second, last = watermark_before(values[cut:], 500, middle)
    assert whole.tolist() == first.tolist() + second.tolist()
    assert end == last


def test_floors_towards_minus_infinity() -> None:
    assert watermark_before(np.array([-1]), 0, NEVER)[1] == -1000
    assert watermark_before(np.array([1999]), 0, NEVER)[1] == 1000
