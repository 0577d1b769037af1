"""What happens in a test: inputs with their splits, the order in which rows come, and the cut into steps."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.connectors import lookup_of
from penstock.connectors.base import AT_LEAST_ONCE, ReadRequest, Sink, Source, Split, Writer, WriteRequest
from penstock.connectors.lookups import LookupSource
from penstock.core.dtypes import Datetime
from penstock.core.errors import PlanError, StartError
from penstock.core.lazy import pl
from penstock.core.schema import Field, Schema
from penstock.core.spec import option
from penstock.core.timespan import instant_text
from penstock.operators.read import Read
from penstock.operators.watermark import Watermark
from penstock.plan.node import Node
from penstock.plan.watermark import Policy, Scripted, policy
from penstock.testing.compare import cell
from penstock.testing.notation import Drawn
from penstock.testing.oracle import BEGINNING, Arrival, Ended, Event, Tick

if TYPE_CHECKING:
    import polars as pl

Values = dict[str, Any]
Steps = list[list[Event]]
"""Events cut into steps."""

_PUSHED = "the rows of this source are pushed by a test"


@dataclass(frozen=True, kw_only=True)
class Pushed(Source):
    """A source whose rows a `Driver` is given by hand; it cannot be opened.

    Attributes:
        name: What it is called.
        columns: Its schema.
        ends: Whether the rows end.
    """

    connector: ClassVar[str] = "pushed"
    inline: ClassVar[bool] = True

    name: str = option("input", doc="What the source is called.")
    columns: Schema = field(default_factory=lambda: Schema(()))
    ends: bool = True

    @property
    def bounded(self) -> bool:
        """Whether the rows end."""
        return self.ends

    def schema(self) -> Schema:
        """The columns as given."""
        return self.columns

    def splits(self) -> Sequence[Split]:
        """One split; a Driver may have more."""
        return [Split("0")]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Any:
        """Not to be opened.

        Raises:
            StartError: Always.
        """
        raise StartError(_PUSHED, hint="use penstock.testing.Driver")

    def default_name(self) -> str:
        """Its name."""
        return self.name

    def plan_value(self) -> dict[str, Any]:
        """How a plan stores it: with its columns."""
        stored = super().plan_value()
        return {**stored, "columns": self.columns, "ends": self.ends}


@dataclass(frozen=True, kw_only=True)
class Kept(Sink):
    """A sink for a `Driver`, which keeps what is written; it cannot be opened."""

    connector: ClassVar[str] = "kept"
    delivery: ClassVar[str] = AT_LEAST_ONCE
    takes_changes: ClassVar[bool] = True
    needs_key: ClassVar[bool] = False

    def writer(self, request: WriteRequest) -> Writer:
        """Not to be opened.

        Raises:
            StartError: Always.
        """
        raise StartError(_PUSHED, hint="use penstock.testing.Driver")


def connector(stored: Mapping[str, Any]) -> Source | Sink | LookupSource:
    """What reads, writes or is asked of a stored plan; what `nodes_from_json` is given for plans of tests."""
    if "connector" not in stored or stored["role"] == "lookup":
        return lookup_of(stored)
    if stored["connector"] == Kept.connector:
        return Kept()
    return Pushed(name=stored["options"].get("name", "input"), columns=stored["columns"], ends=stored["ends"])


@dataclass(frozen=True)
class Input:
    """The rows of one source.

    Attributes:
        name: What it is called.
        schema: The columns.
        splits: The rows of each split, in order.
        time: The event-time column, or None.
        policy: How far event time has come; None: nothing is late.
        ends: Whether the splits end after their last row.
        bounded: Whether the plan may count on that.
    """

    name: str
    schema: Schema
    splits: tuple[tuple[Values, ...], ...]
    time: str | None = None
    policy: Policy | None = None
    ends: bool = True
    bounded: bool = True

    @classmethod
    def of(cls, value: Any, name: str, *, event_time: str = "at", watermark: Any = None, ends: bool = True) -> Input:
        """An input from what a test gives: a drawn table, a Polars frame, a list of dicts, or an input.

        Args:
            value: The rows; a tuple of any of these gives each as a split.
            name: What the source is called.
            event_time: The event-time column, if the input has it and it holds moments.
            watermark: The watermark policy; drawn tables with watermark lines have their own.
            ends: Whether the input ends after the last row.

        Raises:
            PlanError: If it is none of these, or two splits have different columns.
        """
        if isinstance(value, Input):
            return replace(value, name=name)
        parts = value if isinstance(value, tuple) else (value,)
        frames = [_rows_of(part) for part in parts]
        schema = frames[0][0]
        if any(other.names != schema.names for other, _ in frames):
            raise PlanError(f'the splits of "{name}" have different columns')
        time = event_time if event_time in schema and isinstance(schema[event_time].dtype, Datetime) else None
        marks = tuple(
            (split, *mark) for split, part in enumerate(parts) if isinstance(part, Drawn) for mark in part.marks
        )
        rule: Policy | None = Scripted(marks) if marks else policy(watermark) if watermark is not None else None
        if marks and time is None:
            raise PlanError(f'"{name}" has watermark lines and no event time "{event_time}"')
        splits = tuple(tuple(rows) for _, rows in frames)
        return cls(name, schema, splits, time, rule, ends)

    def node(self) -> Node:
        """The source as a plan node, with its event time."""
        source = Pushed(name=self.name, columns=self.schema, ends=self.bounded)
        read = Read(source=source, name=self.name, columns=self.schema)
        return read if self.time is None else Watermark(input=read, time=self.time, policy=self.policy)

    def frame(self, rows: Iterable[Values]) -> pl.DataFrame:
        """Some rows as a Polars frame of the input's types."""
        return frame_of(rows, self.schema)


def frame_of(rows: Iterable[Values], schema: Schema) -> pl.DataFrame:
    """Rows as a Polars frame of a schema; what a row lacks is null."""
    found = list(rows)
    types = schema.to_polars()
    return pl.DataFrame([pl.Series(n, [row.get(n) for row in found], dtype=t) for n, t in types.items()])


def _rows_of(value: Any) -> tuple[Schema, list[Values]]:
    if isinstance(value, Drawn):
        return value.schema, value.rows
    frame = pl.DataFrame(value) if isinstance(value, list) else value
    if not isinstance(frame, pl.DataFrame):
        raise PlanError(f"an input is a drawn table, a Polars frame or a list of dicts, found {value!r}")
    schema = Schema.of(dict(frame.schema))
    return Schema(tuple(Field(f.name, f.dtype) for f in schema)), frame.rows(named=True)


@dataclass(frozen=True)
class Scene:
    """Inputs, and the order in which their rows come.

    Attributes:
        inputs: The sources, in the order in which a walk of the plan meets them.
        order: `(source, split)` per row; the rest, if it is shorter than the rows, follows source by source.
        ticks: `(rows, span)`: after so many rows the clock goes on by so many microseconds. It stands still otherwise.
    """

    inputs: tuple[Input, ...]
    order: tuple[tuple[int, int], ...] = ()
    ticks: tuple[tuple[int, int], ...] = ()

    @property
    def splits(self) -> list[int]:
        """For each source, how many splits it has."""
        return [len(one.splits) for one in self.inputs]

    def events(self) -> list[Event]:
        """What happens, in order; a split ends right after its last row."""
        taken = {(s, p): 0 for s, one in enumerate(self.inputs) for p in range(len(one.splits))}
        found: list[Event] = []
        for pair in taken:
            if not self._rows(pair):
                found += self._end(pair)
        count, now = 0, BEGINNING
        for pair in (*self.order, *self._rest()):
            rows, offset = self._rows(pair), taken[pair]
            if offset < len(rows):
                taken[pair] += 1
                moved = now + sum(span for after, span in self.ticks if after == count)
                found += [Tick(moved)] if moved > now else []
                count, now = count + 1, moved
                found.append(Arrival(*pair, offset, rows[offset]))
                found += self._end(pair) if offset + 1 == len(rows) else []
        return found

    def _rows(self, pair: tuple[int, int]) -> tuple[Values, ...]:
        return self.inputs[pair[0]].splits[pair[1]]

    def _rest(self) -> Iterator[tuple[int, int]]:
        for source, one in enumerate(self.inputs):
            for split, rows in enumerate(one.splits):
                yield from ((source, split) for _ in rows)

    def _end(self, pair: tuple[int, int]) -> list[Event]:
        return [Ended(*pair)] if self.inputs[pair[0]].ends else []


def one_by_one(events: Sequence[Event]) -> Steps:
    """A step per event."""
    return [[event] for event in events]


def at_once(events: Sequence[Event]) -> Steps:
    """One step; one more each time that the clock moves."""
    return cut(events, ())


def cut(events: Sequence[Event], places: Iterable[int]) -> Steps:
    """Steps that begin at the given indices, and where the clock moves; two equal ones make an empty step between."""
    ticks = [place for place, event in enumerate(events) if isinstance(event, Tick)]
    inside = [place for place in places if 0 <= place <= len(events)]
    bounds = [0, *sorted([*inside, *ticks]), len(events)]
    return [list(events[first:last]) for first, last in itertools.pairwise(bounds)]


def at_random(events: Sequence[Event], generator: random.Random) -> Steps:
    """Steps of random sizes, some of them empty."""
    many = generator.randint(1, max(1, min(len(events), 12)))
    return cut(events, [generator.randint(0, len(events)) for _ in range(many)])


MOST_SHOWN = 60


def story(steps: Steps) -> str:
    """What happens, for people: a line per row, and one between steps."""
    lines: list[str] = []
    for number, events in enumerate(steps):
        lines.append(f"-- step {number + 1}")
        for event in events:
            if isinstance(event, Tick):
                lines.append(f"the clock shows {instant_text(event.now)}")
                continue
            place = f"{event.source}.{event.split}"
            row = " | ".join(cell(value) for value in event.values.values()) if isinstance(event, Arrival) else ""
            lines.append(f"{place} @{event.offset}: {row}" if isinstance(event, Arrival) else f"{place} ends")
    if len(lines) > MOST_SHOWN:
        lines = [f"({len(lines) - MOST_SHOWN} lines before)", *lines[-MOST_SHOWN:]]
    return "input (source.split @offset):\n" + "\n".join(f"  {line}" for line in lines)
