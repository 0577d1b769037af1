"""Graphs: several sources and sinks that run together, and cycles that are broken by a buffer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.core.errors import PlanError
from penstock.flow.clock import Clock, Signal
from penstock.flow.junctions import Junction
from penstock.flow.operators.base import positive
from penstock.flow.queue import SourceQueue
from penstock.flow.running import Running, drive
from penstock.flow.stage import CHUNK, Context, Fiber, Pull, Stage

if TYPE_CHECKING:
    from penstock.flow.shapes import Runnable, Sink


class Graph:
    """Streams that run together; the result is a dict of the sinks' results by name.

        numbers = Source.range(10)
        left, right = numbers.broadcast(2)
        graph = Graph(sums=left.to(Sink.fold(0, int.__add__)), all=right.to(Sink.collect()))
        await graph.run()  # {"sums": 45, "all": [0, 1, ...]}

    Outlets of `broadcast`, `balance` and `partition` are sources: fan-in joins them again (`left.zip(right)`). Each
    outlet is used once, and all of them: what leads nowhere is refused when the graph starts. A description cannot
    refer to itself, so there are no cycles but those of `feedback`, which have a buffer.

    The first failure cancels the other streams.
    """

    def __init__(self, **streams: Runnable) -> None:
        from penstock.flow.shapes import Runnable

        if not streams:
            raise PlanError("a graph takes one stream or more: Graph(name=source.to(sink))")
        for name, stream in streams.items():
            if not isinstance(stream, Runnable):
                raise PlanError(f'"{name}" of the graph is to be a source with its sink, found {type(stream).__name__}')
        self.streams = dict(streams)

    async def consume(self, context: Context) -> dict[str, Any]:
        """Open and run inside of a scope. For those who write stages."""
        contexts = {name: context.apart() for name in self.streams}
        opened = {name: stream.source.open(contexts[name]) for name, stream in self.streams.items()}
        for shared in list(context.run.shared.values()):
            if isinstance(shared, Junction | _Loop):
                shared.check()
        results: dict[str, Any] = {}
        signal = Signal()

        async def drain(name: str, sink: Sink, up: Pull) -> None:
            try:
                results[name] = await drive(lambda inner: sink.consume(up, inner), contexts[name])
            finally:
                signal.notify()

        fibers: list[Fiber] = []

        async def stop() -> None:
            for fiber in fibers:
                fiber.cancel()
            for fiber in fibers:
                await fiber.stop()

        context.scope.on_close(stop)
        for name, stream in self.streams.items():
            fibers.append(context.spawn(partial(drain, name, stream.sink, opened[name])))
        while len(results) < len(self.streams):
            failed = [fiber.failure for fiber in fibers if fiber.failure is not None]
            if failed:
                raise failed[0]
            await signal.wait()
        return {name: results[name] for name in self.streams}

    def start(self, *, clock: Clock | None = None, seed: int | None = None) -> Running:
        """A handle of a run that begins with `async with`; see `Runnable.start`."""
        return Running(self.consume, clock=clock, seed=seed)

    async def run(self, *, clock: Clock | None = None, seed: int | None = None) -> dict[str, Any]:
        """Run until all streams have ended; their results by name."""
        async with self.start(clock=clock, seed=seed) as running:
            await running.wait()
        found: dict[str, Any] = running.result
        return found


class Feedback:
    """A cycle: what goes into `sink` comes out of `source`, through a buffer.

        loop = Feedback(100)
        again, done = work.merge(loop.source).map(step).partition(2, is_done, eager=True)
        graph = Graph(back=again.to(loop.sink), done=done.take(n).to(Sink.collect()))

    A cycle without a buffer would wait for itself, so the size is 1 or more. The source completes when the sink has; a
    stream that needs its own end to end never does: `eager=True`, `halt=` of `merge`, `take` or a time-out say when.

    Args:
        size: How many elements may be on their way back.
        overflow: What becomes of an element that comes when there are so many; see `buffer`. Under `backpressure` a
            cycle in which each element makes more than one may come to a stop: the stream waits for itself.
    """

    def __init__(self, size: int, overflow: str = "backpressure") -> None:
        from penstock.flow.buffers import checked_overflow
        from penstock.flow.shapes import Sink, Source

        if size == 0:
            raise PlanError("a cycle needs a buffer: Feedback(size) from 1 on", hint="without one it waits for itself")
        self.size, self.overflow = positive("Feedback", "size", size), checked_overflow("Feedback", overflow)
        self.source = Source("feedback", self._head)
        self.sink = Sink("feedback", self._drain)

    def _loop(self, context: Context) -> _Loop:
        shared = context.run.shared
        if self not in shared:
            shared[self] = _Loop(self)
        found: _Loop = shared[self]
        return found

    def _head(self, context: Context) -> Stage:
        return self._loop(context).queue._open(context)

    async def _drain(self, up: Pull, context: Context) -> None:
        queue = self._loop(context).queue
        while not queue.closed:
            chunk = await up.pull(CHUNK if self.overflow != "backpressure" else 1)
            if not chunk:
                break
            for x in chunk:
                if not queue.closed:
                    await queue.offer(x)
        queue.complete()


class _Loop:
    """A feedback in one run."""

    def __init__(self, feedback: Feedback) -> None:
        self.queue = SourceQueue(feedback.size, feedback.overflow, None)

    def check(self) -> None:
        """Nothing: a loop that nobody feeds waits as any source does."""
