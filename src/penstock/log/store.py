"""The one place that writes a log: under a lock between processes, frame by frame, each synced before it is seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from penstock.core import files, positioned
from penstock.core.clock import Clock
from penstock.core.errors import SinkLost, SourceError, StateError
from penstock.core.failpoint import hit
from penstock.core.threads import lock
from penstock.log.frame import DATA, DamagedError, Entry, Frame, encode
from penstock.log.head import NOTHING, Head, HeadFile
from penstock.log.locks import ProcessLock
from penstock.log.segment import Segment, StagedSegment, numbers_of, path_of, remove_staged
from penstock.log.settings import Settings
from penstock.log.state import LogState

LOCK = "lock"
STAGED = "append-"


class Store:
    """An open log directory.

    Any number of processes may append: each takes the lock, reads what others have appended since, writes one frame,
    syncs it, and moves the head. What lies behind the head was not acknowledged: whoever comes next keeps the
    frames there that are whole, in a new segment, and leaves the rest behind.

    Args:
        folder: The directory.
        settings: What the log was created with.
        clock: Where the times of frames come from.
    """

    def __init__(self, folder: Path, settings: Settings, clock: Clock) -> None:
        self.folder, self.settings, self.clock = folder, settings, clock
        self.state = LogState.empty(settings.partitions)
        self.head = NOTHING
        self._heads = HeadFile(folder, settings.log)
        self._segment: Segment | None = None
        self._lock = ProcessLock(folder / LOCK, clock, "appending to the log")
        self._abandoned: Head | None = None
        self._mutex = lock()

    # -- reading ---------------------------------------------------------------

    def read_head(self) -> Head:
        """How far the log is durable; what was known before if that cannot be read just now."""
        return self._heads.read() or self.head

    def refresh(self) -> LogState:
        """The state of the log now; a copy, which others may not wait for."""
        with self._mutex:
            self._refresh()
            return self.state.copy()

    def first_offsets(self, number: int) -> list[int]:
        """The offsets at the beginning of a segment.

        Raises:
            FileNotFoundError: If there is no such segment.
        """
        segment = Segment(self.folder, number, self.settings.log)
        segment.close()
        found: list[int] = segment.state["next"]
        return found

    def as_lost(self) -> contextlib.AbstractContextManager[None]:
        """Turn failures of the file system into `SinkLost`."""
        return _as_lost(self.folder)

    def _refresh(self) -> None:
        head = self._heads.read()
        if head is None or head == self.head:
            return
        if head.segment:
            self._follow(head)
        self.head = head

    def _follow(self, head: Head) -> None:
        """Read the state at a head."""
        segment = self._segment
        position = self.head.position
        if segment is None or segment.number != head.segment:
            segment = self._open(head.segment)
            self.state, position = LogState.from_json(segment.state), segment.first.end
            self._close_segment()
            self._segment = segment
        if segment.size() < head.position:
            raise DamagedError(segment.path, segment.size(), f"it was durable up to byte {head.position:,}")
        for frame in segment.frames.until(position, head.position):
            self.state.apply(frame, segment.path)

    def _open(self, number: int) -> Segment:
        try:
            return Segment(self.folder, number, self.settings.log)
        except FileNotFoundError:
            raise StateError(
                f'"{path_of(self.folder, number)}" is missing', hint="a log is its whole directory: restore the file"
            ) from None

    # -- the lock --------------------------------------------------------------

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Be the only one who writes, knowing all that was written.

        Raises:
            SinkLost: If another process does not let go of the lock, or files cannot be read.
            StateError: If the log is damaged.
        """
        with self._mutex, _held(self._lock, self.folder):
            with _as_lost(self.folder):
                self._refresh()
                self._recover()
            yield

    # -- recovery --------------------------------------------------------------

    def _recover(self) -> None:
        """Take in what is durable behind the head, and leave what is torn.

        Raises:
            StateError: If more is wrong than an interrupted append explains.
        """
        known, newest = self.head, self._newest()
        if newest > known.segment:
            # A segment is published when all before it is durable: it is the better head. Its name may not be.
            files.sync_directory(self.folder)
            segment = self._open(newest)
            self._close_segment()
            self._segment, self.state = segment, LogState.from_json(segment.state)
            known = Head(segment.number, segment.first.end, self.state.sequence)
        if self._segment is None:
            return
        size = self._segment.size()
        if self._abandoned is not None and self._abandoned != known:
            self._abandoned = None
        if self._abandoned is not None:
            self._roll(known, [])
        elif size > known.position:
            self._roll(known, self._kept(self._segment, known.position, size))
        elif known != self.head:
            self._move_head(known)

    def _newest(self) -> int:
        """The number of the newest segment; 0 if there is none."""
        if not self.head.segment:
            return max(numbers_of(self.folder), default=0)
        newest = self.head.segment
        while files.kind(path_of(self.folder, newest + 1)):
            newest += 1
        return newest

    def _kept(self, segment: Segment, position: int, size: int) -> list[tuple[Frame, list[bytes]]]:
        """The whole frames behind the head; then at most one that is torn."""
        found: list[tuple[Frame, list[bytes]]] = []
        state = self.state.copy()
        while position < size:
            try:
                frame, bodies = segment.frames.whole(position, size)
                state.apply(frame, segment.path)
            except DamagedError:
                if segment.frames.search(position + 1, size) is not None:
                    # Appends are synced one by one: only the last can be torn.
                    raise
                break
            found.append((frame, bodies))
            position = frame.end
        return found

    def _roll(self, known: Head, kept: Sequence[tuple[Frame, list[bytes]]]) -> None:
        """Begin a new segment behind a durable point, with frames whose old place is not known to be durable."""
        hit("log.before_roll")
        remove_staged(self.folder, STAGED)
        number, state = known.segment + 1, self.state.copy()
        time = max(self.clock.now(), state.time)
        meta = {"state": state.to_json(), "previous_end": known.position, "whole": False}
        staged = StagedSegment(self.folder, number, self.settings.log, STAGED, meta, time)
        try:
            for frame, bodies in kept:
                state.apply(staged.add(frame, frame.entries, bodies), path_of(self.folder, number))
            staged.publish()
        except BaseException:
            staged.discard()
            raise
        head = Head(number, staged.size, state.sequence)
        segment = self._open(number)
        self._close_segment()
        self._segment, self.state, self._abandoned = segment, state, None
        self._move_head(head)

    def _move_head(self, head: Head) -> None:
        self._heads.write(head)
        self.head = head

    # -- appending -------------------------------------------------------------

    def append(self, entries: Sequence[Entry], bodies: Sequence[bytes], meta: dict[str, Any]) -> Frame:
        """Write a frame and make it durable; only within `exclusive`.

        Raises:
            SinkLost: If that fails. Then the segment is given up: it is neither written nor synced again. Whether
                the frame is there is found out by reading.
        """
        with _as_lost(self.folder):
            if self._segment is None or self.head.position >= self.settings.segment_bytes:
                self._roll(self.head, [])
            known = self.head
            try:
                frame = self._write(entries, bodies, meta)
                self._move_head(Head(known.segment, frame.end, frame.sequence + 1))
            except BaseException:
                self._abandoned = known
                raise
            assert self._segment is not None
            self.state.apply(frame, self._segment.path)
            return frame

    def _write(self, entries: Sequence[Entry], bodies: Sequence[bytes], meta: dict[str, Any]) -> Frame:
        assert self._segment is not None
        if not self._segment.is_open_for_update:
            update = Segment(self.folder, self._segment.number, self.settings.log, update=True)
            self._close_segment()
            self._segment = update
        file, position = self._segment.file, self.head.position
        sequence, time = self.state.sequence, max(self.clock.now(), self.state.time)
        lead = encode(self.settings.log, self._segment.number, position, DATA, sequence, time, entries, meta)
        hit("log.before_write")
        place = start = positioned.write_at(file, position, lead)
        for body in bodies:
            hit("log.between_bodies")
            place = positioned.write_at(file, place, body)
        hit("log.before_sync")
        files.sync(file)
        hit("log.synced")
        return Frame(DATA, sequence, time, tuple(entries), meta, position, start, place)

    def _close_segment(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def close(self) -> None:
        """Close all files."""
        with self._mutex:
            self._close_segment()
            self._heads.close()
            self._lock.close()
            self.head = NOTHING


@contextlib.contextmanager
def _held(held: ProcessLock, folder: Path) -> Iterator[None]:
    """Hold a lock; what fails while it is held is told as it is."""
    with contextlib.ExitStack() as stack:
        with _as_lost(folder):
            stack.enter_context(held.hold())
        yield


@contextlib.contextmanager
def _as_lost(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise SinkLost(f'cannot append to the log "{folder}": {failure.strerror or failure}') from failure


@contextlib.contextmanager
def as_source_error(folder: Path) -> Iterator[None]:
    """Turn failures of the file system into errors that name the log.

    Raises:
        SourceError: If it cannot be read.
    """
    try:
        yield
    except OSError as failure:
        raise SourceError(f'cannot read the log "{folder}": {failure.strerror or failure}') from failure
