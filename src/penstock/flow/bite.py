"""How many elements a function is given before other tasks have their turn."""

from __future__ import annotations

import warnings

from penstock.flow.clock import Clock

LEAST_TIME_US = 2_000
"""What is done in this time need not let others have their turn in between."""

HELD_US = 1_000_000
"""A single call that takes longer is one that blocks: somebody should know."""

START, MOST = 8, 512


class BlockingWarning(UserWarning):
    """A function held the event loop for more than a second: all streams and tasks of the loop waited meanwhile.

    `map_async` waits for async functions; `anyio.to_thread.run_sync` runs those that block.
    """


class Bite:
    """Grows as long as functions are quick, and shrinks to one element when they are slow.

    So the first result of a slow function goes out when it is there, not behind five hundred others, and the event loop
    is held for one call at a time. Only the size of chunks depends on time, which nobody sees.

    Attributes:
        size: How many elements to ask for.
    """

    __slots__ = ("_begun", "_now", "_warned", "size")

    def __init__(self, clock: Clock) -> None:
        self.size = START
        self._now = clock.now
        self._begun = 0
        self._warned = False

    def begin(self) -> None:
        """Calls begin."""
        self._begun = self._now()

    def end(self, n: int, name: str) -> None:
        """Calls for `n` elements have ended."""
        spent = self._now() - self._begun
        if spent <= LEAST_TIME_US:
            if self.size < MOST:
                self.size *= 2
            return
        self.size = max(1, self.size // 8)
        if spent > HELD_US and n == 1 and not self._warned:
            self._warned = True
            warnings.warn(
                f"a function of {name} held the event loop for {spent / 1e6:.1f} s: everything else waited. "
                "map_async waits for async functions, anyio.to_thread.run_sync for those that block",
                BlockingWarning,
                stacklevel=2,
            )
