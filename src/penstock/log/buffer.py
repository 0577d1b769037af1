"""A buffer between stages of a stream that survives a kill: elements wait in a log until they are acknowledged."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread

from penstock.core.timespan import SECOND
from penstock.flow.clock import Signal
from penstock.flow.operators.base import Step, positive
from penstock.flow.shapes import Flow
from penstock.flow.spill import Spill
from penstock.flow.stage import CHUNK, Context, Fiber, Pull, Stage
from penstock.log.batches import Batch, Record
from penstock.log.cursor import Cursor
from penstock.log.log import Log

T = TypeVar("T")

STORE_EVERY = SECOND
"""How long an acknowledgement may wait until it is stored: a kill before that gives its element again."""
SEGMENT_BYTES = 8 << 20


class Kept:
    """An element out of a persistent buffer; it comes again after a crash unless `ack` was called.

    Attributes:
        value: The element.
        position: Its offset in the log.
    """

    __slots__ = ("_stage", "position", "value")

    def __init__(self, value: Any, position: int, stage: _Persistent) -> None:
        self.value, self.position, self._stage = value, position, stage

    def __repr__(self) -> str:
        return f"Kept({self.value!r}, position={self.position})"

    def ack(self) -> None:
        """The element has been dealt with. A second call does nothing.

        Belongs to the thread of the stream. It is stored within a second, and when the stream ends, as far as all
        elements before it are acknowledged too.
        """
        self._stage.acknowledge(self.position)


def acknowledging(f: Callable[[Any], Awaitable[T]]) -> Callable[[Kept], Awaitable[T]]:
    """For `map_async`: an async function of the value; the element is acknowledged when it has returned."""

    async def done(kept: Kept) -> T:
        answer = await f(kept.value)
        kept.ack()
        return answer

    return done


class _Persistent(Stage):
    """One task appends what comes; pulls read what was appended. Files are touched in threads only."""

    def __init__(self, up: Pull, context: Context, name: str | Path, group: str, most: int, codec: Spill) -> None:
        super().__init__(up, context)
        self._name, self._group, self._most, self._codec = name, group, most, codec
        self._signal = Signal()
        self._log: Log | None = None
        self._cursor: Cursor | None = None
        self._fiber: Fiber | None = None
        self._ended = False
        self._failure: Exception | None = None
        self._end = self._read = 0  # what was appended; what was given
        self._given: deque[int] = deque()  # given and not stored as acknowledged, in order
        self._acknowledged: set[int] = set()
        self._done = self._stored = 0
        self._stored_at = context.clock.now()

    def acknowledge(self, position: int) -> None:
        """An element has been dealt with."""
        if position >= self._done:
            self._acknowledged.add(position)
            while self._given and self._given[0] in self._acknowledged:
                first = self._given.popleft()
                self._acknowledged.discard(first)
                self._done = first + 1
            self._signal.notify()

    # -- in threads ------------------------------------------------------------

    def _opened(self) -> tuple[Log, Cursor, int, int]:
        log = Log(self._name, partitions=1, segment_bytes=SEGMENT_BYTES)
        start, end = log.positions(self._group).get(0, log.starts()[0]), log.ends()[0]
        if 0 not in log.positions(self._group):
            log.store_positions(self._group, {0: start})  # retention waits for it from now on
        return log, log.cursor(0, start), start, end

    def _append(self, log: Log, chunk: list[Any]) -> int:
        records = [Record(self._codec.encode(x)) for x in chunk]
        return log.append_many(records, partition=0)[-1].offset + 1

    def _store(self, log: Log, position: int) -> None:
        log.store_positions(self._group, {0: position})
        log.retain(retain_bytes=0)

    # -- in the event loop -----------------------------------------------------

    async def _open(self) -> tuple[Log, Cursor]:
        if self._log is not None and self._cursor is not None:
            return self._log, self._cursor
        log, cursor, self._done, self._end = await anyio.to_thread.run_sync(self._opened)
        self._log, self._cursor = log, cursor
        self._read = self._stored = self._done
        self._fiber = self.context.spawn(partial(self._take_in, log))
        return log, cursor

    async def _take_in(self, log: Log) -> None:
        try:
            while True:
                while (room := self._most - (self._end - self._done)) <= 0:
                    await self._signal.wait()
                chunk = await self.up.pull(min(room, CHUNK))
                if not chunk:
                    break
                self._end = await anyio.to_thread.run_sync(self._append, log, chunk)
                self._signal.notify()
        except Exception as failure:  # noqa: BLE001  (raised by the pull, behind what is kept)
            self._failure = failure
        self._ended = True
        self._signal.notify()

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        log, cursor = await self._open()
        while True:
            await self._store_sometimes(log)
            if self._read < self._end:
                batch = await anyio.to_thread.run_sync(cursor.poll, most)
                if batch is not None:
                    return self._kept(batch)
            elif self._ended:
                if self._failure is not None:
                    raise self._failure
                return []
            else:
                await self._signal.wait()

    def _kept(self, batch: Batch) -> list[Kept]:
        offsets = [offset for first, count in batch.offsets for offset in range(first, first + count)]
        self._read = batch.next
        self._given += offsets
        values = batch.frame.get_column("value").to_list()
        return [Kept(self._codec.decode(value), at, self) for value, at in zip(values, offsets, strict=True)]

    async def _store_sometimes(self, log: Log) -> None:
        now = self.context.clock.now()
        if self._done > self._stored and now - self._stored_at >= STORE_EVERY:
            self._stored, self._stored_at = self._done, now
            await anyio.to_thread.run_sync(self._store, log, self._stored)

    def buffered(self) -> int:
        """How many elements are kept: appended and not acknowledged."""
        return self._end - self._done

    async def close(self) -> None:
        """Stop appending, store what is acknowledged, close the files."""
        if self._fiber is not None:
            await self._fiber.stop()
        log, cursor = self._log, self._cursor
        if log is None or cursor is None:
            return
        try:
            if self._done > self._stored:
                await anyio.to_thread.run_sync(self._store, log, self._done)
        finally:
            cursor.close()
            log.close()


def persistent_buffer(
    name: str | Path,
    *,
    group: str = "buffer",
    most: int = 100_000,
    encode: Callable[[Any], bytes] | None = None,
    decode: Callable[[bytes], Any] = json.loads,
) -> Flow:
    """A buffer that survives `kill -9`: gives `Kept` elements, each again after a crash unless it was acknowledged.

    An element is asked for by the input's task as soon as there is room, and is on the disk (synced) before the next
    pull of the input. What nobody has acknowledged comes first when the stream runs again with the same `name`.

    Guarantee: at least once. Order is that of arrival. What the input gave and was not yet synced when the process
    ended is lost to the buffer: a source that must not lose it gives it again. One run at a time may use a buffer.

    Args:
        name: A log in `.penstock/logs`, or the path of one; made if it is missing.
        group: Under which name the position is stored.
        most: How many elements may wait for an acknowledgement; beyond that the input waits.
        encode: An element as bytes; without it as JSON, which must give the same value back.
        decode: The way back.

    Raises:
        PlanError: If `most` is no number above 0; while it runs, if an element cannot be encoded.
    """
    positive("persistent_buffer", "most", most)
    codec = Spill(decode=decode) if encode is None else Spill(encode=encode, decode=decode)
    return Flow((Step("persistent_buffer", lambda up, context: _Persistent(up, context, name, group, most, codec)),))
