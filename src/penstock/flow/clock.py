"""Time for streams: when it is, and how to wait; a test passes a clock that it turns itself."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import anyio

from penstock.core.clock import SystemClock as _Timer
from penstock.core.errors import PlanError


class Signal:
    """Wakes all tasks that wait for it; what it means is a condition that they look at themselves.

    As with a condition variable: look, and if there is nothing, `await signal.wait()` with no other await between.
    Belongs to one event loop; other threads hand their call over to it first.
    """

    __slots__ = ("_event", "_loop", "_waiters")

    def __init__(self) -> None:
        self._event: anyio.Event | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None  # of the last who waited

    def notify(self) -> None:
        """Wake those who wait now; who waits later is not woken by this."""
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        if self._event is not None:
            event, self._event = self._event, None
            event.set()

    async def wait(self) -> None:
        """Wait for the next `notify`."""
        loop = self._loop
        if loop is None or _running() is not loop:
            loop = self._loop = _loop()
        if loop is None:
            if self._event is None:
                self._event = anyio.Event()
            await self._event.wait()
            return
        waiter = loop.create_future()  # a third of what an event costs, and streams wait for every element
        self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            raise


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _loop() -> asyncio.AbstractEventLoop | None:
    """The loop of asyncio that runs this task; None on trio, also where asyncio is its host."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    return loop if asyncio.current_task(loop) is not None else None


class Clock(Protocol):
    """Where streams take time from; `penstock.testing.VirtualTime` is another one."""

    def now(self) -> int:
        """Microseconds that never go back, from an arbitrary start."""
        ...

    async def wait(self, signal: Signal, until: int | None) -> bool:
        """Wait for a signal, to the instant `until` at most; whether the signal came before."""
        ...

    async def sleep_until(self, until: int) -> None:
        """Wait for an instant; one that has passed lets other tasks run, and no more."""
        ...


def checked_clock(clock: Any) -> Clock:
    """A clock; that of the computer if None was given.

    Raises:
        PlanError: If it is something else.
    """
    if clock is None:
        return SystemClock()
    if not all(callable(getattr(clock, name, None)) for name in ("now", "wait", "sleep_until")):
        raise PlanError(f"a clock has now, wait and sleep_until, found {type(clock).__name__}", hint="see flow.Clock")
    found: Clock = clock
    return found


class SystemClock:
    """The computer's clock."""

    def __init__(self) -> None:
        self.now = _Timer().monotonic

    async def wait(self, signal: Signal, until: int | None) -> bool:
        """Wait for a signal, or for an instant."""
        if until is None:
            await signal.wait()
            return True
        with anyio.move_on_after(max(0, until - self.now()) / 1e6):
            await signal.wait()
            return True
        return False

    async def sleep_until(self, until: int) -> None:
        """Wait for an instant."""
        await anyio.sleep(max(0, until - self.now()) / 1e6)
