"""Rows to bodies: cut by partition, in batches that a reader decodes at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.log.batches import BATCH_ROWS, Body, encode
from penstock.log.partitioning import Partitioner

if TYPE_CHECKING:
    import polars as pl


class RowEncoder:
    """Encodes rows.

    Args:
        schema: Their columns.
        key: The columns that choose the partition; without any, frames go to the partitions in turn.
        partitions: How many partitions there are.
        compression: How bodies are packed: `"zstd"`, `"lz4"` or None.
        turn: The partition to begin with, if there is no key.
    """

    def __init__(
        self, schema: Schema, key: Sequence[str], partitions: int, compression: str | None, turn: int = 0
    ) -> None:
        self._partitioner = Partitioner(schema, key, partitions) if key and partitions > 1 else None
        self._types = schema.to_polars()
        self._partitions, self._compression, self._turn = partitions, compression, turn

    def encode(self, frame: pl.DataFrame, stored: pl.DataFrame | None = None) -> list[Body]:
        """The bodies of a frame.

        Args:
            frame: The rows, with the key.
            stored: What is stored of them, if that is something else.
        """
        if not frame.height:
            return []
        rows = frame.select(list(self._types)) if stored is None else stored
        found: list[Body] = []
        for partition, part in self._parts(frame, rows):
            for start in range(0, part.height, BATCH_ROWS):
                piece = part.slice(start, BATCH_ROWS)
                found.append(Body(partition, piece.height, encode(piece, self._compression)))
        return found

    def _parts(self, frame: pl.DataFrame, rows: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
        if self._partitioner is None:
            self._turn += 1
            return [(self._turn % self._partitions, rows)]
        where = self._partitioner(frame)
        order = np.argsort(where, kind="stable")
        bounds = np.searchsorted(where[order], np.arange(self._partitions + 1))
        ordered = rows[order]
        return [
            (number, ordered.slice(int(bounds[number]), int(bounds[number + 1] - bounds[number])))
            for number in range(self._partitions)
            if bounds[number + 1] > bounds[number]
        ]
