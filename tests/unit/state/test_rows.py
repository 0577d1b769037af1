"""The store of rows against a list per key: counts, order, what a checkpoint takes, and what goes by its instant."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import dtypes
from penstock.core.errors import InvariantError, StateError, UnsupportedError
from penstock.core.schema import Field, Schema
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec
from penstock.state.record import Record
from penstock.state.row_layout import RowLayout
from penstock.state.row_spread import spread_all
from penstock.state.rows import RowStore

SCHEMA = Schema((Field("k", dtypes.String, True), Field("a", dtypes.Float64, True), Field("b", dtypes.String, True)))
CODEC = KeyCodec(["k"], [dtypes.String], [True])
KEYS = ["x", "a key that is longer than twelve bytes", None, ""]
VALUES = [(1.0, "b"), (None, None), (0.5, "a text that is longer than twelve bytes"), (float("nan"), "")]
CHANGES = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=10), min_size=1, max_size=8
)


def store_of(*, ordered: bool = False, timed: bool = False) -> RowStore:
    layout = RowLayout.of(CODEC, SCHEMA, ["a", "b"], ordered=ordered, timed=timed, words=[7], key_words=[5])
    return RowStore(layout, seed=3)


def put(store: RowStore, rows: list[tuple[int, int, int]], step: int, **more: Any) -> Any:
    keys = CODEC.encode([pl.Series("k", [KEYS[k] for k, _, _ in rows], dtype=pl.String)])
    columns = [
        pl.Series("a", [VALUES[v][0] for _, v, _ in rows], dtype=pl.Float64),
        pl.Series("b", [VALUES[v][1] for _, v, _ in rows], dtype=pl.String),
    ]
    return store.put(keys, columns, step, signs=np.array([s for _, _, s in rows], np.int8), **more)


def find(store: RowStore, keys: list[int]) -> Any:
    return store.find(CODEC.encode([pl.Series("k", [KEYS[k] for k in keys], dtype=pl.String)]))


def seen(store: RowStore, most: int = 1 << 16) -> list[list[tuple[int, int]]]:
    """By key, (value, count) in order."""
    found: list[list[tuple[int, int]]] = [[] for _ in KEYS]
    texts = [text for _, text in VALUES]
    for probes, rows in store.probe(find(store, [0, 1, 2, 3]), most):
        assert len(probes) <= most
        b, counts = store.columns(rows)[1].to_list(), store.counts(rows).tolist()
        names = store.key_columns(rows)[0].to_list()
        for probe, text, count, name in zip(probes.tolist(), b, counts, names, strict=True):
            assert name == KEYS[probe]
            found[probe].append((texts.index(text), count))
    return found


class Taken:
    """Records of the two tables, as a checkpoint takes them."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}

    def table(self, name: str, table: Arrangement, step: int) -> None:
        known = self.records.setdefault(name, [])
        changed = table.changed() if known else table.live()
        assert len(np.unique(changed)) == len(changed)
        known.append(table.capture(changed))
        table.begin_epoch(step)


class Given:
    def __init__(self, taken: Taken) -> None:
        self.taken = taken

    def table(self, name: str, into: Arrangement) -> None:
        into.fill(self.taken.records[name])


def again(store: RowStore, taken: Taken) -> RowStore:
    new = RowStore(store.layout, seed=9)
    new.load(Given(taken), "rows")
    return new


def test_a_store_is_a_list_of_counted_rows_per_key(kernels: str) -> None:
    @settings(deadline=None, max_examples=8 if kernels == "interpreted" else 80)
    @given(CHANGES, st.integers(1, 3), st.integers(1, 4), st.booleans())
    def check(changes: Any, every: int, most: int, late: bool) -> None:
        store, model, taken = store_of(), [dict[int, int]() for _ in KEYS], Taken()
        for step, drawn in enumerate(changes):
            rows = []
            for key, value, comes in drawn:
                if comes or model[key].get(value, 0) > 0:
                    sign = 1 if comes else -1
                    model[key][value] = model[key].get(value, 0) + sign
                    rows.append((key, value, sign))
            if rows:
                done = put(store, rows, step)
                assert done.counts.tolist() == [model[k][v] for k, v, _ in rows]
                live = [[(v, n) for v, n in one.items() if n] for one in model]
                assert seen(store, most) == live  # rows that have gone are not seen, before they are dropped
                store.drop(done.emptied(), step)
                model = [{v: n for v, n in one.items() if n} for one in model]
            assert seen(store, most) == [list(one.items()) for one in model]
            assert len(store) == sum(map(len, model))
            assert len(store.keys) == sum(map(bool, model))
            if step % every == 0 or late:
                store.save(taken, "rows", step + 1)
        store.save(taken, "rows", len(changes))
        new = again(store, taken)
        assert seen(new, most) == seen(store)
        spread = spread_all([new], 3, len(changes))
        together = [seen(part) for part in spread]
        assert [[row for part in together for row in part[k]] for k in range(4)] == seen(store)

    check()


def test_an_ordered_store_keeps_each_row_and_its_place(kernels: str) -> None:
    store = store_of(ordered=True)
    done = put(store, [(0, 1, 1), (1, 0, 1), (0, 1, 1), (0, 0, 1)], 0, places=[10, 11, 12, 13])
    probes, rows = store.walk(find(store, [0, 2, 1, 0]))
    assert probes.tolist() == [0, 0, 0, 2, 3, 3, 3]
    assert store.places(rows).tolist() == [10, 12, 13, 11, 10, 12, 13]
    store.drop(done.slots[2:3], 0)
    assert store.places(store.walk(find(store, [0]))[1]).tolist() == [10, 13]


def test_a_hot_key_comes_in_batches_of_bounded_size(kernels: str) -> None:
    store = store_of(ordered=True)
    put(store, [(0, 0, 1)] * 50, 0, places=np.arange(50))
    batches = list(store.probe(find(store, [0] * 7), 13))
    assert [len(probes) for probes, _ in batches] == [13] * 26 + [12]
    assert np.concatenate([store.places(rows) for _, rows in batches]).tolist() == list(range(50)) * 7


def test_a_row_that_never_came_cannot_go() -> None:
    store = store_of()
    put(store, [(0, 0, 1)], 0)
    with pytest.raises(InvariantError, match="never came"):
        put(store, [(0, 1, -1)], 1)


def test_rows_go_by_their_instants(kernels: str) -> None:
    @settings(deadline=None, max_examples=8 if kernels == "interpreted" else 60)
    @given(st.lists(st.tuples(st.lists(st.integers(0, 30), max_size=6), st.integers(0, 30)), max_size=12))
    def check(changes: Any) -> None:
        store, model, place = store_of(ordered=True, timed=True), list[tuple[int, int]](), 0
        for step, (times, until) in enumerate(changes):
            places = np.arange(place, place + len(times))
            place += len(times)
            if times:
                put(store, [(t % 4, 0, 1) for t in times], step, places=places, times=times)
            model += list(zip(times, places.tolist(), strict=True))
            gone = store.expired(until)
            assert store.places(gone).tolist() == [p for _, p in sorted(one for one in model if one[0] < until)]
            store.drop(gone, step)
            model = [one for one in model if one[0] >= until]
            assert len(store) == len(model)
            first = store.deadlines.first
            assert first == min((t for t, _ in model), default=None)

    check()


def test_instants_are_found_anew_and_can_be_put_off() -> None:
    store, taken = store_of(ordered=True, timed=True), Taken()
    put(store, [(0, 0, 1), (1, 0, 1)], 0, places=[0, 1], times=[5, 6])
    store.postpone(store.expired(6), [9], 0)
    store.save(taken, "rows", 1)
    new = again(store, taken)
    assert new.places(new.expired(7)).tolist() == [1]
    assert new.places(new.expired(100)).tolist() == [0]


def test_words_are_the_operators_own_and_move_with_rows() -> None:
    store = store_of()
    done = put(store, [(0, 0, 1), (1, 0, 2)], 0)
    assert store.own(0)[done.slots].tolist() == [7, 7]
    store.own(0)[done.slots] = [1, 2]
    store.key_word(3)[done.keys] = [3, 4]
    (new,) = spread_all([store], 1, 1)
    slots = find(new, [0, 1])
    rows = new.walk(slots)[1]
    assert (new.own(0)[rows].tolist(), new.key_word(3)[slots].tolist()) == ([1, 2], [3, 4])
    assert new.counts(rows).tolist() == [1, 2]


def test_what_a_checkpoint_takes_is_what_was_touched() -> None:
    store, taken = store_of(ordered=True), Taken()
    put(store, [(i % 4, 0, 1) for i in range(400)], 0, places=np.arange(400))
    store.save(taken, "rows", 1)
    put(store, [(0, 0, 1)], 1, places=[400])
    store.save(taken, "rows", 2)
    assert len(taken.records["rows/rows"][1].slots) == 2  # the row, and the one before it
    assert len(taken.records["rows/keys"][1].slots) == 1


def test_damaged_chains_are_found() -> None:
    store, taken = store_of(), Taken()
    put(store, [(0, 0, 1), (0, 1, 1)], 0)
    store.rows.words[0, 2] = 0
    store.save(taken, "rows", 1)
    with pytest.raises(StateError, match="chains"):
        again(store, taken)


def test_nested_columns_are_refused() -> None:
    schema = Schema((*SCHEMA.fields, Field("l", dtypes.List(dtypes.Int64), True)))
    with pytest.raises(UnsupportedError, match='"l"'):
        RowLayout.of(CODEC, schema, ["l"])
