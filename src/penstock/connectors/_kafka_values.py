"""Values of messages to rows: many at once, by the scanner of JSON lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from penstock.connectors.base import BadRow, Polled, ReadRequest
from penstock.connectors.formats._blocks import LONGEST_RECORD
from penstock.connectors.formats.json import decode_texts
from penstock.core.lazy import np, pl

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Words

NO_VALUE = "no value: a tombstone, by which a topic with keys forgets one; they are not offered as deletes yet"


class _Joined:
    """Values next to each other, a newline behind each."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._bytes = b"\n".join(values) + b"\n"
        self.data: Bytes = np.frombuffer(self._bytes, dtype=np.uint8)

    def text(self, start: int, end: int) -> str:
        """Bytes as text; what is no UTF-8 is escaped."""
        return self._bytes[start:end].decode("utf-8", "backslashreplace")


def decode_json(
    split: str, offsets: Words, values: Sequence[bytes | None], request: ReadRequest, position: Any
) -> Polled:
    """Messages as rows. Each value is one JSON object; a message without a value is a bad row.

    Args:
        split: The name of the split, for reasons.
        offsets: The offsets of the messages, ascending.
        values: Their values.
        request: What is wanted.
        position: Where to go on after them.
    """
    present = [value for value in values if value is not None]
    bad: list[BadRow] = []
    if len(present) < len(values):
        missing = np.fromiter((value is None for value in values), np.bool_, len(values))
        bad = [BadRow(offset, f"{split}:{offset}: {NO_VALUE}", None) for offset in offsets[missing].tolist()]
        offsets = offsets[~missing]
    if not present:
        return Polled(pl.DataFrame(schema=request.read_schema.to_polars()), (), tuple(bad), position)
    lengths = np.fromiter(map(len, present), np.int64, len(present))
    ends = np.cumsum(lengths + 1) - 1
    starts = ends - lengths
    # As in files: of a value that is too long no more is looked at.
    ends = np.minimum(ends, starts + LONGEST_RECORD + 1)
    chunk = decode_texts(_Joined(present), split, request, 0, starts, ends, offsets)
    bad += [row._replace(offset=int(offsets[row.offset])) for row in chunk.bad]
    bad.sort(key=_offset)
    return Polled(chunk.frame, _runs(offsets, chunk.rows), tuple(bad), position)


def empty(request: ReadRequest, position: Any) -> Polled:
    """No rows, but a position."""
    return Polled(pl.DataFrame(schema=request.read_schema.to_polars()), (), (), position)


def _offset(row: BadRow) -> int:
    return row.offset


def _runs(offsets: Words, rows: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Runs of rows as runs of offsets, which have gaps of their own."""
    found: list[tuple[int, int]] = []
    for first, count in rows:
        part = offsets[first : first + count]
        edges = [0, *(np.flatnonzero(np.diff(part) != 1) + 1).tolist(), count]
        found += [(int(part[a]), b - a) for a, b in pairwise(edges)]
    return tuple(found)
