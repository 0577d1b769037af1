"""A plan that is not order-sensitive does not depend on how splits and sources interleave."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from penstock.core.timespan import END
from penstock.testing.compare import difference, fold
from penstock.testing.plans import cases, grouped, windowed
from penstock.testing.scene import one_by_one
from penstock.testing.strategies import orders
from penstock.testing.trial import Mode, try_out
from tests.laws.law import LAW, told


def other_order(case, data):
    (output,) = case.pipeline.outputs
    assume(not output.facts.order_sensitive)
    return replace(case, scene=replace(case.scene, order=data.draw(orders(case.scene.inputs))))


def final(meant, updating):
    rows = meant.outputs["output"].rows
    return fold((r.values, r.diff) for r in rows) if updating else [r.values for r in rows]


@LAW
@given(cases(windowed), st.data())
def test_windows_and_their_late_rows(case, data):
    moved = other_order(case, data)
    one, two = told(case), told(moved)
    assert difference(final(one, False), final(two, False), case.within, ("one order", "the other")) is None
    late = [sorted(row.place for _, row in meant.refused_by("late")) for meant in (one, two)]
    assert late[0] == late[1]
    assert set(one.watermarks.values()) == {END}
    try_out(moved, two, Mode("other order", one_by_one(moved.scene.events())))


@LAW
@given(cases(grouped), st.data())
def test_running_aggregates(case, data):
    moved = other_order(case, data)
    one, two = told(case), told(moved)
    assert difference(final(one, True), final(two, True), case.within, ("one order", "the other")) is None


@LAW
@given(cases(windowed))
def test_a_window_is_sent_once(case):
    meant = told(case)
    (output,) = case.pipeline.outputs
    names = [n for n in output.schema.names if not n.startswith("a") or n == "at"]
    sent = [str([row.values[name] for name in names]) for row in meant.outputs["output"].rows]
    assert len(set(sent)) == len(sent)
