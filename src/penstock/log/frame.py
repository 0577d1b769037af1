"""How a log looks on disk: frames, each valid as a whole or not at all.

A frame is a header, a directory of batches, a JSON value and the bodies of the batches. One digest covers header,
directory and JSON, and where the frame stands; the directory has the digest of each body. A frame holds what
was appended together, for whatever partitions: it is the unit of durability and of visibility.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from penstock.core import positioned
from penstock.core.errors import StateError

MAGIC = b"PLF1"
START, DATA, END = 1, 2, 3
"""The first frame of a segment, frames of records, and the last frame of a segment that was rewritten."""
SPARSE = 1
"""A flag of a batch: rows are missing between its offsets, so that it says which it has."""
WITH_IDS = 2
"""A flag of a batch: its records have ids."""

DIGEST_BYTES = 16
BLOCK_BYTES = 1 << 14
META_BYTES = 64 << 20
MOST_ENTRIES = 1 << 20

_HEAD = struct.Struct("<4sB3xIIQQq16s")
_ENTRY = struct.Struct("<IIQQIIQ16s")


class DamagedError(StateError):
    """A file of a log that is not as it was written.

    Attributes:
        path: The file.
        position: Where the damage is, in bytes.
    """

    def __init__(self, path: Path, position: int, what: str) -> None:
        self.path, self.position = path, position
        super().__init__(
            f'"{path}" is damaged at byte {position:,}: {what}',
            hint="restore it from a backup, or set the damaged part aside: penstock.log.repair(path)",
        )


class Entry(NamedTuple):
    """One batch in the directory of a frame.

    Attributes:
        partition: Its partition.
        schema: The number of the schema of its rows.
        base: The offset of its first row.
        span: How many offsets it takes.
        rows: How many rows it has: fewer than offsets once it was compacted.
        flags: See `SPARSE` and `WITH_IDS`.
        length: The bytes of its body.
        digest: The digest of its body.
    """

    partition: int
    schema: int
    base: int
    span: int
    rows: int
    flags: int
    length: int
    digest: bytes


class Frame(NamedTuple):
    """A frame without the bodies of its batches.

    Attributes:
        kind: See `START`.
        sequence: Its number in the log.
        time: When it was written, in microseconds since 1970; never goes back.
        entries: Its batches.
        meta: What it says besides, as JSON.
        position: Where it begins in its file.
        bodies: Where its bodies begin.
        end: Where it ends.
    """

    kind: int
    sequence: int
    time: int
    entries: tuple[Entry, ...]
    meta: dict[str, Any]
    position: int
    bodies: int
    end: int


def digest_of(body: bytes | memoryview) -> bytes:
    """The digest of the body of a batch."""
    return hashlib.blake2b(body, digest_size=16).digest()


def _seal(log: bytes, segment: int, position: int, head: bytes, rest: bytes) -> bytes:
    """The digest of a frame: bytes that were written elsewhere, for another log or place, are no frame here."""
    digest = hashlib.blake2b(struct.pack("<QQ", segment, position), digest_size=16, key=log)
    digest.update(head)
    digest.update(rest)
    return digest.digest()


def encode(
    log: bytes, segment: int, position: int, kind: int, sequence: int, time: int, entries: Sequence[Entry], meta: Any
) -> bytes:
    """All of a frame but its bodies, which follow it."""
    text = json.dumps(meta, separators=(",", ":"), sort_keys=True).encode() if meta else b""
    rest = b"".join(_ENTRY.pack(*entry) for entry in entries) + text
    bodies = sum(entry.length for entry in entries)
    fields = (MAGIC, kind, len(entries), len(text), bodies, sequence, time)
    head = _HEAD.pack(*fields, b"")[:-DIGEST_BYTES]
    return head + _seal(log, segment, position, head, rest) + rest


class Frames:
    """Reads the frames of one segment file.

    Args:
        file: The open file.
        path: Its name, for errors.
        log: The identity of the log.
        segment: The number of the segment.
    """

    def __init__(self, file: BinaryIO, path: Path, log: bytes, segment: int) -> None:
        self.file, self.path = file, path
        self._log, self._segment = log, segment
        self._block, self._at = b"", 0

    def _bytes(self, position: int, count: int, limit: int) -> bytes:
        """Some bytes; a block is read at once, since the next frame is often in it."""
        first = position - self._at
        if first < 0 or first + count > len(self._block):
            wanted = min(max(count, BLOCK_BYTES), limit - position)
            self._block, self._at, first = positioned.read_at(self.file, position, wanted), position, 0
        return self._block[first : first + count]

    def at(self, position: int, limit: int) -> Frame:
        """The frame at a position; it must end before a limit, up to which the file does not change any more.

        Raises:
            DamagedError: If there is none.
        """
        head = self._bytes(position, _HEAD.size, limit)
        if len(head) < _HEAD.size:
            raise DamagedError(self.path, position, "the file ends within a frame")
        magic, kind, count, text, bodies, sequence, time, digest = _HEAD.unpack(head)
        size = count * _ENTRY.size + text
        start = position + _HEAD.size + size
        if magic != MAGIC or count > MOST_ENTRIES or text > META_BYTES or start + bodies > limit:
            raise DamagedError(self.path, position, "no frame begins here, or it is not whole")
        rest = self._bytes(position + _HEAD.size, size, limit)
        if _seal(self._log, self._segment, position, head[:-DIGEST_BYTES], rest) != digest:
            raise DamagedError(self.path, position, "a frame does not match its digest")
        entries = tuple(Entry._make(found) for found in _ENTRY.iter_unpack(rest[: count * _ENTRY.size]))
        meta = json.loads(rest[count * _ENTRY.size :]) if text else {}
        return Frame(kind, sequence, time, entries, meta, position, start, start + bodies)

    def until(self, position: int, limit: int) -> Iterator[Frame]:
        """All frames from a position up to a limit.

        Raises:
            DamagedError: If the bytes between are not frames.
        """
        while position < limit:
            frame = self.at(position, limit)
            yield frame
            position = frame.end

    def body(self, frame: Frame, number: int) -> bytes:
        """The body of a batch.

        Raises:
            DamagedError: If it does not match its digest.
        """
        position = frame.bodies + sum(entry.length for entry in frame.entries[:number])
        entry = frame.entries[number]
        found = positioned.read_at(self.file, position, entry.length)
        if digest_of(found) != entry.digest:
            raise DamagedError(self.path, position, "a batch does not match its digest")
        return found

    def whole(self, position: int, limit: int) -> tuple[Frame, list[bytes]]:
        """The frame at a position with its bodies, all of them verified.

        Raises:
            DamagedError: If any part of it is damaged.
        """
        frame = self.at(position, limit)
        return frame, [self.body(frame, number) for number in range(len(frame.entries))]

    def search(self, position: int, limit: int) -> int | None:
        """Where the next frame begins at or behind a position, or None if there is none: what follows damage."""
        while position < limit:
            block = positioned.read_at(self.file, position, min(1 << 20, limit - position))
            found = block.find(MAGIC)
            while found >= 0:
                if self._is_frame(position + found, limit):
                    return position + found
                found = block.find(MAGIC, found + 1)
            if len(block) < len(MAGIC):
                return None
            position += len(block) - len(MAGIC) + 1
        return None

    def _is_frame(self, position: int, limit: int) -> bool:
        try:
            self.at(position, limit)
        except DamagedError:
            return False
        return True
