"""Reads one partition of a log: batches as they are, or the JSON of their values."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from penstock.connectors.base import BadRow, Polled, Reader, ReadRequest
from penstock.connectors.formats._adapt import MismatchError
from penstock.connectors.formats._blocks import Blocks
from penstock.connectors.formats._chunk import runs_of, typed_chunk
from penstock.connectors.formats.base import Chunk
from penstock.connectors.formats.json import JsonFormat
from penstock.core.errors import SourceError
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.log.batches import Batch
from penstock.log.log import Log

if TYPE_CHECKING:
    from typing import BinaryIO

    import numpy.typing as npt

_LINE = Path("value")
"""What JSON lines are called while they are decoded; then it is replaced by the offset."""


class LogReader(Reader):
    """Reads one partition.

    A position is the next offset, and where a bounded reader ends.

    Args:
        log: The log; closed with the reader.
        partition: The partition.
        position: Where to begin, or None.
        request: What is wanted.
        json: Whether values are JSON.
        bounded: Whether to end where the log ends now.
        group: Under which name positions are stored, or None.

    Raises:
        SourceError: If it cannot begin there.
    """

    retry_after_us = 5_000

    def __init__(
        self,
        log: Log,
        partition: int,
        position: dict[str, Any] | None,
        request: ReadRequest,
        *,
        json: bool,
        bounded: bool,
        group: str | None,
    ) -> None:
        self._log, self._partition, self._request, self._json, self._group = log, partition, request, json, group
        state = log.state()
        self._end: int | None = None
        if bounded:
            self._end = position["end"] if position else state.next[partition]
        if request.extra == "forbid" and not json:
            for stored in state.schemas.values():
                self._forbid(Schema.from_json(stored["fields"]))
        columns = ["value"] if json else request.columns
        self._cursor = log.cursor(partition, position["offset"] if position else None, columns)
        self._stored = -1

    def _forbid(self, stored: Schema) -> None:
        for name in stored.names:
            if name not in self._request.schema:
                raise SourceError(f'the log "{self._log.path}" has a column "{name}" that is not declared')

    def poll(self, max_rows: int) -> Polled | None:
        """The next rows that are durable; None if there are none now.

        Raises:
            SourceError: If rows are not there any more, or not of the declared columns.
            StateError: If the log is damaged.
        """
        if self.ended:
            return None
        batch = self._cursor.poll(max_rows)
        if batch is None:
            return None
        at = _offsets(batch)
        if self._end is not None and batch.next > self._end:
            count = int(np.searchsorted(at, self._end))
            at, batch = at[:count], batch._replace(frame=batch.frame.slice(0, count), next=self._end)
            if not count:
                return None
        position = {"offset": batch.next} | ({} if self._end is None else {"end": self._end})
        try:
            chunk = self._from_json(batch.frame, at) if self._json else self._typed(batch.frame, at)
        except MismatchError as mismatch:
            raise SourceError(f'the log "{self._log.path}": {mismatch}') from None
        return Polled(chunk.frame, chunk.rows, chunk.bad, position)

    def _place(self, offset: int) -> str:
        return f'log "{self._log.path}", partition {self._partition}, offset {offset}'

    def _typed(self, frame: pl.DataFrame, at: npt.NDArray[np.int64]) -> Chunk:
        return _renumbered(typed_chunk(frame, self._request, 0, lambda row: self._place(int(at[row]))), at)

    def _from_json(self, frame: pl.DataFrame, at: npt.NDArray[np.int64]) -> Chunk:
        if "value" not in frame.columns:
            raise SourceError(f'the log "{self._log.path}" holds rows, not records with values of JSON')
        values = frame.get_column("value")
        empty = (values.is_null() | (values.bin.size() == 0)).to_numpy()
        data = np.insert(*_lines(values.filter(pl.Series(~empty))), 10) if not empty.all() else np.empty(0, np.uint8)
        kept, rows = at[~empty], int((~empty).sum())
        blocks = Blocks(cast("BinaryIO", io.BytesIO(data.tobytes())), _LINE)
        chunks = [
            _renumbered(chunk, kept)
            for chunk in JsonFormat().read_blocks(blocks, _LINE, self._request, 0, max(1, rows))
        ]
        bad = [BadRow(int(offset), f"{self._place(int(offset))}: it has no value", None) for offset in at[empty]]
        for row in (one for chunk in chunks for one in chunk.bad):
            # "value:7: column ..." says the line of a text that nobody else sees.
            bad.append(row._replace(reason=f"{self._place(row.offset)}: {row.reason.partition(': ')[2]}"))
        frames = [chunk.frame for chunk in chunks if chunk.frame.height]
        wanted = frames or [chunk.frame for chunk in chunks] or [_empty(self._request)]
        runs = tuple(run for chunk in chunks for run in chunk.rows)
        return Chunk(pl.concat(wanted), runs, tuple(sorted(bad, key=lambda row: row.offset)), 0)

    @property
    def ended(self) -> bool:
        """Whether a bounded reader is at its end."""
        return self._end is not None and self._cursor.offset >= self._end

    def published(self, position: Any) -> None:
        """Store how far the group has come."""
        if self._group is not None and position["offset"] != self._stored:
            self._log.store_positions(self._group, {self._partition: position["offset"]})
            self._stored = position["offset"]

    def close(self) -> None:
        """Close the log."""
        self._cursor.close()
        self._log.close()


def _offsets(batch: Batch) -> npt.NDArray[np.int64]:
    if len(batch.offsets) == 1:
        first, count = batch.offsets[0]
        return np.arange(first, first + count, dtype=np.int64)
    return np.concatenate([np.arange(first, first + count, dtype=np.int64) for first, count in batch.offsets])


def _renumbered(chunk: Chunk, at: npt.NDArray[np.int64]) -> Chunk:
    """A chunk whose rows are numbered by place, with offsets instead."""
    good = np.zeros(len(at), np.bool_)
    for first, count in chunk.rows:
        good[first : first + count] = True
    bad = tuple(row._replace(offset=int(at[row.offset])) for row in chunk.bad)
    whole = np.zeros(int(at[-1] - at[0]) + 1 if len(at) else 0, np.bool_)
    if len(at):
        whole[at[good] - at[0]] = True
    return Chunk(chunk.frame, runs_of(whole, int(at[0]) if len(at) else 0), bad, chunk.next_row)


def _lines(values: pl.Series) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Texts one behind the other, without the newlines that JSON may have between its words, and where each ends."""
    array = values.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, places, heap = array.buffers()
    ends = np.frombuffer(places, np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(heap, np.uint8)[ends[0] : ends[-1]].copy()
    data[(data == 10) | (data == 13)] = 32
    return data, ends[1:] - ends[0]


def _empty(request: ReadRequest) -> pl.DataFrame:
    return pl.DataFrame(schema=request.read_schema.to_polars())
