"""The pipeline of the golden checkpoints. It is never changed: state of former releases is of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import penstock as ps
from penstock import col
from penstock.connectors.files import FileSink
from penstock.connectors.generate import GenerateSource
from penstock.core.errors import JobError
from penstock.engine.job import Job
from penstock.engine.options import JobOptions, LoopOptions

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden"
AFTER = 6

FIELDS = {
    "n": "sequence",
    "k": {"kind": "int", "least": 0, "most": 5},
    "name": {"kind": "string", "least": 2, "most": 22},
    "v": {"kind": "int", "least": -1000, "most": 1000},
    "at": {"kind": "time", "step": "1 ms", "disorder": "200 ms"},
}

Stopped = JobError


def pipeline(folder):
    """Windows of several kinds, running aggregates, value stores, keys that are texts or null, late and bad rows."""
    source = GenerateSource(FIELDS, rows=110, split_count=3, seed=11)
    rows = ps.read(source, event_time="at", watermark="60 ms").state("rows")
    rows = rows.with_columns(
        key=ps.when(col("k") > 0).then(col("name").str.slice(0, 14)),
        group=ps.when(col("k") > 1).then(col("k")),
        bad=ps.when(col("n") % 50 == 7).then(col("name")).cast(ps.Int8),
    )
    late = rows.group_by("group").window(ps.tumbling("100 ms")).agg(n=ps.count(), middle=col("v").median())
    hopping = (
        rows.group_by("k").window(ps.hopping("200 ms", every="100 ms")).agg(total=col("v").sum(), top=col("v").max())
    )
    running = rows.group_by("key").agg(n=ps.count(), mean=col("v").mean(), middle=col("v").median(), low=col("v").min())

    def out(stream, name):
        return stream.write(FileSink(folder / name, format="json"), name=name)

    return ps.Pipeline(
        "golden", out(late.state("tumbling"), "tumbling"), out(hopping.state("hopping"), "hopping"),
        out(running.state("running").changelog(), "running"),
    )  # fmt: skip


def options(folder):
    return JobOptions(shards=2, loop=LoopOptions(step_rows=11, epoch=1), state=folder / "state", control=False)


def ended_early(folder):
    """A run that ends like a process that is killed: some epochs are published, and the last one is not."""
    job = Job(pipeline(folder), options(folder))
    seal = job._parts.loop.seal

    def sealed():
        last = job._parts.loop.sealed + 1 >= AFTER
        if last:
            for publisher in job._parts.epochs.publishers:
                publisher.put = lambda _: None
        seal()
        job._parts.epochs.wait()
        if last:
            raise JobError("ended")

    job._parts.loop.seal = sealed
    return job


def lines(folder):
    return [json.loads(line) for path in sorted(folder.glob("part-*.json")) for line in path.read_text().splitlines()]


def read_all(folder):
    """What readers find: rows as sorted texts; of the changelog, those that are left."""
    found = {}
    for name in ("tumbling", "hopping"):
        found[name] = sorted(json.dumps(row, sort_keys=True) for row in lines(folder / name))
    for name in ("late", "errors"):
        found[name] = sorted(f"{row['verb']} {row['split']} {row['offset']}" for row in lines(folder / "state" / name))
    left = Counter()
    for row in lines(folder / "running"):
        sign = 1 if row.pop("op") in ("+I", "+U") else -1
        left[json.dumps(row, sort_keys=True)] += sign
    found["running"] = sorted(left.elements())
    return found
