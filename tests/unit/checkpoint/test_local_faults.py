"""A directory of checkpoints whose steps fail, or are the last: no manifest lies, and nothing is left over."""

from __future__ import annotations

import errno
import json
import os
import sys

import pytest

from penstock.checkpoint import collect as collecting
from penstock.checkpoint import local
from penstock.checkpoint.collect import collect
from penstock.checkpoint.store import open_store
from penstock.core import failpoint, files
from penstock.core.errors import StateError
from tests.unit.checkpoint import epochs
from tests.unit.checkpoint.processes import child, names, staged

# -- failures ------------------------------------------------------------------

SEAMS = (
    "files.create",
    "files.write",
    "files.sync",
    "files.sync_directory",
    "files.link",
    "files.linked",
    "files.remove",
    "files.entries",
    "files.read_at",
)
POINTS = [*local.POINTS, *collecting.POINTS, *SEAMS]


def work(store):
    """Pass every point: epochs that share segments, a savepoint that comes and goes, and collecting."""
    done = store.manifests()[-1:] or [0]
    for number in range(done[0] + 1, 6):
        kept = epochs.blocks(store, number - 1)[:1] if number > 1 else ()
        epochs.write(store, number, files.unique_name(), kept)
        store.create_savepoint(f"s{number}", number)
        if number > 2:
            store.remove_savepoint(f"s{number - 1}")
        collect(store, 2, epochs.named, number)


def test_work_passes_every_point(tmp_path, monkeypatch):
    passed = set()
    store = open_store(tmp_path)
    for module in (local, collecting, files):
        monkeypatch.setattr(module, "hit", passed.add)
    work(store)
    assert set(POINTS) <= passed
    assert not {name for name in passed if name.startswith("checkpoint.")} - set(POINTS), "name it in POINTS"


@pytest.mark.parametrize("kind", ["enospc", "eio"])
@pytest.mark.parametrize("point", POINTS)
def test_no_manifest_lies_when_a_step_fails(tmp_path, monkeypatch, point, kind):
    store = open_store(tmp_path)
    reason = os.strerror(errno.ENOSPC if kind == "enospc" else errno.EIO)
    with monkeypatch.context() as patch:
        patch.setitem(failpoint.ACTIONS, point, failpoint.KINDS[kind])
        expected = OSError if point in collecting.POINTS else StateError
        with pytest.raises(expected, match=reason) as failure:
            work(store)
        assert expected is OSError or str(tmp_path) in str(failure.value)
    again = open_store(tmp_path)
    epochs.verify_all(again)
    again.lock()
    work(again)
    assert epochs.verify_all(again)[-1] == 5
    assert not staged(tmp_path)
    again.close()


def faults(tmp_path, monkeypatch, action):
    """Work in a new directory each time, with `action` at its first, second, third ... step."""
    step, done = 0, False
    while not done:
        folder = tmp_path / str(step)
        store = open_store(folder)
        left = [step]

        def hit(name, left=left):
            left[0] -= 1
            if left[0] < 0:
                action(left[0])

        with monkeypatch.context() as patch:
            for module in (local, collecting, files):
                patch.setattr(module, "hit", hit)
            try:
                work(store)
                done = left[0] >= 0
            except (StateError, OSError, Killed):
                done = False
        store = open_store(folder)
        epochs.verify_all(store)
        yield store
        step += 1


class Killed(BaseException):
    """The process ends here."""


def kill(_):
    raise Killed


def fill(_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fail_once(left):
    if left == -1:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.slow
@pytest.mark.parametrize("action", [kill, fill, fail_once])
def test_any_step_may_be_the_last(tmp_path, monkeypatch, action):
    count = 0
    for store in faults(tmp_path, monkeypatch, action):
        store.lock()
        work(store)
        epochs.write(store, 6, files.unique_name())
        collect(store, 1, epochs.named, 6)
        assert epochs.verify_all(store) == [6]
        kept = epochs.named({"blocks": epochs.blocks(store, 6)})
        for name in store.savepoints():
            store.remove_savepoint(name)
        collect(store, 1, epochs.named, 6)
        assert set(store.segments()) == kept, "nothing is left over"
        assert not staged(store.place)
        store.close()
        count += 1
    assert count > 100


def test_a_segment_that_cannot_be_synced_is_gone_and_its_name_free(tmp_path, monkeypatch):
    store = open_store(tmp_path)
    for step in ("files.write", "files.sync", "files.sync_directory", "checkpoint.segment.named"):
        with monkeypatch.context() as patch:
            patch.setitem(failpoint.ACTIONS, step, failpoint.KINDS["eio"])
            with pytest.raises(StateError, match='cannot take the segment "1-a": Input/output error'):
                store.write_segment("1-a", [b"x"])
        assert store.segments() == []


def test_a_failure_of_the_caller_leaves_nothing(tmp_path):
    def parts():
        yield b"x"
        raise ZeroDivisionError

    store = open_store(tmp_path)
    with pytest.raises(ZeroDivisionError):
        store.write_segment("1-a", parts())
    assert store.segments() == []


def test_a_sync_that_failed_is_not_tried_again(tmp_path, monkeypatch):
    store = open_store(tmp_path)
    calls = []

    def fail():
        calls.append(1)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setitem(failpoint.ACTIONS, "files.sync", fail)
    with pytest.raises(StateError):
        store.write_segment("1-a", [b"x"])
    assert len(calls) == 1
    with pytest.raises(StateError):
        store.create_manifest(1, b"x")
    assert len(calls) == 2
    assert (store.manifests(), staged(tmp_path)) == ([], [])


def test_a_link_whose_answer_was_lost_is_ours(tmp_path, monkeypatch):
    def link(existing, name):
        os.link(existing, name)
        raise FileExistsError(errno.EEXIST, "File exists")

    store = open_store(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "link", link)
        assert store.create_manifest(1, b"mine")
    assert not store.create_manifest(1, b"mine")
    assert staged(tmp_path) == []


def test_names_are_durable_before_they_count(tmp_path, monkeypatch):
    trace = []
    store = open_store(tmp_path)
    monkeypatch.setattr(files, "hit", trace.append)
    store.write_segment("1-a", [b"x"])
    assert trace == ["files.create", "files.write", "files.sync", "files.sync_directory"]
    trace.clear()
    store.create_manifest(1, b"x")
    assert trace == [
        *("files.create", "files.write", "files.sync"),
        *("files.link", "files.linked", "files.sync_directory", "files.remove"),
    ]
    trace.clear()
    store.remove_manifest(1)
    assert trace == ["files.remove", "files.sync_directory"]


def test_damage_of_a_segment_is_detected_at_every_bit(tmp_path):
    store = open_store(tmp_path)
    epochs.write(store, 1)
    path, value = tmp_path / "checkpoints" / "segments" / "1-a", {"blocks": epochs.blocks(store, 1)}
    whole = path.read_bytes()
    for position in range(4, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(StateError, match="is damaged"):
            epochs.verify(store, value)
        path.write_bytes(whole[:position])
        with pytest.raises(StateError, match="is cut short"):
            epochs.verify(store, value)
        path.write_bytes(whole[:position].ljust(len(whole), b"\0"))
        with pytest.raises(StateError, match="is damaged"):
            epochs.verify(store, value)
    path.write_bytes(whole)
    epochs.verify(store, value)
    path.unlink()
    with pytest.raises(StateError, match="is missing"):
        epochs.verify(store, value)


# -- other processes -----------------------------------------------------------

WORK = "import tests.unit.checkpoint.test_local_faults as t\nt.work(store)\n"


@pytest.mark.slow
@pytest.mark.parametrize("point", [*local.POINTS, *collecting.POINTS])
def test_killed_at_any_point_every_manifest_verifies(tmp_path, point):
    with child(WORK, tmp_path, points=f"{point}=kill") as killed:
        _, text = killed.communicate(timeout=60)
    assert killed.returncode == -9, text
    store = open_store(tmp_path)
    epochs.verify_all(store)
    store.lock()
    assert not staged(tmp_path)
    work(store)
    assert epochs.verify_all(store)[-1] == 5
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["enospc", "eio"])
def test_a_failure_in_another_process_is_a_state_error(tmp_path, kind):
    with child(WORK, tmp_path, points=f"checkpoint.manifest.linked={kind}") as failed:
        _, text = failed.communicate(timeout=60)
    assert failed.returncode == 1
    assert "StateError" in text
    # It is there, though nobody was told: it must not lie.
    assert epochs.verify_all(open_store(tmp_path)) == [1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no such limits")
def test_a_disk_that_is_full_in_the_middle_of_a_write(tmp_path):
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from penstock.core.errors import StateError
for write, what in ((store.write_segment, ("1-a", [bytes(70_000)] * 3)), (store.create_manifest, (1, bytes(200_000)))):
    try:
        write(*what)
    except StateError as failure:
        print(failure)
"""
    with child(code, tmp_path) as limited:
        text, problems = limited.communicate(timeout=60)
    assert text.count("File too large") == 2, problems
    assert names(tmp_path) == []


@pytest.mark.slow
def test_of_many_processes_one_creates_a_manifest(tmp_path):
    code = """
print("ready", flush=True)
sys.stdin.readline()
print([number for number in range(40) if store.create_manifest(number, b"same")])
"""
    racers = [child(code, tmp_path) for _ in range(20)]
    try:
        for racer in racers:
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        won = [number for racer in racers for number in json.loads(racer.communicate(timeout=60)[0])]
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
    assert sorted(won) == list(range(40))
    assert staged(tmp_path) == []
