"""Keyed tables in checkpoints: a log of what each epoch touched, over a base that is rewritten bit by bit.

An epoch stores images of the slots that it touched, so that a checkpoint costs what has changed, whatever
the size of the state. When the log of a table outgrows half of its base, a new base is written: some slots
with every epoch, so that no epoch costs more for it than a stated number of bytes. Then the old base, and
the log from before the new one was begun, are forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.checkpoint.block import decode, encode
from penstock.core.errors import StateError
from penstock.core.lazy import np
from penstock.state.record import Record

if TYPE_CHECKING:
    from penstock.state.arrangement import Arrangement

MOST_LOGS = 64
"""After how many epochs a new base is begun, however small they were: a restart reads them all."""

LEAST_REWRITE = 1 << 20
"""How many bytes of a new base an epoch writes at least; else as many as it logs."""

Reference = dict[str, Any]
"""Where a block is: segment, offset, length, digest."""


@dataclass
class Piece:
    """One stored image of slots.

    Attributes:
        epoch: The epoch that stored it.
        base: Whether it is part of a base: an image of a range of slots, whatever had touched them.
        size: Its bytes.
        record: The image, until it is written.
        reference: Where it is, once it is written.
    """

    epoch: int
    base: bool
    size: int
    record: Record | None = None
    reference: Reference | None = None

    def stored(self) -> dict[str, Any]:
        """The piece as a manifest has it."""
        return {"epoch": self.epoch, "base": self.base, "size": self.size, **(self.reference or {})}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Piece:
        """The piece that a manifest names."""
        reference = {name: stored[name] for name in ("segment", "offset", "length", "digest")}
        return cls(stored["epoch"], stored["base"], stored["size"], None, reference)


@dataclass
class History:
    """What is stored of one table: the pieces that make it up, oldest first.

    Attributes:
        serial: Which table it is: another one under the same name begins anew.
        pieces: All pieces that are needed.
        cursor: The slot from which on the new base has still to be written, or None if none is being written.
        begun: The epoch at which the new base was begun.
    """

    serial: int = -1
    pieces: list[Piece] = field(default_factory=list)
    cursor: int | None = None
    begun: int = 0

    def take(self, table: Arrangement, step: int, epoch: int) -> list[Piece]:
        """Gather what an epoch must store; the pieces are also kept here.

        Args:
            table: The table.
            step: The number of the next step that will touch it.
            epoch: The number of the epoch.
        """
        row = 8 * table.stride
        if self.serial != table.serial:
            self.serial, self.pieces, self.cursor = table.serial, [], None
            new = [self._piece(table, np.arange(table.used, dtype=np.int32), epoch, base=True)]
        else:
            changed = table.changed()
            new = [self._piece(table, changed, epoch, base=False)] if len(changed) else []
            new += self._rewrite(table, epoch, max(LEAST_REWRITE, len(changed) * row) // row)
        table.begin_epoch(step)
        self.pieces += new
        return new

    def _rewrite(self, table: Arrangement, epoch: int, most: int) -> list[Piece]:
        """Write some more slots of a new base, if there is to be one."""
        if self.cursor is None:
            logs = [piece for piece in self.pieces if not piece.base]
            base = sum(piece.size for piece in self.pieces if piece.base)
            if len(logs) <= MOST_LOGS and 2 * sum(piece.size for piece in logs) <= base:
                return []
            self.cursor, self.begun = 0, epoch
        high = min(table.used, self.cursor + most)
        piece = self._piece(table, np.arange(self.cursor, high, dtype=np.int32), epoch, base=True)
        self.cursor = high
        if high == table.used:
            # What is newer than the beginning of the new base, and the new base itself, is all that counts.
            self.pieces = [p for p in self.pieces if p.epoch > self.begun or (p.base and p.epoch == self.begun)]
            self.cursor = None
        return [piece]

    @staticmethod
    def _piece(table: Arrangement, slots: Any, epoch: int, *, base: bool) -> Piece:
        record = table.capture(slots)
        size = record.slots.nbytes + record.rows.nbytes + record.heap.nbytes
        return Piece(epoch, base, size, record)


def record_parts(record: Record) -> list[bytes | memoryview]:
    """A record as a block."""
    return encode({"kind": "record"}, {"slots": record.slots, "rows": record.rows, "heap": record.heap})


def record_of(data: bytes | memoryview) -> Record:
    """The record of a block.

    Raises:
        StateError: If it is none.
    """
    header, arrays = decode(data)
    if header.get("kind") != "record":
        raise StateError("a stored table is not one: its block is of another kind")
    slots, rows, heap = arrays.get("slots"), arrays.get("rows"), arrays.get("heap")
    if not (isinstance(slots, np.ndarray) and isinstance(rows, np.ndarray) and isinstance(heap, np.ndarray)):
        raise StateError("a stored table is not one: its block has other arrays", damaged=True)
    return Record(slots, rows, heap)


class Taken:
    """A `Saver` for one executor: gathers tables and blobs for an epoch."""

    def __init__(self, histories: dict[str, History], epoch: int) -> None:
        self._old = histories
        self._epoch = epoch
        self.histories: dict[str, History] = {}
        self.new: list[Piece] = []
        self.blobs: dict[str, bytes] = {}

    def table(self, name: str, table: Arrangement, step: int) -> None:
        """See `Saver.table`."""
        history = self._old.get(name) or History()
        self.histories[name] = history
        self.new += history.take(table, step, self._epoch)

    def blob(self, name: str, data: bytes) -> None:
        """See `Saver.blob`."""
        self.blobs[name] = data


class Given:
    """A `Loader` for one executor: what a manifest names, read and verified block by block.

    Args:
        tables: By name, the pieces of each table.
        blobs: By name, where each blob is.
        read: Reads and verifies the bytes of a reference.

    Attributes:
        histories: By name, the histories of the tables that were filled: checkpoints go on where these ended.
    """

    def __init__(self, tables: Mapping[str, Sequence[Any]], blobs: Mapping[str, Any], read: Any) -> None:
        self._tables = tables
        self._blobs = blobs
        self._read = read
        self.histories: dict[str, History] = {}

    @property
    def names(self) -> Sequence[str]:
        """See `Loader.names`."""
        return [*self._tables, *self._blobs]

    def table(self, name: str, into: Arrangement) -> None:
        """See `Loader.table`."""
        if name not in self._tables:
            raise StateError(f'the checkpoint has no table "{name}"')
        into.fill(self.records(name, into.stride))
        marks = into.marks
        # What was restored is stored already: the first epoch takes what is touched from now on.
        into.begin_epoch(int(np.maximum(marks, ~marks).max(initial=-1)) + 1)
        self.histories[name] = History(into.serial, [Piece.of(stored) for stored in self._tables[name]])

    def records(self, name: str, stride: int) -> Iterable[Record]:
        """The images of a table, oldest first, of rows of a number of words.

        Raises:
            StateError: If one is damaged, or has rows of another length.
        """
        for stored in self._tables[name]:
            record = record_of(self._read(stored))
            if record.rows.ndim != 2 or record.rows.shape[1] != stride:
                raise StateError(f'the table "{name}" was stored with another layout')
            yield record

    def blob(self, name: str) -> bytes:
        """See `Loader.blob`."""
        if name not in self._blobs:
            raise StateError(f'the checkpoint has no data "{name}"')
        return bytes(self._read(self._blobs[name]))
