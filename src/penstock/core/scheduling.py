"""What the operating system offers to `core.threads`; the simulator puts threads that a seed schedules in its place."""

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
