"""The heavy hitters of aggregates: for each slot some values with counters; see `penstock.kernels.heavy`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import DType, Int32, Struct, to_polars
from penstock.core.lazy import np, pl
from penstock.expr.aggregates.heavy import fields_of
from penstock.expr.function import Sketched
from penstock.kernels import heavy
from penstock.kernels.arrays import frozen
from penstock.state.arrangement import Arrangement
from penstock.state.batch import Batch
from penstock.state.keys import KeyCodec, Keys
from penstock.state.values import NONE, ValueLayout, ValueStore, _count_owners, _link, rows_that_count

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class HeavyLayout(ValueLayout):
    """What an entry is: a slot and a value.

    Attributes:
        sketched: How many counters there are (`first`), how many values are given (`second`), and the half-life.
        given: The type of the values.
    """

    sketched: Sketched
    given: DType

    @classmethod
    def sketch(cls, types: Sequence[DType], sketched: Sketched) -> HeavyLayout:
        """The layout for values of a type."""
        codec = KeyCodec(["slot", "v0"], [Int32, types[0]], [False, False])
        return cls(codec, (types[0],), False, sketched, types[0])

    def store(self, seed: int) -> ValueStore:
        """See `ValueLayout.store`."""
        return HeavyStore(self, seed)


class HeavyStore(ValueStore):
    """Counters by slot of another table.

    Args:
        layout: What an entry is.
        seed: Seeds the index; results do not depend on it.
    """

    def __init__(self, layout: HeavyLayout, seed: int = 0) -> None:
        self.layout: HeavyLayout = layout
        self.size, self.most, self.half_life = (getattr(layout.sketched.shape, n) for n in ("first", "second", "size"))
        initial = [0] * heavy.WORDS
        initial[heavy.PREVIOUS], initial[heavy.LATEST] = NONE, heavy.NEVER
        self.entries = Arrangement(layout.codec.layout, initial, seed=seed)
        self._begin()

    def add(self, slots: Any, rows: Any, names: tuple[str, ...], valid: Any, batch: Batch, step: int) -> None:
        """Count the values of rows; see `ValueStore.add`."""
        chosen, slots = rows_that_count(slots, rows, valid, batch.length)
        if not len(chosen):
            return
        encoded = batch.encoded(names[:1], self.layout.types)
        if encoded is not None:
            keys = self.layout.keys_of(slots, None, encoded, chosen)
        else:
            keys = self._keys(slots, None, [batch.series[names[0]].gather(pl.Series(chosen))])
        entries = self._entries_for(slots, keys, step)
        times: NDArray[np.int64] = np.zeros(len(chosen), np.int64)
        exponents, shares = times, np.ones(len(chosen), np.float64)
        if self.half_life:
            moments = batch.series[names[1]].gather(pl.Series(chosen))
            times = moments.dt.epoch("us").to_numpy().astype(np.int64)
            exponents = times // self.half_life
            shares = np.power(2.0, (times - exponents * self.half_life) / self.half_life)
        positions = batch.positions(chosen).astype(np.int64)
        order = np.lexsort((positions, slots))
        owners, starts = np.unique(slots[order], return_index=True)
        table, first = self.entries.table, self.entries.first
        heavy.count_values(
            table, self.entries.floats, first, self._heads, frozen(owners, np.int32),
            frozen(np.append(starts, len(order)), np.int64), frozen(order, np.int64), frozen(entries, np.int32),
            frozen(shares), frozen(exponents, np.int64), frozen(times, np.int64), frozen(positions), self.size,
            np.empty(self.size, np.int64), np.empty(self.size), np.empty(self.size),
        )  # fmt: skip
        self._settle(owners, step)

    def _entries_for(self, slots: Any, keys: Keys, step: int) -> Any:
        slots = frozen(slots, np.int32)
        touched = self.entries.upsert(keys, None, step)
        new = touched.touched[touched.is_new]
        self._grow(int(slots.max()) + 1)
        owners = frozen(slots[touched.first_row[touched.is_new]], np.int32)
        _link(self._heads, self.entries.table, self.entries.first + heavy.PREVIOUS, new, owners)
        _count_owners(self._sizes, owners, 1)
        return touched.slots

    def _settle(self, owners: Any, step: int) -> None:
        """Forget the values of slots that have no counter; of the others a checkpoint must know."""
        owners = frozen(owners, np.int32)
        _, entries = self._entries_of(owners)
        active = self.entries.table[entries, self.entries.first + heavy.ACTIVE] == 1
        self.entries.mark_touched(frozen(entries[active], np.int32), step)
        if not active.all():
            self._drop(owners, step)

    def result(self, slots: Any, aggregate: Callable[..., pl.Expr]) -> pl.Series:
        """The heaviest values of each slot, with weight and error; null for one without values."""
        owners, entries = self._entries_of(slots)
        rows, heap = self.entries.key_rows(entries)
        table, first = self.entries.table[entries], self.entries.first
        weights = table.view(np.float64)[:, first + heavy.WEIGHT]
        errors = table.view(np.float64)[:, first + heavy.ERROR]
        if self.half_life:
            # Weights are of the instant of the exponent: up to a half-life before the latest row.
            behind = table[:, first + heavy.LATEST] - table[:, first + heavy.EXPONENT] * self.half_life
            scale = np.power(2.0, -behind / self.half_life)
            weights, errors = weights * scale, errors * scale
        kind = fields_of(self.layout.given, decayed=bool(self.half_life))
        item, weight, error = (name for name, _ in kind.fields)
        frame = pl.DataFrame({"owner": owners, weight: weights, error: errors}).with_columns(
            self.layout.codec.decode(rows, heap)[1].alias(item)
        )
        made = (
            frame.sort("owner", weight, item, descending=[False, True, False])
            .group_by("owner", maintain_order=True)
            .head(self.most)
            .select("owner", row=pl.struct(item, weight, error).cast(to_polars(Struct(kind.fields))))
            .group_by("owner", maintain_order=True)
            .agg(result="row")
        )
        every = pl.DataFrame({"owner": np.arange(len(slots), dtype=np.int64)})
        return every.join(made, on="owner", how="left", maintain_order="left").get_column("result")

    def merge(self, other: ValueStore, theirs: Any, mine: Any, step: int) -> None:
        """Join the counters of slots of another store to those of slots of this one, pair by pair."""
        owners, found = other._entries_of(theirs)
        if not len(found):
            return
        rows, heap = other.entries.key_rows(found)
        _, values = other.layout.codec.decode(rows, heap)
        given = other.entries.table[found][:, other.entries.first :]
        slots = np.asarray(mine)[owners]
        entries = self._entries_for(slots, self._keys(slots, None, [values]), step)
        places, starts = np.unique(owners, return_index=True)
        given = np.ascontiguousarray(given)
        heavy.join_counters(
            self.entries.table, self.entries.floats, self.entries.first, self._heads,
            frozen(np.asarray(mine)[places], np.int32), frozen(np.append(starts, len(owners)), np.int64),
            frozen(entries, np.int32), frozen(given), frozen(given.view(np.float64)), self.size,
        )  # fmt: skip
        self._settle(np.unique(slots), step)
