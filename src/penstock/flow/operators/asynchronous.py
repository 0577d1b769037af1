"""Operators that wait for functions: several calls at a time, in order, out of order, in order by key."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from types import CoroutineType
from typing import Any, Self

from penstock.core.errors import PlanError
from penstock.flow.clock import Signal
from penstock.flow.operators.base import Step, Verbs, awaitable, function_or, positive
from penstock.flow.stage import STOP, Context, Fiber, Pull, Stage
from penstock.flow.tasks import unasked

Async = Callable[..., Awaitable[Any]]
_NOTHING: Any = object()

AHEAD = 64
"""How many elements that somebody has asked for may wait for a call of `map_async`, beside those inside."""


async def called(verb: str, f: Callable[..., Any], *args: Any) -> Any:
    """Call and wait.

    Raises:
        PlanError: If the function gives nothing that can be waited for.
    """
    return await checked(verb, f(*args))


def checked(verb: str, answer: Any) -> Awaitable[Any]:
    """What a function gave, if it can be waited for.

    Raises:
        PlanError: If it cannot.
    """
    if not inspect.isawaitable(answer):
        raise PlanError(f"{verb} takes an async function, found one that gave {type(answer).__name__}")
    return answer


class _Slot:
    __slots__ = ("done", "failure", "key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.key: Hashable = None
        self.done = False
        self.failure: Exception | None = None


class _MapAsync(Stage):
    """Workers that take elements themselves: who finds none pulls the input, so handing over costs no task.

    At most `parallelism` elements are inside: under way, or done and not taken. While somebody waits below, what is
    done goes over to it at once, and as many elements as it asked for may wait for their call, `AHEAD` at most.
    """

    keyed = False

    def __init__(self, up: Pull, context: Context, f: Async, parallelism: int, ordered: bool) -> None:
        super().__init__(up, context)
        self.f, self.parallelism, self.ordered = f, parallelism, ordered
        self._waiting: deque[Any] = deque()  # pulled, and not inside yet
        self._slots: deque[_Slot] = deque()  # ordered: all inside; else: those that are done
        self._inside = 0
        self._workers: list[Fiber] = []
        self._resting: list[Signal] = []
        self._reading = self._ended = self._stopped = False
        self._failure: Exception | None = None  # of the input
        self._signal = Signal()
        self._wanted = 0
        self._due: list[Any] = []  # for whoever waits below

    # -- workers

    async def _worker(self) -> None:
        mine = Signal()
        while not self._stopped:
            slot = self._next()
            if slot is not None:
                while slot is not None:
                    try:
                        answer = self.f(slot.value)
                        if type(answer) is not CoroutineType:
                            checked("map_async", answer)
                        slot.value = await answer
                    except Exception as failure:  # noqa: BLE001  (the decider judges)
                        self._finish(slot, failure)
                    except BaseException as stopped:
                        failed = unasked(stopped)
                        if failed is None:
                            raise
                        self._finish(slot, failed)
                    else:
                        self._finish(slot)
                    slot = self.behind(slot) if self.keyed else None
            elif self._may_read():
                await self._read()
            else:
                self._resting.append(mine)
                await mine.wait()

    def _next(self) -> _Slot | None:
        """An element to work on."""
        while self._waiting and self._inside < self.parallelism:
            slot = _Slot(self._waiting.popleft())
            self._inside += 1
            if self.ordered:
                self._slots.append(slot)
            try:
                if not self.keyed or self.enter(slot):
                    return slot
            except Exception as failure:  # noqa: BLE001  (the decider judges)
                self._finish(slot, failure)
        return None

    def enter(self, slot: _Slot) -> bool:
        """Whether an element is worked on now; otherwise `behind` gives it later."""
        return True

    def behind(self, slot: _Slot) -> _Slot | None:
        """What has waited for the end of this call."""
        return None

    def _may_read(self) -> bool:
        return not (self._reading or self._ended or self._waiting) and self._inside < self.parallelism

    async def _read(self) -> None:
        self._reading = True
        demand = min(AHEAD, self._wanted - len(self._due) - self._inside)
        try:
            chunk = await self.up.pull(max(self.parallelism - self._inside, demand))
            self._waiting.extend(chunk)
            self._ended = not chunk
        except Exception as failure:  # noqa: BLE001  (raised by the pull, behind what was taken in)
            self._failure, self._ended = failure, True
        self._reading = False
        if self._ended:
            self._signal.notify()
        self._wake(1)

    def _wake(self, less: int = 0) -> None:
        """Have as many workers as there is work, `less` those that are awake; reading on is work beside the calls."""
        room = self.parallelism - self._inside
        if not room or not (self._resting or len(self._workers) < self.parallelism):
            return
        need = min(room, len(self._waiting) + (not (self._reading or self._ended))) - less
        while need > 0:
            need -= 1
            if self._resting:
                self._resting.pop().notify()
            elif len(self._workers) < self.parallelism:
                self._workers.append(self.context.spawn(self._worker))
            else:
                return

    def _finish(self, slot: _Slot, failure: Exception | None = None) -> None:
        if failure is not None:
            self._judge(slot, failure)
        slot.done = True
        if not self.ordered:
            self._slots.append(slot)
        if self._wanted:
            slots = self._slots
            free = len(self._due) < self._wanted
            if free and len(slots) == 1 and slot.failure is None and slot.value is not _NOTHING:
                slots.clear()  # the only one is this one
                self._inside -= 1
                self._due.append(slot.value)
                self._signal.notify()
                return
            self._take(self._due, self._wanted)
            if self._due or self._over():
                self._signal.notify()

    def _judge(self, slot: _Slot, failure: Exception) -> None:
        try:
            if self.context.verdict(failure) == STOP:
                slot.failure = failure
            else:
                slot.value = _NOTHING
                self.dropped["failed"] += 1
        except Exception as wrong:  # noqa: BLE001  (a decider that fails, fails the stream)
            slot.failure = wrong

    # -- whoever is below

    def _take(self, out: list[Any], most: int) -> None:
        """Move results that are due."""
        slots = self._slots
        while slots and slots[0].done and slots[0].failure is None and len(out) < most:
            value = slots.popleft().value
            self._inside -= 1
            if value is not _NOTHING:
                out.append(value)

    def _over(self) -> bool:
        """Whether nothing comes any more, or a failure is next."""
        if self._slots and self._slots[0].failure is not None:
            return True
        return self._ended and not (self._inside or self._waiting)

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        while True:
            if self._slots:
                self._take(self._due, most)
            if not self._due and not self._over():
                self._wanted = most
                if self._resting or len(self._workers) < self.parallelism:
                    self._wake()
                await self._signal.wait()
                self._wanted = 0
            if self._due:
                chunk, self._due = self._due, []
                if self._resting:
                    self._wake()
                return chunk
            if self._over():
                failure = self._slots[0].failure if self._slots else self._failure
                if failure is not None:
                    raise failure
                return []

    def buffered(self) -> int:
        return self._inside + len(self._waiting) + len(self._due)

    async def close(self) -> None:
        self._stopped = True  # a call that ended just when it was cancelled leads no further
        for worker in self._workers:
            worker.cancel()
        for resting in self._resting:
            resting.notify()
        for worker in self._workers:
            await worker.stop()


class _MapAsyncKeyed(_MapAsync):
    """Elements of one key one after another."""

    keyed = True

    def __init__(
        self, up: Pull, context: Context, f: Async, parallelism: int, ordered: bool, key: Callable[[Any], Hashable]
    ) -> None:
        super().__init__(up, context, f, parallelism, ordered)
        self.key = key
        self._queues: dict[Hashable, deque[_Slot]] = {}

    def enter(self, slot: _Slot) -> bool:
        slot.key = self.key(slot.value)
        if slot.key in self._queues:
            self._queues[slot.key].append(slot)
            return False
        self._queues[slot.key] = deque()
        return True

    def behind(self, slot: _Slot) -> _Slot | None:
        queue = self._queues[slot.key]
        if queue:
            return queue.popleft()
        del self._queues[slot.key]
        return None


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
            parallelism: How many elements may be inside: called and not finished, or finished and not taken. Some
                that were asked for may wait for their call.
            ordered: Whether results keep the order of elements; else they go out as they come in.
            key: Calls for elements of one key happen one after another, in order.

        A failing call drops its element under `resume` and `restart`; calls under way are cancelled with the
        stream.
        """
        f, n = awaitable("map_async", f), positive("map_async", "parallelism", parallelism)
        by = function_or("map_async", key, "key", None)
        if by is None:
            return self._then(Step("map_async", lambda up, ctx: _MapAsync(up, ctx, f, n, ordered)))
        return self._then(Step("map_async", lambda up, ctx: _MapAsyncKeyed(up, ctx, f, n, ordered, by)))

    def tap_async(self, f: Async) -> Self:
        """Wait for `f` of each element before it goes on, one at a time; what it gives does not matter."""
        f = awaitable("tap_async", f)
        return self._then(Step("tap_async", lambda up, ctx: _TapAsync(up, ctx, f)))

    def filter_async(self, predicate: Async) -> Self:
        """Elements for which `predicate`, awaited, is true, one at a time."""
        f = awaitable("filter_async", predicate, "predicate")
        return self._then(Step("filter_async", lambda up, ctx: _FilterAsync(up, ctx, f)))
