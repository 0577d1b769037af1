"""Operators that send elements to a second place: beside the stream, or instead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from penstock.core.errors import PlanError
from penstock.flow.clock import Signal
from penstock.flow.operators.base import Step, Verbs, function, kept, positive
from penstock.flow.scope import CANCELLED, COMPLETED, FAILED, Scope
from penstock.flow.stage import CHUNK, Context, Fiber, Pull, Stage

if TYPE_CHECKING:
    from penstock.flow.shapes import Sink, Source


class Side:
    """A sink that is fed from inside of a stage, and runs in a task of its own.

    Attributes:
        wanted: How many elements it has asked for and not got.
        done: Whether it takes no more.
        failure: Why it failed.
    """

    def __init__(self, sink: Sink, context: Context) -> None:
        self.context = replace(context, scope=Scope(context.scope), nested=True)
        self.sink, self.signal = sink, Signal()
        self.wanted, self.done, self.failure, self.result = 0, False, None, None
        self._items: deque[Any] = deque()
        self._ended = False
        self._input_failure: Exception | None = None
        self._fiber: Fiber | None = None

    failure: Exception | None

    def start(self) -> None:
        """Start the task, if it has not."""
        if self._fiber is None:
            self._fiber = self.context.spawn(self._run)

    async def _run(self) -> None:
        outcome = CANCELLED
        try:
            self.result = await self.sink.consume(self, self.context)
            outcome = COMPLETED
        except Exception as failure:  # noqa: BLE001  (raised by the stage)
            self.failure, outcome = failure, FAILED
        finally:
            try:
                await self.context.scope.close(outcome)
            except Exception as failure:  # noqa: BLE001  (raised by the stage)
                self.failure = self.failure or failure
            self.done = True
            self.signal.notify()

    async def pull(self, most: int) -> list[Any]:
        """What it was fed. See `Pull`."""
        self.wanted = most
        self.signal.notify()
        while not self._items and not self._ended:
            await self.signal.wait()
        chunk = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        self.wanted = 0
        if not chunk and self._input_failure is not None:
            raise self._input_failure
        return chunk

    def room(self) -> int:
        """How many elements it waits for."""
        return max(0, self.wanted - len(self._items))

    async def demand(self) -> int:
        """Wait until it has asked for elements, or is done: how many; `CHUNK` if it takes no more."""
        self.start()
        while not self.done and not self.room():
            await self.signal.wait()
        if self.failure is not None:
            raise self.failure
        return CHUNK if self.done else self.room()

    def feed(self, chunk: list[Any]) -> None:
        """Give it elements, as many as there is room for."""
        if not self.done:
            self._items.extend(chunk)
            self.signal.notify()

    def waiting(self) -> int:
        """How many elements wait for it."""
        return len(self._items)

    async def end(self, failure: Exception | None = None) -> None:
        """End its input, and wait until it has taken all."""
        self.start()
        self._ended, self._input_failure = True, failure
        self.signal.notify()
        while not self.done:
            await self.signal.wait()
        if self.failure is not None and self.failure is not failure:
            raise self.failure

    async def close(self) -> None:
        """Cancel it, unless it is done."""
        if self._fiber is not None:
            await self._fiber.stop()


class _AlsoTo(Stage):
    """Each element to a sink as well; as fast as the slower of both."""

    def __init__(self, up: Pull, context: Context, sink: Sink, keep: str | None) -> None:
        super().__init__(up, context)
        self.side, self.keep = Side(sink, context), keep

    def share(self, chunk: list[Any]) -> list[Any]:
        """What goes on; the side is fed."""
        self.side.feed(chunk)
        return chunk

    async def room(self, most: int) -> int:
        """How many elements to ask for."""
        return min(most, await self.side.demand())

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        while True:
            try:
                chunk = await self.up.pull(await self.room(most))
            except Exception as failure:
                if not self.side.done:
                    await self.side.end(failure)
                raise
            if not chunk:
                await self.side.end()
                if self.keep is not None:
                    self.context.run.give(self.keep, self.side.result)
                return []
            if chunk := self.share(chunk):
                return chunk

    def buffered(self) -> int:
        """What waits for the side."""
        return self.side.waiting()

    async def close(self) -> None:
        """Cancel the side, unless it is done."""
        await self.side.close()


class _DivertTo(_AlsoTo):
    """Some elements to a sink instead."""

    def __init__(
        self, up: Pull, context: Context, sink: Sink, predicate: Callable[[Any], Any], keep: str | None
    ) -> None:
        super().__init__(up, context, sink, keep)
        self.predicate = predicate

    def share(self, chunk: list[Any]) -> list[Any]:
        on: list[Any] = []
        side: list[Any] = []
        for x in chunk:
            (side if self.predicate(x) else on).append(x)
        self.side.feed(side)
        return on


class _WireTap(_AlsoTo):
    """A sink that sees what it is fast enough for."""

    def __init__(self, up: Pull, context: Context, sink: Sink, size: int, keep: str | None) -> None:
        super().__init__(up, context, sink, keep)
        self.size = size

    async def room(self, most: int) -> int:
        self.side.start()
        return most

    def share(self, chunk: list[Any]) -> list[Any]:
        free = max(0, self.size + self.side.wanted - self.side.waiting())
        self.side.feed(chunk[:free])
        if len(chunk) > free and not self.side.done:
            self.dropped["tap was slow"] += len(chunk) - free
        return chunk


class SinkAndSource(Stage):
    """The input to a sink, the output of a source."""

    def __init__(self, up: Pull, context: Context, sink: Sink, source: Source, coupled: bool) -> None:
        super().__init__(up, context)
        self.coupled = coupled
        self.side = Side(sink, context)
        self.fed: Fiber | None = None
        self.out = source.open(context)
        self.signal = Signal()

    async def _feed(self) -> None:
        while not self.side.done:
            chunk = await self.up.pull(await self.side.demand())
            if not chunk:
                await self.side.end()
                return
            self.side.feed(chunk)

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        from penstock.flow.stage import Pump

        if self.fed is None:
            self.fed = self.context.spawn(self._feed)
            self.pump = Pump(self.out, self.context, self.side.signal)
        self.pump.request(most)
        while not self.pump.ready and not (self.coupled and self.side.done):
            await self.side.signal.wait()
        if self.side.failure is not None:
            raise self.side.failure
        return self.pump.take(most) if self.pump.ready else []

    async def close(self) -> None:
        """Stop all tasks."""
        if self.fed is not None:
            await self.pump.close()
            await self.fed.stop()
        await self.side.close()


def _sink(verb: str, sink: Any) -> Sink:
    from penstock.flow.shapes import Sink

    if not isinstance(sink, Sink):
        raise PlanError(f"{verb} takes a Sink, found {type(sink).__name__}")
    return sink


class FanOut(Verbs):
    """Operators that send elements to a second place. Its result is `running.values[keep]`, if `keep` names it.

    A failure of the sink fails the stream, one of the stream fails the sink. The stream completes when the sink has.
    Several outlets of one stream are made with `Source.broadcast`, `balance` and `partition`.
    """

    def also_to(self, sink: Sink, *, keep: str | None = None) -> Self:
        """Each element to `sink` as well, as fast as the slower of both; a sink that has enough is left out."""
        side, keep = _sink("also_to", sink), kept("also_to", keep)
        return self._then(Step("also_to", lambda up, ctx: _AlsoTo(up, ctx, side, keep)))

    def divert_to(self, sink: Sink, when: Callable[[Any], Any], *, keep: str | None = None) -> Self:
        """Elements for which `when` is true to `sink` instead. Once that has enough, they are dropped."""
        side, f = _sink("divert_to", sink), function("divert_to", when, "when")
        keep = kept("divert_to", keep)
        return self._then(Step("divert_to", lambda up, ctx: _DivertTo(up, ctx, side, f, keep)))

    def wire_tap(self, sink: Sink, *, size: int = 16, keep: str | None = None) -> Self:
        """Elements to `sink` as well, without waiting: what it is too slow for, beyond `size`, it does not get."""
        side, n = _sink("wire_tap", sink), positive("wire_tap", "size", size)
        keep = kept("wire_tap", keep)
        return self._then(Step("wire_tap", lambda up, ctx: _WireTap(up, ctx, side, n, keep)))
