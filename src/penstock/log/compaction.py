"""Compaction: of each key only the last row stays, with the offset that it has."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, NamedTuple

from penstock.core import files
from penstock.core.clock import Clock
from penstock.core.errors import SinkError
from penstock.core.lazy import np, pl
from penstock.log.batches import Decoder, offsets, sparse
from penstock.log.frame import DATA, Entry, Frame
from penstock.log.locks import ProcessLock
from penstock.log.retention import opened
from penstock.log.segment import Segment, StagedSegment, path_of, remove_staged
from penstock.log.state import RECORDS, RECORDS_WITH_IDS, LogState
from penstock.log.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

LOCK = "tend.lock"
STAGED = "compact-"


class Compacted(NamedTuple):
    """What compaction has done.

    Attributes:
        rows: How many rows were removed.
        segments: How many segments were rewritten.
    """

    rows: int
    segments: int


class Compaction:
    """Rewrites the segments that are not written any more, oldest first, each as a whole.

    Args:
        store: The log.
        clock: Says what time it is.
        tombstones_us: For how long a record without a value stays, so that readers learn that its key is gone.
    """

    def __init__(self, store: Store, clock: Clock, tombstones_us: int) -> None:
        self._store, self._clock, self._tombstones_us = store, clock, tombstones_us
        self._lock = ProcessLock(store.folder / LOCK, clock, "compacting")
        self._now = 0

    def run(self) -> Compacted:
        """Compact.

        Raises:
            SinkError: If the log has rows without a key.
            SinkLost: If files cannot be written; what was rewritten so far stays so.
            StateError: If the log is damaged.
        """
        with contextlib.closing(self._lock), self._store.as_lost(), self._lock.hold():
            state = self._store.refresh()
            if state.holds == "rows" and not state.key:
                raise SinkError(f'the log "{self._store.folder}" has no key to compact it by')
            self._now = max(self._clock.now(), state.time)
            remove_staged(self._store.folder, STAGED)
            head = self._store.head
            with opened(self._store) as segments:
                ends = [one.size() if one.is_whole else two.previous_end for one, two in itertools.pairwise(segments)]
                last = self._last_offsets(state, segments, [*ends, head.position])
                rows = rewritten = 0
                for (segment, following), end in zip(itertools.pairwise(segments), ends, strict=True):
                    if following.first.time + self._store.settings.deduplicate_us > self._now:
                        break  # ids are looked for in what is younger
                    removed = self._rewrite(segment, end, state, last)
                    rows += removed
                    rewritten += removed > 0
        return Compacted(rows, rewritten)

    def _key(self, state: LogState) -> list[str]:
        return state.key if state.holds == "rows" else ["key"]

    def _last_offsets(
        self, state: LogState, segments: list[Segment], ends: list[int]
    ) -> dict[int, npt.NDArray[np.int64]]:
        """The offsets of the last rows of all keys, and of those without a key, by partition, ascending."""
        key = self._key(state)
        seen: dict[int, list[pl.DataFrame]] = {}
        decoder = Decoder(state.schemas)
        for segment, end in zip(segments, ends, strict=True):
            for frame, place, entry in _batches(segment, end):
                body = segment.frames.body(frame, place)
                rows = decoder.frame(entry, body, key)
                seen.setdefault(entry.partition, []).append(
                    rows.with_columns(pl.Series("__offset", offsets(entry, body)))
                )
        found = {}
        for partition, parts in seen.items():
            rows = pl.concat(parts)
            unkeyed = pl.all_horizontal(pl.col(name).is_null() for name in key)
            last = rows.filter(~unkeyed).group_by(key).agg(pl.col("__offset").max())
            kept = pl.concat([last.get_column("__offset"), rows.filter(unkeyed).get_column("__offset")])
            found[partition] = kept.sort().to_numpy()
        return found

    def _rewrite(self, segment: Segment, end: int, state: LogState, last: dict[int, npt.NDArray[np.int64]]) -> int:
        """Rewrite a segment if rows of it go; how many."""
        decoder = Decoder(state.schemas)
        changed: dict[tuple[int, int], tuple[Entry, bytes]] = {}
        removed = 0
        for frame, place, entry in _batches(segment, end):
            body = segment.frames.body(frame, place)
            at = offsets(entry, body)
            keep = np.isin(at, last[entry.partition], assume_unique=True)
            if entry.schema in (RECORDS, RECORDS_WITH_IDS) and frame.time + self._tombstones_us <= self._now:
                keep &= decoder.frame(entry, body, ["value"]).get_column("value").is_not_null().to_numpy()
            if not keep.all():
                rows = decoder.frame(entry, body).filter(pl.Series(keep))
                changed[frame.position, place] = sparse(entry, at[keep], rows)
                removed += int((~keep).sum())
        if changed:
            self._replace(segment, end, changed)
        return removed

    def _replace(self, segment: Segment, end: int, changed: dict[tuple[int, int], tuple[Entry, bytes]]) -> None:
        store = self._store
        meta = {**segment.first.meta, "whole": True}
        staged = StagedSegment(store.folder, segment.number, store.settings.log, STAGED, meta, segment.first.time)
        try:
            for frame in segment.frames.until(segment.first.end, end):
                if frame.kind != DATA:
                    continue
                parts = [
                    changed.get((frame.position, place)) or (entry, segment.frames.body(frame, place))
                    for place, entry in enumerate(frame.entries)
                ]
                staged.add(frame, [entry for entry, _ in parts], [body for _, body in parts])
            staged.end(segment.first.sequence, segment.first.time)
            with store.exclusive():
                # Retention may have been faster.
                if files.kind(path_of(store.folder, segment.number)):
                    staged.replace()
        finally:
            staged.discard()


def _batches(segment: Segment, end: int) -> Iterator[tuple[Frame, int, Entry]]:
    """All batches of a segment that have rows."""
    for frame in segment.frames.until(segment.first.end, end):
        for place, entry in enumerate(frame.entries):
            if entry.rows:
                yield frame, place, entry
