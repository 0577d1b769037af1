"""Aggregates over the rows before each row: moving averages, running totals, earlier values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.schema import Field, Schema
from penstock.core.timespan import from_datetime
from penstock.expr.aggregates import declared as declared_of
from penstock.expr.ast import Aggregation, Frame, Lag, Term
from penstock.expr.function import NotOnFlink, RowFault
from penstock.expr.infer import infer, infer_aggregation
from penstock.expr.interpret import interpret
from penstock.operators.aggregation import Named, PlainAggregate, key_fields, plain_key
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.operators.over_frames import CHOICES, COUNTS, is_offered
from penstock.plan.node import UPDATING, Facts, Node

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Over(Executable):
    """Each row with aggregates over the rows of its key in a frame: itself, and those before it.

    Rows are taken in the order in which they come: behind `Sort` by event time, that is (time, source, split, offset).
    A frame of rows counts them; one of a range has the rows of the key from so much earlier, that instant included,
    to the row's own instant, and rows of one instant see each other (Flink's OVER with ROWS and RANGE BETWEEN
    ... PRECEDING AND CURRENT ROW). Nulls are not aggregated. A row for which an aggregated term has no value, and one
    whose frame has a sum that does not fit, leaves by `errors`; the latter is counted in later frames all the same.
    State: of each key the rows of a frame; with all rows so far, one entry per key, for ever. Rows of a range go when
    the watermark has passed them by its length.

    Attributes:
        input: The rows, in order.
        keys: The columns that tell keys apart; none = all rows are of one.
        frame: Which rows.
        functions: Aggregations and lags, by the names of their columns.
    """

    verb: ClassVar[str] = "over"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...]
    frame: Frame
    functions: Named

    def derive(self) -> Facts:
        """The input's columns, and one for each function."""
        below = self.input.facts
        if below.mode == UPDATING:
            raise PlanError(
                "the rows of a Table change, and over looks back at rows that do not",
                hint="put it before the verb that makes the Table",
            )
        key_fields(below.schema, self.keys)
        if self.frame.kind == "range" and (below.time is None or not below.watermarked):
            raise PlanError(
                "a range is of event time, and this stream has none",
                hint="ps.read(..., event_time=...), or .with_event_time(...); a select that drops it loses it",
            )
        fields = [self._field(name, function, below.schema) for name, function in self.functions]
        return replace(below, schema=Schema((*below.schema.fields, *fields)), order_sensitive=True)

    def _field(self, name: str, function: Term, schema: Schema) -> Field:
        if isinstance(function, Lag):
            typed = infer(function.term, schema)
            key_fields(Schema((Field(str(function.term), typed.dtype),)), [str(function.term)])
            return Field(name, typed.dtype, nullable=True, mask=typed.mask)
        typed, _ = infer_aggregation(function, schema)
        assert isinstance(function, Aggregation)
        declared = declared_of(function)
        if declared.user is not None:
            raise UnsupportedError(
                f"{declared.name} over a frame is not offered yet: an aggregate of your own",
                hint="a process function can keep the rows of a key: .group_by(...).process(...)",
            )
        types = [arg.dtype for arg in typed.args]
        if not is_offered(function.aggregate, types, dict(function.options), self.frame):
            raise UnsupportedError(
                f"{declared.method or declared.name} over {self.frame} is not offered yet",
                hint=f"there are {', '.join([*COUNTS, 'sum', 'mean', *CHOICES])}; more with rows=5 or a range",
            )
        for arg in typed.args:
            named = Field(str(arg.term), arg.dtype)
            key_fields(Schema((named,)), [named.name])
        return Field(name, typed.dtype, nullable=declared.empty is None, mask=typed.mask)

    def describe(self) -> str:
        """Functions, keys and frame."""
        made = ", ".join(f"{name} = {function}" for name, function in self.functions)
        return f"{self.frame} by {', '.join(self.keys) or 'nothing'}: {made}"

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever, for people; None if nothing does."""
        if self.frame.kind == "range" and self.frame.preceding is not None:
            return None
        rows = 1 if self.frame.preceding is None else self.frame.preceding
        return f"{rows} row(s) per {', '.join(self.keys)}, for ever" if self.keys and rows else None

    def needs(self, used: set[str]) -> list[set[str]]:
        """Keys, time, what is aggregated and what is used."""
        found = used - {name for name, _ in self.functions} | set(self.keys)
        found |= {name for _, function in self.functions for name in function.columns()}
        return [found | ({str(self.input.facts.time)} if self.input.facts.time else set())]

    def meaning(self) -> Meaning:
        """See `OverMeaning`."""
        return OverMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `OverExecutor`."""
        from penstock.operators.over_execution import OverExecutor

        return OverExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class OverMeaning(Meaning):
    """All rows so far by key; of each row the frame is looked up and aggregated from the start."""

    def __init__(self, node: Over) -> None:
        schema, facts = node.input.schema, node.input.facts
        self.node, self.time, self.shift = node, facts.time, facts.time_shift
        self.aggregates = {
            name: PlainAggregate(name, function, schema)
            for name, function in node.functions
            if not isinstance(function, Lag)
        }
        self.lags = {
            name: (interpret(infer(function.term, schema)), function.rows)
            for name, function in node.functions
            if isinstance(function, Lag)
        }
        self.seen: dict[tuple[Any, ...], list[tuple[int, dict[str, Any]]]] = {}
        self.waiting: list[Row] = []

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """One row in; with a range it goes when all rows of its instant are there."""
        try:
            found = {name: one.arguments(row.values) for name, one in self.aggregates.items()}
            found |= {name: term(row.values) for name, (term, _) in self.lags.items()}
        except RowFault:
            yield "errors", row
            return
        self.seen.setdefault(plain_key(row.values, self.node.keys), []).append((self._instant(row), found))
        if self.node.frame.kind == "range":
            self.waiting.append(row)
        else:
            yield self._made(row)

    def advance(self, watermark: int) -> Iterable[Emission]:
        """With a range: send the rows whose instant is complete."""
        ready = [row for row in self.waiting if self._instant(row) <= watermark]
        self.waiting = [row for row in self.waiting if self._instant(row) > watermark]
        return [self._made(row) for row in ready]

    def _instant(self, row: Row) -> int:
        return from_datetime(row.values[self.time]) + self.shift if self.time is not None else 0

    def _made(self, row: Row) -> Emission:
        rows, preceding = self.seen[plain_key(row.values, self.node.keys)], self.node.frame.preceding
        if self.node.frame.kind == "rows":
            frame = [found for _, found in rows[-(preceding + 1) if preceding is not None else 0 :]]
        else:
            instant = self._instant(row)
            first = instant - preceding if preceding is not None else None
            frame = [found for t, found in rows if t <= instant and (first is None or first <= t)]
        made = {name: frame[-1 - n][name] if n < len(frame) else None for name, (_, n) in self.lags.items()}
        try:
            for name, aggregate in self.aggregates.items():
                state = aggregate.start()
                for found in frame:
                    state = aggregate.add(state, found[name], 1)
                made[name] = aggregate.result(state)
        except RowFault:
            return "errors", row
        return "out", row.with_values({**row.values, **{name: made[name] for name, _ in self.node.functions}})


# -- Execution -----------------------------------------------------------------
# See `operators/over_execution.py` and `operators/over_frames.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
