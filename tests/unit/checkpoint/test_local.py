"""A directory of checkpoints: what it refuses, and what is left when a step fails."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.checkpoint import collect as collecting
from penstock.checkpoint import local
from penstock.checkpoint.collect import collect
from penstock.checkpoint.store import open_store
from penstock.core import failpoint, files
from penstock.core.errors import StartError, StateError
from tests.house.sources import ROOT
from tests.unit.checkpoint import epochs


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def staged(folder):
    return [name for name in names(folder) if name.endswith(".staged")]


def child(code, *arguments, points="", **options):
    """Another process that has the store of a directory as `store`."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PENSTOCK_FAILPOINTS": points}
    head = (
        "import sys\nfrom penstock.checkpoint.store import open_store\nfrom tests.unit.checkpoint import epochs\n"
        "store = open_store(sys.argv[1])\n"
    )
    command = [sys.executable, "-c", head + code, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment, **options)


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
    left = [2]  # those before the probe

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

WORK = "import tests.unit.checkpoint.test_local as t\nt.work(store)\n"


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
