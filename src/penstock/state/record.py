"""Images of slots: what a checkpoint takes of an arrangement, and what an arrangement is filled from.

A record holds some slots as they were at one moment, by themselves: their long texts lie in a heap of its own.
The first record of a table holds all its slots and later ones those that were touched or died since: laid over
each other in this order they are the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from penstock.core.errors import StateError
from penstock.core.lazy import np
from penstock.core.memory import array
from penstock.kernels.arrays import frozen
from penstock.kernels.texts import LENGTH_MASK, SHORT_TEXT, move_texts, text_bytes

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Rows, Words
    from penstock.state.keys import KeyLayout

MOST_SLOTS = 1 << 31


class Record(NamedTuple):
    """Images of some slots of an arrangement at one moment.

    Attributes:
        slots: The slots (int32), each once.
        rows: Their rows, int64 [n, stride]: key words, heap offsets (into `heap`, from 0), mark (negative = dead),
            accumulators. Of a dead slot all but the mark is zero.
        heap: The bytes (uint8) of the long texts of the live rows.
    """

    slots: Rows
    rows: Words
    heap: Bytes

    @property
    def nbytes(self) -> int:
        """How many bytes it is."""
        return self.slots.nbytes + self.rows.nbytes + self.heap.nbytes


def image(slots: Rows, table: Words, heap: Bytes, layout: KeyLayout) -> Record:
    """Copy slots of a table; what it costs grows with their number only.

    Args:
        slots: Which, each once.
        table: All slots.
        heap: The bytes of the long texts of all slots.
        layout: How keys are laid out.
    """
    width, mark = layout.width, layout.width + len(layout.texts)
    rows: Words = array(len(slots), np.int64, (table.shape[1],))
    np.take(table, slots, axis=0, out=rows, mode="clip")
    dead = rows[:, mark] < 0
    if dead.any():
        marks = rows[dead, mark]
        rows[dead] = 0
        rows[dead, mark] = marks
    if not layout.texts:
        return Record(slots, rows, np.empty(0, np.uint8))
    for text, place in enumerate(layout.texts):
        rows[(rows[:, place] & LENGTH_MASK) <= SHORT_TEXT, width + text] = 0
    moved: Bytes = array(sum(text_bytes(frozen(rows), place) for place in layout.texts), np.uint8)
    texts = frozen(np.asarray(layout.texts, np.int32))
    move_texts(frozen(np.arange(len(rows), dtype=np.int32)), width, texts, rows, heap, moved)
    return Record(slots, rows, moved)


def check(record: Record, stride: int, layout: KeyLayout) -> None:
    """Check that a record is one of a table, so that nothing is read or written beyond an array.

    Args:
        record: What somebody stored.
        stride: How many words the rows of the table have.
        layout: How its keys are laid out.

    Raises:
        StateError: If it is not.
    """
    slots, rows, heap = record
    if rows.ndim != 2 or rows.shape != (len(slots), stride):
        raise StateError(
            f"a stored table has rows of the shape {rows.shape}; needed are {len(slots)} of {stride} words"
        )
    if slots.dtype != np.int32 or rows.dtype != np.int64 or heap.dtype != np.uint8:
        raise StateError(f"a stored table is of the types {slots.dtype}, {rows.dtype} and {heap.dtype}")
    if len(slots) and not 0 <= int(slots.min()) <= int(slots.max()) < MOST_SLOTS - 1:
        raise StateError(f"a stored table has the slots {slots.min()} to {slots.max()}")
    for text, place in enumerate(layout.texts):
        lengths = rows[:, place] & LENGTH_MASK
        long = (lengths > SHORT_TEXT) & (rows[:, layout.width + len(layout.texts)] >= 0)
        starts = rows[long, layout.width + text]
        if len(starts) and (starts.min() < 0 or (starts > len(heap) - lengths[long]).any()):
            raise StateError("a stored table has texts beyond the bytes that were stored with it")
