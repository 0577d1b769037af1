"""A file system in memory that loses what was not synced, as a real one may."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from penstock.core.disk import Disk, Entry
from penstock.testing.simulation.content import Directory, File, ShadowEntry, ShadowStatus, status_of
from penstock.testing.simulation.world import Process, World

BUFFER = 1024
"""Bytes that an opening keeps back until they are flushed: lost when its process is killed."""


class Opening(io.RawIOBase):
    """An open file of the shadow file system.

    Args:
        shadow: The file system.
        file: The file.
        writable: Whether it can be written.
        position: Where it begins.
    """

    def __init__(self, shadow: Shadow, file: File, *, writable: bool, position: int = 0) -> None:
        super().__init__()
        self.file = file
        self.owner = shadow.world.process
        self._shadow = shadow
        self._writable = writable
        self._position = position
        self._buffer = bytearray()

    def readable(self) -> bool:
        """Always."""
        return True

    def writable(self) -> bool:
        """Whether it was opened for writing."""
        return self._writable

    def seekable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read what is there, as much as fits."""
        self._shadow.world.require_alive()
        self.flush()
        view = memoryview(buffer).cast("B")
        found = self.file.data[self._position : self._position + len(view)]
        view[: len(found)] = found
        self._position += len(found)
        return len(found)

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Write all; small writes stay in a buffer."""
        self._shadow.world.require_alive()
        view = memoryview(data).cast("B")
        self._buffer += view
        if len(self._buffer) > BUFFER:
            self.flush()
        return len(view)

    def flush(self) -> None:
        """Hand what is in the buffer to the file system."""
        if self._buffer and not self.closed:
            self._shadow.world.require_alive()
            data, self._buffer = bytes(self._buffer), bytearray()
            self._position += self._shadow.write(self.file, self._position, data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere else."""
        self.flush()
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self.file.data)}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Where it is."""
        return self._position + len(self._buffer)

    def truncate(self, size: int | None = None) -> int:
        """Cut the file short."""
        self.flush()
        end = self._position if size is None else size
        self.file.truncate(end)
        self._position = min(self._position, end)
        return end

    def close(self) -> None:
        """Flush and close, and let go of the lock; of a process that was ended nothing is flushed."""
        if self.closed:
            return
        try:
            if self.owner is None or not self.owner.dead:
                self.flush()
        finally:
            if self.file.locked_by is self:
                self.file.locked_by = None
            super().close()


def _failure(code: int, path: object) -> OSError:
    return OSError(code, os.strerror(code), str(path))


class Shadow(Disk):
    """A file system of a world; all processes of the world see it.

    Args:
        world: The world.

    Attributes:
        locks: Whether files can be locked.
        room: How many bytes can still be written; None = enough.
        broken_syncs: How many of the next syncs fail.
        linked: Told of each link: the new name.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.locks = True
        self.room: int | None = None
        self.broken_syncs = 0
        self.faults = 0
        self.linked: Callable[[Path], None] = lambda path: None
        self._count = 1
        self._root = Directory(1, 0)

    # -- faults

    def killed(self) -> None:
        """Forget what only the memory of processes knew; the page cache may forget pages that could not be written."""
        for _, file in self.walk(Path("/")):
            if isinstance(file.locked_by, Opening) and _is_dead(file.locked_by.owner):
                file.locked_by = None
            file.evict(self.world.random)

    def lose_power(self) -> None:
        """Become what a loss of power leaves."""
        self.world.note("power lost")
        self._root.lose_power(self.world.random)

    def unlock(self, process: Process) -> None:
        """Forget the locks of a process, as a server of files does with those that do not answer."""
        for _, file in self.walk(Path("/")):
            if isinstance(file.locked_by, Opening) and file.locked_by.owner is process:
                file.locked_by = None

    def durable(self, path: Path) -> bytes | None:
        """The content of a file, if name and content survive any loss of power."""
        node: File | Directory = self._root
        for part in path.parts[1:]:
            if not isinstance(node, Directory) or part not in node.stored or node.entries.get(part) is None:
                return None
            if any(one.name == part or one.old == part for one in node.pending):
                return None
            node = node.stored[part]
        return bytes(node.data) if isinstance(node, File) and node.durable else None

    def walk(self, root: Path) -> Iterator[tuple[Path, File]]:
        """All files below a directory, hidden ones too; none if there is no such directory."""
        pending: list[tuple[Path, File | Directory]] = []
        if (found := self._find(root)) is not None:
            pending.append((root, found))
        while pending:
            path, node = pending.pop()
            if isinstance(node, File):
                yield path, node
            else:
                pending += [(path / name, inner) for name, inner in sorted(node.entries.items(), reverse=True)]

    def write(self, file: File, position: int, data: bytes) -> int:
        """Write to the page cache, as much as there is room for.

        Raises:
            OSError: If there is no room for all of it.
        """
        fits = len(data) if self.room is None else min(self.room, len(data))
        file.write(position, data[:fits])
        file.modified = self.world.time * 1_000
        if self.room is not None:
            self.room -= fits
        if fits < len(data):
            self.faults += 1
            raise _failure(errno.ENOSPC, "")
        return fits

    def _sync_fails(self, path: object) -> bool:
        if self.broken_syncs <= 0 or self.world.running is None:
            return False
        self.broken_syncs -= 1
        self.faults += 1
        self.world.note(f"sync fails: {path}")
        return True

    # -- names

    def _find(self, path: Path) -> File | Directory | None:
        node: File | Directory | None = self._root
        for part in path.parts[1:]:
            if not isinstance(node, Directory):
                return None
            node = node.entries.get(part)
        return node

    def _existing(self, path: Path) -> File | Directory:
        self.world.require_alive()
        found = self._find(path)
        if found is None:
            raise _failure(errno.ENOENT, path)
        return found

    def _file(self, path: Path) -> File:
        found = self._existing(path)
        if isinstance(found, Directory):
            raise _failure(errno.EISDIR, path)
        return found

    def _directory(self, path: Path) -> Directory:
        found = self._existing(path)
        if isinstance(found, File):
            raise _failure(errno.ENOTDIR, path)
        return found

    def _new_file(self, path: Path) -> File:
        folder = self._directory(path.parent)
        if path.name in folder.entries:
            raise _failure(errno.EEXIST, path)
        if self.room is not None and self.room <= 0:
            self.faults += 1
            raise _failure(errno.ENOSPC, path)
        self._count += 1
        made = File(self._count, self.world.time * 1_000)
        folder.change(path.name, made)
        return made

    # -- what a disk does

    def open(self, path: Path, mode: str) -> BinaryIO:
        """See `Disk.open`."""
        if "x" in mode:
            return cast("BinaryIO", Opening(self, self._new_file(path), writable=True))
        self.world.require_alive()
        if "a" in mode and self._find(path) is None:
            self._new_file(path)
        file = self._file(path)
        position = len(file.data) if "a" in mode else 0
        return cast("BinaryIO", Opening(self, file, writable="a" in mode or "+" in mode, position=position))

    def open_raw(self, path: Path) -> io.RawIOBase:
        """See `Disk.open_raw`."""
        return Opening(self, self._file(path), writable=False)

    def create(self, path: Path, permissions: int) -> BinaryIO:
        """See `Disk.create`."""
        return self.open(path, "xb")

    def fsync(self, file: BinaryIO) -> None:
        """See `Disk.fsync`."""
        self.world.require_alive()
        inner = cast("Opening", file).file
        if self._sync_fails("a file"):
            inner.fail_to_sync(self.world.random)
            raise _failure(errno.EIO, "")
        inner.sync()

    def fsync_directory(self, path: Path) -> None:
        """See `Disk.fsync_directory`."""
        folder = self._directory(path)
        if self._sync_fails(path):
            raise _failure(errno.EIO, path)
        folder.sync()

    def link(self, existing: Path, name: Path) -> None:
        """See `Disk.link`."""
        file, folder = self._file(existing), self._directory(name.parent)
        if name.name in folder.entries:
            raise _failure(errno.EEXIST, name)
        folder.change(name.name, file)
        self.linked(name)

    def unlink(self, path: Path, *, missing_ok: bool = False) -> None:
        """See `Disk.unlink`."""
        self.world.require_alive()
        if missing_ok and self._find(path) is None:
            return
        self._file(path)
        self._directory(path.parent).change(path.name, None)

    def replace(self, staged: Path, final: Path) -> None:
        """See `Disk.replace`."""
        file = self._file(staged)
        self._directory(final.parent).change(final.name, file, staged.name)

    def stat(self, path: Path) -> ShadowStatus:
        """See `Disk.stat`."""
        return status_of(self._existing(path))

    def size(self, file: BinaryIO | io.RawIOBase) -> int:
        """See `Disk.size`."""
        self.world.require_alive()
        return len(cast("Opening", file).file.data)

    def kind(self, path: Path) -> str | None:
        """See `Disk.kind`."""
        self.world.require_alive()
        found = self._find(path)
        return None if found is None else "directory" if isinstance(found, Directory) else "file"

    def same_file(self, one: Path, other: Path) -> bool:
        """See `Disk.same_file`."""
        return self._existing(one) is self._existing(other)

    def readable(self, path: Path) -> bool:
        """See `Disk.readable`."""
        self._existing(path)
        return True

    def mkdir(self, path: Path, permissions: int = 0o777, *, parents: bool = False) -> None:
        """See `Disk.mkdir`."""
        self.world.require_alive()
        if parents and self._find(path.parent) is None:
            self.mkdir(path.parent, parents=True)
        folder = self._directory(path.parent)
        found = folder.entries.get(path.name) if path.name else folder
        if isinstance(found, File):
            raise _failure(errno.EEXIST, path)
        if found is None:
            self._count += 1
            folder.change(path.name, Directory(self._count, self.world.time * 1_000))

    def rmdir(self, path: Path) -> None:
        """See `Disk.rmdir`."""
        if self._directory(path).entries:
            raise _failure(errno.ENOTEMPTY, path)
        self._directory(path.parent).change(path.name, None)

    def scandir(self, path: Path) -> list[Entry]:
        """See `Disk.scandir`."""
        return [ShadowEntry(name, str(path / name), node) for name, node in self._directory(path).entries.items()]

    def lock(self, file: BinaryIO) -> None:
        """See `Disk.lock`."""
        self.world.require_alive()
        opening = cast("Opening", file)
        if not self.locks:
            raise _failure(errno.ENOLCK, "")
        if opening.file.locked_by is not None:
            raise _failure(errno.EWOULDBLOCK, "")
        opening.file.locked_by = opening

    def process(self) -> int:
        """See `Disk.process`."""
        return self.world.process.number if self.world.process is not None else 0

    def random(self, count: int) -> bytes:
        """See `Disk.random`."""
        return self.world.names.randbytes(count)


def _is_dead(process: Process | None) -> bool:
    return process is None or process.dead or process.ended
