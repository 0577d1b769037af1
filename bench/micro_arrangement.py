"""Nanoseconds per row of the keyed state: lookups of an arrangement, and the kernels around it.

Run: `python bench/micro_arrangement.py [--rows 4000000] [--batch 65536]`. One thread; the first pass over each
data set inserts, the figures are of the best of the later passes unless they say otherwise.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from penstock.core import dtypes
from penstock.kernels.scatter import scatter_panes, shards_of
from penstock.kernels.watermark import NEVER, watermark_before
from penstock.kernels.windows import ON_TIME, assign_cumulative, assign_hopping
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec, Keys
from penstock.state.words import ACCUMULATORS, FLOAT, Accumulator


def skewed(rows: int, random: np.random.Generator) -> np.ndarray:
    """Auctions as in Nexmark: half of the bids on the hot one, the others on one of the last hundred."""
    newest = np.arange(rows) // 17
    return np.where(random.random(rows) < 0.5, newest // 100 * 100, newest - random.integers(0, 100, rows)) + 1000


def batches(codec: KeyCodec, column: pl.Series, size: int) -> list[Keys]:
    """The keys of a column, in batches."""
    return [codec.encode([column.slice(start, size)]) for start in range(0, len(column), size)]


def best(run: Callable[[], object], rows: int, times: int = 3) -> float:
    """The best time of a few runs, in nanoseconds per row."""
    return min(timed(run, rows) for _ in range(times))


def timed(run: Callable[[], object], rows: int) -> float:
    """The time of one run, in nanoseconds per row."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / rows * 1e9


def measure(name: str, codec: KeyCodec, column: pl.Series, size: int) -> None:
    """Print what inserting, looking up and finding cost for one column of keys."""
    steps: Iterator[int] = iter(range(1 << 40))
    state = Arrangement(codec.layout, [0, 0])
    encode = best(lambda: batches(codec, column, size), len(column))
    keys = batches(codec, column, size)

    def upsert() -> None:
        for batch in keys:
            state.upsert(batch, None, next(steps))

    def find() -> None:
        for batch in keys:
            state.find(batch)

    state.upsert(keys[0], None, next(steps))
    state.clear()
    insert = timed(upsert, len(column))
    update = best(upsert, len(column))
    found = best(find, len(column))
    sys.stdout.write(
        f"{name:34} batch {size:>6}  keys {len(state):>8,}  encode {encode:6.2f}  first {insert:6.1f}"
        f"  upsert {update:6.1f}  find {found:6.1f} ns/row  {state.nbytes / max(1, len(state)):5.0f} B/key\n"
    )


def one_row(codec: KeyCodec) -> None:
    """Print what a step of one row costs."""
    state = Arrangement(codec.layout, [0, 0])
    column = pl.Series(np.arange(1000))
    keys = [codec.encode([column.slice(row, 1)]) for row in range(1000)]
    for step, key in enumerate(keys):
        state.upsert(key, None, step)
    encode = best(lambda: [codec.encode([column.slice(row, 1)]) for row in range(1000)], 1000)
    cost = best(lambda: [state.upsert(key, None, 2000) for key in keys], 1000)
    sys.stdout.write(f"one row: encode {encode / 1000:.1f} us, upsert {cost / 1000:.1f} us\n")


def fold(name: str, codec: KeyCodec, column: np.ndarray, size: int) -> None:
    """Print what folding a batch into each kind of accumulator costs, next to its lookup."""
    parts = []
    for kind in ACCUMULATORS.values():
        state = Arrangement(codec.layout, kind.initial)
        values = np.arange(size, dtype=np.float64 if kind.takes == FLOAT else np.int64)
        slots = [
            state.upsert(codec.encode([column[at : at + size]]), None, 0).slots for at in range(0, len(column), size)
        ]

        def add(
            kind: Accumulator = kind, state: Arrangement = state, slots: list = slots, values: object = values
        ) -> None:
            for batch in slots:
                kind.add(state, state.first, batch, values)

        parts.append(f"{kind.kind} {best(add, len(column)):.1f}")
    sys.stdout.write(f"{name:34} batch {size:>6}  add: {', '.join(parts)} ns/row\n")


def assign(size: int, random: np.random.Generator) -> None:
    """Print what the watermark, panes and the scatter of a batch of 100 us per row and 1.9 s of disorder cost."""
    times = np.arange(size) * 100 + random.integers(0, 1_900_000, size) + 1_600_000_000_000_000
    before, _ = watermark_before(times, 2_000_000, NEVER)
    panes, statuses, _ = assign_hopping(times, before, 10_000_000, 2_000_000)
    words = times.reshape(-1, 1)
    runs: dict[str, Callable[[], object]] = {
        "watermark": lambda: watermark_before(times, 2_000_000, NEVER),
        "tumbling": lambda: assign_hopping(times, before, 10_000_000, 10_000_000),
        "hopping": lambda: assign_hopping(times, before, 10_000_000, 2_000_000),
        "cumulative": lambda: assign_cumulative(times, before, 10_000_000, 2_000_000),
        "by pane": lambda: scatter_panes(panes, statuses, ON_TIME),
        "shards": lambda: shards_of(words, 2),
    }
    parts = [f"{name} {best(run, size, 50):.1f}" for name, run in runs.items()]
    sys.stdout.write(f"{'rows of 6 s to windows':34} batch {size:>6}  {', '.join(parts)} ns/row\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--batch", type=int, nargs="*", default=[1024, 8192, 65536])
    options = parser.parse_args()
    random = np.random.default_rng(7)
    word = KeyCodec(["key"], [dtypes.Int64], [False])
    text = KeyCodec(["key"], [dtypes.String], [False])
    hot = pl.Series(skewed(options.rows, random))
    uniform = pl.Series(random.integers(0, 500_000, options.rows))
    columns = {
        "int64, Nexmark skew": (word, hot),
        "int64, uniform 500 K": (word, uniform),
        "int64 nullable, Nexmark skew": (KeyCodec(["key"], [dtypes.Int64], [True]), hot),
        "12-char text, Nexmark skew": (text, pl.select(pl.format("{}", hot + 10**11))[:, 0]),
        "20-char text, Nexmark skew": (text, pl.select(pl.format("user-{}", hot + 10**14))[:, 0]),
    }
    one_row(word)
    for size in options.batch:
        for name, (codec, column) in columns.items():
            measure(name, codec, column, size)
        fold("int64, Nexmark skew", word, hot.to_numpy(), size)
        assign(size, random)


if __name__ == "__main__":
    main()
