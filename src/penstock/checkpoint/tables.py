"""Keyed tables in checkpoints: a log of what each epoch touched, over a base that is rewritten bit by bit.

An epoch stores images of the slots that it touched, so that a checkpoint costs what has changed, whatever
the size of the state. When the log of a table outgrows half of its base, the base is written anew: some slots
with every epoch, about as many as it logs, so that no epoch costs more than twice what has changed. A piece of
the old base is forgotten once its slots are in the new one, and so is the log that is older than all that is
left of the base: what is stored of a table is its base, and a log about as long at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.checkpoint.block import decode, encode
from penstock.core.errors import StateError
from penstock.core.lazy import np
from penstock.core.memory import Scratch, current
from penstock.core.threads import pool
from penstock.state.record import Record

if TYPE_CHECKING:
    from penstock.state.arrangement import Arrangement

MOST_LOGS = 64
"""After how many epochs a new base is begun, however small they were: a restart reads them all."""

LEAST_REWRITE = 1 << 20
"""How many bytes of a new base an epoch writes at most, if it logs less than that."""

LEAST_PART = 128
"""Which part of a small table an epoch writes of a new base, if it logs less than that: one of so many."""

AT_ONCE = 4
"""How many blocks of a table are read and verified at the same time."""

Reference = dict[str, Any]
"""Where a block is: segment, offset, length, digest."""


@dataclass
class Piece:
    """One stored image of slots.

    Attributes:
        epoch: The epoch that stored it.
        base: Whether it is part of a base: an image of a range of slots, whatever had touched them.
        size: Its bytes.
        low: The first slot of a range; 0 for others.
        high: The slot behind it.
        record: The image, until it is written.
        reference: Where it is, once it is written.
    """

    epoch: int
    base: bool
    size: int
    low: int = 0
    high: int = 0
    record: Record | None = None
    reference: Reference | None = None

    def stored(self) -> dict[str, Any]:
        """The piece as a manifest has it."""
        # Short: there may be hundreds, in every manifest.
        span = {"low": self.low, "high": self.high} if self.base else {}
        return {"epoch": self.epoch, **span, **(self.reference or {})}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Piece:
        """The piece that a manifest names."""
        reference = {name: stored[name] for name in ("segment", "offset", "length", "digest")}
        low, high = stored.get("low", 0), stored.get("high", 0)
        return cls(stored["epoch"], "high" in stored, stored["length"], low, high, None, reference)


@dataclass
class History:
    """What is stored of one table: the pieces that make it up, oldest first.

    Attributes:
        serial: Which table it is: another one under the same name begins anew.
        pieces: All pieces that are needed.
        cursor: The slot from which on the new base has still to be written, or None if none is being written.
        top: Where the new base ends: slots beyond are younger than its beginning, so that the log has them.
        begun: The epoch at which the new base was begun.
        whole: Where the old base ends, if that is known: not after a restart.
    """

    serial: int = -1
    pieces: list[Piece] = field(default_factory=list)
    cursor: int | None = None
    top: int = 0
    begun: int = 0
    whole: int | None = None

    def take(self, table: Arrangement, step: int, epoch: int) -> list[Piece]:
        """Gather what an epoch must store; the pieces are also kept here.

        Args:
            table: The table.
            step: The number of the next step that will touch it.
            epoch: The number of the epoch.
        """
        if self.serial != table.serial:
            self.serial, self.cursor, self.whole = table.serial, None, table.used
            self.pieces = self._all(table, epoch)
        else:
            changed = table.changed()
            most = _rows_of_piece(table)
            if isinstance(current(), Scratch):
                # In the order in which they lie, so that a page comes into memory once, for one piece.
                changed.sort()
            self.pieces += [_log(table, changed[low : low + most], epoch) for low in range(0, len(changed), most)]
            self._rewrite(table, epoch, len(changed))
        table.begin_epoch(step)
        return [piece for piece in self.pieces if piece.reference is None]

    def _all(self, table: Arrangement, epoch: int) -> list[Piece]:
        """A base at once: nothing is stored of the table."""
        most = _rows_of_piece(table)
        lows = range(0, table.used, most)
        return [_base(table, low, min(table.used, low + most), epoch) for low in lows]

    def _rewrite(self, table: Arrangement, epoch: int, logged: int) -> None:
        """Write some more slots of a new base, if there is to be one."""
        if self.cursor is None:
            logs = [piece for piece in self.pieces if not piece.base]
            base = sum(piece.size for piece in self.pieces if piece.base)
            if len({piece.epoch for piece in logs}) <= MOST_LOGS and 2 * sum(piece.size for piece in logs) <= base:
                return
            self.cursor, self.top, self.begun = 0, table.used, epoch
        least = min(LEAST_REWRITE // (8 * table.stride), table.used // LEAST_PART)
        end, most = min(self.top, self.cursor + max(1, least, logged)), _rows_of_piece(table)
        self.pieces += [_base(table, low, min(end, low + most), epoch) for low in range(self.cursor, end, most)]
        self.cursor = end
        self._forget()

    def _forget(self) -> None:
        """Forget what the new base, as far as it is written, has made needless."""
        assert self.cursor is not None
        begun, cursor = self.begun, self.cursor
        if cursor == self.top:
            # What is newer than the beginning of the new base, and the new base itself, is all that counts.
            self.pieces = [p for p in self.pieces if p.epoch > begun or (p.base and p.epoch == begun)]
            self.cursor, self.whole = None, self.top
            return
        self.pieces = [p for p in self.pieces if not p.base or p.epoch >= begun or p.high > cursor]
        if self.whole == self.top:
            # Else the log may be all there is of slots that are younger than the old base.
            oldest = min(piece.epoch for piece in self.pieces if piece.base)
            self.pieces = [piece for piece in self.pieces if piece.base or piece.epoch > oldest]


def _rows_of_piece(table: Arrangement) -> int:
    """How many slots a piece has at most: pieces are read one by one, and those of a base forgotten likewise."""
    return max(1, current().at_once // (8 * table.stride))


def _base(table: Arrangement, low: int, high: int, epoch: int) -> Piece:
    record = table.capture(np.arange(low, high, dtype=np.int32))
    current().relieve()
    return Piece(epoch, True, record.nbytes, low, high, record)


def _log(table: Arrangement, slots: Any, epoch: int) -> Piece:
    record = table.capture(slots)
    current().relieve()
    return Piece(epoch, False, record.nbytes, 0, 0, record)


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
        # What was restored is stored already: the first epoch takes what is touched from now on.
        self.histories[name] = History(into.serial, [Piece.of(stored) for stored in self._tables[name]])

    def records(self, name: str, stride: int) -> Iterable[Record]:
        """The images of a table, oldest first, of rows of a number of words.

        Raises:
            StateError: If one is damaged, or has rows of another length.
        """
        stored = self._tables[name]
        if len(stored) <= 1:
            yield from (self._record(name, stride, one) for one in stored)
            return
        with pool("restore", AT_ONCE) as threads:
            waiting: deque[Future[Record]] = deque()
            for one in stored:
                waiting.append(threads.submit(self._record, name, stride, one))
                if len(waiting) > AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _record(self, name: str, stride: int, stored: Any) -> Record:
        record = record_of(self._read(stored))
        if record.rows.ndim != 2 or record.rows.shape[1] != stride:
            raise StateError(f'the table "{name}" was stored with another layout')
        return record

    def blob(self, name: str) -> bytes:
        """See `Loader.blob`."""
        if name not in self._blobs:
            raise StateError(f'the checkpoint has no data "{name}"')
        return bytes(self._read(self._blobs[name]))
