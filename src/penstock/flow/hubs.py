"""Hubs: points to which streams come and from which they go while others run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.core.errors import PlanError
from penstock.flow.clock import Signal
from penstock.flow.errors import StreamClosedError
from penstock.flow.operators.base import function, positive
from penstock.flow.stage import Context, Pull, Stage

if TYPE_CHECKING:
    from penstock.flow.shapes import Sink, Source


class MergeHub:
    """Many producers, one consumer: `hub.sink` runs as often as there are producers, `hub.source` once.

    Producers come and go; each keeps its order, and waits while `size` elements are kept. The source does not end with
    its producers: `hub.complete()` ends it. A producer that fails leaves the others alone. When the source has ended,
    producers complete, and what they send is not taken.

    Args:
        size: How many elements are kept that the consumer has not asked for.
    """

    def __init__(self, size: int = 16) -> None:
        from penstock.flow.shapes import Sink, Source

        self.size = positive("MergeHub", "size", size)
        self._items: deque[Any] = deque()
        self._signal = Signal()
        self._opened = self._closed = self._complete = False
        self.source: Source = Source("merge_hub", self._head)
        self.sink: Sink = Sink("merge_hub", self._drain)

    def complete(self) -> None:
        """End the source behind what is kept; producers complete."""
        self._complete = True
        self._signal.notify()

    def _head(self, context: Context) -> Stage:
        if self._opened:
            raise StreamClosedError("the source of a MergeHub runs once")
        self._opened = True
        return _MergeOut(context, self)

    async def _drain(self, up: Pull, context: Context) -> int:
        sent = 0
        while not (self._closed or self._complete):
            room = self.size - len(self._items)
            if room <= 0:
                await self._signal.wait()
                continue
            chunk = await up.pull(1)
            if not chunk:
                break
            while len(self._items) >= self.size and not self._closed:
                await self._signal.wait()  # others came first
            self._items += chunk
            sent += 1
            self._signal.notify()
        return sent


class _MergeOut(Stage):
    def __init__(self, context: Context, hub: MergeHub) -> None:
        super().__init__(self, context)
        self.hub = hub

    async def pull(self, most: int) -> list[Any]:
        hub = self.hub
        while not hub._items and not hub._complete:
            await hub._signal.wait()
        chunk = [hub._items.popleft() for _ in range(min(most, len(hub._items)))]
        hub._signal.notify()
        return chunk

    def buffered(self) -> int:
        return len(self.hub._items)

    async def close(self) -> None:
        self.hub._closed = True
        self.hub._items.clear()
        self.hub._signal.notify()


class BroadcastHub:
    """One producer, many consumers: `hub.sink` runs once, `hub.source` as often as there are consumers.

    A consumer gets what comes after it has asked for its first element. The slowest may be `size` elements behind; then
    the producer waits. Without consumers the producer waits. Consumers end, or fail, with the producer.

    Args:
        size: How far the slowest may be behind.
    """

    def __init__(self, size: int = 16) -> None:
        from penstock.flow.shapes import Sink, Source

        self.size = positive("BroadcastHub", "size", size)
        self._signal = Signal()
        self._outs: list[_HubOut] = []
        self._opened = self._ended = False
        self._failure: Exception | None = None
        self.source: Source = Source("broadcast_hub", lambda context: _HubOut(context, self))
        self.sink: Sink = Sink("broadcast_hub", self._drain)

    @property
    def consumers(self) -> int:
        """How many consumers there are now."""
        return len(self._outs)

    def _targets(self, x: Any) -> list[_HubOut]:
        return list(self._outs)

    async def _drain(self, up: Pull, context: Context) -> int:
        if self._opened:
            raise StreamClosedError(f"the sink of a {type(self).__name__} runs once")
        self._opened, sent = True, 0
        context.scope.on_close(self._end)
        try:
            while True:
                while not self._outs:
                    await self._signal.wait()
                chunk = await up.pull(1)
                if not chunk:
                    return sent
                while not self._outs or any(len(out.items) >= self.size for out in self._targets(chunk[0])):
                    await self._signal.wait()
                for out in self._targets(chunk[0]):
                    out.items.append(chunk[0])
                sent += 1
                self._signal.notify()
        except Exception as failure:
            self._failure = failure
            raise

    async def _end(self) -> None:
        self._ended = True
        self._signal.notify()


class PartitionHub(BroadcastHub):
    """As `BroadcastHub`, with each element for one consumer: `select(element, how many)` gives its number from 0 on.

    Numbers are those of the consumers there are at that time, in the order in which they came.

    Args:
        select: Which consumer.
        size: How many elements may wait for a consumer.
    """

    def __init__(self, select: Callable[[Any, int], int], size: int = 16) -> None:
        super().__init__(size)
        self.select = function("PartitionHub", select, "select")

    def _targets(self, x: Any) -> list[_HubOut]:
        number = self.select(x, len(self._outs))
        if not 0 <= number < len(self._outs):
            raise PlanError(f"select gives a number from 0 to {len(self._outs) - 1}, found {number!r}")
        return [self._outs[number]]


class _HubOut(Stage):
    """One consumer of a hub."""

    def __init__(self, context: Context, hub: BroadcastHub) -> None:
        super().__init__(self, context)
        self.hub = hub
        self.items: deque[Any] = deque()
        self._in = False

    async def pull(self, most: int) -> list[Any]:
        hub = self.hub
        if not self._in:
            self._in = True
            hub._outs.append(self)
            hub._signal.notify()
        while not self.items and not hub._ended:
            await hub._signal.wait()
        chunk = [self.items.popleft() for _ in range(min(most, len(self.items)))]
        hub._signal.notify()
        if not chunk and hub._failure is not None:
            raise hub._failure
        return chunk

    def buffered(self) -> int:
        return len(self.items)

    async def close(self) -> None:
        if self in self.hub._outs:
            self.hub._outs.remove(self)
        self.hub._signal.notify()
