"""Windows that are kept by key, each by itself: bounds, aggregates, what was sent, and when they are due.

An instance is a window of a key. Where results change there are two tables: what was sent, and what has come since;
so what goes back is, to the last bit, what was sent. A queue tells which instances are due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.lazy import np
from penstock.kernels.accumulate import gather
from penstock.kernels.moments import NEVER, pop, push
from penstock.state import raw
from penstock.state.aggregates import AggregateTable, Loader, Saver, check_counts
from penstock.state.layout import Layout
from penstock.state.raw import Raw

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEGIN, END, FLAGS, SENT_BEGIN, SENT_END, SINCE = range(6)
WORDS = (0,) * 6
"""What is kept of an instance besides its aggregates: bounds, flags, the bounds that were sent, rows since then."""

SENT, CLOSED, SEALED, HELD = 1, 2, 4, 8
"""A result stands; the window was over when it was last sent; nothing joins it; it was said to have no result."""


@dataclass
class Rows:
    """Rows of instances on their way out.

    Attributes:
        keys: The key columns.
        begins: Starts.
        ends: Ends.
        columns: The aggregates.
    """

    keys: list[Raw]
    begins: Any
    ends: Any
    columns: list[Raw]

    def __len__(self) -> int:
        return len(self.ends)

    def take(self, chosen: Any) -> Rows:
        """Some of them, by a mask or by index."""
        keys, columns = ([column.take(chosen) for column in part] for part in (self.keys, self.columns))
        return Rows(keys, self.begins[chosen], self.ends[chosen], columns)


@dataclass
class Sent:
    """What a sending gives.

    Attributes:
        old: Rows that go.
        new: Rows that come.
        unfit: Closed windows without a result.
    """

    old: Rows
    new: Rows
    unfit: Rows


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of several shards end to end."""
    if len(parts) == 1:
        return parts[0]
    columns = [
        [raw.concat([getattr(part, name)[i] for part in parts]) for i in range(len(getattr(parts[0], name)))]
        for name in ("keys", "columns")
    ]
    begins, ends = (np.concatenate([getattr(part, name) for part in parts]) for name in ("begins", "ends"))
    return Rows(columns[0], begins, ends, columns[1])


class Instances:
    """The instances of one shard.

    Args:
        layout: Keys, the hidden columns that tell the windows of a key apart, aggregates, and `WORDS`.
        keys: How many key columns are no hidden ones.
        seed: Seeds the index; results do not depend on it.
        resent: Whether results change, so that what was sent is kept apart from what has come since.
    """

    def __init__(self, layout: Layout, keys: int, seed: int, *, resent: bool) -> None:
        self.layout, self.key_count = layout, keys
        self.shown = AggregateTable(layout, seed)
        self.fresh = AggregateTable(layout, seed) if resent else None
        self.queued: NDArray[np.int64] = np.full(64, NEVER, np.int64)
        self.wanted: NDArray[np.int64] = np.zeros(64, np.int64)
        self._moments: NDArray[np.int64] = np.zeros(64, np.int64)
        self._slots: NDArray[np.int32] = np.zeros(64, np.int32)
        self._count = 0

    def __len__(self) -> int:
        return len(self.shown)

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        arrays = (self.queued, self.wanted, self._moments, self._slots)
        return sum(a.nbytes for a in arrays) + sum(table.nbytes for table in self._tables())

    def _tables(self) -> list[AggregateTable]:
        return [self.shown] if self.fresh is None else [self.shown, self.fresh]

    # -- words

    def word(self, name: int, slots: Any) -> NDArray[np.int64]:
        """A word of slots."""
        return gather(self.shown.keys.table, self._column(name), np.ascontiguousarray(slots, np.int32))

    def put(self, name: int, slots: Any, values: Any) -> None:
        """Set a word of slots that the step has touched, or touches."""
        self.shown.keys.table[slots, self._column(name)] = values

    def _column(self, name: int) -> int:
        return self.shown.keys.first + len(self.layout.initial) - len(WORDS) + name

    # -- rows in

    def fold(self, batch: Any, rows: Any, step: int) -> Any:
        """Fold rows in; gives for each the slot of its instance, and which of these are new."""
        if self.fresh is None:
            touched, _ = self.shown.fold(batch, rows, step)
        else:
            touched = self.shown.keys.upsert(batch.keys, rows, step)
            self.fresh.fold(batch, rows, step)
        if self.shown.keys.used > len(self.queued):
            self._grow(len(self.shown.keys.table))
        return touched

    def _grow(self, length: int) -> None:
        for name, value in (("queued", NEVER), ("wanted", 0)):
            old = getattr(self, name)
            new = np.full(length, value, np.int64)
            new[: len(old)] = old
            setattr(self, name, new)

    def absorb(self, gone: Any, into: Any, step: int) -> None:
        """Let instances become part of others; they are to be dropped then."""
        if self.fresh is None:
            self.shown.absorb(self.shown, gone, into, step)
            return
        # What was sent of the others is new to these: of them stands what was sent before.
        mine = self.fresh.keys.upsert(self.shown._keys_of(into), None, step).slots
        self.fresh.absorb(self.shown, gone, mine, step)
        theirs = self.fresh.find(self.shown, gone)
        has = theirs >= 0
        if has.any():
            self.fresh.absorb(self.fresh, theirs[has], mine[has], step)

    # -- when

    def schedule(self, slots: Any, moments: Any) -> None:
        """Let instances be due at moments."""
        slots = np.ascontiguousarray(slots, np.int32)
        moments = np.ascontiguousarray(moments, np.int64)
        self.wanted[slots] = moments
        needed = self._count + len(slots)
        if needed > len(self._moments):
            length = max(needed, 2 * len(self._moments))
            self._moments = np.concatenate([self._moments, np.zeros(length - len(self._moments), np.int64)])
            self._slots = np.concatenate([self._slots, np.zeros(length - len(self._slots), np.int32)])
        self._count = int(push(self._moments, self._slots, self._count, moments, slots, self.queued))

    @property
    def next(self) -> int | None:
        """The first moment at which an instance may be due."""
        return int(self._moments[0]) if self._count else None

    def due(self, until: int) -> Any:
        """The slots that are due."""
        if not self._count or self._moments[0] > until:
            return np.empty(0, np.int32)
        found: NDArray[np.int32] = np.empty(self._count, np.int32)
        self._count, taken = map(
            int, pop(self._moments, self._slots, self._count, until, self.wanted, self.queued, found)
        )
        return found[:taken]

    # -- rows out

    def rows(self, slots: Any, begins: Any, ends: Any, columns: list[Raw]) -> Rows:
        """Rows of instances under their keys."""
        return Rows(self.shown.key_columns(slots)[: self.key_count], begins, ends, columns)

    def closed(self, slots: Any) -> tuple[Rows, Rows]:
        """The results of instances that are sent once, and those that have none."""
        found = self.shown.results(slots)
        rows = self.rows(slots, self.word(BEGIN, slots), self.word(END, slots), found.columns)
        alive = self._alive(slots)
        fits = np.ones(len(slots), np.bool_) if found.fits is None else found.fits
        return rows.take(alive & fits), rows.take(alive & ~fits)

    def _alive(self, slots: Any) -> Any:
        """Which instances have rows."""
        counts = self.shown.counts(slots)
        check_counts(counts)
        return counts > 0

    def changed(self) -> Any:
        """All instances of which rows have come since they were sent."""
        assert self.fresh is not None
        return self.shown.find(self.fresh, self.fresh.keys.live())

    def standing(self, slots: Any) -> Rows:
        """What stands of instances: they are to be taken back."""
        sent = slots[self.word(FLAGS, slots) & SENT != 0]
        columns = self.shown.results(sent).columns
        return self.rows(sent, self.word(SENT_BEGIN, sent), self.word(SENT_END, sent), columns)

    def withdraw(self, slots: Any, step: int) -> Rows:
        """Take back what stands of instances until they are sent again."""
        rows = self.standing(slots)
        self.put(FLAGS, slots, self.word(FLAGS, slots) & ~(SENT | CLOSED))
        self.shown.keys.mark_touched(slots, step)
        return rows

    def send(self, slots: Any, step: int, over: Any) -> Sent:
        """Send instances as they are now: what has come becomes part of what was sent.

        Args:
            slots: Which.
            step: The number of the step.
            over: By slot given, whether the window is over.
        """
        assert self.fresh is not None
        flags = self.word(FLAGS, slots)
        had = flags & SENT != 0
        old = self.standing(slots)
        theirs = self.fresh.find(self.shown, slots)
        new = theirs >= 0
        if new.any():
            self.shown.absorb(self.fresh, theirs[new], slots[new], step)
            self.fresh.delete(theirs[new], step)
        found = self.shown.results(slots)
        alive = self._alive(slots)
        fits = np.ones(len(slots), np.bool_) if found.fits is None else found.fits
        begins, ends = self.word(BEGIN, slots), self.word(END, slots)
        rows = self.rows(slots, begins, ends, found.columns)
        same = had & alive & fits
        same[had] &= (old.begins == begins[had]) & (old.ends == ends[had])
        for one, other in zip(rows.columns, old.columns, strict=True):
            same[had] &= raw.equal(one.take(had), other)
        has, held = alive & fits, alive & ~fits & over
        told = flags & HELD != 0
        put = np.where(has, SENT, 0) | np.where(over, CLOSED, 0) | np.where(held | told, HELD, 0)
        self.put(FLAGS, slots, (flags & SEALED) | put)
        self.put(SENT_BEGIN, slots, begins)
        self.put(SENT_END, slots, ends)
        self.shown.keys.mark_touched(slots, step)
        return Sent(old.take(~same[had]), rows.take(has & ~same), rows.take(held & ~told))

    def news(self, slots: Any, step: int) -> tuple[Rows, Rows]:
        """What has come since the last time only, which is forgotten then; and what has no result."""
        assert self.fresh is not None
        theirs = self.fresh.find(self.shown, slots)
        slots, theirs = slots[theirs >= 0], theirs[theirs >= 0]
        found = self.fresh.results(theirs)
        rows = self.rows(slots, self.word(BEGIN, slots), self.word(END, slots), found.columns)
        fits = np.ones(len(slots), np.bool_) if found.fits is None else found.fits
        self.fresh.delete(theirs, step)
        return rows.take(fits), rows.take(~fits)

    def drop(self, slots: Any, step: int) -> None:
        """Forget instances; what has come of them since they were sent, too."""
        if self.fresh is not None:
            theirs = self.fresh.find(self.shown, slots)
            self.fresh.delete(theirs[theirs >= 0], step)
        self.queued[slots] = NEVER
        self.shown.delete(slots, step)

    # -- checkpoints

    def save(self, saver: Saver, name: str, step: int) -> None:
        """Hand all of it to a saver."""
        for part, table in zip(("shown", "fresh"), self._tables(), strict=False):
            table.save(saver, f"{name}/{part}", step)

    def load(self, loader: Loader, name: str) -> None:
        """Become what was saved; who knows when instances are due schedules them."""
        for part, table in zip(("shown", "fresh"), self._tables(), strict=False):
            table.load(loader, f"{name}/{part}")
        if self.shown.keys.used > len(self.queued):
            self._grow(len(self.shown.keys.table))

    def hand_on(self, slots: Any, other: Instances, step: int) -> None:
        """Copy instances to another shard."""
        self.shown.move(slots, other.shown, step)
        if self.fresh is not None and other.fresh is not None:
            theirs = self.fresh.find(self.shown, slots)
            self.fresh.move(theirs[theirs >= 0], other.fresh, step)
        if other.shown.keys.used > len(other.queued):
            other._grow(len(other.shown.keys.table))
