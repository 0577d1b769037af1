"""Text files in blocks of bytes: memory stays bounded whatever the size of the file."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from penstock.connectors.formats.base import Mark, Marks
from penstock.core import files
from penstock.core.errors import SourceError
from penstock.core.lazy import np
from penstock.kernels.text_spans import LINES_NEXT, LINES_NUMBER, LINES_SKIPPING

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Words

BLOCK_BYTES = 4 << 20
"""How much is read at once."""

LONGEST_RECORD = 16 << 20
"""A row of more bytes is bad; what is beyond is not kept."""

_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class Blocks:
    """The bytes of a file; what a scan has not used comes again, before more.

    Attributes:
        data: The bytes at hand.
        last: Whether nothing follows them.
        state: Where the scan stands, for kernels: see `text_spans`.
        base: How many bytes come before those at hand.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        """Read the first block.

        Args:
            file: The file, at its beginning.
            path: Its name, for errors.

        Raises:
            SourceError: If it is UTF-16.
        """
        self._file = file
        self._bytes = b""
        self.base = 0
        self.data: Bytes = np.frombuffer(b"", dtype=np.uint8)
        self.last = False
        self.state: Words = np.zeros(3, dtype=np.int64)
        self.state[LINES_NUMBER] = 1
        self.more()
        if self._bytes.startswith(_MARKS[1:]):
            raise SourceError(f'"{path}" is UTF-16 text', hint="convert it to UTF-8")
        if self._bytes.startswith(_MARKS[0]):
            self.state[LINES_NEXT] = len(_MARKS[0])

    @property
    def end(self) -> int:
        """How many bytes are at hand."""
        return len(self._bytes)

    def more(self) -> None:
        """Drop what was used and read on."""
        block = files.read(self._file, BLOCK_BYTES)
        self.last = not block
        used = int(self.state[LINES_NEXT])
        self._bytes = self._bytes[used:] + block
        self.base += used
        self.state[LINES_NEXT] = 0
        self.data = np.frombuffer(self._bytes, dtype=np.uint8)

    def seek(self, mark: Mark) -> None:
        """Go on at a mark."""
        self._file.seek(mark.byte)
        self._bytes, self.base = b"", mark.byte
        self.state[:] = 0
        self.state[LINES_NUMBER] = mark.line
        self.more()

    def marks(self, starts: Words, lines: Words) -> Marks:
        """Marks of rows that begin at places of the block, with the place where the scan stands as their end."""
        end = None
        if not self.state[LINES_SKIPPING]:
            end = Mark(self.base + int(self.state[LINES_NEXT]), int(self.state[LINES_NUMBER]))
        return Marks(starts + self.base, lines, end)

    def text(self, start: int, end: int) -> str:
        """Bytes at hand as text; what is no UTF-8 is escaped."""
        return self._bytes[start:end].decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def open_blocks(path: Path) -> Iterator[Blocks]:
    """The blocks of a file, unpacked if its name ends with `.gz`.

    Raises:
        SourceError: If it cannot be read.
    """
    with reading(path), files.open_read(path) as file:
        packed = path.name.lower().endswith(".gz")
        yield Blocks(cast("BinaryIO", gzip.GzipFile(fileobj=file)) if packed else file, path)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn failures of reading a file into errors that name it.

    Raises:
        SourceError: If it cannot be read.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error) as failure:
        reason = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise SourceError(f'cannot read "{path}": {reason}') from failure
