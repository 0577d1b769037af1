"""The one event loop in which coroutines of users run: in a thread of its own, for whoever waits in another."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from penstock.core.threads import Worker, lock


class CoroutineEndedError(Exception):
    """A coroutine ended by something that would end the event loop, too, or was cancelled."""


class EventLoop:
    """An event loop. All coroutines share one, so that what they have opened in it can be shared, too."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._worker = Worker("coroutines", self._loop.run_forever).start()

    def call(self, make: Callable[[], Awaitable[Any]], timeout_us: int | None = None) -> Any:
        """What a coroutine gives; whoever asks waits.

        Args:
            make: Makes it, in the loop.
            timeout_us: How long it may take; it is cancelled then. None = for ever.

        Raises:
            TimeoutError: If it takes longer.
            CoroutineEndedError: If it is cancelled, or exits.
            Exception: Whatever it raises.
        """
        return asyncio.run_coroutine_threadsafe(_guarded(make, timeout_us), self._loop).result()


async def _guarded(make: Callable[[], Awaitable[Any]], timeout_us: int | None) -> Any:
    try:
        return await asyncio.wait_for(_staying(make), None if timeout_us is None else timeout_us / 1e6)
    except asyncio.CancelledError:
        raise CoroutineEndedError("it was cancelled") from None


async def _staying(make: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await make()
    except SystemExit as ended:
        # Out of a task it would end the loop, and all calls would wait for ever.
        raise CoroutineEndedError(f"SystemExit({ended.code!r})") from None


def to_be(value: Any) -> Awaitable[Any]:
    """What can be awaited more than once: what an awaitable gives, or a value as it is. Called in the event loop."""
    if inspect.isawaitable(value):
        return asyncio.ensure_future(value)
    future = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future


_LOCK = lock()
_MADE: list[EventLoop] = []


def event_loop() -> EventLoop:
    """The event loop of this process, started when the first one asks."""
    with _LOCK:
        if not _MADE:
            _MADE.append(EventLoop())
        return _MADE[0]
