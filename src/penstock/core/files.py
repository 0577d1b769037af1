"""The one way to touch the file system: durable writes in named steps, so that each can be made to fail."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from penstock.core import disk
from penstock.core.disk import Entry
from penstock.core.failpoint import hit
from penstock.core.lazy import np


def open_read(path: Path) -> BinaryIO:
    """Open an existing file for reading bytes."""
    hit("files.open_read")
    return disk.current.open(path, "rb")


def read(file: BinaryIO, size: int) -> bytes:
    """The next bytes of an open file, `size` of them at most; none at its end."""
    hit("files.read")
    return file.read(size)


def read_bytes(path: Path) -> bytes:
    """All bytes of a file."""
    with open_read(path) as file:
        return file.read()


def read_text(path: Path) -> str:
    """All text of a UTF-8 file."""
    return read_bytes(path).decode("utf-8")


def create(path: Path) -> BinaryIO:
    """Create a file that must not exist yet, for writing bytes.

    Raises:
        FileExistsError: If it exists.
    """
    hit("files.create")
    return disk.current.open(path, "xb")


def write(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of `data`."""
    hit("files.write")
    file.write(data)


def sync(file: BinaryIO) -> None:
    """Make what was written durable; after a failure the file counts as lost and must not be used."""
    hit("files.sync")
    file.flush()
    disk.current.fsync(file)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable (no effect where directories cannot be opened)."""
    hit("files.sync_directory")
    disk.current.fsync_directory(path)


def publish(staged: Path, final: Path) -> None:
    """Give a staged file its final name if that is free, atomically.

    Raises:
        FileExistsError: If the final name exists.
    """
    hit("files.publish")
    disk.current.link(staged, final)
    hit("files.published")
    disk.current.unlink(staged)


def replace(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Give a file new content, all at once: a reader sees the old or the new.

    Args:
        path: The file; it need not exist.
        data: The content.
        mode: Who may read it, from the first byte on.
    """
    staged = path.with_name(f".{path.name}-{unique_name()}")
    hit("files.replace")
    with disk.current.create(staged, mode) as file:
        write(file, data)
        sync(file)
    hit("files.replacing")
    disk.current.replace(staged, path)


def digest_of(path: Path) -> str:
    """The digest of the bytes of a file, as `StagedFile.seal` gives it.

    Raises:
        OSError: If it cannot be read.
    """
    found = hashlib.blake2b(digest_size=16)
    with open_read(path) as file:
        while part := read(file, 1 << 20):
            found.update(part)
    return found.hexdigest()


def process() -> int:
    """The number of this process, for files that say who wrote them."""
    return disk.current.process()


def remove(path: Path) -> None:
    """Remove a file if it is there."""
    hit("files.remove")
    disk.current.unlink(path, missing_ok=True)


def kind(path: Path) -> str | None:
    """`"file"` or `"directory"`, or None if there is nothing of this name; links are followed."""
    return disk.current.kind(path)


def stamp(path: Path) -> list[int]:
    """Size and time of the last change (nanoseconds since 1970): what tells whether a file was changed meanwhile."""
    hit("files.stamp")
    status = disk.current.stat(path)
    return [status.st_size, status.st_mtime_ns]


def readable(path: Path) -> bool:
    """Whether this process may read a file."""
    return disk.current.readable(path)


def make_directory(path: Path) -> None:
    """Create a directory and its parents if they are missing."""
    hit("files.make_directory")
    disk.current.mkdir(path, parents=True)


def entries(path: Path) -> Iterator[Entry]:
    """The entries of a directory, by name.

    Raises:
        OSError: If it cannot be read.
    """
    hit("files.entries")
    yield from sorted(disk.current.scandir(path), key=lambda entry: entry.name)


def remove_directory(path: Path) -> None:
    """Remove a directory if it is there and empty."""
    with contextlib.suppress(OSError):
        disk.current.rmdir(path)


class Found(NamedTuple):
    """A file that was found.

    Attributes:
        path: Where it is.
        name: Its path below the directory that was searched, with slashes.
        modified: When it was last written, in nanoseconds since 1970.
        size: How many bytes it has.
    """

    path: Path
    name: str
    modified: int
    size: int = 0


def walk(root: Path, depth: int | None = None) -> Iterator[Found]:
    """All visible files below a directory; what begins with a dot or an underscore is hidden.

    Args:
        root: The directory.
        depth: How many directories deep to go; 0 = only the directory itself, None = all.

    Raises:
        OSError: If a directory cannot be read.
    """
    pending = [(root, "")]
    while pending:
        folder, prefix = pending.pop()
        inner: list[tuple[Path, str]] = []
        for entry in entries(folder):
            if entry.name.startswith((".", "_")):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth is None or prefix.count("/") < depth:
                    inner.append((Path(entry.path), f"{prefix}{entry.name}/"))
            elif entry.is_file():
                status = entry.stat()
                yield Found(Path(entry.path), f"{prefix}{entry.name}", status.st_mtime_ns, status.st_size)
        pending += reversed(inner)


class StagedFile(io.RawIOBase):
    """A new file under a name of its own, which no reader looks for; it counts and digests what is written.

    Attributes:
        path: Its name, never used before.
        size: How many bytes were written.
    """

    def __init__(self, directory: Path, prefix: str) -> None:
        """Create the file.

        Args:
            directory: Where; made if it is missing.
            prefix: What its name begins with.

        Raises:
            OSError: If it cannot be created.
        """
        super().__init__()
        make_directory(directory)
        self.path = directory / f"{prefix}{unique_name()}.staged"
        self.size = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self._file = create(self.path)

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Write all bytes."""
        view = memoryview(data).cast("B")
        write(self._file, view)
        self._digest.update(view)
        self.size += len(view)
        return len(view)

    def tell(self) -> int:
        """How many bytes were written."""
        return self.size

    def close(self) -> None:
        """Close the file as it is."""
        self._file.close()
        super().close()

    def seal(self, *, named: bool = True) -> str:
        """Make the file durable and close it; the digest of its bytes.

        Args:
            named: Whether its name is made durable too; else the caller does so, once for several files.
        """
        sync(self._file)
        self.close()
        if named:
            sync_directory(self.path.parent)
        return self._digest.hexdigest()

    def discard(self) -> None:
        """Remove the file, whatever state it is in."""
        with contextlib.suppress(OSError):  # what could not be flushed goes with the file
            self.close()
        remove(self.path)


def probe(directory: Path, prefix: str) -> None:
    """Make a staged file, give it another name and remove it: what cannot be done here is known then.

    Raises:
        OSError: If it cannot be.
    """
    staged, named = StagedFile(directory, prefix), unique(directory, prefix)
    try:
        staged.write(b"{}")
        staged.seal(named=False)
        publish(staged.path, named)
        remove(named)
    finally:
        staged.discard()


def unique_name() -> str:
    """A name that no other process has used or will use, though they know nothing of each other."""
    return disk.current.random(12).hex()


def unique(directory: Path, prefix: str = "") -> Path:
    """A name for a staged file that no process has used or will use, and that no reader looks for."""
    return directory / f"{prefix}{unique_name()}.staged"


def link(existing: Path, name: Path) -> None:
    """Give a file a second name if that is free, atomically; the first one stays.

    Raises:
        FileExistsError: If the name is taken.
    """
    hit("files.link")
    disk.current.link(existing, name)
    hit("files.linked")


def rename(staged: Path, final: Path) -> None:
    """Give a file or a directory another name, in the place of a file that has it now, atomically."""
    hit("files.rename")
    disk.current.replace(staged, final)
    hit("files.renamed")


def same_file(one: Path, other: Path) -> bool:
    """Whether two names are of one file."""
    try:
        return disk.current.same_file(one, other)
    except FileNotFoundError:
        return False


def read_at(path: Path, offset: int, length: int) -> memoryview:
    """`length` bytes of a file from `offset` on, or as many as there are; read-only.

    They are read, not mapped: a mapped file that is cut short, or whose disk fails, ends the process.
    """
    hit("files.read_at")
    with disk.current.open_raw(path) as file:
        there = disk.current.size(file) - offset
        if there <= 0:
            return memoryview(b"")
        # Not a bytearray: that would be written twice.
        data = np.empty(min(length, there), np.uint8).data
        file.seek(offset)
        done = 0
        while done < len(data) and (count := file.readinto(data[done:])):
            done += count
    return data[:done].toreadonly()


def make_private(path: Path) -> None:
    """Create a directory and its parents where they are missing, for this user alone, and make their names durable."""
    hit("files.make_private")
    folders = (path, *path.parents)
    missing = [folder for folder in folders if kind(folder) is None]
    # The first one that is there may have been made by a process that was killed before it synced the name.
    with contextlib.suppress(PermissionError):
        sync_directory(folders[len(missing)].parent)
    for folder in reversed(missing):
        disk.current.mkdir(folder, 0o700)
        sync_directory(folder.parent)


def lock_file(path: Path, note: bytes) -> BinaryIO:
    """Lock a file, made if it is missing, and leave a note in it; unlocked when closed, and when the process ends.

    Raises:
        BlockingIOError: If it is locked; its content is the note of whoever did it.
        OSError: If it cannot be opened, or files cannot be locked here.
    """
    hit("files.lock_file")
    file = disk.current.open(path, "a+b")
    try:
        disk.current.lock(file)
        with contextlib.suppress(OSError):  # the note is for people; the lock holds without it
            file.truncate(0)
            file.write(note)
            file.flush()
    except BaseException:
        file.close()
        raise
    return file
