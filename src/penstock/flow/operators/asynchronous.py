"""Operators that wait for functions: several calls at a time, in order, out of order, in order by key."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Self

from penstock.core.errors import PlanError
from penstock.flow.clock import Signal
from penstock.flow.operators.base import Step, Verbs, awaitable, positive
from penstock.flow.relay import Relay
from penstock.flow.stage import STOP, Context, Fiber, Pull, Stage

Async = Callable[..., Awaitable[Any]]
_NOTHING: Any = object()


async def called(verb: str, f: Callable[..., Any], *args: Any) -> Any:
    """Call and wait.

    Raises:
        PlanError: If the function gives nothing that can be waited for.
    """
    answer = f(*args)
    if not inspect.isawaitable(answer):
        raise PlanError(f"{verb} takes an async function, found one that gave {type(answer).__name__}")
    return await answer


class _Slot:
    __slots__ = ("done", "failure", "key", "value")

    def __init__(self, value: Any, key: Any = None) -> None:
        self.value, self.key = value, key
        self.done = False
        self.failure: Exception | None = None


class _MapAsync(Relay):
    """At most `parallelism` elements are inside: under way, or done and not taken."""

    def __init__(self, up: Pull, context: Context, f: Async, parallelism: int, ordered: bool) -> None:
        super().__init__(up, context)
        self.f, self.parallelism, self.ordered = f, parallelism, ordered
        self._slots: deque[_Slot] = deque()  # ordered: all inside; else: those that are done
        self._work_to_do: deque[_Slot] = deque()
        self._inside = 0
        self._workers: list[Fiber] = []
        self._resting: list[Signal] = []

    def room(self) -> int:
        return self.parallelism - self._inside

    def accept(self, chunk: list[Any]) -> None:
        for x in chunk:
            slot = self.slot(x)
            self._inside += 1
            if self.ordered:
                self._slots.append(slot)
            self.submit(slot)

    def slot(self, x: Any) -> _Slot:
        """The place of an element."""
        return _Slot(x)

    def submit(self, slot: _Slot) -> None:
        """Have an element worked on now."""
        self._work_to_do.append(slot)
        if self._resting:
            self._resting.pop().notify()
        elif len(self._workers) < self.parallelism:
            self._workers.append(self.context.spawn(self._worker))

    async def _worker(self) -> None:
        mine = Signal()
        while True:
            while not self._work_to_do:
                self._resting.append(mine)
                await mine.wait()
            slot = self._work_to_do.popleft()
            try:
                slot.value = await called("map_async", self.f, slot.value)
            except Exception as failure:  # noqa: BLE001  (the decider judges)
                self._judge(slot, failure)
            slot.done = True
            if not self.ordered:
                self._slots.append(slot)
            self.released(slot)
            self.signal.notify()

    def _judge(self, slot: _Slot, failure: Exception) -> None:
        try:
            if self.context.verdict(failure) == STOP:
                slot.failure = failure
            else:
                slot.value = _NOTHING
                self.dropped["failed"] += 1
        except Exception as wrong:  # noqa: BLE001  (a decider that fails, fails the stream)
            slot.failure = wrong

    def released(self, slot: _Slot) -> None:
        """An element is done."""

    def give(self, most: int) -> list[Any]:
        out: list[Any] = []
        slots = self._slots
        while slots and slots[0].done and len(out) < most:
            if slots[0].failure is not None:
                if out:
                    return out
                raise slots[0].failure
            value = slots.popleft().value
            self._inside -= 1
            if value is not _NOTHING:
                out.append(value)
        if not out:
            self.signal.notify()  # dropped elements have made room
        return out

    def buffered(self) -> int:
        return self._inside

    async def close(self) -> None:
        await super().close()
        for worker in self._workers:
            worker.cancel()
        for worker in self._workers:
            await worker.stop()


class _MapAsyncKeyed(_MapAsync):
    """Elements of one key one after another."""

    def __init__(
        self, up: Pull, context: Context, f: Async, parallelism: int, ordered: bool, key: Callable[[Any], Hashable]
    ) -> None:
        super().__init__(up, context, f, parallelism, ordered)
        self.key = key
        self._waiting: dict[Hashable, deque[_Slot]] = {}

    def slot(self, x: Any) -> _Slot:
        return _Slot(x, self.key(x))

    def submit(self, slot: _Slot) -> None:
        if slot.key in self._waiting:
            self._waiting[slot.key].append(slot)
        else:
            self._waiting[slot.key] = deque()
            super().submit(slot)

    def released(self, slot: _Slot) -> None:
        behind = self._waiting[slot.key]
        if behind:
            super().submit(behind.popleft())
        else:
            del self._waiting[slot.key]


class _TapAsync(Stage):
    """One call at a time, in the task of the stream: nothing is ahead of it."""

    def __init__(self, up: Pull, context: Context, f: Async) -> None:
        super().__init__(up, context)
        self.f = f

    async def pull(self, most: int) -> list[Any]:
        while chunk := await self.up.pull(1):
            try:
                await called("tap_async", self.f, chunk[0])
                return chunk
            except Exception as failure:
                if self.context.verdict(failure) == STOP:
                    raise
                self.dropped["failed"] += 1
        return []


class _FilterAsync(_TapAsync):
    async def pull(self, most: int) -> list[Any]:
        while chunk := await self.up.pull(1):
            try:
                if await called("filter_async", self.f, chunk[0]):
                    return chunk
            except Exception as failure:
                if self.context.verdict(failure) == STOP:
                    raise
                self.dropped["failed"] += 1
        return []


class Asynchronous(Verbs):
    """Operators that wait for functions."""

    def map_async(
        self,
        f: Async,
        *,
        parallelism: int = 1,
        ordered: bool = True,
        key: Callable[[Any], Hashable] | None = None,
    ) -> Self:
        """What `f` gives for each element, awaited.

        Args:
            f: An async function of one element.
            parallelism: How many elements may be inside: called and not finished, or finished and not taken.
            ordered: Whether results keep the order of elements; else they go out as they come in.
            key: Calls for elements of one key happen one after another, in order.

        A failing call drops its element under `resume` and `restart`; calls under way are cancelled with the
        stream.
        """
        f, n = awaitable("map_async", f), positive("map_async", "parallelism", parallelism)
        if key is None:
            return self._then(Step("map_async", lambda up, ctx: _MapAsync(up, ctx, f, n, ordered)))
        return self._then(Step("map_async", lambda up, ctx: _MapAsyncKeyed(up, ctx, f, n, ordered, key)))

    def tap_async(self, f: Async) -> Self:
        """Wait for `f` of each element before it goes on, one at a time; what it gives does not matter."""
        f = awaitable("tap_async", f)
        return self._then(Step("tap_async", lambda up, ctx: _TapAsync(up, ctx, f)))

    def filter_async(self, predicate: Async) -> Self:
        """Elements for which `predicate`, awaited, is true, one at a time."""
        f = awaitable("filter_async", predicate, "predicate")
        return self._then(Step("filter_async", lambda up, ctx: _FilterAsync(up, ctx, f)))
