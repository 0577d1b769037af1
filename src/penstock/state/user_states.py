"""The states of aggregates that users wrote: one text per slot, which is what a checkpoint takes.

A step makes objects of the texts of the slots that it touches, calls them row by row, and keeps what they have
become. What user code does to an object that fails is not kept; see `penstock.expr.user_aggregates`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.core.dtypes import DType, Int32, Int64, String, to_polars
from penstock.core.lazy import np, pl
from penstock.expr.function import RowFault
from penstock.expr.user_aggregates import Accumulators, Broken
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec
from penstock.state.values import COUNT, NONE, PREVIOUS, ValueLayout, ValueStore

if TYPE_CHECKING:
    from penstock.state.batch import Batch


@dataclass(frozen=True)
class UserLayout(ValueLayout):
    """What an entry is: the slot, how many rows were added, and the state.

    Attributes:
        user: The calls of the class.
    """

    user: Accumulators

    @classmethod
    def of_class(cls, types: Sequence[DType], user: Accumulators) -> UserLayout:
        """The layout for the states of a class over values of some types."""
        codec = KeyCodec(["slot", "rows", "state"], [Int32, Int64, String], [False] * 3)
        return cls(codec, tuple(types), False, user)

    def store(self, seed: int) -> ValueStore:
        """See `ValueLayout.store`."""
        return UserStore(self, seed)


class Outcomes(NamedTuple):
    """The values of some slots.

    Attributes:
        values: The values; null where there is none.
        fits: By slot, whether there is one.
    """

    values: pl.Series
    fits: Any


class Unfit(NamedTuple):
    """When slots had no value.

    Attributes:
        before: By distinct slot, in order, whether it had none before the rows.
        after: By place, whether its slot had none after the row.
    """

    before: Any
    after: Any


class State(NamedTuple):
    """The state of a slot while a step changes it.

    Attributes:
        rows: How many rows were added and not taken back.
        object: An object of the user's class.
    """

    rows: int
    object: Any


class UserStore(ValueStore):
    """States by slot of another table.

    Args:
        layout: What an entry is.
        seed: Seeds the index; results do not depend on it.
    """

    def __init__(self, layout: UserLayout, seed: int = 0) -> None:
        self.layout: UserLayout = layout
        self.user = layout.user
        self.entries = Arrangement(layout.codec.layout, [1, NONE], seed=seed)
        self._begin()

    def add(self, slots: Any, rows: Any, names: tuple[str, ...], valid: Any, batch: Batch, step: int) -> None:
        """Add (or take back) rows; see `ValueStore.add`."""
        states = self._states(np.unique(slots))
        for slot, change, arguments in self._changes(slots, rows, names, valid, batch):
            if change:
                states[slot] = self._changed(states[slot], change, arguments)
        self._keep(states, step)

    def fold(self, slots: Any, rows: Any, names: tuple[str, ...], valid: Any, batch: Batch, step: int) -> Unfit:
        """As `add`; gives when slots had no value. It asks for the value after each row."""
        states = self._states(np.unique(slots))
        bad = {slot: not self._fits(state) for slot, state in states.items()}
        before, after = np.array(list(bad.values()), np.bool_), np.zeros(len(slots), np.bool_)
        changes = self._changes(slots, rows, names, valid, batch)
        for place, (slot, change, arguments) in enumerate(changes):
            if change:
                states[slot] = self._changed(states[slot], change, arguments)
                bad[slot] = not self._fits(states[slot])
            after[place] = bad[slot]
        self._keep(states, step)
        return Unfit(before, after)

    def _changes(
        self, slots: Any, rows: Any, names: Sequence[str], valid: Any, batch: Batch
    ) -> Iterator[tuple[int, int, list[Any]]]:
        """By place: the slot, +1, -1 or 0 for a row that does not count, and the arguments."""
        chosen = np.arange(batch.length, dtype=np.int32) if rows is None else rows
        index = pl.Series(chosen)
        columns = [batch.series[name].gather(index).to_list() for name in names]
        counts = [True] * len(chosen) if valid is None else valid[chosen].tolist()
        signs = [1] * len(chosen) if batch.signs is None else batch.signs[chosen].tolist()
        for place, slot in enumerate(slots.tolist()):
            yield slot, signs[place] if counts[place] else 0, [column[place] for column in columns]

    def _changed(self, state: State, sign: int, arguments: list[Any]) -> State:
        count = state.rows + sign
        if count == 0:
            # Nothing is left of any row: what rounding, or a failure, has left goes too.
            return State(0, self.user.start())
        return State(count, self.user.changed(state.object, "add" if sign > 0 else "retract", *arguments))

    def _fits(self, state: State) -> bool:
        try:
            self.user.result(state.object)
        except RowFault:
            return False
        return True

    def _states(self, slots: Any) -> dict[int, State]:
        """The states of distinct slots as objects."""
        slots = np.asarray(slots)
        if len(slots):
            self._grow(int(slots.max()) + 1)
        heads = self._heads[slots]
        known = heads[heads >= 0]
        keys, heap = self.entries.key_rows(known)
        _, counts, texts = (one.to_list() for one in self.layout.codec.decode(keys, heap))
        stored = iter(zip(counts, texts, strict=True))
        made = {}
        for slot, head in zip(slots.tolist(), heads.tolist(), strict=True):
            if head < 0:
                made[slot] = State(0, self.user.start())
            else:
                count, text = next(stored)
                made[slot] = State(count, self.user.of_text(text))
        return made

    def _keep(self, states: dict[int, State], step: int) -> None:
        """Write down what states have become; a slot without rows has none."""
        gone = np.array([slot for slot, state in states.items() if state.rows == 0], np.int32)
        kept = {slot: (state.rows, self._text(state)) for slot, state in states.items() if state.rows}
        self.forget(gone, step)
        if not kept:
            return
        slots = np.array(list(kept), np.int32)
        columns = [
            pl.Series("slot", slots, dtype=pl.Int32),
            pl.Series("rows", [count for count, _ in kept.values()], dtype=pl.Int64),
            pl.Series("state", [text for _, text in kept.values()], dtype=pl.String),
        ]
        entries = self.entries.upsert(self.layout.codec.encode(columns), None, step).slots.astype(np.int64)
        old = self._heads[slots]
        replaced = (old >= 0) & (old != entries)
        self.entries.delete(old[replaced].astype(np.int32), step)
        self._heads[slots] = entries

    def _text(self, state: State) -> str:
        try:
            return self.user.text(state.object)
        except (TypeError, ValueError) as refused:
            return self.user.text(Broken(f"{self.user.name}: {refused}"))

    def outcomes(self, slots: Any, dtype: DType) -> Outcomes:
        """The values of slots; one without rows has that of an empty state."""
        states = self._states(np.unique(slots))
        made: dict[int, tuple[Any, bool]] = {}
        for slot, state in states.items():
            try:
                made[slot] = (self.user.result(state.object), True)
            except RowFault:
                made[slot] = (None, False)
        found = [made[slot] for slot in slots.tolist()]
        values = pl.Series("result", [value for value, _ in found], dtype=to_polars(dtype))
        return Outcomes(values, np.array([fits for _, fits in found], np.bool_))

    def result(self, slots: Any, aggregate: Callable[..., pl.Expr]) -> pl.Series:
        """See `outcomes`."""
        return self.outcomes(slots, self.user.declared.gives).values

    def merge(self, other: ValueStore, theirs: Any, mine: Any, step: int) -> None:
        """Add the states of slots of another store, or of this one, to slots of this one, pair by pair."""
        assert isinstance(other, UserStore)
        added, states = other._states(np.unique(theirs)), self._states(np.unique(mine))
        for their, my in zip(theirs.tolist(), mine.tolist(), strict=True):
            one, two = states[my], added[their]
            if not one.rows or not two.rows:
                states[my] = one if one.rows else two
                continue
            states[my] = State(one.rows + two.rows, self.user.merged(one.object, two.object))
        self._keep(states, step)

    def forget(self, slots: Any, step: int) -> None:
        """Drop the states of slots."""
        if not len(slots):
            return
        self._grow(int(slots.max()) + 1)
        heads = self._heads[slots]
        self.entries.delete(heads[heads >= 0].astype(np.int32), step)
        self._heads[slots] = NONE


assert (COUNT, PREVIOUS) == (0, 1), "the words of an entry are those of a value store"
