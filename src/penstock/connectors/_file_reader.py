"""Reads files one after the other, from any row on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from penstock.connectors._file_hive import Partition
from penstock.connectors._file_listing import Listed, Listing
from penstock.connectors.base import BadRow, Polled, Reader, ReadRequest
from penstock.connectors.formats.base import Chunk, Format, Mark
from penstock.core import files
from penstock.core.errors import SourceError

CHUNK_ROWS = 65_536
"""How many rows are decoded at once."""


class _Rest:
    """What is left of a chunk: each number from `row` to before `next_row` is that of a good row or of a bad one."""

    def __init__(self, chunk: Chunk, row: int) -> None:
        self.frame = chunk.frame
        self.row = self._first = row
        self.next_row = chunk.next_row
        self._runs = deque(chunk.rows)
        self._bad = deque(chunk.bad)
        self._marks = chunk.marks

    @property
    def mark(self) -> Mark | None:
        """Where the next row begins, if that is known."""
        return self._marks.at(self.row - self._first) if self._marks is not None else None

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

    A position names the file, its size and time of change, the number of the next row in it and, in files of text,
    where that begins; and the offset of that row in the split: how many rows the files before have, plus its number.
    Where manifests say what there is, it has the number of the manifest; else, of a watched directory, it names the
    files that are done.

    Args:
        listing: The files.
        only: The name of the one file to read, or None for all.
        format: How to read them.
        request: What is wanted.
        position: Where to begin, or None.
        watch_us: How long to wait before looking for new files, or None if the files of the beginning are all.
        hive: Says whether directories name columns.
    """

    def __init__(
        self,
        listing: Listing,
        only: str | None,
        format: Format,
        request: ReadRequest,
        position: dict[str, Any] | None,
        watch_us: int | None,
        hive: Callable[[], bool],
    ) -> None:
        self._listing = listing
        self._only = only
        self._format = format
        self._request = request
        self._hive = hive
        self._watch = watch_us is not None
        if watch_us is not None:
            self.retry_after_us = watch_us
        self._done: list[str] = []
        self._file: Listed | None = None
        self._stamp: list[int] = []
        self._row = 0
        self._mark: Mark | None = None
        self._base = 0
        self._index = -1
        self._rest: _Rest | None = None
        self._chunks: Iterator[Chunk] | None = None
        self._ended = False
        found = self._list()
        if position is not None:
            found = self._resume(found, position)
        self._queue = deque(found)

    def _list(self) -> list[Listed]:
        return [one for one in self._listing.now() if self._only in (None, one.name)]

    # -- positions -------------------------------------------------------------

    def _resume(self, found: list[Listed], position: dict[str, Any]) -> list[Listed]:
        """Open the file of a position; the files that come after it."""
        name = position["file"]
        names = [one.name for one in found]
        place = names.index(name) if name in names else None
        self._done = list(position.get("done", ()))
        self._base = position["offset"] - position["row"]
        number = position.get("number", -1)
        if number >= 0 and self._only is None:
            self._listing.check_after(number if position.get("over") else number - 1)
        if place is None and position.get("over"):
            # All of its epoch was read, and it has been removed since.
            self._file, self._row = Listed(Path(name), name, 0, number=number), position["row"]
            return [one for one in found if one.number > number]
        if place is None:
            raise SourceError(f'the file "{name}", where reading must go on, is not there any more')
        if (found[place].number < 0) != (number < 0):
            raise SourceError(
                f'"{name}" was read {"without its" if number < 0 else "by a"} manifest, and is not now',
                hint="what is read, and how, must stay as it is until the pipeline has finished",
            )
        mark = position.get("mark")
        self._open(found[place], position["row"], Mark(*mark) if mark else None, position["stamp"])
        return self._ahead(found, place, position)

    def _ahead(self, found: list[Listed], place: int, position: dict[str, Any]) -> list[Listed]:
        if self._watch and found[place].number < 0:
            return [one for one in found if one.name not in self._done and one.name != found[place].name]
        self._index = place
        if "index" in position and self._index != position["index"]:
            raise SourceError(
                f'{position["index"]} files came before "{found[place].name}" when it was read, '
                f"now there are {self._index}",
                hint="the files that were read must stay as they are until the pipeline has finished",
            )
        return found[place + 1 :]

    def _position(self) -> dict[str, Any]:
        assert self._file is not None
        position: dict[str, Any] = {"file": self._file.name, "row": self._row, "offset": self._base + self._row}
        position["stamp"] = self._stamp
        if self._mark is not None:
            position["mark"] = list(self._mark)
        if self._file.number >= 0:
            last = not self._queue or self._queue[0].number > self._file.number
            position |= {"number": self._file.number, "over": last and self._row == self._file.rows}
        elif self._watch:
            position["done"] = self._done
        else:
            position["index"] = self._index
        return position

    # -- files -----------------------------------------------------------------

    def _open(self, file: Listed, row: int, mark: Mark | None, stamp: list[int] | None) -> None:
        """Open a file at a row; a stamp is what it was when it was read before."""
        try:
            found = files.stamp(file.path)
        except FileNotFoundError:
            raise SourceError(
                f'the file "{file.path}" was removed before it was read',
                hint="files must stay until those that read them have finished",
            ) from None
        except OSError as failure:
            raise SourceError(f'cannot read "{file.path}": {failure.strerror or failure}') from failure
        if file.number >= 0:
            # The manifest says what it is: who copies files may change their times.
            found = [found[0], 0]
            if file.size >= 0 and found[0] != file.size:
                raise SourceError(f'"{file.path}" has {found[0]:,} bytes, its manifest says {file.size:,}')
        if stamp is not None and found != list(stamp):
            was = f"{stamp[0]:,} bytes then, {found[0]:,} now" if stamp[0] != found[0] else "it was written to since"
            raise SourceError(
                f'the file "{file.path}" has changed since it was read: {was}',
                hint="files that were read must stay as they are until the pipeline has finished",
            )
        self._file, self._row, self._mark, self._stamp = file, row, mark, found
        self._chunks = self._rows(file, row, mark)

    def _rows(self, file: Listed, row: int, mark: Mark | None) -> Iterator[Chunk]:
        if not self._hive():
            return self._format.resume(file.path, self._request, row, mark, CHUNK_ROWS)
        partition = Partition(file.name, self._request)
        chunks = self._format.resume(file.path, partition.request, row, mark, CHUNK_ROWS)
        return (partition.complete(chunk) for chunk in chunks)

    def _look(self) -> None:
        """Look for files that have come."""
        found = self._list()
        if self._file is not None and self._file.number >= 0:
            self._listing.check_after(self._file.number)
            self._queue.extend(one for one in found if one.number > self._file.number)
            return
        there = {one.name for one in found}
        self._done = [name for name in self._done if name in there]
        known = {*self._done, self._file.name if self._file is not None else ""}
        self._queue.extend(one for one in found if one.name not in known)

    def _next_file(self) -> bool:
        """Go to the next file, if there is one."""
        if not self._queue and self._watch:
            self._look()
        if not self._queue:
            return False
        if self._watch and self._file is not None and self._file.number < 0:
            self._done = [*self._done, self._file.name]
        self._base += self._row
        self._index += 1
        self._open(self._queue.popleft(), 0, None, None)
        return True

    # -- reading ---------------------------------------------------------------

    def poll(self, max_rows: int) -> Polled | None:
        """The next rows; None if there are no more, or no more yet.

        Raises:
            SourceError: If a file cannot be read, or has changed.
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
        self._row, self._mark = self._rest.row, self._rest.mark
        return polled._replace(position=self._position())

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
