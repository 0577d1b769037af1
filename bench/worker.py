"""One engine, one query, one process: prints what it measured as JSON. Started by `compare.py`."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def measured(run: Callable[[], int], repeat: int) -> dict[str, Any]:
    """The best of some runs: seconds, CPU seconds and rows out; and the peak memory of the process."""
    best: dict[str, Any] = {}
    for _ in range(repeat):
        cpu, begun = time.process_time(), time.perf_counter()
        rows_out = run()
        took = time.perf_counter() - begun
        if not best or took < best["seconds"]:
            best = {"seconds": took, "cpu": time.process_time() - cpu, "rows_out": rows_out}
    best["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return best


def penstock_run(args: argparse.Namespace, data: Any) -> tuple[Callable[[], int], int]:
    """A run of Penstock into a blackhole."""
    from queries import PENSTOCK, TIMED, overlapping

    import penstock as ps
    from penstock.connectors.blackhole import BlackholeSink
    from penstock.connectors.files import FileSource
    from penstock.engine.job import Job
    from penstock.engine.options import JobOptions, LoopOptions

    source = FileSource(str(args.data)) if args.source == "parquet" else data
    timed = {"event_time": "dateTime", "watermark": "2 s"} if args.query in TIMED or args.timed else {}
    bids = ps.read(source, name="bids", **timed)
    built = overlapping(bids, args.overlap) if args.query == "overlap" else PENSTOCK[args.query](bids)
    pipeline = ps.Pipeline("bench", built.write(BlackholeSink()))
    options = JobOptions(shards=args.shards, loop=LoopOptions(step_rows=args.step))

    def run() -> int:
        job = Job(pipeline, options)
        job.run()
        return sum(job.status().rows_out.values())

    return run, 0


def polars_run(args: argparse.Namespace, data: Any) -> tuple[Callable[[], int], int]:
    """The query as a Polars batch."""
    import polars as pl
    from queries import polars_query

    lazy = pl.scan_parquet(args.data / "*.parquet") if args.source == "parquet" else data.lazy()
    query = polars_query(args.query, lazy)
    return lambda: query.collect(engine="in-memory" if args.source == "memory" else "streaming").height, 0


def duckdb_run(args: argparse.Namespace, data: Any) -> tuple[Callable[[], int], int]:
    """The query as a DuckDB batch; the result is fetched as Arrow."""
    import duckdb
    from queries import DUCKDB

    connection = duckdb.connect()
    connection.execute(f"SET threads = {args.threads}; SET TimeZone = 'UTC'")
    if args.source == "parquet":
        connection.execute(f"CREATE VIEW bids AS SELECT * FROM read_parquet('{args.data}/*.parquet')")
    else:
        connection.register("frame", data)
        connection.execute("CREATE TABLE bids AS SELECT * FROM frame")
    return lambda: connection.sql(DUCKDB[args.query]).to_arrow_table().num_rows, 0


ENGINES = {"penstock": penstock_run, "polars": polars_run, "duckdb": duckdb_run}


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("query")
    parser.add_argument("source", choices=("memory", "parquet"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--step", type=int, default=65_536)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--overlap", type=int, default=1)
    parser.add_argument("--timed", action="store_true", help="give untimed queries an event time too")
    args = parser.parse_args()
    os.environ.setdefault("POLARS_MAX_THREADS", str(args.threads))
    sys.path.insert(0, str(Path(__file__).parent))
    import polars as pl

    data = None
    if args.source == "memory":
        data = pl.read_parquet(args.data / "*.parquet").rechunk()
        if args.query == "uniform":
            keys = pl.int_range(data.height, dtype=pl.UInt64, eager=True).hash(7) % 500_000
            data = data.with_columns(keys.cast(pl.Int64).alias("auction"))
    rows = pl.scan_parquet(args.data / "*.parquet").select(pl.len()).collect().item()
    run, _ = ENGINES[args.engine](args, data)
    run()  # compiles kernels, warms the page cache
    result = measured(run, args.repeat)
    result["rows"] = rows
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
