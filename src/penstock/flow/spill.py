"""Elements that wait on disk: in a file that goes when it is empty or the stream ends. Nothing survives a kill."""

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
        directory: Where the file is; made if it is missing.
        limit: How many bytes it may have; more is a `BufferOverflowError`.
        encode: An element as bytes; without it as JSON, which must give the same value back.
        decode: The way back.
    """

    directory: Path | str = ".penstock/spill"
    limit: int = 1 << 30
    encode: Callable[[Any], bytes] = _encode
    decode: Callable[[bytes], Any] = json.loads


class SpillFile:
    """First in, first out, on disk. Space is given back whenever it is empty."""

    def __init__(self, spill: Spill) -> None:
        self.spill = spill
        self._lengths: deque[int] = deque()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._read = self._written = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def put(self, value: Any) -> None:
        """Append an element.

        Raises:
            PlanError: If it cannot be encoded.
            BufferOverflowError: If the file would be larger than its limit.
        """
        data = self.spill.encode(value)
        if self._written + len(data) > self.spill.limit:
            raise BufferOverflowError(f"more than {self.spill.limit} bytes would be spilled")
        if self._file is None:
            directory = Path(self.spill.directory)
            files.make_directory(directory)
            self._path = files.unique(directory, "spill-")
            self._file = files.create(self._path)
        files.write(self._file, data)
        self._lengths.append(len(data))
        self._written += len(data)

    def take(self, most: int) -> list[Any]:
        """The oldest elements, `most` at most."""
        count = min(most, len(self._lengths))
        if not count or self._file is None or self._path is None:
            return []
        self._file.flush()
        found = []
        with files.open_read(self._path) as file:
            file.seek(self._read)
            for _ in range(count):
                length = self._lengths.popleft()
                found.append(self.spill.decode(files.read(file, length)))
                self._read += length
        if not self._lengths:
            self.close()
        return found

    def close(self) -> None:
        """Remove the file."""
        file, path, self._file = self._file, self._path, None
        self._lengths.clear()
        self._read = self._written = 0
        if file is not None and path is not None:
            file.close()
            files.remove(path)
