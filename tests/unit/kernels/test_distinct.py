"""First rows within a span, beside a list that is looked through."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.kernels.arrays import frozen
from penstock.kernels.distinct import NOTHING, mark_first

pytestmark = pytest.mark.usefixtures("kernels")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-30, 30), max_size=20), st.integers(1, 9))
def test_first_rows(times, within):
    pieces = sorted({time // within for time in times})
    slot = {piece: i for i, piece in enumerate(pieces)}
    table = np.full((len(pieces) + 1, 1), NOTHING, np.int64)
    near = [[slot.get(time // within + way, -1) for time in times] for way in (0, -1, 1)]
    here, below, above = (np.array(one, np.int32) for one in near)
    first = np.zeros(len(times), np.bool_)
    mark_first(here, frozen(below), frozen(above), np.array(times, np.int64), within, table, 0, first)
    sent: list[int] = []
    for time, found in zip(times, first.tolist(), strict=True):
        assert found == all(abs(time - other) >= within for other in sent)
        sent += [time] * found
