"""The log as users see it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.core import files
from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import PenstockError, SinkError, SinkLost, StartError, one_of
from penstock.core.schema import Schema
from penstock.core.timespan import duration
from penstock.log import settings as stored
from penstock.log.batches import Batch, Record
from penstock.log.committer import Committer
from penstock.log.compaction import Compacted, Compaction
from penstock.log.cursor import Cursor
from penstock.log.draft import Appended, AppendRecords, AppendRows, Fence, Transaction, Truncate
from penstock.log.groups import Groups
from penstock.log.partitioning import partition_of_key
from penstock.log.retention import DROP, KEEP, remove_old
from penstock.log.rows import RowEncoder
from penstock.log.segment import numbers_of
from penstock.log.settings import Settings, resolve
from penstock.log.state import LogState
from penstock.log.store import Store, as_source_error

if TYPE_CHECKING:
    import polars as pl

ID_BYTES = 256


class Log:
    """An embedded durable log: partitions of records in a directory, for any number of threads and processes.

    A log holds either records (bytes with a key and a time) or rows (columns); what is appended first decides. What was
    acknowledged is durable. What was appended together is visible together. Readers see whole appends only, in
    the order of offsets, in any process. Appending threads share a sync; appending processes take turns.

    Args:
        name: A plain name (a log in `.penstock/logs`), or the path of the directory.
        partitions: How many partitions it has: creates the log if it is missing.
        segment_bytes: How large a segment file grows (new logs).
        record_bytes: How large a record may be (new logs).
        deduplicate: For how long ids of records are remembered, `"1 h"` (new logs); None = not at all.
        retain_bytes: Old segments go when there are more bytes (new logs); None = never. A log has at least the
            segment that is written.
        retain: Segments go when all in them is older, `"7 d"` (new logs); None = never.
        clock: Where times come from.

    Raises:
        StartError: If there is no such log, or it was created with another number of partitions.
        StateError: If it is damaged.
    """

    def __init__(
        self,
        name: str | Path,
        *,
        partitions: int | None = None,
        segment_bytes: int = 64 << 20,
        record_bytes: int = 1 << 20,
        deduplicate: str | None = None,
        retain_bytes: int | None = None,
        retain: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.path = resolve(name)
        found = stored.load(self.path)
        if found is None and partitions is not None:
            wanted = Settings(
                files.unique_name(),
                partitions,
                segment_bytes,
                record_bytes,
                duration(deduplicate) if deduplicate else 0,
                retain_bytes,
                duration(retain) if retain else None,
            )
            found = stored.create(self.path, wanted)
        if found is None:
            raise StartError(f'there is no log "{self.path}"', hint="partitions=1 creates it")
        if partitions not in (None, found.partitions):
            raise StartError(
                f'the log "{self.path}" has {found.partitions} partition(s), not {partitions}',
                hint="the number of partitions of a log does not change; leave it out, or create another log",
            )
        self.settings = found
        self._clock = clock or SystemClock()
        self._store = Store(self.path, found, self._clock)
        self._committer = Committer(self._store)
        self._groups = Groups(self.path, self._clock)
        self._turn = 0
        self._tended = 0
        # What a power failure has left behind the head is taken in; whoever may only read sees it later.
        try:
            with contextlib.suppress(SinkLost), self._store.exclusive():
                self._tended = self._store.head.segment
        except BaseException:
            self.close()
            raise

    @property
    def partitions(self) -> int:
        """How many partitions it has."""
        return self.settings.partitions

    # -- appending -------------------------------------------------------------

    def append(
        self,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp: int | None = None,
        id: bytes | None = None,
    ) -> Appended:
        """Append a record and wait until it is durable. See `Record` for the parameters.

        Args:
            value: Its value.
            key: Its key.
            partition: Its partition; by default the key's, and without a key one after the other.
            timestamp: Its time.
            id: Its id.

        Raises:
            SinkError: If it is refused: it is not there.
            SinkLost: If it is not known whether it is there; with an id it can be appended again.
        """
        return self.append_many([Record(value, key, timestamp, id)], partition=partition)[0]

    def append_many(self, records: Sequence[Record], *, partition: int | None = None) -> list[Appended]:
        """Append records, all or none, and wait until they are durable; where each of them is.

        Args:
            records: The records.
            partition: Their partition; by default that of their keys, and one for all that have none.

        Raises:
            SinkError: If one is refused: none is there.
            SinkLost: If it is not known whether they are there.
        """
        if partition is not None and not 0 <= partition < self.partitions:
            raise SinkError(f'the log "{self.path}" has the partitions 0 to {self.partitions - 1}, not {partition}')
        if not records:
            return []
        self._turn += 1
        turn = self._turn % self.partitions
        placed = []
        for record in records:
            self._check(record)
            by_key = turn if record.key is None else partition_of_key(record.key, self.partitions)
            placed.append((by_key if partition is None else partition, record))
        answer: list[Appended] = self._append(AppendRecords(str(self.path), placed))
        return answer

    def _check(self, record: Record) -> None:
        size = len(record.value or b"") + len(record.key or b"")
        if size > self.settings.record_bytes:
            raise SinkError(
                f'a record of {size:,} bytes: the log "{self.path}" takes at most {self.settings.record_bytes:,}'
            )
        if record.id is not None and not self.settings.deduplicate_us:
            raise SinkError(f'the log "{self.path}" does not look at ids', hint='create it with deduplicate="1 h"')
        if record.id is not None and not 0 < len(record.id) <= ID_BYTES:
            raise SinkError(f"an id has 1 to {ID_BYTES} bytes, found {len(record.id)}")

    def append_frame(self, frame: pl.DataFrame, *, key: Sequence[str] = ()) -> list[Appended]:
        """Append rows and wait until they are durable; where the part of each partition begins.

        Args:
            frame: The rows; their columns are those of the rows before.
            key: The columns that choose the partition, and by which the log may be compacted; without any, the
                rows of a call stay together.

        Raises:
            SinkError: If they are refused: none is there.
            SinkLost: If it is not known whether they are there.
        """
        schema = Schema.of(dict(frame.schema))
        self._turn += 1
        encoder = RowEncoder(schema, key, self.partitions, "zstd", self._turn)
        bodies = encoder.encode(frame)
        if not bodies:
            return []
        answer: list[Appended] = self._append(AppendRows(schema, bodies, key, str(self.path)))
        return answer

    def fence(
        self, producer: str, *, forget: Callable[[list[Any] | None], None] | None = None
    ) -> tuple[str, list[Any] | None]:
        """Become the only one who may append for a producer; the fence to show, and the producer's last token.

        Args:
            producer: Its name.
            forget: See `Fence`.

        Raises:
            SinkLost: If the log cannot be written.
        """
        fence = files.unique_name()
        return fence, self._append(Fence(producer, fence, forget))

    def transact(self, transaction: Transaction) -> int:
        """Append the rows and the token of a producer, all or nothing; how many rows.

        Raises:
            SupersededError: If somebody else has the fence.
            SinkError: If they are refused: nothing is there.
            SinkLost: If it is not known whether they are there: `fence` tells.
        """
        answer: int = self._append(transaction)
        return answer

    def _append(self, request: Any) -> Any:
        answer = self._committer.append(request)
        if self._tended != self._store.head.segment:
            self._tended = self._store.head.segment
            limits = self.settings
            if limits.retain_bytes is not None or limits.retain_us is not None:
                # What was appended is there, whatever becomes of old segments: the next one tries again.
                with contextlib.suppress(PenstockError):
                    self._retain(limits.retain_bytes, limits.retain_us, KEEP)
        return answer

    # -- reading ---------------------------------------------------------------

    def cursor(self, partition: int, offset: int | None = None, columns: Sequence[str] | None = None) -> Cursor:
        """A reader of a partition from an offset on; None is the first record that is there.

        Raises:
            SourceError: If the offset is truncated or there is no such partition.
        """
        if not 0 <= partition < self.partitions:
            raise StartError(f'the log "{self.path}" has the partitions 0 to {self.partitions - 1}, not {partition}')
        start = self.state().start[partition]
        return Cursor(self.path, self.settings, partition, offset, columns, start)

    def read(self, partition: int, offset: int | None = None, max_rows: int = 1_000) -> Batch | None:
        """The rows from an offset on, at most so many; None if there are none now. For a loop, take a `cursor`."""
        with contextlib.closing(self.cursor(partition, offset)) as cursor:
            return cursor.poll(max_rows)

    def state(self) -> LogState:
        """Offsets, schemas and producers now."""
        with as_source_error(self.path):
            return self._store.refresh()

    def ends(self) -> list[int]:
        """The next offset of each partition."""
        return self.state().next

    def starts(self) -> list[int]:
        """The first offset of each partition that is still there."""
        state = self.state()
        with as_source_error(self.path):
            for number in numbers_of(self.path):
                with contextlib.suppress(FileNotFoundError):  # just removed
                    first = self._store.first_offsets(number)
                    return [max(one, other) for one, other in zip(first, state.start, strict=True)]
        return state.start

    # -- groups ----------------------------------------------------------------

    def groups(self) -> list[str]:
        """The names of the groups that have stored positions."""
        return self._groups.names()

    def positions(self, group: str) -> dict[int, int]:
        """How far a group has come: the next offset by partition."""
        with as_source_error(self.path):
            return self._groups.read(group)

    def store_positions(self, group: str, positions: Mapping[int, int]) -> None:
        """Store how far a group has come: durable, and all of them or none."""
        for partition, offset in positions.items():
            if not 0 <= partition < self.partitions or offset < 0:
                raise SinkError(f'the log "{self.path}" has no offset {offset} in partition {partition}')
        try:
            self._groups.store(group, positions)
        except OSError as failure:
            raise SinkError(f'cannot store positions in "{self.path}": {failure.strerror or failure}') from failure

    def forget(self, group: str) -> None:
        """Forget a group: retention does not wait for it any more."""
        self._groups.forget(group)

    # -- what goes -------------------------------------------------------------

    def retain(self, *, retain_bytes: int | None = None, retain: str | None = None, unread: str = KEEP) -> int:
        """Remove old segments; how many were removed.

        Args:
            retain_bytes: Keep about so many bytes.
            retain: Keep what is younger, `"7 d"`.
            unread: What a group has not read yet is kept (`"keep"`) or goes (`"drop"`).

        Raises:
            SinkLost: If the log cannot be locked or files cannot be removed.
        """
        return self._retain(retain_bytes, duration(retain) if retain else None, unread)

    def _retain(self, retain_bytes: int | None, retain_us: int | None, unread: str) -> int:
        if unread not in (KEEP, DROP):
            raise one_of("value of unread", unread, (KEEP, DROP))
        with self._store.exclusive(), self._store.as_lost():
            now = max(self._clock.now(), self._store.state.time)
            return remove_old(
                self._store, self._groups, now, retain_bytes=retain_bytes, retain_us=retain_us, unread=unread
            )

    def compact(self, *, tombstones: str = "1 d") -> Compacted:
        """Keep the last row of each key, in all segments but the one that is written; what was removed.

        Offsets stay as they are: readers find gaps. Rows without a key stay. A record without a value goes too, once
        it is old enough; until then it tells readers that its key is gone. All keys are held in memory meanwhile.

        Args:
            tombstones: How long records without a value stay.

        Raises:
            SinkError: If the log has rows without a key.
            SinkLost: If files cannot be written.
        """
        return Compaction(self._store, self._clock, duration(tombstones)).run()

    def truncate(self, offsets: Mapping[int, int]) -> None:
        """Forget all before an offset, by partition: it is not read any more, and its files go when all in them may.

        Raises:
            SinkError: If an offset is beyond the end.
        """
        for partition in offsets:
            if not 0 <= partition < self.partitions:
                raise SinkError(f'the log "{self.path}" has no partition {partition}')
        self._append(Truncate(dict(offsets)))
        self.retain()

    def close(self) -> None:
        """Close all files."""
        self._store.close()
        self._groups.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
