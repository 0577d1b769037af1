"""Operators for sides of unequal speed: buffers, conflation, batches, expansion."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Self

import anyio.lowlevel

from penstock.flow.buffers import Buffer, checked_overflow, checked_spill
from penstock.flow.operators.base import Step, Verbs, function, function_or, positive, same, span_of
from penstock.flow.relay import Relay
from penstock.flow.spill import Spill
from penstock.flow.stage import CHUNK, Context, Pull


class _Buffer(Relay):
    """Pulls ahead. A full buffer that drops is still fed: whoever waits below is served first."""

    def __init__(self, up: Pull, context: Context, size: int, overflow: str, spill: Spill | None) -> None:
        super().__init__(up, context)
        self.buffer = Buffer(size, overflow, self.dropped, spill)

    def room(self) -> int:
        if self.buffer.waits or (self.wanted and self.buffer):
            return 0
        return min(CHUNK, self.buffer.room()) or 1

    def accept(self, chunk: list[Any]) -> None:
        self.buffer.extend(chunk)

    def give(self, most: int) -> list[Any]:
        return self.buffer.take(most)

    async def pull(self, most: int) -> list[Any]:
        if not len(self.buffer) and (chunk := await self.straight(most)):
            return chunk
        return await super().pull(most)

    def buffered(self) -> int:
        return len(self.buffer)

    async def close(self) -> None:
        await super().close()
        self.buffer.close()


class _Conflate(Relay):
    """What nobody has asked for yet, as one element."""

    def __init__(
        self,
        up: Pull,
        context: Context,
        limit: int | None,
        seed: Callable[[Any], Any],
        f: Callable[[Any, Any], Any],
        cost: Callable[[Any], int] | None,
    ) -> None:
        super().__init__(up, context)
        self.limit, self.seed, self.f, self.cost = limit, seed, f, cost
        self.state: list[Any] = []
        self.sum = 0
        self.next: deque[Any] = deque()  # what the limit has no room for

    def room(self) -> int:
        if self.next or (self.state and self.wanted):
            return 0
        if self.limit is None:
            return CHUNK
        return max(0, self.limit - self.sum) if self.cost is None else 1

    def accept(self, chunk: list[Any]) -> None:
        for x in chunk:
            price = 1 if self.cost is None else self.cost(x)
            if self.limit is not None and self.state and self.sum + price > self.limit:
                self.next.append((x, price))
                continue
            self.state = [self.f(self.state[0], x)] if self.state else [self.seed(x)]
            self.sum += price

    def give(self, most: int) -> list[Any]:
        given, self.state, self.sum = self.state, [], 0
        if self.next:
            x, self.sum = self.next.popleft()
            self.state = [self.seed(x)]
        return given

    def buffered(self) -> int:
        return len(self.state) + len(self.next)


class _Expand(Relay):
    """Gives one element at a time, so that a new one takes its place as soon as it comes."""

    def __init__(self, up: Pull, context: Context, f: Callable[[Any], Iterable[Any]]) -> None:
        super().__init__(up, context)
        self.f = f
        self.new: list[Any] = []
        self.last: Iterator[Any] = iter(())

    def room(self) -> int:
        return 0 if self.new else 1

    def accept(self, chunk: list[Any]) -> None:
        self.new = chunk

    def give(self, most: int) -> list[Any]:
        if self.new:
            self.last, self.new = iter(self.f(self.new[0])), []
        elif self.ended:
            return []
        return list(islice(self.last, 1))

    async def pull(self, most: int) -> list[Any]:
        await anyio.lowlevel.checkpoint()  # the input has its turn, however fast demand comes
        return await super().pull(most)

    def buffered(self) -> int:
        return len(self.new)


class _Aggregate(Relay):
    """Aggregates with boundaries."""

    def __init__(
        self,
        up: Pull,
        context: Context,
        create: Callable[[], Any],
        add: Callable[[Any, Any], Any],
        full: Callable[[Any], bool],
        result: Callable[[Any], Any],
        within: int | None,
    ) -> None:
        super().__init__(up, context)
        self.create, self.add, self.full, self.result, self.within = create, add, full, result, within
        self.state: list[Any] = []
        self.done: list[Any] = []
        self.since = 0

    def room(self) -> int:
        return 0 if self.done else 1

    def accept(self, chunk: list[Any]) -> None:
        if not self.state:
            self.state, self.since = [self.create()], self.instant()
        self.state = [self.add(self.state[0], chunk[0])]
        if self.full(self.state[0]):
            self.finish()

    def finish(self) -> None:
        if self.state and not self.done:
            self.done, self.state = [self.result(self.state[0])], []

    def due(self) -> int | None:
        return self.since + self.within if self.state and self.within is not None else None

    def give(self, most: int) -> list[Any]:
        due = self.due()
        if self.ended or (not self.done and due is not None and self.instant() >= due):
            self.finish()
        given, self.done = self.done, []
        return given

    def buffered(self) -> int:
        return len(self.state) + len(self.done)


class Rate(Verbs):
    """Operators for sides of unequal speed."""

    def buffer(self, size: int, overflow: str = "backpressure", *, spill: Spill | None = None) -> Self:
        """Keep up to `size` elements that nobody has asked for yet.

        Args:
            size: How many.
            overflow: What becomes of the element that comes when all are kept: `backpressure` lets it wait; `drop_head`
                drops the oldest kept, `drop_tail` the youngest kept, `drop_new` the one that comes, `drop_buffer` all
                kept; `fail` fails the stream; `spill` keeps it on disk, in order.
            spill: Where and how to spill.

        What is kept goes out before the end, and before a failure of the input. `statistics()` counts what was dropped.
        """
        n, overflow = positive("buffer", "size", size), checked_overflow("buffer", overflow)
        spill = checked_spill("buffer", spill)
        return self._then(Step("buffer", lambda up, ctx: _Buffer(up, ctx, n, overflow, spill)))

    def detach(self) -> Self:
        """Take the next element ahead of demand: as a buffer of one."""
        return self.buffer(1)

    def conflate(self, f: Callable[[Any, Any], Any], *, seed: Callable[[Any], Any] | None = None) -> Self:
        """Never hold the input up: elements that nobody has asked for yet become one, `f(so far, element)`.

        `seed(element)` makes the first; without it that is the element itself. Nothing is dropped but what `f` drops.
        """
        f, s = function("conflate", f), function("conflate", same if seed is None else seed, "seed")
        return self._then(Step("conflate", lambda up, ctx: _Conflate(up, ctx, None, s, f, None)))

    def batch(
        self,
        most: int,
        f: Callable[[Any, Any], Any],
        *,
        seed: Callable[[Any], Any] | None = None,
        cost: Callable[[Any], int] | None = None,
    ) -> Self:
        """As `conflate`, for up to `most` elements or their summed cost; then the input waits."""
        n, f = positive("batch", "most", most), function("batch", f)
        s = function("batch", same if seed is None else seed, "seed")
        price = function_or("batch", cost, "cost", None)
        return self._then(Step("batch", lambda up, ctx: _Conflate(up, ctx, n, s, f, price)))

    def expand(self, f: Callable[[Any], Iterable[Any]]) -> Self:
        """Never let demand wait after the first element: what `f(last element)` iterates over until the next one comes.

        Of each element at least one is given, if its iterable has one.
        """
        f = function("expand", f)
        return self._then(Step("expand", lambda up, ctx: _Expand(up, ctx, f)))

    def extrapolate(self, f: Callable[[Any], Iterable[Any]]) -> Self:
        """Each element, and then what `f(element)` iterates over, until the next one comes."""
        f = function("extrapolate", f)
        return self._then(Step("extrapolate", lambda up, ctx: _Expand(up, ctx, lambda x: chain((x,), f(x)))))

    def aggregate(
        self,
        create: Callable[[], Any],
        add: Callable[[Any, Any], Any],
        *,
        full: Callable[[Any], bool],
        result: Callable[[Any], Any] | None = None,
        within: Any = None,
    ) -> Self:
        """Aggregates with boundaries: `add(state, element)` until `full(state)`, or until `within` has passed.

        `result(state)` is what goes out. An aggregate begins with its first element; the last one goes out at the end.
        """
        create, add = function("aggregate", create, "create"), function("aggregate", add, "add")
        full = function("aggregate", full, "full")
        finish = function("aggregate", same if result is None else result, "result")
        us = None if within is None else span_of("aggregate", within)
        return self._then(Step("aggregate", lambda up, ctx: _Aggregate(up, ctx, create, add, full, finish, us)))
