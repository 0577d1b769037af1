"""Files as source and sink: CSV, JSON lines, Parquet and Arrow files, in directories and by pattern."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

from penstock.connectors._file_listing import ORDERS, format_name, listed
from penstock.connectors._file_reader import FileReader
from penstock.connectors._file_writer import FileWriter
from penstock.connectors.base import (
    TRANSACTIONAL,
    Reader,
    ReadRequest,
    Sink,
    Source,
    Split,
    Writer,
    WriteRequest,
)
from penstock.connectors.formats import FORMATS, format_of
from penstock.connectors.formats.base import Format
from penstock.core import files
from penstock.core.errors import PenstockError, PlanError, SourceError, StartError, UnsupportedError, one_of
from penstock.core.files import Found
from penstock.core.schema import Schema
from penstock.core.spec import option
from penstock.core.timespan import duration

MODES = ("error", "append", "overwrite")


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


@dataclass(frozen=True)
class FileSource(Source):
    """The rows of files.

    A directory (with all below it) or a pattern is one split: its files are read one after the other, by name or by
    time of change. Hidden names, those that begin with a dot or an underscore, are passed over. Positions are rows
    of files, so that reading goes on anywhere.

    A row that cannot be decoded is a bad row. A file that is broken as a whole, or has not the declared columns,
    ends the pipeline with an error: rows before it were read.

    With `watch` the source is unbounded: files that come into the directory later are read too, each scan's in
    order, behind those that are there. They must be whole when they get their name: write elsewhere, then rename.
    The position remembers the names of all files that are still there.
    """

    connector: ClassVar[str] = "files"

    path: str = option(doc="A file, a directory, or a pattern (* ? [..] **).", example="data/flights.parquet")
    _: KW_ONLY
    format: str | None = option(None, doc="The format; by default what the names end in.", choices=(None, *FORMATS))
    order: str = option("name", doc="In which order files are read.", choices=ORDERS)
    split_files: bool = option(False, doc="Whether each file is a split of its own, so that none waits for another.")
    watch: str | None = option(None, doc="How often to look for new files.", example="1 s", span=True)
    missing: str | None = option(
        None, doc='A declared column that a file has not: "error", or "null" (CSV, Parquet, Arrow).', example="null"
    )
    delimiter: str | None = option(None, doc="The character between fields (CSV).", example=";")
    quote: str | None = option(None, doc="The character around fields (CSV); empty = none.")
    header: bool | None = option(None, doc="Whether the first record names the columns (CSV); by default it does.")
    null: str | None = option(None, doc="A text that means null (CSV), besides the empty field.", example="NA")

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fspath(self.path))
        if self.order not in ORDERS:
            raise one_of("order", self.order, ORDERS)
        if self.watch is not None and duration(self.watch) <= 0:
            raise PlanError(f'watch is how often to look, found "{self.watch}"')
        if self.watch is not None and self.split_files:
            raise UnsupportedError("files that come later cannot be splits of their own")
        if self.format is not None:
            self._format(self.format)

    def _format(self, name: str) -> Format:
        options = _given(
            missing=self.missing, delimiter=self.delimiter, quote=self.quote, header=self.header, null=self.null
        )
        return format_of(name, options)

    def _files(self, error: type[PenstockError]) -> list[Found]:
        return listed(self.path, self.format, self.order, error)

    @property
    def bounded(self) -> bool:
        """Whether no files are awaited."""
        return self.watch is None

    def schema(self) -> Schema:
        """The columns of the first file.

        Raises:
            PlanError: If there is none, or it cannot be understood.
        """
        found = self._files(PlanError)
        chosen = self._format(self.format or format_name(self.path, found))
        if not found:
            raise PlanError(f'there are no files in "{self.path}" to take the columns from', hint="say schema={...}")
        try:
            return chosen.infer(found[0].path)
        except SourceError as failure:
            raise PlanError(failure.message, hint=failure.hint) from failure

    def splits(self) -> Sequence[Split]:
        """One for all files, or one per file.

        Raises:
            StartError: If there are no files (a watched directory may be empty), or they cannot be read.
        """
        found = self._files(StartError)
        if not found and self.bounded:
            raise StartError(f'there are no files to read in "{self.path}"')
        for one in found:
            if not files.readable(one.path):
                raise StartError(f'cannot read "{one.path}": permission denied')
        return [Split(one.name) for one in found] if self.split_files else [Split(self.path)]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """A reader from a position.

        Raises:
            StartError: If the files are not there any more.
            PlanError: If their format is not known.
        """
        found = self._files(StartError)
        chosen = self._format(self.format or format_name(self.path, found))
        return FileReader(
            lambda: [one for one in self._files(StartError) if not self.split_files or one.name == split.name],
            chosen,
            request,
            position,
            duration(self.watch) if self.watch is not None else None,
        )

    def default_name(self) -> str:
        """The name of the file or directory, without its ending."""
        return Path(self.path).name.split(".")[0].strip("*") or self.connector


@dataclass(frozen=True)
class FileSink(Sink):
    """A directory with one file per epoch that had rows, each visible only when it is whole.

    What is not whole is in the hidden directory `.penstock` below it. `mode` says what happens to a directory that
    holds files already when a run starts anew: `"error"` refuses it; `"append"` leaves them and numbers on;
    `"overwrite"` leaves them until the first epoch is committed, which publishes its own file first and then removes
    those of former runs (no others).
    """

    connector: ClassVar[str] = "files"
    delivery: ClassVar[str] = TRANSACTIONAL

    path: str = option(doc="The directory; it is made if it is missing.", example="out/delays")
    _: KW_ONLY
    format: str = option("json", doc="The format.", choices=tuple(FORMATS))
    mode: str = option("error", doc="What a run does with files of former ones.", choices=MODES)
    partition_by: Sequence[str] = option((), doc="Not offered yet: directories by the values of columns.")
    compression: str | None = option(None, doc="How files are packed (Parquet, Arrow).", example="zstd")
    delimiter: str | None = option(None, doc="The character between fields (CSV).", example=";")
    quote: str | None = option(None, doc="The character around fields (CSV); empty = none.")
    header: bool | None = option(None, doc="Whether the first record names the columns (CSV); by default it does.")
    null: str | None = option(None, doc="The text that means null (CSV); by default the empty field.", example="NA")

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fspath(self.path))
        if self.mode not in MODES:
            raise one_of("mode", self.mode, MODES)
        if self.partition_by:
            raise UnsupportedError("partition_by is planned and not offered yet: one directory holds all files")
        self._format()

    def _format(self) -> Format:
        options = _given(
            compression=self.compression, delimiter=self.delimiter, quote=self.quote, header=self.header, null=self.null
        )
        return format_of(self.format, options)

    def writer(self, request: WriteRequest) -> Writer:
        """Open the directory.

        Raises:
            StartError: If it cannot be used, or holds what it must not.
        """
        return FileWriter(Path(self.path), self._format(), self.mode, request)

    @property
    def place(self) -> str:
        """The directory."""
        return f"the directory {os.path.abspath(self.path)}"

    def default_name(self) -> str:
        """The name of the directory."""
        return Path(self.path).name or self.connector


SOURCE = FileSource
SINK = FileSink
