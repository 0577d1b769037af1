"""Rows at hand: readers polled in threads that decode ahead of the steps, within a bound of bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from penstock.connectors.base import Polled, Reader, Split
from penstock.core.clock import Clock, Signal
from penstock.core.errors import PenstockError, SourceError, StartError
from penstock.core.threads import Worker, lock
from penstock.core.timespan import MILLISECOND
from penstock.engine.step import Taken
from penstock.operators.read import Read

CHUNK_ROWS = 1 << 17
FEW_ROWS = 64


class Place(NamedTuple):
    """Where a split will go on.

    Attributes:
        position: A position that its reader gave; None = where the reader began.
        offset: The offset behind the last row that was taken: what the reader gives again before it is skipped.
    """

    position: Any
    offset: int | None = None


def cut(polled: Polled, rows: int) -> tuple[Polled, Polled | None]:
    """The first rows of what was polled, and the rest (None if nothing is left).

    Bad rows go with the rows before which they stand.
    """
    if polled.frame.height <= rows:
        return polled, None
    left, right, count = [], [], 0
    for first, length in polled.offsets:
        here = max(0, min(length, rows - count))
        if here:
            left.append((first, here))
        if here < length:
            right.append((first + here, length - here))
        count += length
    border = right[0][0]
    bad = tuple(row for row in polled.bad if row.offset < border)
    head = Polled(polled.frame.slice(0, rows), tuple(left), bad, polled.position)
    tail = Polled(polled.frame.slice(rows), tuple(right), polled.bad[len(bad) :], polled.position)
    return head, tail


def behind(polled: Polled, offset: int) -> Polled:
    """What was polled, without the rows of smaller offsets."""
    right, gone = [], 0
    for first, length in polled.offsets:
        here = max(0, min(length, offset - first))
        gone += here
        if here < length:
            right.append((first + here, length - here))
    bad = tuple(row for row in polled.bad if row.offset >= offset)
    return Polled(polled.frame.slice(gone), tuple(right), bad, polled.position)


def ahead_of(polled: Polled, offset: int) -> Polled:
    """Of what was polled, the rows of smaller offsets."""
    left, count = [], 0
    for first, length in polled.offsets:
        here = max(0, min(length, offset - first))
        if here:
            left.append((first, here))
            count += here
    bad = tuple(row for row in polled.bad if row.offset < offset)
    return Polled(polled.frame.slice(0, count), tuple(left), bad, polled.position)


class Feed:
    """One split: what its reader has decoded and no step has taken yet."""

    def __init__(
        self,
        source: int,
        split: int,
        reader: Reader,
        *,
        inline: bool,
        bound: int,
        signal: Signal,
        place: Place | None = None,
        ended: bool = False,
    ) -> None:
        self.source = source
        self.split = split
        self.reader = reader
        self.place = place or Place(reader.begins_at)
        """Where the rows that no step has taken begin."""
        self._before = self.place.position
        self._skip = self.place.offset
        self.inline = inline
        self.empty_since: int | None = None
        """Since when a poll has found nothing; None while rows are at hand or being decoded."""
        self._bound = bound
        self._signal = signal
        self._wake = Signal()
        self._chunks: deque[Polled] = deque()
        self._bytes = 0
        self._lock = lock()
        self._closed = False
        self._worker: Worker | None = None
        self._found_nothing = False
        # A split that was read to its end stays so, before its reader has looked: else watermarks would go back.
        self._done = ended
        self._stopped = False
        self._failure: BaseException | None = None
        self.blocked_us = 0

    def start(self, clock: Clock, name: str) -> None:
        """Begin to read ahead, if polling is not free."""
        if not self.inline:
            self._worker = Worker(f"read-{name}", lambda: self._read_ahead(clock)).start()

    def _read_ahead(self, clock: Clock) -> None:
        try:
            while not self._closed and not self.reader.ended:
                if self._bytes > self._bound:
                    begun = clock.monotonic()
                    clock.wait(self._wake, 100_000)
                    self._wake.clear()
                    self.blocked_us += clock.monotonic() - begun
                    continue
                polled = self._polled(CHUNK_ROWS)
                self._found_nothing = polled is None
                if polled is None:
                    self._signal.set()
                    if not self.reader.ended:
                        clock.wait(self._wake, self.reader.retry_after_us)
                        self._wake.clear()
                    continue
                with self._lock:
                    self._chunks.append(polled)
                    self._bytes += _size(polled)
                self._signal.set()
                if polled.frame.height < FEW_ROWS and not self.reader.ended:
                    # Rows that trickle in are cheaper by the handful; a millisecond is what a step takes anyway.
                    clock.wait(self._wake, MILLISECOND)
                    self._wake.clear()
        except BaseException as failure:  # noqa: BLE001  (a panic of Polars is no Exception; `take` raises it again)
            self._failure = failure
        finally:
            self._done = True
            self._signal.set()

    def _polled(self, rows: int) -> Polled | None:
        """What the reader has, without what was taken before a restart."""
        polled = self.reader.poll(rows)
        if polled is None or self._skip is None:
            return polled
        rest = behind(polled, self._skip)
        if rest.frame.height or rest.bad:
            self._skip = None
        return rest

    def take(self, rows: int, now: int) -> Polled | None:
        """Up to so many rows, if any are at hand.

        Raises:
            SourceError: If the reader failed.
        """
        if self.inline and not self._chunks and not self.reader.ended:
            polled = self._polled(rows)
            if polled is not None:
                self._chunks.append(polled)
            self._found_nothing = polled is None
        with self._lock:
            found = self._chunks.popleft() if self._chunks else None
            if found is not None:
                self._bytes -= _size(found)
                found, rest = cut(found, rows)
                if rest is not None:
                    self._chunks.appendleft(rest)
                    self._bytes += _size(rest)
                else:
                    self._before = found.position
                self.place = Place(self._before, _next_offset(found, self.place.offset))
        if found is None and self._failure is not None:
            raise _as_source_error(self._failure)
        if found is not None:
            self.empty_since = None
            self._wake.set()
        elif self._found_nothing and self.empty_since is None:
            self.empty_since = now
        return found

    def take_to(self, offset: int, clock: Clock) -> list[Polled]:
        """All rows of smaller offsets, as a former run has taken them; for a feed that does not read ahead.

        Raises:
            SourceError: If the input ends before.
        """
        found: list[Polled] = []
        while (self.place.offset or 0) < offset:
            polled = self._chunks.popleft() if self._chunks else self._polled(CHUNK_ROWS)
            if polled is None:
                if self.reader.ended:
                    raise SourceError(f"the input ends before offset {offset}: it is not what it was")
                clock.wait(Signal(), self.reader.retry_after_us)
                continue
            head, rest = ahead_of(polled, offset), behind(polled, offset)
            if rest.frame.height or rest.bad:
                self._chunks.appendleft(rest)
            else:
                self._before = polled.position
            found.append(head)
            self.place = Place(self._before, _next_offset(head, self.place.offset))
        return found

    def stop(self) -> None:
        """Read no further: nobody needs the rows that come. It counts as ended, where the last row was taken."""
        self._stopped = True
        self._closed = True
        self._wake.set()
        with self._lock:
            self._chunks.clear()
            self._bytes = 0

    @property
    def ended(self) -> bool:
        """Whether all rows were taken and no more will come."""
        if self._stopped:
            return True
        if self._chunks or self._failure is not None:
            return False
        return self.reader.ended if self.inline else self._done

    def close(self) -> None:
        """Stop reading ahead and release the reader."""
        self._closed = True
        self._wake.set()
        if self._worker is not None:
            self._worker.join(5_000_000)
        self.reader.close()


def _place_of(read: Read, split: str, known: Mapping[str, Any]) -> Place | None:
    """Where a split goes on; one that was added since the source was first read is read whole."""
    if split in known:
        return Place(*known[split]["place"])
    return Place(read.source.first_position()) if known else None


def _require_splits(read: Read, there: set[str], known: Mapping[str, Any]) -> None:
    for name, split in known.items():
        if name not in there and not split["ended"]:
            raise StartError(
                f'the source "{read.name}" was read in part, and its split "{name}" is not there any more',
                where=read.where,
                hint='resume="none" starts anew',
            )


def _next_offset(taken: Polled, before: int | None) -> int | None:
    """The offset behind all rows of what was taken."""
    ends = [first + count for first, count in taken.offsets[-1:]] + [row.offset + 1 for row in taken.bad[-1:]]
    return max(ends, default=before)


def _size(polled: Polled) -> int:
    return int(polled.frame.estimated_size()) + 64


def _as_source_error(failure: BaseException) -> BaseException:
    if isinstance(failure, PenstockError) or not isinstance(failure, OSError):
        return failure
    return SourceError(f"cannot read: {failure}")


@dataclass
class Feeds:
    """All splits of all sources of a pipeline."""

    feeds: list[Feed]
    signal: Signal
    splits: list[list[str]]

    identities: Sequence[str] = ()

    @classmethod
    def open(
        cls,
        reads: Sequence[Read],
        bound: int,
        *,
        identities: Sequence[str] = (),
        stored: Sequence[Mapping[str, Any]] = (),
    ) -> Feeds:
        """Open a reader per split; `start` begins to read ahead.

        Args:
            reads: The sources.
            bound: How many bytes may be decoded ahead.
            identities: The identities of the sources in the plan: by them, stored places find their sources.
            stored: What `stored` gave in an earlier run: splits go on from there; new ones begin at their beginning.

        Raises:
            StartError: If a source is not there, or a split that was not read to its end.
        """
        places = {one["source"]: one["splits"] for one in stored}
        signal = Signal()
        found: list[Feed] = []
        names: list[list[str]] = []
        share = max(1 << 20, bound // max(1, len(reads)))
        for i, read in enumerate(reads):
            splits: Sequence[Split] = read.source.splits()
            names.append([split.name for split in splits])
            known = places.get(identities[i], {}) if identities else {}
            _require_splits(read, {split.name for split in splits}, known)
            for j, split in enumerate(splits):
                place = _place_of(read, split.name, known)
                reader = read.source.reader(split, place.position if place else None, read.request())
                inline = read.source.inline
                bytes_ = share // max(1, len(splits))
                ended = split.name in known and known[split.name]["ended"]
                found.append(Feed(i, j, reader, inline=inline, bound=bytes_, signal=signal, place=place, ended=ended))
        return cls(found, signal, names, identities)

    def start(self, clock: Clock) -> None:
        """Begin to read ahead of the steps, in threads."""
        for feed in self.feeds:
            feed.start(clock, f"{feed.source}-{feed.split}")

    def places(self) -> Mapping[tuple[int, int], Place]:
        """Where each split will go on, by the indices of source and split."""
        return {(feed.source, feed.split): feed.place for feed in self.feeds}

    def ends(self, taken: Sequence[Taken]) -> list[tuple[int, int, int]]:
        """For each split that a step took from, in that order: source, split, and the offset behind the last row."""
        pairs = dict.fromkeys((part.source, part.split) for part in taken)
        by_pair = {(feed.source, feed.split): feed for feed in self.feeds}
        return [(*pair, by_pair[pair].place.offset or 0) for pair in pairs]

    def stored(self) -> list[dict[str, Any]]:
        """Where each split will go on, as JSON, by names that outlive the run."""
        found: list[dict[str, Any]] = [
            {"source": identity, "order": list(names), "splits": {}}
            for identity, names in zip(self.identities, self.splits, strict=True)
        ]
        for feed in self.feeds:
            name = self.splits[feed.source][feed.split]
            found[feed.source]["splits"][name] = {"place": list(feed.place), "ended": feed.ended}
        return found

    def published(self, places: Mapping[tuple[int, int], Place]) -> None:
        """Tell readers that all outputs have what was read before these places."""
        for feed in self.feeds:
            place = places[feed.source, feed.split]
            if place.position is not None:
                feed.reader.published(place.position)

    def hold(self, now: int) -> list[Taken]:
        """Take nothing, since too many rows wait elsewhere; nobody counts as silent who is not asked."""
        for feed in self.feeds:
            if feed.empty_since is not None:
                feed.empty_since = now
        return []

    def take(self, rows: int, now: int, held: frozenset[tuple[int, int]] = frozenset()) -> list[Taken]:
        """Up to so many rows, from all splits in order, each having its share; none of those that are held."""
        active = [feed for feed in self.feeds if not feed.ended]
        for feed in active if held else ():
            if (feed.source, feed.split) in held:
                feed.empty_since = None  # who is not asked is not silent
        active = [feed for feed in active if (feed.source, feed.split) not in held]
        taken: list[Taken] = []
        for feed in active:
            left = max(1, rows // len(active))
            # What is at hand may be many small chunks: a step takes all that fit.
            while left > 0 and (polled := feed.take(left, now)) is not None:
                taken.append(Taken(feed.source, feed.split, polled.frame, polled.offsets, polled.bad))
                left -= max(1, polled.frame.height)
        return taken

    def stop(self, sources: Sequence[int]) -> None:
        """Read some sources no further."""
        for feed in self.feeds:
            if feed.source in sources and not feed.ended:
                feed.stop()

    @property
    def ended(self) -> bool:
        """Whether no split will give another row."""
        return all(feed.ended for feed in self.feeds)

    def close(self) -> None:
        """Close all readers."""
        for feed in self.feeds:
            feed.close()
