"""Elements that wait on disk: in files that go when they are empty or the stream ends. Nothing survives a kill."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from penstock.core import files
from penstock.core.errors import PlanError
from penstock.flow.errors import BufferOverflowError
from penstock.flow.operators.base import function, path_of, positive

_LENGTH = 4
"""Bytes of the length before each element."""

SEGMENT = 8 << 20
"""Bytes after which the next file begins, so that a queue that is never empty gives its space back too."""


def _encode(value: Any) -> bytes:
    try:
        data = json.dumps(value, allow_nan=True).encode()
        same = json.loads(data) == value
    except (TypeError, ValueError, UnicodeError):
        same = False
    if not same:
        raise PlanError(
            f"an element of type {type(value).__name__} cannot be spilled as JSON",
            hint="Spill(encode=..., decode=...) turns elements into bytes and back",
        )
    return data


@dataclass(frozen=True)
class Spill:
    """Where and how `overflow="spill"` keeps elements on disk.

    Attributes:
        directory: Where the files are; made if it is missing.
        limit: How many bytes may be there; more is a `BufferOverflowError`.
        encode: An element as bytes; without it as JSON, which must give the same value back.
        decode: The way back.
    """

    directory: Path | str = ".penstock/spill"
    limit: int = 1 << 30
    encode: Callable[[Any], bytes] = _encode
    decode: Callable[[bytes], Any] = json.loads

    def __post_init__(self) -> None:
        path_of("Spill", self.directory)
        positive("Spill", "limit", self.limit)
        function("Spill", self.encode, "encode")
        function("Spill", self.decode, "decode")


class _Segment:
    """A file of elements, each behind its length."""

    def __init__(self, directory: Path) -> None:
        files.make_directory(directory)
        self.path = files.unique(directory, "spill-")
        self.file: BinaryIO = files.create(self.path)
        self.count = self.size = self.read = 0

    def put(self, data: bytes) -> None:
        """Append."""
        files.write(self.file, len(data).to_bytes(_LENGTH, "big") + data)
        self.count += 1
        self.size += _LENGTH + len(data)

    def take(self, most: int) -> list[bytes]:
        """The oldest elements, `most` at most."""
        self.file.flush()
        found = []
        with files.open_read(self.path) as file:
            file.seek(self.read)
            for _ in range(min(most, self.count)):
                length = int.from_bytes(files.read(file, _LENGTH), "big")
                found.append(files.read(file, length))
                self.read += _LENGTH + length
        self.count -= len(found)
        return found

    def close(self) -> None:
        """Remove the file."""
        self.file.close()
        files.remove(self.path)


class SpillFile:
    """First in, first out, on disk, in files that go when they have been read. In memory there is a number for each."""

    def __init__(self, spill: Spill) -> None:
        self.spill = spill
        self._segments: deque[_Segment] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, value: Any) -> None:
        """Append an element.

        Raises:
            PlanError: If it cannot be encoded.
            BufferOverflowError: If what is there would be larger than the limit.
        """
        data = self.spill.encode(value)
        if not isinstance(data, bytes):
            raise PlanError(f"Spill takes as encode a function that gives bytes, found {type(data).__name__}")
        if sum(one.size for one in self._segments) + _LENGTH + len(data) > self.spill.limit:
            raise BufferOverflowError(f"more than {self.spill.limit} bytes would be spilled")
        if not self._segments or self._segments[-1].size >= SEGMENT:
            self._segments.append(_Segment(Path(self.spill.directory)))
        self._segments[-1].put(data)
        self._count += 1

    def take(self, most: int) -> list[Any]:
        """The oldest elements, `most` at most."""
        found: list[Any] = []
        while self._segments and len(found) < most:
            first = self._segments[0]
            part = first.take(most - len(found))
            self._count -= len(part)
            if not first.count:
                self._segments.popleft().close()
            found += [self.spill.decode(data) for data in part]
        return found

    def close(self) -> None:
        """Remove all files."""
        self._count = 0
        while self._segments:
            self._segments.popleft().close()
