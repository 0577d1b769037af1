"""Rows in order: of event time, as the watermark passes; of anything, at the end of bounded input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from penstock.core.errors import PlanError
from penstock.core.timespan import END, from_datetime
from penstock.expr.function import NotOnFlink
from penstock.operators.aggregation import key_fields
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.plan.node import UPDATING, Facts, Node
from penstock.plan.ordering import SortKey, row_order
from penstock.state.kinds import check_kept

NOWHERE = (-1, -1, -1)

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Sort(Executable):
    """Rows in order, each once: a Stream.

    By event time alone, ascending, rows wait until the watermark reaches their time, and go on in the order of
    (time, source, split, offset): the same whatever the cut and the interleaving of splits. A row whose time the
    watermark of its own split had reached before it leaves by `late` (Flink drops it without counting). By anything
    else all rows wait for the end of bounded input; rows that are equal in the order stay as they came.
    State: the rows that wait.

    Attributes:
        input: The rows.
        by: The order.
    """

    verb: ClassVar[str] = "sort"
    refuses: ClassVar[tuple[str, ...]] = ("late",)
    stateful: ClassVar[bool] = True

    input: Node
    by: tuple[SortKey, ...]

    def derive(self) -> Facts:
        """As the input."""
        below = self.input.facts
        if not self.by:
            raise PlanError("sort needs an order", hint='such as .sort("at")')
        if below.mode == UPDATING:
            raise PlanError(
                "the rows of a Table change, and a sorted Stream does not",
                hint="group_by().top_n(...) ranks them; or sort what .collect() gives",
            )
        key_fields(below.schema, [key.column for key in self.by])
        check_kept(below.schema)
        if not self.by_time and not below.bounded:
            raise PlanError(
                f"rows that never end cannot be sorted by {', '.join(map(str, self.by))}",
                hint="sort by the event time, or rank them with group_by().top_n(...)",
            )
        return replace(below, order_sensitive=not self.by_time)

    @property
    def by_time(self) -> bool:
        """Whether it follows event time."""
        below = self.input.facts
        only = len(self.by) == 1 and self.by[0].column == below.time and not self.by[0].descending
        return only and below.watermarked

    def describe(self) -> str:
        """The order."""
        return ", ".join(map(str, self.by))

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever: nothing, since rows wait for the watermark or the end."""
        return None

    def needs(self, used: set[str]) -> list[set[str]]:
        """The order, and what is used."""
        return [used | {key.column for key in self.by}]

    def meaning(self) -> Meaning:
        """See `SortMeaning`."""
        return SortMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `SortExecutor`."""
        from penstock.operators.sort_execution import SortExecutor

        return SortExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class SortMeaning(Meaning):
    """All rows that wait, sorted whenever the watermark moves."""

    def __init__(self, node: Sort) -> None:
        self.by_time, self.order = node.by_time, row_order(node.by)
        self.time, self.shift = node.input.facts.time, node.input.facts.time_shift
        self.waiting: list[tuple[int, Row]] = []

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """Let it wait, if it is not late."""
        instant = END
        if self.by_time:
            instant = from_datetime(row.values[str(self.time)]) + self.shift
            if instant <= row.watermark:
                return [("late", row)]
        self.waiting.append((instant, row))
        return []

    def advance(self, watermark: int) -> Iterable[Emission]:
        """Send what the watermark has reached."""
        ready = [(instant, row) for instant, row in self.waiting if instant <= watermark]
        self.waiting = [(instant, row) for instant, row in self.waiting if instant > watermark]
        if self.by_time:
            ready.sort(key=lambda item: (item[0], item[1].place or NOWHERE))
        else:
            ready.sort(key=lambda item: self.order(item[1].values))
        return [("out", Row(row.values)) for _, row in ready]


# -- Execution -----------------------------------------------------------------
# See `operators/sort_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
