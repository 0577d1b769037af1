"""Virtual time for streams: nothing waits, and every delay is exact."""

from __future__ import annotations

import heapq
import sys
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel

from penstock.core.timespan import duration
from penstock.flow import Signal, Sink, Source
from penstock.flow.shapes import Runnable

_QUIET = 2
"""So many turns of asyncio's loop in which all tasks wait are quiet. One is not: a cancellation that found its task
about to run comes again in the next turn, by a call of the loop, not by a task that could be seen."""

_PATIENCE = 200  # times a millisecond


class StuckError(AssertionError):
    """All tasks wait, and no timer is set: what they wait for never comes."""


class _Timer:
    def __init__(self, at: int, signal: Signal) -> None:
        self.at, self.signal, self.fired = at, signal, False


class VirtualTime:
    """A clock that a test turns: pass it as `clock=` to `start`, `run` and `elements`.

    `await time.advance("5 s")` lets all tasks run until they wait, then fires the timers up to that instant one after
    another, each followed by all that it sets off. `await time.run(source)` runs a stream to its end, and
    turns the clock whenever all tasks wait. Only one task at a time may turn it.

    On asyncio and on trio. Work in threads counts as waiting.
    """

    def __init__(self, start: int = 0) -> None:
        self._now = start
        self._timers: list[tuple[int, int, _Timer]] = []
        self._numbers = count()

    def now(self) -> int:
        """Microseconds since the start."""
        return self._now

    async def wait(self, signal: Signal, until: int | None) -> bool:
        """Wait for a signal, to an instant at most; see `penstock.flow.Clock`."""
        if until is None:
            await signal.wait()
            return True
        if until <= self._now:
            await anyio.lowlevel.checkpoint()
            return False
        timer = _Timer(until, signal)
        heapq.heappush(self._timers, (until, next(self._numbers), timer))
        try:
            await signal.wait()
        finally:
            timer.signal = Signal()  # nobody waits for it any more
        return not timer.fired

    async def sleep_until(self, until: int) -> None:
        """Wait for an instant."""
        if not await self.wait(signal := Signal(), until):
            return
        raise RuntimeError(f"nobody else has {signal}")

    async def settle(self) -> None:
        """Let all other tasks run until each of them waits."""
        trio = sys.modules.get("trio")
        if trio is not None and _runs_trio(trio):
            import trio.testing

            await trio.testing.wait_all_tasks_blocked()
            return
        import asyncio

        me = asyncio.current_task()
        quiet = 0
        while quiet < _QUIET:
            await anyio.lowlevel.checkpoint()
            busy = any(_is_busy(task) for task in asyncio.all_tasks() if task is not me)
            quiet = 0 if busy else quiet + 1

    async def advance(self, span: Any) -> None:
        """Turn the clock on by a duration such as `"5 s"`; all that is due by then has happened when it returns."""
        target = self._now + duration(span)
        await self.settle()
        while self._timers and self._timers[0][0] <= target:
            await self.step()
        self._now = target

    async def step(self) -> bool:
        """Turn the clock to the next timer; whether there was one."""
        if not self._timers:
            return False
        at, _, timer = heapq.heappop(self._timers)
        self._now = max(self._now, at)
        timer.fired = True
        timer.signal.notify()
        await self.settle()
        return True

    async def run(self, stream: Source | Runnable, sink: Sink | None = None, *, seed: int = 0) -> Any:
        """Run to the end; the sink's result.

        Raises:
            StuckError: If all tasks wait and no timer is set.
        """
        runnable = stream if isinstance(stream, Runnable) else stream.to(sink or Sink.collect())
        patience = _PATIENCE
        async with runnable.start(clock=self, seed=seed) as running:
            await self.settle()
            while running.state == "running":
                if not await self.step():
                    patience -= 1
                    if not patience:
                        raise StuckError("all tasks wait, and no timer is set")
                    await anyio.sleep(0.001)  # a thread may be at work
                    await self.settle()
        return running.result


def _runs_trio(trio: Any) -> bool:
    try:
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        return False
    return True


def _is_busy(task: Any) -> bool:
    waiter = task._fut_waiter
    return waiter is None or waiter.done()
