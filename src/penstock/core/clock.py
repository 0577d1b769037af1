"""The one way to ask the time and to wait; a test passes another clock."""

from __future__ import annotations

import time
from typing import Protocol

from penstock.core import scheduling


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> int:
        """The instant, in microseconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> int:
        """Microseconds that never go back, from an arbitrary start."""
        ...

    def wait(self, signal: Signal, timeout_us: int | None) -> bool:
        """Block until the signal is set (true) or the time is over (false)."""
        ...


class Signal:
    """A flag that wakes whoever waits for it; set from any thread."""

    def __init__(self) -> None:
        self._event = scheduling.current.event()

    def set(self) -> None:
        """Wake the waiter, now or when it next waits."""
        self._event.set()

    def clear(self) -> None:
        """Forget earlier wake-ups."""
        self._event.clear()

    def is_set(self) -> bool:
        """Whether somebody set it since it was last cleared."""
        return self._event.is_set()

    def wait(self, timeout_us: int | None) -> bool:
        """Wait for the flag; true if it was set."""
        return self._event.wait(None if timeout_us is None else timeout_us / 1e6)


class Timer:
    """The computer's timers; the simulator puts its own in their place."""

    def now(self) -> int:
        """The instant, in microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000

    def monotonic(self) -> int:
        """Microseconds of a clock that never goes back."""
        return time.monotonic_ns() // 1_000


current: Timer = Timer()
"""Where time comes from; a simulation replaces it while it runs."""


class SystemClock:
    """The computer's clock."""

    def now(self) -> int:
        """The instant, in microseconds since 1970-01-01 UTC."""
        return current.now()

    def monotonic(self) -> int:
        """Microseconds of a clock that never goes back."""
        return current.monotonic()

    def wait(self, signal: Signal, timeout_us: int | None) -> bool:
        """Block until the signal is set or the time is over."""
        return signal.wait(timeout_us)
