"""A replay gives every delta of every edge again, as it was in the run."""

from __future__ import annotations

import contextlib
from collections import defaultdict

import pytest

import penstock as ps
from penstock import col
from penstock.checkpoint.ledger import Ledger
from penstock.checkpoint.store import open_store
from penstock.connectors.blackhole import BlackholeSink
from penstock.connectors.generate import GenerateSource
from penstock.core.errors import StateError
from penstock.engine.job import Job, _savepoint
from penstock.engine.options import JobOptions, LoopOptions
from penstock.engine.replay import Replay, Told
from penstock.optimize import optimize

FIELDS = {
    "n": "sequence",
    "k": {"kind": "int", "least": 0, "most": 9},
    "at": {"kind": "time", "step": "1 ms", "disorder": "2 s"},
}


def pipeline():
    read = ps.read(GenerateSource(FIELDS, rows=3_000, split_count=3), event_time="at", watermark="300 ms")
    windows = read.group_by("k").window(ps.tumbling("200 ms")).agg(n=ps.count(), last=col("n").last())
    totals = read.group_by("k").agg(n=ps.count(), total=col("n").sum())
    return ps.Pipeline(
        "replayed", windows.write(BlackholeSink("windows")), totals.changelog().write(BlackholeSink("totals"))
    )


class Tap:
    def __init__(self):
        self.step = 0
        self.seen = defaultdict(list)

    def __call__(self, made, port, delta):
        self.seen[made.identity, port].append((self.step, delta.frame().rows(), delta.diff))


@pytest.fixture
def run(tmp_path):
    """A run with an epoch every few steps: all deltas of its steps, and what is stored."""
    plan, tap = pipeline(), Tap()
    job = Job(plan, JobOptions(loop=LoopOptions(step_rows=150, epoch=1), state=tmp_path))
    loop, step = job._parts.loop, job._parts.engine.step

    def counted(*args):
        tap.step = job._parts.engine.steps
        step(*args)
        if tap.step % 4 == 3:
            loop.epochs.wait()

    job._parts.engine.tap = tap
    job._parts.engine.step = counted
    job.run()
    store = open_store(tmp_path)
    yield plan.with_outputs(optimize(plan.outputs)), Ledger(store, plan.name), tap.seen
    store.close()


def test_every_delta_comes_again(run):
    plan, ledger, seen = run
    tap = Tap()
    # Not the oldest: how many are kept depends on how quickly they were published.
    kept = [ledger.read(number) for number in ledger.store.manifests()]
    begin = next(one["number"] for one in kept if one["engine"] and one["engine"]["steps"] > 0)
    replay = Replay(plan, ledger, begin, watch=tap)
    first = tap.step = replay.engine.steps
    assert first > 0
    for step in replay.steps():
        assert step.number == tap.step
        tap.step += 1
    assert tap.step > first
    wanted = {edge: [one for one in deltas if first <= one[0] < tap.step] for edge, deltas in seen.items()}
    assert all(wanted[edge] for edge in (("windows/read-1", "out"), ("totals/group-1", "out")))
    for edge, deltas in wanted.items():
        for was, again in zip(deltas, tap.seen[edge], strict=True):
            assert was[:2] == again[:2], edge
            assert (was[2] is None) == (again[2] is None)
            assert was[2] is None or was[2].equals(again[2])
    replay.close()


def test_what_is_not_kept_cannot_be_run_again(run):
    plan, ledger, _ = run
    with pytest.raises(StateError, match="not kept any more"):
        Replay(plan, ledger, 10_000)


def test_what_the_run_was_told_is_told_of(tmp_path):
    plan = pipeline()
    job = Job(plan, JobOptions(loop=LoopOptions(step_rows=150), state=tmp_path, control=False))
    loop, once = job._parts.loop, job._parts.loop.once

    def then_told():
        rows = once()
        if job._parts.engine.steps == 3:
            loop.ask(lambda: _savepoint(job._parts, "before"))
        if job._parts.engine.steps == 5:
            job.stop()
        return rows

    loop.once = then_told
    job.run()
    with contextlib.closing(open_store(tmp_path)) as store:
        replay = Replay(plan.with_outputs(optimize(plan.outputs)), Ledger(store, plan.name))
        found = [e.command[1:] if isinstance(e, Told) else e.number for e in replay.entries()]
        replay.close()
    assert found == [0, 1, 2, ("savepoint", "before"), 3, 4, ("stop", None)]
