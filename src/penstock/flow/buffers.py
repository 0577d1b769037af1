"""Bounded buffers, and what becomes of an element that comes when one is full."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from penstock.core.errors import PlanError
from penstock.flow.errors import BufferOverflowError
from penstock.flow.spill import Spill, SpillFile

OVERFLOW = ("backpressure", "drop_head", "drop_tail", "drop_new", "drop_buffer", "fail", "spill")
"""The strategies: wait; drop the oldest, the youngest kept, the one that comes, all kept; fail; go on on disk."""


def checked_overflow(verb: str, overflow: str) -> str:
    """A strategy.

    Raises:
        PlanError: If there is none of that name.
    """
    if overflow not in OVERFLOW:
        raise PlanError(f"{verb} takes as overflow one of {', '.join(OVERFLOW)}, found {overflow!r}")
    return overflow


def checked_spill(verb: str, spill: Any) -> Spill | None:
    """Where to spill, or None.

    Raises:
        PlanError: If it is something else.
    """
    if spill is not None and not isinstance(spill, Spill):
        raise PlanError(f"{verb} takes a Spill as spill, found {type(spill).__name__}", hint="Spill(folder)")
    return spill


class Buffer:
    """Up to `size` elements in memory, by a strategy.

    `room` says how many more may come now without harm: none under `backpressure` when it is full. Elements that come
    without room are treated by the strategy.

    Attributes:
        dropped: What was dropped, by strategy.
    """

    def __init__(self, size: int, overflow: str, dropped: Counter[str], spill: Spill | None = None) -> None:
        self.size, self.overflow, self.dropped = size, overflow, dropped
        self._items: deque[Any] = deque()
        self._file = SpillFile(spill or Spill()) if overflow == "spill" else None

    def __len__(self) -> int:
        return len(self._items) + (len(self._file) if self._file else 0)

    def room(self) -> int:
        """How many elements fit into memory now."""
        return max(0, self.size - len(self._items)) if not (self._file and len(self._file)) else 0

    @property
    def waits(self) -> bool:
        """Whether whoever has an element must wait now."""
        return self.overflow == "backpressure" and len(self._items) >= self.size

    def extend(self, chunk: Iterable[Any]) -> None:
        """Put elements in, one after another."""
        if self._file is None and isinstance(chunk, list) and len(chunk) <= self.size - len(self._items):
            self._items.extend(chunk)
            return
        for x in chunk:
            self.put(x)

    def put(self, x: Any) -> bool:
        """Put an element in; whether it is kept.

        Raises:
            BufferOverflowError: If there is no room, and the strategy is `fail`.
        """
        items = self._items
        if self._file is not None:
            if len(self._file) or len(items) >= self.size:
                self._file.put(x)
            else:
                items.append(x)
            return True
        if len(items) < self.size:
            items.append(x)
            return True
        if self.overflow in ("fail", "backpressure"):
            raise BufferOverflowError(
                f"the buffer of {self.size} elements is full", hint="a strategy that drops or waits"
            )
        if self.overflow == "drop_new":
            self.dropped["drop_new"] += 1
            return False
        if self.overflow == "drop_head":
            items.popleft()
            self.dropped["drop_head"] += 1
        elif self.overflow == "drop_tail":
            items.pop()
            self.dropped["drop_tail"] += 1
        else:
            self.dropped["drop_buffer"] += len(items)
            items.clear()
        items.append(x)
        return True

    def first(self) -> Any:
        """The oldest element."""
        return self._items[0]

    def take(self, most: int) -> list[Any]:
        """The oldest elements, `most` at most."""
        items = self._items
        if len(items) <= most:
            found = list(items)
            items.clear()
        else:
            found = [items.popleft() for _ in range(most)]
        if self._file is not None and len(self._file):
            if len(found) < most:
                found += self._file.take(most - len(found))
            if not items:
                items.extend(self._file.take(self.size))
        return found

    def close(self) -> None:
        """Remove what is on disk."""
        self._items.clear()
        if self._file is not None:
            self._file.close()
