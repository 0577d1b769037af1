"""Stages that look at the clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from penstock.flow.buffers import Buffer
from penstock.flow.errors import RateExceededError, StreamTimeoutError
from penstock.flow.relay import Relay, Through
from penstock.flow.stage import CHUNK, Context, Pull, Stage


class Throttle(Stage):
    """A bucket of `burst` tokens, one more every `every` microseconds. An element costs tokens."""

    def __init__(
        self, up: Pull, context: Context, n: int, per: int, burst: int, cost: Callable[[Any], int] | None, enforce: bool
    ) -> None:
        super().__init__(up, context)
        self.n, self.per, self.burst, self.cost, self.enforce = n, per, burst, cost, enforce
        # In units of 1/n microseconds, so that nothing is rounded: a token is worth `per` of them.
        self.worth = burst * per
        self.at = context.clock.now()
        self._out: list[Any] = []

    def _refill(self) -> None:
        now = self.context.clock.now()
        self.worth = min(self.burst * self.per, self.worth + (now - self.at) * self.n)
        self.at = now

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        self._refill()
        if not self._out:
            affordable = self.worth // self.per if self.cost is None else 1
            self._out = await self.up.pull(max(1, min(most, CHUNK if self.enforce else affordable)))
            self._refill()
        out: list[Any] = []
        while self._out and len(out) < most:
            price = (1 if self.cost is None else self.cost(self._out[0])) * self.per
            if price > self.worth:
                if out:
                    break
                if self.enforce:
                    raise RateExceededError(f"more came than {self.n} in {self.per / 1e6:g} s, {self.burst} at once")
                while self.worth < price:
                    missing = price - self.worth
                    if price > self.burst * self.per:  # dearer than the bucket: it runs into debt
                        await self._sleep(missing)
                        self.worth = price
                    else:
                        await self._sleep(missing)
                        self._refill()
            self.worth -= price
            out.append(self._out.pop(0))
        return out

    async def _sleep(self, missing: int) -> None:
        clock = self.context.clock
        await clock.sleep_until(clock.now() + -(-missing // self.n))

    def buffered(self) -> int:
        """What waits for tokens."""
        return len(self._out)


class Debounce(Relay):
    """The last element, when none has come for a while."""

    def __init__(self, up: Pull, context: Context, span: int) -> None:
        super().__init__(up, context)
        self.span, self.last, self.at = span, list[Any](), 0
        self._over = False

    def room(self) -> int:
        """Any number: only the last is kept."""
        return CHUNK

    def accept(self, chunk: list[Any]) -> None:
        """Keep the last."""
        self.dropped["debounced"] += len(chunk) - 1 + len(self.last)
        self.last, self.at = chunk[-1:], self.instant()

    def due(self) -> int | None:
        """When it has been quiet for long enough."""
        return self.at + self.span if self.last else None

    def give(self, most: int) -> list[Any]:
        """The last, if it is due."""
        if self.last and (self.ended or self.instant() >= self.at + self.span):
            given, self.last = self.last, []
            return given
        return []

    def buffered(self) -> int:
        """One or none."""
        return len(self.last)


class Sample(Relay):
    """The last element of each interval that had one."""

    def __init__(self, up: Pull, context: Context, span: int) -> None:
        super().__init__(up, context)
        self.span, self.last = span, list[Any]()
        self.next = self.instant() + span

    def room(self) -> int:
        """Any number: only the last is kept."""
        return CHUNK

    def accept(self, chunk: list[Any]) -> None:
        """Keep the last."""
        self.dropped["sampled"] += len(chunk) - 1 + len(self.last)
        self.last = chunk[-1:]

    def due(self) -> int | None:
        """The end of the interval."""
        return self.next if self.last else None

    def give(self, most: int) -> list[Any]:
        """The last, at the end of the interval."""
        now = self.instant()
        if self.last and (self.ended or now >= self.next):
            self.next = max(self.next, now - (now - self.next) % self.span) + self.span
            given, self.last = self.last, []
            return given
        return []

    def buffered(self) -> int:
        """One or none."""
        return len(self.last)


class Delay(Relay):
    """Each element so long after it came."""

    def __init__(self, up: Pull, context: Context, delay: Callable[[Any], int], size: int, overflow: str) -> None:
        super().__init__(up, context)
        self.delay = delay
        self.buffer = Buffer(size, overflow, self.dropped)

    def room(self) -> int:
        """What fits."""
        return 0 if self.buffer.waits else self.buffer.room() or 1

    def accept(self, chunk: list[Any]) -> None:
        """Keep them, with the instants at which they are due."""
        now = self.instant()
        self.buffer.extend((now + self.delay(x), x) for x in chunk)

    def due(self) -> int | None:
        """When the oldest is due."""
        return self.buffer.first()[0] if self.buffer else None

    def give(self, most: int) -> list[Any]:
        """What is due."""
        out, now = list[Any](), self.instant()
        while len(out) < most and self.buffer and self.buffer.first()[0] <= now:
            out.append(self.buffer.take(1)[0][1])
        return out

    def buffered(self) -> int:
        """What waits."""
        return len(self.buffer)


class GroupedWithin(Relay):
    """Lists of elements, by weight or by time since the first of them came."""

    def __init__(self, up: Pull, context: Context, n: int, span: int, weight: Callable[[Any], int] | None) -> None:
        super().__init__(up, context)
        self.n, self.span, self.weight = n, span, weight
        self.full: deque[list[Any]] = deque()
        self.group: list[Any] = []
        self.sum = self.since = 0

    def room(self) -> int:
        """What the group has room for; nothing while a full one waits."""
        if self.full:
            return 0
        return self.n - self.sum if self.weight is None else 1

    def accept(self, chunk: list[Any]) -> None:
        """Keep them, and close the group if it is full."""
        for x in chunk:
            if not self.group:
                self.since = self.instant()
            self.group.append(x)
            self.sum += 1 if self.weight is None else self.weight(x)
            if self.sum >= self.n:
                self._close()

    def _close(self) -> None:
        self.full.append(self.group)
        self.group, self.sum = [], 0

    def finish(self) -> None:
        """The last group is due."""
        if self.group:
            self._close()

    def due(self) -> int | None:
        """When the time of the group is over."""
        return self.since + self.span if self.group else None

    def give(self, most: int) -> list[Any]:
        """The group that is due."""
        if not self.full and self.group and (self.ended or self.instant() >= self.since + self.span):
            self._close()
        return [self.full.popleft()] if self.full else []

    def buffered(self) -> int:
        """Elements in groups."""
        return len(self.group) + sum(map(len, self.full))


class TakeWithin(Through):
    """Ends when its time is over."""

    def __init__(self, up: Pull, context: Context, span: int) -> None:
        super().__init__(up, context)
        self.until = self.instant() + span

    def due(self) -> int | None:
        """The end."""
        return self.until

    def over(self) -> bool:
        """Whether the time is over."""
        return self.instant() >= self.until

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        return [] if self.over() and not self.items else await super().pull(most)


class KeepAlive(Through):
    """An element of its own when none has come for a while."""

    def __init__(self, up: Pull, context: Context, span: int, make: Callable[[], Any]) -> None:
        super().__init__(up, context)
        self.span, self.make, self.last = span, make, self.instant()

    def due(self) -> int | None:
        """When it is time for one."""
        return self.last + self.span

    def give(self, most: int) -> list[Any]:
        """What came, or one of its own."""
        chunk = super().give(most)
        if not chunk and not self.ended and self.instant() >= self.last + self.span:
            chunk = [self.make()]
        if chunk:
            self.last = self.instant()
        return chunk


class Timeout(Through):
    """Fails when a deadline passes while somebody waits."""

    def __init__(self, up: Pull, context: Context, span: int, kind: str, what: str) -> None:
        super().__init__(up, context)
        self.span, self.kind, self.what = span, kind, what
        self.start = self.instant()
        self.deadline: int | None = self.start + span

    def due(self) -> int | None:
        """The deadline."""
        return self.deadline

    def fail(self) -> None:
        """Raise the time-out."""
        raise StreamTimeoutError(f"{self.what} within {self.span / 1e6:g} s")

    def give(self, most: int) -> list[Any]:
        """What came in time."""
        chunk = super().give(most)
        if self.kind == "completion":
            if self.instant() >= self.start + self.span and not (self.ended and not chunk):
                self.fail()
        elif chunk:
            self.deadline = None
        elif not self.ended and self.deadline is not None and self.instant() >= self.deadline:
            self.fail()
        return chunk

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        if self.kind == "idle":
            self.deadline = self.instant() + self.span
        return await super().pull(most)


class BackpressureTimeout(Stage):
    """Fails the pull that comes too late."""

    def __init__(self, up: Pull, context: Context, span: int) -> None:
        super().__init__(up, context)
        self.span = span
        self.given: int | None = None

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        now = self.context.clock.now
        if self.given is not None and now() - self.given > self.span:
            raise StreamTimeoutError(f"nobody asked for an element within {self.span / 1e6:g} s")
        chunk = await self.up.pull(most)
        self.given = now()
        return chunk


class DropWithin(Stage):
    """Drops what comes before its time."""

    def __init__(self, up: Pull, context: Context, span: int) -> None:
        super().__init__(up, context)
        self.until = context.clock.now() + span

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        while chunk := await self.up.pull(most):
            if self.context.clock.now() >= self.until:
                return chunk
            self.dropped["too early"] += len(chunk)
        return []


class InitialDelay(Stage):
    """Asks for nothing before its time."""

    def __init__(self, up: Pull, context: Context, span: int) -> None:
        super().__init__(up, context)
        self.span, self.waited = span, False

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        if not self.waited:
            self.waited = True
            await self.context.clock.sleep_until(self.context.clock.now() + self.span)
        return await self.up.pull(most)
