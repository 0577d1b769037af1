"""Files that are written in place, by position, and locked: what the embedded log is made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, cast

from penstock.core.failpoint import hit


def open_update(path: Path) -> BinaryIO:
    """Open an existing file for `read_at` and `write_at`."""
    hit("positioned.open_update")
    return cast("BinaryIO", path.open("r+b", buffering=0))


def open_positioned(path: Path) -> BinaryIO:
    """Open an existing file for `read_at`."""
    hit("files.open_read")
    return cast("BinaryIO", path.open("rb", buffering=0))


def read_at(file: BinaryIO, position: int, size: int) -> bytes:
    """The bytes of a file from a position on: `size` of them, or fewer where the file ends."""
    hit("files.read")
    parts: list[bytes] = []
    while size > 0:
        part = os.pread(file.fileno(), size, position)
        if not part:
            break
        parts.append(part)
        position += len(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def write_at(file: BinaryIO, position: int, data: bytes | memoryview) -> int:
    """Write all of `data` from a position on; the position behind it."""
    hit("files.write")
    view = memoryview(data).cast("B")
    while len(view):
        count = os.pwrite(file.fileno(), view, position)
        position += count
        view = view[count:]
    return position


def size(file: BinaryIO) -> int:
    """How many bytes an open file has now."""
    return os.fstat(file.fileno()).st_size


def lock_exclusively(file: BinaryIO) -> bool:
    """Lock an open file against other processes and other openings, if nobody holds it; does not wait.

    The lock ends with `unlock`, with the file, or with the process.
    """
    import fcntl  # not on Windows

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(file: BinaryIO) -> None:
    """Give up the lock of `lock_exclusively`."""
    import fcntl  # not on Windows

    fcntl.flock(file.fileno(), fcntl.LOCK_UN)


def is_named(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is the one that has a name now: not if it was removed or replaced."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(file.fileno())
    return (here.st_dev, here.st_ino) == (named.st_dev, named.st_ino)
