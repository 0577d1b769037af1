"""Engine = reference, in every mode: row by row, at once, in cuts, over shards, with other seeds, optimised."""

from __future__ import annotations

import pytest
from hypothesis import given

from penstock.testing.check import agree
from penstock.testing.plans import cases, grouped, plans, stateless, windowed
from tests.laws.law import LAW, SLOW_LAW, told


@LAW
@given(cases(stateless))
def test_stateless_verbs(case):
    agree(case, told(case))


@LAW
@given(cases(grouped))
def test_running_aggregates(case):
    agree(case, told(case))


@LAW
@given(cases(windowed))
def test_windows(case):
    agree(case, told(case))


@LAW
@given(cases(plans))
def test_chains(case):
    agree(case, told(case))


@pytest.mark.slow
@SLOW_LAW
@given(cases(plans, most_rows=40))
def test_long_chains(case):
    agree(case, told(case), cuts=6)
