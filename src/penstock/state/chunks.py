"""Sketches by a library: the bytes of one per slot, and the values that came since, up to a chunk of them.

A library is fed with whole chunks, in the order of positions: so a sketch is the same however its rows are cut into
steps, and reading and writing its bytes is shared by a chunk. A small group is its values, and costs it nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import Binary, DType, Float64, Int32, Int64, String
from penstock.core.lazy import np, pl
from penstock.expr import apache
from penstock.expr.function import Sketched
from penstock.expr.sketches import FREQUENT, KLL, TDIGEST
from penstock.kernels.arrays import frozen
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec
from penstock.state.values import ValueLayout, ValueStore, rows_that_count

if TYPE_CHECKING:
    from penstock.state.batch import Batch

CHUNK = 512
"""How many values a slot keeps at most before they go into its sketch."""

POISON = b""
"""What a slot has instead of a sketch, if bytes came that are none: it has no result."""


@dataclass(frozen=True)
class ChunkLayout(ValueLayout):
    """What an entry is: a slot, a position and a value.

    Attributes:
        sketched: The kind of sketch, and what is made of it.
    """

    sketched: Sketched

    @classmethod
    def sketch(cls, types: Sequence[DType], sketched: Sketched) -> ChunkLayout:
        """The layout for a sketch of values of some types."""
        kept = String if sketched.shape.kind == FREQUENT else Float64
        codec = KeyCodec(["slot", "position", "v0"], [Int32, Int64, kept], [False] * 3)
        return cls(codec, (kept,), True, sketched)

    def store(self, seed: int) -> ValueStore:
        """See `ValueLayout.store`."""
        return ChunkStore(self, seed)


class ChunkStore(ValueStore):
    """Sketches of a library by slot of another table.

    Args:
        layout: What an entry is.
        seed: Seeds the index; results do not depend on it.
    """

    def __init__(self, layout: ChunkLayout, seed: int = 0) -> None:
        super().__init__(layout, seed)
        self.layout: ChunkLayout = layout
        self.shape = layout.sketched.shape
        self.blobs = ValueStore(ValueLayout.of([Binary], ordered=False), seed)

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return super().nbytes + self.blobs.nbytes

    def tables(self) -> dict[str, Arrangement]:
        """See `ValueStore.tables`."""
        return {**super().tables(), "blobs": self.blobs.entries}

    def add(self, slots: Any, rows: Any, names: tuple[str, ...], valid: Any, batch: Batch, step: int) -> None:
        """Add the values of rows, or the sketches that they are; see `ValueStore.add`."""
        chosen, slots = rows_that_count(slots, rows, valid, batch.length)
        if not len(chosen):
            return
        values = batch.series[names[0]].gather(pl.Series(chosen))
        if self.layout.sketched.merges:
            self._add_sketches(slots, values.to_list(), step)
            return
        if self.shape.kind != FREQUENT:
            usable = values.is_finite() if self.shape.kind == TDIGEST else values.is_not_nan()
            if not usable.all():
                keep = usable.to_numpy()
                chosen, slots, values = chosen[keep], slots[keep], values.filter(usable)
        if len(chosen):
            self._add_values(slots, batch.positions(chosen), values, step)

    def _add_values(self, slots: Any, positions: Any, values: pl.Series, step: int) -> None:
        """Keep values, those of slots that have a chunk of them in their sketches."""
        slots = frozen(slots, np.int32)
        self._grow(int(slots.max()) + 1)
        owners, counts = np.unique(slots, return_counts=True)
        full = owners[self._is_full(owners, self._sizes[owners] + counts)]
        if len(full):
            rest = self._feed(full, slots, positions, values, step)
            slots, positions, values = slots[rest], positions[rest], values.gather(pl.Series(rest))
        if len(slots):
            self._put(slots, self._keys(slots, positions, [values]), np.ones(len(slots), np.int64), step)

    def _is_full(self, owners: Any, counts: Any) -> Any:
        """Which slots put their values into their sketches, of how many they would keep."""
        if self.shape.kind != KLL:
            return counts >= CHUNK
        # A sketch of up to k values is made without a coin. Beyond that it is made once, and kept: what is read must be
        # the same each time, or a row that goes would not be the one that came.
        self.blobs._grow(int(owners.max()) + 1)
        return (self.blobs._sizes[owners] > 0) | (counts > min(CHUNK, self.shape.first))

    def _feed(self, full: Any, slots: Any, positions: Any, values: pl.Series, step: int) -> Any:
        """Put whole chunks of some slots into their sketches; gives the rows of the others."""
        member = np.isin(slots, full)
        given = np.flatnonzero(member)
        owners, kept_positions, kept = self._kept(full)
        super().forget(full, step)
        owners = np.concatenate([owners, np.searchsorted(full, slots[given])])
        positions = np.concatenate([kept_positions, positions[given]])
        column = pl.concat([kept, values.gather(pl.Series(given)).rename(kept.name)])
        order = np.lexsort((positions, owners))
        edges = np.searchsorted(owners[order], np.arange(len(full) + 1))
        column, positions = column.gather(pl.Series(order)), positions[order]
        blobs = self._blobs_of(full)
        ends, made = edges[1:], []
        if self.shape.kind != KLL:
            ends = ends - np.diff(edges) % CHUNK
        for place, (start, end) in enumerate(zip(edges[:-1], ends, strict=True)):
            made.append(self._fed(blobs[place], column.slice(int(start), int(end - start))))
        self._write(full, made, step)
        left = np.concatenate([np.arange(a, b) for a, b in zip(ends, edges[1:], strict=True)])
        if len(left):
            mine = full[owners[order][left]]
            rest = column.gather(pl.Series(left))
            self._put(mine, self._keys(mine, positions[left], [rest]), np.ones(len(left), np.int64), step)
        return np.flatnonzero(~member)

    def _fed(self, data: bytes | None, values: pl.Series) -> bytes:
        """A sketch with values more."""
        if data == POISON:
            return POISON
        return apache.fed(self.shape, data, _given(values), CHUNK)

    def _kept(self, slots: Any) -> tuple[Any, Any, pl.Series]:
        """The values that slots keep: the places of their slots, positions, values."""
        owners, entries = self._entries_of(slots)
        rows, heap = self.entries.key_rows(entries)
        _, positions, values = self.layout.codec.decode(rows, heap)
        return owners, positions.to_numpy(), values

    def _blobs_of(self, slots: Any) -> list[bytes | None]:
        owners, entries = self.blobs._entries_of(slots)
        found: list[bytes | None] = [None] * len(slots)
        if len(entries):
            rows, heap = self.blobs.entries.key_rows(entries)
            for owner, data in zip(owners, self.blobs.layout.codec.decode(rows, heap)[1].to_list(), strict=True):
                found[owner] = data
        return found

    def _write(self, slots: Any, blobs: Sequence[bytes], step: int) -> None:
        slots = frozen(slots, np.int32)
        self.blobs.forget(slots, step)
        keys = self.blobs._keys(slots, None, [pl.Series(blobs, dtype=pl.Binary)])
        self.blobs._put(slots, keys, np.ones(len(slots), np.int64), step)

    def _add_sketches(self, slots: Any, values: Sequence[bytes], step: int) -> None:
        parts: dict[int, list[bytes]] = {}
        for slot, data in zip(slots.tolist(), values, strict=True):
            parts.setdefault(slot, []).append(data)
        mine = np.array(list(parts), np.int32)
        made = [
            POISON if old == POISON else apache.merged(self.shape, [*([] if old is None else [old]), *parts[int(slot)]])
            for slot, old in zip(mine, self._blobs_of(mine), strict=True)
        ]
        self._write(mine, [POISON if one is None else one for one in made], step)

    def result(self, slots: Any, aggregate: Callable[..., pl.Expr]) -> pl.Series:
        """The sketch of each slot; null for one without values, or with bytes of another."""
        slots = frozen(slots, np.int32)
        owners, positions, values = self._kept(slots)
        order = np.lexsort((positions, owners))
        edges = np.searchsorted(owners[order], np.arange(len(slots) + 1))
        values = values.gather(pl.Series(order))
        made: list[bytes | None] = []
        for place, data in enumerate(self._blobs_of(slots)):
            rest = values.slice(int(edges[place]), int(edges[place + 1] - edges[place]))
            found = data if not len(rest) else self._fed(data, rest)
            made.append(found or None)
        return pl.Series("result", made, dtype=pl.Binary)

    def merge(self, other: ValueStore, theirs: Any, mine: Any, step: int) -> None:
        """Join the sketches of slots of another store to those of slots of this one, pair by pair."""
        assert isinstance(other, ChunkStore)
        theirs = frozen(theirs, np.int32)
        given = [
            (int(slot), data) for slot, data in zip(mine, other._blobs_of(theirs), strict=True) if data is not None
        ]
        if given:
            # A poisoned one is none of this kind: what it joins is poisoned too.
            self._add_sketches(np.array([slot for slot, _ in given], np.int32), [data for _, data in given], step)
        owners, positions, values = other._kept(theirs)
        if len(owners):
            self._add_values(np.asarray(mine)[owners], positions, values, step)

    def clear(self) -> None:
        """Drop all and keep the memory."""
        super().clear()
        self.blobs.clear()

    def forget(self, slots: Any, step: int) -> None:
        """Drop the sketches of slots."""
        super().forget(slots, step)
        if len(slots):
            self.blobs._grow(int(slots.max()) + 1)
            self.blobs.forget(slots, step)

    def restored(self) -> None:
        """See `ValueStore.restored`."""
        super().restored()
        self.blobs.restored()


def _given(values: pl.Series) -> Any:
    return values.to_list() if values.dtype == pl.String else values.to_numpy()
