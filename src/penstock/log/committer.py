"""Threads that append share a sync: whoever comes first writes what all others have brought."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from penstock.core.errors import PenstockError, SinkError, SinkLost, StateError, SupersededError
from penstock.core.threads import lock
from penstock.log.batches import Decoder, offsets
from penstock.log.draft import Draft, Request
from penstock.log.frame import WITH_IDS, Entry, Frame
from penstock.log.ids import Ids, Place
from penstock.log.segment import Segment, numbers_of
from penstock.log.store import Store

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

FRAME_BYTES = 1 << 30
"""A request of more bytes is refused."""
GROUP_BYTES = 16 << 20
"""How many bytes share a sync, about."""


class _Pending:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.answer: Any = None
        self.failure: BaseException | None = None
        self.is_done = False


class Committer:
    """Appends requests to a log, those of several threads in one frame with one sync."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids = Ids(store.settings.deduplicate_us)
        self._ids_until = 0
        self._queue: deque[_Pending] = deque()
        self._queued, self._leading = lock(), lock()

    def append(self, request: Request) -> Any:
        """Append something and wait until it is durable; the answer of the request.

        Raises:
            SinkError: If it is refused: then it is not there.
            SinkLost: If it is not known whether it is there.
        """
        if request.size > FRAME_BYTES:
            raise SinkError(f"{request.size:,} bytes cannot be appended at once, at most {FRAME_BYTES:,}")
        pending = _Pending(request)
        with self._queued:
            self._queue.append(pending)
        while not pending.is_done:
            with self._leading:
                if not pending.is_done:
                    self._lead()
        if pending.failure is not None:
            raise pending.failure
        return pending.answer

    def _take(self) -> list[_Pending]:
        group: list[_Pending] = []
        size = 0
        with self._queued:
            while self._queue and (not group or size + self._queue[0].request.size <= GROUP_BYTES):
                group.append(self._queue.popleft())
                size += group[-1].request.size
        return group

    def _lead(self) -> None:
        """Write one frame of what is in the queue."""
        group = self._take()
        try:
            with self._store.exclusive():
                self._write(group)
        except BaseException as failure:
            for pending in group:
                if pending.failure is None:
                    pending.failure = _of_its_own(failure)
            if not isinstance(failure, PenstockError):
                raise
        finally:
            for pending in group:
                pending.is_done = True

    def _write(self, group: list[_Pending]) -> None:
        store = self._store
        time = max(store.clock.now(), store.state.time)
        if self._ids.span_us:
            self._catch_up(time)
        draft = Draft(store.state, self._ids, time)
        for pending in group:
            try:
                pending.answer = pending.request.add(draft)
            except PenstockError as refused:
                pending.failure = refused
        if not draft.is_empty:
            store.append(*draft.finish())
            draft.written()
        self._ids_until = store.state.sequence

    def _catch_up(self, now: int) -> None:
        """Learn the ids that others have appended since, or that are within the span when the log is opened."""
        store = self._store
        if self._ids_until == store.state.sequence:
            return
        decoder = Decoder({})
        numbers = [number for number in numbers_of(store.folder) if number <= store.head.segment]
        needed = []
        for number in reversed(numbers):
            segment = Segment(store.folder, number, store.settings.log)
            needed.append(segment)
            first: int = segment.state["sequence"]
            if first <= self._ids_until or segment.first.time + self._ids.span_us < now:
                break
        following: Segment | None = None
        ends = {}
        for segment in needed:
            ends[segment.number] = _end(segment, following, store)
            following = segment
        try:
            for segment in reversed(needed):
                for frame in segment.frames.until(segment.first.end, ends[segment.number]):
                    if frame.sequence < self._ids_until:
                        continue
                    for place, entry in enumerate(frame.entries):
                        if entry.flags & WITH_IDS and entry.rows:
                            body = segment.frames.body(frame, place)
                            self._remember(frame, entry, decoder.frame(entry, body, ["id"]), offsets(entry, body))
        finally:
            for segment in needed:
                segment.close()
        self._ids.check_room(0, now)

    def _remember(self, frame: Frame, entry: Entry, rows: pl.DataFrame, places: npt.NDArray[np.int64]) -> None:
        for value, offset in zip(rows.get_column("id").to_list(), places.tolist(), strict=True):
            if value is not None:
                self._ids.add(value, Place(entry.partition, offset), frame.time)


def _end(segment: Segment, following: Segment | None, store: Store) -> int:
    if segment.is_whole:
        return segment.size()
    if following is None:
        return store.head.position
    return following.previous_end


def _of_its_own(failure: BaseException) -> BaseException:
    """An error for one of several threads; a traceback of its own is added to it when it is raised."""
    for kind in (SupersededError, StateError, SinkLost):
        if isinstance(failure, kind):
            return kind(failure.message, hint=failure.hint)
    return SinkError(failure.message if isinstance(failure, PenstockError) else f"cannot append: {failure}")
