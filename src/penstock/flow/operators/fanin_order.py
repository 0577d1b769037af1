"""Stages with several inputs that give their elements in an order of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.flow.errors import FlowError
from penstock.flow.nested import Inner, Inputs
from penstock.flow.stage import Context, Pull, Stage

_MISSING: Any = object()


class MergeSorted(Inputs):
    """The least of the heads, when all inputs have one."""

    def __init__(self, up: Pull, context: Context, others: tuple[Any, ...], key: Callable[[Any], Any]) -> None:
        super().__init__(up, context, others)
        self.key = key

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        out: list[Any] = []
        while len(out) < most:
            for pump in self.pumps:
                pump.request(most)
            if out and not all(pump.ready for pump in self.pumps):
                return out
            await self.all_ready(self.pumps)
            for pump in self.pumps:
                if pump.failure is not None and not pump.chunk:
                    if out:
                        return out
                    raise pump.failure
            heads = [(self.key(pump.chunk[0]), at) for at, pump in enumerate(self.pumps) if pump.chunk]
            if not heads:
                break
            _, at = min(heads)
            out += self.pumps[at].take(1)
        return out


class MergeSequence(MergeSorted):
    """As sorted by numbers, which must have no gap."""

    next = 0

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        chunk = await super().pull(most)
        for at, x in enumerate(chunk):
            if self.key(x) != self.next:
                if at:
                    return chunk[:at]
                raise FlowError(f"merge_sequence waits for number {self.next}, found {self.key(x)} in every input")
            self.next += 1
        return chunk


class MergeLatest(Inputs):
    """The last element of each input, at every element of any."""

    def __init__(self, up: Pull, context: Context, others: tuple[Any, ...]) -> None:
        super().__init__(up, context, others)
        self.last: list[Any] = [_MISSING] * len(self.pumps)

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        while True:
            for pump in self.pumps:
                pump.request(1)
            taken = False
            for at, pump in enumerate(self.pumps):
                if pump.chunk:
                    (self.last[at],) = pump.take(1)
                    taken = True  # to be asked again before anything is waited for
                    if _MISSING not in [value for value in self.last if value is _MISSING]:
                        return [list(self.last)]
                elif pump.failure is not None:
                    raise pump.failure
            if all(pump.ended and not pump.chunk for pump in self.pumps):
                return []
            if not taken and not any(pump.chunk for pump in self.pumps):
                await self.signal.wait()


class Interleave(Inputs):
    """So many elements of each input in turn."""

    def __init__(self, up: Pull, context: Context, others: tuple[Any, ...], segment: int, eager: bool) -> None:
        super().__init__(up, context, others)
        self.segment, self.eager = segment, eager
        self.at, self.left = 0, segment
        self.live = list(self.pumps)

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        out: list[Any] = []
        while self.live and len(out) < most:
            pump = self.live[self.at]
            if not pump.ready:
                pump.request(max(1, min(most, self.left)))
                if out:
                    return out
                await self.ready([pump])
            if pump.chunk:
                chunk = pump.take(min(most - len(out), self.left))
                out += chunk
                self.left -= len(chunk)
                if not self.left:
                    self.at, self.left = (self.at + 1) % len(self.live), self.segment
            elif pump.failure is not None:
                if out:
                    return out
                raise pump.failure
            else:
                del self.live[self.at]
                if self.eager:
                    self.live.clear()
                self.at, self.left = self.at % len(self.live) if self.live else 0, self.segment
        return out


class Concat(Stage):
    """One input after another; each of the others is opened when it is its turn, and released at its end."""

    def __init__(self, up: Pull, context: Context, others: tuple[Any, ...], before: bool) -> None:
        super().__init__(up, context)
        self.waiting: list[Any] = [*others, None] if before else [None, *others]
        self._now: Pull | None = None

    def missing(self) -> None:
        """An input has ended."""

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        while True:
            if self._now is None:
                if not self.waiting:
                    return []
                source = self.waiting.pop(0)
                self._now = self.up if source is None else Inner(source, self.context.apart())
            chunk = await self._now.pull(most)
            if chunk:
                return chunk
            self._now = None


class OrElse(Concat):
    """The second input only if the first has nothing."""

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        chunk = await super().pull(most)
        if chunk:
            self.waiting.clear()
        return chunk
