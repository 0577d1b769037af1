"""Penstock beside Polars and DuckDB in batch, on one identical input, one process per engine and query.

    python bench/compare.py [--bids 10000000] [--data DIR] [--quick] [--write docs/performance.md]

All engines use one thread unless the table says otherwise. Every figure is the best of three runs in a process
of its own, after one run that is not counted; Penstock also reads, counts, tests lateness and writes to a sink.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STEPS = (1_024, 8_192, 65_536)


class Bench:
    """Runs workers and keeps what they said."""

    def __init__(self, data: Path, repeat: int) -> None:
        self.data = data
        self.repeat = repeat
        self.lines: list[str] = []

    def worker(self, engine: str, query: str, source: str, *options: str, threads: int = 1) -> dict[str, Any]:
        """What one worker measured."""
        command = [
            sys.executable,
            str(HERE / "worker.py"),
            engine,
            query,
            source,
            str(self.data),
            "--repeat",
            str(self.repeat),
        ]
        environment = {**os.environ, "POLARS_MAX_THREADS": str(threads), "PENSTOCK_GUARDS": "0"}
        done = subprocess.run([*command, *options], capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise SystemExit(f"{engine} {query}: {done.stderr[-2_000:]}")
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        result["rate"] = result["rows"] / result["seconds"] / 1e6
        return result

    def say(self, line: str = "") -> None:
        """Print a line and keep it for the report."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        self.lines.append(line)

    def queries(self, source: str, queries: tuple[str, ...]) -> None:
        """The main table for one kind of source."""
        self.say(f"\n## From {source}, one thread: M rows/s (CPU seconds; peak MB at 64 K)\n")
        self.say("| query | Penstock 1 K | 8 K | 64 K | Polars batch | DuckDB batch | 64 K to Polars | to DuckDB |")
        self.say("|---|---|---|---|---|---|---|---|")
        for query in queries:
            ours = [self.worker("penstock", query, source, "--step", str(step)) for step in STEPS]
            others = [self.worker(engine, query, source) for engine in ("polars", "duckdb")]
            cells = [f"{r['rate']:.1f} ({r['cpu']:.2f})" for r in ours[:-1]]
            cells.append(f"**{ours[-1]['rate']:.1f}** ({ours[-1]['cpu']:.2f}; {ours[-1]['peak_mb']})")
            cells += [f"{r['rate']:.1f} ({r['cpu']:.2f}; {r['peak_mb']})" for r in others]
            cells += [f"{ours[-1]['rate'] / r['rate']:.2f}x" for r in others]
            self.say(f"| {query} | " + " | ".join(cells) + " |")

    def shards(self) -> None:
        """Two shards against one."""
        self.say("\n## Two shards against one, from memory, steps of 64 K: M rows/s\n")
        self.say("| query | P = 1 | P = 2 | ratio |\n|---|---|---|---|")
        for query in ("running", "tumble", "hop"):
            one = self.worker("penstock", query, "memory", threads=1)
            two = self.worker("penstock", query, "memory", "--shards", "2", threads=1)
            self.say(f"| {query} | {one['rate']:.1f} | {two['rate']:.1f} | {two['rate'] / one['rate']:.2f}x |")

    def overlaps(self) -> None:
        """The cost of a hopping window per row in and out, by overlap."""
        self.say("\n## Windows of 10 s by overlap: ns per (input row + output row)\n")
        self.say("| overlap | rows in | rows out | ns per row | to overlap 1 |\n|---|---|---|---|---|")
        first = 0.0
        for overlap in (1, 2, 5, 10, 20, 50, 100):
            result = self.worker("penstock", "overlap", "memory", "--overlap", str(overlap))
            cost = result["seconds"] * 1e9 / (result["rows"] + result["rows_out"])
            first = first or cost
            self.say(f"| {overlap} | {result['rows']:,} | {result['rows_out']:,} | {cost:.1f} | {cost / first:.2f}x |")


def main() -> None:
    """Run all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bids", type=int, default=10_000_000)
    parser.add_argument("--data", type=Path, help="a folder for the bids; made if it holds none")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="memory only, without shards and overlaps")
    parser.add_argument("--write", type=Path, help="also write the report to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = args.data or Path(scratch) / "bids"
        if not list(data.glob("*.parquet")):
            make = [sys.executable, str(HERE / "nexmark_data.py"), str(data), "--bids", str(args.bids)]
            subprocess.run([*make, "--columns", "auction,bidder,price,dateTime"], check=True, stdout=subprocess.DEVNULL)
        bench = Bench(data, args.repeat)
        bench.say(f"Python {platform.python_version()}, {os.cpu_count()} cores, {args.bids:,} Nexmark bids.")
        bench.queries("memory", ("q1", "q2", "running", "uniform", "tumble", "hop"))
        if not args.quick:
            bench.queries("parquet", ("q1", "q2", "running", "tumble", "hop"))
            bench.shards()
            bench.overlaps()
        if args.write:
            args.write.write_text("\n".join(bench.lines) + "\n")


if __name__ == "__main__":
    main()
