"""The bridge between flows and pipelines: elements as rows, and rows as elements, with back-pressure across it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.connectors._flow_rows import polled
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
from penstock.core.errors import PlanError, SourceError
from penstock.core.schema import Schema
from penstock.core.spec import option

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from penstock.connectors._flow_channel import Channel
    from penstock.flow import Source as Flow

SIZE = 10_000
SOON_US = 1_000
GROUP = "pipeline"

# -- Source --------------------------------------------------------------------


@dataclass(frozen=True, init=False, eq=False)
class FlowSource(Source):
    """The elements of a flow as rows; `ps.read(flow)` makes one.

    A dict is a row; any other element is the value of the only column of the schema. An element that does not fit
    is a bad row. The flow runs on an event loop in a thread of its own, and is not pulled while `size` elements wait.

    Guarantee: at most once: a run that resumes starts the flow anew, and what had been pulled before and was not in a
    checkpoint is gone. With `durable`, elements (JSON) are appended to a log there before anything else, and read from
    it by position: at least once from the flow on, exactly once from the log on.

    Attributes:
        flow: The flow.
        ends: Whether it ends; one that does not needs a watermark if it has an event time.
    """

    connector: ClassVar[str] = "flow"

    name: str = option("flow", doc="What the source is called in messages and reports.")
    durable: str | None = option(None, doc="A log that keeps the elements.", example="state/numbers")
    size: int = option(SIZE, doc="How many elements wait at most.")
    flow: Any = field(default=None, repr=False)
    ends: bool = field(default=False)

    def __init__(
        self,
        flow: Any = None,
        *,
        durable: str | os.PathLike[str] | None = None,
        bounded: bool = False,
        size: int = SIZE,
        name: str = "flow",
    ) -> None:
        """Hold a flow.

        Args:
            flow: A `penstock.flow.Source`.
            durable: The log that keeps the elements: its name in `.penstock/logs`, or its path.
            bounded: Whether the flow ends.
            size: How many elements wait at most.
            name: What the source is called.

        Raises:
            PlanError: If it is no flow.
        """
        from penstock.flow import Source as Flow

        if not isinstance(flow, Flow):
            raise PlanError(f"a flow source takes a penstock.flow.Source, found {type(flow).__name__}")
        if size < 1:
            raise PlanError(f"at least one element waits, found size={size}")
        for key, value in (("name", name), ("durable", os.fspath(durable) if durable is not None else None),
                           ("size", size), ("flow", flow), ("ends", bounded)):  # fmt: skip
            object.__setattr__(self, key, value)

    @property
    def bounded(self) -> bool:
        """Whether the flow ends."""
        return self.ends

    def schema(self) -> Schema:
        """Not known: elements can be anything.

        Raises:
            PlanError: Always.
        """
        raise PlanError("elements of a flow can be anything", hint="say schema={...}")

    def splits(self) -> Sequence[Split]:
        """One: the elements in order."""
        return [Split("0")]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """Start the flow, behind the position: a number of elements.

        Raises:
            StartError: If the log cannot be opened.
        """
        if self.durable is not None:
            return _DurableReader(self.flow, self.durable, position, request)
        return _FlowReader(self.flow, self.size, int(position or 0), request)

    def default_name(self) -> str:
        """Its name."""
        return self.name

    @property
    def identity(self) -> str:
        """The flow itself."""
        return str(id(self.flow))


class _FlowReader(Reader):
    retry_after_us = SOON_US

    def __init__(self, flow: Flow, size: int, position: int, request: ReadRequest) -> None:
        from penstock.connectors._flow_channel import Pumped

        self._pumped, self._next, self._request = Pumped(flow, size), position, request
        self._ended = False

    def poll(self, max_rows: int) -> Polled | None:
        self._pumped.start()
        done = self._pumped.done
        elements = self._pumped.take(max_rows)
        if elements:
            first, self._next = self._next, self._next + len(elements)
            return polled(elements, first, self._request)
        if done:
            self._ended = True
            _raise(self._pumped.failure)
        return None

    @property
    def ended(self) -> bool:
        return self._ended

    def close(self) -> None:
        self._pumped.close()


def _raise(failure: BaseException | None) -> None:
    if failure is not None:
        raise SourceError(f"the flow failed: {type(failure).__name__}: {failure}") from failure


class _DurableReader(Reader):
    """The flow fills a log; this reads it by offset."""

    retry_after_us = SOON_US

    def __init__(self, flow: Flow, name: str, position: Any, request: ReadRequest) -> None:
        from penstock.connectors._flow_channel import Pumped
        from penstock.log.log import Log

        self._log, self._request = Log(name, partitions=1, segment_bytes=8 << 20), request
        self._writing = Log(name)
        start = self._log.starts()[0] if position is None else int(position)
        if GROUP not in self._log.groups():
            self._log.store_positions(GROUP, {0: start})
        self._cursor = self._log.cursor(0, start)
        self._pumped = Pumped(flow, 512, self._append)
        self._ended = False

    def _append(self, chunk: list[Any]) -> None:
        from penstock.flow.spill import Spill
        from penstock.log.batches import Record

        encode = Spill().encode
        self._writing.append_many([Record(encode(x)) for x in chunk], partition=0)

    def poll(self, max_rows: int) -> Polled | None:
        self._pumped.start()
        done = self._pumped.done
        batch = self._cursor.poll(max_rows)
        if batch is not None:
            elements = [json.loads(value) for value in batch.frame.get_column("value").to_list()]
            return polled(elements, batch.offsets[0][0], self._request)._replace(position=batch.next)
        if done:
            self._ended = True
            _raise(self._pumped.failure)
        return None

    @property
    def ended(self) -> bool:
        return self._ended

    def published(self, position: Any) -> None:
        from penstock.log.log import Log

        with closing(Log(self._log.path)) as log:  # another thread than that of `poll`
            log.store_positions(GROUP, {0: int(position)})
            log.retain(retain_bytes=0)

    def close(self) -> None:
        try:
            self._pumped.close()
        finally:
            self._cursor.close()
            self._log.close()
            self._writing.close()


# -- Sink ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FlowSink(Sink):
    """Rows, as dicts, for a flow in the same program: `job.flow("out")` reads what was written to output `out`.

    Rows go out at once. While `size` of them wait the pipeline is held back, until `Job.stop`. Without a
    reader they wait, too.

    Guarantee: what the reader has not taken when the process ends is gone; after a restart from a checkpoint within the
    process, rows since then come again.
    """

    connector: ClassVar[str] = "flow"
    delivery: ClassVar[str] = AT_LEAST_ONCE

    name: str = option("flow", doc="What the sink is called in reports.")
    size: int = option(SIZE, doc="How many rows wait at most.")
    box: list[Channel] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.size < 1:
            raise PlanError(f"at least one row waits, found size={self.size}")

    def channel(self) -> Channel:
        """Where rows wait."""
        from penstock.connectors._flow_channel import Channel

        if not self.box:
            self.box.append(Channel(self.size))
        return self.box[0]

    def writer(self, request: WriteRequest) -> Writer:
        """A writer into the channel."""
        return _FlowWriter(self.channel())

    def default_name(self) -> str:
        """Its name."""
        return self.name


class _FlowWriter(Writer):
    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._rows = 0

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        self._channel.put(frame.to_dicts())
        self._rows += frame.height

    def prepare(self, epoch: int) -> Callable[[], Content]:
        rows, self._rows = self._rows, 0
        return lambda: Content({}, rows=rows)

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Nothing: rows were there at once."""


SOURCE = FlowSource
SINK = FlowSink
