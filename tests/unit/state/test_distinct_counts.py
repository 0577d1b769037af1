"""Distinct counts are kept as values come and go: reading one does not look at the values."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from penstock.core import dtypes as t
from penstock.state.batch import Batch
from penstock.state.values import ValueLayout, ValueStore

LAYOUT = ValueLayout.of([t.String], ordered=False)


def put(store, slots, values, signs, step):
    batch = Batch(None, {"v": pl.Series("v", values, pl.String)}, len(slots), np.array(signs, np.int8))
    store.add(np.array(slots, np.int32), None, ("v",), batch.valid(("v",), None), batch, step)


def counts(store, slots):
    owners, _ = store._entries_of(np.array(slots, np.int32))
    return np.bincount(owners, minlength=len(slots)).tolist()


@pytest.mark.parametrize("nulls", [False, True])
def test_counts_follow_values_that_come_and_go(nulls):
    rng = np.random.default_rng(5)
    store, held, slots = ValueStore(LAYOUT), [], list(range(7))
    for step in range(60):
        rows = [(int(rng.integers(7)), f"a rather long text {rng.integers(9)}", 1) for _ in range(20)]
        if nulls:
            rows.append((0, None, 1))
        held += [row for row in rows if row[1] is not None]
        for _ in range(min(len(held), int(rng.integers(40)))):
            slot, value, _ = held.pop(int(rng.integers(len(held))))
            rows.append((slot, value, -1))
        put(store, *zip(*rows, strict=True), step)
        expected = [len({value for slot, value, _ in held if slot == s}) for s in slots]
        assert store.distinct(np.array(slots, np.int32)).tolist() == expected == counts(store, slots)
        if step % 20 == 19:
            store.forget(np.array([3], np.int32), step)
            held = [row for row in held if row[0] != 3]
    store.restored()
    assert store.distinct(np.array(slots, np.int32)).tolist() == counts(store, slots)
    other = ValueStore(LAYOUT)
    other.merge(store, np.array(slots, np.int32), np.array([0] * 7, np.int32), 0)
    assert other.distinct(np.array([0, 1], np.int32)).tolist() == [len({value for _, value, _ in held}), 0]
    other.clear()
    assert other.distinct(np.array([0], np.int32)).tolist() == [0]


def test_reading_a_count_walks_over_no_values(monkeypatch):
    store = ValueStore(LAYOUT)
    put(store, [0, 0, 1], ["x", "y", "x"], [1, 1, 1], 0)
    monkeypatch.setattr(ValueStore, "_entries_of", None)
    assert store.distinct(np.array([1, 0], np.int32)).tolist() == [1, 2]
