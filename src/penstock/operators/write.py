"""A sink as a node: where rows leave the plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from penstock.connectors.base import Sink, WriteRequest
from penstock.core.delta import Delta
from penstock.core.errors import PlanError, UnsupportedError
from penstock.expr.function import NotOnFlink
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.plan.node import UPDATING, Facts, Node

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Write(Executable):
    """Write all rows of a stream, or the changes of a Table by key, to a sink.

    What a transactional sink is given becomes visible epoch by epoch; one that is at-least-once writes at once.

    Attributes:
        input: The rows.
        sink: Where they go.
        name: What the output is called.
        key: The columns by which changes find their row; by default the Table's key.
    """

    verb: ClassVar[str] = "write"

    input: Node
    sink: Sink
    name: str
    key: tuple[str, ...] | None = None

    def derive(self) -> Facts:
        """As the input; refuses a Table where the sink cannot take changes."""
        below = self.input.facts
        for name in self.key or ():
            _ = below.schema[name]
        if below.mode == UPDATING:
            self._check_changes(below)
        return replace(below, key=self.key or below.key)

    def _check_changes(self, below: Facts) -> None:
        what = f"this is a Table ({self._why_table()}): its rows change"
        if not self.sink.takes_changes:
            raise PlanError(
                f'{what}, and "{self.sink.connector}" can only append',
                hint="write .changelog(), or group by a window to get final rows only",
            )
        if not (self.key or below.key) and self.sink.needs_key:
            raise PlanError(f'{what}, and "{self.sink.connector}" needs a key', hint='.write(sink, key="...")')
        if self.key and below.key and set(self.key) != set(below.key):
            raise UnsupportedError(
                f"the Table is keyed by {', '.join(below.key)}, not by {', '.join(self.key)}: rows would collide",
                hint="leave key= out",
            )

    def _why_table(self) -> str:
        node: Node = self.input
        while node.inputs and node.inputs[0].facts.mode == UPDATING:
            node = node.inputs[0]
        place = f" at {node.where}" if node.where else ""
        return f"made by {node.verb}{place}"

    def describe(self) -> str:
        """Name and connector."""
        return f"{self.name} ({self.sink.connector})"

    def request(self, pipeline: str, fresh: bool) -> WriteRequest:
        """What the writer is told."""
        facts = self.facts
        return WriteRequest(facts.schema, facts.key or (), facts.mode == UPDATING, pipeline, fresh, self.name)

    def meaning(self) -> Meaning:
        """See `WriteMeaning`."""
        return WriteMeaning()

    def executor(self, environment: Environment) -> Executor:
        """See `WriteExecutor`."""
        return WriteExecutor()


# -- Meaning -------------------------------------------------------------------


class WriteMeaning(Meaning):
    """The rows as they come: the interpreter collects them."""

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, the same out."""
        return [("out", row)]


# -- Execution -----------------------------------------------------------------


class WriteExecutor(Executor):
    """Passes on; the loop hands it to the sink's writer."""

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterable[Output]:
        """Pass on; see `Executor.step`."""
        (delta,) = inputs
        return [] if delta is None else [("out", delta)]


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
