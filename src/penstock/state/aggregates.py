"""Aggregates of many keys: accumulators in the words of an arrangement, or values beside it.

A table holds the aggregates of the keys of one shard, or of one pane of one shard. Aggregates with fixed
accumulators are folded by kernels into the words of each key's slot; the others keep their values (see
`state/values.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from penstock.core.dtypes import to_polars
from penstock.core.errors import InvariantError
from penstock.core.lazy import np
from penstock.kernels import accumulate
from penstock.kernels.arrays import frozen
from penstock.kernels.scatter import shards_of
from penstock.state.arrangement import Arrangement, Touched
from penstock.state.batch import Batch
from penstock.state.expiry import INITIAL, Admitted, Expiry
from penstock.state.keys import Keys
from penstock.state.layout import Column, Folded, Kept, Layout
from penstock.state.raw import Raw
from penstock.state.readers import INVERSES, READERS
from penstock.state.user_states import Unfit, UserStore
from penstock.state.words import ACCUMULATORS, BITS, FLOAT

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Saver(Protocol):
    """Takes tables for a checkpoint: of `operators.base.Saver` what a table needs."""

    def table(self, name: str, table: Arrangement, step: int) -> None:
        """Take a table under a name; see there."""
        ...


class Loader(Protocol):
    """Gives tables back: of `operators.base.Loader` what a table needs."""

    def table(self, name: str, into: Arrangement) -> None:
        """Fill an empty table; see there."""
        ...


@dataclass
class Before:
    """What the touched keys were before a fold: their words, and the results of value stores.

    Attributes:
        existing: By touched key, whether it was there.
        words: Their words.
        kept: By column, the results of value stores.
        outside: After how many rows of the fold a sum did not fit its type, or an aggregate of the user had no value.
        unfit: By column, for aggregates of the user, when there was no value.
        admitted: Where keys expire: which rows of the fold counted; None = all.
    """

    existing: NDArray[np.bool_]
    words: NDArray[np.int64]
    kept: dict[int, Raw]
    outside: int = 0
    unfit: dict[int, Unfit] = field(default_factory=dict)
    admitted: Admitted | None = None


class Results(NamedTuple):
    """Aggregates of keys.

    Attributes:
        columns: The columns.
        fits: By key, whether it has a result: where a sum does not fit its type there is none. None = all have.
    """

    columns: list[Raw]
    fits: Any


@dataclass
class Merged:
    """What a merge did.

    Attributes:
        theirs: The slots of the other table.
        mine: For each, the slot of this one.
        new: The slots of this one that the merge made.
    """

    theirs: Any
    mine: Any
    new: Any


class AggregateTable:
    """The aggregates of some keys.

    Args:
        layout: What is kept.
        seed: Seeds the index; results do not depend on it.
    """

    def __init__(self, layout: Layout, seed: int = 0) -> None:
        self.layout = layout
        self.seed = seed
        self.keys = Arrangement(layout.codec.layout, layout.initial, seed=seed)
        self.stores = [values.store(seed) for values in layout.values]
        self.expiry: Expiry | None = None
        if layout.ttl is not None:
            last = self.keys.stride - len(INITIAL)
            self.expiry = Expiry(self.keys, last, layout.ttl, self.keys.first if layout.counted else None)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return self.keys.nbytes + sum(store.nbytes for store in self.stores)

    def fold(self, batch: Batch, rows: Any, step: int, *, before: bool = False) -> tuple[Touched, Before | None]:
        """Fold rows in; with `before`, also say what the touched keys were.

        Where keys expire, only rows that are admitted are folded, and `slots` of what was touched are theirs; see
        `penstock.state.expiry` for what must become of the others.
        """
        touched = self.keys.upsert(batch.keys, rows, step)
        old = self._before(touched) if before else None
        first = self.keys.first
        if self.expiry is not None:
            assert batch.instants is not None
            assert old is not None
            old.admitted = self.expiry.admit(touched.slots, rows, batch.instants, batch.signs)
            if old.admitted is not None:
                rows, touched = old.admitted.rows, replace(touched, slots=old.admitted.slots)
        elif self.layout.counted:
            ACCUMULATORS["count"].add(self.keys, first, touched.slots, rows=rows, signs=batch.signs)
        for i, column in enumerate(self.layout.columns):
            valid = batch.valid(column.needed, column.where)
            if isinstance(column.how, Kept):
                series = [batch.series[name] for name in column.args]
                store = self.stores[column.how.place]
                if old is not None and isinstance(store, UserStore):
                    unfit = old.unfit[i] = store.fold(touched.slots, rows, series, valid, batch, step)
                    old.outside += int(unfit.after.sum())
                    continue
                store.add(touched.slots, rows, series, valid, batch, step)
                continue
            for accumulator, place, argument in column.how.parts:
                values = None
                if isinstance(argument, tuple):
                    values = np.stack([batch.array(column.args[one], floats=True) for one in argument], axis=1)
                elif argument is not None:
                    values = batch.array(column.args[argument], floats=accumulator.takes in (FLOAT, BITS))
                    values = values.view(np.int64) if accumulator.takes == BITS else values
                outside = accumulator.add(
                    self.keys, first + place, touched.slots, values, rows=rows, valid=valid, signs=batch.signs
                )
                if outside and old is not None and column.how.words.fits is not None:
                    old.outside += outside
        return touched, old

    def _before(self, touched: Touched) -> Before:
        existing = ~touched.is_new
        slots = touched.touched if existing.all() else touched.touched[existing]
        words = accumulate.gather_rows(self.keys.table, frozen(slots, np.int32))
        kept = {
            i: self._kept(column, slots) for i, column in enumerate(self.layout.columns) if isinstance(column.how, Kept)
        }
        return Before(existing, words, kept)

    def merge(self, other: AggregateTable, step: int) -> Merged:
        """Add all keys of another table, whose rows come after those of this one."""
        theirs = other.keys.live()
        touched = self.keys.upsert(other._keys_of(theirs), None, step)
        self._merge_words(other, theirs, touched.slots)
        for store, theirs_store in zip(self.stores, other.stores, strict=True):
            store.merge(theirs_store, theirs, touched.slots, step)
        return Merged(theirs, touched.slots, touched.touched[touched.is_new])

    def absorb(self, other: AggregateTable, theirs: Any, mine: Any, step: int) -> None:
        """Add slots of another table, or of this one, to slots of this one, pair by pair; what is added stays."""
        self._merge_words(other, theirs, mine)
        for store, theirs_store in zip(self.stores, other.stores, strict=True):
            store.merge(theirs_store, theirs, mine, step)
        self.keys.mark_touched(mine, step)

    def find(self, other: AggregateTable, slots: Any) -> Any:
        """For slots of another table of the same layout, the slots of their keys here; -1 where there is none."""
        return self.keys.find(other._keys_of(slots))

    def move(self, slots: Any, table: AggregateTable, step: int) -> None:
        """Copy keys to another table of the same layout, which has none of them, as they are."""
        if len(slots):
            table._copy(self, slots, self._keys_of(slots), np.arange(len(slots), dtype=np.int32), step)

    def spread(self, tables: Sequence[AggregateTable], step: int) -> None:
        """Move all keys to other tables by shard; the layout of their keys may be another one."""
        slots = self.keys.live()
        if not len(slots):
            return
        if tables[0].layout is self.layout:
            keys = self._keys_of(slots)
        else:
            rows, heap = self.keys.key_rows(slots)
            keys = tables[0].layout.codec.encode(self.layout.codec.decode(rows, heap), len(slots))
        shard_of = shards_of(keys.words, len(tables))
        for shard, table in enumerate(tables):
            mine = np.flatnonzero(shard_of == shard).astype(np.int32)
            if len(mine):
                table._copy(self, slots[mine], keys, mine, step)

    def _copy(self, other: AggregateTable, theirs: Any, keys: Keys, rows: Any, step: int) -> None:
        """Take keys that are not here, as they are: merging with nothing may round."""
        mine = self.keys.upsert(keys, rows, step).slots
        self.keys.words[mine] = other.keys.words[theirs]
        for store, theirs_store in zip(self.stores, other.stores, strict=True):
            store.merge(theirs_store, theirs, mine, step)
        if self.expiry is not None:
            self.expiry.adopt(mine)

    def _merge_words(self, other: AggregateTable, theirs: Any, mine: Any) -> None:
        first, their_first = self.keys.first, other.keys.first
        if self.layout.counted:
            ACCUMULATORS["count"].merge(self.keys, first, mine, other.keys, their_first, theirs)
        for column in self.layout.columns:
            if isinstance(column.how, Kept):
                continue
            for accumulator, place, _ in column.how.parts:
                accumulator.merge(self.keys, first + place, mine, other.keys, their_first + place, theirs)

    def unmerge(self, other: AggregateTable, merged: Merged, step: int) -> Any:
        """Take back what `merge` added; gives the slots of keys without rows, which are deleted.

        Only for layouts that are `invertible` and counted.
        """
        theirs, mine = merged.theirs, merged.mine
        first, their_first = self.keys.first, other.keys.first
        INVERSES["count"](self.keys.table, first, mine, other.keys.table, their_first, theirs)
        for column in self.layout.columns:
            assert isinstance(column.how, Folded)
            for accumulator, place, _ in column.how.parts:
                unmerge = INVERSES[accumulator.kind]
                unmerge(self.keys.table, first + place, mine, other.keys.table, their_first + place, theirs)
        dead = mine[self.counts(mine) == 0]
        self.keys.delete(dead, step)
        return dead

    def clear(self) -> None:
        """Forget all keys and keep the memory, for the next pane."""
        self.keys.clear()
        for store in self.stores:
            store.clear()

    def _keys_of(self, slots: Any) -> Keys:
        rows, heap = self.keys.key_rows(slots)
        width = self.layout.codec.layout.width
        words, starts = np.ascontiguousarray(rows[:, :width]), np.ascontiguousarray(rows[:, width:])
        return Keys(frozen(words), frozen(starts), heap)

    def key_columns(self, slots: Any) -> list[Raw]:
        """The key columns of slots."""
        if self.layout.plain_key:
            return [Raw(accumulate.gather(self.keys.table, 0, slots))]
        rows, heap = self.keys.key_rows(slots)
        return [Raw(series) for series in self.layout.codec.decode(rows, heap)]

    def counts(self, slots: Any) -> NDArray[np.int64]:
        """How many rows each key has; only if the layout counts them."""
        return accumulate.gather(self.keys.table, self.keys.first, slots)

    def results(self, slots: Any) -> Results:
        """The aggregates of slots."""
        return self._results(lambda i: self._kept(self.layout.columns[i], slots), self.keys.table, slots)

    def rows(self, slots: Any) -> tuple[list[Raw], Results]:
        """The key columns and the aggregates of slots; cheaper than one after the other where the table is large."""
        words = accumulate.gather_rows(self.keys.table, frozen(slots, np.int32))
        keys = [Raw(words[:, 0])] if self.layout.plain_key else self.key_columns(slots)
        places = np.arange(len(words), dtype=np.int32)
        return keys, self._results(lambda i: self._kept(self.layout.columns[i], slots), words, places)

    def results_before(self, before: Before) -> Results:
        """The aggregates that existing keys had before a fold."""
        slots = np.arange(len(before.words), dtype=np.int32)
        return self._results(before.kept.__getitem__, before.words, slots)

    def _results(self, kept: Callable[[int], Raw], table: Any, slots: Any) -> Results:
        floats, first = table.view(np.float64), self.keys.first
        columns: list[Raw] = []
        fits: Any = None
        for i, column in enumerate(self.layout.columns):
            if isinstance(column.how, Kept):
                one = kept(i)
                columns.append(Raw(one.values))
                if one.valid is not None and not one.valid.all():
                    fits = one.valid if fits is None else fits & one.valid
                continue
            words = column.how.words
            read = [READERS[a.kind](table, floats, first + place, slots) for a, place, _ in column.how.parts]
            columns.append(Raw(*words.finish(*read)))
            found = words.fits(*read) if words.fits is not None else None
            if found is not None and not found.all():
                fits = found if fits is None else fits & found
        return Results(columns, fits)

    def _kept(self, column: Column, slots: Any) -> Raw:
        assert isinstance(column.how, Kept)
        store = self.stores[column.how.place]
        if isinstance(store, UserStore):
            made = store.outcomes(slots, column.dtype)
            return Raw(made.values.alias(column.name), made.fits)
        if column.aggregate.name == "n_unique":
            series = store.distinct(slots)
        else:
            series = store.result(slots, lambda *cols: column.aggregate.polars(*cols, **column.options))
        if column.aggregate.empty is not None:
            series = series.fill_null(column.aggregate.empty)
        return Raw(series.cast(to_polars(column.dtype)).alias(column.name))

    def save(self, saver: Saver, name: str, step: int) -> None:
        """Hand all of it to a saver, between two steps.

        Args:
            saver: Takes it.
            name: What the names of its tables begin with.
            step: The number of the next step that will touch it.
        """
        for part, table in self._parts(name):
            saver.table(part, table, step)

    def load(self, loader: Loader, name: str) -> None:
        """Become what was saved under a name; only for an empty table.

        Raises:
            StateError: If it is not there, or cannot be used.
        """
        for part, table in self._parts(name):
            loader.table(part, table)
        for store in self.stores:
            store.restored()
        if self.expiry is not None:
            self.expiry.restored()

    def _parts(self, name: str) -> list[tuple[str, Arrangement]]:
        stores = [(f"{name}/values{place}", store.entries) for place, store in enumerate(self.stores)]
        return [(f"{name}/keys", self.keys), *stores]

    def expire(self, now: int, step: int) -> None:
        """Forget keys that have expired, as many as a step may: nobody is told."""
        if self.expiry is not None:
            self.expiry.begin(now, step)
            gone = self.expiry.expire(now)
            if len(gone):
                self.delete(gone, step)

    def delete(self, slots: Any, step: int) -> None:
        """Forget keys."""
        for store in self.stores:
            store.forget(slots, step)
        self.keys.delete(slots, step)


def check_counts(counts: Any) -> None:
    """No key has fewer than no rows.

    Raises:
        InvariantError: If one has: a row was taken back that never came.
    """
    if len(counts) and counts.min() < 0:
        raise InvariantError("a row was taken back that never came")
