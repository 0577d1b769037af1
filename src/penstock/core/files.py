"""The one way to touch the file system: durable writes in named steps, so that each can be made to fail."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from penstock.core.failpoint import hit


def open_read(path: Path) -> BinaryIO:
    """Open an existing file for reading bytes."""
    hit("files.open_read")
    return path.open("rb")


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
    return path.open("xb")


def write(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of `data`."""
    hit("files.write")
    file.write(data)


def sync(file: BinaryIO) -> None:
    """Make what was written durable; after a failure the file counts as lost and must not be used."""
    hit("files.sync")
    file.flush()
    os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable (no effect where directories cannot be opened)."""
    hit("files.sync_directory")
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(staged: Path, final: Path) -> None:
    """Give a staged file its final name if that is free, atomically.

    Raises:
        FileExistsError: If the final name exists.
    """
    hit("files.publish")
    os.link(staged, final)
    hit("files.published")
    staged.unlink()


def remove(path: Path) -> None:
    """Remove a file if it is there."""
    hit("files.remove")
    path.unlink(missing_ok=True)


def kind(path: Path) -> str | None:
    """`"file"` or `"directory"`, or None if there is nothing of this name; links are followed."""
    return "directory" if path.is_dir() else "file" if path.exists() else None


def modified(path: Path) -> int:
    """When a file was last written, in nanoseconds since 1970."""
    return path.stat().st_mtime_ns


def identity(path: Path) -> list[int]:
    """What tells a file from a later one of the same name."""
    status = path.stat()
    return [status.st_ino, status.st_mtime_ns]


def readable(path: Path) -> bool:
    """Whether this process may read a file."""
    return os.access(path, os.R_OK)


def make_directory(path: Path) -> None:
    """Create a directory and its parents if they are missing."""
    hit("files.make_directory")
    path.mkdir(parents=True, exist_ok=True)


def entries(path: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a directory, by name.

    Raises:
        OSError: If it cannot be read.
    """
    hit("files.entries")
    with os.scandir(path) as found:
        yield from sorted(found, key=lambda entry: entry.name)


def remove_directory(path: Path) -> None:
    """Remove a directory if it is there and empty."""
    with contextlib.suppress(OSError):
        path.rmdir()


class Found(NamedTuple):
    """A file that was found.

    Attributes:
        path: Where it is.
        name: Its path below the directory that was searched, with slashes.
        modified: When it was last written, in nanoseconds since 1970.
    """

    path: Path
    name: str
    modified: int


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
                yield Found(Path(entry.path), f"{prefix}{entry.name}", entry.stat().st_mtime_ns)
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
        self.path = directory / f"{prefix}{os.urandom(12).hex()}.staged"
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

    def seal(self) -> str:
        """Make file and name durable and close the file; the digest of its bytes."""
        sync(self._file)
        self.close()
        sync_directory(self.path.parent)
        return self._digest.hexdigest()

    def discard(self) -> None:
        """Remove the file, whatever state it is in."""
        with contextlib.suppress(OSError):  # what could not be flushed goes with the file
            self.close()
        remove(self.path)


# -- files that are written in place ---------------------------------------------


def make_private_directory(path: Path) -> None:
    """Create a directory that only its owner may enter, and its parents, if they are missing."""
    hit("files.make_directory")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)


def open_update(path: Path) -> BinaryIO:
    """Open an existing file for `read_at` and `write_at`."""
    hit("files.open_update")
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


def replace(staged: Path, final: Path) -> None:
    """Give a staged file a final name, in the place of what has it now, atomically."""
    hit("files.replace")
    os.replace(staged, final)
    hit("files.replaced")


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


def process_id() -> int:
    """The number of this process, for messages."""
    return os.getpid()


def random_bytes(count: int) -> bytes:
    """Bytes that no other file has, for names and fences; no result depends on them."""
    return os.urandom(count)


def is_named(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is the one that has a name now: not if it was removed or replaced."""
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(file.fileno())
    return (here.st_dev, here.st_ino) == (named.st_dev, named.st_ino)
