"""A node may give many deltas in a step; how many does not matter to what is below."""

from __future__ import annotations

import pytest
from hypothesis import given

from penstock.operators import explode
from penstock.testing.check import agree
from penstock.testing.drawing import DrawFn, st
from penstock.testing.plans import cases, grouped, windowed
from tests.laws.law import LAW, told


@st.composite
def exploded_windows(draw: DrawFn, rows):
    return draw(windowed(rows.explode("l")))


@st.composite
def exploded_groups(draw: DrawFn, rows):
    return draw(grouped(rows.explode("l")))


@pytest.fixture(autouse=True, scope="module")
def _small_deltas():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explode, "MOST_ROWS", 2)
        yield


@LAW
@given(cases(exploded_windows))
def test_windows(case):
    agree(case, told(case), cuts=1)


@LAW
@given(cases(exploded_groups))
def test_running_aggregates(case):
    agree(case, told(case), cuts=1)
