"""The keyed state of an operator in memory: exact keys, dense slots, rows of 8-byte words.

An arrangement gives each key a slot, a small number that stays the key's own until it is deleted. The
words of a slot (`Arrangement.words`) are the accumulators of an operator; kernels update them by slot. Keys are
cut into 256 key groups, each with its own part of the index, so that nothing ever has to be done for all
keys at once. It remembers which slots a step, and the epoch, touched.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.core.errors import InvariantError
from penstock.core.lazy import np
from penstock.kernels import index
from penstock.kernels.arrays import frozen
from penstock.kernels.hashing import GROUPS, groups_of_slots
from penstock.kernels.index import clear_index, hash_slots, lay_out_regions, place_entries, remove, touch_slots
from penstock.kernels.lookup_word import lookup_word
from penstock.kernels.lookup_words import lookup_words
from penstock.kernels.texts import move_texts, text_bytes
from penstock.state.keys import KeyLayout, Keys
from penstock.state.record import MOST_SLOTS, Record, check, image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.kernels.arrays import Array, Bytes, Entries, Flags, Floats, Rows, Words

WARM_BYTES = 512 * 1024
SMALLEST_CACHE = 16
SMALLEST_TABLE = 64
HEAP_START = 1024
GARBAGE_LIMIT = 1 << 20

_SERIALS = itertools.count(1)


@dataclass(frozen=True)
class Touched:
    """What one `upsert` did.

    Attributes:
        slots: The slot of each row (int32), in the order of the rows given.
        touched: The slots that no call had touched before in this step, in order of their first row. A second
            `upsert` of the same step reports only what it touches first.
        first_row: For each touched slot, the row (not the place in `rows`) that touched it first.
        is_new: For each touched slot, whether this call made it.
    """

    slots: Rows
    touched: Rows
    first_row: Rows
    is_new: Flags


class Arrangement:
    """A keyed table: key -> slot -> words.

    Args:
        layout: The layout of the keys: `KeyCodec.layout`.
        initial: The words a new slot starts with, int64 (give floats as their bits); their number is the width.
        capacity: How many keys are expected; it grows by itself.
        seed: Places keys in the index. No result depends on it.
        spread: Ands the 32-bit tags of the index; tests make it small to force collisions.

    Attributes:
        table: All slots, int64 [capacity, `stride`]: key words, heap offsets, mark, accumulators. **Replaced when
            it grows**: read it again after each `upsert`. Rows at and beyond `used` are not initialised.
        first: The column of `table` of the first accumulator; accumulator `w` is column `first + w`.
        serial: The number of its content in this process: another one after `clear`, and for every arrangement made.
            Who keeps records of it sees by it that all of them are of something else.
    """

    def __init__(
        self,
        layout: KeyLayout,
        initial: Words | Sequence[int],
        *,
        capacity: int = SMALLEST_TABLE,
        seed: int = 0x5EED,
        spread: int = index.LOW_HALF,
    ) -> None:
        self.layout = layout
        self._initial = frozen(np.asarray(initial, np.int64).reshape(-1))
        self._texts = frozen(np.asarray(layout.texts, np.int32).reshape(-1))
        self._mark = layout.width + len(layout.texts)
        self.first = self._mark + 1
        self.stride = self.first + len(self._initial)
        capacity = max(SMALLEST_TABLE, capacity)
        self.table: Words = np.empty((capacity, self.stride), np.int64)
        self._queues: Rows = np.empty((2, capacity), np.int32)
        self._entries: Entries = np.zeros(_entries_for(capacity), np.uint64)
        self._heap: Bytes = np.empty(HEAP_START if layout.texts else 0, np.uint8)
        self._header: Words = np.zeros(index.HEADER, np.int64)
        self._header[index.ENTRIES_TAIL] = index.FIRST_ENTRY
        self._header[index.SEED] = seed
        self._header[index.SPREAD] = spread
        self._cache: Words = np.empty((index.CACHE_SIZE, 2), np.int64)
        self._pending: Words = np.empty(index.BLOCK, np.int64)
        self._tags: Entries = np.empty(index.BLOCK, np.uint64)
        self._touches: Rows = np.empty((3, 0), np.int32)
        self._no_rows: Rows = frozen(np.empty(0, np.int32))
        self.serial = next(_SERIALS)

    def __len__(self) -> int:
        return int(self._header[index.LIVE])

    @property
    def used(self) -> int:
        """All slots that ever were given out are below this number."""
        return int(self._header[index.NEXT_SLOT])

    @property
    def words(self) -> Words:
        """The accumulators [capacity, width] as a view of `table`; kernels take `table` and a column instead."""
        return self.table[:, self.first :]

    @property
    def floats(self) -> Floats:
        """`table` read as floats: the same memory, for accumulators that are floats."""
        return self.table.view(np.float64)

    @property
    def initial(self) -> Words:
        """The words that the accumulators of a new slot begin with."""
        return self._initial

    @property
    def marks(self) -> Words:
        """For each slot below `used`, the last step that touched it; negative if the slot is dead."""
        return self.table[: self.used, self._mark]

    @property
    def nbytes(self) -> int:
        """Bytes allocated for state: table, index, texts and queues."""
        parts: tuple[Array, ...] = (self.table, self._entries, self._heap, self._queues, self._header)
        return sum(part.nbytes for part in parts)

    def upsert(self, keys: Keys, rows: Array | None, step: int) -> Touched:
        """Find the slot of each row's key, and make one for each key that is not there.

        Args:
            keys: The keys of a delta, by the codec whose layout this arrangement has.
            rows: Which rows to take, in which order; all if not given.
            step: The number of the step: never negative, never smaller than in an earlier call.

        Raises:
            InvariantError: The keys are of another layout.
        """
        if step < 0:
            raise InvariantError(f"a step has the number {step}; steps are not negative")
        slots, count = self._lookup(keys, rows, step)
        touches = self._touches
        return Touched(slots, touches[0, :count].copy(), touches[1, :count].copy(), touches[2, :count] != 0)

    def find(self, keys: Keys, rows: Array | None = None) -> Rows:
        """The slot of each row's key, -1 where it is not there. Touches nothing.

        Args:
            keys: As for `upsert`.
            rows: Which rows to take, in which order; all if not given.
        """
        return self._lookup(keys, rows, -1)[0]

    def delete(self, slots: Array, step: int) -> None:
        """Remove keys. Their slots are dead at once, and may be given to other keys.

        Args:
            slots: Live slots, each once.
            step: The number of the step.

        Raises:
            InvariantError: A slot is not live; those before it are gone.
        """
        slots = frozen(slots, np.int32)
        header = self._header
        if len(self.layout.texts) > 0:
            rows = frozen(self.table[slots])
            for place in self.layout.texts:
                header[index.HEAP_GARBAGE] += text_bytes(rows, place)
        done = remove(slots, step, self.layout.width, self._mark, self.table, self._entries, header, self._queues)
        if done < len(slots):
            raise InvariantError(f"slot {int(slots[done])} is not live and cannot be deleted")
        if header[index.HEAP_GARBAGE] > max(GARBAGE_LIMIT, header[index.HEAP_TAIL] // 2):
            self._compact_heap()

    def clear(self) -> None:
        """Forget all keys and keep the memory: a pane's table is used again for the next pane."""
        self.serial = next(_SERIALS)
        header = self._header
        clear_index(self._entries, header)
        for place in (index.LIVE, index.NEXT_SLOT, index.FREE_HEAD, index.FREE_TAIL, index.HEAP_TAIL):
            header[place] = 0
        header[index.HEAP_GARBAGE] = 0
        header[index.EPOCH_COUNT] = 0

    def live(self) -> Rows:
        """All live slots, ascending. The order says nothing about keys: sort by key before it shows."""
        return np.flatnonzero(self.marks >= 0).astype(np.int32)

    def begin_epoch(self, step: int) -> None:
        """From here on `changed` counts anew.

        Args:
            step: The first step of the epoch, before anything was touched in it.
        """
        self._header[index.EPOCH_START] = step
        self._header[index.EPOCH_COUNT] = 0

    def changed(self) -> Rows:
        """The slots that were touched or died since `begin_epoch`, dead ones included, each once."""
        return self._queues[1, : self._header[index.EPOCH_COUNT]].copy()

    def mark_touched(self, slots: Array, step: int) -> None:
        """Tell that words of live slots were changed that no `upsert` of the step touched."""
        touch_slots(frozen(slots, np.int32), step, self._mark, self.table, self._header, self._queues)

    def capture(self, slots: Array) -> Record:
        """Copy slots as they are now; what it costs grows with their number only.

        Args:
            slots: Slots below `used`, each once.
        """
        return image(np.array(slots, np.int32), self.table, self._heap, self.layout)

    def fill(self, records: Iterable[Record]) -> None:
        """Become the table of which records were kept: slots are the same, and the index is made anew.

        The steps of later calls must be greater than those of all slots.

        Args:
            records: What `capture` gave, in that order: the first of all slots that were live, later ones of all that
                changed since. Of a slot that several have, the last counts; one that none has is dead.

        Raises:
            InvariantError: If it is not empty.
            StateError: If the records are not of a table of this layout.
        """
        if self.used:
            raise InvariantError(f"an arrangement of {self.used} slots is not empty and cannot be filled")
        heaps: list[Bytes] = []
        used, tail = 0, 0
        for record in records:
            check(record, self.stride, self.layout)
            top = int(record.slots.max()) + 1 if len(record.slots) else 0
            while top > len(self.table):
                self._grow_table(keep=used > 0, least=top)
            rows = record.rows
            if tail:
                rows = rows.copy()
                rows[:, self.layout.width : self._mark] += tail
            used = self._lay(record.slots, rows, used, top)
            heaps.append(record.heap)
            tail += len(record.heap)
        self._adopt(used, heaps)

    def _lay(self, slots: Rows, rows: Words, used: int, top: int) -> int:
        """Copy rows to their slots, of which the first `used` are known already; how many are known then."""
        count = len(slots)
        if count and top - int(slots[0]) == count and int(slots[0]) <= used and (np.diff(slots) == 1).all():
            self.table[top - count : top] = rows
            return max(used, top)
        if top > used:
            self.table[used:top] = 0
            self.table[used:top, self._mark] = -1
        self.table[slots] = rows
        return max(used, top)

    def _adopt(self, used: int, heaps: Sequence[Bytes]) -> None:
        """Make counters, free slots, heap and index from the rows of the first slots."""
        header = self._header
        header[index.NEXT_SLOT] = used
        header[index.EPOCH_COUNT] = 0
        dead = self._index()
        # As they came to be free, so that they are given out in about the order in which they would have been.
        self._queues[0, : len(dead)] = dead[np.argsort(~self.marks[dead], kind="stable")]
        header[index.FREE_HEAD], header[index.FREE_TAIL] = 0, len(dead)
        if self.layout.texts:
            live = self.live()
            rows = frozen(np.take(self.table, live, axis=0))
            needed = sum(text_bytes(rows, place) for place in self.layout.texts)
            heap = np.concatenate([np.empty(0, np.uint8), *heaps])
            self._heap = np.empty(max(HEAP_START, needed + needed // 2), np.uint8)
            tail = move_texts(frozen(live), self.layout.width, self._texts, self.table, heap, self._heap)
            header[index.HEAP_TAIL], header[index.HEAP_GARBAGE] = tail, 0

    def _index(self) -> Rows:
        """Make the index anew, with the smallest regions that growing one by one would have led to; the dead slots."""
        made: Entries = np.empty(self.used, np.uint64)
        groups: Rows = np.empty(self.used, np.int32)
        counts: Words = np.zeros(GROUPS, np.int64)
        hash_slots(self.layout.width, self._mark, self.table, self._header, made, groups, counts)
        needed = lay_out_regions(counts, self._header)
        self._entries = np.zeros(max(needed, _entries_for(len(self.table))), np.uint64)
        place_entries(made, groups, np.cumsum(counts) - counts, np.empty_like(made), self._entries, self._header)
        return np.flatnonzero(groups < 0).astype(np.int32)

    def key_rows(self, slots: Array) -> tuple[Words, Bytes]:
        """Key words and heap offsets of live slots, and the heap: what `KeyCodec.decode` takes."""
        return np.take(self.table, slots, axis=0)[:, : self._mark], self._heap

    @property
    def heap(self) -> Bytes:
        """The bytes of the long texts of all slots; another array once it has grown."""
        return self._heap

    def group_of(self, slots: Array) -> Rows:
        """The key group of each slot."""
        return groups_of_slots(self.table, self.layout.width, frozen(slots, np.int32))

    def _lookup(self, keys: Keys, rows: Array | None, step: int) -> tuple[Rows, int]:
        if keys.words.shape[1] != self.layout.width or keys.starts.shape[1] != len(self.layout.texts):
            raise InvariantError(f"keys of {keys.words.shape[1]} words for a layout of {self.layout.width}")
        total = len(keys) if rows is None else len(rows)
        slots: Rows = np.empty(total, np.int32)
        if total == 0:
            return slots, 0
        if self._touches.shape[1] < total:
            self._touches = np.empty((3, total), np.int32)
        chosen = self._no_rows if rows is None else frozen(rows, np.int32)
        bits = min(index.CACHE_BITS, max(SMALLEST_CACHE, total).bit_length() - 1)
        place = 0
        while True:
            # Below this size the whole state stays in the cache, and asking for lines costs more than it brings.
            warm = self.used * self.stride * 8 > WARM_BYTES
            if self.layout.width == 1:
                place = lookup_word(
                    keys.words, chosen, place, step, warm, bits, slots, self._touches, self.table, self._entries,
                    self._header, self._queues, self._initial, self._cache, self._pending, self._tags,
                )  # fmt: skip
            else:
                place = lookup_words(
                    keys.words, keys.starts, keys.heap, chosen, place, step, warm, bits, slots, self._touches,
                    self.table, self._heap, self._entries, self._header, self._queues, self._initial, self._texts,
                    self._cache, self._pending, self._tags,
                )  # fmt: skip
            if place >= total:
                return slots, int(self._header[index.TOUCHES])
            self._make_room(keys)

    def _make_room(self, keys: Keys) -> None:
        needs = self._header[index.NEEDS]
        if needs == index.MORE_SLOTS:
            self._grow_table()
        elif needs == index.MORE_ENTRIES:
            self._entries = _grown(self._entries, 2 * len(self._entries))
        elif needs == index.MORE_HEAP:
            longest = sum(int((keys.words[:, place] & 0xFFFFFFFF).max()) for place in self.layout.texts)
            self._heap = _grown(self._heap, 2 * len(self._heap) + longest)
        else:
            raise InvariantError(f"a lookup stopped and needs {needs}, which nobody knows")

    def _grow_table(self, *, keep: bool = True, least: int = 0) -> None:
        """Double the table; more often at once, up to `least` slots, without copying what need not be kept."""
        old = len(self.table)
        if old >= MOST_SLOTS:
            raise InvariantError(f"an arrangement of {old} slots is full; use more shards")
        capacity = 2 * old
        while capacity < least:
            capacity *= 2
        capacity = min(capacity, MOST_SLOTS)
        self.table = _grown(self.table, capacity) if keep else np.empty((capacity, self.stride), np.int64)
        queues: Rows = np.empty((2, capacity), np.int32)
        header = self._header
        queues[1, :old] = self._queues[1]
        # The free slots are a ring of the old size: lay them out from the start of the new one.
        free = np.arange(header[index.FREE_HEAD], header[index.FREE_TAIL]) % old
        queues[0, : len(free)] = self._queues[0, free]
        header[index.FREE_HEAD] = 0
        header[index.FREE_TAIL] = len(free)
        self._queues = queues

    def _compact_heap(self) -> None:
        heap = np.empty(len(self._heap), np.uint8)
        tail = move_texts(frozen(self.live()), self.layout.width, self._texts, self.table, self._heap, heap)
        self._heap = heap
        self._header[index.HEAP_TAIL] = tail
        self._header[index.HEAP_GARBAGE] = 0


def _entries_for(capacity: int) -> int:
    """Index entries that hold so many keys, each group's region two thirds full at most."""
    return index.FIRST_ENTRY + max(GROUPS * index.FIRST_REGION, 2 * capacity)


def _grown(array: NDArray[np.generic], length: int) -> Array:
    larger = np.zeros((length, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
