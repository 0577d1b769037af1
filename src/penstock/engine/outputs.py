"""What leaves a plan: rows to sinks epoch by epoch, refused rows to the tables `late` and `errors`."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from penstock.connectors import sink_class
from penstock.connectors.base import Content, Sink, Writer, WriteRequest, seal
from penstock.core.delta import Delta
from penstock.core.dtypes import Datetime, Int64, String
from penstock.core.errors import PenstockError, RowError, SinkError, StartError, StateError
from penstock.core.lazy import pl
from penstock.core.schema import Field, Schema
from penstock.core.spec import configure
from penstock.engine.compile import PhysicalNode
from penstock.operators.write import Write
from penstock.plan.pipeline import Pipeline

REFUSED_SCHEMA = Schema(
    (
        Field("verb", String, nullable=False),
        Field("row", String),
        Field("reason", String, nullable=False),
        Field("source", String),
        Field("split", String),
        Field("offset", Int64),
        Field("raw", String),
        Field("watermark", Datetime("us", "UTC")),
        Field("behind", String),
        Field("needed", String),
    )
)
"""The columns of the tables `late` and `errors` of a pipeline: rows of all verbs, as JSON text."""

RATE_ROWS = 1_000

T = TypeVar("T")


class ErrorRate:
    """The share of refused rows among the last thousand or more."""

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self._recent: deque[tuple[int, int]] = deque()
        self._rows = self._errors = 0

    def add(self, rows: int, errors: int) -> None:
        """Count a step.

        Raises:
            RowError: If the share is above the limit.
        """
        if self.limit is None or not rows:
            return
        self._recent.append((rows, errors))
        self._rows += rows
        self._errors += errors
        while self._rows - self._recent[0][0] >= RATE_ROWS:
            old_rows, old_errors = self._recent.popleft()
            self._rows -= old_rows
            self._errors -= old_errors
        if self._rows >= RATE_ROWS and self._errors > self.limit * self._rows:
            raise RowError(
                f"{self._errors} of the last {self._rows} rows were refused, more than max_error_rate={self.limit:g}",
                hint="the table errors in the state directory says why",
            )


class Outputs:
    """Writers of a pipeline's sinks and of its dead-letter tables.

    Args:
        pipeline: The pipeline.
        state: The directory for the tables `late` and `errors`; None = refused rows are only counted.
        known: The outputs that an interrupted run has written to, if this one goes on with it: all others begin anew.
    """

    def __init__(self, pipeline: Pipeline, state: Path | None, *, known: Collection[str] = ()) -> None:
        self.pipeline = pipeline
        self.state = state
        self.rows = [0] * len(pipeline.outputs)
        self.refused = {"late": 0, "errors": 0}
        self.dirty = False
        """Whether anything was written since the last epoch."""
        self._writes = [output for output in pipeline.outputs if isinstance(output, Write)]
        self._names = [output.name for output in self._writes]
        self._writers: list[Writer] = []
        self._tables: dict[str, tuple[Sink, Writer]] = {}
        try:
            for output in self._writes:
                request = output.request(pipeline.name, fresh=output.name not in known)
                self._writers.append(output.sink.writer(request))
            if state is not None:
                for port in self.refused:
                    self._tables[port] = _table(state / port, port, pipeline.name, fresh=f"@{port}" not in known)
        except BaseException:
            self.close()
            raise

    def write(self, output: int, delta: Delta) -> None:
        """Give rows to a sink; see `Outlet`."""
        diff = delta.diff.to_numpy() if delta.diff is not None else None
        self._writers[output].write(delta.frame(), diff)
        self.rows[output] += delta.length
        self.dirty = True

    def refuse(self, node: PhysicalNode, port: str, delta: Delta) -> None:
        """Give refused rows to the tables, as the policy says; see `Outlet`.

        Raises:
            RowError: If the policy is to fail.
        """
        self.refused[port] += delta.length
        if port == "errors" and self.pipeline.on_error == "fail":
            why = delta.columns["_why"][0]
            place = f" at {why['source']}/{why['split']} offset {why['offset']}" if why["source"] else ""
            raise RowError(f"{node.label} refused a row{place}: {why['reason']}", where=node.node.where)
        if port == "errors" and self.pipeline.on_error == "drop":
            return
        if port in self._tables:
            self._tables[port][1].write(_as_table(node, delta), None)
            self.dirty = True

    def writers(self) -> list[tuple[str, Writer, bool]]:
        """All writers: name, writer, and whether its sink remembers tokens."""
        found = [(o.name, w, o.sink.remembers) for o, w in zip(self._writes, self._writers, strict=True)]
        return found + [(f"@{port}", writer, sink.remembers) for port, (sink, writer) in self._tables.items()]

    def prepare(self, epoch: int) -> dict[str, Callable[[], Content]]:
        """End the open epoch; gives, by output, what makes its part durable.

        Raises:
            SinkError: If a sink cannot end it.
        """
        self.dirty = False
        return {name: guarded(name, partial(writer.prepare, epoch)) for name, writer, _ in self.writers()}

    def publish(self, epoch: int) -> None:
        """End the open epoch and publish it at once: for runs that store nothing.

        Raises:
            SinkError: If a sink cannot; nothing of the epoch was published by those that come after it.
        """
        prepared = {name: guarded(name, work) for name, work in self.prepare(epoch).items()}
        for name, writer, _ in self.writers():
            sealed = seal(self.pipeline.name, epoch, prepared[name])
            guarded(name, partial(writer.commit, [sealed]))

    def counts(self) -> dict[str, Any]:
        """How many rows each output and dead-letter table was given, as JSON."""
        return {"rows": dict(zip(self._names, self.rows, strict=True)), "refused": dict(self.refused)}

    def restore(self, counts: Mapping[str, Any]) -> None:
        """Go on counting."""
        self.rows = [counts.get("rows", {}).get(name, 0) for name in self._names]
        self.refused |= counts.get("refused", {})

    def reports(self) -> list[str]:
        """Where the output is, for people, by output."""
        found = []
        for name, writer, rows in zip(self._names, self._writers, self.rows, strict=True):
            found.append(f"{name}: {_rows(rows)}{_detail(writer)}")
        for port, (_, writer) in self._tables.items():
            if self.refused[port]:
                found.append(f"{port}: {_rows(self.refused[port])}{_detail(writer)}")
        return found

    def close(self) -> None:
        """Discard what is not sealed."""
        for writer in (*self._writers, *(writer for _, writer in self._tables.values())):
            writer.close()


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _detail(writer: Writer) -> str:
    report = writer.report()
    return f" ({report})" if report else ""


def guarded(name: str, action: Callable[[], T]) -> T:
    """Do something to a sink: what the system says against it becomes a `SinkError`."""
    try:
        return action()
    except PenstockError:
        raise
    except OSError as failure:
        raise SinkError(f'cannot write "{name}": {failure}') from failure


def _table(path: Path, port: str, pipeline: str, *, fresh: bool) -> tuple[Sink, Writer]:
    request = WriteRequest(REFUSED_SCHEMA, (), updating=False, pipeline=pipeline, fresh=fresh, output=f"@{port}")
    sink = configure(sink_class("files"), {"path": str(path), "format": "json", "mode": "overwrite", "keep": "1 GiB"})
    try:
        return sink, sink.writer(request)
    except StartError as refused:
        if isinstance(refused.__cause__, ValueError):  # its manifests say what cannot be
            raise StateError(
                f'the table "{port}" cannot be used: {refused.message}',
                hint="restore the state directory from a copy, or start anew with another one",
            ) from refused
        raise


def _as_table(node: PhysicalNode, delta: Delta) -> pl.DataFrame:
    why = delta.columns["_why"].struct.unnest()
    names = [name for name in delta.columns if name != "_why"]
    masked = (
        {field.name for one in node.nodes for field in one.inputs[0].schema if field.mask}
        if node.node.inputs
        else set()
    )
    visible = [pl.lit("***").alias(n) if n in masked else pl.col(n) for n in names]
    rows = delta.frame(names).select(pl.struct(visible).struct.json_encode().alias("row")) if names else None
    row = rows.get_column("row") if rows is not None else pl.Series("row", [json.dumps({})] * delta.length)
    label = pl.Series("verb", [node.identity]).new_from_index(0, delta.length)
    return pl.DataFrame([label, row, *why.get_columns()]).select(list(REFUSED_SCHEMA.names))
