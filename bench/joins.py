"""Joins of Penstock beside DuckDB in batch: Nexmark queries, an interval, a window and an ASOF join, at three sizes.

    python bench/joins.py [--events 300000,1000000,3000000] [--queries q3,q20] [--repeat 3] [--write FILE]

Every figure is the best of some runs in a process of its own, after one run that is not counted. One thread, steps
of 64 K rows from memory into a blackhole; DuckDB reads tables of its own. Rows are those of both inputs. State is
the most that was seen while rows came, in bytes per row that was held then. Results are compared by their number of
rows (not those of q4, which are changes).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

INPUTS = {
    "persons": ["id", "name", "city", "state", "dateTime"],
    "auctions": ["id", "itemName", "seller", "category", "dateTime", "expires"],
    "bids": ["auction", "bidder", "price", "dateTime"],
}
TIMED = ("q8", "interval", "asof")

SQL = {
    "q3": """
        SELECT p.name, p.city, p.state, a.id FROM auctions a JOIN persons p ON a.seller = p.id
        WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')
    """,
    "q4": """
        SELECT category, avg(final) FROM (
            SELECT a.id, a.category, max(b.price) AS final FROM auctions a JOIN bids b ON a.id = b.auction
            WHERE b."dateTime" BETWEEN a."dateTime" AND a.expires GROUP BY a.id, a.category
        ) GROUP BY category
    """,
    "q8": """
        SELECT p.id, p.name, epoch_us(p."dateTime") // 10000000 AS w, a.id AS auction
        FROM persons p JOIN auctions a ON p.id = a.seller
        AND epoch_us(p."dateTime") // 10000000 = epoch_us(a."dateTime") // 10000000
    """,
    "q20": """
        SELECT b.*, a."itemName", a.category FROM bids b JOIN auctions a ON b.auction = a.id WHERE a.category = 10
    """,
    "inner": "SELECT b.*, a.* FROM bids b JOIN auctions a ON b.auction = a.id",
    "interval": """
        SELECT b.*, a.* FROM bids b JOIN auctions a ON b.auction = a.id
        AND a."dateTime" BETWEEN b."dateTime" - INTERVAL 10 SECOND AND b."dateTime"
    """,
    "asof": """
        SELECT b.*, a.* FROM bids b ASOF LEFT JOIN auctions a
        ON b.auction = a.id AND a."dateTime" <= b."dateTime"
    """,
}


def queries() -> dict[str, Callable[..., Any]]:
    """The queries as Penstock says them, of persons, auctions and bids."""
    import penstock as ps
    from penstock import col

    def q3(persons: Any, auctions: Any, bids: Any) -> Any:
        near = persons.filter(col("state").is_in(["OR", "ID", "CA"]))
        chosen = auctions.filter(col("category") == 10)
        return chosen.join(near, left_on="seller", right_on="id").select("name", "city", "state", "id")

    def q4(persons: Any, auctions: Any, bids: Any) -> Any:
        inside = (col("right.dateTime") >= col("left.dateTime")) & (col("right.dateTime") <= col("expires"))
        both = auctions.join(bids, left_on="id", right_on="auction", where=inside)
        final = both.group_by("id", "category").agg(final=col("price").max())
        return final.group_by("category").agg(mean=col("final").mean())

    def on_auction(auctions: Any, bids: Any, **how: Any) -> Any:
        return bids.join(auctions, left_on="auction", right_on="id", **how)

    return {
        "q3": q3,
        "q4": q4,
        "q8": lambda p, a, b: p.join(a, left_on="id", right_on="seller", window=ps.tumbling("10 s")),
        "q20": lambda p, a, b: on_auction(a.filter(col("category") == 10), b),
        "inner": lambda p, a, b: on_auction(a, b),
        "interval": lambda p, a, b: on_auction(a, b, within=("-10 s", "0 s")),
        "asof": lambda p, a, b: b.join_asof(a, by_left="auction", by_right="id"),
    }


USES = {"q3": ("persons", "auctions"), "q8": ("persons", "auctions")}
"""The inputs of a query; else auctions and bids."""


def frames(events: int) -> dict[str, pl.DataFrame]:
    """The rows of so many Nexmark events, by kind."""
    from penstock.connectors import nexmark

    config = nexmark.NexmarkConfig()
    made = {"persons": nexmark.persons, "auctions": nexmark.auctions, "bids": nexmark.bids}
    return {name: make(0, events, config, columns=INPUTS[name]).rechunk() for name, make in made.items()}


def most_state(job: Any, ended: threading.Event) -> tuple[int, int]:
    """The most rows that the state of a run holds, and its bytes then; looks every 5 ms until it has ended."""
    most = (0, 0)
    while not ended.wait(0.005):
        nodes = job.status().nodes
        most = max(most, (sum(node.state_rows for node in nodes), sum(node.state_bytes for node in nodes)))
    return most


def penstock_worker(query: str, data: dict[str, pl.DataFrame], step: int) -> tuple[Callable[[], int], Any]:
    """A run of Penstock into a blackhole, and one that looks at its state."""
    import penstock as ps
    from penstock.connectors.blackhole import BlackholeSink
    from penstock.engine.job import Job
    from penstock.engine.options import JobOptions, LoopOptions

    timed = {"event_time": "dateTime", "watermark": "2 s"} if query in TIMED else {}
    inputs = [ps.read(frame, name=name, **timed) for name, frame in data.items()]
    pipeline = ps.Pipeline("bench", queries()[query](*inputs).write(BlackholeSink()))
    options = JobOptions(loop=LoopOptions(step_rows=step))

    def run() -> int:
        job = Job(pipeline, options)
        job.run()
        return sum(job.status().rows_out.values())

    def state() -> tuple[int, int]:
        job, ended, found = Job(pipeline, options), threading.Event(), []
        looker = threading.Thread(target=lambda: found.append(most_state(job, ended)))
        looker.start()
        job.run()
        ended.set()
        looker.join()
        nodes = job.status().nodes
        last = (sum(node.state_rows for node in nodes), sum(node.state_bytes for node in nodes))
        return max(found[0], last)

    return run, state


def duckdb_worker(query: str, data: dict[str, pl.DataFrame], step: int) -> tuple[Callable[[], int], Any]:
    """The query as a DuckDB batch; the result is fetched as Arrow."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 1; SET TimeZone = 'UTC'")
    for name, frame in data.items():
        connection.register("frame", frame)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
    return lambda: connection.sql(SQL[query]).to_arrow_table().num_rows, None


def worker(args: argparse.Namespace) -> dict[str, Any]:
    """What one engine does with one query at one size."""
    data = frames(args.size)
    make = penstock_worker if args.worker == "penstock" else duckdb_worker
    run, state = make(args.queries, data, args.step)
    run()
    best: dict[str, Any] = {}
    for _ in range(args.repeat):
        cpu, begun = time.process_time(), time.perf_counter()
        rows_out = run()
        took = time.perf_counter() - begun
        if not best or took < best["seconds"]:
            best = {"seconds": took, "cpu": time.process_time() - cpu, "rows_out": rows_out}
    best["rows"] = sum(data[name].height for name in USES.get(args.queries, ("auctions", "bids")))
    if state is not None:
        best["state_rows"], best["state_bytes"] = state()
    return best


def measure(engine: str, query: str, size: int, args: argparse.Namespace) -> dict[str, Any]:
    """What a worker says, in a process of its own."""
    command = [sys.executable, __file__, "--worker", engine, "--queries", query, "--size", str(size)]
    command += ["--repeat", str(args.repeat), "--step", str(args.step)]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "PENSTOCK_GUARDS": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{engine} {query}: {done.stderr[-2_000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(args: argparse.Namespace) -> list[str]:
    """All queries at all sizes, printed line by line."""
    lines: list[str] = []

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        lines.append(line)

    say("| query | events | rows in | rows out | Penstock M rows/s (CPU s) | DuckDB (CPU s) | time to DuckDB's |"
        " state rows | bytes per row |")  # fmt: skip
    say("|---|---|---|---|---|---|---|---|---|")
    for query in args.queries.split(","):
        for size in map(int, args.events.split(",")):
            ours, other = measure("penstock", query, size, args), measure("duckdb", query, size, args)
            if query != "q4" and ours["rows_out"] != other["rows_out"]:
                raise SystemExit(f"{query} of {size} events: {ours['rows_out']} rows, DuckDB has {other['rows_out']}")
            rates = [f"{one['rows'] / one['seconds'] / 1e6:.2f} ({one['cpu']:.2f})" for one in (ours, other)]
            held = ours["state_rows"]
            each = f"{ours['state_bytes'] / held:.0f}" if held else "-"
            say(
                f"| {query} | {size:,} | {ours['rows']:,} | {ours['rows_out']:,} | {rates[0]} | {rates[1]} |"
                f" {ours['seconds'] / other['seconds']:.1f}x | {held:,} | {each} |"
            )
    return lines


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", default="300000,1000000,3000000", help="how many Nexmark events, with commas")
    parser.add_argument("--queries", default=",".join(SQL), help="which queries, with commas")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--step", type=int, default=65_536, help="rows per step")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    parser.add_argument("--worker", choices=("penstock", "duckdb"), help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        sys.stdout.write(json.dumps(worker(args)) + "\n")
        return
    lines = table(args)
    if args.write:
        args.write.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
