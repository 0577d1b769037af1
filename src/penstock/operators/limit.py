"""The first rows, and then no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.core.delta import Delta
from penstock.core.errors import PlanError
from penstock.core.lazy import np
from penstock.expr.function import NotOnFlink
from penstock.operators.base import (
    END,
    Emission,
    Environment,
    Executable,
    Executor,
    Loader,
    Meaning,
    Output,
    Row,
    Saver,
    StepContext,
)
from penstock.plan.node import UPDATING, Facts, Node

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Limit(Executable):
    """The first rows to arrive; with the last of them its rows end, and so does event time.

    A source that nobody else needs is read no further, so that a pipeline over unbounded input ends. Rows of the
    step that come after the last one end here.
    State: a number.

    Attributes:
        input: The rows.
        rows: How many.
    """

    verb: ClassVar[str] = "limit"
    stateful: ClassVar[bool] = True

    input: Node
    rows: int

    def derive(self) -> Facts:
        """As the input; its rows end."""
        if self.rows < 1:
            raise PlanError(f"limit takes a number of rows from 1, found {self.rows}")
        if self.input.facts.mode == UPDATING:
            raise PlanError("the rows of a Table change: which are the first is not decided by arrival")
        return replace(self.input.facts, bounded=True, order_sensitive=True)

    def describe(self) -> str:
        """How many rows."""
        return f"{self.rows} rows"

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever: nothing."""
        return None

    def needs(self, used: set[str]) -> list[set[str]]:
        """What is used; of nothing, the first column, so that rows are counted."""
        return [used or {self.schema.names[0]}]

    def meaning(self) -> Meaning:
        """See `LimitMeaning`."""
        return LimitMeaning(self.rows)

    def executor(self, environment: Environment) -> Executor:
        """See `LimitExecutor`."""
        return LimitExecutor(self.rows)


# -- Meaning -------------------------------------------------------------------


class LimitMeaning(Meaning):
    """Count down."""

    def __init__(self, rows: int) -> None:
        self.left = rows

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """One row in; one out, while any are left."""
        if not self.left:
            return []
        self.left -= 1
        return [("out", row)]

    def watermark(self, incoming: Sequence[int]) -> int:
        """The end, when there is no more."""
        return min(incoming) if self.left else END


# -- Execution -----------------------------------------------------------------


class LimitExecutor(Executor):
    """Passes the first rows of each step on, until there were enough."""

    def __init__(self, rows: int) -> None:
        self.rows, self.seen = rows, 0

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterable[Output]:
        """Cut off; see `Executor.step`."""
        (delta,) = inputs
        left = self.rows - self.seen
        if delta is None or not delta.length or not left:
            return []
        self.seen += min(left, delta.length)
        return [("out", delta if delta.length <= left else delta.take(np.arange(left, dtype=np.int64)))]

    def watermark(self, incoming: Sequence[int]) -> int:
        """The end, when there is no more."""
        return END if self.satisfied() else min(incoming)

    def satisfied(self) -> bool:
        """Whether it has given all its rows."""
        return self.seen >= self.rows

    def state_layout(self) -> Any:
        """A count, that fits whatever the limit has become."""
        return {"kind": "limit"}

    def snapshot(self, saver: Saver) -> Any:
        """How many rows it has given."""
        return self.seen

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        self.seen = state


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
