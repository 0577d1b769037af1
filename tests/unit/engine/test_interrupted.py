"""Ctrl-C in the thread of a run: Polars raises it in whichever thread a query is in."""

from __future__ import annotations

import json

import pytest

import penstock as ps
from penstock.connectors.files import FileSink
from penstock.connectors.generate import GenerateSource
from penstock.engine.job import Job
from penstock.engine.options import JobOptions, LoopOptions


def job_of(folder, state):
    rows = ps.read(GenerateSource({"n": "sequence"}, rows=3_000), name="rows")
    pipeline = ps.Pipeline("copy", rows.write(FileSink(str(folder / "out"), format="json"), name="copy"))
    return Job(pipeline, JobOptions(state=state, control=False, loop=LoopOptions(step_rows=1_000)))


def interrupt_once(job):
    engine, step = job._parts.engine, job._parts.engine.step
    steps = []

    def interrupted(*given):
        steps.append(1)
        if len(steps) == 2:
            raise KeyboardInterrupt
        step(*given)

    engine.step = interrupted


def test_a_step_that_was_interrupted_runs_again(tmp_path):
    job = job_of(tmp_path, tmp_path / "state")
    interrupt_once(job)
    assert job.start().wait(60_000_000)
    assert job.status().state == "finished"
    assert "a step was interrupted; going on from the last checkpoint" in job.notes
    written = [
        json.loads(line)["n"] for f in sorted((tmp_path / "out").glob("*.json")) for line in f.read_text().splitlines()
    ]
    assert written == list(range(3_000))


def test_in_the_main_thread_it_is_for_whoever_called(tmp_path):
    job = job_of(tmp_path, tmp_path / "state")
    interrupt_once(job)
    with pytest.raises(KeyboardInterrupt):
        job.run()
