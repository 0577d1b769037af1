"""Windows that are kept key by key: engine = reference in every mode, under a clock that moves, after any restart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock.testing.check import agree
from penstock.testing.plans import cases, emitted, sessions
from penstock.testing.strategies import cuts
from penstock.testing.trial import Mode, try_out
from tests.laws.law import LAW, told

TICKS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9_000_000)), max_size=6).map(tuple)


def kept(plan, **options):
    """Cases under a clock that moves."""

    @st.composite
    def drawn(draw):
        case = draw(cases(lambda rows: plan(rows, **options)))
        return case.with_ticks(draw(TICKS))

    return drawn()


EMISSIONS = st.sampled_from([
    {"emit": "change"},
    {"allowed_lateness": "3 s"},
    {"emit": "change", "allowed_lateness": "7 s"},
    {"emit": ps.every("2 s")},
    {"emit": ps.every("2 s"), "allowed_lateness": "3 s"},
    {"emit": ps.every(rows=2)},
    {"emit": ps.every(rows=3), "allowed_lateness": "3 s"},
    {"emit": ps.every("2 s"), "accumulate": False},
    {"on": ps.processing_time()},
    {"on": ps.processing_time(), "emit": "change"},
    {"on": ps.processing_time(), "emit": ps.every("1 s")},
])  # fmt: skip


@st.composite
def plans(draw, rows, aligned):
    options = draw(EMISSIONS)
    late, every = options.get("allowed_lateness"), options.get("emit")
    if not aligned and (isinstance(every, ps.plan.emission.Every) and (late or every.rows)):
        options = {"emit": "change"}
    plan = emitted if aligned else sessions
    try:
        return draw(plan(rows, **options))
    except ps.PlanError:
        return draw(plan(rows, emit="change"))


@LAW
@given(kept(sessions))
def test_sessions(case):
    agree(case, told(case))


@LAW
@given(kept(plans, aligned=False))
def test_sessions_that_are_sent_again(case):
    agree(case, told(case))


@LAW
@given(kept(plans, aligned=True))
def test_windows_that_are_sent_again(case):
    agree(case, told(case))


@LAW
@given(st.one_of(kept(sessions), kept(plans, aligned=False), kept(plans, aligned=True)), st.data())
def test_restarts(case, data):
    steps = data.draw(cuts(case.scene.events(), most=12))
    stops = data.draw(st.dictionaries(st.integers(0, len(steps)), st.sampled_from([0, 1, 2, 3]), max_size=8))
    try_out(case, told(case), Mode("restarts", steps, data.draw(st.integers(1, 3)), 0, stops))
