"""Conformance kits: what every source, sink and format must do, checked the same way for all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.connectors.base import (
    TRANSACTIONAL,
    Polled,
    Reader,
    ReadRequest,
    Sealed,
    Sink,
    Source,
    Split,
    Writer,
    WriteRequest,
    seal,
)
from penstock.connectors.formats.base import Chunk, Format
from penstock.core import files
from penstock.core.clock import Clock, Signal, SystemClock
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.testing.compare import EXACT, CheckFailed, difference, fold

if TYPE_CHECKING:
    import polars as pl

IDLE_POLLS = 200
"""After how many polls in a row without rows a bounded source counts as stuck."""
SLACK = 4
"""How many times `max_rows` a poll may give: it is a wish, so that blocks need not be torn."""


@dataclass
class Read:
    """What was read of a split.

    Attributes:
        rows: The rows as Python values.
        offsets: Their offsets.
        bad: Rows that could not be decoded: offset and reason.
        positions: The position after each poll, with how many rows and bad rows came before it.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)
    positions: list[tuple[Any, int, int]] = field(default_factory=list)


# -- sources -------------------------------------------------------------------


def check_source(
    source: Source,
    *,
    expected: Iterable[dict[str, Any]] | None = None,
    schema: Schema | None = None,
    most_rows: int = 1_000,
    clock: Clock | None = None,
) -> None:
    """Check that a source keeps its contract.

    Its splits are stable; frames have the columns and types that were asked for; offsets ascend; every row comes
    once, whatever the size of polls and wherever reading goes on, positions being JSON; a poll does not give many
    times what was asked for; columns can be left out and reordered; readers close, also in the middle.

    Args:
        source: The source; of an unbounded one the first rows are read.
        expected: All rows of all splits, if they are known, in any order.
        schema: Its declared schema; the source is asked if there is none.
        most_rows: How many rows of a split to read of an unbounded source.
        clock: Waits for the reader where it has nothing at hand.

    Raises:
        CheckFailed: If it does not.
    """
    request = _request(schema or source.schema())
    splits = list(source.splits())
    _require(splits == list(source.splits()), "the splits of two calls differ")
    _require(len({split.name for split in splits}) == len(splits), "two splits have one name")
    most = None if source.bounded else most_rows
    waits = clock or SystemClock()
    everything: list[dict[str, Any]] = []
    for split in splits:
        whole = _read(source, split, None, request, 512, most, waits)
        everything += whole.rows
        _check_offsets(whole)
        for size in (1, 7):
            again = _read(source, split, None, request, size, most, waits)
            _same(whole, again, f'split "{split.name}", {size} row(s) at a time')
            _check_resume(source, split, request, again, most, waits)
        _check_projection(source, split, request, whole, most, waits)
        _check_close(source, split, request)
    if expected is not None and source.bounded:
        _differ(list(expected), everything, ("what was expected", "the source"))


def _request(schema: Schema, columns: Sequence[str] | None = None) -> ReadRequest:
    return ReadRequest(schema, tuple(columns or schema.names))


def _read(
    source: Source, split: Split, position: Any, request: ReadRequest, size: int, most: int | None, clock: Clock
) -> Read:
    reader = source.reader(split, position, request)
    try:
        return _poll_all(reader, request, size, most, clock)
    finally:
        reader.close()


def _poll_all(reader: Reader, request: ReadRequest, size: int, most: int | None, clock: Clock) -> Read:
    found, idle = Read(), 0
    while most is None or len(found.rows) < most:
        polled = reader.poll(size)
        if polled is None:
            if reader.ended:
                break
            idle += 1
            _require(idle < IDLE_POLLS, f"the reader has given nothing in {IDLE_POLLS} polls and has not ended")
            clock.wait(Signal(), reader.retry_after_us)
            continue
        idle = 0
        _take(found, polled, request, size)
    if most is None:
        _require(reader.poll(size) is None, "a reader that has ended gives rows")
    return found


def _take(found: Read, polled: Polled, request: ReadRequest, size: int) -> None:
    types = request.read_schema.to_polars()
    _require(dict(polled.frame.schema) == types, f"a frame has {polled.frame.schema} instead of {types}")
    _require(list(polled.frame.columns) == list(types), "a frame has its columns in another order")
    count = polled.frame.height + len(polled.bad)
    _require(count <= SLACK * size + 64, f"a poll of {size} row(s) gave {count}")
    offsets = [offset for first, many in polled.offsets for offset in range(first, first + many)]
    _require(len(offsets) == polled.frame.height, f"{len(offsets)} offsets for {polled.frame.height} rows")
    stored = json.loads(json.dumps(polled.position))
    found.rows += polled.frame.rows(named=True)
    found.offsets += offsets
    found.bad += [(row.offset, row.reason) for row in polled.bad]
    found.positions.append((stored, len(found.rows), len(found.bad)))


def _check_offsets(found: Read) -> None:
    _require(found.offsets == sorted(found.offsets), "offsets do not ascend")
    places = [*found.offsets, *(offset for offset, _ in found.bad)]
    _require(len(set(places)) == len(places), "two rows have one offset")
    _require(all(reason for _, reason in found.bad), "a bad row has no reason")


def _check_resume(
    source: Source, split: Split, request: ReadRequest, found: Read, most: int | None, clock: Clock
) -> None:
    step = max(1, len(found.positions) // 8)
    for position, rows, bad in found.positions[::step]:
        rest = _read(source, split, position, request, 512, None if most is None else most - rows, clock)
        wanted = Read(found.rows[rows:], found.offsets[rows:], found.bad[bad:])
        _same(wanted, rest, f'split "{split.name}", going on at {position!r}')


def _check_projection(
    source: Source, split: Split, request: ReadRequest, whole: Read, most: int | None, clock: Clock
) -> None:
    names = request.columns
    for columns in (names[:1], tuple(reversed(names)), names[1::2] or names):
        some = _read(source, split, None, _request(request.schema, columns), 512, most, clock)
        # A value that cannot be decoded makes a bad row only if it is asked for: there may be more rows now.
        found = dict(zip(some.offsets, some.rows, strict=True))
        wanted = {o: {n: row[n] for n in columns} for row, o in zip(whole.rows, whole.offsets, strict=True)}
        _require(set(wanted) <= set(found), f"with the columns {columns} rows are missing")
        _differ(list(wanted.values()), [found[offset] for offset in wanted], ("all columns", "some columns"))


def _check_close(source: Source, split: Split, request: ReadRequest) -> None:
    reader = source.reader(split, None, request)
    reader.poll(1)
    reader.close()
    source.reader(split, None, request).close()


def _same(left: Read, right: Read, what: str) -> None:
    if left.offsets != right.offsets:
        raise CheckFailed(f"{what}: offsets {right.offsets[:20]} instead of {left.offsets[:20]}")
    if left.bad != right.bad:
        raise CheckFailed(f"{what}: bad rows {right.bad[:5]} instead of {left.bad[:5]}")
    found = difference(left.rows, right.rows, EXACT, ("the first reading", "this reading"))
    if found:
        raise CheckFailed(f"{what}\n{found}")


# -- sinks ---------------------------------------------------------------------


def check_sink(
    make_sink: Callable[[], Sink],
    read_back: Callable[[Sink], Iterable[dict[str, Any]]],
    *,
    frames: Sequence[pl.DataFrame],
    schema: Schema | None = None,
    key: Sequence[str] = (),
) -> None:
    """Check that a sink keeps its contract.

    What is written comes out once, in whole epochs, in order. Of a transactional sink nothing is visible before its
    epoch is committed; committing twice changes nothing; what is not sealed is gone after `close`; an epoch without
    rows is harmless. A sink that takes changes holds what they add up to.

    Args:
        make_sink: Makes a sink whose place is new and empty; called several times.
        read_back: What readers see of a sink now.
        frames: Frames to write, at least two.
        schema: Their schema; theirs by default.
        key: The key of the rows; then frames of changes are written too.

    Raises:
        CheckFailed: If it does not.
    """
    columns = schema or Schema.of(dict(frames[0].schema))
    request = WriteRequest(columns, tuple(key), False, "conformance")
    _check_epochs(make_sink, read_back, frames, request)
    if make_sink().delivery == TRANSACTIONAL:
        _check_visibility(make_sink, read_back, frames, request)
    if key and make_sink().takes_changes:
        _check_changes(make_sink, read_back, frames, WriteRequest(columns, tuple(key), True, "conformance"))


def _check_epochs(
    make_sink: Callable[[], Sink],
    read_back: Callable[[Sink], Iterable[dict[str, Any]]],
    frames: Sequence[pl.DataFrame],
    request: WriteRequest,
) -> None:
    sink = make_sink()
    writer = sink.writer(request)
    for epoch, frame in enumerate(frames, 1):
        writer.write(frame, None)
        writer.commit([_publish(writer, epoch)])
    _publish(writer, len(frames) + 1)
    writer.close()
    wanted = [row for frame in frames for row in frame.rows(named=True)]
    _differ(wanted, list(read_back(sink)), ("what was written", "what is there"))


def sealed(writer: Writer, epoch: int) -> Sealed:
    """What a checkpoint keeps of the open epoch of a writer: its value goes through JSON."""
    content = writer.prepare(epoch)()
    return seal("conformance", epoch, content._replace(value=json.loads(json.dumps(content.value))))


def _publish(writer: Writer, epoch: int) -> Sealed:
    made = sealed(writer, epoch)
    writer.commit([made])
    return made


def _check_visibility(
    make_sink: Callable[[], Sink],
    read_back: Callable[[Sink], Iterable[dict[str, Any]]],
    frames: Sequence[pl.DataFrame],
    request: WriteRequest,
) -> None:
    sink = make_sink()
    writer = sink.writer(request)
    writer.write(frames[0], None)
    _require(not list(read_back(sink)), "rows are visible before their epoch is sealed")
    prepared = sealed(writer, 1)
    _require(not list(read_back(sink)), "rows are visible before their epoch is committed")
    writer.write(frames[1], None)
    writer.commit([prepared])
    first = frames[0].rows(named=True)
    _differ(first, list(read_back(sink)), ("the epoch", "what is there"))
    writer.close()
    _differ(first, list(read_back(sink)), ("the epoch that was committed", "what is there after close"))


def _check_changes(
    make_sink: Callable[[], Sink],
    read_back: Callable[[Sink], Iterable[dict[str, Any]]],
    frames: Sequence[pl.DataFrame],
    request: WriteRequest,
) -> None:
    sink = make_sink()
    writer = sink.writer(request)
    first, second = frames[0], frames[1]
    changes = [(row, 1) for row in first.rows(named=True)]
    writer.write(first, np.ones(first.height, np.int8))
    _publish(writer, 1)
    both = pl.concat([first, second])
    signs = [-1] * first.height + [1] * second.height
    changes += list(zip(both.rows(named=True), signs, strict=True))
    writer.write(both, np.array(signs, np.int8))
    _publish(writer, 2)
    writer.close()
    _differ(fold(changes), list(read_back(sink)), ("what the changes add up to", "what is there"))


# -- formats -------------------------------------------------------------------


def check_format(format: Format, folder: Path, frame: pl.DataFrame) -> None:
    """Check that a format keeps its contract.

    What is written is read again, equal and of the same types; from any row on, in chunks of any size; with columns
    left out and reordered; a file without rows too. What `infer` says has the right names.

    Args:
        format: The format.
        folder: An empty folder for files.
        frame: Rows of types that the format has.

    Raises:
        CheckFailed: If it does not.
    """
    schema = Schema.of(dict(frame.schema))
    path = folder / f"rows{format.extensions[0]}"
    _write(format, path, schema, [frame[: frame.height // 2], frame[frame.height // 2 :]])
    _require(format.infer(path).names == schema.names, "the inferred schema has other names")
    wanted = frame.rows(named=True)
    for size in (1, 3, 10_000):
        for first in sorted({0, 1, frame.height // 2, frame.height}):
            rows = _chunks(format.read(path, _request(schema), first, size), first, size, schema)
            _differ(wanted[first:], rows, (f"rows from {first} on", f"what is read in chunks of {size}"))
    for columns in (schema.names[:1], tuple(reversed(schema.names))):
        request = _request(schema, columns)
        rows = _chunks(format.read(path, request, 0, 10_000), 0, 10_000, request.read_schema)
        _differ([{name: row[name] for name in columns} for row in wanted], rows, ("all columns", "some columns"))
    empty = folder / f"empty{format.extensions[0]}"
    _write(format, empty, schema, [])
    _require(not _chunks(format.read(empty, _request(schema), 0, 10), 0, 10, schema), "an empty file gives rows")


def _write(format: Format, path: Path, schema: Schema, frames: Iterable[pl.DataFrame]) -> None:
    with files.create(path) as file:
        writer = format.writer(file, schema)
        for frame in frames:
            writer.write(frame)
        writer.finish()


def _chunks(chunks: Iterable[Chunk], first: int, size: int, schema: Schema) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for chunk in chunks:
        _require(not chunk.bad, f"good rows are refused: {chunk.bad[:3]}")
        types = schema.to_polars()
        _require(dict(chunk.frame.schema) == types, f"a chunk has {chunk.frame.schema} instead of {types}")
        _require(chunk.frame.height <= SLACK * size + 64, f"a chunk of {size} row(s) has {chunk.frame.height}")
        numbers = [number for start, many in chunk.rows for number in range(start, start + many)]
        at = first + len(found)
        _require(numbers == list(range(at, at + chunk.frame.height)), f"rows {numbers[:9]} instead of {at} and on")
        found += chunk.frame.rows(named=True)
        _require(chunk.next_row == first + len(found), f"next_row is {chunk.next_row} after row {first + len(found)}")
    return found


def _differ(wanted: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]], names: tuple[str, str]) -> None:
    differs = difference(wanted, found, EXACT, names)
    if differs:
        raise CheckFailed(differs)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CheckFailed(otherwise)
