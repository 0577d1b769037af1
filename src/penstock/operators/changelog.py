"""A Table as a stream of its changes, with a column that says what each is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from penstock.core.delta import Delta
from penstock.core.dtypes import String
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.core.schema import Field, Schema
from penstock.expr.function import NotOnFlink
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.plan.node import Facts, Node

# -- Plan ----------------------------------------------------------------------

INSERT, UPDATE_BEFORE, UPDATE_AFTER, DELETE = "+I", "-U", "+U", "-D"


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
        ops = operations(delta, self.key)
        return [("out", Delta({"op": ops.alias("op"), **delta.columns}, delta.length, positions=delta.positions))]


def operations(delta: Delta, key: tuple[str, ...] | None) -> pl.Series:
    """The kind of each change: an update if the key both goes and comes within the delta."""
    if delta.diff is None:
        return pl.Series("op", [INSERT]).new_from_index(0, delta.length)
    frame = pl.DataFrame({"diff": delta.diff})
    paired = pl.lit(value=False)
    if key:
        frame = (
            delta.frame(key).rename({name: f"k{i}" for i, name in enumerate(key)}).hstack([delta.diff.alias("diff")])
        )
        paired = pl.col("diff").n_unique().over([f"k{i}" for i in range(len(key))]) == 2
    comes = pl.col("diff") > 0
    return frame.select(
        pl.when(comes & paired).then(pl.lit(UPDATE_AFTER)).when(comes).then(pl.lit(INSERT))
        .when(paired).then(pl.lit(UPDATE_BEFORE)).otherwise(pl.lit(DELETE)).alias("op")
    ).get_column("op")  # fmt: skip


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
