"""The rows that a verb refused, as a stream: `late()` and `errors()`."""

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
class Refused(Executable):
    """What leaves a node by `late` or `errors`: its input's columns, and `_why`.

    Attributes:
        input: The verb that refused the rows.
        port: `"late"` or `"errors"`.
    """

    verb: ClassVar[str] = "refused"

    input: Node
    port: str

    def derive(self) -> Facts:
        """Append-only rows without event time: they are behind it."""
        below = self.input.facts
        return Facts(schema=self.input.port_schema(self.port), bounded=below.bounded, deterministic=below.deterministic)

    def describe(self) -> str:
        """The port."""
        return f"{self.port} of {self.input.verb}"

    def meaning(self) -> Meaning:
        """See `RefusedMeaning`."""
        return RefusedMeaning()

    def executor(self, environment: Environment) -> Executor:
        """See `RefusedExecutor`."""
        return RefusedExecutor()


# -- Meaning -------------------------------------------------------------------


class RefusedMeaning(Meaning):
    """The refused rows as they come."""

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, the same out."""
        return [("out", row)]


# -- Execution -----------------------------------------------------------------


class RefusedExecutor(Executor):
    """Passes on what the loop brings from the port."""

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterable[Output]:
        """Pass on; see `Executor.step`."""
        (delta,) = inputs
        return [] if delta is None else [("out", delta)]


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
