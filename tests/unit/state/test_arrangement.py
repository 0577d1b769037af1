"""The arrangement against a dictionary, with seeds permuted and collisions forced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import dtypes
from penstock.core.errors import InvariantError
from penstock.kernels import index
from penstock.kernels.hashing import groups_of, groups_of_slots
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec, Keys

LONG = "a text that is longer than twelve bytes"
DOMAINS: dict[str, tuple[dtypes.DType, list[Any]]] = {
    "numbers": (dtypes.Int64, [*range(-3, 40), 2**40, -(2**63), 2**63 - 1]),
    "texts": (dtypes.String, ["", "a", "b", "twelve chars", LONG, LONG + "!", LONG[::-1], *map(str, range(30))]),
}
INITIAL = (7, -1)


def codec_of(domain: str) -> KeyCodec:
    return KeyCodec(["key"], [DOMAINS[domain][0]], [False])


def keys_of(domain: str, values: list[Any]) -> Keys:
    return codec_of(domain).encode([pl.Series(values, dtype=dtypes.to_polars(DOMAINS[domain][0]))])


@dataclass
class Model:
    """What an arrangement promises, with a dictionary."""

    slots: dict[Any, int] = field(default_factory=dict)
    marks: dict[Any, int] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)

    def check_upsert(self, state: Arrangement, keys: Keys, values: list[Any], rows: list[int], step: int) -> None:
        touched = state.upsert(keys, np.array(rows, np.int32), step)
        expected = []
        for row in rows:
            key = values[row]
            if self.marks.get(key) != step:
                expected.append((key, row, key not in self.marks))
                self.marks[key] = step
        assert len(touched.slots) == len(rows)
        found = zip(touched.touched.tolist(), touched.first_row.tolist(), touched.is_new.tolist(), strict=True)
        for (key, row, new), (slot, first, is_new) in zip(expected, found, strict=True):
            assert (row, new) == (first, is_new)
            if new:
                assert slot not in self.slots.values()
                assert tuple(state.words[slot]) == INITIAL
                self.slots[key] = slot
        assert touched.slots.tolist() == [self.slots[values[row]] for row in rows]
        self.changed.update(touched.slots.tolist())

    def delete(self, state: Arrangement, dying: list[Any], step: int) -> None:
        slots = [self.slots.pop(key) for key in dying]
        state.delete(np.array(slots, np.int32), step)
        self.changed.update(slots)
        for key in dying:
            del self.marks[key]

    def check(self, state: Arrangement, domain: str) -> None:
        assert len(state) == len(self.slots)
        assert sorted(state.live().tolist()) == sorted(self.slots.values())
        everything = DOMAINS[domain][1]
        assert state.find(keys_of(domain, everything)).tolist() == [self.slots.get(key, -1) for key in everything]
        slots = state.live()
        (column,) = codec_of(domain).decode(*state.key_rows(slots))
        assert dict(zip(column.to_list(), slots.tolist(), strict=True)) == self.slots
        assert sorted(state.changed().tolist()) == sorted(self.changed)


ACTIONS = st.lists(
    st.tuples(st.lists(st.integers(0, 45), max_size=25), st.lists(st.integers(0, 45), max_size=8), st.booleans()),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("spread", [index.LOW_HALF, 3, 0])
def test_as_a_dictionary(kernels: str, domain: str, spread: int) -> None:
    everything = DOMAINS[domain][1]

    @settings(deadline=None, max_examples=8 if kernels == "interpreted" else 25)
    @given(ACTIONS, st.integers(0, 2**62))
    def check(actions: list[tuple[list[int], list[int], bool]], seed: int) -> None:
        state = Arrangement(codec_of(domain).layout, INITIAL, seed=seed, spread=spread)
        model = Model()
        for step, (drawn, dying, new_epoch) in enumerate(actions):
            if new_epoch:
                state.begin_epoch(step)
                model.changed.clear()
            values = [everything[number % len(everything)] for number in drawn]
            keys = keys_of(domain, values)
            half = len(values) // 2
            model.check_upsert(state, keys, values, list(range(half)), step)
            model.check_upsert(state, keys, values, list(range(len(values)))[::-1], step)
            keys_dying = {everything[number % len(everything)] for number in dying} & model.slots.keys()
            model.delete(state, sorted(keys_dying, key=str), step)
            model.check(state, domain)

    check()


def test_grows_through_every_limit(kernels: str) -> None:
    count = 700 if kernels == "interpreted" else 60_000
    values = list(range(0, 1_000_003 * count, 1_000_003))
    state = Arrangement(codec_of("numbers").layout, INITIAL)
    before = state.nbytes
    half = keys_of("numbers", values[: count // 2])
    state.upsert(half, None, 0)
    touched = state.upsert(keys_of("numbers", values), None, 1)
    assert touched.slots.tolist() == list(range(count))
    assert touched.is_new.tolist() == [False] * (count // 2) + [True] * (count - count // 2)
    assert state.find(half).tolist() == list(range(count // 2))
    assert state.nbytes > before
    assert (state.words == INITIAL).all(axis=1)[:count].all()


def test_long_texts_with_equal_words_are_compared_byte_by_byte(kernels: str) -> None:
    keys = keys_of("texts", [LONG, LONG[:-1] + "X", LONG])
    words = keys.words.copy()
    words[:, 1] = 99  # as if the hashes of all bytes were equal
    forged = Keys(words, keys.starts, keys.heap)
    state = Arrangement(codec_of("texts").layout, INITIAL)
    assert state.upsert(forged, None, 0).slots.tolist() == [0, 1, 0]
    assert state.find(forged).tolist() == [0, 1, 0]
    # Enough rows that later ones are answered from the cache of recent keys.
    rows = [0] * index.BLOCK + [1, 0, 1, 2]
    assert state.find(forged, np.array(rows)).tolist() == [row % 2 for row in rows]


def test_texts_moved_by_compaction(kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.state.arrangement.GARBAGE_LIMIT", 100)
    texts = [LONG + str(number) for number in range(20)]
    state = Arrangement(codec_of("texts").layout, INITIAL)
    slots = state.upsert(keys_of("texts", texts), None, 0).slots
    state.delete(slots[:12], 1)
    assert state._header[index.HEAP_TAIL] == sum(map(len, texts[12:]))
    assert state.find(keys_of("texts", texts)).tolist() == [-1] * 12 + slots[12:].tolist()
    (column,) = codec_of("texts").decode(*state.key_rows(slots[12:]))
    assert column.to_list() == texts[12:]


def test_a_slot_that_dies_and_is_given_away_in_one_epoch_changed_once() -> None:
    state = Arrangement(codec_of("numbers").layout, INITIAL)
    slots = state.upsert(keys_of("numbers", [1, 2, 3]), None, 4).slots
    state.begin_epoch(5)
    assert state.changed().tolist() == []
    state.delete(slots[1:2], 6)
    assert state.upsert(keys_of("numbers", [4]), None, 6).slots.tolist() == [1]
    assert state.changed().tolist() == [1]
    state.delete(np.array([1]), 6)
    assert state.changed().tolist() == [1]
    state.begin_epoch(7)
    assert state.upsert(keys_of("numbers", [5]), None, 7).slots.tolist() == [1]
    assert state.changed().tolist() == [1]


def test_slots_that_are_touched_by_hand_changed() -> None:
    state = Arrangement(codec_of("numbers").layout, INITIAL)
    slots = state.upsert(keys_of("numbers", [1, 2, 3]), None, 4).slots
    state.begin_epoch(5)
    state.mark_touched(slots[:2], 5)
    state.mark_touched(slots[:2], 6)
    assert state.changed().tolist() == [0, 1]
    assert state.upsert(keys_of("numbers", [1]), None, 6).touched.tolist() == []


def test_free_slots_are_used_before_it_grows() -> None:
    state = Arrangement(codec_of("numbers").layout, INITIAL)
    capacity = len(state.table)
    for key in range(capacity + 7):
        # Round and round the ring of free slots, so that it does not start at its start.
        state.delete(state.upsert(keys_of("numbers", [key]), None, 0).slots, 0)
    assert state.used == 1
    slots = state.upsert(keys_of("numbers", list(range(capacity))), None, 1).slots
    state.delete(slots[10:40], 1)
    again = state.upsert(keys_of("numbers", list(range(2000, 2035))), None, 2).slots
    assert len(state.table) == 2 * capacity
    assert again.tolist() == [*slots[10:40].tolist(), *range(capacity, capacity + 5)]


def test_clear_keeps_the_memory(kernels: str) -> None:
    state = Arrangement(codec_of("texts").layout, INITIAL)
    texts = [LONG + str(number) for number in range(300)]
    state.upsert(keys_of("texts", texts), None, 3)
    used, serial = state.nbytes, state.serial
    state.begin_epoch(4)
    state.clear()
    assert state.serial != serial
    assert state.changed().tolist() == []
    assert len(state) == 0
    assert state.find(keys_of("texts", texts[:5])).tolist() == [-1] * 5
    assert state.upsert(keys_of("texts", texts[::-1]), None, 4).slots.tolist() == list(range(300))
    assert state.nbytes == used
    assert sorted(state.changed().tolist()) == list(range(300))


def test_floats_share_memory_with_words() -> None:
    state = Arrangement(codec_of("numbers").layout, [0])
    slot = int(state.upsert(keys_of("numbers", [1]), None, 0).slots[0])
    state.floats[slot, state.first] = 1.5
    assert state.words[slot, 0] == np.float64(1.5).view(np.int64)
    assert state.table[slot, 0] == 1


def test_group_of_is_that_of_the_stable_hash() -> None:
    keys = keys_of("numbers", list(range(500)))
    state = Arrangement(codec_of("numbers").layout, [], seed=1)
    slots = state.upsert(keys, None, 0).slots
    assert groups_of_slots(state.table, state.layout.width, slots).tolist() == groups_of(keys.words).tolist()


def test_deleting_twice_is_refused() -> None:
    state = Arrangement(codec_of("numbers").layout, INITIAL)
    slots = state.upsert(keys_of("numbers", [1, 2]), None, 0).slots
    state.delete(slots[:1], 0)
    with pytest.raises(InvariantError, match="slot 0 is not live"):
        state.delete(slots[:1], 0)
    with pytest.raises(InvariantError, match="slot 9 is not live"):
        state.delete(np.array([9]), 0)


def test_keys_of_another_layout_are_refused() -> None:
    state = Arrangement(codec_of("numbers").layout, INITIAL)
    with pytest.raises(InvariantError, match="2 words for a layout of 1"):
        state.find(keys_of("texts", ["a"]))
    with pytest.raises(InvariantError, match="not negative"):
        state.upsert(keys_of("numbers", [1]), None, -1)


def test_no_rows() -> None:
    state = Arrangement(codec_of("numbers").layout, INITIAL)
    assert len(state.upsert(keys_of("numbers", []), None, 0).slots) == 0
    assert len(state.upsert(keys_of("numbers", [1]), np.array([], np.int32), 0).touched) == 0
    assert len(state) == 0
