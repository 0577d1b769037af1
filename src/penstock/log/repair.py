"""Damage is set aside, so that the rest of a log can be used: only when somebody asks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from penstock.core import files, positioned
from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import StartError, StateError
from penstock.log.frame import DATA, END, SPARSE, DamagedError, Entry, Frame, digest_of
from penstock.log.head import NOTHING, Head, HeadFile
from penstock.log.locks import ProcessLock
from penstock.log.segment import Segment, StagedSegment, numbers_of, path_of, remove_staged
from penstock.log.settings import Settings, load, resolve
from penstock.log.state import RECORDS, LogState
from penstock.log.store import LOCK, as_source_error

QUARANTINE = "quarantine"
STAGED = "repair-"
LEAP = 1 << 32
"""How many offsets are passed over where it is not known how many were given: none is given twice."""


class Damage(NamedTuple):
    """A part of a segment file that is not as it was written.

    Attributes:
        path: The file.
        position: Where it begins, in bytes.
        what: What is wrong.
    """

    path: Path
    position: int
    what: str


class Repaired(NamedTuple):
    """What was set aside.

    Attributes:
        damage: What was found.
        lost: The offsets of rows that are gone: runs `(first, behind the last)` by partition.
        tokens: Whether tokens of producers may be gone: the last frames of the log were damaged. Their pipelines may
            publish their last epochs again.
        quarantine: Where the damaged files are now; None if nothing was damaged.
    """

    damage: list[Damage]
    lost: dict[int, list[tuple[int, int]]]
    tokens: bool
    quarantine: Path | None


class _Found(NamedTuple):
    """A segment as it is: whole frames, with None for bodies that are damaged, and the damage."""

    segment: Segment
    frames: list[tuple[Frame, list[bytes | None]]]
    damage: list[Damage]


def check(name: str | Path) -> list[Damage]:
    """Read all of a log and compare it with its digests; the damage that there is.

    Args:
        name: The name or path of the log.

    Raises:
        StartError: If there is no such log.
        StateError: If its settings, or the first frame of a segment, are damaged.
        SourceError: If files cannot be read.
    """
    folder, settings = _opened(name)
    found: list[Damage] = []
    with as_source_error(folder):
        head = _head(folder, settings)
        for number in numbers_of(folder):
            inspected = _inspect(folder, settings, number, head)
            inspected.segment.close()
            found += inspected.damage
    return found


def repair(name: str | Path, *, clock: Clock | None = None) -> Repaired:
    """Set damaged parts of a log aside: what is whole is kept with its offsets, in place of the damage is a gap.

    Damaged files are copied to `quarantine` in the log's directory before anything is changed. Pipelines that write
    the log, and readers, must be stopped.

    Args:
        name: The name or path of the log.
        clock: Where times come from.

    Raises:
        StartError: If there is no such log.
        StateError: If what cannot be done without is damaged: the settings, or the first frame of a segment.
        SourceError: If files cannot be read or written.
    """
    folder, settings = _opened(name)
    lock = ProcessLock(folder / LOCK, clock or SystemClock(), "appending to the log")
    done = Repaired([], {}, False, None)
    with contextlib.closing(lock), as_source_error(folder), lock.hold():
        remove_staged(folder, STAGED)
        head = _head(folder, settings)
        for number in numbers_of(folder):
            found = _inspect(folder, settings, number, head)
            with contextlib.closing(found.segment):
                if found.damage:
                    done = _Repair(folder, settings, head, found, done).run()
    return done


def _opened(name: str | Path) -> tuple[Path, Settings]:
    folder = resolve(name)
    settings = load(folder)
    if settings is None:
        raise StartError(f'there is no log "{folder}"')
    return folder, settings


def _head(folder: Path, settings: Settings) -> Head:
    with contextlib.closing(HeadFile(folder, settings.log)) as heads:
        return heads.read() or NOTHING


def _segment(folder: Path, settings: Settings, number: int) -> Segment:
    try:
        return Segment(folder, number, settings.log)
    except DamagedError as damage:
        raise StateError(
            f'"{damage.path}": the first frame is damaged, without which the segment means nothing',
            hint="restore the file from a backup",
        ) from None


def _end(folder: Path, settings: Settings, segment: Segment, head: Head) -> int:
    """Up to where a segment was durable."""
    if segment.is_whole:
        return segment.size()
    if segment.number == head.segment:
        return head.position
    if files.kind(path_of(folder, segment.number + 1)):
        with contextlib.closing(_segment(folder, settings, segment.number + 1)) as following:
            return following.previous_end
    return segment.size()


def _inspect(folder: Path, settings: Settings, number: int, head: Head) -> _Found:
    segment = _segment(folder, settings, number)
    try:
        return _read(segment, _end(folder, settings, segment, head))
    except BaseException:
        segment.close()
        raise


def _read(segment: Segment, end: int) -> _Found:
    frames: list[tuple[Frame, list[bytes | None]]] = []
    damage: list[Damage] = []
    position, limit = segment.first.end, min(end, segment.size())
    while position < limit:
        try:
            frame = segment.frames.at(position, limit)
        except DamagedError as found:
            damage.append(Damage(segment.path, position, found.message.rpartition(": ")[2]))
            position = segment.frames.search(position + 1, limit) or limit
            continue
        bodies: list[bytes | None] = []
        for place in range(len(frame.entries)):
            try:
                bodies.append(segment.frames.body(frame, place))
            except DamagedError as found:
                damage.append(Damage(segment.path, found.position, found.message.rpartition(": ")[2]))
                bodies.append(None)
        frames.append((frame, bodies))
        position = frame.end
    if limit < end:
        damage.append(Damage(segment.path, limit, f"the file ends before byte {end:,}"))
    if segment.is_whole and not (frames and frames[-1][0].kind == END):
        damage.append(Damage(segment.path, limit, "the end of the segment is missing"))
    return _Found(segment, frames, damage)


class _Repair:
    """Rewrites one segment without its damage."""

    def __init__(self, folder: Path, settings: Settings, head: Head, found: _Found, done: Repaired) -> None:
        self._folder, self._settings, self._head, self._found, self._done = folder, settings, head, found, done
        self._state = LogState.from_json(found.segment.state)
        self._lost = {partition: list(runs) for partition, runs in done.lost.items()}
        meta = {**found.segment.first.meta, "whole": True}
        number, time = found.segment.number, found.segment.first.time
        self._staged = StagedSegment(folder, number, settings.log, STAGED, meta, time)

    def run(self) -> Repaired:
        """Rewrite it; what was done so far, and this."""
        number = self._found.segment.number
        try:
            quarantine = self._set_aside()
            for frame, bodies in self._found.frames:
                if frame.kind == DATA:
                    self._keep(frame, bodies)
            is_last = not files.kind(path_of(self._folder, number + 1))
            tokens = is_last and self._state.sequence < self._head.sequence
            if not is_last:
                with contextlib.closing(_segment(self._folder, self._settings, number + 1)) as following:
                    self._pass(following.state["next"])
            elif tokens:
                self._pass([offset + LEAP for offset in self._state.next])
                self._state.sequence = self._head.sequence
            self._staged.end(self._state.sequence, self._state.time)
            if is_last:
                self._begin_anew(number + 1)
            self._staged.replace()
        finally:
            self._staged.discard()
        return Repaired([*self._done.damage, *self._found.damage], self._lost, self._done.tokens or tokens, quarantine)

    def _set_aside(self) -> Path:
        folder = self._folder / QUARANTINE
        staged = files.StagedFile(folder, STAGED)
        try:
            segment, position = self._found.segment, 0
            while part := positioned.read_at(segment.file, position, 1 << 20):
                staged.write(part)
                position += len(part)
            staged.seal()
            files.publish(staged.path, folder / f"{segment.path.name}.{files.unique_name()}")
            files.sync_directory(folder)
        finally:
            staged.discard()
        return folder

    def _keep(self, frame: Frame, bodies: Sequence[bytes | None]) -> None:
        """Write a frame; its damaged batches are gaps."""
        reached = list(self._state.next)
        for entry in frame.entries:
            reached[entry.partition] = max(reached[entry.partition], entry.base)
        self._pass(reached)
        entries: list[Entry] = []
        kept: list[bytes] = []
        for entry, body in zip(frame.entries, bodies, strict=True):
            if body is None:
                self._lose(entry.partition, entry.base, entry.base + entry.span)
                entry, body = _gap(entry.partition, entry.base, entry.span), b""
            entries.append(entry)
            kept.append(body)
            self._state.next[entry.partition] = entry.base + entry.span
        self._staged.add(frame, entries, kept)
        self._state.sequence, self._state.time = frame.sequence + 1, frame.time
        self._state.change(frame.meta)

    def _pass(self, reached: Sequence[int]) -> None:
        """Write a gap up to these offsets, if there is one."""
        gaps = [
            _gap(partition, here, there - here)
            for partition, (here, there) in enumerate(zip(self._state.next, reached, strict=True))
            if there > here
        ]
        if not gaps:
            return
        for gap in gaps:
            self._lose(gap.partition, gap.base, gap.base + gap.span)
        self._staged.add(Frame(DATA, self._state.sequence, self._state.time, (), {}, 0, 0, 0), gaps, [b""] * len(gaps))
        self._state.next = list(reached)

    def _lose(self, partition: int, first: int, behind: int) -> None:
        self._lost.setdefault(partition, []).append((first, behind))

    def _begin_anew(self, number: int) -> None:
        """Begin another segment: one that was rewritten is not appended to."""
        meta = {"state": self._state.to_json(), "previous_end": self._head.position, "whole": False}
        staged = StagedSegment(self._folder, number, self._settings.log, STAGED, meta, self._state.time)
        try:
            staged.publish()
        finally:
            staged.discard()
        with contextlib.closing(HeadFile(self._folder, self._settings.log)) as heads:
            heads.write(Head(number, staged.size, self._state.sequence))


def _gap(partition: int, base: int, span: int) -> Entry:
    return Entry(partition, RECORDS, base, span, 0, SPARSE, 0, digest_of(b""))
