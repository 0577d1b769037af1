"""Parquet files: read group by group with only the columns that are wanted, written with checksums of pages."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from penstock.connectors.base import ReadRequest
from penstock.connectors.formats._adapt import schema_of_frame
from penstock.connectors.formats._arrow_files import ArrowFilesWriter, chunks, present
from penstock.connectors.formats._blocks import reading
from penstock.connectors.formats.base import Chunk, Format, FrameWriter
from penstock.core import files
from penstock.core.errors import SourceError
from penstock.core.lazy import pl
from penstock.core.schema import Schema
from penstock.core.spec import option


@dataclass(frozen=True, kw_only=True)
class ParquetFormat(Format):
    """Columns in groups of rows."""

    name: ClassVar[str] = "parquet"
    extensions: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    missing: str = option("error", doc="What a declared column means that a file has not.", choices=("error", "null"))
    compression: str = option("zstd", doc="How files are packed.", choices=("zstd", "snappy", "lz4", "gzip", "none"))

    def infer(self, path: Path) -> Schema:
        """The columns that the file says; all may be null.

        Raises:
            SourceError: If it is no Parquet file.
            PlanError: If a column's type has no counterpart here.
        """
        return schema_of_frame(_types(path))

    def read(self, path: Path, request: ReadRequest, first_row: int, max_rows: int) -> Iterator[Chunk]:
        """The rows of a file; see `Format.read`."""
        wanted = present(path, request, _types(path), self.missing)
        scan = pl.scan_parquet(path, glob=False, hive_partitioning=False).select(wanted)
        if not wanted:
            yield from chunks(path, request, _counted(path, first_row, max_rows), first_row, max_rows)
            return
        if first_row:
            scan = scan.slice(first_row)
        batches = scan.collect_batches(chunk_size=max_rows, maintain_order=True, engine="streaming")
        yield from chunks(path, request, _guarded(path, batches), first_row, max_rows)

    def writer(self, file: BinaryIO, schema: Schema) -> FrameWriter:
        """A writer of groups of rows."""
        parquet: Any = importlib.import_module("pyarrow.parquet")
        packing = None if self.compression == "none" else self.compression
        return ArrowFilesWriter(
            schema, lambda types: parquet.ParquetWriter(file, types, compression=packing, write_page_checksum=True)
        )


def _types(path: Path) -> Any:
    with reading(path), files.open_read(path) as file:
        try:
            return pl.read_parquet_schema(file)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as failure:
            raise _broken(path, failure) from failure


def _guarded(path: Path, batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    with reading(path):
        try:
            yield from batches
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as failure:
            raise _broken(path, failure) from failure


def _counted(path: Path, first_row: int, max_rows: int) -> Iterator[pl.DataFrame]:
    """Frames without columns: only the number of rows is wanted."""
    left = pl.scan_parquet(path, glob=False).select(pl.len()).collect(engine="in-memory").item() - first_row
    empty = pl.DataFrame({"": pl.Series([None])}).drop("")
    while left > 0:
        count = min(left, max_rows)
        yield pl.DataFrame({"": pl.Series([None]).new_from_index(0, count)}).drop("") if count > 1 else empty
        left -= count


def _broken(path: Path, failure: BaseException) -> SourceError:
    return SourceError(
        f'"{path}" is not a whole Parquet file: {str(failure).splitlines()[0]}',
        hint="it may be truncated or another format",
    )


FORMAT = ParquetFormat
