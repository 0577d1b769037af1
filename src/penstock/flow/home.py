"""The event loop that a stream belongs to, for calls from other threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio.lowlevel


class Home:
    """Runs calls in the thread of the event loop in which it was made, in the order in which they were told.

    From that thread they run at once, behind those that other threads have told before; from other threads soon, and
    nobody waits. A loop that has ended runs nothing.
    """

    def __init__(self) -> None:
        token: Any = anyio.lowlevel.current_token()
        native: Any = getattr(token, "native_token", token)  # anyio before 4.11 gives that of the event loop itself
        self._soon: Callable[[Callable[[], None]], object] = (
            native.call_soon_threadsafe if hasattr(native, "call_soon_threadsafe") else native.run_sync_soon
        )
        self._thread = threading.get_ident()
        self._calls: deque[Callable[[], None]] = deque()

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have `function(*arguments)` called in the event loop's thread."""
        self._calls.append(lambda: function(*arguments))
        if threading.get_ident() == self._thread:
            self._flush()
            return
        try:
            self._soon(self._flush)
        except RuntimeError:  # the loop has ended, and trio's token says so by a subclass
            self._calls.clear()

    def _flush(self) -> None:
        while self._calls:
            self._calls.popleft()()
