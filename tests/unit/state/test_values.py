"""Value stores against a multiset: what is taken back goes, chains keep their order, and stores can be filled again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import dtypes
from penstock.core.errors import StateError
from penstock.state.arrangement import Arrangement
from penstock.state.batch import Batch
from penstock.state.keys import KeyCodec
from penstock.state.record import Record
from penstock.state.values import COUNT, ValueLayout, ValueStore

LAYOUT = ValueLayout.of([dtypes.String], ordered=False)
TEXTS = ["", "a", "b", "a long text, longer than twelve bytes", "another one that is that long"]
CHANGES = st.lists(
    st.tuples(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(TEXTS), st.booleans()), max_size=8), st.booleans()),
    max_size=8,
)


def put(store: ValueStore, slots: list[int], texts: list[str], signs: list[int], step: int) -> None:
    keys = KeyCodec(["s"], [dtypes.Int64], [False]).encode([pl.Series(slots, dtype=pl.Int64)])
    series = pl.Series("v", texts, dtype=pl.String)
    batch = Batch(keys, {"v": series}, len(texts), np.array(signs, np.int8))
    store.add(np.array(slots, np.int32), None, ("v",), None, batch, step)


def values(store: ValueStore, slots: list[int]) -> list[list[str] | None]:
    return store.result(np.array(slots, np.int32), lambda v: v.implode()).to_list()


def every(store: ValueStore) -> list[list[str] | None]:
    return values(store, [0, 1, 2, 3])


def filled(records: list[Record]) -> ValueStore:
    store = ValueStore(LAYOUT, seed=7)
    store.entries.fill(records)
    store.restored()
    return store


def test_a_store_is_bounded_by_what_is_live(kernels: str) -> None:
    @settings(deadline=None, max_examples=10 if kernels == "interpreted" else 60)
    @given(CHANGES, st.integers(0, 3))
    def check(changes: Any, taken: int) -> None:
        store, model = ValueStore(LAYOUT), [Counter[str]() for _ in range(4)]
        records: list[Record] = []
        for step, (drawn, forget) in enumerate(changes):
            rows = []
            for slot, text, comes in drawn:
                # Only what is there can be taken back.
                if comes or model[slot][text] > 0:
                    sign = 1 if comes else -1
                    model[slot][text] += sign
                    rows.append((slot, text, sign))
            if rows:
                put(store, *map(list, zip(*rows, strict=True)), step)
            if forget:
                store.forget(np.array([0, 2], np.int32), step)
                model[0].clear()
                model[2].clear()
            live = [+counter for counter in model]
            assert [Counter(found or []) for found in every(store)] == live
            assert len(store.entries) == sum(map(len, live))
            if step % (taken + 1) == 0:
                records.append(store.entries.capture(store.entries.changed()))
                store.entries.begin_epoch(step + 1)
        records.append(store.entries.capture(store.entries.changed()))
        again = filled(records)
        assert every(again) == every(store)  # in the order of the chains, too
        put(again, [3, 1, 3], ["a", "b", "new"], [1, 1, 1], 100)
        put(store, [3, 1, 3], ["a", "b", "new"], [1, 1, 1], 100)
        assert every(again) == every(store)

    check()


def test_values_that_come_and_go_leave_nothing(kernels: str) -> None:
    store = ValueStore(LAYOUT)
    for step in range(30):
        put(store, [0, 0, 1], [f"value number {step}", "kept", "kept"], [1, 1, 1], 2 * step)
        put(store, [0], [f"value number {step}"], [-1], 2 * step + 1)
    assert len(store.entries) == 2
    assert store.entries.used <= 3
    assert every(store)[:2] == [["kept"] * 30, ["kept"] * 30]


def test_within_a_step_a_value_may_go_and_come_again() -> None:
    store = ValueStore(LAYOUT)
    put(store, [0, 0, 0], ["a", "b", "c"], [1, 1, 1], 0)
    put(store, [0, 0], ["b", "a"], [-1, -1], 1)
    put(store, [0], ["b"], [1], 1)
    assert values(store, [0]) == [["b", "c"]]
    put(store, [0, 0], ["z", "z"], [1, -1], 1)
    assert values(store, [0]) == [["b", "c"]]
    assert (store.entries.table[store.entries.live(), store.entries.first + COUNT] == 1).all()


def test_a_debt_is_kept_until_it_is_paid() -> None:
    store = ValueStore(LAYOUT)
    put(store, [0], ["a"], [-1], 0)
    assert len(store.entries) == 1
    put(store, [0], ["a"], [1], 1)
    assert len(store.entries) == 0


def test_chains_that_move_keep_their_order() -> None:
    store, other = ValueStore(LAYOUT), ValueStore(LAYOUT, seed=3)
    put(store, [0, 1, 0, 1, 0], ["a", "b", "c", "d", "e"], [1] * 5, 0)
    other.merge(store, np.array([1, 0], np.int32), np.array([5, 6], np.int32), 0)
    assert values(other, [6, 5]) == values(store, [0, 1])


def test_values_of_no_key_are_refused() -> None:
    layout = LAYOUT.codec.layout
    entries = Arrangement(layout, [0, -1])
    keys = LAYOUT.codec.encode([pl.Series([1, -1], dtype=pl.Int32), pl.Series(["a", "b"])])
    slots = entries.upsert(keys, None, 0).slots
    with pytest.raises(StateError, match="belong to no key"):
        filled([entries.capture(slots)])
    entries.words[0, 1] = 9
    with pytest.raises(StateError, match="belong to no key"):
        filled([entries.capture(slots[:1])])


@pytest.mark.parametrize("below", [[1, 0, -1], [-1, 0, 0], [-1, -1, 1], [2, -1, -1], [-1, 0, 3]])
def test_values_that_are_no_chains_are_refused(kernels: str, below: list[int]) -> None:
    """A circle, a fork, two heads, another slot's entry, a dead one."""
    entries = Arrangement(LAYOUT.codec.layout, [1, -1])
    owners = [1, 1, 2] if below[0] == 2 else [1, 1, 1]
    keys = LAYOUT.codec.encode([pl.Series([*owners, 1], dtype=pl.Int32), pl.Series(["a", "b", "c", "d"])])
    slots = entries.upsert(keys, None, 0).slots
    entries.words[slots[:3], 1] = below
    entries.delete(slots[3:], 0)
    with pytest.raises(StateError, match="no chains"):
        filled([entries.capture(slots)])
