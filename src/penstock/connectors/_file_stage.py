"""The files of the open epoch: rows are encoded at once, and nobody sees files that have no names yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.connectors._file_hive import directory_of
from penstock.connectors.formats.base import Format
from penstock.core import files
from penstock.core.errors import SinkError
from penstock.core.failpoint import hit
from penstock.core.schema import Schema

if TYPE_CHECKING:
    import polars as pl

BLOCK_ROWS = 16_384
"""After how many rows the size of a file is looked at."""

UNSEALED = 8
"""How many files that are full may wait for the end of the epoch: each is open until it is durable."""

_DIRECTORY = "\0directory"


@dataclass(frozen=True)
class Layout:
    """How rows become files.

    Attributes:
        format: How they are encoded.
        partition_by: The columns that are directories.
        roll_bytes: After how many bytes a file is full; None = never.
        roll_rows: After how many rows.
        open_files: How many directories an epoch may write to.
    """

    format: Format
    partition_by: tuple[str, ...] = ()
    roll_bytes: int | None = None
    roll_rows: int | None = None
    open_files: int = 200


class StagedPart:
    """A file that is written.

    Attributes:
        path: Where it is staged.
        rows: How many rows it has.
    """

    def __init__(self, folder: Path, directory: str, number: int, layout: Layout, schema: Schema) -> None:
        self._name = f"{directory}/part-{number:08d}" if directory else f"part-{number:08d}"
        self._ending = layout.format.extensions[0]
        self._file = files.StagedFile(folder, f"{number:08d}-")
        self.path = self._file.path
        self.rows = 0
        self._digest: str | None = None
        self._finished = False
        try:
            self._frames = layout.format.writer(self._file, schema)  # type: ignore[arg-type]
        except BaseException:
            self._file.discard()
            raise

    @property
    def bytes(self) -> int:
        """How many bytes were written."""
        return self._file.size

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows."""
        self._frames.write(frame)
        self.rows += frame.height

    def finish(self) -> None:
        """Write what ends the file; a second time does nothing."""
        if not self._finished:
            self._finished = True
            self._frames.finish()

    def seal(self) -> None:
        """Make the file durable, but not its staged name; a second time does nothing."""
        if self._digest is None:
            hit("sink.before_seal")
            self.finish()
            self._digest = self._file.seal(named=False)

    def described(self) -> dict[str, Any]:
        """What `commit` must know of a file that is sealed; its final name tells its content."""
        assert self._digest is not None
        name = f"{self._name}-{self._digest[:12]}{self._ending}"
        told = {"name": name, "staged": self.path.name, "bytes": self.bytes, "rows": self.rows}
        return told | {"digest": self._digest}

    def discard(self) -> None:
        """Remove the file."""
        self._frames.abandon()
        self._file.discard()


class Stage:
    """The open epoch.

    Args:
        folder: Where its files are staged.
        layout: How rows become files.
        schema: The columns.
        number: What the next file is called: numbers go up from file to file, so that names sort as rows came.
    """

    def __init__(self, folder: Path, layout: Layout, schema: Schema, number: int) -> None:
        self._folder = folder
        self._layout = layout
        self._schema = schema.without(layout.partition_by) if layout.partition_by else schema
        self._number = number
        self._directory = directory_of(layout.partition_by, schema) if layout.partition_by else None
        self._open: dict[str, StagedPart] = {}
        self._parts: list[StagedPart] = []
        self._full: list[StagedPart] = []

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows to the files of their directories."""
        if self._directory is None:
            self._append("", frame)
            return
        marked = frame.with_columns(self._directory.alias(_DIRECTORY)).select([_DIRECTORY, *self._schema.names])
        groups = marked.partition_by(_DIRECTORY, maintain_order=True, include_key=False, as_dict=True)
        for (directory,), rows in groups.items():
            self._append(str(directory), rows)

    def _append(self, directory: str, frame: pl.DataFrame) -> None:
        limit, block = self._layout.roll_rows, BLOCK_ROWS if self._layout.roll_bytes else frame.height
        while frame.height:
            part = self._open.get(directory) or self._begin(directory)
            rows = frame.slice(0, block if limit is None else min(block, limit - part.rows))
            frame = frame.slice(rows.height)
            part.write(rows)
            if part.rows == limit or (self._layout.roll_bytes and part.bytes >= self._layout.roll_bytes):
                self._roll(directory)

    def _begin(self, directory: str) -> StagedPart:
        if len(self._open) >= self._layout.open_files:
            raise SinkError(
                f"the rows of one epoch go to more than {self._layout.open_files} directories",
                hint=f"partition by less than {', '.join(self._layout.partition_by)}, or raise open_files",
            )
        part = StagedPart(self._folder, directory, self._number, self._layout, self._schema)
        self._number += 1
        self._open[directory] = part
        self._parts.append(part)
        return part

    def _roll(self, directory: str) -> None:
        part = self._open.pop(directory)
        part.finish()
        self._full.append(part)
        if len(self._full) > UNSEALED:
            self._full.pop(0).seal()

    def end(self) -> list[StagedPart]:
        """End the epoch: its files, in order. Rows that come now are of the next."""
        ended, self._parts = self._parts, []
        self._open, self._full = {}, []
        return ended


def seal_all(folder: Path, parts: list[StagedPart]) -> list[dict[str, Any]]:
    """Make the files of an epoch and their staged names durable; what `commit` must know of them."""
    for part in parts:
        part.seal()
    if parts:
        files.sync_directory(folder)
    return [part.described() for part in parts]


def discard_all(parts: list[StagedPart]) -> None:
    """Remove staged files, whatever state they are in."""
    for part in parts:
        part.discard()
