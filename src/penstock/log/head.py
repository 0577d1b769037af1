"""How far a log is durable: a small record, written after every sync, that readers of other processes follow."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from penstock.core import files, positioned
from penstock.core.failpoint import hit

NAME = "head"
TRIES = 8

_RECORD = struct.Struct("<4sQQQ16s")
_MAGIC = b"PLH1"


class Head(NamedTuple):
    """Up to where everything is durable.

    Attributes:
        segment: The number of the segment.
        position: The position in it, in bytes.
        sequence: The number of the next frame.
    """

    segment: int
    position: int
    sequence: int


NOTHING = Head(0, 0, 0)


class HeadFile:
    """Reads and writes the head of a log.

    It is not synced itself. After a power failure it may be older than the log; whoever appends next finds what is
    behind it. It is never ahead: all that it says was synced before it was written.
    """

    def __init__(self, folder: Path, log: bytes) -> None:
        self._path, self._log = folder / NAME, log
        self._read: BinaryIO | None = None
        self._update: BinaryIO | None = None

    def _digest(self, head: Head) -> bytes:
        return hashlib.blake2b(struct.pack("<QQQ", *head), digest_size=16, key=self._log).digest()

    def read(self) -> Head | None:
        """The head; None if it cannot be read, since a write was torn. The head of nothing if there is none."""
        if self._read is None:
            if files.kind(self._path) is None:
                return NOTHING
            self._read = positioned.open_positioned(self._path)
        for _ in range(TRIES):
            found = positioned.read_at(self._read, 0, _RECORD.size)
            if not found:
                return NOTHING
            if len(found) == _RECORD.size:
                magic, *fields, digest = _RECORD.unpack(found)
                head = Head._make(fields)
                if magic == _MAGIC and digest == self._digest(head):
                    return head
        return None

    def write(self, head: Head) -> None:
        """Say how far the log is durable."""
        if self._update is None:
            if files.kind(self._path) is None:
                files.create(self._path).close()
            self._update = positioned.open_update(self._path)
        hit("log.before_head")
        positioned.write_at(self._update, 0, _RECORD.pack(_MAGIC, *head, self._digest(head)))
        hit("log.head_written")

    def close(self) -> None:
        """Close the file."""
        for file in (self._read, self._update):
            if file is not None:
                file.close()
        self._read = self._update = None
