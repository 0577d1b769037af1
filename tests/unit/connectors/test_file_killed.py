"""A file sink is killed at every step it takes: each epoch comes out once, and readers never see a part of one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from penstock.connectors import _file_log
from penstock.connectors.files import FileSource
from penstock.core import failpoint
from penstock.testing.conform import sealed
from tests.unit.connectors.samples import rows_of, shown, staged, wanted
from tests.unit.connectors.sink_trials import EPOCHS, FORMER, MODES, SCHEMA, Counting, Trial, request

ROOT = Path(__file__).parents[3]


def read(trial, **options):
    """The rows of a directory; of one that is not there or empty, none."""
    if not trial.out.exists() or not (shown(trial.out) or (trial.out / "_penstock").exists()):
        return []
    source = FileSource(trial.out, format="json", watch="1 s", **options)
    rows, bad = rows_of(source, wanted(SCHEMA))
    assert bad == []
    return [row for _, row in rows]


def as_sorted(frames):
    """The rows of epochs, each in the order in which its files are read: by directory, as they came."""
    return [row for frame in frames for row in frame.rows()]


def check_readers(trial):
    """By manifests: whole epochs, of one run unless it appends. Without: whole files."""
    found = sorted(read(trial))
    former = [sorted(as_sorted([FORMER[:upto]])) for upto in range(3)]
    new = [sorted(as_sorted(EPOCHS[:upto])) for upto in range(len(EPOCHS) + 1)]
    if trial.layout == "kept":
        new = [sorted(as_sorted(EPOCHS[a:b])) for b in range(len(EPOCHS) + 1) for a in range(b + 1)]
        former = [sorted(as_sorted([FORMER[a:b]])) for b in range(3) for a in range(b + 1)]
    if trial.mode == "append":
        whole = [sorted([*old, *one]) for old in former for one in new]
    else:
        whole = [*new, *(former if trial.mode == "overwrite" else [])]
    assert found in whole
    for row in read(trial, manifests=False, hive=trial.layout == "partitioned"):
        assert row in as_sorted([*EPOCHS, FORMER])


def check_end(trial):
    """All epochs are there once, nothing is left over, and the manifests name all there is."""
    found, plain = read(trial), read(trial, manifests=False, hive=trial.layout == "partitioned")
    kept = as_sorted([FORMER]) if trial.mode == "append" else []
    if trial.layout == "kept":
        assert found == as_sorted(EPOCHS[-1:])
    else:
        assert sorted(found) == sorted([*kept, *as_sorted(EPOCHS)])
        assert [n for _, n in found] == [n for _, n in [*kept, *as_sorted(EPOCHS)]]
    assert sorted(plain) == sorted(found)
    # A run that resumes takes over with an epoch of its own; once that is out, nothing of former runs is needed.
    writer = trial.sink(trial.mode).writer(request("pipeline", fresh=False))
    writer.commit([sealed(writer, 10**6)])
    assert staged(trial.out) == []
    numbers = [name for name in os.listdir(trial.out / "_penstock") if name.startswith("epoch")]
    assert len(numbers) <= _file_log.GATHERED + 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(_file_log, "GATHERED", 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "layout"),
    [*((mode, "plain") for mode in MODES), ("append", "partitioned"), ("overwrite", "partitioned"), ("append", "kept")],
)
def test_killed_by_the_system_at_any_step_each_epoch_comes_out_once(tmp_path, mode, layout):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "POLARS_MAX_THREADS": "1"}
    command = [sys.executable, "-m", "tests.unit.connectors.sink_trials", str(tmp_path), mode, layout]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=250)
    names = json.loads((tmp_path / "names.json").read_text())
    assert {"sink.before_fence", "sink.before_seal", "sink.before_publish", "sink.published"} <= set(names)
    assert {"sink.before_manifest", "sink.manifest_made", "sink.before_gather", "sink.gathered"} <= set(names)
    assert len(names) > 100
    for steps in range(len(names) + 1):
        trial = Trial(tmp_path / f"{steps:04}", mode, layout)
        check_readers(trial)
        trial.run(resumed=True)
        check_end(trial)


class Killed(BaseException):
    """The process ends here: nothing is tidied up."""


def killed():
    raise Killed


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_killed_again_and_again_while_it_resumes_each_epoch_comes_out_once(tmp_path, monkeypatch, mode):
    trial = Trial(tmp_path, mode, "partitioned")
    trial.former()
    for steps in [*range(3, 90, 4), 10**9]:
        with monkeypatch.context() as patch:
            patch.setattr(failpoint, "ACTIONS", Counting(steps, killed))
            with contextlib.suppress(Killed):
                trial.run(resumed=True)
        check_readers(trial)
    check_end(trial)


def test_names_go_up_over_all_that_was_killed(tmp_path, monkeypatch):
    trial = Trial(tmp_path, "append", "plain")
    trial.former()
    for steps in (30, 60, 10**9):
        with monkeypatch.context() as patch:
            patch.setattr(failpoint, "ACTIONS", Counting(steps, killed))
            with contextlib.suppress(Killed):
                trial.run(resumed=True)
    numbers = [int(name.split("-")[1]) for name in shown(trial.out)]
    assert all(one < other for one, other in pairwise(numbers))
