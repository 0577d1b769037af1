"""A run goes on with the plan of its checkpoint, until the program changes or somebody asks for a new one."""

from __future__ import annotations

import json

import pytest

import penstock as ps
from penstock import col, optimize
from penstock.connectors.files import FileSink
from penstock.connectors.generate import GenerateSource
from penstock.core.errors import StateError
from penstock.engine.job import Job
from penstock.engine.options import JobOptions, LoopOptions
from penstock.engine.planning import as_stored, planned
from penstock.plan.serde import nodes_to_json

FIELDS = {
    "n": "sequence",
    "v": {"kind": "int", "least": -9, "most": 99},
    "at": {"kind": "time", "step": "10 ms", "disorder": "0 s"},
}


def pipeline(folder, least=0):
    rows = ps.read(GenerateSource(FIELDS, rows=3_000, seed=3), event_time="at", watermark="5 s", name="rows")
    kept = rows.filter(col("n") >= least).sort("at").select("n")  # sorting need not keep "v"
    return ps.Pipeline("kept", kept.write(FileSink(str(folder / "out"), format="json"), name="out"))


def job_of(folder, least=0, **more):
    loop = LoopOptions(step_rows=1_000)
    return Job(pipeline(folder, least), JobOptions(state=folder / "state", control=False, loop=loop, **more))


@pytest.fixture
def stopped(tmp_path):
    """A run that was stopped after its first step."""
    job = job_of(tmp_path)
    once = job._parts.loop.once

    def then_stop():
        rows = once()
        job.stop()
        return rows

    job._parts.loop.once = then_stop
    job.run()
    assert job.status().state == "stopped"
    return tmp_path


@pytest.fixture
def other_version(stopped, monkeypatch):
    """The same, under a version whose optimiser prunes nothing."""
    monkeypatch.setattr(optimize, "RULES", ())
    return stopped


def written(folder):
    files = sorted((folder / "out").glob("*.json"))
    return [json.loads(line)["n"] for file in files for line in file.read_text().splitlines()]


def test_the_stored_plan_goes_on_under_another_optimiser(other_version):
    job = job_of(other_version)
    assert any("going on with the plan that is stored" in note for note in job.notes)
    job.run()
    assert written(other_version) == list(range(3_000))


def test_a_new_plan_is_made_if_somebody_asks_for_it(other_version):
    with pytest.raises(StateError, match="stored state would be lost"):
        job_of(other_version, replan=True)


def test_a_program_that_has_changed_is_planned_anew(other_version):
    with pytest.raises(StateError, match="stored state would be lost"):
        job_of(other_version, least=1)


def test_the_same_version_says_nothing_of_plans(stopped):
    job = job_of(stopped)
    assert not any("plan" in note for note in job.notes)
    job.run()
    assert written(stopped) == list(range(3_000))


def test_a_stored_plan_that_cannot_be_used_is_told_of(tmp_path):
    mine = planned(pipeline(tmp_path))
    stored = {"logical": mine.logical, "plan": {"format": 99, "nodes": [], "outputs": []}}
    found = as_stored(mine, stored)
    assert found.pipeline is mine.pipeline
    assert found.note.startswith("planned anew, since the stored plan cannot be used: a stored plan of format 99")


def test_checkpoints_of_versions_that_did_not_say_are_planned_anew(tmp_path):
    mine = planned(pipeline(tmp_path))
    assert as_stored(mine, {"plan": {}}) is mine


def test_data_of_the_program_that_have_no_names_are_not_taken_for_one_another(tmp_path):
    one, other = (ps.read([{"n": n, "v": 0}], schema={"n": ps.Int64, "v": ps.Int64}).select("n") for n in (1, 2))
    pipeline = ps.Pipeline("both", one.union(other).write(FileSink(str(tmp_path / "out"), format="json"), name="out"))
    mine, as_written = planned(pipeline), planned(pipeline, optimized=False)
    stored = {"logical": mine.logical, "plan": nodes_to_json(as_written.pipeline.outputs)}
    found = as_stored(mine, stored)
    assert found.pipeline is mine.pipeline
    assert "two sources hold data of the program under one name" in found.note
