"""Rows in order: of event time, as the watermark passes; of anything, at the end of bounded input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.core.delta import Delta
from penstock.core.errors import PlanError
from penstock.core.lazy import np, pl
from penstock.core.timespan import END, from_datetime
from penstock.expr.function import NotOnFlink
from penstock.operators.aggregation import key_fields
from penstock.operators.base import (
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
from penstock.operators.lateness import delay_of, refuse_late
from penstock.operators.watermark import instants
from penstock.plan.node import UPDATING, Facts, Node
from penstock.plan.ordering import SortKey, row_order
from penstock.state.kept import KeptRows, check_kept
from penstock.state.time_runs import TimeRuns

MOST_ROWS = 1 << 16
TIME, SOURCE, SPLIT, OFFSET = 0, 1, 2, 3
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


class SortExecutor(Executor):
    """Rows with their instants and places, and the order of their instants."""

    def __init__(self, node: Sort, environment: Environment) -> None:
        below = node.input.facts
        self.schema, self.by, self.by_time, self.environment = below.schema, node.by, node.by_time, environment
        self.time, self.shift = str(below.time), below.time_shift
        self.rows = KeptRows(below.schema, 4, environment.seed)
        self.waiting = TimeRuns()
        self.delay = delay_of(node)
        self.turn = 0

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Let rows wait, and send those that the watermark has reached; see `Executor.step`."""
        (delta,) = inputs
        if delta is not None and delta.length:
            yield from self._take(delta)
        if context.last:
            yield from self._fire(context.watermark)

    def _take(self, delta: Delta) -> Iterator[Output]:
        times = np.full(delta.length, END, np.int64)
        if self.by_time:
            times = instants(delta.columns[self.time]) + self.shift
            if delta.watermarks is not None:
                watermarks = delta.watermarks.to_numpy()
                late = times <= watermarks
                if late.any():
                    behind = watermarks[late] - times[late]
                    yield "late", refuse_late(delta.filter(pl.Series(late)), behind, self.delay, self.environment)
                    delta, times = delta.filter(pl.Series(~late)), times[~late]
        if delta.length:
            columns = [delta.columns[name] for name in self.schema.names]
            slots = self.rows.add(columns, [times, *_places(delta)], self.turn)
            self.turn += 1
            self.waiting.add(times, slots)

    def _fire(self, watermark: int) -> Iterator[Output]:
        slots = self.waiting.take(watermark)
        if not len(slots):
            return
        slots = self._in_order(slots)
        times = self.rows.word(TIME, slots)
        start = 0
        while start < len(slots):
            end = min(start + MOST_ROWS, len(slots))
            if end < len(slots) and self.by_time:  # rows of one instant go together
                end = int(np.searchsorted(times, times[end - 1], side="right"))
            yield "out", self._delta(slots[start:end])
            start = end
        self.rows.drop(slots, self.turn)
        self.turn += 1

    def _delta(self, slots: Any) -> Delta:
        return Delta(dict(zip(self.schema.names, self.rows.take(slots), strict=True)), len(slots))

    def _in_order(self, slots: Any) -> Any:
        ids = self.rows.ids(slots)
        if self.by_time:
            words = [self.rows.word(place, slots) for place in (OFFSET, SPLIT, SOURCE, TIME)]
            return slots[np.lexsort((ids, *words))]
        columns = dict(zip(self.schema.names, self.rows.take(slots), strict=True))
        keys = [columns[key.column].alias(f"k{i}") for i, key in enumerate(self.by)]
        frame = pl.DataFrame([*keys, pl.Series("id", ids)])
        order = frame.select_seq(
            pl.arg_sort_by(
                frame.columns,
                descending=[*(key.descending for key in self.by), False],
                nulls_last=[*(not key.nulls_first for key in self.by), False],
            )
        )
        return slots[order.to_series().to_numpy()]

    def due(self) -> int | None:
        """The instant of the first row that waits."""
        return self.waiting.earliest()

    def state_layout(self) -> Any:
        """Columns, and whether rows wait for their time."""
        columns = [{"name": f.name, "type": str(f.dtype), "nullable": f.nullable} for f in self.schema]
        return {"kind": "sort", "columns": columns, "time": self.time if self.by_time else None}

    def snapshot(self, saver: Saver) -> Any:
        """The rows; their instants are with them."""
        saver.table("rows", self.rows.entries, self.turn)
        return {"turn": self.turn, "added": self.rows.added}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        self.turn, self.rows.added = state["turn"], state["added"]
        loader.table("rows", self.rows.entries)
        slots = self.rows.live()
        self.waiting.add(self.rows.word(TIME, slots), slots)

    def contents(self, limit: int) -> pl.DataFrame:
        """The rows that wait."""
        slots = self.rows.entries.live()[:limit]
        return pl.DataFrame(self.rows.take(slots), schema=list(self.schema.names))

    def state_size(self) -> tuple[int, int]:
        """Rows and bytes."""
        return len(self.rows), self.rows.nbytes + self.waiting.nbytes


def _places(delta: Delta) -> list[Any]:
    """Source, split and offset of each row; rows that an operator made are nowhere, before all others."""
    found = delta.positions
    if found is None:
        return [np.full(delta.length, one, np.int64) for one in NOWHERE]
    return [found.sources(), found.splits(), found.offsets()]


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
