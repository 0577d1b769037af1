"""Relays: stages that take their input in a task of their own, so that they can do something besides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Any

import anyio.lowlevel

from penstock.flow.clock import Signal
from penstock.flow.stage import Context, Fiber, Pull, Stage


class Relay(Stage, ABC):
    """Takes its input as long as it has room, also while nobody asks; gives what is due when somebody does.

    The task starts with the first pull. What was taken in is given before a failure of the input is raised.

    Attributes:
        signal: Notified whenever something has changed.
        ended: Whether the input has completed or failed.
        failure: Why it failed.
        wanted: How many elements somebody waits for now.
    """

    def __init__(self, up: Pull, context: Context) -> None:
        super().__init__(up, context)
        self.signal = Signal()
        self.ended = False
        self.failure: Exception | None = None
        self.wanted = 0
        self._fiber: Fiber | None = None
        self._stopped = self._reading = False

    @abstractmethod
    def room(self) -> int:
        """How many elements may come now."""

    @abstractmethod
    def accept(self, chunk: list[Any]) -> None:
        """Take elements in."""

    @abstractmethod
    def give(self, most: int) -> list[Any]:
        """What is due, `most` elements at most; `[]` if nothing is."""

    def due(self) -> int | None:
        """The instant at which something becomes due by itself."""
        return None

    def finish(self) -> None:
        """The input has completed: all that is kept is due."""

    def over(self) -> bool:
        """Whether the stream ends now though the input has not."""
        return False

    def begin(self) -> None:
        """Start the task, if it has not."""
        if self._fiber is None:
            self._fiber = self.context.spawn(self._work)

    async def _work(self) -> None:
        try:
            while True:
                while self._reading or self.ended or not (room := self.room()):
                    if self._stopped or self.ended:
                        return
                    await self.signal.wait()
                self._reading = True
                chunk = await self.up.pull(room)
                self._reading = False
                if not chunk:
                    self.finish()
                    break
                self.accept(chunk)
                self.signal.notify()
                if self.room():
                    await anyio.lowlevel.checkpoint()  # others have their turn; who waits for room lets them anyway
        except Exception as failure:  # noqa: BLE001  (raised by the pull, behind what was taken in)
            self.failure = failure
        self.ended = True
        self.signal.notify()

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        self.begin()
        while True:
            chunk = self.give(most)
            if chunk:
                self.wanted = 0
                self.signal.notify()
                return chunk
            if self.over():
                return []
            if self.ended and self.idle():
                if self.failure is not None:
                    raise self.failure
                return []
            self.wanted = most
            self.signal.notify()
            await self.context.clock.wait(self.signal, self.due())

    async def straight(self, most: int) -> list[Any]:
        """Pull the input in the task of whoever waits below, as nothing is kept: that saves going from task to task.

        The task of the relay goes on when that one waits for something else. `[]` if the input has ended, or the task
        is pulling just now.
        """
        self.begin()
        if self._reading or self.ended:
            return []
        self._reading = True
        try:
            chunk = await self.up.pull(most)
        except Exception as failure:  # noqa: BLE001  (raised by the pull, as one that the task finds)
            self.failure, chunk = failure, []
        finally:
            self._reading = False
        if not chunk:
            if self.failure is None:
                self.finish()
            self.ended = True
        self.signal.notify()
        return chunk

    def instant(self) -> int:
        """Now, in microseconds."""
        return self.context.clock.now()

    def idle(self) -> bool:
        """Whether nothing is under way inside any more."""
        return not self.buffered()

    async def close(self) -> None:
        """Stop the task."""
        self._stopped = True  # a pull that ended just when it was cancelled leads no further
        self.signal.notify()
        if self._fiber is not None:
            await self._fiber.stop()


class Through(Relay):
    """A relay that takes in what somebody waits for, and no more."""

    def __init__(self, up: Pull, context: Context) -> None:
        super().__init__(up, context)
        self.items: deque[Any] = deque()

    def room(self) -> int:
        """What somebody waits for, and is not there."""
        return max(0, self.wanted - len(self.items))

    def accept(self, chunk: list[Any]) -> None:
        """Keep them."""
        self.items.extend(chunk)

    def give(self, most: int) -> list[Any]:
        """What is there."""
        return [self.items.popleft() for _ in range(min(most, len(self.items)))]

    def buffered(self) -> int:
        """What is there."""
        return len(self.items)
