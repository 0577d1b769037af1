"""Rows to records, and the form in which a checkpoint carries them until they are published."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.connectors.formats._from_text import spans_of
from penstock.connectors.formats._to_text import SLICE_ROWS, JsonWriter, json_text, object_text, plain_text
from penstock.core.errors import SinkError
from penstock.core.lazy import np, pa, pl
from penstock.core.schema import Schema
from penstock.kernels.arrays import frozen
from penstock.kernels.partitions import partitions_of_keys

if TYPE_CHECKING:
    import numpy.typing as npt

    from penstock.kernels.arrays import Rows

PACKED_VERSION = 1
MOST_BYTES = 1 << 30
"""How many bytes of records an epoch may have."""
RECORD_OVERHEAD = 128
"""What a batch of one record takes besides key and value, at most."""

_HEAD = struct.Struct("<4sBxxxIQ")  # mark, version, records, bytes of the body
_MARK = b"PKAF"


class Texts(NamedTuple):
    """Byte strings next to each other.

    Attributes:
        heap: Their bytes.
        lengths: How long each is; -1 = there is none.
    """

    heap: bytes
    lengths: Rows

    def each(self) -> list[bytes | None]:
        """One object for each."""
        ends = np.cumsum(np.maximum(self.lengths, 0), dtype=np.int64).tolist()
        lengths, heap = self.lengths.tolist(), self.heap
        return [None if n < 0 else heap[end - n : end] for n, end in zip(lengths, ends, strict=True)]


class Records(NamedTuple):
    """Records in the order in which they are sent.

    Attributes:
        partitions: Where each goes.
        keys: Their keys.
        values: Their values; none = a tombstone.
    """

    partitions: Rows
    keys: Texts
    values: Texts

    def each(self) -> Iterator[tuple[int, bytes | None, bytes | None]]:
        """Partition, key and value of each."""
        return zip(self.partitions.tolist(), self.keys.each(), self.values.each(), strict=True)

    def counts(self) -> dict[str, int]:
        """How many there are per partition, by its number as text: a JSON value."""
        numbers, counts = np.unique(self.partitions, return_counts=True)
        return {str(number): count for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)}


def pack(records: Records) -> bytes:
    """Records as bytes: a head with mark, version and lengths, then everything compressed; nothing for no records.

    Raises:
        SinkError: If there are too many bytes.
    """
    if not len(records.partitions):
        return b""
    parts = (records.partitions, records.keys.lengths, records.values.lengths)
    body = b"".join([*(part.astype("<i4").tobytes() for part in parts), records.keys.heap, records.values.heap])
    if len(body) > MOST_BYTES:
        raise SinkError(
            f"an epoch has {len(body):,} bytes of records, more than {MOST_BYTES:,}", hint="end epochs sooner"
        )
    head = _HEAD.pack(_MARK, PACKED_VERSION, len(records.partitions), len(body))
    return head + bytes(pa.compress(body, codec="zstd", asbytes=True))


def unpack(payload: bytes) -> Records:
    """What `pack` has packed.

    Raises:
        SinkError: If it is not that, or of a later version.
    """
    none = np.zeros(0, dtype=np.int32)
    if not payload:
        return Records(none, Texts(b"", none), Texts(b"", none))
    broken = SinkError("an epoch that was stored for Kafka cannot be read: it is damaged")
    if len(payload) < _HEAD.size:
        raise broken
    mark, version, count, size = _HEAD.unpack_from(payload)
    if mark == _MARK and version > PACKED_VERSION:
        raise SinkError(f"an epoch was stored by a later version of Penstock: records of version {version}")
    if mark != _MARK or size > MOST_BYTES or size < 12 * count:
        raise broken
    try:
        body = pa.decompress(memoryview(payload)[_HEAD.size :], decompressed_size=size, codec="zstd", asbytes=True)
    except (pa.ArrowException, OSError):
        raise broken from None
    numbers = np.frombuffer(body, dtype="<i4", count=3 * count).astype(np.int32).reshape(3, count)
    key_bytes = int(np.maximum(numbers[1], 0).sum(dtype=np.int64))
    value_bytes = int(np.maximum(numbers[2], 0).sum(dtype=np.int64))
    at = 12 * count
    if at + key_bytes + value_bytes != size:
        raise broken
    keys, values = body[at : at + key_bytes], body[at + key_bytes :]
    return Records(numbers[0], Texts(keys, numbers[1]), Texts(values, numbers[2]))


@dataclass(frozen=True)
class Encoder:
    """How rows become records.

    Attributes:
        schema: Their columns.
        key: The columns of the record's key; none = records have no key.
        key_format: `json` (an object of the key's columns) or `text` (the only column, as plain text).
        by_key: Whether the key says the partition; else one after the other.
        partitions: How many partitions there are.
        limit: How many bytes a record may have.
    """

    schema: Schema
    key: tuple[str, ...]
    key_format: str
    by_key: bool
    partitions: int
    limit: int

    def encode(self, frames: Sequence[tuple[pl.DataFrame, Any]], changes: bool, turn: int) -> Records:
        """The records of an epoch.

        Changes become what is left of each key: its last row, or a tombstone if it is gone; nothing for
        a key that was not there before the epoch and is not after it.

        Args:
            frames: Rows and their changes.
            changes: Whether they are changes.
            turn: Whose turn it is among the partitions, for records without a key.

        Raises:
            SinkError: If a row cannot be written, or a record is larger than the cluster takes.
        """
        rows = pl.concat([pl.DataFrame(schema=self.schema.to_polars()), *(frame for frame, _ in frames)])
        comes = np.ones(rows.height, dtype=np.bool_)
        keys = self._key_texts(rows) if self.key else None
        if changes:
            assert keys is not None
            comes = np.concatenate([_signs(frame, diff) for frame, diff in frames]) > 0 if frames else comes
            last = _last_changes(keys, comes)
            rows, keys, comes = rows.filter(pl.Series(last)), keys.filter(pl.Series(last)), comes[last]
            if keys.null_count():
                raise SinkError("a change has a null key: a topic with keys cannot hold it", hint='key_format="json"')
        lines = self._lines(rows.filter(pl.Series(comes)))
        values = _spread(_texts_of(lines), comes)
        key_texts = Texts(b"", np.full(rows.height, -1, dtype=np.int32)) if keys is None else _texts_of(keys)
        self._check_sizes(key_texts, values)
        return Records(self._places(key_texts, turn), key_texts, values)

    def _lines(self, rows: pl.DataFrame) -> pl.Series:
        writer = JsonWriter(BytesIO(), self.schema)
        slices = [writer.lines(rows.slice(start, SLICE_ROWS)) for start in range(0, rows.height, SLICE_ROWS)]
        return pl.concat(slices) if slices else pl.Series("line", [], dtype=pl.String)

    def _key_texts(self, rows: pl.DataFrame) -> pl.Series:
        if self.key_format == "text":
            (name,) = self.key
            text = plain_text(pl.col(name), self.schema[name].dtype)
        else:
            text = object_text([(name, json_text(pl.col(name), self.schema[name].dtype)) for name in self.key])
        return rows.select(text.alias("key")).get_column("key")

    def _check_sizes(self, keys: Texts, values: Texts) -> None:
        sizes = np.maximum(keys.lengths, 0).astype(np.int64) + np.maximum(values.lengths, 0)
        if sizes.size and int(sizes.max()) > self.limit:
            raise SinkError(
                f"record {int(sizes.argmax())} of an epoch has {int(sizes.max()):,} bytes, "
                f"and the topic takes {self.limit:,}",
                hint="raise max.message.bytes of the topic (and message.max.bytes in settings=), or write less",
            )

    def _places(self, keys: Texts, turn: int) -> Rows:
        count = len(keys.lengths)
        places = ((turn + np.arange(count, dtype=np.int64)) % self.partitions).astype(np.int32)
        if not self.by_key:
            return places
        bounds = np.concatenate(([0], np.cumsum(np.maximum(keys.lengths, 0), dtype=np.int64)))
        found = np.zeros(count, dtype=np.int32)
        partitions_of_keys(frozen(np.frombuffer(keys.heap, np.uint8)), frozen(bounds, np.int64), self.partitions, found)
        return np.where(keys.lengths < 0, places, found).astype(np.int32)


def _signs(frame: pl.DataFrame, diff: Any) -> npt.NDArray[np.int8]:
    return np.ones(frame.height, np.int8) if diff is None else np.asarray(diff, dtype=np.int8)


def _last_changes(keys: pl.Series, comes: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The last change of each key, but not of one that both came and went in between."""
    new = pl.DataFrame({"key": keys, "comes": comes}).select(pl.col("comes").first().over("key")).to_series().to_numpy()
    last: npt.NDArray[np.bool_] = keys.is_last_distinct().to_numpy() & (comes | ~new)
    return last


def _texts_of(column: pl.Series) -> Texts:
    missing = column.is_null().to_numpy()
    spans = spans_of(column.fill_null(""))
    lengths = (spans.ends - spans.starts).astype(np.int32)
    heap = bytes(spans.data[int(spans.starts[0]) : int(spans.ends[-1])]) if len(lengths) else b""
    return Texts(heap, np.where(missing, -1, lengths).astype(np.int32))


def _spread(values: Texts, comes: npt.NDArray[np.bool_]) -> Texts:
    """Values for the rows that come; none for the others."""
    lengths = np.full(len(comes), -1, dtype=np.int32)
    lengths[comes] = values.lengths
    return Texts(values.heap, lengths)
