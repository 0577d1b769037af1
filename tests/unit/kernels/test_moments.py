"""The queue of slots by their moments, beside a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.kernels.moments import NEVER, pop, push

STEPS = st.lists(
    st.tuples(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=6), st.integers(0, 30)), max_size=12
)


@given(STEPS)
def test_what_is_due_comes_once_at_the_moment_it_is_wanted(steps):
    moments, slots = np.zeros(200, np.int64), np.zeros(200, np.int32)
    queued, wanted = np.full(10, NEVER, np.int64), np.zeros(10, np.int64)
    plain: dict[int, int] = {}
    count = 0
    for added, until in steps:
        for slot, moment in added:
            wanted[slot] = moment
            plain[slot] = moment
            one = (np.array([moment], np.int64), np.array([slot], np.int32))
            count = push(moments, slots, count, *one, queued)
        found = np.empty(200, np.int32)
        count, taken = pop(moments, slots, count, until, wanted, queued, found)
        due = sorted(slot for slot, moment in plain.items() if moment <= until)
        assert sorted(found[:taken].tolist()) == due
        plain = {slot: moment for slot, moment in plain.items() if moment > until}
        assert sorted(np.flatnonzero(queued != NEVER).tolist()) == sorted(plain)
        if plain:
            assert moments[0] <= min(plain.values())
