"""Aggregates over a window that slides: panes are added at one end and taken away at the other.

What each window costs is what enters, what leaves and what it gives: not what it overlaps. Where all
accumulators can be taken apart again exactly, one total is kept. Elsewhere panes are kept in two
stacks, as a queue is made of two stacks: the front holds, for each pane, the total from it on, and the
back one total of all panes since.

Totals are not stored: `starts` says which panes they are made of, and `rebuild` merges these again, in the
same order, so that sums of floats are the same to the last bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.lazy import np
from penstock.kernels.inverse import merge_order
from penstock.state.aggregates import AggregateTable, Merged
from penstock.state.layout import Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Total:
    """One total of all panes in the window, for layouts that are invertible.

    Slots are kept in the order of their keys where that is the order of one word.
    """

    def __init__(self, layout: Layout, seed: int) -> None:
        self.table = AggregateTable(layout, seed)
        self.panes: deque[tuple[int, AggregateTable, Merged]] = deque()
        self._order: NDArray[np.int32] = np.empty(0, np.int32)
        self._dead: NDArray[np.int32] = np.zeros(64, np.int32)

    def add(self, start: int, table: AggregateTable, step: int) -> None:
        """Let a pane, later than all before, enter the window."""
        merged = self.table.merge(table, step)
        self.panes.append((start, table, merged))
        if self.table.layout.plain_key and len(merged.new):
            keys = self.table.keys.table[merged.new, 0]
            self._rearrange(merged.new[np.argsort(keys, kind="stable")])

    def evict(self, begin: int, step: int) -> list[AggregateTable]:
        """Let the panes that begin before an instant leave the window; gives their tables, no longer needed."""
        left = []
        while self.panes and self.panes[0][0] < begin:
            _, table, merged = self.panes.popleft()
            left.append(table)
            dead = self.table.unmerge(table, merged, step)
            if self.table.layout.plain_key and len(dead):
                self._flags()[dead] = 1
                self._rearrange(dead[:0])
                self._dead[dead] = 0
        return left

    def starts(self) -> dict[str, list[int]]:
        """Which panes it is made of, as JSON."""
        return {"panes": [start for start, _, _ in self.panes]}

    def rebuild(self, starts: Mapping[str, Sequence[int]], panes: Mapping[int, AggregateTable], step: int) -> None:
        """Be made of these panes again; those that are gone would have left before the next result."""
        for start in starts["panes"]:
            if start in panes:
                self.add(start, panes[start], step)

    def _flags(self) -> NDArray[np.int32]:
        """By slot, whether it is dead; as long as the table."""
        if len(self._dead) < self.table.keys.used:
            self._dead = np.zeros(2 * self.table.keys.used, np.int32)
        return self._dead

    def _rearrange(self, added: Any) -> None:
        merged = np.empty(len(self._order) + len(added), np.int32)
        count = merge_order(self._order, self._flags(), added, self.table.keys.table, merged)
        self._order = merged[:count]

    def result(self, step: int) -> tuple[AggregateTable, Any, bool]:
        """The table of the window, its slots, and whether they are in key order."""
        if self.table.layout.plain_key:
            return self.table, self._order, True
        return self.table, self.table.keys.live(), False


class TwoStacks:
    """Suffix totals in front and one total behind, for any layout."""

    def __init__(self, layout: Layout, seed: int) -> None:
        self.layout = layout
        self.seed = seed
        self.front: deque[tuple[int, AggregateTable]] = deque()
        self.back: list[tuple[int, AggregateTable | None]] = []
        self.back_total = AggregateTable(layout, seed)

    def add(self, start: int, table: AggregateTable, step: int) -> None:
        """Let a pane, later than all before, enter the window."""
        self.back.append((start, table))
        self.back_total.merge(table, step)

    def evict(self, begin: int, step: int) -> list[AggregateTable]:
        """Let the panes that begin before an instant leave the window."""
        while self.front and self.front[0][0] < begin:
            self.front.popleft()
        if not self.front and self.back and self.back[0][0] < begin:
            self._flip(begin, step)
        return []

    def _flip(self, begin: int, step: int) -> None:
        """Turn the back into suffix totals; each pane goes through this once."""
        self._stack([(start, table) for start, table in self.back if table is not None and start >= begin], step)
        self.back = []
        self.back_total = AggregateTable(self.layout, self.seed)

    def _stack(self, panes: Sequence[tuple[int, AggregateTable]], step: int) -> None:
        """Make the front of panes: for each the total from it on."""
        suffix: AggregateTable | None = None
        for start, table in reversed(panes):
            total = AggregateTable(self.layout, self.seed)
            total.merge(table, step)
            if suffix is not None:
                total.merge(suffix, step)
            suffix = total
            self.front.appendleft((start, total))

    def starts(self) -> dict[str, list[int]]:
        """Which panes the stacks are made of, as JSON."""
        return {"front": [start for start, _ in self.front], "back": [start for start, _ in self.back]}

    def rebuild(self, starts: Mapping[str, Sequence[int]], panes: Mapping[int, AggregateTable], step: int) -> None:
        """Be made of these panes again, by the same merges in the same order.

        Panes that are gone are those before the next window. One of the front would have left first, and no other
        total depends on it. One at the back says that the back is turned before the next result, and no more.
        """
        self._stack([(start, panes[start]) for start in starts["front"] if start in panes], step)
        for start in starts["back"]:
            table = panes.get(start)
            self.back.append((start, table))
            if table is not None:
                self.back_total.merge(table, step)

    def result(self, step: int) -> tuple[AggregateTable, Any, bool]:
        """The table of the window, its slots, and whether they are in key order."""
        if not self.front:
            return self.back_total, self.back_total.keys.live(), False
        total = AggregateTable(self.layout, self.seed)
        total.merge(self.front[0][1], step)
        total.merge(self.back_total, step)
        return total, total.keys.live(), False


def sliding(layout: Layout, seed: int) -> Total | TwoStacks:
    """What keeps the totals of windows of a layout."""
    return Total(layout, seed) if layout.counted and layout.invertible else TwoStacks(layout, seed)
