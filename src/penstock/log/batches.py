"""Rows to the bodies of batches and back: Arrow record batches, whose schema is stored once in the log."""

from __future__ import annotations

import base64
import importlib
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.core.errors import SinkError
from penstock.core.lazy import np, pa, pl
from penstock.core.schema import Schema
from penstock.log.frame import SPARSE, WITH_IDS, Entry, digest_of
from penstock.log.state import RECORDS, RECORDS_WITH_IDS

if TYPE_CHECKING:
    import numpy.typing as npt

END_OF_STREAM = 8
PACKED_FROM = 1 << 10
"""Bodies that are smaller are not compressed."""
BATCH_ROWS = 65_536
"""How many rows a batch has at most: what a reader decodes at once."""


class Record(NamedTuple):
    """A record of a log.

    Attributes:
        value: Its value; None removes its key when the log is compacted.
        key: Its key: it chooses the partition, and compaction keeps the last record of each.
        timestamp: Microseconds since 1970; when it is appended if not given.
        id: What tells it from others: a log that deduplicates takes it once within its span.
    """

    value: bytes | None
    key: bytes | None = None
    timestamp: int | None = None
    id: bytes | None = None


class Batch(NamedTuple):
    """Consecutive rows of a partition.

    Attributes:
        partition: The partition.
        frame: The rows; records have the columns `timestamp`, `key`, `value`.
        offsets: Their offsets as runs `(first, count)`, ascending.
        next: The offset to go on at.
        time: When they were appended, in microseconds since 1970.
    """

    partition: int
    frame: pl.DataFrame
    offsets: tuple[tuple[int, int], ...]
    next: int
    time: int


class Body(NamedTuple):
    """Encoded rows that have no offsets yet.

    Attributes:
        partition: Their partition.
        rows: How many there are.
        data: The bytes.
    """

    partition: int
    rows: int
    data: bytes


def record_types(with_ids: bool = False) -> dict[str, Any]:
    """The columns of records as Polars types."""
    types: dict[str, Any] = {"timestamp": pl.Datetime("us", "UTC"), "key": pl.Binary, "value": pl.Binary}
    return types | {"id": pl.Binary} if with_ids else types


def schema_value(schema: Schema) -> dict[str, Any]:
    """How a log stores the schema of rows."""
    arrow = _arrow_schema(schema.to_polars()).serialize().to_pybytes()
    return {"fields": schema.to_json(), "arrow": base64.b64encode(arrow).decode()}


def _arrow_schema(types: dict[str, Any]) -> Any:
    return pl.DataFrame(schema=types).to_arrow(compat_level=pl.CompatLevel.oldest()).schema


@cache
def _record_schema(with_ids: bool) -> bytes:
    found: bytes = _arrow_schema(record_types(with_ids)).serialize().to_pybytes()
    return found


def encode(frame: pl.DataFrame, compression: str | None = "zstd") -> bytes:
    """Rows as one Arrow record batch without its schema."""
    ipc: Any = importlib.import_module("pyarrow.ipc")
    table = frame.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    batches = table.to_batches()
    packed = compression if frame.estimated_size() >= PACKED_FROM else None
    sink = pa.BufferOutputStream()
    if len(batches) != 1:
        raise SinkError(f"{frame.height} rows became {len(batches)} record batches")
    with ipc.new_stream(sink, table.schema, options=ipc.IpcWriteOptions(compression=packed)) as stream:
        stream.write_batch(batches[0])
    whole = memoryview(sink.getvalue())
    return bytes(whole[len(table.schema.serialize()) : -END_OF_STREAM])


def of_records(
    timestamps: Sequence[int], keys: Sequence[Any], values: Sequence[Any], ids: Sequence[Any] | None
) -> pl.DataFrame:
    """Records as columns."""
    types = record_types(ids is not None)
    columns = {"timestamp": timestamps, "key": keys, "value": values}
    if ids is not None:
        columns["id"] = ids
    return pl.DataFrame([pl.Series(name, columns[name], dtype=types[name]) for name in types])


class Decoder:
    """Decodes bodies of batches.

    Args:
        schemas: The schemas of rows by number, as the log stores them.
    """

    def __init__(self, schemas: dict[int, dict[str, Any]]) -> None:
        self.schemas = schemas
        self._known: dict[int, bytes] = {}

    def schema(self, number: int) -> bytes:
        """The Arrow schema of a number, encoded."""
        if number in (RECORDS, RECORDS_WITH_IDS):
            return _record_schema(number == RECORDS_WITH_IDS)
        if number not in self._known:
            self._known[number] = base64.b64decode(self.schemas[number]["arrow"])
        return self._known[number]

    def frame(self, entry: Entry, body: bytes, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of a batch; with columns given only those that it has of them."""
        ipc: Any = importlib.import_module("pyarrow.ipc")
        skip = _deltas_bytes(entry)
        schema = self.schema(entry.schema)
        data = pa.py_buffer(b"".join((schema, memoryview(body)[skip:])))
        options = ipc.IpcReadOptions()
        if columns is not None:
            names = ipc.open_stream(data).schema.names
            # An empty list of fields would mean all of them: one is decoded to be counted.
            options.included_fields = [at for at, name in enumerate(names) if name in columns] or [0]
        batch = ipc.open_stream(data, options=options).read_next_batch()
        if batch.num_rows != entry.rows:
            raise ValueError(f"{batch.num_rows} rows in a batch of {entry.rows}")
        return pl.DataFrame(batch)


def offsets(entry: Entry, body: bytes) -> npt.NDArray[np.int64]:
    """The offsets of the rows of a batch."""
    if entry.flags & SPARSE:
        return entry.base + np.frombuffer(body, np.uint32, entry.rows).astype(np.int64)
    return np.arange(entry.base, entry.base + entry.rows, dtype=np.int64)


def _deltas_bytes(entry: Entry) -> int:
    return -(-entry.rows * 4 // 8) * 8 if entry.flags & SPARSE else 0


def entry_of(partition: int, schema: int, base: int, rows: int, body: bytes) -> Entry:
    """The entry of a batch without gaps."""
    flags = WITH_IDS if schema == RECORDS_WITH_IDS else 0
    return Entry(partition, schema, base, rows, rows, flags, len(body), digest_of(body))


def sparse(entry: Entry, at: npt.NDArray[np.int64], frame: pl.DataFrame) -> tuple[Entry, bytes]:
    """A batch of which only some rows are left; its offsets stay as they are."""
    if not frame.height:
        body = b""
    else:
        deltas = (at - entry.base).astype(np.uint32).tobytes()
        body = deltas + bytes(-len(deltas) % 8) + encode(frame)
    changed = entry._replace(rows=frame.height, flags=entry.flags | SPARSE, length=len(body), digest=digest_of(body))
    return changed, body
