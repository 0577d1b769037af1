"""Batching is invisible: any cut into steps, the same result at the same place in the input."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.testing.plans import cases, windowed
from penstock.testing.scene import one_by_one
from penstock.testing.strategies import cuts
from penstock.testing.trial import Mode, try_out
from tests.laws.law import LAW, told


@LAW
@given(cases(), st.data())
def test_any_cut(case, data):
    steps = data.draw(cuts(case.scene.events(), most=12))
    try_out(case, told(case), Mode("drawn cut", steps))


@LAW
@given(cases(windowed), st.data())
def test_which_rows_are_late_does_not_depend_on_the_cut(case, data):
    meant = told(case)
    found = []
    for steps in (one_by_one(case.scene.events()), data.draw(cuts(case.scene.events()))):
        driver = try_out(case, meant, Mode("late rows", steps))
        found.append(sorted((why["source"], why["split"], why["offset"]) for why in (r["_why"] for r in driver.late)))
    assert found[0] == found[1]
    assert len(found[0]) == len(meant.refused_by("late"))
