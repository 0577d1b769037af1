"""Rows by ranges: which rows of a key begin at one value or before, and end at another or after.

Rows are kept in sorted runs that are merged as they grow, each with a tree of where its ranges end: putting n rows in
costs n log n in all, and a look-up some steps per run and row found. It is not stored: who restores the rows makes it
anew. A row that has gone is left where it is and known by its serial number, until there are more of these than others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.core.lazy import np
from penstock.kernels.arrays import frozen
from penstock.kernels.ranges import find_ranges

if TYPE_CHECKING:
    from penstock.state.rows import RowStore

SLACK = 1024
"""So many rows that have gone may be kept whatever the number of others."""


class _Run(NamedTuple):
    """Rows in order of (owner, low)."""

    owners: Any
    lows: Any
    highs: Any
    entries: Any
    serials: Any
    tree: Any


class RangeIndex:
    """The ranges of the rows of a store.

    Args:
        store: The rows.
        word: Which of the words of a row (`RowStore.own`) holds its serial number; no two rows ever have one.
    """

    def __init__(self, store: RowStore, word: int) -> None:
        self.store, self.word = store, word
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        """How many rows it knows, those that have gone included."""
        return sum(len(run.entries) for run in self._runs)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(array.nbytes for run in self._runs for array in run)

    def put(self, slots: Any, lows: Any, highs: Any) -> None:
        """Add rows that have their serial numbers.

        Args:
            slots: The slots of the rows.
            lows: By row, where its range begins; NaN: it holds nothing, and is left out.
            highs: By row, where it ends; NaN as well.
        """
        known = ~(np.isnan(lows) | np.isnan(highs))
        slots = np.asarray(slots, np.int32)[known]
        if not len(slots):
            return
        owners, serials = self.store.owners(slots), self.store.own(self.word)[slots]
        self._runs.append(_run(owners, lows[known], highs[known], slots, serials))
        while len(self._runs) > 1 and len(self._runs[-2].entries) <= 2 * len(self._runs[-1].entries):
            self._merge(2)
        if len(self) > 2 * len(self.store) + SLACK:
            self._merge(len(self._runs))

    def _merge(self, count: int) -> None:
        """Make one of the last runs, without rows that have gone."""
        parts = self._runs[-count:]
        del self._runs[-count:]
        arrays = [np.concatenate([run[number] for run in parts]) for number in range(5)]
        live = (self.store.rows.marks[arrays[3]] >= 0) & (self.store.own(self.word)[arrays[3]] == arrays[4])
        if live.any():
            self._runs.append(_run(*(arrays if live.all() else [array[live] for array in arrays])))

    def count(self, slots: Any, begins: Any, ends: Any) -> Any:
        """By probe, how many rows there are; see `find`."""
        counts = np.zeros(len(slots), np.int64)
        none = np.empty(0, np.int32)
        for run in self._runs:
            self._search(run, slots, begins, ends, counts, none, none)
        return counts

    def find(self, slots: Any, begins: Any, ends: Any, most: int) -> tuple[Any, Any]:
        """Pairs (probe, slot of a row), by probe, of each the row with the least serial number first.

        Args:
            slots: By probe, the slot of its key, or -1.
            begins: By probe, up to where the ranges may begin; NaN: nothing is found.
            ends: By probe, from where on they must end; NaN as well.
            most: How many pairs there are (`count`), at least.
        """
        probes, found = np.empty(most, np.int32), np.empty(most, np.int32)
        counts, made = np.zeros(len(slots), np.int64), 0
        for run in self._runs:
            made += self._search(run, slots, begins, ends, counts, probes[made:], found[made:])
        order = np.lexsort((self.store.own(self.word)[found[:made]], probes[:made]))
        return probes[order], found[order]

    def _search(self, run: _Run, slots: Any, begins: Any, ends: Any, counts: Any, probes: Any, found: Any) -> int:
        unknown = np.isnan(begins) | np.isnan(ends)
        rows, first = self.store.rows, self.store.rows.first
        made: int = find_ranges(
            run.owners, run.lows, run.tree, run.entries, run.serials, rows.table, first - 1,
            first + self.store.layout.word(self.word), frozen(np.where(unknown, -1, slots), np.int32),
            frozen(begins, np.float64), frozen(ends, np.float64), -np.inf, counts, probes, found,
        )  # fmt: skip
        return made


def _run(owners: Any, lows: Any, highs: Any, entries: Any, serials: Any) -> _Run:
    order = np.lexsort((lows, owners))
    highs = highs[order]
    width = 1 << max(0, len(order) - 1).bit_length()
    tree = np.full(2 * width, -np.inf)
    tree[width : width + len(order)] = highs
    while width > 1:
        tree[width // 2 : width] = np.maximum(tree[width : 2 * width : 2], tree[width + 1 : 2 * width : 2])
        width //= 2
    return _Run(
        frozen(owners[order], np.int32), frozen(lows[order], np.float64), frozen(highs, np.float64),
        frozen(entries[order], np.int32), frozen(serials[order], np.int64), frozen(tree),
    )  # fmt: skip
