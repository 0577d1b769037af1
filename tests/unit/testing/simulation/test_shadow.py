"""The file system of the simulator: what is synced survives, what is not may be lost, torn or kept."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from penstock.core import files
from penstock.testing.simulation.content import PAGE
from penstock.testing.simulation.seams import entered
from penstock.testing.simulation.shadow import Shadow
from penstock.testing.simulation.world import World

ROOT = Path("/d")


@pytest.fixture
def shadow():
    made = Shadow(World("t"))
    with entered(made.world, made):
        made.mkdir(ROOT)
        made.fsync_directory(Path("/"))
        yield made


def fresh(seed):
    return Shadow(World(f"t{seed}"))


def written(path, data, *, synced=True, named=True):
    with files.create(path) as file:
        files.write(file, data)
        if synced:
            files.sync(file)
    if named:
        files.sync_directory(path.parent)


def after_power_loss(work, seeds=60):
    """What a loss of power leaves of some work, over many seeds: name and content of all files."""
    found = set()
    for seed in range(seeds):
        shadow = fresh(seed)
        with entered(shadow.world, shadow):
            shadow.mkdir(ROOT)
            shadow.fsync_directory(Path("/"))
            work(shadow)
            shadow.lose_power()
            found.add(tuple((path.name, bytes(file.data)) for path, file in shadow.walk(ROOT)))
    return found


def test_what_is_synced_survives():
    assert after_power_loss(lambda shadow: written(ROOT / "a", b"abc")) == {(("a", b"abc"),)}


def test_a_name_that_is_not_synced_is_there_or_not():
    assert after_power_loss(lambda shadow: written(ROOT / "a", b"abc", named=False)) == {(), (("a", b"abc"),)}


def test_content_that_is_not_synced_is_lost_torn_or_kept():
    data = bytes(range(1, 256)) * 5
    found = {one[0][1] for one in after_power_loss(lambda shadow: written(ROOT / "a", data, synced=False), 200)}
    assert {b"", data} < found
    assert any(0 < len(one) < len(data) and data.startswith(one) for one in found)  # torn
    assert any(len(one) == len(data) and bytes(PAGE) in one for one in found)  # pages out of order
    assert all(part in (data[i : i + len(part)], bytes(len(part))) for one in found for i, part in pages(one))


def pages(data):
    return [(i, data[i : i + PAGE]) for i in range(0, len(data), PAGE)]


def test_a_file_that_is_replaced_is_the_old_or_the_new():
    def work(shadow):
        files.replace(ROOT / "a", b"old")
        files.sync_directory(ROOT)
        files.replace(ROOT / "a", b"new")

    assert {dict(one)["a"] for one in after_power_loss(work)} == {b"old", b"new"}


def test_what_was_removed_may_come_back_until_it_is_synced():
    def work(shadow):
        written(ROOT / "a", b"abc")
        files.remove(ROOT / "a")

    assert after_power_loss(work) == {(), (("a", b"abc"),)}
    assert after_power_loss(lambda shadow: (work(shadow), files.sync_directory(ROOT))) == {()}


def test_after_a_sync_that_failed_the_next_one_lies(shadow):
    lost = 0
    for number in range(20):
        path = ROOT / str(number)
        file = files.create(path)
        files.write(file, b"abc")
        file.flush()
        files.sync_directory(ROOT)
        shadow._file(path).fail_to_sync(shadow.world.random)
        files.sync(file)  # succeeds
        file.close()
        assert files.read_bytes(path) == b"abc"
        lost += shadow.durable(path) is None
    assert 0 < lost < 20


def test_a_full_disk_takes_a_part(shadow):
    shadow.room = 3
    file = files.create(ROOT / "a")
    files.write(file, b"abcdef")
    with pytest.raises(OSError, match="space") as caught:
        files.sync(file)
    assert caught.value.errno == errno.ENOSPC
    assert files.read_bytes(ROOT / "a") == b"abc"
    with pytest.raises(OSError, match="space"):
        files.create(ROOT / "b")


def test_names_are_given_once_and_links_are_the_same_file(shadow):
    written(ROOT / "a", b"abc")
    with pytest.raises(FileExistsError):
        files.create(ROOT / "a")
    files.link(ROOT / "a", ROOT / "b")
    with pytest.raises(FileExistsError):
        files.link(ROOT / "a", ROOT / "b")
    assert files.same_file(ROOT / "a", ROOT / "b")
    assert [entry.name for entry in files.entries(ROOT)] == ["a", "b"]
    assert [found.name for found in files.walk(Path("/"))] == ["d/a", "d/b"]
    with pytest.raises(FileNotFoundError):
        files.open_read(ROOT / "c")
    with pytest.raises(OSError, match="not empty"):
        shadow.rmdir(ROOT)


def test_locks(shadow):
    held = files.lock_file(ROOT / "lock", b"me")
    with pytest.raises(BlockingIOError):
        files.lock_file(ROOT / "lock", b"you")
    held.close()
    files.lock_file(ROOT / "lock", b"you").close()
    assert files.read_bytes(ROOT / "lock") == b"you"
    shadow.locks = False
    with pytest.raises(OSError, match="lock") as caught:
        files.lock_file(ROOT / "lock", b"me")
    assert caught.value.errno == errno.ENOLCK


def test_staged_files_and_reading_parts(shadow):
    staged = files.StagedFile(ROOT / "hidden", "p-")
    staged.write(b"abc" * 1_000)
    staged.seal()
    files.publish(staged.path, ROOT / "final")
    assert bytes(files.read_at(ROOT / "final", 2_997, 10)) == b"abc"
    assert bytes(files.read_at(ROOT / "final", 4_000, 10)) == b""
    assert shadow.durable(ROOT / "final") is None
    files.sync_directory(ROOT)
    assert shadow.durable(ROOT / "final") == b"abc" * 1_000
