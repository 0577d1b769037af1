"""Stages that cut their input into streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from penstock.flow.clock import Signal
from penstock.flow.errors import LimitExceededError, StreamClosedError
from penstock.flow.nested import Inner, as_source
from penstock.flow.stage import CHUNK, Context, Pull, Pump, Stage

_NOTHING: Any = object()

Read = Callable[[int], Any]


class Feed(Stage):
    """The source of a substream: gives what the stage around it reads for it."""

    def __init__(self, context: Context, read: Read) -> None:
        super().__init__(self, context)
        self.read = read

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        found: list[Any] = await self.read(most)
        return found


def once(name: str, read: Read) -> Any:
    """A source that runs once."""
    from penstock.flow.shapes import Source

    opened = False

    def head(context: Context) -> Pull:
        nonlocal opened
        if opened:
            raise StreamClosedError(f"a substream of {name} runs once")
        opened = True
        return Feed(context, read)

    return Source(name, head, composite=True)  # a kill switch ends the stream around it, not this


class _Group:
    """A substream of one key: elements that wait for it, and what comes out."""

    def __init__(self, around: GroupBy, key: Hashable) -> None:
        self.around, self.key = around, key
        self.waiting: deque[Any] = deque()
        self.signal = Signal()
        source = as_source("group_by", around.f(key, once("group_by", self.read)))
        self.inner = Inner(source, around.context.inside())
        self.pump = Pump(self.inner, around.context, around.signal)

    async def read(self, most: int) -> list[Any]:
        """What waits."""
        waiting = self.waiting
        while not waiting:
            if self.around.outer.ended and not self.around.pending:
                if self.around.outer.failure is not None:
                    raise self.around.outer.failure
                return []
            await self.signal.wait()
        if len(waiting) <= most:
            chunk = list(waiting)
            waiting.clear()
        else:
            chunk = [waiting.popleft() for _ in range(most)]
        self.around.signal.notify()
        return chunk


class GroupBy(Stage):
    """A task for the input and one for each substream."""

    def __init__(
        self,
        up: Pull,
        context: Context,
        key: Callable[[Any], Hashable],
        f: Callable[[Any, Any], Any],
        most: int,
        size: int,
    ) -> None:
        super().__init__(up, context)
        self.key, self.f, self.most, self.size = key, f, most, size
        self.signal = Signal()
        self.outer = Pump(up, context, self.signal)
        self.pending: deque[Any] = deque()
        self.groups: dict[Hashable, _Group] = {}
        self._key: Any = _NOTHING  # of the first that is pending, if it is known

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        while True:
            self._distribute()
            for group in self.groups.values():
                group.pump.request(most)
            chunk = await self._next(most)
            if chunk is None:
                continue
            if chunk:
                return chunk
            if self.outer.ended and not self.outer.chunk and not self.pending and not self.groups:
                return self.outer.take()
            if not self._progress():
                await self.signal.wait()

    def _progress(self) -> bool:
        return bool(self.outer.chunk and not self.pending) or any(g.pump.ready for g in self.groups.values())

    def _distribute(self) -> None:
        while True:
            if not self.pending:
                self.outer.request(CHUNK)
                if not self.outer.chunk:
                    break
                self.pending.extend(self.outer.take())
            if not self._hand_out():
                return
        if self.outer.ended:
            for group in self.groups.values():
                group.signal.notify()

    def _hand_out(self) -> bool:
        """Give what is pending to the substreams; False if one of them has no room."""
        pending, groups, size, key_of = self.pending, self.groups, self.size, self.key
        while pending:
            key = self._key
            if key is _NOTHING:
                key = key_of(pending[0])
            group = groups.get(key)
            if group is None:
                if len(groups) >= self.most:
                    raise LimitExceededError(f"group_by may have {self.most} substreams open, and {key!r} is one more")
                group = groups[key] = _Group(self, key)
            waiting = group.waiting
            if len(waiting) >= size or group.pump.ended:
                self._key = key  # not asked for again
                return False
            self._key = _NOTHING
            waiting.append(pending.popleft())
            if len(waiting) == 1:
                group.signal.notify()
        return True

    async def _next(self, most: int) -> list[Any] | None:
        """What a substream has; None if one has ended, so that there is room for another."""
        for key, group in list(self.groups.items()):
            if group.pump.chunk:
                self.groups[key] = self.groups.pop(key)  # the others first, next time
                return group.pump.take(most)
            if group.pump.ended:
                del self.groups[key]
                await group.pump.close()
                group.pump.take()
                if group.waiting:
                    self.pending.extendleft(reversed(group.waiting))  # for the next substream of this key
                    self._key = _NOTHING
                return None
        return []

    def buffered(self) -> int:
        """What waits, before and behind the substreams."""
        inside = sum(len(group.waiting) + len(group.pump.chunk) for group in self.groups.values())
        return len(self.pending) + len(self.outer.chunk) + inside

    async def close(self) -> None:
        """Stop all tasks."""
        pumps = [self.outer, *(group.pump for group in self.groups.values())]
        for pump in pumps:
            pump.cancel()
        for pump in pumps:
            await pump.close()


class Split(Stage):
    """One piece after another: what a piece does not take is dropped."""

    def __init__(
        self, up: Pull, context: Context, predicate: Callable[[Any], Any], f: Callable[[Any], Any], after: bool
    ) -> None:
        super().__init__(up, context)
        self.predicate, self.f, self.after = predicate, f, after
        self.outer = Pump(up, context, Signal())
        self.rest: list[Any] = []
        self._cut = True
        self._begun = False
        self._inner: Inner | None = None

    async def _read(self, most: int) -> list[Any]:
        """Elements of the piece."""
        if self._cut:
            return []
        if not self.rest:
            self.rest = await self.outer.next(most)
        for at, x in enumerate(self.rest[:most]):
            if self.predicate(x) and (self.after or self._begun):
                self._cut = True
                end = at + 1 if self.after else at
                chunk, self.rest = self.rest[:end], self.rest[end:]
                return chunk
            self._begun = True
        chunk, self.rest = self.rest[:most], self.rest[most:]
        if not chunk:
            self._cut = True
        return chunk

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        while True:
            if self._inner is None:
                if not self.rest:
                    self.rest = await self.outer.next(most)
                    if not self.rest:
                        return []
                self._cut = self._begun = False
                source = as_source("split_when", self.f(once("split_when", self._read)))
                self._inner = Inner(source, self.context.inside())
            if chunk := await self._inner.pull(most):
                return chunk
            self._inner = None
            while not self._cut:
                self.dropped["not taken"] += len(await self._read(CHUNK))

    def buffered(self) -> int:
        """What was pulled and not taken."""
        return len(self.rest)

    async def close(self) -> None:
        """Stop the task."""
        await self.outer.close()


class PrefixAndTail(Stage):
    """The first elements as one; the others as a source."""

    def __init__(self, up: Pull, context: Context, n: int) -> None:
        super().__init__(up, context)
        self.n = n
        self.outer = Pump(up, context, Signal())
        self._given = False

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        if self._given:
            return []
        self._given = True
        first: list[Any] = []
        while len(first) < self.n:
            chunk = await self.outer.next(self.n - len(first))
            if not chunk:
                break
            first += chunk
        return [(first, once("prefix_and_tail", self.outer.next))]

    async def close(self) -> None:
        """Stop the task."""
        await self.outer.close()
