"""Files that are written in place."""

from __future__ import annotations

from penstock.core import files, positioned


def test_files_are_read_and_written_in_place(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abcdef")
    with positioned.open_update(path) as file:
        assert positioned.write_at(file, 4, b"EFGH") == 8
        assert positioned.read_at(file, 3, 100) == b"dEFGH"
        assert positioned.read_at(file, 8, 1) == b""
        assert positioned.size(file) == 8
        assert positioned.is_named(file, path)
        (tmp_path / "y").write_bytes(b"new")
        files.rename(tmp_path / "y", path)
        assert not positioned.is_named(file, path)
        path.unlink()
        assert not positioned.is_named(file, path)


def test_a_lock_is_held_once_and_ends_with_the_file(tmp_path):
    (tmp_path / "lock").touch()
    one, other = positioned.open_update(tmp_path / "lock"), positioned.open_update(tmp_path / "lock")
    assert positioned.lock_exclusively(one)
    assert not positioned.lock_exclusively(other)
    positioned.unlock(one)
    assert positioned.lock_exclusively(other)
    other.close()
    assert positioned.lock_exclusively(one)
    one.close()


def test_a_private_directory_is_only_for_its_owner(tmp_path):
    files.make_private(tmp_path / "a" / "b")
    files.make_private(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
