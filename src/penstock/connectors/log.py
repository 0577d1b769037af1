"""The embedded log as a source and a sink: pipelines share streams by it, and push sources are kept in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

from penstock.connectors._log_reader import LogReader
from penstock.connectors._log_writer import LogWriter
from penstock.connectors.base import TRANSACTIONAL, Reader, ReadRequest, Sink, Source, Split, Writer, WriteRequest
from penstock.core.dtypes import Binary, Datetime
from penstock.core.errors import PenstockError, PlanError, StartError, UnknownNameError, one_of
from penstock.core.schema import Field, Schema
from penstock.core.spec import option
from penstock.log.log import Log
from penstock.log.settings import resolve

STORED, JSON = "stored", "json"
ARROW = "arrow"
RECORDS = Schema((Field("timestamp", Datetime("us", "UTC")), Field("key", Binary), Field("value", Binary)))
"""The columns of records that are read as they are."""


@dataclass(frozen=True)
class LogSource(Source):
    """A log, each partition a split.

    Rows come with the columns they were written with; records with `timestamp`, `key` and `value`, or, with
    `format="json"`, with the fields of their values. Positions are offsets. What a checkpoint says counts; the
    positions of a group are for people, and keep retention from removing what is not read yet.
    """

    connector: ClassVar[str] = "log"

    name: str = option(doc="A log in .penstock/logs, or the path of one.", example="orders")
    _: KW_ONLY
    format: str = option(
        "stored", doc="How values of records are read: as they are, or as JSON.", choices=(STORED, JSON)
    )
    bounded: bool = option(False, doc="Whether to read only up to the end that was there at the start.")
    group: str | None = option(None, doc="Under which name positions are stored.", example="billing")
    partitions: int | None = option(None, doc="How many partitions the log has: creates it if it is missing.")

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", os.fspath(self.name))
        if self.format not in (STORED, JSON):
            raise one_of("format", self.format, (STORED, JSON))

    def schema(self) -> Schema:
        """The columns of the rows that the log holds.

        Raises:
            PlanError: If there is no log, or it holds nothing yet, or JSON: then the columns must be stated.
        """
        if self.format == JSON:
            raise PlanError("values of records are JSON of any fields", hint="say schema={...}")
        try:
            with closing(Log(self.name)) as log:
                state = log.state()
        except StartError as failure:
            raise PlanError(failure.message, hint=failure.hint) from failure
        if state.schemas:
            return Schema.from_json(state.schemas[max(state.schemas)]["fields"])
        if state.holds is None:
            raise PlanError(f'the log "{self.name}" holds nothing yet to take columns from', hint="say schema={...}")
        return RECORDS

    def splits(self) -> Sequence[Split]:
        """One per partition, named by its number.

        Raises:
            StartError: If there is no such log.
        """
        with closing(Log(self.name, partitions=self.partitions)) as log:
            return [Split(str(number)) for number in range(log.partitions)]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """A reader from an offset.

        Raises:
            StartError: If there is no such log.
            SourceError: If the offset is truncated, or the log has columns that are forbidden.
        """
        log = Log(self.name, partitions=self.partitions)
        try:
            return LogReader(
                log, int(split.name), position, request,
                json=self.format == JSON, bounded=self.bounded, group=self.group,
            )  # fmt: skip
        except BaseException:
            log.close()
            raise

    def default_name(self) -> str:
        """The name of the log."""
        return Path(self.name).name or self.connector


@dataclass(frozen=True)
class LogSink(Sink):
    """A log, made if it is missing.

    Epochs become visible as a whole, in all partitions at once, exactly once. Rows with equal keys go to the same
    partition and keep their order; without a key, rows go to the partitions in turn. What a former run has written
    stays: a run appends.
    """

    connector: ClassVar[str] = "log"
    delivery: ClassVar[str] = TRANSACTIONAL
    remembers: ClassVar[bool] = True

    name: str = option(doc="A log in .penstock/logs, or the path of one.", example="orders")
    _: KW_ONLY
    partitions: int | None = option(None, doc="How many partitions the log has; a new one has one.")
    key: Sequence[str] = option((), doc="What chooses the partition, and by what the log may be compacted.")
    format: str = option("arrow", doc="Rows as columns, or as records with JSON values.", choices=(ARROW, JSON))
    compression: str = option("zstd", doc="How rows are packed.", choices=("zstd", "lz4", "none"))
    retain: str | None = option(None, doc="How long rows are kept, of a log that is made.", example="7 d", span=True)
    retain_bytes: int | None = option(None, doc="How many bytes are kept, of a log that is made.")

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", os.fspath(self.name))
        object.__setattr__(self, "key", (self.key,) if isinstance(self.key, str) else tuple(self.key))
        if self.format not in (ARROW, JSON):
            raise one_of("format", self.format, (ARROW, JSON))
        if self.compression not in ("zstd", "lz4", "none"):
            raise one_of("compression", self.compression, ("zstd", "lz4", "none"))

    def writer(self, request: WriteRequest) -> Writer:
        """Open the log, and make it if it is missing.

        Raises:
            StartError: If it holds something else, or has another number of partitions.
        """
        for name in self.key:
            if name not in request.schema:
                raise UnknownNameError("column", name, request.schema.names, inside="key")
        there = resolve(self.name)
        try:
            log = Log(there, retain=self.retain, retain_bytes=self.retain_bytes, partitions=self.partitions)
        except StartError:
            if self.partitions is not None:
                raise
            log = Log(there, retain=self.retain, retain_bytes=self.retain_bytes, partitions=1)
        packed = None if self.compression == "none" else self.compression
        try:
            return LogWriter(log, request, self.key, packed, json=self.format == JSON)
        except PenstockError:
            log.close()
            raise

    @property
    def place(self) -> None:
        """None: several outputs may go to one log."""
        return

    def default_name(self) -> str:
        """The name of the log."""
        return Path(self.name).name or self.connector


SOURCE = LogSource
SINK = LogSink
