"""Look at rows as they pass, without changing them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from penstock.core.delta import Delta
from penstock.expr.function import NotOnFlink
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.plan.node import Facts, Node

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Inspect(Executable):
    """A place with a name: its rows are counted apart, and tools can look at its edge.

    Attributes:
        input: The rows.
        label: What the place is called.
    """

    verb: ClassVar[str] = "inspect"

    input: Node
    label: str

    def derive(self) -> Facts:
        """As the input."""
        return self.input.facts

    def describe(self) -> str:
        """The label."""
        return self.label

    def needs(self, used: set[str]) -> list[set[str]]:
        """The used columns."""
        return [used]

    def meaning(self) -> Meaning:
        """See `InspectMeaning`."""
        return InspectMeaning()

    def executor(self, environment: Environment) -> Executor:
        """See `InspectExecutor`."""
        return InspectExecutor()


# -- Meaning -------------------------------------------------------------------


class InspectMeaning(Meaning):
    """The rows as they come."""

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, the same out."""
        return [("out", row)]


# -- Execution -----------------------------------------------------------------


class InspectExecutor(Executor):
    """Passes on; the loop counts."""

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterable[Output]:
        """Pass on; see `Executor.step`."""
        (delta,) = inputs
        return [] if delta is None else [("out", delta)]


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
