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


@contextmanager
def terminable() -> Iterator[None]:
    """In here SIGTERM raises `Terminated` in the main thread; elsewhere, and outside, it stays what it was."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def raised(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, raised)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
