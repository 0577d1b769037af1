"""A full or broken disk at every durable step: a clear error, nothing torn, and the next run ends as if nothing was."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from penstock.checkpoint.block import read_block
from penstock.checkpoint.ledger import Ledger
from penstock.checkpoint.store import open_store
from penstock.core import failpoint
from penstock.core.errors import PenstockError
from penstock.engine.job import Job
from tests.unit.engine.models import options
from tests.unit.engine.test_damage import found, pipeline

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(autouse=True)
def no_actions(monkeypatch):
    monkeypatch.setattr(failpoint, "ACTIONS", {})


def run(folder):
    """Run with epochs that are stored one by one, so that each run passes the points equally often."""
    job = Job(pipeline(folder), options(folder / "state", step=250))
    seal = job._parts.loop.seal

    def sealed():
        seal()
        job._parts.epochs.wait()

    job._parts.loop.seal = sealed
    job.run()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run writes that nothing happens to, and the points that it passes."""
    folder = tmp_path_factory.mktemp("whole")
    seen = failpoint.Seen()
    before, failpoint.ACTIONS = failpoint.ACTIONS, seen
    try:
        run(folder)
    finally:
        failpoint.ACTIONS = before
    return found(folder), dict(seen.counts)


def failing(point, turn, number):
    """Let one pass of a point fail."""
    passed = [0]

    def act():
        passed[0] += 1
        if passed[0] == turn:
            raise OSError(number, os.strerror(number))

    return {point: act}


def ended_with(folder):
    """What a run says that fails; None if it does not."""
    try:
        run(folder)
    except PenstockError as failure:
        return str(failure)
    return None


def verify(folder):
    """All manifests that verify name blocks that do."""
    if not (folder / "state" / "checkpoints").exists():
        return
    store = open_store(folder / "state")
    try:
        ledger = Ledger(store, "damaged")
        for number in store.manifests():
            for reference in references(ledger.read(number)):
                read_block(store, reference)
    finally:
        store.close()


def references(value):
    if isinstance(value, dict):
        if "segment" in value:
            yield value
        for below in value.values():
            yield from references(below)
    elif isinstance(value, list):
        for below in value:
            yield from references(below)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
def test_at_every_point(whole, tmp_path, monkeypatch, number):
    expected, points = whole
    assert len(points) > 30
    failed = 0
    for point, count in sorted(points.items()):
        for turn in sorted({1, (count + 1) // 2, count}):
            folder = tmp_path / "trial"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            monkeypatch.setattr(failpoint, "ACTIONS", failing(point, turn, number))
            why = ended_with(folder)
            failed += why is not None
            assert why is None or os.strerror(number) in why, f"{point}@{turn}: {why}"
            monkeypatch.setattr(failpoint, "ACTIONS", {})
            verify(folder)
            if not finished(folder):
                run(folder)
            for bag, wanted in zip(found(folder), expected, strict=True):
                assert bag == wanted, f"{point}@{turn}: {wanted - bag} are lost, {bag - wanted} are too many"
    assert failed > len(points)


def finished(folder):
    """Whether the run came to its end, whatever failed then: another one would start anew."""
    if not (folder / "state" / "checkpoints").exists():
        return False
    store = open_store(folder / "state")
    try:
        numbers = store.manifests()
        return bool(numbers) and Ledger(store, "damaged").read(numbers[-1])["kind"] == "closed"
    finally:
        store.close()
