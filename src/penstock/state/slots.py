"""A table of slots without an index: for rows that are reached by their key, each an entry of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.core.errors import InvariantError
from penstock.core.lazy import np
from penstock.core.memory import Buffer
from penstock.kernels import index
from penstock.kernels.arrays import frozen
from penstock.kernels.row_slots import chain_rows, claim_rows, release_rows, write_rows
from penstock.kernels.texts import text_bytes
from penstock.state.arrangement import GARBAGE_LIMIT, Arrangement
from penstock.state.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.kernels.arrays import Array, Rows, Words
    from penstock.state.keys import KeyLayout

IN_ORDER = -1
"""Rows of a key are in the order in which they came: of `Slots.append`."""


class Slots(Arrangement):
    """An arrangement of rows that nobody looks up: no hash is made of them, and no index is kept.

    It is captured, filled and compacted as any other. `find` and `upsert` are refused.
    """

    def __init__(self, layout: KeyLayout, initial: Words | Sequence[int], *, seed: int = 0x5EED) -> None:
        super().__init__(layout, initial, seed=seed)
        self._index = Buffer(0, np.uint64)
        self._entries = self._index.array

    def append(self, rows: Keys, step: int) -> Rows:
        """Give each row a slot, in order; each must be put into a `chain` then.

        Args:
            rows: The rows; the first word of each is the slot of its key.
            step: The number of the step.
        """
        slots: Rows = np.empty(len(rows), np.int32)
        self._room(rows)
        claim_rows(step, self._mark, self.table, self._header, self._queues, slots)
        write_rows(
            rows.words, rows.starts, rows.heap, self._texts if len(rows.starts) else self._no_rows, self._mark,
            self._initial, self.table, self._heap, self._header, slots,
        )  # fmt: skip
        return slots

    def chain(self, slots: Rows, keys: Arrangement, step: int, time: int = IN_ORDER, finger: int = IN_ORDER) -> None:
        """Put new rows into the chains of their keys.

        Args:
            slots: What `append` gave; of each key in order of place, beyond all that are there. By time, in order of
                (instant, place).
            keys: The table of keys.
            step: The number of the step.
            time: The word of the instant by which chains are in order; `IN_ORDER` = in order of place.
            finger: By time, a word of a key that nothing else needs meanwhile.
        """
        column, beside = (IN_ORDER, IN_ORDER) if time == IN_ORDER else (self.first + time, keys.first + finger)
        chain_rows(
            keys.table, keys.first, self.table, self.first, self._header, self._queues, slots, step, column, beside
        )

    def release(self, slots: Array, keys: Arrangement, step: int) -> None:
        """Take rows out of their chains and free their slots, and delete the keys that have none left.

        Raises:
            InvariantError: If a slot is not live; the table is then broken.
        """
        slots = frozen(slots, np.int32)
        owners, empty = np.empty(len(slots), np.int32), np.empty(len(slots), np.int32)
        counts = np.zeros(2, np.int64)
        done = release_rows(
            keys.table, keys.first, self.table, self.first, self._header, self._queues, self._texts, slots, step,
            owners, empty, counts,
        )  # fmt: skip
        if done < len(slots):
            raise InvariantError(f"slot {int(slots[done])} is not live and cannot be deleted")
        owners = owners[: counts[0]]
        keys.mark_touched(owners, step)
        keys.delete(empty[: counts[1]], step)
        if self._header[index.HEAP_GARBAGE] > max(GARBAGE_LIMIT, self._header[index.HEAP_TAIL] // 2):
            self._compact_heap()

    def delete(self, slots: Array, step: int) -> None:
        """Refuse: a row goes by `release`.

        Raises:
            InvariantError: Always.
        """
        raise InvariantError("rows of a chain go by `release`")

    def _room(self, rows: Keys) -> None:
        header = self._header
        needed = self.used + len(rows) - int(header[index.FREE_TAIL] - header[index.FREE_HEAD])
        if needed > len(self.table):
            self._lengthen(needed)
        if len(rows.starts):
            more = int(header[index.HEAP_TAIL]) + sum(text_bytes(rows.words, place) for place in self.layout.texts)
            if more > len(self._heap):
                self._heap = self._bytes.grow(more)

    def _lengthen(self, slots: int) -> None:
        """Make room for so many slots while some are free: their ring is laid out from its start then."""
        header = self._header
        head, tail = int(header[index.FREE_HEAD]), int(header[index.FREE_TAIL])
        free = self._queues[np.arange(head, tail) % len(self._queues), 0]
        header[index.FREE_TAIL] = head
        self._grow_table(slots)
        self._queues[: len(free), 0] = free
        header[index.FREE_TAIL] = len(free)

    def _make_index(self) -> Rows:
        marks = self.marks
        header = self._header
        header[index.LIVE] = int((marks >= 0).sum())
        header[index.EPOCH_START] = int(np.where(marks < 0, ~marks, marks).max(initial=-1)) + 1
        dead: Rows = np.flatnonzero(marks < 0).astype(np.int32)
        return dead

    def _lookup(self, keys: Keys, rows: Array | None, step: int) -> tuple[Rows, int]:
        raise InvariantError("a table of slots has no index: its rows are reached by their keys")


def distinct(values: Any) -> Any:
    """The distinct values, ascending: as `numpy.unique`, which takes ten times as long for whole numbers."""
    if len(values) < 2:
        return np.asarray(values)
    made = np.asarray(values)
    if not (made[1:] >= made[:-1]).all():  # new slots most often are ascending
        made = np.sort(made)
    new = np.empty(len(made), np.bool_)
    new[0] = True
    np.not_equal(made[1:], made[:-1], out=new[1:])
    return made[new]
