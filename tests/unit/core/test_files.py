"""The seam to the file system: staged files, listings, failures where a test wants them."""

from __future__ import annotations

import errno
import hashlib

import pytest

from penstock.core import failpoint, files


def fail():
    raise OSError(errno.EIO, "broken")


@pytest.fixture
def fault(monkeypatch):
    return lambda name: monkeypatch.setitem(failpoint.ACTIONS, name, fail)


def test_a_staged_file_counts_and_digests_and_is_published_once(tmp_path):
    staged = files.StagedFile(tmp_path / "hidden", "p-")
    staged.write(b"ab")
    staged.write(memoryview(b"c"))
    assert (staged.size, staged.tell(), staged.writable()) == (3, 3, True)
    assert staged.seal() == hashlib.blake2b(b"abc", digest_size=16).hexdigest()
    files.publish(staged.path, tmp_path / "final")
    assert (tmp_path / "final").read_bytes() == b"abc"
    assert list((tmp_path / "hidden").iterdir()) == []


def test_a_name_that_is_taken_is_never_overwritten(tmp_path):
    (tmp_path / "final").write_bytes(b"old")
    staged = files.StagedFile(tmp_path, "")
    staged.seal()
    with pytest.raises(FileExistsError):
        files.publish(staged.path, tmp_path / "final")
    assert (tmp_path / "final").read_bytes() == b"old"


def test_a_discarded_file_is_gone_also_after_a_failure(tmp_path, fault):
    staged = files.StagedFile(tmp_path, "")
    fault("files.write")
    with pytest.raises(OSError, match="broken"):
        staged.write(b"x")
    staged.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["files.create", "files.make_directory"])
def test_a_staged_file_may_fail_to_be_made(tmp_path, fault, step):
    fault(step)
    with pytest.raises(OSError, match="broken"):
        files.StagedFile(tmp_path, "")


def test_two_staged_files_have_two_names(tmp_path):
    one, other = files.StagedFile(tmp_path, ""), files.StagedFile(tmp_path, "")
    assert one.path != other.path
    one.discard()
    other.discard()


def test_a_walk_finds_visible_files_as_deep_as_asked(tmp_path):
    for name in ("b.txt", "a/x.txt", "a/deep/y.txt", ".hidden/z.txt", "_temporary/z.txt", "a/.h.txt", "a/_SUCCESS"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [one.name for one in files.walk(tmp_path)] == ["b.txt", "a/x.txt", "a/deep/y.txt"]
    assert [one.name for one in files.walk(tmp_path, 1)] == ["b.txt", "a/x.txt"]
    assert [one.name for one in files.walk(tmp_path, 0)] == ["b.txt"]
    assert all(one.modified == files.modified(one.path) for one in files.walk(tmp_path))


def test_a_circle_of_links_ends(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("x")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    assert [one.name for one in files.walk(tmp_path)] == ["a/x.txt"]


def test_what_a_name_is(tmp_path):
    (tmp_path / "x").write_text("x")
    assert [files.kind(tmp_path), files.kind(tmp_path / "x"), files.kind(tmp_path / "y")] == ["directory", "file", None]
    assert files.readable(tmp_path / "x")
    assert not files.readable(tmp_path / "y")


def test_a_file_that_is_written_anew_has_another_identity(tmp_path):
    one = files.StagedFile(tmp_path, "")
    other = files.StagedFile(tmp_path, "")
    assert files.identity(one.path) != files.identity(other.path)
    assert files.identity(one.path) == files.identity(one.path)
    one.discard()
    other.discard()


def test_only_empty_directories_are_removed(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    (tmp_path / "empty").mkdir()
    for name in ("full", "empty", "none"):
        files.remove_directory(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_files_are_read_and_written_in_place(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abcdef")
    with files.open_update(path) as file:
        assert files.write_at(file, 4, b"EFGH") == 8
        assert files.read_at(file, 3, 100) == b"dEFGH"
        assert files.read_at(file, 8, 1) == b""
        assert files.size(file) == 8
        assert files.is_named(file, path)
        (tmp_path / "y").write_bytes(b"new")
        files.replace(tmp_path / "y", path)
        assert not files.is_named(file, path)
        path.unlink()
        assert not files.is_named(file, path)


def test_a_lock_is_held_once_and_ends_with_the_file(tmp_path):
    (tmp_path / "lock").touch()
    one, other = files.open_update(tmp_path / "lock"), files.open_update(tmp_path / "lock")
    assert files.lock_exclusively(one)
    assert not files.lock_exclusively(other)
    files.unlock(one)
    assert files.lock_exclusively(other)
    other.close()
    assert files.lock_exclusively(one)
    one.close()


def test_a_private_directory_is_only_for_its_owner(tmp_path):
    files.make_private_directory(tmp_path / "a" / "b")
    files.make_private_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
