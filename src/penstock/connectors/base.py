"""What a connector is: a source lists splits and reads each by position; a sink writes whole epochs.

Connectors are frozen dataclasses whose fields are declared with `core.spec.option`; they hold no open
resource. Readers and writers do, and live only while a pipeline runs.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from penstock.core.schema import Schema
from penstock.core.spec import given_options

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

APPEND = "append"
UPDATING = "updating"

TRANSACTIONAL = "transactional"
UPSERT = "upsert"
AT_LEAST_ONCE = "at-least-once"


@dataclass(frozen=True)
class Split:
    """A part of a source whose rows have an order: a file, a partition, a directory.

    Attributes:
        name: Its name, unique within the source and stable between runs.
    """

    name: str


@dataclass(frozen=True)
class ReadRequest:
    """What a pipeline wants of a source.

    Attributes:
        schema: All columns that the source is declared to have.
        columns: The columns to decode, in this order; others are skipped unread where the format allows.
        extra: What unknown fields do: `"ignore"`, or `"forbid"` (the row is bad).
        keep_raw: Whether bad rows keep their raw text (not for masked sources).
    """

    schema: Schema
    columns: tuple[str, ...]
    extra: str = "ignore"
    keep_raw: bool = True

    @property
    def read_schema(self) -> Schema:
        """The schema of the frames to give: the wanted columns in the wanted order."""
        return self.schema.select(self.columns)


class BadRow(NamedTuple):
    """A row that could not be decoded.

    Attributes:
        offset: Its position in the split.
        reason: What is wrong with it, naming file and line where there are such.
        raw: Its text (bytes that are no UTF-8 are escaped), or None.
    """

    offset: int
    reason: str
    raw: str | None


class Polled(NamedTuple):
    """What a reader had at hand.

    Attributes:
        frame: Decoded rows, exactly with the columns and types of `ReadRequest.read_schema`.
        offsets: The offsets of the frame's rows as runs `(first, count)`, ascending.
        bad: Rows that could not be decoded; their offsets lie between those of the frame.
        position: Where to go on after all these rows: a JSON value that `Source.reader` understands.
    """

    frame: pl.DataFrame
    offsets: tuple[tuple[int, int], ...]
    bad: tuple[BadRow, ...]
    position: Any


class Reader(ABC):
    """Reads one split from a position. Used by one thread at a time."""

    begins_at: Any = None
    """The position at which it began, where that is not the beginning of the split: `latest` is asked only once."""

    retry_after_us: int = 50_000
    """How long to wait before the next poll after one that had nothing."""

    @abstractmethod
    def poll(self, max_rows: int) -> Polled | None:
        """The next rows, some `max_rows` of them at most, or None if none are at hand. Does not wait for input.

        Raises:
            SourceError: If the input cannot be read at all.
        """

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether there will never be another row."""

    def published(self, position: Any) -> None:
        """All sinks have what was read before a position: a broker may be told, a log trimmed.

        Called in another thread than `poll`, some time after the rows were taken; for information, never for
        resuming: positions live in checkpoints.
        """

    def close(self) -> None:
        """Release what is open; called once, also after an error."""


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
    """Where rows come from. A value: opening it is `reader`."""

    connector: ClassVar[str]
    rediscovers: ClassVar[bool] = False
    """Whether splits may be added while a pipeline runs: it asks again, and reads new ones from their beginning."""
    inline: ClassVar[bool] = False
    """Whether polling costs next to nothing, so that no thread needs to read ahead."""

    @property
    @abstractmethod
    def bounded(self) -> bool:
        """Whether the rows end."""

    @abstractmethod
    def schema(self) -> Schema:
        """The columns, asked of the source while a plan is built.

        Raises:
            PlanError: If the source cannot know them, so that the user must state them; or is not there.
        """

    @abstractmethod
    def splits(self) -> Sequence[Split]:
        """The splits there are now, in a stable order.

        Raises:
            StartError: If the source is not there or not readable.
        """

    @abstractmethod
    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """A reader of a split from a position that a reader gave before; None is the beginning."""

    def first_position(self) -> Any:
        """Where a split that was added while a pipeline runs is read from; None is its beginning."""
        return None

    def default_name(self) -> str:
        """What the source is called where the user gave no name."""
        return self.connector

    @property
    def identity(self) -> str | None:
        """What tells the source from others with equal options: set by those that hold data of the program."""
        return None

    def plan_value(self) -> dict[str, Any]:
        """How a plan stores the source: its connector and the options that are not defaults."""
        return {"role": "source", "connector": self.connector, "options": given_options(self)}


@dataclass(frozen=True)
class WriteRequest:
    """What a pipeline is going to write.

    Attributes:
        schema: The columns.
        key: The columns by which updates and deletes find their row; empty for append-only rows.
        updating: Whether frames come with changes.
        pipeline: The pipeline's name.
        fresh: Whether this run starts anew, rather than resuming an interrupted one.
        output: The name of the output: with the pipeline's it tells tokens of this writer from those of others.
    """

    schema: Schema
    key: tuple[str, ...]
    updating: bool
    pipeline: str
    fresh: bool = True
    output: str = "output"


class Token(NamedTuple):
    """What a sink remembers of the last epoch that it has published: written in one transaction with its rows.

    Attributes:
        pipeline: The name of the pipeline.
        process: Which of its processes; 0 if there is one only.
        incarnation: The number of the epoch with which the run took over.
        epoch: The number of the epoch. The tokens of a pipeline are consecutive: epochs without rows have one too.
        rows: How many rows or changes the epoch has.
        digest: A digest of what is published.
    """

    pipeline: str
    process: int
    incarnation: int
    epoch: int
    rows: int
    digest: str


def is_newer_run(found: Token | None, seen: Token | None) -> bool:
    """Whether a newer run has published since a writer looked: one that begins anew must not forget that then.

    The run whose token was seen may have gone on. Any other is newer, whatever its number says: in a new state
    directory numbers begin at zero again.

    Args:
        found: The last token now, where nobody can write another before this run has taken over.
        seen: The last token when the writer was opened.
    """
    if found is None or seen is None:
        return found is not None
    return found.incarnation != seen.incarnation or found.epoch < seen.epoch


class Content(NamedTuple):
    """What a sealed epoch of one output is.

    Attributes:
        value: What the checkpoint's manifest says of it, as JSON: names of staged files and the like. Small.
        payload: What the checkpoint itself must carry to publish it: encoded, compressed records. Empty for sinks
            that stage their output where it belongs.
        rows: How many rows or changes it has.
    """

    value: dict[str, Any]
    payload: bytes = b""
    rows: int = 0


class Sealed(NamedTuple):
    """An epoch that is durable and may be published.

    Attributes:
        token: Its token.
        value: See `Content`.
        payload: See `Content`.
    """

    token: Token
    value: dict[str, Any]
    payload: bytes = b""


def seal(pipeline: str, epoch: int, content: Content, *, incarnation: int = 0, process: int = 0) -> Sealed:
    """Give a sealed epoch its token."""
    digest = hashlib.blake2b(json.dumps(content.value, sort_keys=True).encode(), digest_size=16)
    digest.update(content.payload)
    token = Token(pipeline, process, incarnation, epoch, content.rows, digest.hexdigest())
    return Sealed(token, content.value, content.payload)


class Writer(ABC):
    """Writes epochs. What is written becomes visible only when its epoch is committed, if the sink is transactional.

    Two threads use a writer. One takes rows: `write` and `prepare`, between the steps. Another publishes:
    `last_token` first, then `commit`, epoch after epoch, some time after `prepare`. `close` comes after both.
    """

    @abstractmethod
    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Take rows of the open epoch; `diff` has +1 or -1 per row for changes, -1 before +1.

        Raises:
            SinkError: If they cannot be written.
        """

    @abstractmethod
    def prepare(self, epoch: int) -> Callable[[], Content]:
        """End the open epoch at once: rows that are written from now on belong to the next.

        What is given is called once, in another thread, beside the next steps: it makes the epoch durable (or, at
        least once: waits until it is written), and says what `commit` must publish.

        Raises:
            SinkError: If it cannot be made durable; it is given up then, never tried again.
        """

    @abstractmethod
    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Publish sealed epochs, in order, each whole and with its token; those that are published are skipped.

        Raises:
            SinkLost: If the sink cannot be reached, or it is unknown whether the epochs were published: the engine
                asks `last_token` again, which connects anew, and goes on behind it.
            SinkError: If they cannot be published.
        """

    def last_token(self) -> Token | None:
        """Connect, make sure that no other process can publish any more, then say which epoch is the last published.

        None if there is none; always None where the sink does not remember (see `Sink.remembers`).

        Raises:
            SinkLost: If the sink cannot be reached now.
        """
        return None

    def close(self) -> None:
        """Release what is open and discard what is not sealed; called once, also after an error."""

    def report(self) -> str:
        """Where the output is, for people: `"3 files in out/delays"`."""
        return ""


@dataclass(frozen=True, kw_only=True)
class Sink(ABC):
    """Where rows go. A value: opening it is `writer`."""

    connector: ClassVar[str]
    delivery: ClassVar[str]
    """`transactional`, `upsert` or `at-least-once`."""
    takes_changes: ClassVar[bool] = False
    """Whether it can take updates and deletes."""
    needs_key: ClassVar[bool] = True
    """Whether changes need a key."""
    remembers: ClassVar[bool] = False
    """Whether it keeps the tokens of what was published, so that `Writer.last_token` can tell."""

    @abstractmethod
    def writer(self, request: WriteRequest) -> Writer:
        """Open the sink.

        Raises:
            StartError: If it is not there, or holds what must not be mixed with this run's output.
        """

    def default_name(self) -> str:
        """What the sink is called where the user gave no name."""
        return self.connector

    @property
    def place(self) -> str | None:
        """Where the output is, if two outputs must not share it."""
        return None

    def plan_value(self) -> dict[str, Any]:
        """How a plan stores the sink: its connector and the options that are not defaults."""
        return {"role": "sink", "connector": self.connector, "options": given_options(self)}
