"""The seam to the file system: staged files, listings, failures where a test wants them."""

from __future__ import annotations

import errno
import hashlib
import os

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
    assert all(one.modified == files.stamp(one.path)[1] for one in files.walk(tmp_path))


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


def test_the_stamp_of_a_file_tells_that_it_was_written_to(tmp_path):
    (tmp_path / "x").write_text("x")
    before = files.stamp(tmp_path / "x")
    assert files.stamp(tmp_path / "x") == before
    os.utime(tmp_path / "x", (7, 7))
    assert files.stamp(tmp_path / "x") == [1, 7_000_000_000] != before
    assert files.unique_name() != files.unique_name()


def test_only_empty_directories_are_removed(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    (tmp_path / "empty").mkdir()
    for name in ("full", "empty", "none"):
        files.remove_directory(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_link_never_replaces(tmp_path):
    one, other, name = (tmp_path / letter for letter in "abc")
    one.write_bytes(b"one")
    other.write_bytes(b"other")
    files.link(one, name)
    with pytest.raises(FileExistsError):
        files.link(other, name)
    assert name.read_bytes() == b"one"
    assert files.same_file(one, name)
    assert not files.same_file(other, name)
    assert not files.same_file(tmp_path / "none", name)


def test_a_part_of_a_file_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    reads = [(0, 10), (3, 2), (8, 5), (10, 1), (99, 1), (1 << 70, 1), (0, 0), (0, 1 << 70)]
    assert [bytes(files.read_at(path, *read)) for read in reads] == [
        *(b"0123456789", b"34", b"89", b"", b"", b"", b""),
        b"0123456789",
    ]
    assert files.read_at(path, 0, 1).readonly


def test_unique_names_differ(tmp_path):
    assert len({files.unique(tmp_path, "x-") for _ in range(100)}) == 100
    assert files.unique(tmp_path, "x-").match("x-*.staged")


def test_a_lock_holds_until_it_is_closed(tmp_path):
    path = tmp_path / "lock"
    with files.lock_file(path, b"a long note"):
        with pytest.raises(BlockingIOError):
            files.lock_file(path, b"another")
        assert path.read_bytes() == b"a long note"
    with files.lock_file(path, b"short"):
        assert path.read_bytes() == b"short"


def test_the_name_of_a_private_directory_is_synced_also_by_who_finds_it(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "sync_directory", synced.append)
    files.make_private(tmp_path / "a" / "b")
    assert synced == [tmp_path.parent, tmp_path, tmp_path / "a"]
    synced.clear()
    files.make_private(tmp_path / "a" / "b")  # whoever made it may have been killed before it was synced
    assert synced == [tmp_path / "a"]
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_directory_above_that_cannot_be_opened_does_not_matter(tmp_path, monkeypatch):
    sync = files.sync_directory

    def refuse(path):
        if path == tmp_path.parent:
            raise PermissionError
        sync(path)

    monkeypatch.setattr(files, "sync_directory", refuse)
    files.make_private(tmp_path / "a")
    assert (tmp_path / "a").is_dir()
