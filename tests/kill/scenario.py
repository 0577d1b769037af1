"""The pipeline that is killed: windows, a running aggregate and a late stream, into a kind of sink.

    python -m tests.kill.scenario files FOLDER --rows 40000 --rate 20000

Run again, it goes on where it was ended; once it has come to its end, it does nothing. Values are whole numbers
and sums of quarters, so that results are equal, not nearly equal.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import penstock as ps
from penstock import col
from penstock.checkpoint.ledger import CLOSED
from penstock.connectors.files import FileSink
from penstock.connectors.generate import GenerateSource
from penstock.connectors.kafka import KafkaSink, KafkaSource
from penstock.connectors.postgres import PostgresSink

OUTPUTS = ("windows", "running", "late")
FIELDS = {
    "n": "sequence",
    "k": {"kind": "int", "least": 0, "most": 40},
    "name": {"kind": "string", "least": 3, "most": 30},
    "v": {"kind": "int", "least": -1000, "most": 1000},
    "at": {"kind": "time", "step": "1 ms", "disorder": "4 s"},
}
SCHEMA = {"n": ps.Int64, "k": ps.Int64, "name": ps.String, "v": ps.Int64, "us": ps.Int64}


def source(rows, rate=None):
    """Rows in two splits, a part of which is late by a watermark of half a second."""
    return GenerateSource(FIELDS, rows=rows, rate=rate, split_count=2, seed=7)


def streams(read):
    """What is written: windows, running totals, late rows."""
    keyed = read.with_columns(q=col("v") / 4, word=col("name").str.slice(0, 2))
    windows = (
        keyed.group_by("k")
        .window(ps.hopping("2 s", every="500 ms"))
        .agg(n=ps.count(), total=col("v").sum(), mean=col("q").mean(), words=col("word").n_unique(), top=col("v").max())
    )
    running = keyed.group_by("word").agg(n=ps.count(), total=col("v").sum(), low=col("q").min())
    return windows, running, windows.late().select("n", "k", "v")


def generated(given):
    """The rows of the generator, with their watermark."""
    return ps.read(source(given.rows, given.rate), event_time="at", watermark="500 ms")


def files_pipeline(given):
    """All into directories of files."""
    windows, running, late = streams(generated(given))
    return ps.Pipeline(
        "killed",
        windows.write(FileSink(given.folder / "windows", format="json")),
        running.changelog().write(FileSink(given.folder / "running", format="json")),
        late.write(FileSink(given.folder / "late", format="json")),
    )


def postgres_pipeline(given):
    """All into tables, one of them by key."""
    found = dict(zip(OUTPUTS, streams(generated(given)), strict=True))
    return ps.Pipeline("killed", *(one.write(PostgresSink(name, url=given.address)) for name, one in found.items()))


def kafka_pipeline(given):
    """From a topic to topics, one of them by key."""
    taken = KafkaSource(f"{given.prefix}input", servers=given.address, stop="latest")
    read = ps.read(taken, schema=SCHEMA, event_time=ps.from_epoch("us", "us"), watermark="500 ms")
    found = dict(zip(OUTPUTS, streams(read), strict=True))

    def sink(name):
        return KafkaSink(given.prefix + name, servers=given.address, token_topic=f"{given.prefix}{name}-tokens")

    return ps.Pipeline("killed", *(one.write(sink(name)) for name, one in found.items()))


PIPELINES = {"files": files_pipeline, "postgres": postgres_pipeline, "kafka": kafka_pipeline}


def has_finished(folder):
    """Whether a run has come to its end: the next one would start anew."""
    manifests = sorted((folder / "state" / "checkpoints").glob("manifest-*.json"))
    return bool(manifests) and json.loads(manifests[-1].read_text().splitlines()[0])["kind"] == CLOSED


def main():
    """Run it, unless it has finished."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=PIPELINES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--rate", type=float, default=None)
    parser.add_argument("--checkpoint", default="20 ms")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--step", type=int, default=500)
    parser.add_argument("--address", default="")
    parser.add_argument("--prefix", default="")
    given = parser.parse_args()
    if has_finished(given.folder):
        return
    engine = ps.Embedded(shards=given.shards, step_rows=given.step)
    ps.run(PIPELINES[given.kind](given), on=engine, state=given.folder / "state", checkpoint=given.checkpoint)


if __name__ == "__main__":
    main()
