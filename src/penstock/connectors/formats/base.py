"""What a format is: bytes of a file become typed frames, and frames become bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, NamedTuple

from penstock.connectors.base import BadRow, ReadRequest
from penstock.core.schema import Schema

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


class Mark(NamedTuple):
    """A place in a file of text where a row begins.

    Attributes:
        byte: How many bytes come before it (unpacked, if the file is packed).
        line: The number of its line, from 1.
    """

    byte: int
    line: int


class Marks(NamedTuple):
    """Where each row of a chunk begins, so that reading can go on there without reading what is before it.

    Attributes:
        bytes: How many bytes come before each.
        lines: The numbers of their lines.
        end: Where the row after the chunk begins, or None if that is not known.
    """

    bytes: np.ndarray
    lines: np.ndarray
    end: Mark | None

    def at(self, row: int) -> Mark | None:
        """Where a row begins, counted from the first of the chunk; the row after the last too."""
        if row >= len(self.bytes):
            return self.end
        return Mark(int(self.bytes[row]), int(self.lines[row]))


class Chunk(NamedTuple):
    """Consecutive rows of a file.

    Attributes:
        frame: Decoded rows with the columns and types of `ReadRequest.read_schema`.
        rows: The numbers of the frame's rows within the file, from 0, as runs `(first, count)`.
        bad: Rows that could not be decoded, with their numbers as offsets.
        next_row: The number of the first row after the chunk.
        marks: Where the rows begin, good and bad ones, if the format can go on there.
    """

    frame: pl.DataFrame
    rows: tuple[tuple[int, int], ...]
    bad: tuple[BadRow, ...]
    next_row: int
    marks: Marks | None = None


class FrameWriter(ABC):
    """Writes frames of one schema to an open binary file."""

    @abstractmethod
    def write(self, frame: pl.DataFrame) -> None:
        """Append rows."""

    @abstractmethod
    def finish(self) -> None:
        """Write what ends the file; it is whole after this. The caller closes and syncs it."""

    def abandon(self) -> None:
        """Write nothing more, not even when it is collected as garbage: the caller removes the file."""
        return


class Format(ABC):
    """A file format."""

    name: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]

    @abstractmethod
    def infer(self, path: Path) -> Schema:
        """The columns of a file, from its header or a sample of its rows.

        Raises:
            PlanError: If the file cannot be understood.
        """

    @abstractmethod
    def read(self, path: Path, request: ReadRequest, first_row: int, max_rows: int) -> Iterator[Chunk]:
        """The rows of a file from a row number on, in chunks of at most some `max_rows`.

        Raises:
            SourceError: If the file is broken as a whole (a bad row is in `Chunk.bad`).
        """

    def resume(
        self, path: Path, request: ReadRequest, first_row: int, mark: Mark | None, max_rows: int
    ) -> Iterator[Chunk]:
        """As `read`, but goes on at a mark of this file, where row `first_row` begins, if there is one.

        Raises:
            SourceError: If the file is broken as a whole.
        """
        return self.read(path, request, first_row, max_rows)

    @abstractmethod
    def writer(self, file: BinaryIO, schema: Schema) -> FrameWriter:
        """A writer of frames to a file."""
