"""How aligned windows execute: rows into panes, panes into windows when the watermark passes their end."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.dtypes import to_polars
from penstock.core.lazy import np, pl
from penstock.core.timespan import MILLISECOND, NEVER
from penstock.kernels.scatter import scatter_panes, shards_of
from penstock.kernels.windows import LATE_FOR_ALL, LATE_FOR_SOME, ON_TIME
from penstock.operators.base import Environment, Executor, Output, StepContext
from penstock.operators.grid import grid_of
from penstock.operators.group_execution import batch_of
from penstock.operators.sharding import Sharded, project
from penstock.operators.watermark import instants
from penstock.operators.why import refuse, seconds
from penstock.plan.node import Node
from penstock.state.aggregates import AggregateTable, Batch, layout_of

if TYPE_CHECKING:
    from penstock.operators.window import Window


@dataclass
class Pane:
    """The rows of a piece of time.

    Attributes:
        tables: By shard, their aggregates.
        side: Rows that are late for some of the pane's windows: (batch, rows, watermarks by row of the batch).
    """

    tables: dict[int, AggregateTable] = field(default_factory=dict)
    side: list[tuple[Batch, Any, Any]] = field(default_factory=list)


class WindowExecutor(Executor):
    """Keeps panes and a queue of windows by their ends; see `Window` for what it gives."""

    def __init__(self, node: Window, environment: Environment) -> None:
        below = node.input.facts
        assert below.time is not None
        self.time, self.shift = below.time, below.time_shift
        self.schema, self.keys = node.schema, node.keys
        self.columns = below.schema.names
        self.environment = environment
        self.layout = layout_of(below.schema, node.keys, node.aggregates, updating=False)
        self.projection = project(below.schema, self.layout.projection, environment)
        self.sharded = Sharded(environment)
        self.shards = environment.shards
        self.grid = grid_of(node.windows)
        self.delay = _delay_of(node)
        self.panes: dict[int, Pane] = {}
        self.queue: list[tuple[int, int]] = []
        self.known: set[tuple[int, int]] = set()
        self.fired = NEVER

    # -- rows in

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Take rows into panes, then send the windows that are over; see `Executor.step`."""
        for port, delta in self.projection.step(inputs, context):
            if port != "out":
                yield port, delta
            elif delta.length:
                yield from self._take(delta, context.step)
        if context.watermark > self.fired:
            yield from self._fire(context)

    def _take(self, delta: Delta, step: int) -> Iterator[Output]:
        times = instants(delta.columns[self.time])
        if self.shift:
            times = times + self.shift
        watermarks = delta.watermarks.to_numpy() if delta.watermarks is not None else None
        assigned = self.grid.assign(times, watermarks)
        counts = assigned.counts
        if counts[LATE_FOR_ALL]:
            yield "late", self._late(delta, assigned.panes, assigned.statuses)
        if counts[ON_TIME] + counts[LATE_FOR_SOME] == 0:
            return
        batch = batch_of(delta, self.layout.codec, self.keys)
        shard_of = shards_of(batch.keys.words, self.shards) if self.shards > 1 else None
        if counts[ON_TIME]:
            buckets = scatter_panes(assigned.panes, assigned.statuses, ON_TIME, shard_of, self.shards)
            work = []
            for shard in range(self.shards):
                mine = [(self._table(b.pane, shard), b.rows) for b in buckets if b.shard == shard]
                if mine:
                    work.append(lambda mine=mine: [table.fold(batch, rows, step) for table, rows in mine])
            self.sharded.map(delta.length, work)
        if counts[LATE_FOR_SOME]:
            for bucket in scatter_panes(assigned.panes, assigned.statuses, LATE_FOR_SOME):
                rows = np.arange(delta.length, dtype=np.int32) if bucket.rows is None else bucket.rows
                self._pane(bucket.pane).side.append((batch, rows, watermarks))

    def _pane(self, number: int) -> Pane:
        start = self.grid.start(number)
        pane = self.panes.get(start)
        if pane is None:
            pane = self.panes[start] = Pane()
            for begin, end in self.grid.windows(start):
                if end - MILLISECOND > self.fired and (end, begin) not in self.known:
                    self.known.add((end, begin))
                    heapq.heappush(self.queue, (end, begin))
        return pane

    def _table(self, number: int, shard: int) -> AggregateTable:
        tables = self._pane(number).tables
        if shard not in tables:
            tables[shard] = AggregateTable(self.layout, self.environment.seed)
        return tables[shard]

    def _late(self, delta: Delta, panes: Any, statuses: Any) -> Delta:
        """Late rows, with how far behind they were and the bound that would have saved them."""
        late = statuses == LATE_FOR_ALL
        rows = delta.with_columns({name: delta.columns[name] for name in self.columns}).filter(pl.Series(late))
        assert rows.watermarks is not None
        numbers, places = np.unique(panes[late], return_inverse=True)
        ends = [max(end for _, end in self.grid.windows(self.grid.start(int(n)))) for n in numbers]
        behind = rows.watermarks.to_numpy() - (np.array(ends, np.int64)[places] - MILLISECOND)
        # A bound greater by what the watermark was ahead of the window's end, and one millisecond, would do.
        needed = None
        if self.delay is not None:
            needed = [seconds(self.delay + int(us) // MILLISECOND * MILLISECOND + MILLISECOND) for us in behind]
        return refuse(rows, "late", self.environment, behind=pl.Series(behind), needed=needed)

    # -- windows out

    def due(self) -> int | None:
        """The watermark at which the next window is over."""
        return self.queue[0][0] - MILLISECOND if self.queue else None

    def _fire(self, context: StepContext) -> Iterator[Output]:
        self.fired = context.watermark
        while self.queue and self.queue[0][0] - MILLISECOND <= context.watermark:
            end, begin = heapq.heappop(self.queue)
            self.known.discard((end, begin))
            made = self._window(begin, end, context.step)
            self._release(self.queue[0] if self.queue else None)
            if made is not None:
                yield "out", made

    def _window(self, begin: int, end: int, step: int) -> Delta | None:
        inside = sorted(start for start in self.panes if begin <= start < end)
        merged: dict[int, AggregateTable] = {}
        for shard in range(self.shards):
            tables = [self.panes[s].tables[shard] for s in inside if shard in self.panes[s].tables]
            if len(tables) == 1 and len(inside) == 1 and not self.panes[inside[0]].side:
                merged[shard] = tables[0]
                continue
            total = AggregateTable(self.layout, self.environment.seed)
            for table in tables:
                total.merge(table, step)
            merged[shard] = total
        self._add_side_rows(merged, [self.panes[s] for s in inside], end, step)
        return self._rows([table for table in merged.values() if len(table)], begin, end)

    def _add_side_rows(self, merged: dict[int, AggregateTable], panes: Sequence[Pane], end: int, step: int) -> None:
        """Rows late for some windows count for those for which they are not."""
        for pane in panes:
            for batch, rows, watermarks in pane.side:
                in_time = rows[watermarks[rows] < end - MILLISECOND]
                shard_of = shards_of(batch.keys.words, self.shards)
                for shard in range(self.shards):
                    mine = in_time[shard_of[in_time] == shard]
                    if len(mine):
                        merged[shard].fold(batch, mine, step)

    def _rows(self, tables: Sequence[AggregateTable], begin: int, end: int) -> Delta | None:
        parts = []
        for table in tables:
            slots = table.keys.live()
            parts.append([*table.key_columns(slots), *table.results(slots)])
        if not parts:
            return None
        columns = [pl.concat([p[i] for p in parts]) if len(parts) > 1 else parts[0][i] for i in range(len(parts[0]))]
        length = sum(len(table) for table in tables)
        if self.keys:
            order = pl.DataFrame([c.alias(f"k{i}") for i, c in enumerate(columns[: len(self.keys)])])
            places = order.select_seq(pl.arg_sort_by(order.columns, nulls_last=False)).to_series()
            columns = [column.gather(places) for column in columns]
        count = len(self.keys)
        bound = to_polars(self.schema["window_start"].dtype)
        bounds = [pl.Series([instant]).cast(bound).new_from_index(0, length) for instant in (begin, end)]
        made = [*columns[:count], *bounds, *columns[count:]]
        return Delta({name: c.alias(name) for name, c in zip(self.schema.names, made, strict=True)}, length)

    def _release(self, following: tuple[int, int] | None) -> None:
        """Drop the panes that no window to come is made of."""
        for start in [s for s in self.panes if all((e, b) not in self.known for b, e in self.grid.windows(s))]:
            del self.panes[start]

    def state_size(self) -> tuple[int, int]:
        """Keys in panes, and bytes."""
        tables = [table for pane in self.panes.values() for table in pane.tables.values()]
        return sum(map(len, tables)), sum(table.nbytes for table in tables)


def _delay_of(node: Node) -> int | None:
    """The bound of disorder that the nearest watermark below states."""
    below: Node | None = node.inputs[0]
    while below is not None:
        policy = getattr(below, "policy", None)
        if policy is not None:
            return int(policy.delay)
        below = below.inputs[0] if len(below.inputs) == 1 else None
    return None


