"""What a step copies does not grow with the state: buffers get longer where they are, key groups grow one by one."""

from __future__ import annotations

import numpy as np
import polars as pl

from penstock.core import dtypes
from penstock.core.memory import COPIED as SMALL
from penstock.core.memory import Buffer
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec

STEP = 4_096


def copied_per_step(codec: KeyCodec, keys, steps: int) -> tuple[list[int], Arrangement]:
    state = Arrangement(codec.layout, [0, 0])
    found = []
    for step in range(steps):
        before = state.moved
        state.upsert(codec.encode([keys(range(step * STEP, (step + 1) * STEP))]), None, step)
        found.append(state.moved - before)
    return found, state


def test_a_step_copies_what_it_adds_whatever_there_is():
    codec = KeyCodec(["k"], [dtypes.Int64], [False])
    copied, state = copied_per_step(codec, lambda r: np.arange(r.start, r.stop, dtype=np.int64), 400)
    assert len(state) == 400 * STEP
    # Before they are large, buffers are copied: some megabytes each at most.
    assert max(copied) <= 4 * SMALL
    # Afterwards only key groups are: some entries of the index for each key that is new.
    assert max(copied[300:]) <= STEP * 8 * 16, max(copied[300:])
    assert sum(copied[300:]) <= 100 * STEP * 8 * 4


def test_so_do_texts():
    codec = KeyCodec(["k"], [dtypes.String], [False])
    text = "a text that is longer than twelve bytes, and then some: "
    copied, state = copied_per_step(codec, lambda r: pl.Series([text + str(i) for i in r]), 100)
    assert len(state) == 100 * STEP
    assert max(copied) <= 4 * SMALL


def test_a_large_buffer_stays_where_it_is():
    made = Buffer(SMALL // 8, np.int64)
    made.array[:] = np.arange(SMALL // 8)
    made.grow()
    old, copied = made.array, made.copied
    assert copied == SMALL
    for _ in range(20):
        made.grow()
    assert made.copied == copied
    assert made.array[: len(old)].tolist()[:: 1 << 12] == list(range(0, SMALL // 8, 1 << 12)) + [0] * (
        len(range(0, len(old), 1 << 12)) - len(range(0, SMALL // 8, 1 << 12))
    )
    old[0] = 77
    assert made.array[0] == 77
    assert not made.array[len(old) :].any()


def test_a_buffer_is_copied_where_there_is_no_address_space(monkeypatch):
    monkeypatch.setattr("penstock.core.memory._LINUX", False)
    made = Buffer(1, np.int64, (3,))
    for length in (10, SMALL // 8, SMALL):
        made.array[-1] = length
        last = len(made.array) - 1
        made.grow(length)
        assert made.array[last].tolist() == [length] * 3
        assert len(made.array) >= length
