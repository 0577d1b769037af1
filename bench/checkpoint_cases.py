"""One measurement of checkpoints in a process of its own: prints what it found as JSON. Started by `checkpoints.py`."""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from checkpoint_parts import KeySource, PacedSource, Peaks, PlainFiles, PlainPostgres, RepeatSource

import penstock as ps
from penstock import col
from penstock.checkpoint.manifest import pack
from penstock.connectors.blackhole import BlackholeSink
from penstock.connectors.files import FileSink
from penstock.connectors.kafka import KafkaSink
from penstock.connectors.postgres import PostgresSink
from penstock.core.clock import SystemClock
from penstock.engine.assembly import Assembly
from penstock.engine.job import Job
from penstock.engine.options import JobOptions, LoopOptions

NEVER = 1 << 60
STEP = 100_000


def options(state: Path | None, epoch_us: int = NEVER, step: int | None = STEP) -> JobOptions:
    """A run with steps of one size, and no more epochs than are asked for."""
    return JobOptions(state=state, loop=LoopOptions(step_rows=step, epoch=epoch_us), control=False, guarded=False)


def running(keys: int, rows: int = 1 << 50, rate: float | None = None) -> ps.Pipeline:
    """Count and maximum by key."""
    source = KeySource(keys=keys, rows=rows) if rate is None else PacedSource(keys=keys, rows=rows, rate=rate)
    stream = ps.read(source, name="rows")
    built = stream.group_by("k").agg(n=ps.count(), top=col("v").max())
    return ps.Pipeline("bench", built.write(BlackholeSink()))


def wide(keys: int, rows: int) -> ps.Pipeline:
    """A count and four sums of floats by key: about 250 bytes each, so that some million keys are a gigabyte."""
    stream = ps.read(KeySource(keys=keys, rows=rows), name="rows")
    sums = {f"s{i}": (col("v") * 0.5 + i).sum() for i in range(4)}
    return ps.Pipeline("bench", stream.group_by("k").agg(n=ps.count(), **sums).write(BlackholeSink()))


def fill(parts: Assembly, keys: int) -> None:
    """Take all keys once, and store them."""
    while parts.engine.rows_in < keys:
        parts.loop.once()
    parts.loop.seal()
    parts.loop.epochs.wait()


def table_of(parts: Assembly) -> Any:
    """The table of the aggregate."""
    return next(node.executor.tables[0].keys for node in parts.engine.plan.nodes if hasattr(node.executor, "tables"))


def stored_bytes(parts: Assembly) -> tuple[int, int]:
    """Bytes of the segment and of the manifest of the newest epoch."""
    ledger = parts.loop.epochs.ledger
    return parts.loop.epochs.size, len(pack(dict(ledger.read(ledger.newest))))


def epochs(args: argparse.Namespace) -> dict[str, Any]:
    """Bytes and pauses of epochs that touch a part of the keys."""
    clock = SystemClock()
    touched = max(1, int(args.keys * args.share))
    parts = Assembly.open(running(args.keys), options(args.folder, step=min(STEP, touched)), clock)
    try:
        fill(parts, args.keys)
        table = table_of(parts)
        full = stored_bytes(parts)[0]
        pauses, cpu, sizes, manifests, slots, behind = [], [], [], [], [], []
        for _ in range(args.epochs):
            target = parts.engine.rows_in + touched
            while parts.engine.rows_in < target:
                parts.loop.once()
            slots.append(len(table.changed()))
            begun = time.thread_time()
            parts.loop.seal()
            cpu.append((time.thread_time() - begun) * 1e3)
            parts.loop.epochs.wait()
            pauses.append(parts.loop.epochs.pause_us / 1e3)
            behind.append(parts.loop.epochs.taken_us / 1e3)
            size, manifest = stored_bytes(parts)
            sizes.append(size)
            manifests.append(manifest)
    finally:
        parts.close()
    both = np.add(sizes, manifests)
    return {
        "keys": args.keys, "full": full, "slots": float(np.mean(slots)), "nbytes": table.nbytes,
        "mean_share": float(both.mean()) / full, "most_share": float(both.max()) / full,
        "segment": float(np.mean(sizes)), "manifest": float(np.max(manifests)),
        "pause": _quantiles(pauses), "pause_cpu": _quantiles(cpu), "taken": _quantiles(behind),
        "peak_mb": _peak(),
    }  # fmt: skip


def interval(args: argparse.Namespace) -> dict[str, Any]:
    """Epochs per second where one is due every 100 ms."""
    job = Job(running(args.keys, rate=args.rate), options(args.folder, 100_000, step=None))
    job.start()
    while job.status().rows_in < args.keys:
        time.sleep(0.1)
    time.sleep(2)
    parts = job._parts
    before, rows, begun, cpu = parts.loop.sealed, job.status().rows_in, time.perf_counter(), time.process_time()
    pauses = []
    while time.perf_counter() - begun < args.seconds:
        time.sleep(0.1)
        pauses.append(parts.loop.epochs.pause_us / 1e3)
    took = time.perf_counter() - begun
    found = {
        "epochs": (parts.loop.sealed - before) / took,
        "rows": (job.status().rows_in - rows) / took,
        "cpu": (time.process_time() - cpu) / took,
        "pause": _quantiles(pauses),
        "taken": parts.loop.epochs.taken_us / 1e3,
        "size": parts.loop.epochs.size,
    }
    job.stop()
    job.wait()
    return found


def store(args: argparse.Namespace) -> dict[str, Any]:
    """Make a state of so many keys, with epochs behind the first that touch a share of them."""
    clock = SystemClock()
    parts = Assembly.open(running(args.keys), options(args.folder), clock)
    try:
        fill(parts, args.keys)
        for _ in range(args.epochs):
            target = parts.engine.rows_in + int(args.keys * args.share)
            while parts.engine.rows_in < target:
                parts.loop.once()
            parts.loop.seal()
            parts.loop.epochs.wait()
        table = table_of(parts)
        used = table.used * table.stride * 8
        checksum = int(table.table[: table.used].sum(dtype=np.int64))
    finally:
        parts.close()
    return {"state": used, "nbytes": table.nbytes, "checksum": checksum}


def recover(args: argparse.Namespace) -> dict[str, Any]:
    """Start from what is stored, to the end of the first step."""
    warm = Assembly.open(running(1_000), options(args.folder / "warm"), SystemClock())
    fill(warm, 1_000)  # compiles or loads kernels: not what is measured
    warm.close()
    warm = Assembly.open(running(1_000), options(args.folder / "warm"), SystemClock())
    warm.close()
    begun, cpu = time.perf_counter(), time.process_time()
    parts = Assembly.open(running(args.keys), options(args.folder), SystemClock())
    opened, checked = time.perf_counter(), table_of(parts)
    checksum = int(checked.table[: checked.used].sum(dtype=np.int64)) if args.check else 0
    went_on = time.perf_counter()
    parts.loop.once()
    ended = time.perf_counter()
    found = {
        "seconds": opened - begun + ended - went_on,
        "cpu": time.process_time() - cpu,
        "checksum": checksum,
        "peak_mb": _peak(),
    }
    parts.close()
    return found


def memory(args: argparse.Namespace) -> dict[str, Any]:
    """State larger than the memory budget: filled, touched at random, stored, restored, touched again."""
    budget, folder = args.budget << 20, args.folder
    peaks = Peaks()
    begun = time.perf_counter()
    chosen = replace(options(folder, step=None), memory=budget, read_ahead=8 << 20)
    parts = Assembly.open(wide(args.keys, args.keys + args.touched), chosen, SystemClock())
    fill(parts, args.keys)
    filled = time.perf_counter()
    while parts.engine.rows_in < args.keys + args.touched:
        parts.loop.once()
    touched = time.perf_counter()
    parts.loop.seal()
    parts.loop.epochs.wait()
    node = next(node.executor for node in parts.engine.plan.nodes if hasattr(node.executor, "tables"))
    keys, size = node.state_size()
    total = int(table_of(parts).words[:keys, 0].sum())
    if total != args.keys + args.touched:
        raise SystemExit(f"{total} rows were counted")
    parts.close()
    del parts, node
    first = peaks.take()
    stored = time.perf_counter()
    again = Assembly.open(wide(args.keys, args.keys + args.touched), chosen, SystemClock())
    restored = time.perf_counter()
    if len(table_of(again)) != keys:
        raise SystemExit("the restored state is another one")
    again.close()
    return {
        "rows": keys,
        "state_mb": size >> 20,
        "peak_mb": first >> 20,
        "restored_peak_mb": peaks.take() >> 20,
        "filling": args.keys / (filled - begun),
        "touching": args.touched / (touched - filled),
        "restoring": restored - stored,
    }


def throughput(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a run with checkpoints and of one without, in turn."""
    import polars as pl
    from queries import PENSTOCK, TIMED

    frame = pl.read_parquet(args.data / "*.parquet", columns=["auction", "bidder", "price", "dateTime"]).rechunk()
    timed = {"event_time": "dateTime", "watermark": "2 s"} if args.query in TIMED else {}

    def once(state: Path | None, times: int) -> tuple[float, float, int]:
        bids = ps.read(RepeatSource(times=times, frame=frame), name="bids", **timed)
        pipeline = ps.Pipeline("bench", PENSTOCK[args.query](bids).write(BlackholeSink()))
        begun, cpu = time.perf_counter(), time.process_time()
        job = Job(pipeline, options(state, int(args.interval * 1e6), step=65_536))
        job.run()
        found = time.perf_counter() - begun, time.process_time() - cpu, job._parts.loop.sealed
        if state is not None:
            shutil.rmtree(state)
        return found

    once(None, 1)
    once(args.folder / "warm", 1)
    pairs = []
    for number in range(args.pairs):
        with_them = once(args.folder / str(number), args.times)
        pairs.append((with_them, once(None, args.times)))
    rows = args.times * frame.height
    return {
        "rows": rows, "epochs": pairs[0][0][2],
        "with": rows / float(np.median([one[0] for one, _ in pairs])),
        "without": rows / float(np.median([other[0] for _, other in pairs])),
        "wall": float(np.median([other[0] / one[0] for one, other in pairs])),
        "cpu": float(np.median([other[1] / one[1] for one, other in pairs])),
    }  # fmt: skip


def sinks(args: argparse.Namespace) -> dict[str, Any]:
    """Rows per second into a sink, exactly once and at least once, in turn."""

    def pipeline(number: int, exact: bool) -> ps.Pipeline:
        stream = ps.read(KeySource(keys=1_000, rows=args.rows), name="rows")
        return ps.Pipeline("bench", stream.write(_sink(args, number, exact)))

    def once(number: int, exact: bool) -> tuple[float, float]:
        folder = args.folder / f"{number}-{exact}"
        begun, cpu = time.perf_counter(), time.process_time()
        Job(pipeline(number, exact), options(folder, int(args.interval * 1e6), step=16_384)).run()
        return time.perf_counter() - begun, time.process_time() - cpu

    pairs = [(once(number, True), once(number, False)) for number in range(args.pairs + 1)][1:]
    return {
        "exactly": args.rows / float(np.median([one[0] for one, _ in pairs])),
        "at_least": args.rows / float(np.median([other[0] for _, other in pairs])),
        "wall": float(np.median([other[0] / one[0] for one, other in pairs])),
        "cpu": float(np.median([other[1] / one[1] for one, other in pairs])),
    }


def _sink(args: argparse.Namespace, number: int, exact: bool) -> Any:
    name = f"{args.sink}_{number}_{'exact' if exact else 'plain'}"
    if args.sink == "files":
        path = str(args.folder / "out" / name)
        return FileSink(path, format="json") if exact else PlainFiles(path=path)
    if args.sink == "postgres":
        if exact:
            return PostgresSink(name, url=args.address)
        import psycopg

        with psycopg.connect(args.address) as connection:
            connection.execute(f"CREATE TABLE {name} (k bigint, v bigint)")  # type: ignore[arg-type]
        return PlainPostgres(url=args.address, table=name)
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": args.address})
    for made in admin.create_topics([NewTopic(name, 4, 1)]).values():
        made.result(30)
    return KafkaSink(name, servers=args.address, guarantee="exactly_once" if exact else "at_least_once")


def _quantiles(values: list[float]) -> dict[str, float]:
    return {
        "p50": float(np.percentile(values, 50)),
        "p99": float(np.percentile(values, 99)),
        "max": float(np.max(values)),
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


CASES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    case.__name__: case for case in (epochs, interval, store, recover, memory, throughput, sinks)
}


def main() -> None:
    """Run one case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", type=int, default=512)
    parser.add_argument("--touched", type=int, default=50_000)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--query", default="running")
    parser.add_argument("--interval", type=float, default=10)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--sink", default="files")
    parser.add_argument("--address", default="")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    sys.stdout.write(json.dumps(CASES[args.case](args)) + "\n")


if __name__ == "__main__":
    main()
