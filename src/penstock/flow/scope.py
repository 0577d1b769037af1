"""Scopes: what a stream has acquired is released in reverse order, whatever happens, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from penstock.flow.stage import Edge

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
        self._next = 0
        self.edges: dict[int, Edge] = {}
        self._parent = parent
        self._closed: anyio.Event | None = None
        self._place = parent.on_close(self._close_with_parent) if parent is not None else -1

    def mark(self) -> int:
        """The number of the next release."""
        return self._next

    def on_close(self, release: Release) -> int:
        """Run `release` when the scope closes; the number with which `forget` takes it back."""
        number, self._next = self._next, self._next + 1
        self._releases[number] = release
        return number

    def forget(self, number: int) -> None:
        """Do not run a release any more: somebody did."""
        self._releases.pop(number, None)
        self.edges.pop(number, None)

    async def release_open(self, first: int, last: int) -> None:
        """Release what has the numbers `first` to `last`, in reverse order, if a stage among it has not ended.

        So a stream that ends before its input lets go of that at once.
        """
        if not any(first <= number < last and edge.state == "open" for number, edge in self.edges.items()):
            return
        failures: list[Exception] = []
        with anyio.CancelScope(shield=True):
            for number in sorted((n for n in self._releases if first <= n <= last), reverse=True):
                release = self._releases.pop(number, None)
                self.edges.pop(number, None)
                if release is None:
                    continue  # a release before it has closed what this one would
                try:
                    await release()
                except Exception as failure:  # noqa: BLE001  (kept: the other releases must run)
                    failures.append(failure)
        if failures:
            raise joined(failures)

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
