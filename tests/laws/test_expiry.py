"""Keys that expire do so by their rows, or by the clock: not by the cut, the shards, or when memory is freed."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

import penstock as ps
from penstock.core.errors import UnsupportedError
from penstock.core.timespan import MINUTE, SECOND
from penstock.testing.plans import cases, grouped, keys_of, stateless
from penstock.testing.strategies import cuts
from penstock.testing.trial import Mode, try_out
from tests.laws.law import LAW, told

SPANS = ["1 ms", "1 s", "10 s", "1 min", "1 h"]


@st.composite
def expiring(draw, rows):
    rows = draw(stateless(rows, 1))
    usable = keys_of(rows)
    deduplicated = usable and draw(st.integers(0, 2)) == 0
    table = rows.dedup(draw(st.sampled_from(usable))) if deduplicated else draw(grouped(rows))
    span = draw(st.sampled_from(SPANS))
    # Not below another Table: changes that cancel within a step touch no key there.
    try:
        return table.state("bounded", ttl=span)
    except UnsupportedError:
        return table.state("bounded", ttl=ps.processing_time(span))


@st.composite
def ticking(draw):
    case = draw(cases(expiring))
    spans = st.sampled_from([SECOND // 1_000, SECOND, 11 * SECOND, 2 * MINUTE])
    return case.with_ticks(tuple(draw(st.lists(st.tuples(st.integers(0, 12), spans), max_size=5))))


@LAW
@given(ticking(), st.data())
def test_the_engine_is_the_reference(case, data):
    events = case.scene.events()
    steps = data.draw(cuts(events, most=12))
    pauses = data.draw(st.dictionaries(st.integers(0, max(0, len(steps) - 1)), st.sampled_from([0, 1, 3]), max_size=4))
    assume(len(events))
    for shards in (1, 2, 3):
        try_out(case, told(case), Mode("cut", steps, shards, 1, pauses))
