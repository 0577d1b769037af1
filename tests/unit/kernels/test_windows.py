"""Panes and lateness against the windows written out one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.kernels.windows import (
    IN_NO_WINDOW,
    LATE_FOR_ALL,
    LATE_FOR_SOME,
    ON_TIME,
    assign_between,
    assign_cumulative,
    assign_hopping,
    floor_divide,
    pane_width,
)

SECOND = 1_000_000
FAR = 2**53
TIMES = st.integers(-40, 40).map(lambda n: n * 500_000) | st.integers(-(10**8), 10**8) | st.integers(FAR, FAR + 10**8)
ROWS = st.lists(st.tuples(TIMES, st.integers(-20_000_000, 20_000_000)), min_size=1, max_size=8)


def status(ends: list[int], allowed: int, watermark: int) -> int:
    if not ends:
        return IN_NO_WINDOW
    late = [end - 1000 + allowed <= watermark for end in ends]
    return LATE_FOR_ALL if all(late) else LATE_FOR_SOME if any(late) else ON_TIME


def near(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    times = np.array([time for time, _ in rows], np.int64)
    return times, times + np.array([distance for _, distance in rows], np.int64)


@settings(deadline=None, max_examples=200)
@given(
    st.integers(1, 200) | st.integers(1, 2**50), st.integers(-(2**62), 2**62) | st.integers(-(10**6), 10**6), st.data()
)
def test_floor_divide_is_exact(kernels: str, width: int, value: int, data: st.DataObject) -> None:
    multiple = value // width * width
    value = data.draw(st.sampled_from([value, multiple, multiple - 1]))
    assert floor_divide(np.int64(value), np.int64(width), 1.0 / width) == value // width


@pytest.mark.parametrize("value", [2**62 + 3, 2**61 - 1, -(2**62) - 5, 2**53 + 1])
@pytest.mark.parametrize("width", [1, 3, 7, 1000])
def test_floor_divide_of_numbers_that_floats_cannot_hold(kernels: str, value: int, width: int) -> None:
    assert floor_divide(np.int64(value), np.int64(width), 1.0 / width) == value // width


@settings(deadline=None, max_examples=120)
@given(
    ROWS,
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(-15, 15),
    st.sampled_from([0, 1000, 3 * SECOND]),
    st.data(),
)
def test_hopping(
    kernels: str, rows: list[tuple[int, int]], size: int, slide: int, offset: int, allowed: int, data: st.DataObject
) -> None:
    unit = data.draw(st.sampled_from([SECOND, 1_234_567]))
    size, slide, offset = size * unit, slide * unit, offset * 700_000
    times, watermarks = near(rows)
    panes, statuses, counts = assign_hopping(times, watermarks, size, slide, offset, allowed)
    width = pane_width(size, slide)
    for row, time in enumerate(times.tolist()):
        assert panes[row] == (time - offset) // width
        last = (time - offset) // slide
        numbers = range(last - size // slide - 1, last + 1)
        ends = [k * slide + offset + size for k in numbers if k * slide + offset <= time < k * slide + offset + size]
        assert statuses[row] == status(ends, allowed, int(watermarks[row]))
    assert counts.tolist() == np.bincount(statuses, minlength=4).tolist()


@settings(deadline=None, max_examples=60)
@given(ROWS, st.integers(1, 5), st.integers(1, 5), st.integers(-15, 15))
def test_cumulative(kernels: str, rows: list[tuple[int, int]], step: int, times_step: int, offset: int) -> None:
    step, offset = step * SECOND, offset * 700_000
    size = step * times_step
    times, watermarks = near(rows)
    panes, statuses, counts = assign_cumulative(times, watermarks, size, step, offset, 1000)
    for row, time in enumerate(times.tolist()):
        assert panes[row] == (time - offset) // step
        start = (time - offset) // size * size + offset
        ends = [end for end in range(start + step, start + size + 1, step) if time < end]
        assert statuses[row] == status(ends, 1000, int(watermarks[row]))
    assert counts.tolist() == np.bincount(statuses, minlength=4).tolist()


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(-50, 50), min_size=2, max_size=6), st.data())
def test_between_boundaries(kernels: str, marks: set[int], data: st.DataObject) -> None:
    boundaries = sorted(marks)
    rows = data.draw(st.lists(st.tuples(st.integers(boundaries[0], boundaries[-1] - 1), st.integers(-90, 90))))
    times = np.array([time for time, _ in rows], np.int64)
    watermarks = np.array([watermark for _, watermark in rows], np.int64)
    starts, ends = np.array(boundaries, np.int64), np.array(boundaries[1:], np.int64)
    last_ends = ends + 20
    last_ends[0] = boundaries[0] - 1  # the first pane is in no window
    panes, statuses, _ = assign_between(times, watermarks, starts, ends, last_ends, 1000)
    for row, (time, watermark) in enumerate(rows):
        pane = next(number for number in range(len(ends)) if boundaries[number] <= time < boundaries[number + 1])
        assert panes[row] == pane
        windows = [] if pane == 0 else [int(ends[pane]), int(last_ends[pane])]
        assert statuses[row] == status(windows, 1000, watermark)


def test_outside_of_the_boundaries() -> None:
    ends = np.array([10, 20])
    for time in (-1, 20):
        with pytest.raises(ValueError, match=f"time {time} is outside of 0 to 20"):
            assign_between(np.array([5, time]), None, np.array([0, 10, 20]), ends, ends)


def test_without_a_watermark_nothing_is_late(kernels: str) -> None:
    times = np.array([0, 5, 15])
    assert assign_hopping(times, None, 10, 10)[1].tolist() == [ON_TIME] * 3
    assert assign_hopping(times, None, 5, 10)[1].tolist() == [ON_TIME, IN_NO_WINDOW, IN_NO_WINDOW]
    assert assign_cumulative(times, None, 10, 5)[1].tolist() == [ON_TIME] * 3


def test_the_boundary_of_lateness() -> None:
    times = np.zeros(2, np.int64)
    watermarks = np.array([10 * SECOND - 1001, 10 * SECOND - 1000])
    assert assign_hopping(times, watermarks, 10 * SECOND, 10 * SECOND)[1].tolist() == [ON_TIME, LATE_FOR_ALL]
    later = assign_hopping(times, watermarks, 10 * SECOND, 10 * SECOND, allowed=1)[1]
    assert later.tolist() == [ON_TIME, ON_TIME]
