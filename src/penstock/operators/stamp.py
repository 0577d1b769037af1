"""Give each row the instant at which it is taken: ingestion time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from penstock.core.delta import Delta
from penstock.core.dtypes import Datetime
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.core.schema import Field
from penstock.core.timespan import to_datetime
from penstock.expr.function import NotOnFlink
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.plan.node import UPDATING, Facts, Node

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Stamp(Executable):
    """Add the instant of the step that takes a row, as a column.

    It never goes back, also across a restart. The journal has it: a replay gives the same, another run over the same
    input does not. Source of the rule: Flink's ingestion time.

    Attributes:
        input: The rows, of a Stream.
        column: What the column is called.
    """

    verb: ClassVar[str] = "stamp"

    input: Node
    column: str

    def derive(self) -> Facts:
        """The input's columns and an instant; not deterministic."""
        below = self.input.facts
        if below.mode == UPDATING:
            raise PlanError("a Table has no ingestion time: its rows change", hint="name it before the grouping")
        if self.column in below.schema:
            raise PlanError(
                f'ingestion time makes a column "{self.column}", and there is one already', hint="rename it before"
            )
        field = Field(self.column, Datetime("us", "UTC"), nullable=False)
        return replace(below, schema=below.schema.plus(field), deterministic=False)

    def describe(self) -> str:
        """The column."""
        return self.column

    def needs(self, used: set[str]) -> list[set[str]]:
        """What is used, without the instant."""
        return [used - {self.column}]

    def meaning(self) -> Meaning:
        """See `StampMeaning`."""
        return StampMeaning(self.column)

    def executor(self, environment: Environment) -> Executor:
        """See `StampExecutor`."""
        return StampExecutor(self.column)


# -- Meaning -------------------------------------------------------------------


class StampMeaning(Meaning):
    """Each row is given what the clock says."""

    def __init__(self, column: str) -> None:
        self.column, self.now = column, 0

    def tick(self, now: int) -> Iterable[Emission]:
        """The clock moves."""
        self.now = now
        return ()

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, the same with its instant out."""
        return [("out", row.with_values({**row.values, self.column: to_datetime(self.now)}))]


# -- Execution -----------------------------------------------------------------


class StampExecutor(Executor):
    """One value for all rows of a step."""

    def __init__(self, column: str) -> None:
        self.column = column

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterable[Output]:
        """Add the column; see `Executor.step`."""
        (delta,) = inputs
        if delta is None:
            return []
        now = pl.Series(self.column, [context.now], dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
        return [("out", delta.with_columns({**delta.columns, self.column: now.new_from_index(0, delta.length)}))]


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
