"""The newest rows of keys, and rows that wait for their time."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import penstock as ps
from penstock.core.schema import Field, Schema
from penstock.state.history import History
from penstock.state.time_runs import TimeRuns

pytestmark = pytest.mark.usefixtures("kernels")

KEYS, KEPT = [Field("k", ps.String)], Schema((Field("v", ps.Int64),))


def add(history, keys, values, times, step):
    groups = history.find([pl.Series(keys, dtype=pl.String)], len(keys), step)
    order = np.argsort(groups, kind="stable")
    history.add(groups[order], [pl.Series(values).gather(pl.Series(order))], np.array(times)[order], step)


def seen(history, *keys):
    slots = history.index.find(history.codec.encode([pl.Series(keys, dtype=pl.String)]))
    owners, rows = history.read(slots[slots >= 0])
    (values,) = history.rows.take(rows)
    return list(zip(owners.tolist(), values.to_list(), strict=True))


def test_rows_of_a_key_from_the_oldest_on():
    history = History(KEYS, KEPT, timed=False)
    add(history, ["a", "b", "a"], [1, 2, 3], [0, 0, 0], 0)
    add(history, [None, "a"], [4, 5], [0, 0], 1)
    assert seen(history, "a", "b", None) == [(0, 1), (0, 3), (0, 5), (1, 2), (2, 4)]


def test_the_oldest_are_dropped_and_their_slots_used_again():
    history = History(KEYS, KEPT, timed=False)
    add(history, ["a"] * 4, [1, 2, 3, 4], [0] * 4, 0)
    _, slots = history.read(history.index.live())
    history.drop(slots[:3], 1)
    add(history, ["b", "b", "a"], [5, 6, 7], [0] * 3, 2)
    assert seen(history, "a", "b") == [(0, 4), (0, 7), (1, 5), (1, 6)]


def test_rows_go_by_time_and_keys_with_them():
    history = History(KEYS, KEPT, timed=True)
    add(history, ["a", "b", "a"], [1, 2, 3], [10, 20, 30], 0)
    history.expire(20, 1)
    assert seen(history, "a") == [(0, 3)]
    assert len(history.index) == 1
    assert len(history.rows) == 1
    history.expire(-(2**70), 2)
    assert history.times.earliest() == 30


def test_runs_are_taken_from_the_earliest_on():
    generator, runs, told = np.random.default_rng(3), TimeRuns(), []
    for step in range(40):
        times = generator.integers(step, step + 20, 5)
        runs.add(times, np.arange(5, dtype=np.int32) + 5 * step)
        told += list(zip(times.tolist(), range(5 * step, 5 * step + 5), strict=True))
        assert runs.earliest() == min(told)[0]
        assert sorted(runs.take(step).tolist()) == sorted(slot for time, slot in told if time <= step)
        told = [(time, slot) for time, slot in told if time > step]
        assert len(runs) == len(told)
    assert runs.nbytes >= 12 * len(told)
