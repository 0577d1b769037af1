"""Streams inside of stages, and stages with several inputs."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any

from penstock.core.errors import PlanError
from penstock.flow.clock import Signal
from penstock.flow.scope import COMPLETED
from penstock.flow.stage import Context, Pull, Pump, Stage

if TYPE_CHECKING:
    from penstock.flow.shapes import Source


def as_source(verb: str, value: Any) -> Source:
    """A source, or what can be made into one: an iterable, an asynchronous iterable.

    Raises:
        PlanError: If it is nothing of that.
    """
    from penstock.flow.shapes import Source

    if isinstance(value, Source):
        return value
    if isinstance(value, AsyncIterable):
        return Source.from_async(value)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return Source.from_iterable(value)
    raise PlanError(f"{verb} takes a Source or an iterable, found {type(value).__name__}")


class Inner:
    """A source that runs inside of a stage, in a scope of its own."""

    def __init__(self, source: Source, context: Context) -> None:
        self.context = context
        self.up = source.open(context)

    async def pull(self, most: int) -> list[Any]:
        """Pull from it; at its end its scope is closed."""
        chunk = await self.up.pull(most)
        if not chunk:
            await self.close()
        return chunk

    async def close(self) -> None:
        """Close its scope."""
        await self.context.scope.close(COMPLETED)


class Inputs(Stage):
    """Several inputs, each pulled by a task of its own; `self.pumps` in their order.

    Attributes:
        signal: Notified when one of them has something.
    """

    def __init__(self, up: Pull, context: Context, others: tuple[Source, ...]) -> None:
        super().__init__(up, context)
        self.signal = Signal()
        self.pumps = [Pump(one, context, self.signal) for one in (up, *(other.open(context) for other in others))]

    async def ready(self, pumps: list[Pump]) -> None:
        """Wait until one of them has something."""
        while not any(pump.ready for pump in pumps):
            await self.signal.wait()

    async def all_ready(self, pumps: list[Pump]) -> None:
        """Wait until all of them have something, or one has failed."""
        while not all(pump.ready for pump in pumps) and not any(pump.failure for pump in pumps):
            await self.signal.wait()

    def buffered(self) -> int:
        """What was pulled and not taken."""
        return sum(len(pump.chunk) for pump in self.pumps)

    async def close(self) -> None:
        """Stop all tasks."""
        for pump in self.pumps:
            pump.cancel()
        for pump in self.pumps:
            await pump.close()
