"""What the operating system offers to `core.files`; the simulator puts a file system in memory in its place."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Protocol, cast


class Status(Protocol):
    """What `os.stat` tells of a file, as far as it is used."""

    @property
    def st_ino(self) -> int:
        """The number of the file."""
        ...

    @property
    def st_size(self) -> int:
        """How many bytes it has."""
        ...

    @property
    def st_mtime_ns(self) -> int:
        """When it was last written."""
        ...


class Entry(Protocol):
    """An entry of a directory, as `os.scandir` gives it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def path(self) -> str:
        """Its whole path."""
        ...

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a directory."""
        ...

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a file."""
        ...

    def stat(self, *, follow_symlinks: bool = True) -> Status:
        """Its status."""
        ...


class Disk:
    """The computer's files. All methods do what the functions of `os` of that name do, and raise what those raise."""

    def open(self, path: Path, mode: str) -> BinaryIO:
        """Open a file, in a binary mode of `open`."""
        return cast("BinaryIO", path.open(mode))

    def open_raw(self, path: Path) -> io.RawIOBase:
        """Open an existing file for reading without a buffer."""
        return path.open("rb", buffering=0)

    def create(self, path: Path, permissions: int) -> BinaryIO:
        """Create a file that must not exist, for writing, with these permissions from the first byte on."""
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, permissions), "wb")

    def fsync(self, file: BinaryIO) -> None:
        """Make durable what was written to an open file and flushed."""
        os.fsync(file.fileno())

    def fsync_directory(self, path: Path) -> None:
        """Make the names in a directory durable (no effect where directories cannot be opened)."""
        if os.name == "nt":
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def link(self, existing: Path, name: Path) -> None:
        """Give a file a second name that must be free."""
        os.link(existing, name)

    def unlink(self, path: Path, *, missing_ok: bool = False) -> None:
        """Take a name away."""
        path.unlink(missing_ok=missing_ok)

    def replace(self, staged: Path, final: Path) -> None:
        """Give a file another name, in the place of what has it."""
        staged.replace(final)

    def stat(self, path: Path) -> Status:
        """What a file is; links are followed."""
        return path.stat()

    def size(self, file: BinaryIO | io.RawIOBase) -> int:
        """How many bytes an open file has now."""
        return os.fstat(file.fileno()).st_size

    def kind(self, path: Path) -> str | None:
        """`"file"`, `"directory"`, or None; links are followed."""
        return "directory" if path.is_dir() else "file" if path.exists() else None

    def same_file(self, one: Path, other: Path) -> bool:
        """Whether two names, which exist, are of one file."""
        return os.path.samefile(one, other)

    def readable(self, path: Path) -> bool:
        """Whether this process may read a file."""
        return os.access(path, os.R_OK)

    def mkdir(self, path: Path, permissions: int = 0o777, *, parents: bool = False) -> None:
        """Make a directory, unless it is there."""
        path.mkdir(mode=permissions, parents=parents, exist_ok=True)

    def rmdir(self, path: Path) -> None:
        """Remove an empty directory."""
        path.rmdir()

    def scandir(self, path: Path) -> Iterable[Entry]:
        """The entries of a directory, in any order."""
        with os.scandir(path) as found:
            return list(found)

    def lock(self, file: BinaryIO) -> None:
        """Lock an open file against others, without waiting; until it is closed, or the process ends.

        Raises:
            BlockingIOError: If somebody else has locked it.
        """
        if sys.platform == "win32":
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def process(self) -> int:
        """The number of this process."""
        return os.getpid()

    def random(self, count: int) -> bytes:
        """Bytes that nobody else has, for names."""
        return os.urandom(count)


current: Disk = Disk()
"""The file system that is used; a simulation replaces it while it runs."""
