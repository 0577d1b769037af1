"""A source as a node: rows with positions enter the plan here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from penstock.connectors.base import ReadRequest, Source
from penstock.core.delta import Delta
from penstock.core.errors import PlanError
from penstock.core.schema import Schema
from penstock.expr.function import NotOnFlink
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.plan.node import Facts, refused_schema

# -- Plan ----------------------------------------------------------------------

MASKS = ("hash", "redact")


@dataclass(frozen=True, kw_only=True, eq=False)
class Read(Executable):
    """The rows of a source.

    Rows that cannot be decoded leave by `errors`, with position, reason and (unless columns are masked)
    their raw text. Replay is possible from any position of a source that has positions.

    Attributes:
        source: Where the rows come from.
        name: What the source is called in messages, reports and `_why`.
        columns: The schema, as declared or as the source said.
        wanted: The columns that the plan uses, in order; None = all. Set by the optimiser.
        extra: What unknown fields do: `"ignore"` or `"forbid"`.
        masks: Column policies: how a column is hidden from people.
    """

    verb: ClassVar[str] = "read"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)

    source: Source
    name: str
    columns: Schema
    wanted: tuple[str, ...] | None = None
    extra: str = "ignore"
    masks: tuple[tuple[str, str], ...] = ()

    def derive(self) -> Facts:
        """The declared columns; an append-only stream without event time yet."""
        if not len(self.columns):
            raise PlanError(f'"{self.name}" has no columns')
        schema = self.columns
        for name, mask in self.masks:
            if mask not in MASKS:
                raise PlanError(f'no mask "{mask}"', hint=f"known: {', '.join(MASKS)}")
            schema = schema.plus(replace(schema[name], mask=mask))
        if self.wanted is not None:
            schema = schema.select(self.wanted)
        return Facts(schema=schema, bounded=self.source.bounded)

    def port_schema(self, port: str) -> Schema:
        """Undecoded rows have all columns, null, and `_why`."""
        return self.schema if port == "out" else refused_schema(self.schema)

    def request(self) -> ReadRequest:
        """What the reader is asked for."""
        return ReadRequest(self.columns, self.schema.names, self.extra, keep_raw=not self.masks)

    def describe(self) -> str:
        """Name and connector."""
        return f"{self.name} ({self.source.connector})"

    def meaning(self) -> Meaning:
        """See `ReadMeaning`."""
        return ReadMeaning()

    def executor(self, environment: Environment) -> Executor:
        """See `ReadExecutor`."""
        return ReadExecutor()


# -- Meaning -------------------------------------------------------------------


class ReadMeaning(Meaning):
    """The rows as they come."""

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, the same out."""
        return [("out", row)]


# -- Execution -----------------------------------------------------------------


class ReadExecutor(Executor):
    """The loop hands it what was polled."""

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterable[Output]:
        """Pass on; see `Executor.step`."""
        (delta,) = inputs
        return [] if delta is None else [("out", delta)]


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
