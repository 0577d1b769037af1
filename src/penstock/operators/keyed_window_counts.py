"""Which count windows the rows of a step are in: a row is known by its number among those of its key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np
from penstock.core.timespan import END
from penstock.operators.base import Loader, Output, Saver
from penstock.operators.keyed_window_places import Places
from penstock.operators.sharding import KeyedLayout
from penstock.plan.keyed_windows import Count
from penstock.state.aggregates import AggregateTable
from penstock.state.instances import BEGIN, Rows, joined
from penstock.state.instances import END as LAST

if TYPE_CHECKING:
    from penstock.operators.keyed_window_execution import KeyedWindowExecutor


class CountPlaces(Places):
    """Counts the rows of each key; a window is sent with the row that completes it."""

    hidden = ("(number)",)

    def __init__(self, executor: KeyedWindowExecutor, windows: Count) -> None:
        super().__init__(executor)
        self.windows = windows
        self.counts = KeyedLayout(executor.below, executor.keys, (), executor.seed, updating=False, counted=True)
        self.counts.always_wide()

    def begin(self) -> None:
        """No rows."""
        self.counters = self._counters(self.of.shards)

    def _counters(self, shards: int) -> list[AggregateTable]:
        return [AggregateTable(self.counts.layout, self.of.seed) for _ in range(shards)]

    def take(self, delta: Delta, times: Any) -> Iterator[Output]:
        """Each row into the windows that have its number; windows that are complete are sent in the order of rows."""
        of, every = self.of, self.windows.every
        keys = self.counts.batch(delta)
        shard_of = self.shards(keys.keys)
        numbers = np.empty(delta.length, np.int64)
        for shard, counter in enumerate(self.counters):
            mine = np.flatnonzero(shard_of == shard).astype(np.int32)
            if len(mine):
                numbers[mine] = self._numbers(counter, keys, mine)
        first, last = numbers // every, (numbers + self.windows.rows) // every - 1
        per_row = last - first + 1
        rows = np.repeat(np.arange(delta.length, dtype=np.int64), per_row)
        inside = np.arange(len(rows), dtype=np.int64) - np.repeat(np.cumsum(per_row) - per_row, per_row)
        windows = first[rows] + inside
        batch = self.batch(delta, rows, {"(number)": windows})
        complete = numbers[rows] == (windows + 1) * every - 1
        found: list[tuple[Rows, Rows]] = []
        # The row that completes a window says where its result belongs; it is carried in the place of a start.
        for shard, table in enumerate(of.tables):
            mine = np.flatnonzero(shard_of[rows] == shard).astype(np.int32)
            if not len(mine):
                continue
            slots = table.fold(batch, mine, of.next_turn()).slots
            table.put(LAST, slots, END)
            table.schedule(slots, np.full(len(slots), END))
            done = slots[complete[mine]]
            if len(done):
                table.put(BEGIN, done, rows[mine[complete[mine]]])
                found.append(table.closed(done))
                table.drop(done, of.next_turn())
        if found:
            made, unfit = joined([one for one, _ in found]), joined([one for _, one in found])
            yield from of.append(made, unfit, np.argsort(made.begins, kind="stable"))

    def _numbers(self, counter: AggregateTable, keys: Any, mine: Any) -> Any:
        """The numbers of rows among those of their keys."""
        touched, _ = counter.fold(keys, mine, self.of.next_turn())
        slots, inverse, counts = np.unique(touched.slots, return_inverse=True, return_counts=True)
        order = np.argsort(inverse, kind="stable")
        rank = np.empty(len(mine), np.int64)
        rank[order] = np.arange(len(mine)) - np.repeat(np.cumsum(counts) - counts, counts)
        return (counter.counts(slots) - counts)[inverse] + rank

    def leaving(self, shard: int, slots: Any) -> Any:
        """When all is over, of each key the window that would have been complete next, if a row has come for it."""
        of, table, every = self.of, self.of.tables[shard], self.windows.every
        columns = table.shown.key_columns(slots)
        number = columns[len(of.keys)].series("number", of.keyed.schema["(number)"].dtype).to_numpy()
        types = [of.below[name].dtype for name in of.keys]
        series = [column.series(name, dtype) for column, name, dtype in zip(columns, of.keys, types, strict=False)]
        counter = self.counters[shard]
        keys = counter.layout.codec.encode(series, len(slots))
        rows = counter.counts(counter.keys.find(keys))
        return slots[(rows % every != 0) & (number == rows // every)]

    def shape(self) -> Any:
        """Rows are counted in windows."""
        return self.windows.shape()

    def snapshot(self, saver: Saver) -> Any:
        """The counts of each shard."""
        for shard, counter in enumerate(self.counters):
            counter.save(saver, f"{shard}/counts", self.of.turn + 1)
        return {"shards": len(self.counters)}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`; keys move if there are more shards or fewer."""
        tables = self._counters(state["shards"])
        for shard, table in enumerate(tables):
            table.load(loader, f"{shard}/counts")
        if len(tables) != self.of.shards:
            tables = self.counts.spread(tables, self.of.shards, self.of.next_turn())
        self.counters = tables
