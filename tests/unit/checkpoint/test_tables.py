"""Stored tables: what an epoch writes is bounded, and every epoch can be gone back to."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.checkpoint import tables
from penstock.checkpoint.block import encode
from penstock.checkpoint.tables import Given, History, Piece, Taken, record_of, record_parts
from penstock.core import dtypes
from penstock.core.errors import StateError
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec

CODEC = KeyCodec(["t"], [dtypes.String], [False])
LONG = "a text that is longer than twelve bytes "


def table():
    return Arrangement(CODEC.layout, (0,))


def touch(state, numbers, step, *, dead=()):
    """Count keys; some go."""
    slots = state.upsert(keys(numbers), None, step).slots
    np.add.at(state.words[:, 0], slots, 1)
    gone = np.unique(state.find(keys(dead)))
    state.delete(gone[gone >= 0].astype(np.int32), step)


def keys(numbers):
    return CODEC.encode([pl.Series([f"{LONG * (n % 2)}{n}" for n in numbers], dtype=pl.String)])


def contents(state):
    slots = state.live()
    (texts,) = CODEC.decode(*state.key_rows(slots))
    return dict(zip(texts.to_list(), state.words[slots, 0].tolist(), strict=True))


class Checkpoints:
    """What a checkpointer does with one table: blocks by name, and what each manifest would say."""

    def __init__(self):
        self.histories = {}
        self.blocks = {}
        self.manifests = []
        self.sizes = []

    def take(self, state, step):
        taken = Taken(self.histories, len(self.manifests))
        taken.table("t", state, step)
        self.histories = taken.histories
        size = 0
        for piece in taken.new:
            name = f"b{len(self.blocks)}"
            self.blocks[name] = b"".join(map(bytes, record_parts(piece.record)))
            size += piece.size
            reference = {"segment": name, "offset": 0, "length": len(self.blocks[name]), "digest": ""}
            piece.reference, piece.record = reference, None
        self.sizes.append(size)
        self.manifests.append([piece.stored() for piece in taken.histories["t"].pieces])

    def given(self, number):
        return Given({"t": self.manifests[number]}, {}, lambda reference: self.blocks[reference["segment"]])

    def restored(self, number):
        state, given_ = table(), self.given(number)
        given_.table("t", state)
        return state, given_.histories


STEPS = st.lists(
    st.tuples(st.lists(st.integers(0, 30), max_size=12), st.lists(st.integers(0, 30), max_size=4)), max_size=25
)


@settings(deadline=None, max_examples=60)
@given(STEPS, st.integers(64, 400), st.integers(2, 10))
def test_every_epoch_can_be_gone_back_to(steps, least, logs):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "LEAST_REWRITE", least)
        patch.setattr(tables, "MOST_LOGS", logs)
        state, kept, wanted = table(), Checkpoints(), []
        for step, (numbers, dead) in enumerate(steps):
            touch(state, numbers, step, dead=dead)
            kept.take(state, step + 1)
            wanted.append(contents(state))
        for number, rows in enumerate(wanted):
            assert contents(kept.restored(number)[0]) == rows


@settings(deadline=None, max_examples=40)
@given(STEPS, st.data())
def test_a_run_goes_on_from_any_epoch(steps, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "LEAST_REWRITE", 64)
        state, kept = table(), Checkpoints()
        for step, (numbers, dead) in enumerate(steps):
            touch(state, numbers, step, dead=dead)
            kept.take(state, step + 1)
            if data.draw(st.booleans()):
                state, histories = kept.restored(len(kept.manifests) - 1)
                kept.histories = histories
        for number in range(len(kept.manifests)):
            kept.restored(number)
        if steps:
            assert contents(kept.restored(len(steps) - 1)[0]) == contents(state)


def test_an_epoch_writes_what_was_touched_and_a_bounded_part_of_a_new_base(monkeypatch):
    monkeypatch.setattr(tables, "LEAST_REWRITE", 4_000)
    state, kept = table(), Checkpoints()
    touch(state, range(1_000), 0)
    kept.take(state, 1)
    whole = kept.sizes[0]
    for step in range(1, 200):
        touch(state, range(step % 50, 1_000, 50), step)
        kept.take(state, step + 1)
        stored = sum(piece["length"] for piece in kept.manifests[-1])
        assert stored < 4 * whole, "what a restart reads is bounded"
        assert len(kept.manifests[-1]) < 3 * tables.MOST_LOGS
    assert max(kept.sizes[1:]) < whole / 4
    rewritten = {piece["epoch"] for piece in kept.manifests[-1] if "high" in piece}
    assert min(rewritten) > 0, "the first base is forgotten"
    assert contents(kept.restored(-1)[0]) == contents(state)


def test_nothing_touched_is_nothing_written():
    state, kept = table(), Checkpoints()
    touch(state, range(10), 0)
    for step in range(1, 5):
        kept.take(state, step)
    assert kept.sizes[1:] == [0, 0, 0]
    assert kept.manifests[-1] == kept.manifests[0]


def test_another_table_under_the_same_name_begins_anew():
    state, kept = table(), Checkpoints()
    touch(state, range(10), 0)
    kept.take(state, 1)
    other = table()
    touch(other, [3], 0)
    kept.take(other, 1)
    assert ["high" in piece for piece in kept.manifests[-1]] == [True]
    assert contents(kept.restored(1)[0]) == contents(other)


def test_a_restored_table_stores_only_what_is_touched_from_then_on():
    state, kept = table(), Checkpoints()
    touch(state, range(500), 0)
    kept.take(state, 1)
    state, kept.histories = kept.restored(0)
    touch(state, [3], 1)
    kept.take(state, 2)
    assert 0 < kept.sizes[1] < kept.sizes[0] / 50


def test_what_is_no_record_is_refused():
    for header, arrays, why in [
        ({"kind": "other"}, {}, "its block is of another kind"),
        ({"kind": "record"}, {"slots": np.zeros(1, np.int32)}, "its block has other arrays"),
        ({"kind": "record"}, {"slots": b"", "rows": b"", "heap": b""}, "its block has other arrays"),
    ]:
        with pytest.raises(StateError, match=why):
            record_of(b"".join(map(bytes, encode(header, arrays))))


def test_what_is_missing_or_of_another_layout_is_refused():
    state, kept = table(), Checkpoints()
    touch(state, range(3), 0)
    kept.take(state, 1)
    with pytest.raises(StateError, match='no table "u"'):
        kept.given(0).table("u", table())
    with pytest.raises(StateError, match='no data "b"'):
        kept.given(0).blob("b")
    with pytest.raises(StateError, match="with another layout"):
        kept.given(0).table("t", Arrangement(CODEC.layout, (0, 0)))
    assert kept.given(0).names == ["t"]


def test_pieces_are_stored_and_found_again():
    stored = {"epoch": 3, "low": 0, "high": 9, "segment": "s", "offset": 1, "length": 2, "digest": "d"}
    assert Piece.of(stored).stored() == stored
    assert History().pieces == []
