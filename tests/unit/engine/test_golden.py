"""Each golden checkpoint can be gone on from, and ends with what it was to end with."""

from __future__ import annotations

import json
import shutil

import pytest

from penstock.engine.job import Job
from tests.unit.engine.golden import GOLDEN, options, pipeline, read_all

RELEASES = sorted(path.name for path in GOLDEN.iterdir())


def test_there_is_one():
    assert "1" in RELEASES


@pytest.mark.parametrize("release", RELEASES)
def test_a_run_goes_on_from_it(release, tmp_path):
    folder = tmp_path / "golden"
    shutil.copytree(GOLDEN / release, folder)
    before = read_all(folder)
    job = Job(pipeline(folder), options(folder))
    assert job._parts.begun_with.manifest is not None
    assert {change.verdict for change in job._parts.changes} == {"kept"}
    job.run()
    expected = json.loads((folder / "expected.json").read_text())
    found = read_all(folder)
    assert before != found
    assert found == expected
    assert all(found.values()), "it has rows of all kinds"


@pytest.mark.parametrize("release", RELEASES)
def test_it_is_small(release):
    assert sum(path.stat().st_size for path in (GOLDEN / release).rglob("*") if path.is_file()) < 100_000
