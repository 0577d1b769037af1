"""Rows by key: what joins, top-n, sorting, frames and windows of rows keep.

A store is two arrangements: one of the keys, one of the rows. A row is (slot of its key, its columns) with a count, so
that equal rows of a key are one entry and a -1 finds exactly the row that it takes back. In an *ordered* store a row
has a place besides, a number that the operator gives it, and each is an entry of its own. The rows of a key form a
chain in the order in which they first came, linked in the words of the rows themselves: what a step costs,
and what a checkpoint takes, is what it touched.

How it is used, in a step numbered `step` (numbers never go back, and a number is not used again after `drop`)::

    put = store.put(keys, columns, step, signs=signs)   # add and take back; rows that have gone stay with a count of 0
    for probes, rows in store.probe(other_keys):        # pairs (row of the probe, stored row), in bounded batches
        store.columns(rows)                             # as series
    store.drop(put.emptied(), step)                     # forget rows
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.errors import InvariantError, StateError
from penstock.core.lazy import np, pl
from penstock.kernels import chains
from penstock.kernels.arrays import frozen
from penstock.kernels.chains import check_chains, link_rows, unlink_rows, walk_chains
from penstock.kernels.row_slots import take_words, walk_earlier
from penstock.state.aggregates import Loader, Saver
from penstock.state.arrangement import Arrangement
from penstock.state.deadlines import Deadlines
from penstock.state.keys import Keys
from penstock.state.row_layout import BASE_WORDS, TIME, RowLayout
from penstock.state.row_parts import Put, gathered, some_of
from penstock.state.slots import Slots, distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONE = -1
MOST_PAIRS = 1 << 16
"""How many pairs a batch of `RowStore.probe` has at most, unless told otherwise."""


class RowStore:
    """The rows of one shard (or of one window of it), by key.

    Args:
        layout: What is kept.
        seed: Seeds the indices; results do not depend on it.

    Attributes:
        keys: The table of keys. Its words: `chains.NEWEST`, `OLDEST`, `ROWS`, then those of `layout.key_words`.
        rows: The table of rows. Its words: `chains.COUNT`, `OLDER`, `NEWER`, `TIME` if timed, those of `layout.words`.
    """

    def __init__(self, layout: RowLayout, seed: int = 0) -> None:
        self.layout = layout
        self.seed = seed
        self.keys = Arrangement(layout.keys.layout, [NONE, NONE, 0, *layout.key_words], seed=seed)
        # Of an ordered store each row is an entry of its own: it needs no hash, and is there once.
        kind, count = (Slots, 1) if layout.ordered else (Arrangement, 0)
        initial = [count, NONE, NONE, *([0] * layout.timed), *layout.words]
        self.rows: Arrangement = kind(layout.rows.layout, initial, seed=seed)
        self.deadlines = Deadlines()

    def __len__(self) -> int:
        """How many entries there are: equal rows of a key count once."""
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return self.keys.nbytes + self.rows.nbytes + self.deadlines.nbytes

    # -- rows in

    def put(
        self,
        keys: Keys,
        columns: Sequence[pl.Series],
        step: int,
        *,
        chosen: Any = None,
        signs: Any = None,
        places: Any = None,
        times: Any = None,
    ) -> Put:
        """Add rows, and take rows back; all in one pass, whatever their number.

        A row whose count comes to zero stays, unseen by `probe`, until it is given to `drop`: who must send what it
        was can still read it.

        Args:
            keys: The keys of a delta.
            columns: The columns of `layout.names` of the delta.
            step: The number of the step.
            chosen: Which rows of the delta (int32), in which order; all if not given.
            signs: By row of the delta, +1 or -1 (or any count); all +1 if not given, and in an ordered store.
            places: By row of the delta, its place: for an ordered store, in which rows are put in order of place.
            times: By row of the delta, its instant: for a timed store. Equal rows have equal instants.

        Raises:
            InvariantError: If a row goes more often than it came; the store is then broken.
        """
        if isinstance(self.rows, Slots):
            return self._append(self.rows, keys, columns, step, chosen, places, times)
        owners = self.keys.upsert(keys, chosen, step).slots
        given = columns if chosen is None else gathered(columns, chosen)
        touched = self.rows.upsert(self.layout.rows.encode([owners, *given], len(owners)), None, step)
        new, first_row = touched.touched[touched.is_new], touched.first_row[touched.is_new]
        counts = self.word(chains.COUNT)
        before = counts[touched.slots]
        np.add.at(counts, touched.slots, 1 if signs is None else some_of(signs, chosen).astype(np.int64))
        if self.layout.timed and len(new):
            moments = some_of(times, chosen)[first_row]
            self.word(TIME)[new] = moments
            self.deadlines.put(moments, new)
        self._link(new, step)
        after = counts[touched.slots]
        if len(after) and int(after.min()) < 0:
            raise InvariantError("a row was taken back that never came")
        return Put(touched.slots, owners, after, before, new, first_row)

    def _append(
        self, rows: Slots, keys: Keys, columns: Sequence[pl.Series], step: int, chosen: Any, places: Any, times: Any
    ) -> Put:
        owners = self.keys.upsert(keys, chosen, step).slots
        given = columns if chosen is None else gathered(columns, chosen)
        numbers = np.asarray(some_of(places, chosen), np.int64)
        slots = rows.append(self.layout.rows.encode([owners, numbers, *given], len(owners)), step)
        moments = numbers
        if self.layout.timed:
            moments = np.asarray(some_of(times, chosen), np.int64)
            self.word(TIME)[slots] = moments
            self.deadlines.put(moments, slots)
        if self.layout.by_time:
            order = np.argsort(moments, kind="stable")
            rows.chain(np.ascontiguousarray(slots[order]), self.keys, step, TIME, BASE_WORDS)
        else:
            rows.chain(slots, self.keys, step)
        before, every = np.zeros(len(slots), np.int64), np.arange(len(slots), dtype=np.int32)
        return Put(slots, owners, before + 1, before, slots, every)

    def _link(self, new: Any, step: int) -> None:
        if not len(new):
            return
        changed = np.empty(len(new), np.int32)
        count = link_rows(
            self.keys.table, self.keys.first, self.rows.table, self.rows.first, frozen(new, np.int32), changed
        )
        self.rows.mark_touched(changed[:count], step)

    def drop(self, slots: Any, step: int) -> None:
        """Forget rows, whatever their counts, and keys that have none left.

        Args:
            slots: Live rows, each once.
            step: The number of the step.
        """
        slots = frozen(slots, np.int32)
        if not len(slots):
            return
        if isinstance(self.rows, Slots):
            self.rows.release(slots, self.keys, step)
        else:
            owners = distinct(self.owners(slots))
            changed = np.empty(2 * len(slots), np.int32)
            count = unlink_rows(self.keys.table, self.keys.first, self.rows.table, self.rows.first, slots, changed)
            self.rows.delete(slots, step)
            beside = changed[:count]
            self.rows.mark_touched(beside[self.rows.marks[beside] >= 0], step)
            empty = self.key_word(chains.ROWS)[owners] == 0
            self.keys.mark_touched(owners[~empty], step)
            self.keys.delete(owners[empty], step)
        if len(self.deadlines) > 2 * len(self.rows) + 1024:
            self._find_deadlines()

    def expired(self, until: int) -> NDArray[np.int32]:
        """The rows of a timed store whose instant is before `until`, each once, in order of (instant, place).

        Without places, rows of one instant are in no order. They are still there: read them, then `drop` them. They
        are not given again, so drop all of them, or give those that stay a later instant by `postpone`.
        """
        times, slots = self.deadlines.take(until)
        if not len(slots):
            return slots
        live = (self.rows.marks[slots] >= 0) & (self.moments(slots) == times)
        if not live.all():
            times, slots = times[live], slots[live]
        order = np.lexsort((self.places(slots) if self.layout.ordered else slots, times))
        found = slots[order]
        # A slot that was given out again may be there twice, with one instant.
        fresh = np.append(True, found[1:] != found[:-1])[: len(found)]
        return np.ascontiguousarray(found if fresh.all() else found[fresh])

    def postpone(self, slots: Any, times: Any, step: int) -> None:
        """Give rows of a timed store other instants."""
        slots = frozen(slots, np.int32)
        self.word(TIME)[slots] = times
        self.rows.mark_touched(slots, step)
        self.deadlines.put(np.asarray(times, np.int64), slots)

    # -- rows out

    def find(self, keys: Keys, chosen: Any = None) -> NDArray[np.int32]:
        """The slots of keys, -1 where there is none. Touches nothing."""
        return self.keys.find(keys, chosen)

    def probe(self, slots: Any, most: int = MOST_PAIRS) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """All stored rows of some keys: pairs (place in `slots`, slot of the row), in batches.

        Pairs come in the order of `slots`, and for each key in the order in which its rows first came. A key with
        more rows than a batch is cut: no batch is longer than `most`. What it costs is the number of pairs.

        Args:
            slots: Slots of keys (`find`), -1 for none; a key may be there many times.
            most: How many pairs a batch has at most: the byte budget of a delta, divided by the width of a pair.

        Yields:
            Batches. Until the last one is taken, rows must be neither put nor dropped; their own words may change.
        """
        slots = frozen(slots, np.int32)
        state = np.array([0, NONE], np.int64)
        if len(slots):
            # Bounded by what there is: a step of one row does not ask for a batch of the greatest size.
            most = int(min(max(1, most), self.measure(slots).sum()))
        while most and state[chains.PROBE] < len(slots):
            probes, entries = np.empty(most, np.int32), np.empty(most, np.int32)
            made = walk_chains(
                self.keys.table, self.keys.first, self.rows.table, self.rows.first, slots, state, probes, entries
            )
            if made:
                yield probes[:made], entries[:made]

    def measure(self, slots: Any) -> NDArray[np.int64]:
        """How many entries each of some keys has (those of count zero included); 0 for slot -1."""
        return self._words(self.keys, slots, self.keys.first + chains.ROWS)

    def earlier(
        self, slots: Any, places: Any, most: int, bounds: tuple[Any, Any] | None = None
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """As `probe`, of an ordered store: pairs with rows whose place is smaller than that of the probe.

        Args:
            slots: Slots of keys, -1 for none.
            places: By probe, its place.
            most: How many pairs a batch has at most.
            bounds: By probe, the first and the last instant (word `TIME`) of the rows wanted; all if not given.
        """
        slots, places = frozen(slots, np.int32), frozen(places, np.int64)
        lows, highs = (places, places) if bounds is None else (frozen(bounds[0]), frozen(bounds[1]))
        time = NONE if bounds is None else self.rows.first + TIME
        state = np.array([0, NONE], np.int64)
        most = int(min(max(1, most), self.measure(slots).sum()))
        while most and state[chains.PROBE] < len(slots):
            probes, entries = np.empty(most, np.int32), np.empty(most, np.int32)
            made = walk_earlier(
                self.keys.table, self.keys.first, self.rows.table, self.rows.first, slots, places, time, lows, highs,
                state, probes, entries,
            )  # fmt: skip
            if made:
                yield probes[:made], entries[:made]

    def walk(self, slots: Any) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """As `probe`, all at once: for keys that are known to have few rows."""
        parts = list(self.probe(slots))
        if not parts:
            return np.empty(0, np.int32), np.empty(0, np.int32)
        return np.concatenate([p for p, _ in parts]), np.concatenate([r for _, r in parts])

    def all_rows(self) -> NDArray[np.int32]:
        """All rows of all keys, each key's in order; what it costs is the state."""
        return self.walk(self.keys.live())[1]

    def columns(self, slots: Any) -> list[pl.Series]:
        """The kept columns of rows, by name."""
        return [self.column(name, slots) for name in self.layout.names]

    def column(self, name: str, slots: Any) -> pl.Series:
        """One of the kept columns of rows."""
        number = 1 + self.layout.ordered + self.layout.names.index(name)
        return self.layout.rows.take(number, self.rows.table, slots, self.rows.heap).alias(name)

    def key_columns(self, slots: Any) -> list[pl.Series]:
        """The key columns of rows."""
        return [self.key_column(number, slots) for number in range(len(self.layout.keys.columns))]

    def key_column(self, number: int, slots: Any) -> pl.Series:
        """One of the key columns of rows, by its number."""
        made = self.layout.keys.take(number, self.keys.table, self.owners(slots), self.keys.heap)
        return made.alias(self.layout.keys.columns[number].name)

    def owners(self, slots: Any) -> NDArray[np.int32]:
        """The slots of the keys of rows."""
        return self._words(self.rows, slots, 0).astype(np.int32)

    def places(self, slots: Any) -> NDArray[np.int64]:
        """The places of rows of an ordered store; 0 for slot -1."""
        return self._words(self.rows, slots, 1)

    def moments(self, slots: Any) -> NDArray[np.int64]:
        """The instants of rows of a timed store; 0 for slot -1."""
        return self._words(self.rows, slots, self.rows.first + TIME)

    def _words(self, table: Arrangement, slots: Any, column: int) -> NDArray[np.int64]:
        slots = frozen(slots, np.int32)
        words: NDArray[np.int64] = np.empty(len(slots), np.int64)
        take_words(table.table, slots, column, words)
        return words

    def word(self, number: int) -> NDArray[np.int64]:
        """A word of all rows, by slot, as a view: read it again after each `put`.

        Who writes a word of rows that the step has not touched calls `rows.mark_touched`.
        """
        found: NDArray[np.int64] = self.rows.table[:, self.rows.first + number]
        return found

    def own(self, number: int) -> NDArray[np.int64]:
        """As `word`, the operator's own: those of `layout.words` by number."""
        return self.word(self.layout.word(number))

    def key_word(self, number: int) -> NDArray[np.int64]:
        """A word of all keys, by slot, as a view: read it again after each `put`."""
        found: NDArray[np.int64] = self.keys.table[:, self.keys.first + number]
        return found

    def counts(self, slots: Any) -> NDArray[np.int64]:
        """How often each of some rows is there."""
        return self._words(self.rows, slots, self.rows.first + chains.COUNT)

    def keys_of(self, slots: Any) -> Keys:
        """The keys of key slots, to look them up in another table of the same layout of keys."""
        rows, heap = self.keys.key_rows(slots)
        width = self.layout.keys.layout.width
        words, starts = np.ascontiguousarray(rows[:, :width]), np.ascontiguousarray(rows[:, width:])
        return Keys(frozen(words), frozen(starts), heap)

    # -- the whole

    def clear(self) -> None:
        """Forget all and keep the memory."""
        self.keys.clear()
        self.rows.clear()
        self.deadlines.clear()

    def save(self, saver: Saver, name: str, step: int) -> None:
        """Hand all of it to a saver, between two steps; no row with a count of zero may be left.

        Args:
            saver: Takes it.
            name: What the names of its tables begin with.
            step: The number of the next step that will touch it.
        """
        saver.table(f"{name}/keys", self.keys, step)
        saver.table(f"{name}/rows", self.rows, step)

    def load(self, loader: Loader, name: str) -> None:
        """Become what was saved under a name; only for an empty store.

        Raises:
            StateError: If it is not there, or cannot be used.
        """
        loader.table(f"{name}/keys", self.keys)
        loader.table(f"{name}/rows", self.rows)
        live = self.rows.live()
        owners = self.rows.table[live, 0]
        if len(live) and not 0 <= int(owners.min()) <= int(owners.max()) < self.keys.used:
            raise StateError("stored rows belong to no key")
        reached = check_chains(
            self.keys.table, self.keys.first, self.rows.table, self.rows.first, self.rows.first - 1,
            self.keys.live(), self.rows.used,
        )  # fmt: skip
        if reached != len(live):
            raise StateError("stored rows are no chains: some of them are missing")
        self._find_deadlines()

    def _find_deadlines(self) -> None:
        self.deadlines.clear()
        if self.layout.timed:
            live = self.rows.live()
            self.deadlines.put(self.word(TIME)[live], live)
