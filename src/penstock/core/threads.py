"""The one way to start a thread: named, daemonic, with its failure kept for whoever joins it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Event(Protocol):
    """A flag that threads wait for, as `threading.Event`."""

    def set(self) -> None:
        """Set it, and wake who waits."""
        ...

    def clear(self) -> None:
        """Take it back."""
        ...

    def is_set(self) -> bool:
        """Whether it is set."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, so many seconds at most; whether it is set."""
        ...


class Threads:
    """Threads of the operating system; the simulator puts its own in their place."""

    def start(self, name: str, run: Callable[[], None]) -> None:
        """Start a thread that does not keep the program from ending."""
        threading.Thread(target=run, name=name, daemon=True).start()

    def event(self) -> Event:
        """A flag."""
        return threading.Event()

    def lock(self) -> AbstractContextManager[Any]:
        """A mutual exclusion lock."""
        return threading.Lock()

    def pool(self, name: str, size: int) -> Executor:
        """So many threads that do what they are given."""
        return ThreadPoolExecutor(size, thread_name_prefix=name)


current: Threads = Threads()
"""Where threads come from; a simulation replaces it while it runs."""


class Worker:
    """A thread that runs one function; a failure of it is kept in `failure`."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self._name = f"penstock-{name}"
        self._run = run
        self.failure: BaseException | None = None
        self._ended = current.event()

    def _guard(self) -> None:
        try:
            self._run()
        except BaseException as failure:  # noqa: BLE001  (a panic of Polars is no Exception)
            self.failure = failure
        finally:
            self._ended.set()

    def start(self) -> Worker:
        """Start the thread."""
        current.start(self._name, self._guard)
        return self

    def join(self, timeout_us: int | None = None) -> bool:
        """Wait for its end; whether it has ended."""
        # Not Thread.join: until Python 3.13, one that Ctrl-C breaks off takes the thread for dead.
        return self._ended.wait(None if timeout_us is None else timeout_us / 1e6)


def pool(name: str, size: int) -> Executor:
    """A pool of `size` named threads."""
    return current.pool(f"penstock-{name}", size)


def lock() -> AbstractContextManager[Any]:
    """A mutual exclusion lock."""
    return current.lock()
