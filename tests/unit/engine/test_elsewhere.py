"""Checkpoints in a bucket: a run goes on from it, on this machine or another; commands for jobs find it."""

from __future__ import annotations

import shutil

import pytest

import penstock as ps
from penstock.core.errors import StateError
from penstock.engine.job import Job
from penstock.engine.standing import all_jobs, checkpoints, folder_of, standing
from penstock.runner import Embedded, address, state_directory
from tests.unit.checkpoint.conftest import BUCKET, emulator, options_of
from tests.unit.engine.models import Table, crash, expected, job, left, pipeline

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
__all__ = ["emulator"]


@pytest.fixture
def bucket(emulator, tmp_path, monkeypatch):
    """The address of an empty prefix; the environment knows the keys."""
    for name, value in options_of(emulator).items():
        monkeypatch.setenv(f"AWS_{name.upper()}", str(value).lower() if value is True else value)
    monkeypatch.chdir(tmp_path)
    return f"s3://{BUCKET}/{tmp_path.name}"


def test_a_run_that_failed_goes_on(bucket, tmp_path):
    windows, running = Table(), Table()
    crash(pipeline(windows, running), tmp_path / ".penstock" / "modelled", 5, checkpoints=bucket)
    assert not (tmp_path / ".penstock" / "modelled" / "checkpoints").exists()
    ps.run(pipeline(windows, running), on=Embedded(step_rows=100), state=bucket, checkpoint="50 ms")
    wanted = expected()
    assert windows.bag() == wanted[0]
    assert left(running.rows) == left(wanted[1])


def test_on_another_machine_dead_letters_begin_anew(bucket, tmp_path):
    tables = Table(), Table()
    crash(pipeline(*tables), tmp_path / ".penstock" / "modelled", 5, checkpoints=bucket)
    shutil.rmtree(tmp_path / ".penstock")
    ps.run(pipeline(*tables), state=bucket)
    assert tables[0].bag() == expected()[0]


def test_commands_find_it(bucket, tmp_path):
    folder = tmp_path / ".penstock" / "modelled"
    job(pipeline(Table(), Table()), folder, stop_after=3, checkpoints=bucket).run()
    assert folder_of("modelled") == folder_of(str(folder)).relative_to(tmp_path)
    assert standing(folder).state == "interrupted"
    assert [one.pipeline for one in all_jobs()] == ["modelled"]
    assert checkpoints(folder)[-1]["kind"] == "stopped"
    ps.run(pipeline(Table(), Table()), state=tmp_path / "local")
    assert standing(tmp_path / "local").state == "finished"


def test_one_that_cannot_be_looked_at_does_not_hide_others(bucket, tmp_path, monkeypatch):
    job(pipeline(Table(), Table()), tmp_path / ".penstock" / "far", stop_after=2, checkpoints=bucket).run()
    job(pipeline(Table(), Table()), tmp_path / ".penstock" / "near", stop_after=2).run()
    (tmp_path / ".penstock" / "far" / "checkpoints.json").write_text("{}")
    found = {one.folder.name: one.state for one in all_jobs()}
    assert found["near"] == "interrupted"
    assert found["far"].startswith("unknown: ")
    assert "does not say where checkpoints are" in found["far"]


def test_the_one_that_was_taken_over_ends(bucket, tmp_path):
    tables = Table(), Table()
    first = job(pipeline(*tables), tmp_path / "a", checkpoints=bucket)
    second = Job(pipeline(*tables), first.options)
    with pytest.raises(StateError, match="another process"):
        first.run()
    second.run()
    assert tables[0].bag() == expected()[0]


def test_places():
    made = pipeline(Table())
    assert str(state_directory(made, "s3://bucket/prefix")) == ".penstock/modelled"
    assert address("s3://bucket/prefix") == "s3://bucket/prefix"
    assert address("folder") is None
    assert address(None) is None
