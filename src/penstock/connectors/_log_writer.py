"""Writes epochs to a log: encoded beside the steps, carried by the checkpoint, appended whole with their token."""

from __future__ import annotations

import io
import json as json_module
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from penstock.connectors.base import Content, Sealed, Token, Writer, WriteRequest, is_newer_run
from penstock.connectors.formats._to_text import JsonWriter, json_text, object_text, plain_text
from penstock.core.clock import SystemClock
from penstock.core.dtypes import String
from penstock.core.errors import PenstockError, SinkError, SinkLost, StartError, SupersededError
from penstock.core.failpoint import hit
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.log.batches import Body, record_types
from penstock.log.committer import FRAME_BYTES, GROUP_BYTES
from penstock.log.draft import Transaction, check_schema
from penstock.log.log import Log
from penstock.log.rows import RowEncoder

if TYPE_CHECKING:
    from typing import BinaryIO

PENDING_BYTES = 32 << 20
"""From so many bytes on rows are encoded before their epoch ends, which packs them."""

_COUNT = struct.Struct("<I")
_PART = struct.Struct("<IIQ")


class LogWriter(Writer):
    """Writes one output to a log.

    Args:
        log: The log; closed with the writer.
        request: What is going to be written.
        key: The columns that choose the partition.
        compression: How rows are packed.
        json: Whether rows become records with JSON values.

    Raises:
        StartError: If the log holds something else.
    """

    def __init__(
        self, log: Log, request: WriteRequest, key: Sequence[str], compression: str | None, *, json: bool
    ) -> None:
        self._log, self._schema, self._key = log, request.schema, tuple(key)
        self._producer = json_module.dumps([request.pipeline, request.output])
        self._forget = request.fresh
        self._fence: str | None = None
        self._last: Token | None = None
        self._rows = 0
        self._encoder = RowEncoder(request.schema, key, log.partitions, compression)
        self._values = _JsonValues(request.schema, self._key, log.settings.record_bytes) if json else None
        self._pending: list[pl.DataFrame] = []
        self._pending_bytes = 0
        self._bodies: list[Body] = []
        self._check()

    def _check(self) -> None:
        state = self._log.state()
        self._seen = _token(state.producers.get(self._producer, {"token": None})["token"])
        if self._values is not None:
            if state.holds == "rows":
                raise StartError(f'the log "{self._log.path}" holds rows: records cannot be appended to it')
            return
        check_schema(state, self._schema, str(self._log.path), StartError)
        if state.schemas and list(self._key) != state.key:
            raise StartError(f'the log "{self._log.path}" has the key {state.key}, not {list(self._key)}')

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Take rows of the open epoch."""
        if not frame.height:
            return
        self._pending.append(frame)
        self._pending_bytes += int(frame.estimated_size())
        if self._pending_bytes >= PENDING_BYTES:
            self._bodies += self._encoded(self._pending)
            self._pending, self._pending_bytes = [], 0

    def _encoded(self, frames: list[pl.DataFrame]) -> list[Body]:
        if not frames:
            return []
        frame = pl.concat(frames)
        return self._encoder.encode(frame, self._values(frame) if self._values is not None else None)

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """End the epoch; its encoded rows go with the checkpoint.

        Raises:
            SinkError: If they are more than can be appended at once.
        """
        bodies, frames = self._bodies, self._pending
        self._bodies, self._pending, self._pending_bytes = [], [], 0

        def encode() -> Content:
            whole = bodies + self._encoded(frames)
            if sum(len(body.data) for body in whole) > FRAME_BYTES:
                raise SinkError(
                    f'an epoch of more than {FRAME_BYTES:,} bytes for the log "{self._log.path}"',
                    hint="shorter epochs: checkpoint",
                )
            rows = sum(body.rows for body in whole)
            return Content({"rows": rows, "parts": len(whole)}, _packed(whole), rows)

        return encode

    def last_token(self) -> Token | None:
        """Fence off all others, and say which epoch is the last in the log.

        Raises:
            SinkLost: If the log cannot be written now.
            SupersededError: If this run was to begin anew, and a newer one has published.
        """
        self._fence = None
        try:
            fence, found = self._log.fence(self._producer, forget=self._require_no_newer if self._forget else None)
        except SinkLost:
            raise
        except OSError as failure:
            raise SinkLost(f'cannot write to the log "{self._log.path}": {failure}') from failure
        self._fence, self._forget = fence, False
        self._last = _token(found)
        return self._last

    def _require_no_newer(self, found: list[Any] | None) -> None:
        if is_newer_run(_token(found), self._seen):
            raise SupersededError(f'another process has taken over the output to the log "{self._log.path}"')

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Append epochs, each with all its rows in all partitions and its token in one frame.

        Raises:
            SinkLost: If it is not known whether they are there.
            SupersededError: If another process has taken over.
            SinkError: If they are refused; nothing of them is there.
        """
        if self._fence is None:
            self.last_token()
        for group in self._groups(epochs):
            bodies = [body for sealed in group for body in _unpacked(sealed.payload)]
            token = group[-1].token
            schema = None if self._values is not None else self._schema
            hit("log.before_commit")
            transaction = Transaction(
                self._producer, self._fence, list(token), schema, bodies, self._key, str(self._log.path)
            )
            try:
                self._rows += self._log.transact(transaction)
            except PenstockError:
                # Whoever tries again asks first what is there.
                self._fence = None
                raise
            self._last = token
            hit("log.committed")

    def _groups(self, epochs: Sequence[Sealed]) -> Iterator[list[Sealed]]:
        """The epochs that are not in the log yet, as many at once as share a sync."""
        group: list[Sealed] = []
        size, last = 0, self._last
        for sealed in epochs:
            if last is not None and not self._follows(sealed.token, last):
                continue
            if group and size + len(sealed.payload) > GROUP_BYTES:
                yield group
                group, size = [], 0
            group.append(sealed)
            size += len(sealed.payload)
            last = sealed.token
        if group:
            yield group

    def _follows(self, token: Token, last: Token) -> bool:
        """Whether a token is the next one; not if it is in the log."""
        if token.incarnation < last.incarnation:
            raise SupersededError(f'another process has taken over the output to the log "{self._log.path}"')
        if token.epoch > last.epoch + 1:
            raise SinkError(
                f'epoch {token.epoch} does not follow epoch {last.epoch}, the last in the log "{self._log.path}"'
            )
        return token.epoch > last.epoch

    def close(self) -> None:
        """Discard what is not sealed and close the log."""
        self._pending, self._bodies = [], []
        self._log.close()

    def report(self) -> str:
        """How many rows there were, and where."""
        return f"{self._rows:,} rows in {self._log.path}"


class _JsonValues:
    """Rows as records: their JSON, and that of their key."""

    def __init__(self, schema: Schema, key: Sequence[str], most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lines = JsonWriter(cast("BinaryIO", io.BytesIO()), schema)
        fields = [schema[name] for name in key]
        if len(fields) == 1:
            column = pl.col(fields[0].name)
            text = plain_text if fields[0].dtype == String else json_text
            self._key = text(column, fields[0].dtype)
        else:
            self._key = object_text([(field.name, json_text(pl.col(field.name), field.dtype)) for field in fields])
        self._has_key = bool(fields)

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows as records."""
        now = pl.Series("timestamp", [SystemClock().now()], dtype=pl.Int64).new_from_index(0, frame.height)
        if self._has_key:
            key = frame.select(self._key.alias("key")).get_column("key")
        else:
            key = pl.Series("key", [None], dtype=pl.String).new_from_index(0, frame.height)
        value = self._lines.lines(frame).alias("value")
        largest = int(value.str.len_bytes().to_numpy().max(initial=0))
        if largest > self._most_bytes:
            raise SinkError(f"a row has {largest:,} bytes as JSON, and a record at most {self._most_bytes:,}")
        rows = [one.cast(dtype) for one, dtype in zip((now, key, value), record_types().values(), strict=True)]
        return pl.DataFrame(rows)


def _token(stored: list[Any] | None) -> Token | None:
    return None if stored is None else Token._make(stored)


def _packed(bodies: Sequence[Body]) -> bytes:
    """Bodies as the payload of an epoch; nothing if there are none."""
    if not bodies:
        return b""
    heads = [_PART.pack(body.partition, body.rows, len(body.data)) for body in bodies]
    return b"".join((_COUNT.pack(len(bodies)), *heads, *(body.data for body in bodies)))


def _unpacked(payload: bytes) -> list[Body]:
    if not payload:
        return []
    (count,) = _COUNT.unpack_from(payload)
    place = _COUNT.size + count * _PART.size
    found = []
    for partition, rows, length in _PART.iter_unpack(payload[_COUNT.size : place]):
        found.append(Body(partition, rows, payload[place : place + length]))
        place += length
    return found
