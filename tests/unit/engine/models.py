"""A sink of which a test decides what it does, and small pipelines to store and go on with."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

import penstock as ps
from penstock import col
from penstock.connectors.base import TRANSACTIONAL, Content, Sink, Writer
from penstock.connectors.generate import GenerateSource
from penstock.engine.job import Job
from penstock.engine.options import JobOptions, LoopOptions

FIELDS = {
    "n": "sequence",
    "k": {"kind": "int", "least": 0, "most": 9},
    "name": {"kind": "string", "least": 3, "most": 30},
    "v": {"kind": "int", "least": -1000, "most": 1000},
    "at": {"kind": "time", "step": "1 ms", "disorder": "400 ms"},
}


class Table:
    """What is in a place, and what it remembers; `fault` is called with what happens, and may raise.

    Args:
        remembers: Whether it keeps the tokens of epochs.
    """

    def __init__(self, *, remembers=True):
        self.remembers = remembers
        self.rows: list[str] = []
        self.tokens: list[Any] = []
        self.asked = 0
        self.fault = lambda what, epochs: None

    @property
    def token(self):
        return self.tokens[-1] if self.tokens else None

    def bag(self):
        return Counter(self.rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelSink(Sink):
    """Rows as texts, in a list that outlives runs."""

    connector: ClassVar[str] = "model"
    delivery: ClassVar[str] = TRANSACTIONAL
    takes_changes: ClassVar[bool] = True
    needs_key: ClassVar[bool] = False
    table: Table = field(default_factory=Table, repr=False)

    @property
    def remembers(self):  # type: ignore[override]
        return self.table.remembers

    def writer(self, request):
        return ModelWriter(self.table)

    def plan_value(self):
        return {"role": "sink", "connector": self.connector, "options": {}}


class ModelWriter(Writer):
    def __init__(self, table):
        self.table = table
        self.open: list[str] = []

    def write(self, frame, diff):
        signs = [1] * frame.height if diff is None else diff.tolist()
        self.open += [json.dumps([s, row], default=str) for s, row in zip(signs, frame.to_dicts(), strict=True)]

    def prepare(self, epoch):
        rows, self.open = self.open, []
        self.table.fault("prepare", [epoch])
        return lambda: Content({"rows": len(rows)}, json.dumps(rows).encode() if rows else b"", len(rows))

    def commit(self, epochs):
        last = self.table.token
        new = [one for one in epochs if last is None or not self.table.remembers or one.token.epoch > last.epoch]
        self.table.fault("before", new)
        for one in new:
            if self.table.remembers and self.table.token is not None:
                assert one.token.epoch == self.table.token.epoch + 1, "tokens are consecutive"
            self.table.rows += json.loads(one.payload or b"[]")
            self.table.tokens.append(one.token)
        self.table.fault("after", new)

    def last_token(self):
        self.table.asked += 1
        self.table.fault("ask", [])
        return self.table.token if self.table.remembers else None


def source(rows=3_000, splits=2, **more):
    return GenerateSource(FIELDS, rows=rows, split_count=splits, seed=5, **more)


def read(rows=3_000, splits=2, **more):
    return ps.read(source(rows, splits, **more), event_time="at", watermark="100 ms")


def windows(rows):
    return rows.group_by("k").window(ps.tumbling("200 ms")).agg(n=ps.count(), total=col("v").sum())


def running(rows):
    return rows.group_by("k").agg(n=ps.count(), total=col("v").sum(), middle=col("v").median())


def pipeline(*tables, rows=3_000, **more):
    """Windows into the first table, running aggregates into the second."""
    taken = read(rows, **more)
    made = [windows(taken), running(taken).changelog()]
    written = [
        one.write(ModelSink(table=t), name=n) for one, t, n in zip(made, tables, ("windows", "running"), strict=False)
    ]
    return ps.Pipeline("modelled", *written)


def options(folder, *, step=100, epoch=1, **more):
    return JobOptions(loop=LoopOptions(step_rows=step, epoch=epoch), state=folder, control=False, **more)


def job(made, folder, *, stop_after=None, waits=True, **more):
    """A job whose epochs are stored one by one, and that is stopped after a number of them."""
    found = Job(made, options(folder, **more))
    if stop_after is not None or waits:
        seal = found._parts.loop.seal

        def sealed():
            seal()
            if waits:
                found._parts.epochs.wait()
            if stop_after is not None and found._parts.loop.sealed >= stop_after:
                found.stop()

        found._parts.loop.seal = sealed
    return found


class Crash(Exception):
    """The process ends here, as far as a test goes."""


def crash(made, folder, after, *, publishes=True, **more):
    """Run until a number of epochs is stored, and end without another word.

    Args:
        made: What runs.
        folder: Its state directory.
        after: How many epochs.
        publishes: Whether the last of them is published too.
        more: Further options.
    """
    found = Job(made, options(folder, **more))
    parts = found._parts
    seal = parts.loop.seal

    def sealed():
        last = parts.loop.sealed + 1 >= after
        if last and not publishes:
            for publisher in parts.epochs.publishers:
                wait_for(lambda publisher=publisher: not publisher.waiting)
                publisher.put = lambda _: None
        seal()
        parts.epochs.wait()
        if last:
            raise Crash

    parts.loop.seal = sealed
    with pytest.raises(ps.JobError) as failure:
        found.run()
    assert isinstance(failure.value.__cause__, Crash), failure.value
    return found


def wait_for(met, seconds=20):
    """Wait until something holds."""
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until, "it has not come"
        time.sleep(0.005)


def expected(*, rows=3_000, outputs=2, **more):
    """What a run writes that nobody ends, by output."""
    tables = [Table() for _ in range(outputs)]
    Job(pipeline(*tables, rows=rows, **more), JobOptions(loop=LoopOptions(step_rows=100))).run()
    return [table.bag() for table in tables]


def left(rows):
    """The rows that are left of a changelog, as a bag; every one that goes must have come."""
    found: Counter[str] = Counter()
    for text in rows.elements() if isinstance(rows, Counter) else rows:
        row = json.loads(text)[1]
        sign = 1 if row.pop("op") in ("+I", "+U") else -1
        found[json.dumps(row)] += sign
    assert set(found.values()) <= {0, 1}
    return +found
