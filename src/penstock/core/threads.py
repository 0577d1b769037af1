"""The one way to start a thread: named, daemonic, its failure kept for whoever joins it; and to be told to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

from penstock.core import scheduling


class Worker:
    """A thread that runs one function; a failure of it is kept in `failure`."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self._name = f"penstock-{name}"
        self._run = run
        self.failure: BaseException | None = None
        self._ended = scheduling.current.event()

    def _guard(self) -> None:
        try:
            self._run()
        except BaseException as failure:  # noqa: BLE001  (a panic of Polars is no Exception)
            self.failure = failure
        finally:
            self._ended.set()

    def start(self) -> Worker:
        """Start the thread."""
        scheduling.current.start(self._name, self._guard)
        return self

    def join(self, timeout_us: int | None = None) -> bool:
        """Wait for its end; whether it has ended."""
        # Not Thread.join: until Python 3.13, one that Ctrl-C breaks off takes the thread for dead.
        return self._ended.wait(None if timeout_us is None else timeout_us / 1e6)


def pool(name: str, size: int) -> Executor:
    """A pool of `size` named threads."""
    return scheduling.current.pool(f"penstock-{name}", size)


def lock() -> AbstractContextManager[Any]:
    """A mutual exclusion lock."""
    return scheduling.current.lock()


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM): to be treated like Ctrl-C."""


class Interrupts:
    """Requests to end that nobody has caught yet: one that is raised while Python finalises an object is lost."""

    def __init__(self) -> None:
        self._pending: list[KeyboardInterrupt] = []

    def come(self, number: int, frame: FrameType | None) -> None:
        """Take a signal, and raise it."""
        self._pending.append(Terminated() if number == signal.SIGTERM else KeyboardInterrupt())
        raise self._pending[-1]

    def seen(self) -> None:
        """Forget those that were raised: somebody has caught them."""
        self._pending.clear()

    def check(self) -> None:
        """Raise again what was lost.

        Raises:
            KeyboardInterrupt: If there is something.
        """
        if self._pending:
            raise self._pending[0]


@contextmanager
def terminable() -> Iterator[Interrupts]:
    """In here SIGTERM raises `Terminated` in the main thread, and Ctrl-C `KeyboardInterrupt` in this thread only.

    Libraries that catch Ctrl-C in threads of their own (Polars does, and fails the query) do not see it in here if they
    were loaded before. In other threads than the main one, and outside, signals stay what they were.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {number: signal.signal(number, interrupts.come) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
