"""How the rows of windows execute: ordered trees per window and key, read and dropped when the window closes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.core.timespan import END, MILLISECOND, NEVER
from penstock.operators.base import Environment, Executor, Loader, Output, Saver, StepContext
from penstock.operators.grid import LocalGrid, grid_of
from penstock.operators.keyed_window_places import window_bounds
from penstock.operators.lateness import delay_of, refuse_late
from penstock.operators.watermark import instants
from penstock.operators.why import refuse
from penstock.operators.window_execution import BEYOND
from penstock.state.deadlines import Deadlines
from penstock.state.ordered import OrderedRows

if TYPE_CHECKING:
    from penstock.operators.window_rows import WindowRows

BOUNDS = ("window_start", "window_end")
LATEST = 2**62
BATCH = 1 << 16
"""How many rows one delta has at most: what a closing window holds leaves piece by piece."""


class WindowRowsExecutor(Executor):
    """Keeps rows of open windows; see `WindowRows` for what it gives."""

    def __init__(self, node: WindowRows, environment: Environment) -> None:
        below = node.input.facts
        self.node, self.environment = node, environment
        self.time, self.shift, self.clock = str(below.time), below.time_shift, node.clock
        self.columns, self.keys = below.schema.names, node.keys
        self.schema = Schema(node.kept)
        self.types = self.schema.to_polars()
        self.grid, self.delay = grid_of(node.windows), delay_of(node)
        self.first, self.last = node.first - 1, node.last if node.last is not None else 2**31 - 1
        self.most = -1 if node.last is None else node.last
        self.state = OrderedRows(self.schema, (*node.keys, *BOUNDS), node.by, environment.seed)
        self.deadlines = Deadlines()
        self.now, self.turn = NEVER, 0

    # -- rows in

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Send what the clock has closed, keep rows, then send what the watermark has closed; see `Executor.step`."""
        if context.now > self.now:
            self.now = context.now
            if self.clock:
                yield from self._close(self.now - MILLISECOND)
        (delta,) = inputs
        if delta is not None and delta.length:
            yield from self._take(delta)
        if context.last and (not self.clock or context.watermark == END):
            yield from self._close(context.watermark)

    def _take(self, delta: Delta) -> Iterator[Output]:
        times = self._times(delta)
        if isinstance(self.grid, LocalGrid):
            inside = (times >= self.grid.first) & (times < self.grid.last)
            if not inside.all():
                yield "errors", refuse(self._original(delta, ~inside), BEYOND, self.environment)
                delta, times = delta.filter(pl.Series(inside)), times[inside]
            if not delta.length:
                return
        rows, starts, ends, last = window_bounds(self.grid, times)
        if not self.clock and delta.watermarks is not None:
            watermarks = delta.watermarks.to_numpy()
            in_time = ends - MILLISECOND > watermarks[rows]
            late = last > NEVER
            late[rows[in_time]] = False
            if late.any():
                yield "late", self._late(delta, late, watermarks[late] - (last[late] - MILLISECOND))
            rows, starts, ends = rows[in_time], starts[in_time], ends[in_time]
        if len(rows):
            self._keep(delta, rows, starts, ends)

    def _times(self, delta: Delta) -> Any:
        if self.clock:
            return np.full(delta.length, self.now, np.int64)
        return instants(delta.columns[self.time]) + self.shift

    def _original(self, delta: Delta, chosen: Any) -> Delta:
        return delta.with_columns({name: delta.columns[name] for name in self.columns}).filter(pl.Series(chosen))

    def _late(self, delta: Delta, late: Any, behind: Any) -> Delta:
        return refuse_late(self._original(delta, late), behind, self.delay, self.environment)

    def _keep(self, delta: Delta, rows: Any, starts: Any, ends: Any) -> None:
        self.turn += 1
        index = pl.Series(rows)
        columns = [delta.columns[name].gather(index) for name in self.columns]
        columns += [
            pl.Series(name, values).cast(self.types[name]) for name, values in zip(BOUNDS, (starts, ends), strict=True)
        ]
        found = self.state.find(columns, len(rows), self.turn)
        new = found.is_new
        self.deadlines.put(ends[found.first_row[new]], found.touched[new])
        slots = self.state.rows.add(columns, [], self.turn)
        dropped = self.state.apply(found.slots, slots, None, self.most)
        if len(dropped):
            self.state.rows.drop(dropped, self.turn)

    # -- rows out

    def due(self) -> int | None:
        """When the next window is over; by the clock only the end of the input calls."""
        first = self.deadlines.first
        if first is None:
            return None
        return END if self.clock else first - MILLISECOND

    def wakes(self) -> int | None:
        """When the next window is over by the clock."""
        return self.deadlines.first if self.clock else None

    def _close(self, until: int) -> Iterator[Output]:
        """Send what is over, and forget it."""
        _, groups = self.deadlines.take(min(until, LATEST) + MILLISECOND + 1)
        if not len(groups):
            return
        self.turn += 1
        groups = groups[self._order(groups)]
        starts, slots = self.state.ranks(groups, self.first, self.last)
        ranks = np.arange(len(slots), dtype=np.int64) - np.repeat(starts[:-1], np.diff(starts)) + self.first + 1
        for low in range(0, len(slots), BATCH):
            chosen = slots[low : low + BATCH]
            named = dict(zip(self.schema.names, self.state.rows.take(chosen), strict=True))
            if self.node.rank is not None:
                named[self.node.rank] = pl.Series(self.node.rank, ranks[low : low + BATCH], dtype=pl.Int64)
            yield "out", Delta(named, len(chosen))
        # Rows before the first rank are kept too, but not sent.
        self.state.rows.drop(self.state.ranks(groups, 0, 2**31 - 1)[1], self.turn)
        self.state.index.delete(groups, self.turn)

    def _order(self, groups: Any) -> Any:
        """Windows and keys in order of (end, start, key): null first, NaN last, text by its bytes."""
        decoded = self.state.codec.decode(*self.state.index.key_rows(groups))
        frame = pl.DataFrame([series.alias(str(i)) for i, series in enumerate([*decoded[:-3:-1], *decoded[:-2]])])
        return frame.select_seq(pl.arg_sort_by(frame.columns, nulls_last=False)).to_series().to_numpy()

    # -- checkpoints

    def state_layout(self) -> Any:
        """Keys, columns, order, windows, and how many rows are kept."""
        columns = [{"name": f.name, "type": str(f.dtype), "nullable": f.nullable} for f in self.schema]
        windows = self.node.windows
        shape = {
            "kind": windows.kind, "lengths": [str(length) for length in windows.lengths()],
            "offset": windows.offset, "zone": windows.zone, "clock": self.clock,
        }  # fmt: skip
        order = [str(key) for key in self.node.by]
        return {
            "kind": "window_rows", "windows": shape, "keys": list(self.keys), "columns": columns, "order": order,
            "rows": self.most,
        }  # fmt: skip

    def snapshot(self, saver: Saver) -> Any:
        """The rows; windows and trees are made of them anew."""
        saver.table("rows", self.state.rows.entries, self.turn + 1)
        return {"turn": self.turn, "added": self.state.rows.added, "now": self.now}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        self.turn, self.state.rows.added, self.now = state["turn"] + 1, state["added"], state["now"]
        loader.table("rows", self.state.rows.entries)
        self.state.rebuild(self.turn)
        groups = self.state.index.live()
        if len(groups):
            ends = self.state.codec.decode(*self.state.index.key_rows(groups))[-1]
            self.deadlines.put(instants(ends), groups)

    def contents(self, limit: int) -> pl.DataFrame:
        """The rows that are kept."""
        slots = self.state.rows.entries.live()[:limit]
        return pl.DataFrame(self.state.rows.take(slots), schema=self.types)

    def state_size(self) -> tuple[int, int]:
        """Rows and bytes."""
        return len(self.state.rows), self.state.nbytes + self.deadlines.nbytes
