"""What is going to be appended in one frame: requests of several threads, checked one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from penstock.core.errors import SinkError, StartError, SupersededError
from penstock.core.schema import Schema
from penstock.log.batches import Body, Record, encode, entry_of, of_records, schema_value
from penstock.log.frame import Entry
from penstock.log.ids import Ids, Place
from penstock.log.state import FIRST_SCHEMA, RECORDS, RECORDS_WITH_IDS, LogState


class Appended(NamedTuple):
    """Where a record is.

    Attributes:
        partition: Its partition.
        offset: Its offset.
        duplicate: Whether it was there before: a record with its id.
    """

    partition: int
    offset: int
    duplicate: bool = False


class Draft:
    """The next frame.

    Args:
        state: The state of the log before it.
        ids: The ids of records that are remembered.
        time: When it is written.
    """

    def __init__(self, state: LogState, ids: Ids, time: int) -> None:
        self.state = state.copy()
        self.ids = ids
        self.time = time
        self.meta: dict[str, Any] = {}
        self._records: dict[int, list[Record]] = {}
        self._new_ids: dict[bytes, Place] = {}
        self._entries: list[Entry] = []
        self._bodies: list[bytes] = []

    def change(self, **meta: Any) -> None:
        """Say something besides the batches; dictionaries are merged."""
        for name, value in meta.items():
            self.meta[name] = {**self.meta.get(name, {}), **value} if isinstance(value, dict) else value
        self.state.change(meta)

    def hold(self, what: str, folder: str) -> None:
        """Make sure that the log holds records, or rows.

        Raises:
            SinkError: If it holds the other.
        """
        if self.state.holds is None:
            self.change(holds=what)
        elif self.state.holds != what:
            raise SinkError(f'the log "{folder}" holds {self.state.holds}: {what} cannot be appended to it')

    def add_record(self, partition: int, record: Record) -> Appended:
        """Append a record, unless there is one with its id."""
        place = Place(partition, self.state.next[partition])
        if record.id is not None:
            there = self._new_ids.get(record.id) or self.ids.get(record.id, self.time)
            if there is not None:
                return Appended(there.partition, there.offset, True)
            self._new_ids[record.id] = place
        self._records.setdefault(partition, []).append(record)
        self.state.next[partition] += 1
        return Appended(*place)

    def add_rows(self, schema: int, body: Body) -> int:
        """Append encoded rows; the offset of the first."""
        base = self.state.next[body.partition]
        self._entries.append(entry_of(body.partition, schema, base, body.rows, body.data))
        self._bodies.append(body.data)
        self.state.next[body.partition] += body.rows
        return base

    def finish(self) -> tuple[list[Entry], list[bytes], dict[str, Any]]:
        """The batches, their bodies, and what the frame says besides."""
        entries, bodies = list(self._entries), list(self._bodies)
        for partition, records in sorted(self._records.items()):
            with_ids = any(record.id is not None for record in records)
            timestamps = [self.time if one.timestamp is None else one.timestamp for one in records]
            frame = of_records(
                timestamps,
                [one.key for one in records],
                [one.value for one in records],
                [one.id for one in records] if with_ids else None,
            )
            body = encode(frame)
            base = self.state.next[partition] - len(records)
            entries.append(entry_of(partition, RECORDS_WITH_IDS if with_ids else RECORDS, base, len(records), body))
            bodies.append(body)
        return entries, bodies, self.meta

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self._entries or self._records or self.meta)

    def written(self) -> None:
        """The frame is durable: its ids are remembered."""
        for key, place in self._new_ids.items():
            self.ids.add(key, place, self.time)


class Request(Protocol):
    """Something to append."""

    @property
    def size(self) -> int:
        """About how many bytes it has."""
        ...

    def add(self, draft: Draft) -> Any:
        """Add it to a frame and say what the appender is told; changes nothing if it is refused."""
        ...


class AppendRecords:
    """Records, each to its partition."""

    def __init__(self, folder: str, placed: Sequence[tuple[int, Record]]) -> None:
        self._folder, self._placed = folder, placed
        self.size = sum(len(one.value or b"") + len(one.key or b"") + 64 for _, one in placed)

    def add(self, draft: Draft) -> list[Appended]:
        """See `Request.add`."""
        draft.ids.check_room(sum(record.id is not None for _, record in self._placed), draft.time)
        draft.hold("records", self._folder)
        return [draft.add_record(partition, record) for partition, record in self._placed]


class Fence:
    """From now on only who holds this fence may append for a producer; says its last token.

    Args:
        producer: The producer's name.
        fence: What is to be shown from now on.
        forget: Given if the producer begins anew, so that its last token is forgotten: it is called with that token
            while nobody can append, and raises if the token must stay.
    """

    def __init__(self, producer: str, fence: str, forget: Callable[[list[Any] | None], None] | None) -> None:
        self._producer, self._fence, self._forget = producer, fence, forget
        self.size = 0

    def add(self, draft: Draft) -> list[Any] | None:
        """See `Request.add`."""
        token: list[Any] | None = draft.state.producers.get(self._producer, {"token": None})["token"]
        if self._forget is not None:
            self._forget(token)
            token = None
        draft.change(producers={self._producer: {"fence": self._fence, "token": token}})
        return token


class Transaction:
    """Encoded rows of a producer and its token: all of them or nothing.

    Args:
        producer: The producer's name.
        fence: What it was told by its last `Fence`.
        token: The token, as JSON.
        schema: The schema of the rows; None if they are records.
        bodies: The rows.
        key: The columns by which the log is compacted.
        folder: The log, for errors.
    """

    def __init__(
        self,
        producer: str,
        fence: str | None,
        token: list[Any],
        schema: Schema | None,
        bodies: Sequence[Body],
        key: Sequence[str],
        folder: str,
    ) -> None:
        self._producer, self._fence, self._token = producer, fence, token
        self._schema, self._bodies, self._key, self._folder = schema, bodies, list(key), folder
        self.size = sum(len(body.data) for body in bodies)

    def add(self, draft: Draft) -> int:
        """See `Request.add`; gives the number of rows."""
        known = draft.state.producers.get(self._producer)
        if known is None or known["fence"] != self._fence:
            raise SupersededError(f'another process has taken over the output to the log "{self._folder}"')
        number = add_schema(draft, self._schema, self._key, self._folder) if self._schema else RECORDS
        if not self._schema:
            draft.hold("records", self._folder)
        for body in self._bodies:
            draft.add_rows(number, body)
        draft.change(producers={self._producer: {"fence": self._fence, "token": self._token}})
        return sum(body.rows for body in self._bodies)


class AppendRows:
    """Encoded rows of no producer."""

    def __init__(self, schema: Schema, bodies: Sequence[Body], key: Sequence[str], folder: str) -> None:
        self._schema, self._bodies, self._key, self._folder = schema, bodies, key, folder
        self.size = sum(len(body.data) for body in bodies)

    def add(self, draft: Draft) -> list[Appended]:
        """See `Request.add`; says where each part begins."""
        number = add_schema(draft, self._schema, self._key, self._folder)
        return [Appended(body.partition, draft.add_rows(number, body)) for body in self._bodies]


class Truncate:
    """Forget what comes before some offsets."""

    size = 0

    def __init__(self, offsets: dict[int, int]) -> None:
        self._offsets = offsets

    def add(self, draft: Draft) -> None:
        """See `Request.add`."""
        for partition, offset in self._offsets.items():
            if offset > draft.state.next[partition]:
                raise SinkError(f"partition {partition} ends at offset {draft.state.next[partition]}, before {offset}")
        draft.change(start={str(partition): offset for partition, offset in self._offsets.items()})


def add_schema(draft: Draft, schema: Schema, key: Sequence[str], folder: str) -> int:
    """The number of a schema of rows in the log; it is stored with the first rows.

    Raises:
        SinkError: If the log holds records, or rows of another schema.
    """
    draft.hold("rows", folder)
    fields = schema.to_json()
    for number, known in draft.state.schemas.items():
        if known["fields"] == fields:
            if list(key) != draft.state.key:
                raise SinkError(f'the log "{folder}" has the key {draft.state.key}, not {list(key)}')
            return number
    check_schema(draft.state, schema, folder, SinkError)
    number = FIRST_SCHEMA + len(draft.state.schemas)
    draft.change(schemas={str(number): schema_value(schema)}, key=list(key))
    return number


def check_schema(state: LogState, schema: Schema, folder: str, error: type[SinkError] | type[StartError]) -> None:
    """Check that rows of a schema go into a log.

    Raises:
        SinkError: If it holds something else (or what `error` says).
    """
    if state.holds == "records":
        raise error(f'the log "{folder}" holds records: rows cannot be appended to it', hint="write to another log")
    for known in state.schemas.values():
        there = Schema.from_json(known["fields"])
        if there.to_json() != schema.to_json():
            raise error(f'the log "{folder}" holds rows of ({there}), not of ({schema})', hint="write to another log")
