"""Which windows the rows of a step are in, where these do not depend on other rows: aligned ones, and one for all."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.core.timespan import END, MILLISECOND
from penstock.expr.ast import Term
from penstock.kernels.scatter import shards_of
from penstock.operators.base import Loader, Output, Saver
from penstock.operators.grid import LocalGrid, grid_of
from penstock.plan.custom_windows import Custom
from penstock.plan.emission import ROWS
from penstock.plan.keyed_windows import Everything, Hybrid, Session
from penstock.plan.windows import Windows
from penstock.plan.zoned_windows import Zoned
from penstock.state.batch import Batch
from penstock.state.instances import BEGIN, SINCE
from penstock.state.instances import END as LAST
from penstock.state.keys import Keys

if TYPE_CHECKING:
    from penstock.operators.keyed_window_execution import KeyedWindowExecutor


class Places:
    """Finds the windows of rows for an executor.

    Args:
        executor: Whose rows they are.

    Attributes:
        hidden: The columns that tell the windows of a key apart.
        terms: What must be computed for each row besides the arguments of aggregates.
    """

    hidden: tuple[str, ...] = ()
    terms: tuple[tuple[str, Term], ...] = ()

    def __init__(self, executor: KeyedWindowExecutor) -> None:
        self.of = executor

    def begin(self) -> None:
        """Called once, when the executor is whole."""

    def within(self, delta: Delta, times: Any) -> tuple[Delta, Any, Delta | None]:
        """Rows that can have windows, their times, and the others as refused rows."""
        return delta, times, None

    def take(self, delta: Delta, times: Any) -> Iterator[Output]:
        """Take rows into their windows."""
        raise NotImplementedError

    def leaving(self, shard: int, slots: Any) -> Any:
        """Of the instances that are over, those of which a result is sent."""
        return slots

    def sent(self, shard: int, slots: Any) -> None:
        """Instances were sent."""

    def forget(self, shard: int, slots: Any) -> None:
        """Instances are about to be dropped."""

    def shape(self) -> Any:
        """What must be equal for stored state to be usable, as JSON."""
        raise NotImplementedError

    def snapshot(self, saver: Saver) -> Any:
        """What it keeps besides the instances."""
        return None

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`; the instances are there already."""

    def shards(self, keys: Keys) -> Any:
        """The shard of each key."""
        return shards_of(keys.words, self.of.shards)

    def keys(self, delta: Delta) -> Keys:
        """The keys of rows, without their windows."""
        return self.of.codec.encode([delta.columns[name] for name in self.of.keys], delta.length)

    def batch(self, delta: Delta, rows: Any, hidden: dict[str, Any]) -> Batch:
        """Rows of a delta (None = all as they are) in windows, ready to be folded."""
        names = (*self.of.keys, *(name for name, _ in self.of.keyed.layout.projection))
        places = self.of.keyed.rows + np.arange(delta.length, dtype=np.int64)
        self.of.keyed.rows += delta.length
        columns, diff, length = {name: delta.columns[name] for name in names}, delta.diff, delta.length
        if rows is not None:
            index = pl.Series(rows)
            columns = {name: series.gather(index) for name, series in columns.items()}
            diff = None if diff is None else diff.gather(index)
            places, length = places[rows], len(rows)
        columns |= {name: pl.Series(name, values) for name, values in hidden.items()}
        return self.of.keyed.batch(Delta(columns, length, diff=diff), places)


class AlignedPlaces(Places):
    """The windows of a grid: their bounds tell them apart."""

    hidden: tuple[str, ...] = ("(begin)", "(end)")

    def __init__(self, executor: KeyedWindowExecutor, windows: Windows) -> None:
        super().__init__(executor)
        self.windows, self.grid = windows, grid_of(windows)

    def within(self, delta: Delta, times: Any) -> tuple[Delta, Any, Delta | None]:
        """The rows for which the zone has days."""
        if not isinstance(self.grid, LocalGrid):
            return delta, times, None
        inside = (times >= self.grid.first) & (times < self.grid.last)
        if inside.all():
            return delta, times, None
        return delta.filter(pl.Series(inside)), times[inside], self.of.beyond(delta, inside)

    def take(self, delta: Delta, times: Any) -> Iterator[Output]:
        """Each row into each of its windows for which it is not late."""
        rows, begins, ends, last = self._bounds(times)
        watermarks = self.of.watermarks(delta)
        if watermarks is not None and len(rows):
            in_time = ends - MILLISECOND + self.of.emit.lateness > watermarks[rows]
            if not in_time.all():
                rows, begins, ends = rows[in_time], begins[in_time], ends[in_time]
                late = last > NOWHERE
                late[rows] = False
                if late.any():
                    yield "late", self.of.late(delta, late, last[late])
        if not len(rows):
            self.of.keyed.rows += delta.length
            return
        whole = len(rows) == delta.length and bool((rows == np.arange(len(rows))).all())
        shard_of = self.shards(self.keys(delta))[rows]
        batch = self.batch(delta, None if whole else rows, self.hide(begins, ends))
        for shard in range(self.of.shards):
            mine = np.flatnonzero(shard_of == shard).astype(np.int32)
            if len(mine):
                yield from self._fold(shard, batch, mine, begins, ends)

    def hide(self, begins: Any, ends: Any) -> dict[str, Any]:
        """The hidden columns."""
        return {"(begin)": begins, "(end)": ends}

    def _bounds(self, times: Any) -> tuple[Any, Any, Any, Any]:
        """See `window_bounds`."""
        return window_bounds(self.grid, times)

    def _fold(self, shard: int, batch: Batch, mine: Any, begins: Any, ends: Any) -> Iterator[Output]:
        if self.of.emit.when == ROWS:
            yield from self._fold_by_rows(shard, batch, mine, begins, ends)
            return
        self.add(shard, batch, mine, begins, ends)

    def add(self, shard: int, batch: Batch, mine: Any, begins: Any, ends: Any) -> Any:
        """Fold rows, and say when their windows are over; gives the slot of each row."""
        table = self.of.tables[shard]
        slots = table.fold(batch, mine, self.of.next_turn()).slots
        found, first = np.unique(slots, return_index=True)
        rows = mine[first]
        table.put(BEGIN, found, begins[rows])
        table.put(LAST, found, ends[rows])
        table.schedule(found, np.where(ends[rows] == END, END, ends[rows] - MILLISECOND))
        return slots

    def _fold_by_rows(self, shard: int, batch: Batch, mine: Any, begins: Any, ends: Any) -> Iterator[Output]:
        """Fold the rows up to the last one that makes its window's number full, send, and fold the others."""
        table, every = self.of.tables[shard], self.of.emit.every
        slots = table.shown.keys.upsert(batch.keys, mine, self.of.next_turn()).slots
        found, inverse, counts = np.unique(slots, return_inverse=True, return_counts=True)
        order = np.argsort(inverse, kind="stable")
        rank = np.empty(len(mine), np.int64)
        rank[order] = np.arange(len(mine)) - np.repeat(np.cumsum(counts) - counts, counts)
        before = table.word(SINCE, found)
        full = (before + counts) // every * every
        ripe = before[inverse] + rank + 1 <= full[inverse]
        if ripe.any():
            self.add(shard, batch, mine[ripe], begins, ends)
            yield from self.of.send(shard, found[full > 0])
        if not ripe.all():
            self.add(shard, batch, mine[~ripe], begins, ends)
        table.put(SINCE, found, before + counts - full)

    def shape(self) -> Any:
        """Kind, lengths, offset and zone."""
        windows = self.windows
        lengths = [str(length) for length in windows.lengths()]
        return {"kind": windows.kind, "lengths": lengths, "offset": windows.offset, "zone": windows.zone}


NOWHERE = -(2**63)


def window_bounds(grid: Any, times: Any) -> tuple[Any, Any, Any, Any]:
    """For each row and window: the row, start and end; and for each row the end of its last window."""
    panes = grid.assign(times, None).panes
    return spread_bounds(panes, lambda pane: list(dict.fromkeys(grid.windows(grid.start(pane)))))


def spread_bounds(places: Any, windows_of: Callable[[int], list[tuple[int, int]]]) -> tuple[Any, Any, Any, Any]:
    """As `window_bounds`, where each row has a number that says which windows it is in."""
    numbers, inverse = np.unique(places, return_inverse=True)
    windows = [windows_of(int(number)) for number in numbers]
    counts = np.array([len(found) for found in windows], np.int64)
    flat = np.array([pair for found in windows for pair in found], np.int64).reshape(-1, 2)
    firsts = np.cumsum(counts) - counts
    per_row = counts[inverse]
    rows = np.repeat(np.arange(len(places), dtype=np.int64), per_row)
    inside = np.arange(len(rows), dtype=np.int64) - np.repeat(np.cumsum(per_row) - per_row, per_row)
    chosen = flat[firsts[inverse][rows] + inside]
    last = np.array([max((end for _, end in found), default=NOWHERE) for found in windows], np.int64)[inverse]
    return rows, chosen[:, 0].copy(), chosen[:, 1].copy(), last


class EverythingPlaces(AlignedPlaces):
    """One window for all time."""

    hidden = ()

    def __init__(self, executor: KeyedWindowExecutor) -> None:
        Places.__init__(self, executor)

    def within(self, delta: Delta, times: Any) -> tuple[Delta, Any, Delta | None]:
        """All rows."""
        return delta, times, None

    def take(self, delta: Delta, times: Any) -> Iterator[Output]:
        """All rows of a key into one."""
        batch = self.batch(delta, None, {})
        shard_of = self.shards(self.keys(delta))
        ends = np.full(delta.length, END, np.int64)
        for shard in range(self.of.shards):
            mine = np.flatnonzero(shard_of == shard).astype(np.int32)
            if len(mine):
                yield from self._fold(shard, batch, mine, np.zeros(delta.length, np.int64), ends)

    def shape(self) -> Any:
        """Nothing but its kind."""
        return {"kind": "global"}


class CustomPlaces(AlignedPlaces):
    """The windows that a function gives, asked once for each distinct instant of a step."""

    def __init__(self, executor: KeyedWindowExecutor, windows: Custom) -> None:
        Places.__init__(self, executor)
        self.custom = windows
        self.known: dict[int, list[tuple[int, int]]] = {}

    def within(self, delta: Delta, times: Any) -> tuple[Delta, Any, Delta | None]:
        """The rows for whose instant the function gives windows; the others leave with what it raised."""
        distinct, inverse = np.unique(times, return_inverse=True)
        found = self.custom.windows_of_all(distinct.tolist())
        failed = np.array([isinstance(one, str) for one in found], np.bool_)
        pairs = zip(distinct.tolist(), found, strict=True)
        self.known = {instant: one for instant, one in pairs if not isinstance(one, str)}
        if not failed.any():
            return delta, times, None
        inside = ~failed[inverse]
        reasons = pl.Series([str(one) for one in found]).gather(pl.Series(inverse[~inside]))
        return delta.filter(pl.Series(inside)), times[inside], self.of.beyond(delta, inside, reasons)

    def _bounds(self, times: Any) -> tuple[Any, Any, Any, Any]:
        return spread_bounds(times, lambda instant: self.known[instant])

    def shape(self) -> Any:
        """Its kind and function."""
        return self.custom.shape()


def places_of(executor: KeyedWindowExecutor) -> Places:
    """What finds the windows of an executor's rows."""
    windows = executor.windows
    if isinstance(windows, Windows):
        return AlignedPlaces(executor, windows)
    if isinstance(windows, Everything):
        return EverythingPlaces(executor)
    if isinstance(windows, Custom):
        return CustomPlaces(executor, windows)
    # By name: these are places, too.
    kinds: dict[type, str] = {Session: "sessions", Hybrid: "hybrid", Zoned: "zoned"}
    name = kinds.get(type(windows), "counts")
    kind = f"{name.removesuffix('s').capitalize()}Places"
    found: Places = getattr(importlib.import_module(f"penstock.operators.keyed_window_{name}"), kind)(executor, windows)
    return found
