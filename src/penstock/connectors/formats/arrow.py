"""Arrow files (IPC file format, Feather version 2), read batch by batch.

The streaming variant is refused: it does not say where it ends, so one that was cut off looks whole.
"""

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
from penstock.core.lazy import pa, pl
from penstock.core.schema import Schema
from penstock.core.spec import option


@dataclass(frozen=True, kw_only=True)
class ArrowFormat(Format):
    """Record batches of Arrow."""

    name: ClassVar[str] = "arrow"
    extensions: ClassVar[tuple[str, ...]] = (".arrow", ".feather", ".ipc")

    missing: str = option("error", doc="What a declared column means that a file has not.", choices=("error", "null"))
    compression: str = option("zstd", doc="How files are packed.", choices=("zstd", "lz4", "none"))

    def infer(self, path: Path) -> Schema:
        """The columns that the file says; all may be null.

        Raises:
            SourceError: If it is no Arrow file.
            PlanError: If a column's type has no counterpart here.
        """
        with reading(path), files.open_read(path) as file:
            return schema_of_frame(_types(_open(path, file).schema))

    def read(self, path: Path, request: ReadRequest, first_row: int, max_rows: int) -> Iterator[Chunk]:
        """The rows of a file; see `Format.read`."""
        with reading(path), files.open_read(path) as file:
            types = _types(_open(path, file).schema)
            wanted = present(path, request, types, self.missing)
            reader = _open(path, file, [list(types).index(name) for name in wanted])
            yield from chunks(path, request, _batches(path, reader, first_row), first_row, max_rows)

    def writer(self, file: BinaryIO, schema: Schema) -> FrameWriter:
        """A writer of record batches."""
        packing = None if self.compression == "none" else self.compression
        ipc: Any = importlib.import_module("pyarrow.ipc")
        options = ipc.IpcWriteOptions(compression=packing)
        return ArrowFilesWriter(schema, lambda types: ipc.new_file(file, types, options=options))


def _open(path: Path, file: BinaryIO, columns: list[int] | None = None) -> Any:
    ipc: Any = importlib.import_module("pyarrow.ipc")
    try:
        file.seek(0)
        # An empty list of columns would mean all of them.
        return ipc.open_file(file, options=ipc.IpcReadOptions(included_fields=columns or None))
    except pa.ArrowException as failure:
        raise _broken(path, failure) from failure


def _types(schema: Any) -> Any:
    return pl.DataFrame(schema.empty_table()).schema


def _batches(path: Path, reader: Any, first_row: int) -> Iterator[pl.DataFrame]:
    skip = first_row
    try:
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            if skip >= batch.num_rows:
                skip -= batch.num_rows
                continue
            # Files are foreign: offsets beyond their buffers must not reach native code.
            batch.validate(full=True)
            frame = pl.DataFrame(batch.slice(skip))
            skip = 0
            yield frame
    except pa.ArrowException as failure:
        raise _broken(path, failure) from failure


def _broken(path: Path, failure: BaseException) -> SourceError:
    return SourceError(
        f'"{path}" is not a whole Arrow file: {str(failure).splitlines()[0]}',
        hint="it may be truncated, another format, or Arrow's streaming format, which is not read",
    )


FORMAT = ArrowFormat
