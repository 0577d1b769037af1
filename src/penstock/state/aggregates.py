"""Aggregates of many keys: accumulators in the words of an arrangement, or values beside it.

A table (`AggregateTable`) holds the aggregates of the keys of one shard, or of one pane of one shard.
Aggregates with fixed accumulators are folded by kernels into the words of each key's slot; the others
keep their values (see `state/values.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import DType, to_polars
from penstock.core.errors import InvariantError, JobError
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.ast import Aggregation, Term
from penstock.expr.function import Aggregate, RowFault, Words
from penstock.expr.infer import infer_aggregation
from penstock.kernels import accumulate, accumulate_floats
from penstock.kernels.arrays import frozen
from penstock.kernels.inverse import unmerge_count, unmerge_sum
from penstock.kernels.scatter import shards_of
from penstock.state.arrangement import Arrangement, Touched
from penstock.state.keys import KeyCodec, Keys
from penstock.state.raw import Raw
from penstock.state.values import ValueLayout, ValueStore
from penstock.state.words import ACCUMULATORS, FLOAT, Accumulator

if TYPE_CHECKING:
    from numpy.typing import NDArray

# -- reading accumulators ------------------------------------------------------


def _read_count(table: Any, floats: Any, column: int, slots: Any) -> Any:
    return accumulate.gather(table, column, slots)


def _read_sum(table: Any, floats: Any, column: int, slots: Any) -> Any:
    sums, fits = np.empty(len(slots), np.int64), np.empty(len(slots), np.bool_)
    total = np.empty(len(slots), np.float64)
    accumulate.read_sum(table, column, slots, sums, fits)
    accumulate.read_sum_as_float(table, column, slots, total)
    return sums, fits, total


def _read_float_sum(table: Any, floats: Any, column: int, slots: Any) -> Any:
    sums, counts = np.empty(len(slots), np.float64), np.empty(len(slots), np.int64)
    accumulate_floats.read_float_sum(table, floats, column, slots, sums, counts)
    return sums, counts


def _read_float(table: Any, floats: Any, column: int, slots: Any) -> Any:
    return accumulate.gather_floats(floats, column, slots)


def _read_variance(table: Any, floats: Any, column: int, slots: Any) -> Any:
    return (
        accumulate.gather(table, column, slots),
        accumulate.gather_floats(floats, column + 1, slots),
        accumulate.gather_floats(floats, column + 2, slots),
        accumulate.gather(table, column + 3, slots),
    )


def _read_kept(table: Any, floats: Any, column: int, slots: Any) -> Any:
    return accumulate.gather(table, column + 1, slots), accumulate.gather(table, column, slots) == 1


READERS: dict[str, Callable[..., Any]] = {
    "count": _read_count,
    "sum": _read_sum,
    "float_sum": _read_float_sum,
    "min": _read_count,
    "max": _read_count,
    "float_min": _read_float,
    "float_max": _read_float,
    "variance": _read_variance,
    "first": _read_kept,
    "last": _read_kept,
}
"""How the words of each kind of accumulator are read; what each gives is said at `Words`."""


INVERSES: dict[str, Callable[..., Any]] = {"count": unmerge_count, "sum": unmerge_sum}
"""The kinds of accumulators that can be taken apart again exactly, and how."""


# -- layout --------------------------------------------------------------------


@dataclass(frozen=True)
class Folded:
    """An aggregate kept in fixed words.

    Attributes:
        words: Its accumulators.
        parts: For each, the accumulator, its first word, and the argument it folds.
    """

    words: Words
    parts: tuple[tuple[Accumulator, int, int | None], ...]


@dataclass(frozen=True)
class Kept:
    """An aggregate that keeps its values.

    Attributes:
        place: Which value store.
    """

    place: int


@dataclass(frozen=True)
class Column:
    """One aggregate of a node.

    Attributes:
        name: The column it makes.
        dtype: Its type.
        aggregate: The declaration.
        options: Its constant options.
        args: Its arguments, as names of columns of the projected input.
        where: Its condition, likewise, or None.
        how: How its state is kept.
        text: The term, for messages.
    """

    name: str
    dtype: DType
    aggregate: Aggregate
    options: dict[str, Any]
    args: tuple[str, ...]
    where: str | None
    how: Folded | Kept
    text: str


@dataclass(frozen=True)
class Layout:
    """How the aggregates of a node are kept.

    Attributes:
        codec: Turns key columns into keys and back.
        columns: The aggregates.
        initial: The words of a new slot.
        counted: Whether word 0 counts the rows of the key.
        values: The layouts of value stores.
        projection: The terms that must be computed for each row, by name.
    """

    codec: KeyCodec
    columns: tuple[Column, ...]
    initial: tuple[int, ...]
    counted: bool
    values: tuple[ValueLayout, ...]
    projection: tuple[tuple[str, Term], ...]

    @property
    def plain_key(self) -> bool:
        """Whether the key is one word whose order as a whole number is the order of its values."""
        return self.codec.is_plain

    @property
    def invertible(self) -> bool:
        """Whether what was merged can be taken back exactly."""
        return all(
            isinstance(column.how, Folded) and all(a.kind in INVERSES for a, _, _ in column.how.parts)
            for column in self.columns
        )


def layout_of(
    schema: Schema,
    keys: Sequence[str],
    aggregates: Sequence[tuple[str, Term]],
    *,
    updating: bool,
    counted: bool = False,
    nullable: bool = True,
) -> Layout:
    """The layout for aggregates by keys over rows of a schema.

    Args:
        schema: The rows.
        keys: The key columns.
        aggregates: The aggregates by name.
        updating: Whether rows can be taken back.
        counted: Whether the rows of each key are counted in any case (they are if `updating`).
        nullable: Whether keys that are declared nullable may be null. Without, they take a word less.
    """
    codec = KeyCodec(keys, [schema[k].dtype for k in keys], [nullable and schema[k].nullable for k in keys])
    counted = counted or updating
    projection: dict[Term, str] = {}
    initial: list[int] = [0] if counted else []
    values: list[ValueLayout] = []
    columns = []
    for name, term in aggregates:
        assert isinstance(term, Aggregation)
        typed, where = infer_aggregation(term, schema)
        declared, options = AGGREGATES[term.aggregate], dict(term.options)
        types = [arg.dtype for arg in typed.args]
        args = tuple(projection.setdefault(arg.term, f"a{len(projection)}") for arg in typed.args)
        condition = projection.setdefault(where.term, f"a{len(projection)}") if where is not None else None
        words = declared.words(types, options) if not updating or declared.retraction == "invertible" else None
        how: Folded | Kept
        if words is not None:
            how = _folded(words, initial)
        else:
            how = Kept(len(values))
            values.append(ValueLayout.of(types, ordered=declared.order_sensitive))
        columns.append(Column(name, typed.dtype, declared, options, args, condition, how, str(term)))
    terms = tuple((name, term) for term, name in projection.items())
    return Layout(codec, tuple(columns), tuple(initial), counted, tuple(values), terms)


def _folded(words: Words, initial: list[int]) -> Folded:
    parts = []
    for kind, argument in words.kinds:
        accumulator = ACCUMULATORS[kind]
        parts.append((accumulator, len(initial), argument))
        initial += accumulator.initial
    return Folded(words, tuple(parts))


# -- rows to fold --------------------------------------------------------------


@dataclass
class Batch:
    """The rows of a delta, ready to be folded.

    Attributes:
        keys: Their keys.
        series: The projected columns, by name.
        length: How many rows.
        signs: +1 or -1 per row, or None if all come.
        sequences: The journal's order of the rows; asked for only by ordered value stores.
    """

    keys: Keys
    series: dict[str, pl.Series]
    length: int
    signs: NDArray[np.int8] | None
    sequences: Callable[[], NDArray[np.int64]]

    def __post_init__(self) -> None:
        self._arrays: dict[tuple[str, bool], Any] = {}
        self._valid: dict[tuple[str, ...], Any] = {}

    def array(self, name: str, *, floats: bool) -> Any:
        """A column as int64 words or as floats; nulls hold anything."""
        key = (name, floats)
        if key not in self._arrays:
            self._arrays[key] = physical(self.series[name], floats=floats)
        return self._arrays[key]

    def valid(self, names: tuple[str, ...], where: str | None) -> Any:
        """By row, whether no argument is null and the condition is true; None if that holds for all."""
        key = (*names, f"?{where}")
        if key not in self._valid:
            mask: pl.Series | None = None
            for name in names:
                series = self.series[name]
                if series.null_count():
                    mask = series.is_not_null() if mask is None else mask & series.is_not_null()
            if where is not None:
                condition = self.series[where].fill_null(value=False)
                mask = condition if mask is None else mask & condition
            self._valid[key] = None if mask is None else mask.to_numpy()
        return self._valid[key]


def physical(series: pl.Series, *, floats: bool) -> Any:
    """The values of a column as int64 words or as float64; nulls hold anything."""
    if floats:
        values = series if series.dtype == pl.Float64 else series.cast(pl.Float64)
        return values.fill_null(0.0).to_numpy() if values.null_count() else values.to_numpy()
    values = series if series.dtype == pl.Int64 else series.cast(pl.Int64)
    return values.fill_null(0).to_numpy() if values.null_count() else values.to_numpy()


# -- tables --------------------------------------------------------------------


@dataclass
class Before:
    """What the touched keys were before a fold: their words, and the results of value stores."""

    existing: NDArray[np.bool_]
    words: NDArray[np.int64]
    kept: dict[int, Raw]


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
        self.stores = [ValueStore(values, seed) for values in layout.values]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return self.keys.nbytes + sum(store.nbytes for store in self.stores)

    def fold(self, batch: Batch, rows: Any, step: int, *, before: bool = False) -> tuple[Touched, Before | None]:
        """Fold rows in; with `before`, also say what the touched keys were."""
        touched = self.keys.upsert(batch.keys, rows, step)
        old = self._before(touched) if before else None
        first = self.keys.first
        if self.layout.counted:
            ACCUMULATORS["count"].add(self.keys, first, touched.slots, rows=rows, signs=batch.signs)
        for column in self.layout.columns:
            valid = batch.valid(column.args, column.where)
            if isinstance(column.how, Kept):
                series = [batch.series[name] for name in column.args]
                self.stores[column.how.place].add(touched.slots, rows, series, valid, batch, step)
                continue
            for accumulator, place, argument in column.how.parts:
                values = None
                if argument is not None:
                    values = batch.array(column.args[argument], floats=accumulator.takes == FLOAT)
                accumulator.add(
                    self.keys, first + place, touched.slots, values, rows=rows, valid=valid, signs=batch.signs
                )
        return touched, old

    def _before(self, touched: Touched) -> Before:
        existing = ~touched.is_new
        slots = touched.touched if existing.all() else touched.touched[existing]
        words = np.take(self.keys.table, slots, axis=0)
        kept = {
            i: self._kept(column, slots)
            for i, column in enumerate(self.layout.columns)
            if isinstance(column.how, Kept)
        }
        return Before(existing, words, kept)

    def merge(self, other: AggregateTable, step: int) -> None:
        """Add all keys of another table, whose rows come after those of this one."""
        theirs = other.keys.live()
        if not len(theirs):
            return
        self._take_over(other, theirs, other._keys_of(theirs), None, step)

    def unmerge(self, other: AggregateTable, step: int) -> Any:
        """Take back all that was merged from another table; gives the slots of keys without rows, now deleted.

        Only for layouts that are `invertible`.
        """
        theirs = other.keys.live()
        keys = other._keys_of(theirs)
        mine = self.keys.find(keys)
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

    def results(self, slots: Any) -> list[Raw]:
        """The aggregates of slots."""
        return [
            self._kept(column, slots)
            if isinstance(column.how, Kept)
            else self._read(column, self.keys.table, slots)
            for column in self.layout.columns
        ]

    def results_before(self, before: Before) -> list[Raw]:
        """The aggregates that existing keys had before a fold."""
        slots = np.arange(len(before.words), dtype=np.int32)
        return [
            before.kept[i] if isinstance(column.how, Kept) else self._read(column, before.words, slots)
            for i, column in enumerate(self.layout.columns)
        ]

    def _read(self, column: Column, table: Any, slots: Any) -> Raw:
        assert isinstance(column.how, Folded)
        floats, first = table.view(np.float64), self.keys.first
        read = [READERS[a.kind](table, floats, first + place, slots) for a, place, _ in column.how.parts]
        try:
            return Raw(*column.how.words.finish(*read))
        except RowFault as fault:
            raise JobError(
                f"{column.text} has no value: {fault}", hint="cast to Float64 or Decimal before aggregating"
            ) from None

    def _kept(self, column: Column, slots: Any) -> Raw:
        assert isinstance(column.how, Kept)
        store = self.stores[column.how.place]
        series = store.result(slots, lambda *cols: column.aggregate.polars(*cols, **column.options))
        if column.aggregate.empty is not None:
            series = series.fill_null(column.aggregate.empty)
        return Raw(series.cast(to_polars(column.dtype)).alias(column.name))

    def spread(self, tables: Sequence[AggregateTable], step: int) -> None:
        """Move all keys to tables of another layout of the keys, by shard."""
        slots = self.keys.live()
        if not len(slots):
            return
        rows, heap = self.keys.key_rows(slots)
        keys = tables[0].layout.codec.encode(self.layout.codec.decode(rows, heap), len(slots))
        shard_of = shards_of(keys.words, len(tables))
        for shard, table in enumerate(tables):
            mine = np.flatnonzero(shard_of == shard).astype(np.int32)
            if len(mine):
                table._take_over(self, slots[mine], keys, mine, step)

    def _take_over(self, other: AggregateTable, theirs: Any, keys: Keys, rows: Any, step: int) -> None:
        mine = self.keys.upsert(keys, rows, step).slots
        first, their_first = self.keys.first, other.keys.first
        if self.layout.counted:
            ACCUMULATORS["count"].merge(self.keys, first, mine, other.keys, their_first, theirs)
        for column in self.layout.columns:
            if isinstance(column.how, Kept):
                continue
            for accumulator, place, _ in column.how.parts:
                accumulator.merge(self.keys, first + place, mine, other.keys, their_first + place, theirs)
        for store, theirs_store in zip(self.stores, other.stores, strict=True):
            store.merge(theirs_store, theirs, mine, step)

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
