"""The index of ranges against a loop over all rows: overlaps, several keys, rows that have gone, slots used again."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import polars as pl
import pytest

from penstock.core import dtypes
from penstock.core.schema import Field, Schema
from penstock.kernels import ranges as kernels
from penstock.state.keys import KeyCodec
from penstock.state.ranges import RangeIndex
from penstock.state.row_layout import RowLayout
from penstock.state.rows import RowStore

CODEC = KeyCodec(["k"], [dtypes.Int64], [False])
SCHEMA = Schema(
    (Field("k", dtypes.Int64, False), Field("low", dtypes.Float64, True), Field("high", dtypes.Float64, True))
)
INFINITY = float("inf")


def keys(values: list[int]) -> Any:
    return CODEC.encode([pl.Series("k", values, dtype=pl.Int64)])


@pytest.mark.parametrize("seed", range(4))
def test_all_ranges_that_hold_a_value_are_found(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed == 3:  # the kernels as plain Python
        monkeypatch.setattr("penstock.state.ranges.find_ranges", kernels.find_ranges.python)
    chance = random.Random(seed)
    store = RowStore(RowLayout.of(CODEC, SCHEMA, ["low", "high"], words=[0]), seed)
    index, serial, there = RangeIndex(store, 0), 0, {}
    for step in range(1, 60, 2):
        rows = [(chance.randrange(3), low := float(chance.randint(-9, 9)), low + chance.choice([-1, 0, 0, 2, 30]))
                for _ in range(chance.randint(0, 12))]  # fmt: skip
        rows = list({row: None for row in rows if row not in there})
        columns = [pl.Series([row[i] for row in rows], dtype=pl.Float64) for i in (1, 2)]
        put = store.put(keys([k for k, _, _ in rows]), columns, step)
        store.own(0)[put.slots] = np.arange(serial, serial + len(rows))
        index.put(put.slots, columns[0].to_numpy(), columns[1].to_numpy())
        there |= {row: (int(slot), serial + i) for i, (row, slot) in enumerate(zip(rows, put.slots, strict=True))}
        serial += len(rows)
        gone = chance.sample(sorted(there), len(there) // 2) if chance.random() < 0.5 else []
        store.drop(np.array([there.pop(row)[0] for row in gone], np.int32), step + 1)
        probes = [(chance.randrange(4), chance.choice([-10.0, 0.0, 3.5, INFINITY, float("nan")]), chance.uniform(-9, 9))
                  for _ in range(9)]  # fmt: skip
        slots = store.find(keys([k for k, _, _ in probes]))
        begins, ends = np.array([b for _, b, _ in probes]), np.array([e for _, _, e in probes])
        counts = index.count(slots, begins, ends)
        found = index.find(slots, begins, ends, int(counts.sum()))
        expected = [
            (i, there[row][0])
            for i, (k, begin, end) in enumerate(probes)
            for row in sorted(there, key=lambda row: there[row][1])
            if row[0] == k and row[1] <= begin and row[2] >= end
        ]
        assert list(zip(*(part.tolist() for part in found), strict=True)) == expected
        assert counts.tolist() == [sum(i == probe for probe, _ in expected) for i in range(len(probes))]


def test_what_a_look_up_passes_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in the Python form of the kernel: each place that it looks at reads the tree."""
    monkeypatch.setattr(kernels, "next_reaching", kernels.next_reaching.python)

    class Counting(np.ndarray):
        reads = 0

        def __getitem__(self, place: Any) -> Any:
            Counting.reads += 1
            return super().__getitem__(place)

    def reads(count: int) -> int:
        width = 1 << count.bit_length()
        tree = np.full(2 * width, -np.inf)
        tree[width : width + count] = np.arange(count) + 0.5
        for node in range(width - 1, 0, -1):
            tree[node] = max(tree[2 * node], tree[2 * node + 1])
        Counting.reads = 0
        numbers = np.arange(count)
        kernels.find_ranges.python(
            np.zeros(count, np.int32), numbers.astype(np.float64), tree.view(Counting), numbers.astype(np.int32),
            numbers, np.column_stack([numbers, numbers]), 0, 1, np.zeros(9, np.int32), np.linspace(0, count, 9),
            np.linspace(0, count, 9), -np.inf, np.zeros(9, np.int64), np.empty(99, np.int32), np.empty(99, np.int32),
        )  # fmt: skip
        return Counting.reads

    assert reads(20_000) < 2 * reads(200)


def test_rows_that_have_gone_are_forgotten() -> None:
    store = RowStore(RowLayout.of(CODEC, SCHEMA, ["low", "high"], words=[0]), 1)
    index = RangeIndex(store, 0)
    for step in range(1, 200, 2):
        values = np.arange(50, dtype=np.float64) + step
        put = store.put(keys([0] * 50), [pl.Series(values), pl.Series(values)], step)
        store.own(0)[put.slots] = np.arange(50) + 50 * step
        index.put(put.slots, values, values)
        store.drop(put.slots, step + 1)
    assert len(store) == 0
    assert len(index) < 1200
