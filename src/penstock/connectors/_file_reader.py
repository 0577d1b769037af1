"""Reads files one after the other, from any row on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from penstock.connectors.base import BadRow, Polled, Reader, ReadRequest
from penstock.connectors.formats.base import Chunk, Format
from penstock.core.errors import SourceError
from penstock.core.files import Found

CHUNK_ROWS = 65_536
"""How many rows are decoded at once."""


class _Rest:
    """What is left of a chunk: each number from `row` to before `next_row` is that of a good row or of a bad one."""

    def __init__(self, chunk: Chunk, row: int) -> None:
        self.frame = chunk.frame
        self.row = row
        self.next_row = chunk.next_row
        self._runs = deque(chunk.rows)
        self._bad = deque(chunk.bad)

    def take(self, count: int, shift: int) -> Polled:
        """The next rows, good and bad ones, as offsets from `shift` on; without a position."""
        self.row = end = min(self.row + count, self.next_row)
        runs: list[tuple[int, int]] = []
        height = 0
        while self._runs and self._runs[0][0] < end:
            first, length = self._runs.popleft()
            if first + length > end:
                self._runs.appendleft((end, first + length - end))
                length = end - first
            runs.append((shift + first, length))
            height += length
        bad: list[BadRow] = []
        while self._bad and self._bad[0].offset < end:
            row = self._bad.popleft()
            bad.append(row._replace(offset=row.offset + shift))
        rows, self.frame = self.frame.slice(0, height), self.frame.slice(height)
        return Polled(rows, tuple(runs), tuple(bad), None)


class FileReader(Reader):
    """Reads the files of one split.

    A position names the file, the number of the next row in it, and the offset of that row in the split: how many
    rows the files before have, plus its number. Of a watched directory it also names the files that are done.

    Args:
        listing: Gives the files there are now, in order.
        format: How to read them.
        request: What is wanted.
        position: Where to begin, or None.
        watch_us: How long to wait before looking for new files, or None if the files of the beginning are all.
    """

    def __init__(
        self,
        listing: Callable[[], list[Found]],
        format: Format,
        request: ReadRequest,
        position: dict[str, Any] | None,
        watch_us: int | None,
    ) -> None:
        self._listing = listing
        self._format = format
        self._request = request
        self._watch = watch_us is not None
        if watch_us is not None:
            self.retry_after_us = watch_us
        self._done: list[str] = []
        self._file = ""
        self._row = 0
        self._base = 0
        self._index = -1
        self._rest: _Rest | None = None
        self._chunks: Iterator[Chunk] | None = None
        self._ended = False
        found = listing()
        if position is not None:
            found = self._resume(found, position)
        self._queue = deque(found)

    def _resume(self, found: list[Found], position: dict[str, Any]) -> list[Found]:
        """Open the file of a position; the files that come after it."""
        names = [one.name for one in found]
        name = position["file"]
        if name and name not in names:
            raise SourceError(f'the file "{name}", where reading must go on, is not there any more')
        self._done = list(position.get("done", ()))
        self._base = position["offset"] - position["row"]
        if self._watch:
            ahead = [one for one in found if one.name not in self._done and one.name != name]
        else:
            self._index = names.index(name)
            if self._index != position["index"]:
                raise SourceError(
                    f'{position["index"]} files came before "{name}" when it was read, now there are {self._index}',
                    hint="the files that were read must stay as they are until the pipeline has finished",
                )
            ahead = found[self._index + 1 :]
        if name:
            self._open(found[names.index(name)], position["row"])
        return ahead

    def _open(self, file: Found, row: int) -> None:
        self._file, self._row = file.name, row
        self._chunks = self._format.read(file.path, self._request, row, CHUNK_ROWS)

    def _next_file(self) -> bool:
        """Go to the next file, if there is one."""
        if not self._queue and self._watch:
            found = self._listing()
            there = {one.name for one in found}
            self._done = [name for name in self._done if name in there]
            known = {*self._done, self._file}
            self._queue.extend(one for one in found if one.name not in known)
        if not self._queue:
            return False
        if self._watch and self._file:
            self._done = [*self._done, self._file]
        self._base += self._row
        self._index += 1
        self._open(self._queue.popleft(), 0)
        return True

    def poll(self, max_rows: int) -> Polled | None:
        """The next rows; None if there are no more, or no more yet.

        Raises:
            SourceError: If a file cannot be read.
        """
        while self._rest is None or self._row >= self._rest.next_row:
            chunk = next(self._chunks, None) if self._chunks is not None else None
            if chunk is not None:
                self._rest = _Rest(chunk, self._row)
                continue
            self._rest, self._chunks = None, None
            if not self._next_file():
                self._ended = not self._watch
                return None
        polled = self._rest.take(max_rows, self._base)
        self._row = self._rest.row
        return polled._replace(position=self._position())

    def _position(self) -> dict[str, Any]:
        position: dict[str, Any] = {"file": self._file, "row": self._row, "offset": self._base + self._row}
        if self._watch:
            position["done"] = self._done
        else:
            position["index"] = self._index
        return position

    @property
    def ended(self) -> bool:
        """Whether all files were read; never for a watched directory."""
        return self._ended

    def close(self) -> None:
        """Close the open file."""
        if self._chunks is not None:
            close = getattr(self._chunks, "close", None)
            self._chunks = None
            if close is not None:
                close()
