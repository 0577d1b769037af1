"""Reads one partition from an offset on, in any process, without waiting for anybody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from penstock.core.errors import SourceError
from penstock.core.lazy import np
from penstock.log.batches import Batch, Decoder, offsets
from penstock.log.frame import END, DamagedError, Entry, Frame
from penstock.log.head import NOTHING, Head, HeadFile
from penstock.log.segment import Segment, numbers_of
from penstock.log.settings import Settings
from penstock.log.state import LogState
from penstock.log.store import as_source_error

if TYPE_CHECKING:
    import numpy.typing as npt
    import polars as pl


class _Rest(NamedTuple):
    """Decoded rows that were not given yet."""

    frame: pl.DataFrame
    offsets: npt.NDArray[np.int64]
    next: int
    time: int


class Cursor:
    """Reads one partition. Used by one thread at a time.

    It sees whole frames that are durable, never a part of what was appended together.

    Attributes:
        offset: The offset at which it goes on.

    Args:
        folder: The directory of the log.
        settings: What the log was created with.
        partition: The partition.
        offset: Where to begin; None is the first record there is.
        columns: The columns to decode; None for all.
        start: The first offset that is not truncated.

    Raises:
        SourceError: If the offset is before it.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        partition: int,
        offset: int | None,
        columns: Sequence[str] | None,
        start: int,
    ) -> None:
        self._folder, self._settings, self._partition, self._columns = folder, settings, partition, columns
        self.offset = start if offset is None else offset
        self._from_start = offset is None
        self._heads = HeadFile(folder, settings.log)
        self._known = NOTHING
        self._segment: Segment | None = None
        self._position = 0
        self._end: int | None = None
        self._frame: Frame | None = None
        self._place = 0
        self._state = LogState.empty(settings.partitions)
        self._decoder = Decoder(self._state.schemas)
        self._rest: _Rest | None = None
        if self.offset < start:
            self._lost(start)

    def poll(self, max_rows: int) -> Batch | None:
        """The next rows, at most so many, or None if there are none now.

        Raises:
            SourceError: If rows at the offset are not there any more, or files cannot be read.
            StateError: If the log is damaged.
        """
        if self._rest is None:
            with as_source_error(self._folder):
                self._rest = self._next_batch()
        rest = self._rest
        if rest is None:
            return None
        count = min(max_rows, rest.frame.height)
        if count == rest.frame.height:
            self.offset, self._rest = rest.next, None
        else:
            self.offset = int(rest.offsets[count])
            self._rest = _Rest(rest.frame.slice(count), rest.offsets[count:], rest.next, rest.time)
        runs = _runs(rest.offsets[:count])
        return Batch(self._partition, rest.frame.slice(0, count), runs, self.offset, rest.time)

    def _next_batch(self) -> _Rest | None:
        head = self._heads.read() or self._known
        if head < self._known:
            head = self._known
        self._known = head
        if self._segment is None and not self._seek(head):
            return None
        while True:
            found = self._in_segment(head)
            if found is not None:
                return found
            assert self._segment is not None
            if self._segment.number >= head.segment:
                return None
            self._enter(self._following(self._segment.number))

    def _in_segment(self, head: Head) -> _Rest | None:
        """The next batch in the open segment."""
        segment = self._segment
        assert segment is not None
        limit = self._limit(segment, head)
        while self._position < limit:
            if self._frame is None:
                self._frame, self._place = segment.frames.at(self._position, limit), 0
                self._state.change(self._frame.meta)
            frame = self._frame
            while self._place < len(frame.entries):
                place, self._place = self._place, self._place + 1
                found = self._batch(segment, frame, place)
                if found is not None:
                    return found
            self._frame, self._position = None, frame.end
            if segment.is_whole and frame.kind != END and self._position >= limit:
                raise DamagedError(segment.path, limit, "the end of the segment is missing")
        return None

    def _batch(self, segment: Segment, frame: Frame, place: int) -> _Rest | None:
        """A batch, if it has rows of this partition from the offset on."""
        entry: Entry = frame.entries[place]
        following = entry.base + entry.span
        if entry.partition != self._partition or following <= self.offset:
            return None
        if entry.base > self.offset:
            self._lost(entry.base)
        if not entry.rows:
            self.offset = following
            return None
        body = segment.frames.body(frame, place)
        rows, at = self._decoder.frame(entry, body, self._columns), offsets(entry, body)
        skip = int(np.searchsorted(at, self.offset))
        if skip == len(at):
            self.offset = following
            return None
        return _Rest(rows.slice(skip), at[skip:], following, frame.time)

    # -- segments --------------------------------------------------------------

    def _limit(self, segment: Segment, head: Head) -> int:
        """Up to where a segment is to be read."""
        if segment.number >= head.segment:
            return head.position
        if self._end is None:
            self._end = segment.size() if segment.is_whole else self._end_of(segment)
        return self._end

    def _end_of(self, segment: Segment) -> int:
        following = self._open(segment.number + 1)
        if following is None:
            self._lost(None)
        following.close()
        return following.previous_end

    def _open(self, number: int) -> Segment | None:
        try:
            return Segment(self._folder, number, self._settings.log)
        except FileNotFoundError:
            return None

    def _seek(self, head: Head) -> bool:
        """Enter the segment that has the offset; whether there is any."""
        low: Segment | None = None
        while low is None:
            numbers = [number for number in numbers_of(self._folder) if number <= head.segment]
            if not numbers:
                return False
            # Segments may go while they are looked at: then they are listed again.
            low = self._open(numbers[0])
        if self._from_start:
            self.offset, self._from_start = max(self.offset, low.state["next"][self._partition]), False
        if low.state["next"][self._partition] > self.offset:
            low.close()
            self._lost(low.state["next"][self._partition])
        first, last = 0, len(numbers) - 1
        self._enter(low)
        while first < last:
            middle = (first + last + 1) // 2
            high = self._open(numbers[middle])
            if high is not None and high.state["next"][self._partition] <= self.offset:
                first = middle
                self._enter(high)
            else:
                last = middle - 1
                if high is not None:
                    high.close()
        return True

    def _following(self, number: int) -> Segment:
        numbers = [one for one in numbers_of(self._folder) if one > number]
        found = self._open(numbers[0]) if numbers else None
        if found is None:
            self._lost(None)
        if found.state["next"][self._partition] > self.offset and number + 1 != found.number:
            found.close()
            self._lost(found.state["next"][self._partition])
        return found

    def _enter(self, segment: Segment) -> None:
        if self._segment is not None:
            self._segment.close()
        self._segment, self._position, self._end, self._frame = segment, segment.first.end, None, None
        self._state = LogState.from_json(segment.state)
        self._decoder = Decoder(self._state.schemas)

    def _lost(self, there: int | None) -> NoReturn:
        upto = f" to {there - 1:,}" if there is not None else " on"
        raise SourceError(
            f'partition {self._partition} of the log "{self._folder}": the rows from offset {self.offset:,}{upto} are '
            "not there any more",
            hint="they were removed by retention or truncation before they were read",
        )

    def close(self) -> None:
        """Close all files."""
        self._heads.close()
        if self._segment is not None:
            self._segment.close()
            self._segment = None


def _runs(at: npt.NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Ascending offsets as runs."""
    if len(at) and int(at[-1]) - int(at[0]) == len(at) - 1:
        return ((int(at[0]), len(at)),)
    starts = np.flatnonzero(np.concatenate(([True], np.diff(at) != 1)))
    ends = np.append(starts[1:], len(at))
    return tuple((int(at[a]), int(b - a)) for a, b in zip(starts, ends, strict=True))
