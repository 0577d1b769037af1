"""Tables on scratch files are the tables that they are in memory, whatever leaves memory meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from penstock.checkpoint.tables import History
from penstock.core import dtypes
from penstock.core.memory import Scratch, resident, using
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec

CODEC = KeyCodec(["k", "t"], [dtypes.Int64, dtypes.String], [False, False])
TEXT = "a text that is longer than twelve bytes: "


def worked(seed: int, relieve) -> Arrangement:
    """Keys that come, are touched and go, at random."""
    random = np.random.default_rng(seed)
    state = Arrangement(CODEC.layout, [0, 0])
    for step in range(30):
        numbers = random.integers(0, 60_000, 5_000)
        keys = CODEC.encode([numbers, pl.Series([TEXT + str(n) if n % 3 else "short" for n in numbers.tolist()])])
        slots = state.upsert(keys, None, step).slots
        np.add.at(state.words[:, 0], slots, 1)
        relieve()
        if step % 5 == 4:
            state.delete(random.permutation(state.live())[:2_000], step)
    return state


def held(state: Arrangement):
    live = state.live()
    rows, heap = state.key_rows(live)
    return [live.tolist(), state.words[live].tolist(), *(s.to_list() for s in CODEC.decode(rows, heap))]


def test_a_mapped_table_is_the_table(tmp_path):
    plain = worked(3, lambda: None)
    with using(Scratch(tmp_path, resident() + (256 << 20))) as scratch:
        mapped = worked(3, lambda: scratch.release(0))
        assert held(mapped) == held(plain)
        assert mapped.nbytes >= plain.nbytes // 2
        history = History()
        records = [piece.record for piece in history.take(mapped, 31, 0)]
        again = Arrangement(CODEC.layout, [0, 0])
        again.fill(records)
        assert held(again) == held(plain)


def test_what_an_epoch_gathers_comes_in_pieces(monkeypatch):
    monkeypatch.setattr("penstock.core.memory.PLAIN.at_once", 1 << 16)
    state = worked(5, lambda: None)
    history = History()
    first = history.take(state, 31, 0)
    keys = CODEC.encode([np.arange(50_000), pl.Series(["x"] * 50_000)])
    slots = state.upsert(keys, None, 31).slots
    np.add.at(state.words[:, 1], slots, 3)
    second = history.take(state, 32, 1)
    most = max(len(piece.record.slots) * state.stride * 8 for piece in (*first, *second) if not piece.base)
    assert len(first) > 10
    assert len([piece for piece in second if not piece.base]) > 10
    assert most <= 1 << 16
    again = Arrangement(CODEC.layout, [0, 0])
    again.fill([piece.record for piece in history.pieces])
    assert held(again) == held(state)


BUDGET = 320
"""MiB: with room for what the process that restarts in itself has kept of its first run, 210 MiB on some machines."""

STEP = 160
"""MiB: what steps may bring into memory before it is looked at again: every 4 ms, unless the machine is busy."""


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_state_of_four_times_the_budget_leaves_memory(tmp_path):
    """The first epoch, later ones, and a restart, too: above the budget is only what a step makes."""
    cases = Path(__file__).parents[3] / "bench" / "checkpoint_cases.py"
    for number, keys in enumerate((1_300_000, 5_300_000)):
        command = [sys.executable, str(cases), "memory", str(tmp_path / str(number)), "--keys", str(keys)]
        done = subprocess.run([*command, "--budget", str(BUDGET)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["rows"] == keys
        assert found["peak_mb"] <= BUDGET + STEP, found
        assert found["restored_peak_mb"] <= BUDGET + STEP, found
    assert found["state_mb"] >= 4 * BUDGET, found
