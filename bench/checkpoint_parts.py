"""What the measurements of checkpoints need: sources without end, and sinks that write at least once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from penstock.connectors._postgres_text import blocks
from penstock.connectors.base import (
    AT_LEAST_ONCE,
    Content,
    Polled,
    Reader,
    ReadRequest,
    Sealed,
    Sink,
    Source,
    Split,
    Writer,
    WriteRequest,
)
from penstock.connectors.files import FileSink
from penstock.core import files
from penstock.core.dtypes import Datetime, Int64
from penstock.core.memory import resident
from penstock.core.schema import Field, Schema
from penstock.core.spec import option


class Peaks:
    """Looks every few milliseconds how much memory the process has: the peak of the process forgets nothing."""

    def __init__(self) -> None:
        self._peak = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            self._peak = max(self._peak, resident())
            time.sleep(0.005)

    def take(self) -> int:
        """The most bytes since the last time."""
        found, self._peak = self._peak, 0
        return found


@dataclass(frozen=True, kw_only=True)
class KeySource(Source):
    """Rows of keys: each once, in order, and from then on at random.

    Attributes:
        keys: How many keys there are.
        rows: How many rows; beyond `keys` they are of random keys.
        rate: How many of those per second; the first `keys` come as fast as they are taken.
    """

    connector: ClassVar[str] = "bench-keys"
    inline: ClassVar[bool] = True

    keys: int = option(1_000, doc="How many keys there are.")
    rows: int = option(1 << 50, doc="How many rows there are.")
    rate: float | None = option(None, doc="Rows per second.")

    @property
    def bounded(self) -> bool:
        """Always, though the end may be far away."""
        return True

    def schema(self) -> Schema:
        """A key and a value."""
        return Schema((Field("k", Int64, False), Field("v", Int64, False)))

    def splits(self) -> Sequence[Split]:
        """One."""
        return [Split("0")]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """From a row number."""
        return KeyReader(self, int(position or 0), request.columns)


@dataclass(frozen=True, kw_only=True)
class PacedSource(KeySource):
    """The same, read in a thread of its own as real sources are: rows that trickle in must not keep a step waiting."""

    connector: ClassVar[str] = "bench-paced"
    inline: ClassVar[bool] = False


class KeyReader(Reader):
    """Makes rows: the same ones at the same positions."""

    def __init__(self, source: KeySource, position: int, columns: Sequence[str]) -> None:
        self._source = source
        self._at = position
        self._columns = list(columns)
        self._begun = 0.0
        self.retry_after_us = 5_000

    def poll(self, max_rows: int) -> Polled | None:
        """The next rows."""
        first, keys, rate = self._at, self._source.keys, self._source.rate
        count = min(max_rows, self._source.rows - first)
        if rate is not None and first < keys:
            count = min(count, keys - first)
        elif rate is not None:
            self._begun = self._begun or time.monotonic()
            count = min(count, keys + int((time.monotonic() - self._begun) * rate) - first)
        if count <= 0:
            return None
        numbers = np.arange(first, first + count, dtype=np.int64)
        mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        drawn = ((mixed >> np.uint64(32)) % np.uint64(self._source.keys)).astype(np.int64)
        frame = pl.DataFrame({"k": np.where(numbers < self._source.keys, numbers, drawn), "v": numbers & 0xFFFF})
        self._at = first + count
        return Polled(frame.select(self._columns), ((first, count),), (), self._at)

    @property
    def ended(self) -> bool:
        """Whether all rows were given."""
        return self._at >= self._source.rows


@dataclass(frozen=True, kw_only=True)
class RepeatSource(Source):
    """A frame of bids again and again, each time later by its whole span."""

    connector: ClassVar[str] = "bench-repeat"
    inline: ClassVar[bool] = True

    times: int = option(1, doc="How often.")
    frame: pl.DataFrame = field(default_factory=pl.DataFrame, repr=False, compare=False)

    @property
    def bounded(self) -> bool:
        """It ends."""
        return True

    def schema(self) -> Schema:
        """The columns of the frame."""
        return Schema(
            tuple(Field(name, Datetime() if name == "dateTime" else Int64, False) for name in self.frame.columns)
        )

    def splits(self) -> Sequence[Split]:
        """One."""
        return [Split("0")]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """From a row number."""
        return RepeatReader(self.frame.select(request.columns), self.times, int(position or 0))


class RepeatReader(Reader):
    """Slices the frame and moves its times."""

    def __init__(self, frame: pl.DataFrame, times: int, position: int) -> None:
        self._frame, self._times, self._at = frame, times, position
        self._span = 0
        if "dateTime" in frame.columns:
            instants = frame["dateTime"].to_physical()
            self._span = int(instants.max()) - int(instants.min()) + 1  # type: ignore[arg-type]

    def poll(self, max_rows: int) -> Polled | None:
        """The next rows, not across the seam of two repetitions."""
        time, first = divmod(self._at, self._frame.height)
        if time >= self._times:
            return None
        part = self._frame.slice(first, max_rows)
        if self._span and time:
            moved = (part["dateTime"].to_physical() + time * self._span).cast(part["dateTime"].dtype)
            part = part.with_columns(moved.alias("dateTime"))
        polled = Polled(part, ((self._at, part.height),), (), self._at + part.height)
        self._at += part.height
        return polled

    @property
    def ended(self) -> bool:
        """Whether all rows were given."""
        return self._at >= self._times * self._frame.height


class PlainFile(Writer):
    """Encodes rows as the sink of files does; a file per epoch is synced beside the next steps, and that is all."""

    def __init__(self, sink: FileSink, request: WriteRequest) -> None:
        self._format, self._schema = sink._format(), request.schema
        self._folder = Path(sink.path)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._rows = self._number = 0
        self._begin()

    def _begin(self) -> None:
        self._file = files.create(self._folder / f"{self._number:08d}.jsonl")
        self._frames = self._format.writer(self._file, self._schema)
        self._number += 1

    def write(self, frame: pl.DataFrame, diff: Any) -> None:
        """Encode rows."""
        self._frames.write(frame)
        self._rows += frame.height

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """Begin the next file."""
        file, frames, rows = self._file, self._frames, self._rows
        self._rows = 0
        self._begin()

        def work() -> Content:
            frames.finish()
            files.sync(file)
            file.close()
            return Content({}, rows=rows)

        return work

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Let go."""
        self._file.close()


@dataclass(frozen=True, kw_only=True)
class PlainFiles(Sink):
    """A JSON file per epoch, written and synced at once; after a failure rows may be there twice."""

    connector: ClassVar[str] = "bench-files"
    delivery: ClassVar[str] = AT_LEAST_ONCE
    path: str = option(doc="The directory.")

    def writer(self, request: WriteRequest) -> Writer:
        """Open it."""
        return PlainFile(FileSink(self.path, format="json"), request)


class PlainTable(Writer):
    """Encodes rows as the sink of PostgreSQL does, and copies them beside the next steps, without tokens."""

    def __init__(self, url: str, table: str, request: WriteRequest) -> None:
        import psycopg

        self._link = psycopg.connect(url)
        self._statement = f"COPY {table} FROM STDIN"
        self._schema = request.schema
        self._frames: list[pl.DataFrame] = []

    def write(self, frame: pl.DataFrame, diff: Any) -> None:
        """Keep rows."""
        self._frames.append(frame)

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """Hand the rows over."""
        taken, self._frames = self._frames, []

        def work() -> Content:
            if taken:
                with self._link.cursor() as cursor, cursor.copy(self._statement) as copy:  # type: ignore[arg-type]
                    for text in blocks(pl.concat(taken), self._schema, 1 << 20):
                        copy.write(text)
                self._link.commit()
            return Content({}, rows=sum(frame.height for frame in taken))

        return work

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Nothing is left to do."""

    def close(self) -> None:
        """Let go."""
        self._link.close()


@dataclass(frozen=True, kw_only=True)
class PlainPostgres(Sink):
    """A COPY of text per epoch in a transaction of its own, without tokens."""

    connector: ClassVar[str] = "bench-postgres"
    delivery: ClassVar[str] = AT_LEAST_ONCE
    url: str = option(doc="The database.")
    table: str = option(doc="The table.")

    def writer(self, request: WriteRequest) -> Writer:
        """Connect."""
        return PlainTable(self.url, self.table, request)
