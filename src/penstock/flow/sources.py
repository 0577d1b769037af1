"""Sources: where elements come from."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import anyio

from penstock.core.errors import PlanError
from penstock.flow.buffers import checked_overflow, checked_spill
from penstock.flow.operators.base import function, positive, span_of
from penstock.flow.queue import SourceQueue
from penstock.flow.sources_made import MadeSources
from penstock.flow.spill import Spill
from penstock.flow.stage import Context, Pull, Stage

if TYPE_CHECKING:
    from penstock.flow.shapes import Source

SLOW_US = 1_000
"""An iterator that takes longer than this for a chunk is asked for fewer elements at a time."""


class _Start(Stage):
    """A stage without an input."""

    def __init__(self, context: Context) -> None:
        super().__init__(self, context)


class _Ready(_Start):
    """Elements that are there: of a sequence, by slices."""

    waits = False

    def __init__(self, context: Context, items: Sequence[Any]) -> None:
        super().__init__(context)
        self.items, self.at = items, 0

    async def pull(self, most: int) -> list[Any]:
        chunk = list(self.items[self.at : self.at + most])
        self.at += len(chunk)
        return chunk


class _Iterator(_Start):
    """An iterator, asked for as many elements at a time as it gives within a millisecond."""

    waits = False

    def __init__(self, context: Context, items: Iterable[Any]) -> None:
        super().__init__(context)
        self.items: Iterator[Any] | None = None
        self.iterable, self.size = items, 1
        self.failure: Exception | None = None

    async def pull(self, most: int) -> list[Any]:
        if self.items is None:
            self.items = iter(self.iterable)
        if self.failure is not None:
            raise self.failure
        now = self.context.clock.now
        start, chunk = now(), list[Any]()
        try:
            chunk.extend(islice(self.items, min(most, self.size)))
        except Exception as failure:
            if not chunk:
                raise
            self.failure = failure
        self.size = 1 if now() - start > SLOW_US else self.size * 2
        return chunk

    async def close(self) -> None:
        close = getattr(self.items, "close", None)
        if self.items is not None and self.items is not self.iterable and close is not None:
            close()


class _Async(_Start):
    """An asynchronous iterable, one element at a time."""

    def __init__(self, context: Context, items: AsyncIterable[Any]) -> None:
        super().__init__(context)
        self.iterable = items
        self.items: AsyncIterator[Any] | None = None

    async def pull(self, most: int) -> list[Any]:
        if self.items is None:
            self.items = aiter(self.iterable)
        try:
            return [await anext(self.items)]
        except StopAsyncIteration:
            return []

    async def close(self) -> None:
        close = getattr(self.items, "aclose", None)
        if close is not None:
            await close()


class _Never(_Start):
    async def pull(self, most: int) -> list[Any]:
        await anyio.sleep_forever()
        return []


class _Failed(_Start):
    def __init__(self, context: Context, failure: Exception) -> None:
        super().__init__(context)
        self.failure = failure

    async def pull(self, most: int) -> list[Any]:
        raise self.failure


class _Tick(_Start):
    """Ticks at fixed instants; those that nobody asked for in time are dropped."""

    def __init__(self, context: Context, every: int, value: Any, initial: int) -> None:
        super().__init__(context)
        self.every, self.value = every, value
        self.next = context.clock.now() + initial

    async def pull(self, most: int) -> list[Any]:
        now = self.context.clock.now()
        if now - self.next >= self.every:
            missed = (now - self.next) // self.every
            self.dropped["nobody asked"] += missed
            self.next += missed * self.every
        await self.context.clock.sleep_until(self.next)
        self.next += self.every
        return [self.value]


def _source(name: str, head: Callable[[Context], Pull], *, composite: bool = False) -> Source:
    from penstock.flow.shapes import Source

    return Source(name, head, composite=composite)


class Sources(MadeSources):
    """How sources are made."""

    @staticmethod
    def from_iterable(items: Iterable[Any]) -> Source:
        """The elements of an iterable, iterated anew by each run; of an iterator, what is left of it.

        A list or range is cut into chunks; a generator is asked for more at a time while it is quick (a
        millisecond). An iterator that blocks stops the event loop: use `from_async`, or `from_blocking`.
        """
        if isinstance(items, (list, tuple, range)):
            return _source("from_iterable", lambda ctx: _Ready(ctx, items))
        if not hasattr(items, "__iter__"):
            hint = "Source.from_async takes asynchronous ones" if hasattr(items, "__aiter__") else None
            raise PlanError(f"from_iterable takes an iterable, found {type(items).__name__}", hint=hint)
        return _source("from_iterable", lambda ctx: _Iterator(ctx, items))

    @staticmethod
    def from_factory(make: Callable[[], Iterable[Any]]) -> Source:
        """The elements of `make()`, called by each run when the first element is asked for."""
        make = function("from_factory", make, "make")
        return _source("from_factory", lambda ctx: _Iterator(ctx, _Made(make)))

    @staticmethod
    def from_async(items: AsyncIterable[Any]) -> Source:
        """The elements of an asynchronous iterable; its generator is closed with the stream."""
        if not hasattr(items, "__aiter__"):
            raise PlanError(f"from_async takes an asynchronous iterable, found {type(items).__name__}")
        return _source("from_async", lambda ctx: _Async(ctx, items))

    @staticmethod
    def of(*items: Any) -> Source:
        """These elements."""
        return _source("of", lambda ctx: _Ready(ctx, items))

    @staticmethod
    def empty() -> Source:
        """No element: completes at once."""
        return _source("empty", lambda ctx: _Ready(ctx, ()))

    @staticmethod
    def never() -> Source:
        """No element and no end."""
        return _source("never", _Never)

    @staticmethod
    def failed(failure: Exception) -> Source:
        """No element: fails at once."""
        if not isinstance(failure, Exception):
            raise PlanError(f"failed takes an exception, found {failure!r}")
        return _source("failed", lambda ctx: _Failed(ctx, failure))

    @staticmethod
    def range(*bounds: int) -> Source:
        """Whole numbers, as `range` gives them; without an end, `range()`, from 0 on for ever."""
        if not bounds:
            return Sources.from_factory(count)
        for bound in bounds:
            if not isinstance(bound, int):
                raise PlanError(f"range takes whole numbers, found {bound!r}")
        numbers = range(*bounds)
        return _source("range", lambda ctx: _Ready(ctx, numbers))

    @staticmethod
    def queue(size: int, overflow: str = "backpressure", *, spill: Spill | None = None) -> tuple[SourceQueue, Source]:
        """A queue, and the source that gives what is offered to it; for one run.

        Args:
            size: How many elements it keeps that nobody has asked for yet.
            overflow: What becomes of an element that is offered when it is full; see `buffer`.
            spill: Where and how to spill.
        """
        queue = SourceQueue(
            positive("queue", "size", size), checked_overflow("queue", overflow), checked_spill("queue", spill)
        )
        return queue, _source("queue", queue._open)

    @staticmethod
    def tick(every: Any, value: Any = None, *, initial: Any = "0 s") -> Source:
        """`value` at fixed instants, `every` apart, the first after `initial`. Those that nobody asks for go."""
        us, first = span_of("tick", every, name="every"), span_of("tick", initial, 0, name="initial")
        return _source("tick", lambda ctx: _Tick(ctx, us, value, first))


class _Made:
    """An iterable that is made when it is iterated."""

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self.make = make

    def __iter__(self) -> Iterator[Any]:
        return iter(self.make())
