"""What Penstock costs where little is to be done: a step of one row, an import, the second start of a program.

    python bench/latency.py [--rows 2000]

A step of one row is timed by itself, inside the engine, after as many that are not counted: reading, nodes and sink, no
threads. Imports and starts are whole processes, the best of some; the first start, which fills caches, is not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
from queries import PENSTOCK, TIMED

import penstock as ps
from penstock.connectors.blackhole import BlackholeSink
from penstock.engine.compile import compile_plan, sources_of
from penstock.engine.step import Engine, Taken
from penstock.operators.base import SplitState
from penstock.optimize import optimize

STARTS = 5
FIRST_RESULT = """
import penstock as ps
rows = [{"k": i % 7, "v": i} for i in range(1000)]
print(ps.read(rows).group_by("k").agg(n=ps.count(), top=ps.col("v").max()).collect().height)
"""


class Gone:
    """An outlet for rows that nobody wants."""

    def write(self, output: int, delta: Any) -> None:
        """Take rows of an output."""

    def refuse(self, node: Any, port: str, delta: Any) -> None:
        """Take refused rows."""


def one_row_steps(query: str, bids: pl.DataFrame) -> tuple[float, float, float]:
    """Nodes reached per step, and the median and mean microseconds of a step of one row."""
    timed = {"event_time": "dateTime", "watermark": "2 s"} if query in TIMED else {}
    built = PENSTOCK[query](ps.read(bids, name="bids", **timed))
    pipeline = ps.Pipeline("bench", built.write(BlackholeSink()))
    pipeline = pipeline.with_outputs(optimize(pipeline.outputs))
    plan = compile_plan(pipeline, [["0"]], shards=1)
    engine = Engine(plan, Gone(), guarded=False)
    columns = list(sources_of(pipeline)[0].schema.names)
    frames = [bids.select(columns).slice(i, 1) for i in range(bids.height)]
    splits = {(0, 0): SplitState()}
    times = []
    half = bids.height // 2
    for number, frame in enumerate(frames):
        if number == half:
            before = sum(one.deltas for one in engine.metrics)
        begun = time.perf_counter()
        engine.step([Taken(0, 0, frame, ((number, 1),))], number, splits)
        times.append((time.perf_counter() - begun) * 1e6)
    reached = (sum(one.deltas for one in engine.metrics) - before) / (bids.height - half)
    return reached, statistics.median(times[half:]), statistics.fmean(times[half:])


def process_ms(code: str) -> float:
    """The best time of some processes that run a program, in milliseconds."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.py"
        program.write_text(code)
        for _ in range(STARTS + 1):
            begun = time.perf_counter()
            subprocess.run([sys.executable, str(program)], check=True, stdout=subprocess.DEVNULL, cwd=folder)
            found.append((time.perf_counter() - begun) * 1e3)
    return min(found[1:])


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000, help="how many steps of one row")
    args = parser.parse_args()
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    rows = range(2 * args.rows)
    bids = pl.DataFrame(
        {
            "auction": [i // 17 for i in rows],
            "bidder": [i * 7 % 100 for i in rows],
            "price": list(rows),
            "dateTime": pl.Series([i * 10_000 for i in rows]).cast(pl.Datetime("us", "UTC")),
        }
    )
    print("## A step of one row: µs\n")
    print("| query | nodes reached | median | mean | median per node |\n|---|---|---|---|---|")
    for query in PENSTOCK:
        if query != "uniform":
            reached, median, mean = one_row_steps(query, bids)
            print(f"| {query} | {reached:.1f} | {median:.0f} | {mean:.0f} | {median / reached:.0f} |")
    empty = process_ms("")
    print("\n## Processes: ms\n\n| what | ms |\n|---|---|")
    print(f"| `import penstock`, besides the interpreter's start | {process_ms('import penstock') - empty:.0f} |")
    print(f"| a second start to its first result: 1,000 rows grouped | {process_ms(FIRST_RESULT):.0f} |")


if __name__ == "__main__":
    main()
