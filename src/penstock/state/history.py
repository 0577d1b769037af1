"""The newest rows of each key: what a frame that ends at a row to come may need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.lazy import np
from penstock.core.schema import Field, Schema
from penstock.core.timespan import NEVER
from penstock.kernels.arrays import frozen
from penstock.kernels.history import read_back
from penstock.state.aggregates import Loader, Saver
from penstock.state.arrangement import Arrangement
from penstock.state.kept import KeptRows
from penstock.state.keys import KeyCodec
from penstock.state.time_runs import TimeRuns

if TYPE_CHECKING:
    import polars as pl

NEWEST, COUNT = 0, 1
OWNER, OLDER, TIME = 0, 1, 2
NONE = -1


class History:
    """Rows by key, each key's in the order in which they came.

    Args:
        keys: The key columns.
        schema: What is kept of a row.
        timed: Whether rows are forgotten by time.
        seed: Seeds indices; results do not depend on it.

    Attributes:
        index: The keys.
        rows: The rows.
    """

    def __init__(self, keys: Sequence[Field], schema: Schema, *, timed: bool, seed: int = 0) -> None:
        self.codec = KeyCodec([f.name for f in keys], [f.dtype for f in keys], [f.nullable for f in keys])
        self.index = Arrangement(self.codec.layout, [NONE, 0], seed=seed)
        self.rows = KeptRows(schema, 3, seed)
        self.timed = timed
        self.times = TimeRuns()

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return self.index.nbytes + self.rows.nbytes + self.times.nbytes

    def find(self, columns: Sequence[pl.Series], length: int, step: int) -> Any:
        """The slot of each row's key."""
        return self.index.upsert(self.codec.encode(columns, length), None, step).slots

    def read(self, groups: Any) -> tuple[Any, Any]:
        """The rows of some keys, from the oldest on.

        Returns:
            By row, its key as a place in `groups`; and its slot.
        """
        first = self.index.first
        newest, counts = (frozen(self.index.table[groups, first + word]) for word in (NEWEST, COUNT))
        slots = np.empty(int(counts.sum()), np.int32)
        read_back(self.rows.entries.table, self.rows.entries.first + OLDER, newest, counts, slots)
        return np.repeat(np.arange(len(groups)), counts), slots

    def add(self, groups: Any, columns: Sequence[pl.Series], times: Any, step: int) -> None:
        """Add rows.

        Args:
            groups: By row, the slot of its key; rows of a key follow one another, the oldest first.
            columns: What is kept of them.
            times: Their instants.
            step: The number of the step.
        """
        if not len(groups):
            return
        slots = self.rows.add(columns, [groups, np.full(len(groups), NONE, np.int64), times], step)
        table, first = self.index.table, self.index.first
        begins = np.append(True, groups[1:] != groups[:-1])
        before = np.append(NONE, slots[:-1]).astype(np.int64)
        before[begins] = table[groups[begins], first + NEWEST]
        self.rows.entries.table[slots, self.rows.entries.first + OLDER] = before
        ends = np.append(begins[1:], True)
        table[groups[ends], first + NEWEST] = slots[ends]
        np.add.at(table[:, first + COUNT], groups, 1)
        if self.timed:
            self.times.add(times, slots)

    def drop(self, slots: Any, step: int) -> None:
        """Forget rows, which must be the oldest of their keys."""
        if not len(slots):
            return
        owners = self.rows.word(OWNER, slots)
        np.subtract.at(self.index.table[:, self.index.first + COUNT], owners, 1)
        self.rows.drop(slots, step)
        touched = np.unique(owners).astype(np.int32)
        self.index.mark_touched(touched, step)
        if self.timed:
            empty = self.index.table[touched, self.index.first + COUNT] == 0
            if empty.any():
                self.index.delete(touched[empty], step)

    def expire(self, until: int, step: int) -> None:
        """Forget rows up to an instant, itself included."""
        if len(self.times):
            self.drop(self.times.take(max(until, NEVER)), step)

    def save(self, saver: Saver, step: int) -> Any:
        """Give the tables to a saver; what else there is, as JSON."""
        saver.table("keys", self.index, step)
        saver.table("rows", self.rows.entries, step)
        return self.rows.added

    def load(self, state: Any, loader: Loader) -> None:
        """See `save`."""
        self.rows.added = state
        loader.table("keys", self.index)
        loader.table("rows", self.rows.entries)
        if self.timed:
            slots = self.rows.live()
            self.times.add(self.rows.word(TIME, slots), slots)
