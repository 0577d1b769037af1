"""A directory of checkpoints: what it refuses, and what is left when a step fails."""

from __future__ import annotations

import errno
import json
import os

import pytest

from penstock.checkpoint.store import open_store
from penstock.core import failpoint, files
from penstock.core.errors import StartError, StateError
from tests.unit.checkpoint import epochs
from tests.unit.checkpoint.processes import child, names, staged

# -- opening -------------------------------------------------------------------


def test_the_layout(tmp_path):
    store = open_store(tmp_path / "a" / "state")
    epochs.write(store, 7)
    store.create_savepoint("x", 7)
    assert names(tmp_path) == [
        "a/state/checkpoints/manifest-000000000007.json",
        "a/state/checkpoints/savepoints/x.json",
        "a/state/checkpoints/segments/7-a",
    ]
    assert store.place == str(tmp_path / "a" / "state")


def test_the_working_directory_may_change(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = open_store("state")
    monkeypatch.chdir(tmp_path / "elsewhere")
    epochs.write(store, 1)
    assert epochs.verify_all(store) == [1]
    assert store.place == "state"


def test_directories_that_it_makes_are_for_this_user_alone(tmp_path):
    open_store(tmp_path / "a" / "state")
    made = [path for path in (tmp_path / "a").rglob("*") if path.is_dir()]
    assert len(made) == 4
    assert {path.stat().st_mode & 0o777 for path in [tmp_path / "a", *made]} == {0o700}


def test_other_files_are_left_alone(tmp_path):
    folder = tmp_path / "checkpoints"
    store = open_store(tmp_path)
    for name in ("manifest-1.json", "manifest-000000000001.json.bak", "notes", "savepoints/x.txt", "segments/.x"):
        (folder / name).write_text("x")
    assert (store.manifests(), store.segments(), store.savepoints()) == ([], [], {})
    store.lock()
    assert len(names(folder)) == 6
    store.close()


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "x").write_text("x")
    with pytest.raises(StartError, match="cannot be made a directory of checkpoints"):
        open_store(tmp_path / "x")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("files.make_private", "cannot be made a directory of checkpoints: Input"),
        ("files.create", "cannot keep checkpoints: files cannot be created: Input"),
        ("files.write", r"cannot keep checkpoints: files cannot be synced \(fsync\): Input"),
        ("files.sync", r"cannot keep checkpoints: files cannot be synced \(fsync\): Input"),
        ("files.link", "cannot keep checkpoints: files cannot be linked: Input"),
    ],
)
def test_a_file_system_that_lacks_something_is_refused(tmp_path, monkeypatch, step, message):
    monkeypatch.setitem(failpoint.ACTIONS, step, failpoint.KINDS["eio"])
    with pytest.raises(StartError, match=message):
        open_store(tmp_path / "state")
    assert names(tmp_path) == []


def test_a_file_system_that_gives_a_name_twice_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(files, "create", lambda path: path.open("wb"))
        with pytest.raises(
            StartError, match="files cannot be created exclusively: a name that is taken is given again"
        ):
            open_store(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "link", lambda one, other: other.write_bytes(one.read_bytes()))
        with pytest.raises(StartError, match="a link replaces a file: a name that is taken is given again"):
            open_store(tmp_path)
    assert names(tmp_path) == []


def test_a_directory_that_cannot_be_synced_is_refused(tmp_path, monkeypatch):
    open_store(tmp_path)
    left = [4]  # those before the probe

    def fail():
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setitem(failpoint.ACTIONS, "files.sync_directory", fail)
    with pytest.raises(StartError, match=r"directories cannot be synced \(fsync\): Invalid argument"):
        open_store(tmp_path)


# -- the lock ------------------------------------------------------------------


def test_a_directory_in_use_is_refused_until_it_is_closed(tmp_path):
    one, other = open_store(tmp_path), open_store(tmp_path)
    one.lock()
    one.lock()
    with pytest.raises(StateError, match=r"is in use by this process since \d{4}-.* UTC, on host") as error:
        other.lock()
    assert error.value.exit_code == 3
    one.close()
    one.close()
    other.lock()
    with pytest.raises(StateError, match="in use"):
        one.lock()
    other.close()


def test_another_process_is_named_and_its_death_unlocks(tmp_path):
    with child("store.lock()\nprint('locked', flush=True)\nsys.stdin.read()", tmp_path) as holder:
        try:
            assert holder.stdout.readline() == "locked\n"
            store = open_store(tmp_path)
            with pytest.raises(StateError, match=rf"is in use by process {holder.pid} since "):
                store.lock()
        finally:
            holder.kill()
        holder.wait(30)
    store.lock()
    assert json.loads((tmp_path / "checkpoints" / "lock").read_bytes())["process"] == os.getpid()
    store.close()


def test_a_lock_without_a_note_holds(tmp_path):
    one = open_store(tmp_path)
    one.lock()
    for text in ("", "nonsense", "[]", '{"process": "x"}'):
        (tmp_path / "checkpoints" / "lock").write_text(text)
        with pytest.raises(StateError, match=r"is in use by another process(\n|$)"):
            open_store(tmp_path).lock()
    one.close()


def test_a_file_system_without_locks_is_taken(tmp_path, monkeypatch):
    def fail(code):
        raise OSError(code, os.strerror(code))

    store = open_store(tmp_path)
    monkeypatch.setitem(failpoint.ACTIONS, "files.lock_file", lambda: fail(errno.ENOTSUP))
    store.lock()
    monkeypatch.setitem(failpoint.ACTIONS, "files.lock_file", lambda: fail(errno.EIO))
    with pytest.raises(StateError, match="cannot be locked: Input"):
        store.lock()


def test_locking_collects_what_dead_attempts_have_left(tmp_path):
    folder = tmp_path / "checkpoints"
    store = open_store(tmp_path)
    epochs.write(store, 1)
    before = names(folder)
    for left in ("manifest-ab.staged", "probe-cd.staged", "savepoints/savepoint-ef.staged"):
        (folder / left).write_text("x")
    open_store(tmp_path)
    assert len(staged(folder)) == 3, "only who has the lock knows that the attempts are dead"
    store.lock()
    assert names(folder) == ["lock", *before]
    store.close()
