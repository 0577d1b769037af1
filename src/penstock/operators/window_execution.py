"""How aligned windows execute: rows into panes, panes into windows when the watermark passes their end."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.core.timespan import MILLISECOND, NEVER, instant_text
from penstock.kernels.scatter import scatter_panes, shards_of
from penstock.kernels.windows import LATE_FOR_ALL, LATE_FOR_SOME, ON_TIME
from penstock.operators.aggregation import unfit_reason
from penstock.operators.base import Environment, Executor, Loader, Output, Saver, StepContext
from penstock.operators.grid import LocalGrid, grid_of
from penstock.operators.lateness import delay_of, refuse_late
from penstock.operators.sharding import KeyedLayout, Sharded
from penstock.operators.user_trials import TriedProjection
from penstock.operators.watermark import instants
from penstock.operators.why import refuse
from penstock.operators.window_parts import Closed, Pane, Side, Sorted, fold_all, ranks_of, rejoined
from penstock.operators.window_snapshot import pane_contents, restore_window, save_window
from penstock.plan.windows import Tumbling
from penstock.state import raw
from penstock.state.aggregates import AggregateTable
from penstock.state.batch import Batch
from penstock.state.keys import Keys
from penstock.state.raw import Raw
from penstock.state.sliding import Total, TwoStacks, sliding

if TYPE_CHECKING:
    from penstock.operators.window import Window


BEYOND = "event time outside of the years 2 to 9997, for which a zone has days"

MOST_ROWS = 1 << 16
"""From how many rows on, closed windows are sent as a delta of their own."""


MOST_SPARE = 128
"""How many tables of panes that are over are kept for those to come: they need not grow again."""


class WindowExecutor(Executor):
    """Keeps panes and a queue of windows by their ends; see `Window` for what it gives."""

    def __init__(self, node: Window, environment: Environment) -> None:
        below = node.input.facts
        assert below.time is not None
        self.time, self.shift = below.time, below.time_shift
        self.schema, self.keys = node.schema, node.keys
        self.columns = below.schema.names
        self.below, self.unfit = below.schema, unfit_reason(node.aggregates)
        self.environment = environment
        self.seed, self.shards = environment.seed, environment.shards
        self.windows = node.windows
        self.tumbling = isinstance(node.windows, Tumbling)
        self.keyed = KeyedLayout(
            below.schema,
            node.keys,
            node.aggregates,
            environment.seed,
            updating=False,
            counted=not self.tumbling,
            merged=not self.tumbling,
        )
        self.side_columns = list(dict.fromkeys([*node.keys, *(name for name, _ in self.keyed.layout.projection)]))
        self.projection = TriedProjection(below.schema, self.keyed.layout, environment)
        self.sharded = Sharded(environment)
        self.grid = grid_of(node.windows)
        self.delay = delay_of(node)
        self.panes: dict[int, Pane] = {}
        self.spare: list[AggregateTable] = []
        self.starts: list[int] = []
        self.totals = self.fresh_totals()
        self.entered = NEVER
        self.queue: list[tuple[int, int]] = []
        self.known: set[tuple[int, int]] = set()
        self.fired = NEVER
        self.turn = 0
        self.late_for_some = False

    def fresh_totals(self) -> list[Total | TwoStacks]:
        """Totals of no panes, one per shard; tumbling windows need none."""
        return [] if self.tumbling else [sliding(self.keyed.layout, self.seed) for _ in range(self.shards)]

    def next_turn(self) -> int:
        """A number for each time that state is touched: one step may touch it many times."""
        self.turn += 1
        return self.turn

    # -- rows in

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Take rows into panes, then send the windows that are over; see `Executor.step`."""
        for port, delta in self.projection.step(inputs, context):
            if port != "out":
                yield port, delta
            elif delta.length:
                known, beyond = self._within(delta)
                if beyond is not None:
                    yield "errors", beyond
                if known.length:
                    yield from self._take(known)
        if context.watermark > self.fired:
            yield from self._fire(context)

    def _within(self, delta: Delta) -> tuple[Delta, Delta | None]:
        """The rows for which the zone has days, and the others as refused rows."""
        if not isinstance(self.grid, LocalGrid):
            return delta, None
        times = instants(delta.columns[self.time])
        inside = (times >= self.grid.first) & (times < self.grid.last)
        if inside.all():
            return delta, None
        rows = delta.filter(pl.Series(~inside))
        rows = rows.with_columns({name: rows.columns[name] for name in self.columns})
        return delta.filter(pl.Series(inside)), refuse(rows, BEYOND, self.environment)

    def _take(self, delta: Delta) -> Iterator[Output]:
        if self.keyed.must_widen(delta):
            self._widen()
        batch, turn = self.keyed.batch(delta), self.next_turn()
        times = instants(delta.columns[self.time])
        if self.shift:
            times = times + self.shift
        watermarks = delta.watermarks.to_numpy() if delta.watermarks is not None else None
        parts = self.sharded.parts(delta.length)
        work = [partial(self._sort, batch.keys, times, watermarks, low, high) for low, high in parts]
        found = self.sharded.map(delta.length, work)
        counts = sum(part.assigned.counts for part in found)
        if counts[LATE_FOR_ALL]:
            yield "late", self._late(delta, *rejoined(found))
        self.sharded.map(delta.length, self._folds(batch, found, turn))
        if counts[LATE_FOR_SOME]:
            for bucket in scatter_panes(*rejoined(found), LATE_FOR_SOME):
                rows = np.arange(delta.length, dtype=np.int32) if bucket.rows is None else bucket.rows
                self.late_for_some = True
                self._pane(bucket.pane).side.append(self._side(delta, rows, batch))

    def _side(self, delta: Delta, rows: Any, batch: Batch) -> Side:
        """Rows of a delta kept by themselves: a few late ones must not hold all of it."""
        assert delta.watermarks is not None
        index = pl.Series(rows)
        columns = {name: delta.columns[name].gather(index) for name in self.side_columns}
        return Side(Delta(columns, len(rows)), delta.watermarks.to_numpy()[rows], batch.positions(rows))

    def _sort(self, keys: Keys, times: Any, watermarks: Any, low: int, high: int) -> Sorted:
        """Rows of a range by pane and shard, those that are in time."""
        assigned = self.grid.assign(times[low:high], None if watermarks is None else watermarks[low:high])
        shard_of = shards_of(keys.words[low:high], self.shards) if self.shards > 1 else None
        buckets = scatter_panes(assigned.panes, assigned.statuses, ON_TIME, shard_of, self.shards)
        return Sorted(assigned, buckets, low, high)

    def _folds(self, batch: Batch, found: Sequence[Sorted], turn: int) -> list[Callable[[], None]]:
        """For each shard, the work of folding its rows into panes, in their order."""
        work: dict[int, list[tuple[AggregateTable, Any]]] = {}
        whole = len(found) == 1
        for part in found:
            for bucket in part.buckets:
                rows = bucket.rows
                if not whole:
                    all_rows = np.arange(part.high - part.low, dtype=np.int32) if rows is None else rows
                    rows = all_rows + np.int32(part.low)
                work.setdefault(bucket.shard, []).append((self._table(bucket.pane, bucket.shard), rows))
        return [partial(fold_all, batch, mine, turn) for mine in work.values()]

    def _widen(self) -> None:
        """Make room for null keys, in all panes; totals are built anew from them."""
        for pane in self.panes.values():
            empty = AggregateTable(self.keyed.layout, self.seed)
            tables = [pane.tables.get(shard, empty) for shard in range(self.shards)]
            pane.tables = dict(enumerate(self.keyed.widen(tables, self.next_turn())))
        self.keyed.widen([], self.next_turn())
        self.totals, self.entered, self.spare = self.fresh_totals(), NEVER, []

    def _pane(self, number: int) -> Pane:
        start = self.grid.start(number)
        pane = self.panes.get(start)
        if pane is None:
            pane = self.panes[start] = Pane()
            bisect.insort(self.starts, start)
            known = self.grid.before(start) in self.panes
            self.expect(self.grid.new_windows(start) if known else self.grid.windows(start))
        return pane

    def expect(self, windows: Iterable[tuple[int, int]]) -> None:
        """Queue the windows that are still to be sent."""
        for begin, end in windows:
            if end - MILLISECOND > self.fired and (end, begin) not in self.known:
                self.known.add((end, begin))
                heapq.heappush(self.queue, (end, begin))

    def _table(self, number: int, shard: int) -> AggregateTable:
        tables = self._pane(number).tables
        if shard not in tables:
            tables[shard] = self.spare.pop() if self.spare else AggregateTable(self.keyed.layout, self.seed)
        return tables[shard]

    def _late(self, delta: Delta, panes: Any, statuses: Any) -> Delta:
        """Late rows, with how far behind they were and the bound that would have saved them."""
        late = statuses == LATE_FOR_ALL
        rows = delta.with_columns({name: delta.columns[name] for name in self.columns}).filter(pl.Series(late))
        assert rows.watermarks is not None
        numbers, places = np.unique(panes[late], return_inverse=True)
        ends = [max(end for _, end in self.grid.windows(self.grid.start(int(n)))) for n in numbers]
        behind = rows.watermarks.to_numpy() - (np.array(ends, np.int64)[places] - MILLISECOND)
        return refuse_late(rows, behind, self.delay, self.environment)

    # -- windows out

    def due(self) -> int | None:
        """The watermark at which the next window is over."""
        return self.queue[0][0] - MILLISECOND if self.queue else None

    def _fire(self, context: StepContext) -> Iterator[Output]:
        """Send what is over, many small windows in one delta and a large one in its own."""
        self.fired = context.watermark
        made: list[Closed] = []
        rows = 0
        while self.queue and self.queue[0][0] - MILLISECOND <= context.watermark:
            end, begin = heapq.heappop(self.queue)
            self.known.discard((end, begin))
            for closed in self._window(begin, end):
                if closed.fits is not None:
                    yield "errors", self._unfit(closed)
                    closed = closed.fitting()
                made.append(closed)
                rows += closed.length
            self._release()
            if rows >= MOST_ROWS:
                yield "out", self._delta(made)
                made, rows = [], 0
        if made:
            yield "out", self._delta(made)

    def _window(self, begin: int, end: int) -> Iterator[Closed]:
        """The rows of a window, shard by shard."""
        inside = self.starts[bisect.bisect_left(self.starts, begin) : bisect.bisect_left(self.starts, end)]
        if self.late_for_some and any(self.panes[start].side for start in inside):
            tables = [(t, t.keys.live(), False) for t in self._with_side_rows(inside, end)]
        elif self.tumbling:
            tables = [(t, t.keys.live(), False) for t in self.panes[inside[0]].tables.values()]
        else:
            tables = self._slide(begin, inside)
        for table, slots, ordered in tables:
            if len(slots):
                found = table.results(slots)
                columns = [*table.key_columns(slots), *found.columns]
                yield Closed(begin, end, len(slots), columns, ordered, found.fits)

    def _unfit(self, closed: Closed) -> Delta:
        """The keys of a closed window that have no result, as refused rows without other columns."""
        count = int((~closed.fits).sum())
        keys = {
            name: closed.columns[i].take(~closed.fits).series(name, self.below[name].dtype)
            for i, name in enumerate(self.keys)
        }
        columns = {
            name: keys[name] if name in keys else pl.Series(name, [None], dtype=dtype).new_from_index(0, count)
            for name, dtype in self.below.to_polars().items()
        }
        window = f"in the window from {instant_text(closed.begin)} to {instant_text(closed.end)} UTC"
        return refuse(Delta(columns, count), f"{self.unfit} {window}", self.environment)

    def _slide(self, begin: int, inside: Sequence[int]) -> list[tuple[AggregateTable, Any, bool]]:
        """Totals after the panes of this window have entered and those before it have left."""
        new = [start for start in inside if start > self.entered]
        for shard, total in enumerate(self.totals):
            self._reuse(total.evict(begin, self.next_turn()))
            for start in new:
                table = self.panes[start].tables.get(shard)
                if table is not None:
                    total.add(start, table, self.next_turn())
        if new:
            self.entered = new[-1]
        return [total.result(self.next_turn()) for total in self.totals]

    def _with_side_rows(self, inside: Sequence[int], end: int) -> list[AggregateTable]:
        """The totals of a window some of whose rows are late for others: all its panes, merged anew."""
        merged = [AggregateTable(self.keyed.layout, self.seed) for _ in range(self.shards)]
        for start in inside:
            pane = self.panes[start]
            for shard, table in pane.tables.items():
                merged[shard].merge(table, self.next_turn())
            for side in pane.side:
                self._add_side(merged, side, end)
        return merged

    def _add_side(self, merged: Sequence[AggregateTable], side: Side, end: int) -> None:
        in_time = np.flatnonzero(side.watermarks < end - MILLISECOND).astype(np.int32)
        batch = self.keyed.batch(side.delta, side.places)
        shard_of = shards_of(batch.keys.words, self.shards)
        for shard, table in enumerate(merged):
            mine = in_time[shard_of[in_time] == shard]
            if len(mine):
                table.fold(batch, mine, self.next_turn())

    def _delta(self, made: Sequence[Closed]) -> Delta:
        """Closed windows as rows, in order of (end, start, key)."""
        columns = [raw.concat([closed.columns[i] for closed in made]) for i in range(len(made[0].columns))]
        lengths = [closed.length for closed in made]
        bounds = [np.repeat(np.array(b, np.int64), lengths) for b in ([c.begin for c in made], [c.end for c in made])]
        if self.keys and not self._is_ordered(made):
            order = self._order(columns[: len(self.keys)], np.repeat(ranks_of(made), lengths))
            columns = [column.take(order) for column in columns]
            bounds = [bound[order] for bound in bounds]
        count = len(self.keys)
        parts = [*columns[:count], Raw(bounds[0]), Raw(bounds[1]), *columns[count:]]
        fields = zip(self.schema, parts, strict=True)
        return Delta({field.name: part.series(field.name, field.dtype) for field, part in fields}, sum(lengths))

    def _is_ordered(self, made: Sequence[Closed]) -> bool:
        ranks = ranks_of(made)
        return all(closed.ordered for closed in made) and len(set(ranks.tolist())) == len(ranks)

    def _order(self, keys: Sequence[Raw], ranks: Any) -> Any:
        """The places of rows in order of (window, key): null first, NaN last, text by its bytes."""
        if self.keyed.layout.plain_key and len(keys) == 1:
            return np.lexsort((keys[0].values, ranks))
        types = [self.schema[name].dtype for name in self.keys]
        series = [key.series(f"k{i}", dtype) for i, (key, dtype) in enumerate(zip(keys, types, strict=True))]
        frame = pl.DataFrame([pl.Series("window", ranks), *series])
        return frame.select_seq(pl.arg_sort_by(frame.columns, nulls_last=False)).to_series().to_numpy()

    def _release(self) -> None:
        """Drop the panes that no window to come is made of: windows begin in the order in which they end."""
        horizon = self.queue[0][1] if self.queue else None
        gone = len(self.starts) if horizon is None else bisect.bisect_left(self.starts, horizon)
        for start in self.starts[:gone]:
            tables = self.panes.pop(start).tables.values()
            if self.tumbling:  # of other windows, totals still know the tables
                self._reuse(tables)
        del self.starts[:gone]

    def _reuse(self, tables: Iterable[AggregateTable]) -> None:
        for table in tables:
            if len(self.spare) < MOST_SPARE:
                table.clear()
                self.spare.append(table)

    def state_layout(self) -> Any:
        """Windows, keys and aggregates."""
        windows = self.windows
        lengths = [str(length) for length in windows.lengths()]
        shape = {"kind": windows.kind, "lengths": lengths, "offset": windows.offset, "zone": windows.zone}
        return {"kind": "window", "windows": shape, **self.keyed.described()}

    def snapshot(self, saver: Saver) -> Any:
        """See `operators/window_snapshot.py`."""
        return save_window(self, saver)

    def restore(self, state: Any, loader: Loader) -> None:
        """See `operators/window_snapshot.py`."""
        restore_window(self, state, loader)

    def contents(self, limit: int) -> pl.DataFrame:
        """By the first instant of a pane: keys, and what their aggregates are so far."""
        return pane_contents(self, limit)

    def state_size(self) -> tuple[int, int]:
        """Keys in panes, and bytes."""
        tables = [table for pane in self.panes.values() for table in pane.tables.values()]
        return sum(map(len, tables)), sum(table.nbytes for table in tables)
