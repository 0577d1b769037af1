"""Rows in slots without an index, against a list per key: order, versions, what goes, and records of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import dtypes
from penstock.core.errors import InvariantError
from penstock.core.schema import Field, Schema
from penstock.kernels.arrays import frozen
from penstock.kernels.versions import find_versions, outdated_versions
from penstock.state.keys import KeyCodec
from penstock.state.row_layout import BASE_WORDS, TIME, RowLayout
from penstock.state.rows import RowStore
from penstock.state.slots import distinct
from tests.unit.state.test_rows import Taken, again

CODEC = KeyCodec(["k"], [dtypes.Int64], [False])
TEXTS = ["", None, "short", "a text that is longer than twelve bytes", "another text of more than twelve bytes" * 3]
SCHEMA = Schema(
    (
        Field("t", dtypes.String, True),
        Field("d", dtypes.Decimal(20, 2), True),
        Field("b", dtypes.Boolean, True),
        Field("f", dtypes.Float64, False),
    )
)
STEPS = st.lists(
    st.tuples(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=8), st.randoms()), max_size=8
)


def store_of(*, by_time: bool) -> RowStore:
    layout = RowLayout.of(
        CODEC, SCHEMA, ["t", "d", "b", "f"], ordered=True, timed=True, words=[0, 0], key_words=[-1], by_time=by_time
    )
    return RowStore(layout)


def put(store: RowStore, rows: list[tuple[int, int]], first: int, step: int, chosen: Any = None) -> Any:
    """Rows of (key, instant); what they hold follows from their place."""
    places = list(range(first, first + len(rows)))
    columns = [
        pl.Series("t", [TEXTS[p % 5] for p in places], dtype=pl.String),
        pl.Series("d", [None if p % 3 == 0 else p for p in places]).cast(pl.Decimal(20, 2)),
        pl.Series("b", [None if p % 4 == 0 else p % 2 == 0 for p in places], dtype=pl.Boolean),
        pl.Series("f", [p / 2 for p in places], dtype=pl.Float64),
    ]
    keys = CODEC.encode([pl.Series("k", [k for k, _ in rows], dtype=pl.Int64)])
    return store.put(keys, columns, step, chosen=chosen, places=places, times=[t for _, t in rows])


def find(store: RowStore, keys: list[int]) -> Any:
    return store.find(CODEC.encode([pl.Series("k", keys, dtype=pl.Int64)]))


def places_of(store: RowStore) -> list[list[int]]:
    """By key, the places of its rows in order; what they hold is looked at."""
    found = []
    for slot in find(store, [0, 1, 2, 3]):
        rows = store.walk([slot])[1]
        places = store.places(rows).tolist()
        t, d, b, f = (series.to_list() for series in store.columns(rows))
        assert t == [TEXTS[p % 5] for p in places]
        assert [None if one is None else int(one) for one in d] == [None if p % 3 == 0 else p for p in places]
        assert b == [None if p % 4 == 0 else p % 2 == 0 for p in places]
        assert f == [p / 2 for p in places]
        found.append(places)
    return found


@pytest.mark.parametrize("by_time", [False, True])
def test_rows_come_go_and_are_restored(kernels: str, by_time: bool) -> None:
    @settings(deadline=None, max_examples=6 if kernels == "interpreted" else 60)
    @given(STEPS)
    def check(steps: Any) -> None:
        store, taken, place = store_of(by_time=by_time), Taken(), 0
        model: list[list[tuple[int, int]]] = [[] for _ in range(4)]
        for step, (rows, random) in enumerate(steps):
            if rows:
                put(store, rows, place, step)
            for offset, (key, time) in enumerate(rows):
                model[key].append((time if by_time else 0, place + offset))
                model[key].sort()
            place += len(rows)
            assert places_of(store) == [[p for _, p in one] for one in model]
            every = store.all_rows()
            gone = np.array([slot for slot in every.tolist() if random.random() < 0.4], np.int32)
            lost = set(store.places(gone).tolist())
            store.drop(gone, step)
            model = [[one for one in rows if one[1] not in lost] for rows in model]
            store.save(taken, "rows", step + 1)
            assert places_of(store) == [[p for _, p in one] for one in model]
            assert len(store.keys) == sum(map(bool, model))
            restored = again(store, taken)
            assert places_of(restored) == places_of(store)
            if step % 3 == 2:
                store, taken = restored, Taken()

    check()


def test_earlier_rows_within_bounds_are_found_in_batches(kernels: str) -> None:
    store = store_of(by_time=False)
    put(store, [(0, 5), (0, 1), (1, 3), (0, 3), (0, 9)], 0, 0)
    slots = find(store, [0, 7, 1, 0])
    places, lows, highs = [4, 9, 9, 99], [0, 0, 0, 3], [9, 9, 9, 5]
    wanted = [(0, 0), (0, 1), (0, 3), (2, 2), (3, 0), (3, 3)]
    for most in (1, 2, 100):
        pairs = []
        for probes, rows in store.earlier(slots, places, most, (np.array(lows), np.array(highs))):
            assert len(probes) <= most
            pairs += list(zip(probes.tolist(), store.places(rows).tolist(), strict=True))
        assert pairs == wanted
    assert sum(len(probes) for probes, _ in store.earlier(slots, places, 100)) == 8


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=12),
    st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 10)), max_size=12),
)
def test_versions_are_those_of_the_definition(versions: list[tuple[int, int]], probes: list[tuple[int, int]]) -> None:
    store, probes = store_of(by_time=True), sorted(probes, key=lambda probe: probe[1])
    put(store, versions, 0, 0)
    before, after = np.empty(len(probes), np.int32), np.empty(len(probes), np.int32)
    find_versions(
        store.keys.table, store.keys.first, store.keys.first + BASE_WORDS, store.rows.table, store.rows.first,
        store.rows.first + TIME, frozen(find(store, [k for k, _ in probes])),
        frozen(np.array([t for _, t in probes], np.int64)), before, after,
    )  # fmt: skip
    for number, (key, time) in enumerate(probes):
        mine = [(t, place) for place, (k, t) in enumerate(versions) if k == key]
        last = max((one for one in mine if one[0] <= time), default=None)
        first = min((t for t, _ in mine if t >= time), default=None)
        following = max((one for one in mine if one[0] == first), default=None)
        for found, wanted in ((before[number], last), (after[number], following)):
            assert (None if found < 0 else int(store.places([found])[0])) == (None if wanted is None else wanted[1])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=6), st.booleans())))
def test_of_versions_before_a_watermark_the_last_one_stays(steps: Any) -> None:
    store, place, until, taken = store_of(by_time=True), 0, 0, Taken()
    model: list[tuple[int, int, int]] = []
    for step, (ahead, restart) in enumerate(steps):
        rows = [(key, until + more) for key, more in ahead]
        if rows:
            put(store, rows, place, step)
        model += [(key, time, place + i) for i, (key, time) in enumerate(rows)]
        place, until = place + len(rows), until + 2
        over, first = store.expired(until), store.rows.first
        made = np.empty(2 * len(over), np.int32)
        count = outdated_versions(
            store.keys.table, store.keys.first, store.rows.table, first, first + TIME,
            first + store.layout.word(1), -1, over, until, made,
        )  # fmt: skip
        store.drop(made[:count], step)
        last = {k: max((t, p) for key, t, p in model if key == k and t < until) for k, t, _ in model if t < until}
        model = [one for one in model if one[1] >= until or last[one[0]] == one[1:]]
        assert sorted(store.places(store.all_rows()).tolist()) == sorted(p for _, _, p in model)
        store.save(taken, "rows", step + 1)
        if restart:
            store, taken = again(store, taken), Taken()


def test_slots_are_reached_by_keys_only() -> None:
    store = store_of(by_time=False)
    done = put(store, [(0, 0)], 0, 0)
    with pytest.raises(InvariantError, match="no index"):
        store.rows.find(CODEC.encode([pl.Series("k", [0])]))
    with pytest.raises(InvariantError, match="release"):
        store.rows.delete(done.slots, 0)
    store.drop(done.slots, 0)
    with pytest.raises(InvariantError, match="not live"):
        store.drop(done.slots, 0)


def test_bytes_of_texts_that_have_gone_are_used_again() -> None:
    store = store_of(by_time=False)
    sizes, text = [], "x" * 20_000
    for step in range(20):
        keys = CODEC.encode([pl.Series("k", [0] * 10, dtype=pl.Int64)])
        nothing = [pl.Series([None] * 10, dtype=dtype) for dtype in (pl.Decimal(20, 2), pl.Boolean)]
        columns = [pl.Series("t", [text] * 10), *nothing, pl.Series("f", [0.0] * 10)]
        done = store.put(keys, columns, step, places=np.arange(step * 10, step * 10 + 10), times=[0] * 10)
        assert store.column("t", done.slots[:1]).to_list() == [text]
        store.drop(done.slots, step)
        sizes.append(len(store.rows.heap))
    assert sizes[-1] == sizes[9] < 4 << 20


def test_distinct_is_unique() -> None:
    assert distinct(np.array([3, 1, 3, 2, 1])).tolist() == [1, 2, 3]
    assert distinct(np.array([], np.int32)).tolist() == []
