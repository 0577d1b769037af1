"""Scopes: what a stream has acquired is released in reverse order, whatever happens, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count

import anyio

COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"

Release = Callable[[], Awaitable[None]]


class Scope:
    """Owns what was acquired in it.

    Releases run in reverse order of acquisition, shielded from cancellation. One that fails does not keep the others
    from running. A scope inside another is closed with it, or before.

    Attributes:
        outcome: How it ended: `"completed"`, `"failed"`, `"cancelled"`; None while it is open.
    """

    def __init__(self, parent: Scope | None = None) -> None:
        self.outcome: str | None = None
        self._releases: dict[int, Release] = {}
        self._numbers = count()
        self._parent = parent
        self._closed: anyio.Event | None = None
        self._place = parent.on_close(self._close_with_parent) if parent is not None else -1

    def on_close(self, release: Release) -> int:
        """Run `release` when the scope closes; the number with which `forget` takes it back."""
        number = next(self._numbers)
        self._releases[number] = release
        return number

    def forget(self, number: int) -> None:
        """Do not run a release any more: somebody did."""
        self._releases.pop(number, None)

    async def _close_with_parent(self) -> None:
        assert self._parent is not None
        await self.close(self._parent.outcome or CANCELLED)

    async def close(self, outcome: str) -> None:
        """Release everything; a second call waits for the first and does nothing.

        Raises:
            Exception: The first failure of a release, after all have run; the others are notes of it.
        """
        with anyio.CancelScope(shield=True):
            if self._closed is not None:
                await self._closed.wait()
                return
            self._closed = anyio.Event()
            self.outcome = outcome
            if self._parent is not None:
                self._parent.forget(self._place)
            failures: list[Exception] = []
            try:
                while self._releases:
                    _, release = self._releases.popitem()
                    try:
                        await release()
                    except Exception as failure:  # noqa: BLE001  (kept: the other releases must run)
                        failures.append(failure)
            finally:
                self._closed.set()
            if failures:
                raise joined(failures)


def joined(failures: list[Exception]) -> Exception:
    """The first of several failures, with the others as notes."""
    first, *others = failures
    for other in others:
        if other is not first:
            first.add_note(f"also failed: {type(other).__name__}: {other}")
    return first
