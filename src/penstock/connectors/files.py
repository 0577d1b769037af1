"""Files as source and sink: CSV, JSON lines, Parquet and Arrow files, in directories and by pattern."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

from penstock.connectors._file_hive import columns_of
from penstock.connectors._file_listing import ORDERS, Listing, format_name
from penstock.connectors._file_reader import FileReader
from penstock.connectors._file_retention import Retention
from penstock.connectors._file_stage import Layout
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
from penstock.core.schema import Schema
from penstock.core.sizes import byte_size
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
    of files, so that reading goes on anywhere; in CSV and JSON they are places of bytes too, so that what was read is
    not read again. A file that changed between a position and going on from it is an error.

    A directory that a `FileSink` writes has manifests, and these say what is there: whole epochs only, in their order,
    nothing that is being published and nothing that was replaced. `manifests=False` reads it like any other. One of
    its partitions, a pattern, or a single file is read without them.

    A row that cannot be decoded is a bad row. A file that is broken as a whole, or has not the declared columns,
    ends the pipeline with an error: rows before it were read.

    With `watch` the source is unbounded: files that come into the directory later are read too, each scan's in
    order, behind those that are there. They must be whole when they get their name: write elsewhere, then rename.
    The position remembers the names of all files that are still there; where there are manifests, one number.

    Directories such as `country=DE` are columns if the manifests say so, or with `hive=True`. Their types are those
    that the sink had, or what their texts look like; a declared schema goes before.
    """

    connector: ClassVar[str] = "files"

    path: str = option(doc="A file, a directory, or a pattern (* ? [..] **).", example="data/flights.parquet")
    _: KW_ONLY
    format: str | None = option(None, doc="The format; by default what the names end in.", choices=(None, *FORMATS))
    order: str = option("name", doc="In which order files are read.", choices=ORDERS)
    manifests: bool = option(True, doc="Whether a directory with manifests is read by them: whole epochs only.")
    hive: bool | None = option(
        None, doc="Whether directories such as country=DE are columns; by default as the manifests say."
    )
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

    def _listing(self, error: type[PenstockError]) -> Listing:
        return Listing(self.path, self.format, self.order, self.manifests, error)

    def _is_hive(self, listing: Listing) -> bool:
        return bool(listing.types) if self.hive is None else self.hive

    @property
    def bounded(self) -> bool:
        """Whether no files are awaited."""
        return self.watch is None

    def schema(self) -> Schema:
        """The columns of the first file, and those that directories are.

        Raises:
            PlanError: If there is none, or it cannot be understood.
        """
        listing = self._listing(PlanError)
        found = listing.now()
        chosen = self._format(self.format or format_name(self.path, found))
        if not found:
            raise PlanError(f'there are no files in "{self.path}" to take the columns from', hint="say schema={...}")
        try:
            schema = chosen.infer(found[0].path)
        except SourceError as failure:
            raise PlanError(failure.message, hint=failure.hint) from failure
        if not self._is_hive(listing):
            return schema
        named = columns_of([one.name for one in found], listing.types)
        return schema.without([name for name in named.names if name in schema]).plus(*named)

    def splits(self) -> Sequence[Split]:
        """One for all files, or one per file.

        Raises:
            StartError: If there are no files (a watched directory may be empty), or they cannot be read.
        """
        found = self._listing(StartError).now()
        if not found and self.bounded:
            raise StartError(f'there are no files to read in "{self.path}"')
        for one in found:
            if not files.readable(one.path):
                why = "permission denied" if files.kind(one.path) else "it is not there any more"
                raise StartError(f'cannot read "{one.path}": {why}')
        return [Split(one.name) for one in found] if self.split_files else [Split(self.path)]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """A reader from a position.

        Raises:
            StartError: If the files are not there any more.
            PlanError: If their format is not known.
        """
        listing = self._listing(StartError)
        chosen = self._format(self.format or format_name(self.path, listing.now()))
        return FileReader(
            listing,
            split.name if self.split_files else None,
            chosen,
            request,
            position,
            duration(self.watch) if self.watch is not None else None,
            lambda: self._is_hive(listing),
        )

    def default_name(self) -> str:
        """The name of the file or directory, without its ending."""
        return Path(self.path).name.split(".")[0].strip("*") or self.connector


@dataclass(frozen=True)
class FileSink(Sink):
    """A directory of files, of which each epoch with rows has one or more, and each is visible only when it is whole.

    An epoch is published once its checkpoint is durable: first its files get their names, each whole at once; then a
    manifest in `_penstock` names them all. Readers that go by the manifests (`FileSource` does) see whole epochs only;
    those that take the files as they find them see whole files, and of an epoch of one file the whole epoch. An epoch
    is published once, whatever is killed when. Several epochs never share a file: fewer and larger files need a longer
    time between checkpoints, which is also how long a file stays open at most.

    `mode` says what happens to a directory that holds files already when a run starts anew (one that resumes goes on):
    `"error"` refuses it; `"append"` leaves them and numbers on; `"overwrite"` leaves them until the first epoch is
    published: its manifest replaces all at once, then the files of former runs are removed (no others). Between the
    two, readers without manifests see both. A run that starts anew or resumes takes the directory over: an older one
    that still runs publishes nothing more, and ends with `SupersededError`.

    With `partition_by` rows go into directories such as `country=DE`, in the way of Hive: the columns are left out of
    the files, signs that names must not have are written as `%2F`, null is `__HIVE_DEFAULT_PARTITION__`, an empty text
    nothing. All files of an epoch are open until its end. A file begins another when it has `roll_rows` rows, or about
    `roll_size` bytes (looked at as they are written, which Parquet does in groups of rows).

    With `keep` or `keep_for` the oldest epochs are removed, manifest first, whenever an epoch is published; the newest
    one that has rows always stays. Readers that are further behind than that end with an error.
    """

    connector: ClassVar[str] = "files"
    delivery: ClassVar[str] = TRANSACTIONAL
    remembers: ClassVar[bool] = True

    path: str = option(doc="The directory; it is made if it is missing.", example="out/delays")
    _: KW_ONLY
    format: str = option("json", doc="The format.", choices=tuple(FORMATS))
    mode: str = option("error", doc="What a run does with files of former ones.", choices=MODES)
    partition_by: str | Sequence[str] = option(
        (), doc="The columns whose values are directories; as text, with commas.", example="country"
    )
    roll_size: str | int | None = option(
        None, doc="After how many bytes an epoch begins another file.", example="128 MiB"
    )
    roll_rows: int | None = option(None, doc="After how many rows an epoch begins another file.", example=1_000_000)
    open_files: int = option(200, doc="To how many directories an epoch may write; more are an error.")
    keep: str | int | None = option(None, doc="How many bytes to keep; older epochs are removed.", example="1 GiB")
    keep_for: str | None = option(None, doc="How long to keep epochs.", example="30 days", span=True)
    compression: str | None = option(None, doc="How files are packed (Parquet, Arrow).", example="zstd")
    delimiter: str | None = option(None, doc="The character between fields (CSV).", example=";")
    quote: str | None = option(None, doc="The character around fields (CSV); empty = none.")
    header: bool | None = option(None, doc="Whether the first record names the columns (CSV); by default it does.")
    null: str | None = option(None, doc="The text that means null (CSV); by default the empty field.", example="NA")

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fspath(self.path))
        columns = self.partition_by
        if isinstance(columns, str):
            columns = [name.strip() for name in columns.split(",") if name.strip()]
        object.__setattr__(self, "partition_by", tuple(columns))
        if self.mode not in MODES:
            raise one_of("mode", self.mode, MODES)
        for name in self.partition_by:
            if name.startswith((".", "_")):
                raise PlanError(f'partition_by: "{name}" would be a hidden directory', hint="rename the column")
        if len(set(self.partition_by)) < len(self.partition_by):
            raise PlanError("partition_by names a column twice")
        for option_, least in (("roll_rows", self.roll_rows), ("open_files", self.open_files)):
            if least is not None and least < 1:
                raise PlanError(f"{option_} is a number from 1 on, found {least}")
        for option_, size in (("roll_size", self.roll_size), ("keep", self.keep)):
            if size is not None and byte_size(size) < 1:
                raise PlanError(f'{option_} is a size, found "{size}"')
        if self.keep_for is not None and duration(self.keep_for) <= 0:
            raise PlanError(f'keep_for is how long to keep epochs, found "{self.keep_for}"')
        self._format()

    def _format(self) -> Format:
        options = _given(
            compression=self.compression, delimiter=self.delimiter, quote=self.quote, header=self.header, null=self.null
        )
        return format_of(self.format, options)

    def writer(self, request: WriteRequest) -> Writer:
        """Open the directory; a run that starts anew takes it over at once, one that resumes with `last_token`.

        Raises:
            StartError: If it cannot be used, or holds what it must not.
            PlanError: If a column cannot be a directory.
        """
        layout = Layout(
            self._format(),
            tuple(self.partition_by),
            None if self.roll_size is None else byte_size(self.roll_size),
            self.roll_rows,
            self.open_files,
        )
        retention = Retention(
            None if self.keep is None else byte_size(self.keep),
            None if self.keep_for is None else duration(self.keep_for),
        )
        return FileWriter(Path(self.path), layout, self.mode, retention, request)

    @property
    def place(self) -> str:
        """The directory."""
        return f"the directory {os.path.abspath(self.path)}"

    def default_name(self) -> str:
        """The name of the directory."""
        return Path(self.path).name or self.connector


SOURCE = FileSource
SINK = FileSink
