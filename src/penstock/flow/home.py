"""The event loop that a stream belongs to, for calls from other threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio.lowlevel

from penstock.flow.errors import FlowError


def _loop() -> Any:
    """The running event loop itself.

    Raises:
        RuntimeError: If there is none.
    """
    token: Any = anyio.lowlevel.current_token()
    return getattr(token, "native_token", token)  # anyio before 4.11 gives the loop's own


class Thread:
    """The thread that something belongs to."""

    def __init__(self) -> None:
        self._number: int | None = None

    def mine(self) -> None:
        """It belongs to this thread from now on."""
        self._number = threading.get_ident()

    def check(self, what: str) -> None:
        """Whether this is the thread, if there is one yet.

        Raises:
            FlowError: If it is another: nobody would be woken, or the wrong one.
        """
        if self._number is not None and self._number != threading.get_ident():
            raise FlowError(
                f"{what} was called in another thread than that of its stream, found {threading.current_thread().name}",
                hint="anyio.from_thread.run(f, ...) and run_sync call in the thread of the event loop",
            )


class Home:
    """Runs calls in the thread of the event loop in which it was made, in the order in which they were told.

    From within that loop they run at once, behind those that other threads have told before; from elsewhere soon, and
    nobody waits. A loop that has ended runs nothing.
    """

    def __init__(self) -> None:
        self._native = _loop()
        self._soon: Callable[[Callable[[], None]], object] = (
            self._native.call_soon_threadsafe
            if hasattr(self._native, "call_soon_threadsafe")
            else self._native.run_sync_soon
        )
        self._thread = threading.get_ident()
        self._calls: deque[Callable[[], None]] = deque()

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have `function(*arguments)` called in the event loop's thread."""
        self._calls.append(lambda: function(*arguments))
        if self._is_here():
            self._flush()
            return
        try:
            self._soon(self._flush)
        except RuntimeError:  # the loop has ended; the error of trio is one of these, too
            self._calls.clear()

    def _is_here(self) -> bool:
        """Whether this is the loop, still running: numbers of threads are given again, and a thread may run several."""
        if threading.get_ident() != self._thread:
            return False
        try:
            return _loop() is self._native
        except RuntimeError:  # no loop, or a callback of it outside of every task: these are told, too
            return False

    def _flush(self) -> None:
        while self._calls:
            self._calls.popleft()()
