"""Tasks of stages: one piece of work, and an input that is pulled beside other things."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio

from penstock.flow.clock import Signal
from penstock.flow.errors import StreamAbortedError

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from penstock.flow.stage import Context, Pull


class Fiber:
    """A task of a stage. Its failure is kept, not raised in the group.

    Attributes:
        failure: What `work` raised.
        done: Whether it has ended.
    """

    def __init__(self, group: TaskGroup, work: Callable[[], Awaitable[None]]) -> None:
        self.failure: Exception | None = None
        self.done = False
        self._ended = Signal()
        self._scope = anyio.CancelScope()
        group.start_soon(self._run, work)

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            with self._scope:
                await work()
        except Exception as failure:  # noqa: BLE001  (the stage that waits for the task raises it)
            self.failure = failure
        finally:
            self.done = True
            self._ended.notify()

    def cancel(self) -> None:
        """Ask it to stop."""
        self._scope.cancel()

    async def wait(self) -> None:
        """Wait until it has ended."""
        while not self.done:
            await self._ended.wait()

    async def stop(self) -> None:
        """Cancel it and wait until it has ended."""
        self.cancel()
        with anyio.CancelScope(shield=True):
            await self.wait()


def unasked(stopped: BaseException) -> StreamAbortedError | None:
    """The failure that a cancellation is which nobody asked for: something that a callback awaited was cancelled.

    On asyncio only: trio's cannot come from elsewhere. Passed on as a cancellation it would end a task, and leave
    those who wait for that task waiting.
    """
    if not isinstance(stopped, asyncio.CancelledError):
        return None
    task = asyncio.current_task()
    if task is None or task.cancelling():
        return None
    failure = StreamAbortedError("what the stream waited for was cancelled from elsewhere")
    failure.__cause__ = stopped
    return failure


class Pump:
    """Pulls an input in a task of its own, once for each `request`: its owner can wait for other things as well.

    Attributes:
        chunk: What was pulled and not taken yet.
        ended: Whether the input has completed or failed.
        failure: Why it failed.
    """

    def __init__(self, up: Pull, context: Context, signal: Signal) -> None:
        self.up, self.context, self.signal = up, context, signal
        self.chunk: list[Any] = []
        self.ended = False
        self.failure: Exception | None = None
        self._most = 0
        self._stopped = False  # a pull that ended just when it was cancelled leads no further
        self._asked = Signal()
        self._fiber: Fiber | None = None

    def request(self, most: int) -> None:
        """Ask for up to `most` elements, unless some are there, or asked for; the signal comes when they are there."""
        if most > 0 and not (self._most or self.chunk or self.ended):
            self._most = most
            if self._fiber is None:
                self._fiber = self.context.spawn(self._work)
            else:
                self._asked.notify()

    async def _work(self) -> None:
        try:
            while not self.ended:
                while not self._most:
                    if self._stopped:
                        return
                    await self._asked.wait()
                chunk = await self.up.pull(self._most)
                self.chunk, self._most, self.ended = chunk, 0, not chunk
                self.signal.notify()
        except Exception as failure:  # noqa: BLE001  (raised by `take`)
            self.failure, self.ended = failure, True
            self.signal.notify()

    @property
    def ready(self) -> bool:
        """Whether there is something to take, or the end."""
        return bool(self.chunk) or self.ended

    @property
    def asked(self) -> bool:
        """Whether a pull is under way."""
        return self._most > 0 and not self.ended

    def take(self, most: int | None = None) -> list[Any]:
        """What is there, `most` elements of it; `[]` at the end.

        Raises:
            Exception: The failure of the input.
        """
        if self.chunk:
            if most is None or len(self.chunk) <= most:
                chunk, self.chunk = self.chunk, []
            else:
                chunk, self.chunk = self.chunk[:most], self.chunk[most:]
            return chunk
        if self.failure is not None:
            raise self.failure
        return []

    async def next(self, most: int) -> list[Any]:
        """Ask, wait and take."""
        self.request(most)
        while not self.ready:
            await self.signal.wait()
        return self.take(most)

    def cancel(self) -> None:
        """Ask the pull that is under way to stop."""
        self._stopped = True
        self._asked.notify()
        if self._fiber is not None:
            self._fiber.cancel()

    async def close(self) -> None:
        """Stop the pull that is under way."""
        self.cancel()
        if self._fiber is not None:
            await self._fiber.stop()
