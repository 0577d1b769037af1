"""The open epoch: rows until it is sealed, then what a checkpoint carries: compressed text for COPY.

Append: all rows. By key: the net effect of the epoch, which is the last row of each key or its deletion.
The payload is a magic word, the length of a header, the header as JSON, then compressed blocks of whole lines.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.connectors._postgres_text import blocks, check
from penstock.connectors.base import Content
from penstock.core.errors import InvariantError, SinkError, StateError
from penstock.core.failpoint import hit
from penstock.core.lazy import np, pa, pl
from penstock.core.schema import Schema

if TYPE_CHECKING:
    import numpy.typing as npt

MAGIC = b"penstock.postgres"
VERSION = 1
BLOCK_BYTES = 4 << 20
"""About how large a block of text becomes before it is compressed."""
LARGEST_BLOCK = 1 << 30

ROWS, DELETES = "rows", "deletes"
_CODEC = "zstd"
_LENGTHS = struct.Struct("<HI")
_COMES = "__comes"


class Limits(NamedTuple):
    """How much is held.

    Attributes:
        batch_bytes: From how many bytes of rows on the open epoch is packed or summed up.
        epoch_bytes: The most that a whole epoch may hold.
    """

    batch_bytes: int
    epoch_bytes: int


class Payload(NamedTuple):
    """An epoch as it is published.

    Attributes:
        columns: The columns of the rows.
        key: The columns of deletions, by which rows are replaced; empty to append.
        rows: How many rows there are to append or to put in place of those of their keys.
        deletes: How many keys go.
        parts: Blocks: what they are, their length as text, and their compressed bytes.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: int
    deletes: int
    parts: tuple[tuple[str, int, bytes], ...]

    def lines(self, kind: str) -> Iterator[bytes]:
        """The text of the blocks of a kind."""
        codec = pa.Codec(_CODEC)
        for what, length, packed in self.parts:
            if what == kind:
                yield codec.decompress(packed, decompressed_size=length, asbytes=True)


class OpenEpoch:
    """Takes the rows of an epoch, and seals it.

    Args:
        schema: The columns.
        key: The columns of the key; empty to append.
        required: Columns without nulls.
        limits: How much is held.
    """

    def __init__(self, schema: Schema, key: tuple[str, ...], required: frozenset[str], limits: Limits) -> None:
        self._schema, self._key, self._required, self._limits = schema, key, required, limits
        self._frames: list[pl.DataFrame] = []
        self._held = 0
        self._next = limits.batch_bytes
        self._parts: list[tuple[str, int, bytes]] = []
        self._packed = 0
        self._rows = 0

    def add(self, frame: pl.DataFrame, diff: npt.NDArray[np.int8] | None) -> None:
        """Take rows, or changes.

        Raises:
            SinkError: If the epoch has become too large, or holds what the table cannot.
        """
        if not frame.height:
            return
        rows = frame.select(self._schema.names)
        if self._key:
            rows = rows.with_columns(pl.Series(_COMES, _comes(frame.height, diff)))
        elif diff is not None and (np.asarray(diff) < 0).any():
            raise InvariantError("changes came to a writer that appends")
        self._frames.append(rows)
        self._held += int(rows.estimated_size())
        if self._held >= self._next:
            self._shrink()

    def _shrink(self) -> None:
        """Pack what is held, or sum it up."""
        if not self._key:
            self._pack_rows()
            return
        rows = self._net()
        self._frames, self._held = [rows], int(rows.estimated_size())
        # Twice what is left: else an epoch with many keys would be summed up again and again.
        self._next = max(self._limits.batch_bytes, 2 * self._held)
        self._bound(self._held)

    def _net(self) -> pl.DataFrame:
        return net_by_key(pl.concat(self._frames), self._key)

    def _pack_rows(self) -> None:
        frames, self._frames, self._held = self._frames, [], 0
        rows = pl.concat(frames)
        self._rows += rows.height
        self._pack(ROWS, rows, self._schema)

    def _pack(self, kind: str, rows: pl.DataFrame, schema: Schema) -> None:
        check(rows, schema, self._key, self._required if kind == ROWS else frozenset())
        codec = pa.Codec(_CODEC, compression_level=1)
        for text in blocks(rows, schema, BLOCK_BYTES):
            packed = codec.compress(text, asbytes=True)
            self._parts.append((kind, len(text), packed))
            self._packed += len(packed)
            self._bound(self._packed)

    def _bound(self, size: int) -> None:
        if size > self._limits.epoch_bytes:
            raise SinkError(
                f"an epoch holds more than {self._limits.epoch_bytes:,} bytes",
                hint="a shorter interval between epochs, or a larger epoch_bytes",
            )

    def seal(self) -> Content:
        """Encode what is left; the content of the epoch.

        Raises:
            SinkError: If the table could not hold a value; it is named.
        """
        hit("postgres.before_seal")
        deletes = 0
        if self._frames and self._key:
            # In the order of the key: pages of its index are touched once, and locks are taken in one order.
            rows = self._net().sort(self._key)
            come = rows.filter(pl.col(_COMES)).drop(_COMES)
            go = rows.filter(~pl.col(_COMES)).select(self._key)
            self._rows, deletes = come.height, go.height
            self._pack(DELETES, go, self._schema.select(self._key))
            self._pack(ROWS, come, self._schema)
        elif self._frames:
            self._pack_rows()
        self._frames = []
        value = {"rows": self._rows, "deletes": deletes}
        payload = b""
        if self._parts:
            payload = pack(Payload(self._schema.names, self._key, self._rows, deletes, tuple(self._parts)))
        hit("postgres.sealed")
        return Content(value, payload, self._rows + deletes)


def _comes(count: int, diff: npt.NDArray[np.int8] | None) -> npt.NDArray[np.bool_]:
    return np.ones(count, dtype=np.bool_) if diff is None else np.asarray(diff) > 0


def net_by_key(changes: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """The last change of each key, in the order in which these came: -1 comes before +1, so it is what is left."""
    return changes.unique(subset=list(key), keep="last", maintain_order=True)


# -- stored --------------------------------------------------------------------


def pack(payload: Payload) -> bytes:
    """The bytes that a checkpoint carries."""
    header = json.dumps(
        {
            "columns": payload.columns,
            "key": payload.key,
            "rows": payload.rows,
            "deletes": payload.deletes,
            "codec": _CODEC,
            "parts": [[kind, length, len(packed)] for kind, length, packed in payload.parts],
        }
    ).encode()
    packed = [packed for _, _, packed in payload.parts]
    return b"".join([MAGIC, _LENGTHS.pack(VERSION, len(header)), header, *packed])


def unpack(data: bytes) -> Payload:
    """The inverse of `pack`.

    Raises:
        StateError: If the bytes are no payload, or one of a newer version.
    """
    start = len(MAGIC) + _LENGTHS.size
    if not data.startswith(MAGIC) or len(data) < start:
        raise StateError("an epoch for PostgreSQL does not begin as it must")
    version, length = _LENGTHS.unpack_from(data, len(MAGIC))
    if version != VERSION:
        raise StateError(f"an epoch for PostgreSQL has the format {version}; this version reads {VERSION}")
    try:
        header: dict[str, Any] = json.loads(data[start : start + length])
        parts, at = [], start + length
        for kind, size, packed in header["parts"]:
            if kind not in (ROWS, DELETES) or not 0 < size <= LARGEST_BLOCK or header["codec"] != _CODEC:
                raise ValueError(f"a part {kind!r} of {size} bytes")
            parts.append((kind, size, data[at : at + packed]))
            at += packed
        if at != len(data):
            raise ValueError(f"{len(data)} bytes instead of {at}")
        return Payload(tuple(header["columns"]), tuple(header["key"]), header["rows"], header["deletes"], tuple(parts))
    except (ValueError, KeyError, TypeError) as broken:
        raise StateError(f"an epoch for PostgreSQL is damaged: {broken}") from broken
