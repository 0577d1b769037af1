"""Which windows the rows of a step are in that last for so many rows or so long, whichever is reached first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np
from penstock.core.timespan import MILLISECOND
from penstock.kernels.batches import NUMBER, ROWS, cut_windows
from penstock.kernels.scatter import shards_of
from penstock.operators.base import Loader, Output, Saver
from penstock.operators.keyed_window_places import Places
from penstock.plan.keyed_windows import Hybrid
from penstock.state.arrangement import Arrangement
from penstock.state.instances import BEGIN, Rows, joined
from penstock.state.instances import END as LAST

if TYPE_CHECKING:
    from penstock.operators.keyed_window_execution import KeyedWindowExecutor


class HybridPlaces(Places):
    """Knows the open window of each key; a window that is full is sent with the row that fills it."""

    hidden = ("(number)",)

    def __init__(self, executor: KeyedWindowExecutor, windows: Hybrid) -> None:
        super().__init__(executor)
        self.windows, self.size = windows, windows.size.exact()

    def begin(self) -> None:
        """No keys."""
        self.tables = self._tables(self.of.shards)

    def _tables(self, shards: int) -> list[Arrangement]:
        return [Arrangement(self.of.codec.layout, [0, 0, 0], seed=self.of.seed) for _ in range(shards)]

    def take(self, delta: Delta, times: Any) -> Iterator[Output]:
        """Each row into the window of its key; windows that are full are sent in the order of the rows."""
        of, keys, count = self.of, self.keys(delta), delta.length
        if not of.clock:  # the watermark has whole milliseconds: a row is there when it reaches the next one
            times = -(-times // MILLISECOND) * MILLISECOND
        shard_of = self.shards(keys)
        numbers, starts, full = np.empty(count, np.int64), np.empty(count, np.int64), np.zeros(count, np.bool_)
        owners = np.empty(count, np.int32)
        for shard, table in enumerate(self.tables):
            mine = np.flatnonzero(shard_of == shard).astype(np.int32)
            if not len(mine):
                continue
            owners[mine] = slots = table.upsert(keys, mine, of.next_turn()).slots
            made = (np.empty(len(mine), np.int64), np.empty(len(mine), np.int64), np.zeros(len(mine), np.bool_))
            cut_windows(table.table, table.first, slots, times[mine], self.windows.rows, self.size, *made)
            numbers[mine], starts[mine], full[mine] = made
        batch = self.batch(delta, None, {"(number)": numbers})
        ends = np.where(full, np.minimum(times + MILLISECOND, starts + self.size), starts + self.size)
        found: list[tuple[Rows, Rows]] = []
        for shard, instances in enumerate(of.tables):
            mine = np.flatnonzero(shard_of == shard).astype(np.int32)
            if not len(mine):
                continue
            slots = instances.fold(batch, mine, of.next_turn()).slots
            instances.put(BEGIN, slots, starts[mine])
            instances.put(LAST, slots, ends[mine])
            instances.schedule(slots, ends[mine] - MILLISECOND)
            done = mine[full[mine]]
            if not len(done):
                continue
            # The row that fills a window says where its result belongs; it is carried in the place of a start.
            slots = slots[full[mine]]
            instances.put(BEGIN, slots, done)
            found.append(instances.closed(slots))
            instances.drop(slots, of.next_turn())
            self._leave(shard, np.unique(owners[done]))
        if found:
            made_rows, unfit = joined([one for one, _ in found]), joined([one for _, one in found])
            order = np.argsort(made_rows.begins, kind="stable")
            made_rows.begins, unfit.begins = starts[made_rows.begins], starts[unfit.begins]
            yield from of.append(made_rows, unfit, order)

    def _leave(self, shard: int, slots: Any) -> None:
        """Forget the keys that have no open window."""
        table = self.tables[shard]
        empty = slots[table.table[slots, table.first + ROWS] == 0]
        if len(empty):
            table.delete(empty.astype(np.int32), self.of.next_turn())

    def forget(self, shard: int, slots: Any) -> None:
        """Forget the keys whose open windows are over."""
        of, table, instances = self.of, self.tables[shard], self.of.tables[shard]
        number = instances.shown.key_columns(slots)[len(of.keys)]
        numbers = number.series("number", of.keyed.schema["(number)"].dtype).to_numpy()
        owners = table.find(of._keys_of(instances, slots))
        known = owners >= 0
        owners, numbers = owners[known], numbers[known]
        mine = owners[table.table[owners, table.first + NUMBER] == numbers]
        if len(mine):
            table.delete(mine.astype(np.int32), of.next_turn())

    def shape(self) -> Any:
        """Rows and time."""
        return self.windows.shape()

    def snapshot(self, saver: Saver) -> Any:
        """The keys of each shard, with their open windows."""
        for shard, table in enumerate(self.tables):
            saver.table(f"{shard}/open", table, self.of.turn + 1)
        return {"shards": len(self.tables)}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`; keys move if there are more shards or fewer."""
        stored = self._tables(state["shards"])
        for shard, table in enumerate(stored):
            loader.table(f"{shard}/open", table)
        if len(stored) == self.of.shards:
            self.tables = stored
            return
        for table in stored:
            live = table.live()
            if not len(live):
                continue
            rows, heap = table.key_rows(live)
            keys = self.of.codec.encode(self.of.codec.decode(rows, heap), len(live))
            shard_of = shards_of(keys.words, self.of.shards)
            for shard, new in enumerate(self.tables):
                mine = np.flatnonzero(shard_of == shard).astype(np.int32)
                if len(mine):
                    slots = new.upsert(keys, mine, self.of.next_turn()).slots
                    new.words[slots] = table.words[live[mine]]
