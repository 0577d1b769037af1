"""The table of accumulators: laws that hold for every kind, through arrangements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import dtypes
from penstock.core.errors import InvariantError
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec
from penstock.state.words import ACCUMULATORS, FLOAT, Accumulator, Least, order_words

CODEC = KeyCodec(["key"], [dtypes.Int64], [False])
PADDING = 2
FEW = settings(deadline=None, max_examples=20)
# Whole numbers, so that float sums are exact in any order.
ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(-50, 50), st.booleans()), max_size=10)
Rows = list[tuple[int, int, bool]]


def state_of(kind: Accumulator, rows: Rows, *folds: tuple[Rows, int]) -> Arrangement:
    state = Arrangement(CODEC.layout, [5] * PADDING + list(kind.initial))
    for part, sign in ((rows, 1), *folds):
        slots = slots_of(state, part)
        values = np.array([value for _, value, _ in part], np.float64 if kind.takes == FLOAT else np.int64)
        if kind.kind == "covariance":
            values = np.column_stack([values, 3 * values + 1]).reshape(-1, 2)
        valid = np.array([known for _, _, known in part], np.bool_)
        signs = np.full(len(part), sign, np.int8) if sign < 0 else None
        kind.add(state, state.first + PADDING, slots, values, valid=valid, signs=signs)
    return state


def slots_of(state: Arrangement, rows: Rows) -> np.ndarray:
    return state.upsert(CODEC.encode([np.array([0, 1, 2] + [key for key, _, _ in rows])]), None, 0).slots[3:]


def words(state: Arrangement) -> list[list[Any]]:
    slots = state.find(CODEC.encode([np.array([0, 1, 2])]))
    assert (state.words[slots, :PADDING] == 5).all()
    return state.words[slots, PADDING:].tolist()


def merged(kind: Accumulator, one: Arrangement, other: Arrangement) -> Arrangement:
    slots = one.find(CODEC.encode([np.array([0, 1, 2])]))
    others = other.find(CODEC.encode([np.array([0, 1, 2])]))
    kind.merge(one, one.first + PADDING, slots, other, other.first + PADDING, others)
    return one


@pytest.mark.parametrize("name", [name for name in ACCUMULATORS if name not in ("variance", "covariance")])
def test_merge_is_folding_on(kernels: str, name: str) -> None:
    kind = ACCUMULATORS[name]
    assert (kind.kind, kind.width) == (name, len(kind.initial))

    @FEW
    @given(ROWS, ROWS, ROWS)
    def check(one: Rows, two: Rows, three: Rows) -> None:
        whole = words(state_of(kind, one, (two, 1), (three, 1)))
        left = merged(kind, merged(kind, state_of(kind, one), state_of(kind, two)), state_of(kind, three))
        right = merged(kind, state_of(kind, one), merged(kind, state_of(kind, two), state_of(kind, three)))
        assert words(left) == words(right) == whole

    check()


@pytest.mark.parametrize("name", [name for name, kind in ACCUMULATORS.items() if kind.retracts])
def test_retract_undoes_add(kernels: str, name: str) -> None:
    kind = ACCUMULATORS[name]

    @FEW
    @given(ROWS, ROWS)
    def check(rows: Rows, gone: Rows) -> None:
        assert words(state_of(kind, gone, (gone, -1))) == [list(kind.initial)] * 3
        after = state_of(kind, rows, (gone, 1), (gone, -1))
        if kind.takes == FLOAT:
            found = np.array(words(after)).view(np.float64)
            assert found == pytest.approx(np.array(words(state_of(kind, rows))).view(np.float64), abs=1e-6)
        else:
            assert words(after) == words(state_of(kind, rows))

    check()


def test_what_cannot_retract_says_so() -> None:
    with pytest.raises(InvariantError, match="accumulator min cannot retract"):
        state_of(ACCUMULATORS["min"], [(0, 1, True)], ([(0, 1, True)], -1))


def test_initial_words_are_what_they_are_called() -> None:
    starts = {name: np.array(kind.initial, np.int64).view(np.float64)[0] for name, kind in ACCUMULATORS.items()}
    assert math.isnan(starts["float_min"])
    assert starts["float_max"] == -math.inf
    assert ACCUMULATORS["min"].initial == (2**63 - 1,)
    assert ACCUMULATORS["max"].initial == (-(2**63),)


def test_least_by_value_then_position(kernels: str) -> None:
    least = Least(2)
    state = Arrangement(CODEC.layout, least.initial)
    other = Arrangement(CODEC.layout, least.initial)
    values = np.array([0.5, -0.0, 0.0, math.nan])
    orders = np.stack([order_words(values), np.array([3, 2, 1, 0])], axis=1)
    slots = np.zeros(4, np.int32)
    keys = CODEC.encode([np.array([7])])
    for part in (state, other):
        part.upsert(keys, None, 0)
    least.add(state, state.first, slots, orders, np.array([10, 11, 12, 13]))
    assert state.words[0].tolist() == [1, 0, 1, 12]
    least.add(other, other.first, slots[:1], np.array([[-1, 9]]), np.array([0]), valid=np.array([False]))
    least.merge(state, state.first, slots[:1], other, other.first, slots[:1])
    assert state.words[0].tolist() == [2, -1, 9, 0]


def test_order_words_of_whole_numbers_are_themselves() -> None:
    assert order_words(np.array([3, -1], np.int32)).tolist() == [3, -1]
