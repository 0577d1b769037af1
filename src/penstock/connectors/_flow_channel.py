"""Elements between the thread of an event loop and other threads, within a bound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import anyio

from penstock.core.clock import Signal, SystemClock
from penstock.core.threads import Worker, lock
from penstock.flow.clock import Signal as Wake
from penstock.flow.home import Home
from penstock.flow.shapes import Sink, Source
from penstock.flow.stage import CHUNK, Context, Pull, Stage

ASK_US = 20_000
"""How often a thread that waits for room looks whether it should go on waiting."""


class Pumped:
    """A stream that runs in a thread with an event loop of its own; other threads take its elements.

    At most `size` elements wait (and a chunk more): then the stream is not pulled.

    Attributes:
        failure: Why it failed.
        done: Whether it has ended; elements may still be there.
    """

    def __init__(self, source: Source, size: int, take_in: Callable[[list[Any]], None] | None = None) -> None:
        self._source, self._size, self._take_in = source, size, take_in
        self._items: deque[Any] = deque()
        self._lock = lock()
        self._home: Home | None = None
        self._room = Wake()
        self._stop: anyio.CancelScope | None = None
        self._closed = False
        self.failure: BaseException | None = None
        self.done = False
        self._worker = Worker("flow", self._run)
        self._started = False

    def start(self) -> None:
        """Begin to pull, once."""
        if not self._started:
            self._started = True
            self._worker.start()

    def _run(self) -> None:
        try:
            anyio.run(self._main)
        except BaseException as failure:  # noqa: BLE001  (raised in the thread that takes the elements)
            self.failure = failure
        finally:
            self.done = True

    async def _main(self) -> None:
        with anyio.CancelScope() as self._stop:
            self._home = Home()
            if not self._closed:
                await self._source.to(Sink("read", self._drain)).run()

    async def _drain(self, up: Pull, context: Context) -> None:
        while chunk := await up.pull(min(CHUNK, self._size)):
            if self._take_in is not None:
                await anyio.to_thread.run_sync(self._take_in, chunk)
                continue
            with self._lock:
                self._items += chunk
            while len(self._items) >= self._size:
                await self._room.wait()

    def take(self, most: int) -> list[Any]:
        """The oldest elements."""
        with self._lock:
            found = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        if found and self._home is not None:
            self._home.call(self._room.notify)
        return found

    def close(self) -> None:
        """Cancel the stream, and wait until it has released what it holds."""
        self._closed = True
        if self._home is not None:
            self._home.call(self._cancel)
        if self._started:
            self._worker.join()

    def _cancel(self) -> None:
        if self._stop is not None:
            self._stop.cancel()


class Channel:
    """Elements that threads put in and one stream takes out.

    Who puts in waits while `size` elements are there, until `release`.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Any] = deque()
        self._lock = lock()
        self._room = Signal()
        self._reader: tuple[Home, Wake] | None = None
        self._released = self.ended = False
        self.failure: BaseException | None = None

    def put(self, items: list[Any]) -> None:
        """Add elements, as there is room."""
        for first in range(0, len(items), self._size):
            while len(self._items) >= self._size and not self._released:
                self._room.clear()
                SystemClock().wait(self._room, ASK_US)
            with self._lock:
                self._items += items[first : first + self._size]
            self._wake()

    def release(self) -> None:
        """Nobody waits for room any more."""
        self._released = True
        self._room.set()

    def end(self, failure: BaseException | None) -> None:
        """No more elements come."""
        self.failure, self.ended = failure, True
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None:
            home, wake = self._reader
            home.call(wake.notify)

    def source(self) -> Source:
        """The stream that takes elements out; one run at a time."""
        return Source("job", lambda context: _Taken(self, context))


class _Taken(Stage):
    def __init__(self, channel: Channel, context: Context) -> None:
        super().__init__(self, context)
        self._channel, self._wake = channel, Wake()
        channel._reader = (Home(), self._wake)

    async def pull(self, most: int) -> list[Any]:
        channel = self._channel
        while True:
            ended = channel.ended
            with channel._lock:
                chunk = [channel._items.popleft() for _ in range(min(most, len(channel._items)))]
            if chunk:
                channel._room.set()
                return chunk
            if ended:
                if isinstance(channel.failure, Exception):
                    raise channel.failure
                return []
            await self._wake.wait()

    def buffered(self) -> int:
        return len(self._channel._items)

    async def close(self) -> None:
        self._channel._reader = None
