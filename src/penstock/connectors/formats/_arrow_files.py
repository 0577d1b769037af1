"""What Parquet and Arrow files have in common: frames gathered to groups of rows, and columns that must be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.connectors.base import ReadRequest
from penstock.connectors.formats._adapt import MismatchError, missing_column
from penstock.connectors.formats._chunk import typed_chunk
from penstock.connectors.formats.base import Chunk, FrameWriter
from penstock.core.dtypes import to_polars
from penstock.core.errors import SourceError
from penstock.core.lazy import pl
from penstock.core.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP_ROWS = 131_072
GROUP_BYTES = 32 << 20
"""A group of rows is written when it has so many rows or bytes."""


class ArrowFilesWriter(FrameWriter):
    """Gathers frames and writes groups of rows with a writer of pyarrow.

    Args:
        schema: The columns.
        open_file: Opens the writer, given Arrow's schema.
    """

    def __init__(self, schema: Schema, open_file: Callable[[Any], Any]) -> None:
        self._empty = pl.DataFrame(schema=schema.to_polars())
        self._file = open_file(self._table(self._empty).schema)
        self._pending: list[pl.DataFrame] = []
        self._rows = self._bytes = 0

    @staticmethod
    def _table(frame: pl.DataFrame) -> Any:
        return frame.to_arrow(compat_level=pl.CompatLevel.oldest())

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows."""
        self._pending.append(frame)
        self._rows += frame.height
        self._bytes += int(frame.estimated_size())
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def abandon(self) -> None:
        """Keep pyarrow's writer of Parquet from ending the file when it is collected."""
        self._pending, self._rows, self._bytes = [], 0, 0
        if hasattr(self._file, "is_open"):
            self._file.is_open = False

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(self._table(pl.concat([self._empty, *self._pending]).rechunk()))
        self._pending, self._rows, self._bytes = [], 0, 0

    def finish(self) -> None:
        """Write the rest and the footer."""
        self._flush()
        self._file.close()


def present(path: Path, request: ReadRequest, types: Mapping[str, Any], missing: str) -> list[str]:
    """The wanted columns that a file has.

    Raises:
        SourceError: If one is missing and must not be, or the file has one that is not declared.
    """
    unknown = [name for name in types if name not in request.schema]
    if request.extra == "forbid" and unknown:
        raise SourceError(f'"{path}" has a column "{unknown[0]}" that is not declared')
    for name in request.columns:
        if name not in types and missing == "error":
            hint = 'missing="null" reads it as null'
            raise SourceError(f'"{path}": {missing_column(name, types)}', hint=hint)
    return [name for name in request.columns if name in types]


def chunks(
    path: Path, request: ReadRequest, frames: Iterator[pl.DataFrame], first_row: int, max_rows: int
) -> Iterator[Chunk]:
    """Frames of a file as chunks; wanted columns that they do not have are null.

    Raises:
        SourceError: If a column's type does not go with the declared one.
    """
    row = first_row
    for whole in frames:
        for start in range(0, whole.height, max_rows):
            frame = whole.slice(start, max_rows)
            absent = [field for field in request.read_schema if field.name not in frame.columns]
            if absent:
                nulls = [pl.lit(None).cast(to_polars(field.dtype)).alias(field.name) for field in absent]
                frame = frame.with_columns(nulls)
            try:
                chunk = typed_chunk(frame, request, row, lambda number: f"{path}: row {number}")
            except MismatchError as mismatch:
                raise SourceError(f'"{path}": {mismatch}') from None
            yield chunk
            row += frame.height
