"""The values of aggregates that need them all: a multiset per slot, exact, each distinct value once.

An entry is (slot, value, ...), with its position too where order matters, and a count; one whose count comes to
zero goes. The entries of a slot form a chain, so that reading some slots costs what they hold, not what the
store holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import DType, Int32, Int64, List, Map, Struct
from penstock.core.errors import StateError, UnsupportedError
from penstock.core.lazy import np, pl
from penstock.core.memory import Buffer
from penstock.kernels._jit import kernel
from penstock.kernels.arrays import frozen
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec, Keys
from penstock.state.record import MOST_SLOTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.state.batch import Batch

COUNT, PREVIOUS = 0, 1
NONE = -1


@dataclass(frozen=True)
class ValueLayout:
    """What an entry is.

    Attributes:
        codec: Slot, position (if ordered), values.
        types: The types of the values.
        ordered: Whether entries have positions.
    """

    codec: KeyCodec
    types: tuple[DType, ...]
    ordered: bool

    @classmethod
    def of(cls, types: Sequence[DType], *, ordered: bool) -> ValueLayout:
        """The layout for values of some types.

        Raises:
            UnsupportedError: If values of a type cannot be compared.
        """
        for dtype in types:
            if isinstance(dtype, (List, Struct, Map)):
                raise UnsupportedError(
                    f"values of the type {dtype} cannot be aggregated so", hint="take a part of them"
                )
        hidden = [Int32, Int64] if ordered else [Int32]
        names = ["slot", "position"][: len(hidden)] + [f"v{i}" for i in range(len(types))]
        return cls(KeyCodec(names, [*hidden, *types], [False] * len(names)), tuple(types), ordered)

    def keys_of(self, slots: Any, positions: Any, values: Keys, rows: Any) -> Keys:
        """The entries of some rows whose values are keys already."""
        hidden = 1 if positions is None else 2
        words = np.empty((len(rows), self.codec.layout.width), np.int64)
        words[:, 0] = slots
        if positions is not None:
            words[:, 1] = positions
        words[:, hidden:] = values.words[rows]
        starts = values.starts[rows] if len(values.starts) else values.starts
        return Keys(frozen(words), frozen(starts), values.heap)

    def store(self, seed: int) -> ValueStore:
        """An empty store of this layout."""
        return ValueStore(self, seed)


@kernel
def _link(heads: Any, table: Any, previous: int, entries: Any, owners: Any) -> None:
    for place in range(entries.shape[0]):
        table[entries[place], previous] = heads[owners[place]]
        heads[owners[place]] = entries[place]


@kernel
def _count_owners(sizes: Any, owners: Any, each: int) -> None:
    for place in range(owners.shape[0]):
        sizes[owners[place]] += each


@kernel
def _add_signs(table: Any, count: int, entries: Any, signs: Any, empty: Any) -> int:
    """Add signs to the counts of entries; marks the places whose entry has none left at the end, and says how many."""
    for place in range(entries.shape[0]):
        table[entries[place], count] += signs[place]
    found = 0
    for place in range(entries.shape[0]):
        empty[place] = table[entries[place], count] == 0
        found += empty[place]
    return found


@kernel
def _measure(heads: Any, table: Any, previous: int, slots: Any) -> int:
    total = 0
    for place in range(slots.shape[0]):
        entry = heads[slots[place]]
        while entry >= 0:
            total += 1
            entry = table[entry, previous]
    return total


@kernel
def _walk(heads: Any, table: Any, previous: int, slots: Any, owners: Any, entries: Any) -> None:
    at = 0
    for place in range(slots.shape[0]):
        entry = heads[slots[place]]
        while entry >= 0:
            owners[at] = place
            entries[at] = entry
            at += 1
            entry = table[entry, previous]


@kernel
def _unlink(heads: Any, table: Any, previous: int, count: int, slots: Any, gone: Any, changed: Any) -> tuple[int, int]:
    """Take the entries without a count out of the chains of slots; how many went, and how many point elsewhere."""
    left, moved = 0, 0
    for place in range(slots.shape[0]):
        above = NONE
        relinked = False
        entry = heads[slots[place]]
        while entry >= 0:
            below = table[entry, previous]
            if table[entry, count] == 0:
                gone[left] = entry
                left += 1
                relinked = True
            else:
                if relinked and above >= 0:
                    table[above, previous] = entry
                    changed[moved] = above
                    moved += 1
                elif relinked:
                    heads[slots[place]] = entry
                above = entry
                relinked = False
            entry = below
        if relinked and above >= 0:
            table[above, previous] = NONE
            changed[moved] = above
            moved += 1
        elif relinked:
            heads[slots[place]] = NONE
    return left, moved


@kernel
def _find_heads(heads: Any, table: Any, previous: int, mark: int, entries: Any, followed: Any) -> bool:
    """Find the heads of chains: the entries that no other follows on. False if entries do not form one per slot."""
    for place in range(entries.shape[0]):
        entry = entries[place]
        below = table[entry, previous]
        if below >= 0:
            if table[below, mark] < 0 or table[below, 0] != table[entry, 0] or followed[below]:
                return False
            followed[below] = True
    reached = 0
    for place in range(entries.shape[0]):
        entry = np.int64(entries[place])
        if not followed[entry]:
            if heads[table[entry, 0]] >= 0:
                return False
            heads[table[entry, 0]] = entry
            while entry >= 0:
                reached += 1
                entry = table[entry, previous]
    # What is not reached goes round in a circle.
    whole: bool = reached == entries.shape[0]
    return whole


def rows_that_count(slots: Any, rows: Any, valid: Any, length: int) -> tuple[Any, Any]:
    """Of the rows of a fold those that count, and their slots."""
    chosen = np.arange(length, dtype=np.int32) if rows is None else rows
    if valid is None:
        return chosen, slots
    keep = valid[chosen]
    return chosen[keep], slots[keep]


class ValueStore:
    """Values by slot of another table.

    Args:
        layout: What an entry is.
        seed: Seeds the index; results do not depend on it.
    """

    def __init__(self, layout: ValueLayout, seed: int = 0) -> None:
        self.layout = layout
        self.entries = Arrangement(layout.codec.layout, [0, NONE], seed=seed)
        self._begin()

    def _begin(self) -> None:
        self._first = Buffer(64, np.int64)
        self._heads: NDArray[np.int64] = self._first.array
        self._heads[:] = NONE
        self._many = Buffer(64, np.int64)
        self._sizes: NDArray[np.int64] = self._many.array
        self._sizes[:] = 0

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return self.entries.nbytes + self._first.nbytes + self._many.nbytes

    def tables(self) -> dict[str, Arrangement]:
        """All that is stored of it, by the kind of table."""
        return {"values": self.entries}

    def add(self, slots: Any, rows: Any, names: tuple[str, ...], valid: Any, batch: Batch, step: int) -> None:
        """Add (or take back) the values of rows.

        Args:
            slots: The slot of each place.
            rows: The row of each place; None = place p is row p.
            names: The columns of the batch that hold them.
            valid: By row, whether it counts; None = all do.
            batch: Knows values, signs and positions by row.
            step: The number of the step.
        """
        chosen, slots = rows_that_count(slots, rows, valid, batch.length)
        if not len(chosen):
            return
        positions = batch.positions(chosen) if self.layout.ordered else None
        signs = np.ones(len(chosen), np.int64) if batch.signs is None else batch.signs[chosen].astype(np.int64)
        encoded = batch.encoded(names, self.layout.types)
        if encoded is not None:
            self._put(slots, self.layout.keys_of(slots, positions, encoded, chosen), signs, step)
            return
        picked = pl.Series(chosen)
        columns = [batch.series[name].gather(picked) for name in names]
        self._put(slots, self._keys(slots, positions, columns), signs, step)

    def _keys(self, slots: Any, positions: Any, columns: Sequence[pl.Series]) -> Keys:
        owner = pl.Series("slot", slots, dtype=pl.Int32)
        hidden = [owner] if positions is None else [owner, pl.Series("position", positions)]
        return self.layout.codec.encode([*hidden, *columns])

    def _put(self, slots: Any, keys: Keys, signs: Any, step: int) -> None:
        touched = self.entries.upsert(keys, None, step)
        table, first = self.entries.table, self.entries.first
        new = touched.touched[touched.is_new]
        owners = slots[touched.first_row[touched.is_new]]
        if len(slots):
            self._grow(int(slots.max()) + 1)
        owners = frozen(owners, np.int32)
        _link(self._heads, table, first + PREVIOUS, new, owners)
        _count_owners(self._sizes, owners, 1)
        empty = np.empty(len(slots), np.bool_)
        if _add_signs(table, first + COUNT, frozen(touched.slots, np.int32), frozen(signs, np.int64), empty):
            self._drop(frozen(np.unique(slots[empty]), np.int32), step)

    def _drop(self, slots: Any, step: int) -> None:
        """Forget the values of slots of which none is left: what it costs is what the slots hold."""
        table, first = self.entries.table, self.entries.first
        total = _measure(self._heads, table, first + PREVIOUS, slots)
        gone, changed = np.empty(total, np.int32), np.empty(total, np.int32)
        left, moved = _unlink(self._heads, table, first + PREVIOUS, first + COUNT, slots, gone, changed)
        _count_owners(self._sizes, frozen(table[gone[:left], 0], np.int32), -1)
        self.entries.mark_touched(changed[:moved], step)
        self.entries.delete(gone[:left], step)

    def _grow(self, needed: int) -> None:
        known = len(self._heads)
        if needed > known:
            self._heads, self._sizes = self._first.grow(needed), self._many.grow(needed)
            self._heads[known:], self._sizes[known:] = NONE, 0

    def _entries_of(self, slots: Any) -> tuple[Any, Any]:
        """The entries of slots, and for each which of the slots it belongs to."""
        slots = frozen(slots, np.int32)
        if len(slots):
            self._grow(int(slots.max()) + 1)
        table, first = self.entries.table, self.entries.first
        total = _measure(self._heads, table, first + PREVIOUS, slots)
        owners, entries = np.empty(total, np.int64), np.empty(total, np.int64)
        _walk(self._heads, table, first + PREVIOUS, slots, owners, entries)
        return owners, entries

    def result(self, slots: Any, aggregate: Callable[..., pl.Expr]) -> pl.Series:
        """An aggregate of the values of each slot; null for one without values."""
        owners, entries = self._entries_of(slots)
        counts = self.entries.table[entries, self.entries.first + COUNT]
        owners, entries = np.repeat(owners, np.maximum(counts, 0)), np.repeat(entries, np.maximum(counts, 0))
        rows, heap = self.entries.key_rows(entries)
        columns = self.layout.codec.decode(rows, heap)
        names = [f"v{i}" for i in range(len(self.layout.types))]
        frame = pl.DataFrame([pl.Series("owner", owners), *columns])
        if self.layout.ordered:
            frame = frame.sort("owner", "position")
        made = frame.group_by("owner", maintain_order=True).agg(aggregate(*map(pl.col, names)).alias("result"))
        every = pl.DataFrame({"owner": np.arange(len(slots), dtype=np.int64)})
        joined = every.join(made, on="owner", how="left", maintain_order="left")
        return joined.get_column("result")

    def distinct(self, slots: Any) -> Any:
        """How many distinct values each slot has, without looking at them."""
        if len(slots):
            self._grow(int(slots.max()) + 1)
        return self._sizes[slots]

    def merge(self, other: ValueStore, theirs: Any, mine: Any, step: int) -> None:
        """Add the values of slots of another store to slots of this one, pair by pair."""
        # The oldest first: chains that are moved keep their order.
        owners, entries = (found[::-1] for found in other._entries_of(theirs))
        if not len(entries):
            return
        rows, heap = other.entries.key_rows(entries)
        columns = other.layout.codec.decode(rows, heap)
        values = columns[2:] if self.layout.ordered else columns[1:]
        positions = columns[1].to_numpy() if self.layout.ordered else None
        counts = other.entries.table[entries, other.entries.first + COUNT]
        self._put(mine[owners], self._keys(mine[owners], positions, values), counts, step)

    def clear(self) -> None:
        """Drop all values and keep the memory."""
        self.entries.clear()
        self._heads[:], self._sizes[:] = NONE, 0

    def forget(self, slots: Any, step: int) -> None:
        """Drop the values of slots."""
        _, entries = self._entries_of(slots)
        self.entries.delete(entries.astype(np.int32), step)
        self._heads[slots], self._sizes[slots] = NONE, 0

    def restored(self) -> None:
        """Find the heads of all chains anew, after the entries were filled.

        Raises:
            StateError: If an entry belongs to no slot, or the entries of a slot are no chain.
        """
        table, first, live = self.entries.table, self.entries.first, self.entries.live()
        owners, below = table[live, 0], table[live, first + PREVIOUS]
        if len(live) and (owners.min() < 0 or owners.max() >= MOST_SLOTS or below.max() >= self.entries.used):
            raise StateError("stored values belong to no key")
        self._heads[:], self._sizes[:] = NONE, 0
        if len(live):
            self._grow(int(owners.max()) + 1)
            _count_owners(self._sizes, frozen(owners, np.int32), 1)
        if not _find_heads(self._heads, table, first + PREVIOUS, first - 1, live, np.zeros(len(table), np.bool_)):
            raise StateError("stored values are no chains: some of them are missing")
