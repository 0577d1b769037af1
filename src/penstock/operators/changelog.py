"""A Table as a stream of its changes, with a column that says what each is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.changelog import DELETE, INSERT, operations
from penstock.core.delta import Delta
from penstock.core.dtypes import String
from penstock.core.errors import PlanError
from penstock.core.lazy import np, pl
from penstock.core.schema import Field, Schema
from penstock.expr.function import NotOnFlink
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.plan.node import Facts, Node

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Changelog(Executable):
    """The changes of a Table as rows: column `op` is `+I`, `-U`, `+U` or `-D`.

    A row that goes and one of the same key that comes in one step are an update. How many changes there
    are on the way depends on the steps; what they add up to does not.

    Attributes:
        input: The Table.
    """

    verb: ClassVar[str] = "changelog"

    input: Node

    def derive(self) -> Facts:
        """The Table's columns behind `op`; append-only."""
        below = self.input.facts
        if "op" in below.schema:
            raise PlanError('changelog makes a column "op", and there is one already', hint="rename it before")
        schema = Schema((Field("op", String, nullable=False), *below.schema.fields))
        return Facts(schema=schema, bounded=below.bounded, deterministic=below.deterministic)

    def meaning(self) -> Meaning:
        """See `ChangelogMeaning`."""
        return ChangelogMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `ChangelogExecutor`."""
        return ChangelogExecutor(self)


# -- Meaning -------------------------------------------------------------------


class ChangelogMeaning(Meaning):
    """Row by row a -1 is a deletion and a +1 an insertion: updates are seen only within a step."""

    def __init__(self, node: Changelog) -> None:
        self.node = node

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One change in, one row out."""
        op = INSERT if row.diff > 0 else DELETE
        return [("out", Row({"op": op, **row.values}, 1, row.watermark, row.place, row.sequence))]


# -- Execution -----------------------------------------------------------------


class ChangelogExecutor(Executor):
    """Pairs what goes with what comes, by key."""

    def __init__(self, node: Changelog) -> None:
        self.key = node.input.facts.key

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterable[Output]:
        """One row per change; see `Executor.step`."""
        (delta,) = inputs
        if delta is None or delta.length == 0:
            return []
        ops = operations(*self._changes(delta))
        return [("out", Delta({"op": ops.alias("op"), **delta.columns}, delta.length, positions=delta.positions))]

    def _changes(self, delta: Delta) -> tuple[pl.DataFrame, Any, Sequence[str]]:
        """The key columns, +1 or -1 per row, and the names of the key; a key of no columns is the same for all."""
        diff = np.ones(delta.length, np.int8) if delta.diff is None else delta.diff.to_numpy()
        if self.key == ():
            return pl.Series("all", [True]).new_from_index(0, delta.length).to_frame(), diff, ["all"]
        return delta.frame(self.key or list(delta.columns)[:1]), diff, self.key or ()


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
