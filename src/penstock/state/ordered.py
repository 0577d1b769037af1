"""Rows by key in an order that is kept as they come and go: what a row costs grows with the logarithm of its group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.dtypes import UInt64
from penstock.core.errors import InvariantError
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.kernels import ordered
from penstock.kernels.arrays import frozen
from penstock.kernels.ordered import apply_changes, ranked
from penstock.plan.ordering import SortKey
from penstock.state import kinds
from penstock.state.arrangement import Arrangement, Touched
from penstock.state.kept import KeptRows
from penstock.state.keys import KeyCodec

NONE = -1
_KINDS = {
    kinds.FLOAT: ordered.FLOAT,
    kinds.TEXT: ordered.TEXT,
    kinds.DECIMAL: ordered.WIDE,
    kinds.NOTHING: ordered.NOTHING,
}


class OrderedRows:
    """Rows of a schema, of which those of each key are in order.

    Only the rows are stored; keys and trees are made of them again.

    Args:
        schema: The columns.
        keys: The key columns.
        order: The order within a key. Equal rows are in the order in which they came.
        seed: Seeds indices; results do not depend on it.

    Attributes:
        rows: The rows.
        index: The keys; their word is the root of their tree.
    """

    def __init__(self, schema: Schema, keys: Sequence[str], order: Sequence[SortKey], seed: int = 0) -> None:
        self.rows = KeptRows(schema, seed=seed)
        fields = [schema[name] for name in keys]
        self.places = [schema.names.index(name) for name in keys]
        self.codec = KeyCodec(keys, [f.dtype for f in fields], [f.nullable for f in fields])
        self.index = Arrangement(self.codec.layout, [NONE], seed=seed)
        self.columns = frozen(np.array([self._described(key) for key in order], np.int64).reshape(-1, 7))
        self._trees: Any = np.full((3, 64), NONE, np.int32)
        self._path: Any = np.empty(ordered.DEEPEST, np.int32)

    def _described(self, key: SortKey) -> list[int]:
        codec = self.rows.codec
        column = codec.columns[1 + self.rows.schema.names.index(key.column)]
        kind = _KINDS.get(column.kind, ordered.UNSIGNED if column.dtype == UInt64 else ordered.SIGNED)
        start = codec.layout.width + column.text
        return [kind, column.place, start, column.null_bit, codec.mask_place, key.descending, key.nulls_first]

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return self.rows.nbytes + self.index.nbytes + int(self._trees.nbytes)

    def find(self, columns: Sequence[pl.Series], length: int, step: int) -> Touched:
        """The slots of the keys of rows, in `index`."""
        return self.index.upsert(self.codec.encode([columns[i] for i in self.places], length), None, step)

    def apply(self, groups: Any, slots: Any, signs: Any, most: int = -1) -> Any:
        """Let rows come and go, one after the other.

        Args:
            groups: By row, the slot of its key.
            slots: By row, its slot, fresh from `rows.add`; also of a row that goes, which equals one that came.
            signs: By row, +1 or -1; None = all come.
            most: How many rows a key keeps; those behind them go. -1 = all.

        Returns:
            The slots that are in no tree any more, for `rows.drop`: they can be read until then.

        Raises:
            InvariantError: If a row goes that never came.
        """
        self._grow(self.rows.entries.used)
        count = len(slots)
        dropped, missing = np.empty(2 * count, np.int32), np.empty(count, np.int32)
        given = np.ones(count, np.int64) if signs is None else signs.astype(np.int64)
        entries = self.rows.entries
        left, right, size = self._trees
        gone, lost = apply_changes(
            entries.table, entries.heap, self.columns, left, right, size, frozen(groups, np.int32),
            frozen(slots, np.int32), frozen(given), most, self.index.table, self.index.first, self._path, dropped,
            missing,
        )  # fmt: skip
        if lost:
            row = dict(zip(self.rows.schema.names, self.rows.take(slots[missing[:1]]), strict=True))
            found = {name: series[0] for name, series in row.items()}
            raise InvariantError(f"a row was taken back that never came: {found}")
        return dropped[: int(gone)].copy()

    def ranks(self, groups: Any, first: int, last: int) -> tuple[Any, Any]:
        """The rows of ranks `first` (from 0) to before `last` of some keys.

        Returns:
            Where the rows of each key begin, with one more for the end of all; and the slots of the rows.
        """
        groups = frozen(groups, np.int32)
        starts = np.empty(len(groups) + 1, np.int64)
        left, right, size = self._trees
        table, column = self.index.table, self.index.first
        ranked(left, right, size, table, column, groups, first, last, starts, np.empty(0, np.int32))
        slots = np.empty(int(starts[-1]), np.int32)
        if len(slots):
            ranked(left, right, size, table, column, groups, first, last, starts, slots)
        return starts, slots

    def is_empty(self, groups: Any) -> Any:
        """Which keys have no rows."""
        return self.index.table[groups, self.index.first] == NONE

    def rebuild(self, step: int) -> None:
        """Make keys and trees of the rows, after those were filled."""
        slots = self.rows.live()
        if len(slots):
            found = self.find(self.rows.take(slots), len(slots), step)
            self.apply(found.slots, slots, None)

    def _grow(self, needed: int) -> None:
        if needed > self._trees.shape[1]:
            trees = np.full((3, max(needed, 2 * self._trees.shape[1])), NONE, np.int32)
            trees[:, : self._trees.shape[1]] = self._trees
            self._trees = trees
