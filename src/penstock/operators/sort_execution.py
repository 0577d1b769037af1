"""How rows are put in order: they wait in state, and leave as the watermark reaches them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.core.timespan import END
from penstock.operators.base import Environment, Executor, Loader, Output, Saver, StepContext
from penstock.operators.lateness import delay_of, refuse_late
from penstock.operators.sort import NOWHERE
from penstock.operators.watermark import instants
from penstock.state.kept import KeptRows
from penstock.state.time_runs import TimeRuns

if TYPE_CHECKING:
    from penstock.operators.sort import Sort

MOST_ROWS = 1 << 16
TIME, SOURCE, SPLIT, OFFSET = 0, 1, 2, 3


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
