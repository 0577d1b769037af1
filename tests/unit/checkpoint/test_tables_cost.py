"""What checkpoints store of a table: enough to make it again, and no more than what has changed twice over."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest

from penstock.checkpoint.tables import AT_ONCE, LEAST_PART, Given, History, Piece, record_parts
from penstock.core import dtypes
from penstock.core.errors import StateError
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec

NUMBERS = KeyCodec(["n"], [dtypes.Int64], [False])
TEXTS = KeyCodec(["t"], [dtypes.String], [False])


class Disk:
    """Blocks by number, as a store has them by segment."""

    def __init__(self):
        self.blocks = []
        self.reads = 0

    def write(self, piece):
        data = b"".join(bytes(part) for part in record_parts(piece.record))
        self.blocks.append(data)
        piece.reference = {"segment": str(len(self.blocks) - 1), "offset": 0, "length": len(data), "digest": ""}
        piece.record = None
        return len(data)

    def read(self, stored):
        self.reads += 1
        return self.blocks[int(stored["segment"])]


class Table:
    """A table, its history, and the blocks that were written of it."""

    def __init__(self, codec=NUMBERS, words=(0, 0, 0)):
        self.codec = codec
        self.words = words
        self.state = Arrangement(codec.layout, words)
        self.history = History()
        self.disk = Disk()
        self.step = 0
        self.epoch = 0

    def touch(self, numbers):
        series = pl.Series(np.asarray(numbers, np.int64))
        if self.codec is TEXTS:
            series = series.cast(pl.String) + " is a key of more than twelve bytes"
        keys = self.codec.encode([series])
        self.step += 1
        slots = self.state.upsert(keys, None, self.step).slots
        self.state.words[slots, 0] += self.step
        return slots

    def end(self):
        """End an epoch; the bytes that it wrote."""
        pieces = self.history.take(self.state, self.step + 1, self.epoch)
        self.epoch += 1
        return sum(self.disk.write(piece) for piece in pieces)

    @property
    def stored(self):
        return [piece.stored() for piece in self.history.pieces]

    @property
    def stored_bytes(self):
        return sum(one["length"] for one in self.stored)

    def restored(self):
        """Another table, made from what is stored of this one, that goes on from there."""
        made = Table(self.codec, self.words)
        given = Given({"t": self.stored}, {}, self.disk.read)
        given.table("t", made.state)
        made.history, made.disk = given.histories["t"], self.disk
        made.step, made.epoch = self.step, self.epoch
        return made


def contents(table):
    state = table.state
    slots = state.live()
    keys = table.codec.decode(*state.key_rows(slots))[0].to_list()
    found = dict(zip(keys, zip(slots.tolist(), map(tuple, state.words[slots].tolist()), strict=True), strict=True))
    assert len(found) == len(slots) == len(state)
    return found


@pytest.mark.parametrize("keys", [20_000, 200_000])
def test_an_epoch_costs_what_was_touched_whatever_the_number_of_keys(keys):
    table = Table()
    table.touch(np.arange(keys))
    full = table.end()
    row = full / keys
    chance = np.random.default_rng(1)
    captured = []
    capture = table.state.capture
    table.state.capture = lambda slots: captured.append(len(slots)) or capture(slots)
    for _ in range(100):
        table.touch(chance.choice(keys, 400, replace=False))
        captured.clear()
        written = table.end()
        least = keys // LEAST_PART
        assert captured[0] == 400
        assert sum(captured[1:]) <= max(400, least)
        assert written <= row * (400 + max(400, least)) + 2_000


def test_a_large_table_that_hardly_changes_costs_hardly_anything_most_of_the_time():
    table = Table()
    table.touch(np.arange(100_000))
    table.end()
    for _ in range(50):
        table.touch([5])
        assert table.end() < 1_000
    before = len(table.disk.blocks)
    table.end()
    assert len(table.disk.blocks) == before  # nothing has changed


def test_what_is_stored_is_the_table_and_a_log_of_its_size_at_most():
    table = Table()
    table.touch(np.arange(5_000))
    full = table.end()
    chance = np.random.default_rng(2)
    sizes = []
    for _ in range(300):
        table.touch(chance.choice(5_000, 100, replace=False))
        table.end()
        sizes.append(table.stored_bytes)
    assert max(sizes) < 3.6 * full  # until the base was written anew for the first time: it is one piece
    assert max(sizes[200:]) < 2.4 * full
    assert len(table.stored) < 220


def test_a_table_that_only_grows_is_stored_three_times_at_most():
    table = Table()
    for epoch in range(60):
        table.touch(np.arange(200 * epoch, 200 * (epoch + 1)))
        table.end()
        assert table.stored_bytes < 3.2 * 48 * len(table.state) + 4_000 * (epoch + 1)
    assert contents(table.restored()) == contents(table)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("codec", [NUMBERS, TEXTS], ids=["numbers", "texts"])
def test_at_every_epoch_what_is_stored_is_the_table(codec, seed, monkeypatch):
    monkeypatch.setattr("penstock.checkpoint.tables.MOST_LOGS", 6)
    monkeypatch.setattr("penstock.core.memory.PLAIN.at_once", 4_000)
    chance = random.Random(seed)
    table = Table(codec, (0,))
    domain = chance.choice([60, 400])
    for _ in range(60):
        for _ in range(chance.randrange(3)):
            low = chance.randrange(domain)
            table.touch(range(low, min(domain, low + chance.randrange(1, 40))))
        if chance.random() < 0.3 and len(table.state):
            live = table.state.live()
            dead = np.unique(chance.choices(live.tolist(), k=chance.randrange(1, len(live) + 1)))
            table.step += 1
            table.state.delete(dead.astype(np.int32), table.step)
        if chance.random() < 0.03:
            table.state.clear()
        table.end()
        if chance.random() < 0.4:
            made = table.restored()
            assert contents(made) == contents(table)
            if chance.random() < 0.4:
                table = made  # goes on after a restart


def test_blocks_are_laid_over_each_other_in_their_order_though_they_are_read_at_the_same_time():
    table = Table()
    for _ in range(3 * AT_ONCE):
        table.touch(range(50))
        table.end()
    assert contents(table.restored()) == contents(table)


def test_a_block_of_another_layout_is_refused():
    table = Table(words=(0, 0))
    table.touch(range(10))
    table.end()
    other = Table(words=(0,))
    with pytest.raises(StateError, match="another layout"):
        Given({"t": table.stored}, {}, table.disk.read).table("t", other.state)


def test_a_piece_is_what_a_manifest_says():
    table = Table()
    table.touch(range(10))
    table.end()
    piece = table.history.pieces[0]
    assert (piece.low, piece.high, piece.base) == (0, 10, True)
    again = Piece.of(piece.stored())
    assert again.stored() == piece.stored()
    assert again.base
