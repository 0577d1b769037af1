"""A source that is fed by hand: the push end of a stream."""

from __future__ import annotations

from collections import Counter
from typing import Any

from penstock.flow.buffers import Buffer
from penstock.flow.clock import Signal
from penstock.flow.errors import StreamClosedError
from penstock.flow.home import Thread
from penstock.flow.spill import Spill
from penstock.flow.stage import Context, Stage


class SourceQueue:
    """The hand that feeds a source made by `Source.queue`.

    Belongs to the event loop of the stream: other threads use `anyio.from_thread.run(queue.offer, x)`. Elements may be
    offered before the stream runs; it runs once.

    Attributes:
        dropped: What was dropped, by strategy.
    """

    def __init__(self, size: int, overflow: str, spill: Spill | None) -> None:
        self.dropped: Counter[str] = Counter()
        self._buffer = Buffer(size, overflow, self.dropped, spill)
        self._signal = Signal()
        self._ended = self._closed = self._taken = False
        self._failure: Exception | None = None
        self._thread = Thread()

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def closed(self) -> bool:
        """Whether the stream has ended: nothing can be offered."""
        return self._closed

    async def offer(self, x: Any) -> bool:
        """Offer an element; waits for room under `backpressure`. Whether it is kept, at least for now.

        Raises:
            StreamClosedError: If the stream has ended, or `complete` was called. The element is not in the stream.
            FlowError: If another thread calls than that of the stream.
            BufferOverflowError: If there is no room, and the strategy is `fail`; the stream goes on.
        """
        self._check()
        while self._buffer.waits:
            await self._signal.wait()
            self._check()
        kept = self._buffer.put(x)
        self._signal.notify()
        return kept

    def offer_nowait(self, x: Any) -> bool:
        """Offer an element without waiting: False if it is dropped, or there is no room under `backpressure`.

        Raises:
            StreamClosedError: As `offer`.
            BufferOverflowError: As `offer`.
        """
        self._check()
        if self._buffer.waits:
            return False
        kept = self._buffer.put(x)
        self._signal.notify()
        return kept

    def complete(self) -> None:
        """No more comes: the stream completes behind what is kept. A second call does nothing."""
        self._thread.check("complete")
        self._ended = True
        self._signal.notify()

    def fail(self, failure: Exception) -> None:
        """The stream fails behind what is kept."""
        self._thread.check("fail")
        if not self._ended:
            self._ended, self._failure = True, failure
            self._signal.notify()

    async def wait_closed(self) -> None:
        """Wait until the stream has ended."""
        while not self._closed:
            await self._signal.wait()

    def _check(self) -> None:
        self._thread.check("offer")
        if self._closed or self._ended:
            raise StreamClosedError(
                "the queue is closed: " + ("the stream has ended" if self._closed else "it completed")
            )

    def _open(self, context: Context) -> Stage:
        if self._taken:
            raise StreamClosedError("the source of a queue runs once", hint="Source.queue(...) for each run")
        self._taken = True
        self._thread.mine()
        return _Queued(self, context)


class _Queued(Stage):
    def __init__(self, queue: SourceQueue, context: Context) -> None:
        super().__init__(self, context)
        self.queue, self.dropped = queue, queue.dropped

    async def pull(self, most: int) -> list[Any]:
        queue = self.queue
        while True:
            if chunk := queue._buffer.take(most):
                queue._signal.notify()
                return chunk
            if queue._ended:
                if queue._failure is not None:
                    raise queue._failure
                return []
            await queue._signal.wait()

    def buffered(self) -> int:
        return len(self.queue)

    async def close(self) -> None:
        self.queue._closed = True
        self.queue._buffer.close()
        self.queue._signal.notify()
