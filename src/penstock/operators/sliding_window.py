"""Sliding windows: one that ends at each row, with the rows of its key from so much earlier on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.dtypes import Datetime
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.schema import Field, Schema
from penstock.core.timespan import from_datetime, instant_text, to_datetime
from penstock.expr.ast import Frame
from penstock.expr.function import NotOnFlink, RowFault
from penstock.expr.infer import infer_aggregation
from penstock.operators.aggregation import (
    Named,
    PlainAggregate,
    declaration,
    describe,
    key_fields,
    key_order,
    order_sensitive,
    plain_key,
    results_of,
)
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.operators.over_frames import is_offered
from penstock.plan.keyed_windows import Sliding
from penstock.plan.node import UPDATING, Facts, Node
from penstock.plan.windows import UTC

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class SlidingWindow(Executable):
    """Aggregates per key over `[t - size, t]`, both ends included, for each instant `t` at which the key has a row.

    Rows of one instant share a window. It is sent once, when the watermark reaches `t`: a Stream, in the order of
    (end, key), whose event time is `window_end`, which is `t`.

    A row is late for the windows that the watermark of its own split had reached before it. Late for its own window it
    makes none, and still counts in later ones that begin before it; one that is late for all of them, `t + size <= `
    the watermark, leaves by `late`. In a window rows are in the order of their time, those of one instant as they
    arrived. Of a key whose sum does not fit its type a row with the key columns leaves by `errors`.

    State: the rows of the size before the watermark, and those after it. Source of the rules: Kafka Streams'
    `SlidingWindows` (inclusive ends, a record may still enter windows that are open), of which these are the
    windows that end at a record; those that begin right behind one, it has besides.

    Attributes:
        input: The rows; they need an event time.
        keys: The key columns; none = one key for all.
        windows: Their size.
        aggregates: The aggregates by the names of their columns.
    """

    verb: ClassVar[str] = "sliding_window"
    refuses: ClassVar[tuple[str, ...]] = ("late", "errors")
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...]
    windows: Sliding
    aggregates: Named

    def derive(self) -> Facts:
        """Key columns, bounds and aggregates; append-only, with the time of `window_end`."""
        below = self.input.facts
        if below.mode == UPDATING:
            raise UnsupportedError(
                "a sliding window over a Table is not offered: its rows are taken back",
                hint="put the window before the verb that makes the Table",
            )
        if below.time is None or not below.watermarked:
            raise PlanError(
                "a window needs an event time, and this stream has none",
                hint="ps.read(..., event_time=...), or .with_event_time(...); a select that drops it loses it",
            )
        fields = key_fields(below.schema, self.keys)
        for name in ("window_start", "window_end"):
            if name in self.keys or name in dict(self.aggregates):
                raise PlanError(f'the window makes a column "{name}", and there is one already')
        bounds = tuple(Field(name, Datetime("us", UTC), nullable=False) for name in ("window_start", "window_end"))
        made = tuple(self._field(name, below.schema) for name, _ in self.aggregates)
        return Facts(
            schema=Schema((*fields, *bounds, *made)),
            time="window_end",
            watermarked=True,
            bounded=below.bounded,
            deterministic=below.deterministic,
            order_sensitive=order_sensitive(self.aggregates),
        )

    def _field(self, name: str, schema: Schema) -> Field:
        term = dict(self.aggregates)[name]
        typed, _ = infer_aggregation(term, schema)
        declared = declaration(term)
        types = [arg.dtype for arg in typed.args]
        if not is_offered(declared.name, types, dict(getattr(term, "options", ())), self.frame):
            raise UnsupportedError(
                f"{declared.method or declared.name} of a sliding window is not offered yet",
                hint="ps.hopping(size, every=...) has all aggregates",
            )
        for arg in typed.args:  # what is kept of a row is kept as keys are
            named = Field(str(arg.term), arg.dtype)
            key_fields(Schema((named,)), [named.name])
        return Field(name, typed.dtype, typed.nullable, typed.mask)

    @property
    def size(self) -> int:
        """How far back a window goes, in microseconds."""
        return self.windows.size.exact()

    @property
    def frame(self) -> Frame:
        """A window as a frame."""
        return Frame("range", self.size)

    def describe(self) -> str:
        """Windows, keys and aggregates."""
        return f"{self.windows} by {', '.join(self.keys) or 'nothing'}: {describe(self.aggregates)}"

    def needs(self, used: set[str]) -> list[set[str]]:
        """The keys, the event time and what is aggregated."""
        found = {*self.keys, str(self.input.facts.time)}
        return [found | {name for _, term in self.aggregates for name in term.columns()}]

    def meaning(self) -> Meaning:
        """See `SlidingWindowMeaning`."""
        return SlidingWindowMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `SlidingWindowExecutor`."""
        from penstock.operators.sliding_window_execution import SlidingWindowExecutor

        return SlidingWindowExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class SlidingWindowMeaning(Meaning):
    """All rows that ever came; of each instant that is due, the rows before it are looked up and aggregated."""

    def __init__(self, node: SlidingWindow) -> None:
        facts = node.input.facts
        self.keys, self.size, self.columns = node.keys, node.size, facts.schema.names
        self.time, self.shift = str(facts.time), facts.time_shift
        self.aggregates = [PlainAggregate(name, term, node.input.schema) for name, term in node.aggregates]
        self.order = key_order([node.input.schema[name].dtype for name in node.keys])
        self.rows: dict[tuple[Any, ...], list[tuple[int, int, list[Any]]]] = {}
        self.open: dict[tuple[int, tuple[Any, ...]], dict[str, Any]] = {}

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """Keep one row; unless it is late for it, it makes a window."""
        try:
            arguments = [aggregate.arguments(row.values) for aggregate in self.aggregates]
        except RowFault:
            return [("errors", row)]
        instant = from_datetime(row.values[self.time]) + self.shift
        if instant + self.size <= row.watermark:
            return [("late", row)]
        key = plain_key(row.values, self.keys)
        self.rows.setdefault(key, []).append((instant, row.watermark, arguments))
        if instant > row.watermark:
            self.open.setdefault((instant, key), {name: row.values[name] for name in self.keys})
        return []

    def advance(self, watermark: int) -> Iterable[Emission]:
        """Send the windows that are over, by end, then by key."""
        over = [one for one in self.open if one[0] <= watermark]
        for end, key in sorted(over, key=lambda one: (one[0], self.order(one[1]))):
            names = self.open.pop((end, key))
            states = [aggregate.start() for aggregate in self.aggregates]
            for instant, before, arguments in sorted(self.rows[key], key=lambda one: one[0]):
                if end - self.size <= instant <= end and before < end:
                    states = [a.add(s, args, 1) for a, s, args in zip(self.aggregates, states, arguments, strict=True)]
            made = results_of(self.aggregates, states)
            if made is None:
                yield "errors", Row({name: names.get(name) for name in self.columns})
                continue
            bounds = {"window_start": to_datetime(end - self.size), "window_end": to_datetime(end)}
            yield "out", Row({**names, **bounds, **made})


# -- Execution -----------------------------------------------------------------
# See `operators/sliding_window_execution.py`.


def unfit_window(reason: str, end: int) -> str:
    """Why the window that ends at an instant has no result, for people."""
    return f"{reason} in the sliding window that ends at {instant_text(end)} UTC"


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("it has no such windows; OVER RANGE gives each row what such a window has")
