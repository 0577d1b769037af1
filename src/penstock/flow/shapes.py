"""`Source`, `Flow`, `Sink`: what a stream is, as frozen values. Nothing runs until `start` or `run`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from penstock.core.errors import PlanError
from penstock.flow.clock import Clock, Signal
from penstock.flow.junctions import Balance, Broadcast, Junction, Partition, outlets
from penstock.flow.operators import Operators
from penstock.flow.operators.base import Opener, Step, function, positive
from penstock.flow.operators.fanout import SinkAndSource
from penstock.flow.running import Running
from penstock.flow.sinks import Drain, Sinks
from penstock.flow.sources import Sources
from penstock.flow.stage import Context, Origin, Pull, Pump


def open_steps(steps: tuple[Step, ...], up: Pull, context: Context) -> Pull:
    """Open steps one after another, each below the one before."""
    for step in steps:
        up = context.edge(step.name, step.make(up, context.nesting()), up)
    return up


@dataclass(frozen=True)
class Source(Sources, Operators):
    """Where elements come from, and what is done to them on their way.

    Made by `Source.from_iterable` and its neighbours. Every operator gives a new source; the old one stays as it is,
    and both can run, also at the same time, unless what they read can be read once only.

    Attributes:
        name: What makes the elements.
        head: Opens it.
        steps: The operators behind it.
        composite: Whether `head` opens other sources, which a kill switch ends by themselves.
    """

    name: str
    head: Callable[[Context], Pull]
    steps: tuple[Step, ...] = ()
    composite: bool = False

    def _then(self, step: Step) -> Source:
        return replace(self, steps=(*self.steps, step))

    def _enclose(self, name: str, make: Callable[[Opener, Context], Pull]) -> Source:
        return Source(name, lambda context: make(self.open, context.nesting()), composite=True)

    def open(self, context: Context) -> Pull:
        """Open a running instance in the scope of `context`. For those who write stages."""
        first = context.scope.mark()
        stage = self.head(context if self.composite else context.nesting())
        if not self.composite:
            context.scope.on_close(stage.close)
            stage = Origin(stage, context)
        return open_steps(self.steps, context.edge(self.name, stage, first=first), context)

    def via(self, flow: Flow) -> Source:
        """Behind this source the operators of `flow`; associative, with `Flow()` as its neutral element."""
        return replace(self, steps=(*self.steps, *_a(Flow, flow, "via").steps))

    def broadcast(self, n: int, *, size: int = 0, eager: bool = False) -> tuple[Source, ...]:
        """`n` outlets, each with every element: as fast as the slowest, which may be `size` elements behind.

        Outlets are sources of one run: joined again, or run by a `Graph`. An outlet that has enough is left out; with
        `eager` it ends all of them.
        """
        n, k = positive("broadcast", "n", n), positive("broadcast", "size", size, 0)
        return outlets("broadcast", n, lambda ctx: Broadcast(self, n, ctx, eager, k))

    def balance(self, n: int, *, size: int = 0) -> tuple[Source, ...]:
        """`n` outlets, of which one that waits has each element; see `broadcast`."""
        n, k = positive("balance", "n", n), positive("balance", "size", size, 0)
        return outlets("balance", n, lambda ctx: Balance(self, n, ctx, False, k))

    def partition(
        self, n: int, select: Callable[[Any], int], *, size: int = 0, eager: bool = False
    ) -> tuple[Source, ...]:
        """`n` outlets, of which `select(element)`, 0 to `n - 1`, has the element; see `broadcast`.

        A slow outlet holds the others up. Elements of an outlet that has enough are dropped.
        """
        n, k = positive("partition", "n", n), positive("partition", "size", size, 0)
        f = function("partition", select, "select")

        def make(context: Context) -> Junction:
            junction = Partition(self, n, context, eager, k)
            junction.select = f
            return junction

        return outlets("partition", n, make)

    def unzip(self, n: int = 2, *, size: int = 0) -> tuple[Source, ...]:
        """`n` outlets: of elements that are tuples, the first has the first values, and so on; see `broadcast`."""
        return tuple(one.map(itemgetter(i)) for i, one in enumerate(self.broadcast(n, size=size)))

    def to(self, sink: Sink) -> Runnable:
        """Connect a sink: what can be run."""
        return Runnable(self, _a(Sink, sink, "to"))

    async def run(self, sink: Sink | None = None, *, clock: Clock | None = None, seed: int | None = None) -> Any:
        """Run into a sink until the stream ends; its result. Without a sink, the list of all elements."""
        return await self.to(sink or Sink.collect()).run(clock=clock, seed=seed)

    @asynccontextmanager
    async def elements(self, *, clock: Clock | None = None) -> AsyncIterator[AsyncIterator[Any]]:
        """The pull view: `async with source.elements() as elements: async for element in elements: ...`.

        One element is asked for at a time. Leaving the block early cancels the stream.
        """
        async with Runnable(self, Sink("elements", _paused)).start(clock=clock) as running:
            pull: Pull = await running.value("elements")
            yield _Elements(pull)
            running.cancel()


class _Elements:
    """An iterator over what is pulled; no generator, which would want to be closed."""

    def __init__(self, pull: Pull) -> None:
        self.pull = pull

    def __aiter__(self) -> _Elements:
        return self

    async def __anext__(self) -> Any:
        chunk = await self.pull.pull(1)
        if not chunk:
            raise StopAsyncIteration
        return chunk[0]


async def _paused(up: Pull, context: Context) -> None:
    """The drain of a stream that somebody else pulls: wait until it is cancelled."""
    import anyio

    context.run.give("elements", up)
    await anyio.sleep_forever()


class _Reopened:
    """Opens steps, also several times, over one input: a pull that one opening has begun is answered to the next."""

    def __init__(self, steps: tuple[Step, ...], up: Pull, context: Context) -> None:
        self.steps, self.edge = steps, up
        self.pump = Pump(up, context, Signal())
        context.scope.on_close(self.pump.close)

    @property
    def spent(self) -> bool:
        """Whether the input has ended."""
        return self.pump.ended and not self.pump.chunk

    def __call__(self, context: Context) -> Pull:
        return open_steps(self.steps, self, context)

    async def pull(self, most: int) -> list[Any]:
        # One at a time: elements behind one that fails are not lost with it.
        self.pump.request(most)
        return await self.pump.next(1)

    async def close(self) -> None:
        """Nothing: the stage around closes the pump."""


@dataclass(frozen=True)
class Flow(Operators):
    """Operators without a source: a reusable piece. `Flow()` changes nothing.

    Attributes:
        steps: The operators, in order.
    """

    steps: tuple[Step, ...] = ()

    def _then(self, step: Step) -> Flow:
        return Flow((*self.steps, step))

    def _enclose(self, name: str, make: Callable[[Opener, Context], Pull]) -> Flow:
        steps = self.steps

        def enclosed(up: Pull, context: Context) -> Pull:
            return make(_Reopened(steps, up, context), context)

        return Flow((Step(name, enclosed),))

    def via(self, flow: Flow) -> Flow:
        """The operators of both, one after the other."""
        return Flow((*self.steps, *_a(Flow, flow, "via").steps))

    def to(self, sink: Sink) -> Sink:
        """A sink with these operators before it."""
        last: Sink = _a(Sink, sink, "to")
        return last.before(self.steps)

    @staticmethod
    def from_sink_and_source(sink: Sink, source: Source, *, coupled: bool = True) -> Flow:
        """A flow whose input goes to `sink` while its output is `source`'s.

        Args:
            sink: Takes the input. A failure of it fails the output.
            source: Gives the output.
            coupled: Whether the end of one side ends the other.
        """
        end, start = _a(Sink, sink, "from_sink_and_source"), _a(Source, source, "from_sink_and_source")
        return Flow((Step("from_sink_and_source", lambda up, ctx: SinkAndSource(up, ctx, end, start, coupled)),))


@dataclass(frozen=True)
class Sink(Sinks):
    """Where a stream ends, and what its result is.

    Attributes:
        name: What it does with the elements.
        drain: Pulls until the end and gives the result.
        steps: Operators before it.
    """

    name: str
    drain: Drain
    steps: tuple[Step, ...] = ()

    def before(self, steps: tuple[Step, ...]) -> Sink:
        """The sink with operators before it; `flow.to(sink)` is the usual way to say so."""
        return replace(self, steps=(*steps, *self.steps))

    def contramap(self, f: Callable[[Any], Any]) -> Sink:
        """The sink with `f` before it."""
        return Flow().map(f).to(self)

    def map_result(self, f: Callable[[Any], Any]) -> Sink:
        """The sink with another result: `f` of the one it gives."""
        drain, f = self.drain, function("map_result", f)

        async def mapped(up: Pull, context: Context) -> Any:
            return f(await drain(up, context))

        return replace(self, drain=mapped)

    async def consume(self, up: Pull, context: Context) -> Any:
        """Take all of a running stream; the result. For those who write stages."""
        last = open_steps(self.steps, up, context)
        sink = context.edge(self.name, last, last, owned=False)  # counts what the sink takes
        return await self.drain(sink.of_sink(), context)


@dataclass(frozen=True)
class Runnable:
    """A source and its sink: a description that can be run, many times.

    Attributes:
        source: Where elements come from.
        sink: Where they go.
    """

    source: Source
    sink: Sink

    async def consume(self, context: Context) -> Any:
        """Open and run inside of a scope; the sink's result. For those who write stages."""
        return await self.sink.consume(self.source.open(context), context)

    def start(self, *, clock: Clock | None = None, seed: int | None = None) -> Running:
        """A handle of a run that begins with `async with`; see `Running`.

        Args:
            clock: Where time comes from; the computer's clock unless a test passes its own.
            seed: Of chance in jitter and sampling; another one at each run if it is None.
        """
        return Running(self.consume, clock=clock, seed=seed)

    async def run(self, *, clock: Clock | None = None, seed: int | None = None) -> Any:
        """Run until the stream ends; the sink's result.

        Raises:
            Exception: What made the stream fail, as it was raised.
        """
        async with self.start(clock=clock, seed=seed) as running:
            await running.wait()
        return running.result


def _a(kind: type[Any], value: Any, verb: str) -> Any:
    if not isinstance(value, kind):
        raise PlanError(f"{verb} takes a {kind.__name__}, found {type(value).__name__}")
    return value
