"""How window joins execute: rows kept by key and window; what a window holds is joined when it closes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta, concat
from penstock.core.dtypes import Int64
from penstock.core.lazy import np, pl
from penstock.core.timespan import MILLISECOND, NEVER
from penstock.operators.base import Environment, Output, StepContext
from penstock.operators.grid import LocalGrid, grid_of
from penstock.operators.interval_join_execution import LateRows
from penstock.operators.join_parts import JoinKeys, Rows, StoredRows
from penstock.operators.join_state import StoredJoin, chosen_of
from penstock.operators.joining import SEMI
from penstock.operators.watermark import instants
from penstock.operators.window_execution import BEYOND
from penstock.state.keys import KeyCodec
from penstock.state.row_layout import RowLayout
from penstock.state.row_parts import gathered
from penstock.state.rows import RowStore
from penstock.state.slots import distinct

if TYPE_CHECKING:
    from penstock.operators.window_join import WindowJoin

NONE = -1
LAST = 2**62


class WindowJoinExecutor(StoredJoin):
    """Keeps the rows of open windows; see `WindowJoin` for what it gives."""

    def __init__(self, node: WindowJoin, environment: Environment) -> None:
        self.window, self.grid = node, grid_of(node.windows)
        self.times = [(str(side.facts.time), side.facts.time_shift) for side in (node.left, node.right)]
        self.late = LateRows(node, environment)
        self.alone = node.padded if node.pairs else (True, False)
        self.closed = NEVER
        self.keeps_nulls = any(self.alone)
        super().__init__(node, environment)

    def key_codec(self, keys: JoinKeys) -> KeyCodec:
        """The key, and the window."""
        columns = keys.codec.columns
        names = [*(column.name for column in columns), "window_start", "window_end"]
        nullable = [*(column.null_bit >= 0 for column in columns), False, False]
        return KeyCodec(names, [*keys.types, Int64, Int64], nullable)

    def layout(self, side: int) -> RowLayout:
        """What comes out of a side, and when its window closes."""
        return self.layout_of(side, ordered=True, timed=True)

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Keep rows in their windows, then join what is over; see `Executor.step`."""
        self.turn += 1
        for side, delta in enumerate(inputs):
            if delta is not None and delta.length:
                yield from self._take(side, delta, context)
        if context.watermark > self.closed:
            self.closed = context.watermark
            for made in self._close(context.watermark):
                yield "out", made

    def _take(self, side: int, delta: Delta, context: StepContext) -> Iterator[Output]:
        name, shift = self.times[side]
        if isinstance(self.grid, LocalGrid):
            times = instants(delta.columns[name])
            inside = (times >= self.grid.first) & (times < self.grid.last)
            if not inside.all():
                yield "errors", self.late.refused(side, delta.filter(pl.Series(~inside)), BEYOND)
                delta = delta.filter(pl.Series(inside))
        if not delta.length:
            return
        times = instants(delta.columns[name]) + shift
        rows, starts, ends = self._windows(times)
        in_time = None
        if delta.watermarks is not None:
            watermarks = delta.watermarks.to_numpy()
            in_time = ends - MILLISECOND > watermarks[rows]
        if in_time is not None and not in_time.all():
            latest = np.full(delta.length, NEVER, np.int64)
            np.maximum.at(latest, rows, ends)
            late = (latest > NEVER) & (latest - MILLISECOND <= watermarks)
            if late.any():
                behind = watermarks[late] - (latest[late] - MILLISECOND)
                yield "late", self.late.refused(side, delta.filter(pl.Series(late)), None, behind, MILLISECOND)
            rows, starts, ends = rows[in_time], starts[in_time], ends[in_time]
        if len(rows):
            self._keep(side, delta, context, rows, starts, ends)
        self.rows += delta.length

    def _windows(self, times: Any) -> tuple[Any, Any, Any]:
        """Pairs of a row and a window that it is in: rows, and the windows' bounds."""
        panes = self.grid.assign(times, None).panes
        known = distinct(panes)
        place = np.searchsorted(known, panes) if len(known) > 1 else np.zeros(len(panes), np.int64)
        windows = [list(self.grid.windows(self.grid.start(int(pane)))) for pane in known]
        counts = np.array([len(one) for one in windows], np.int64)
        bounds = np.array([bound for one in windows for bound in one], np.int64).reshape(-1, 2)
        if (counts == 1).all():
            starts, ends = bounds[place, 0], bounds[place, 1]
            inside = (times >= starts) & (times < ends)
            rows = np.arange(len(times), dtype=np.int64)
            return (rows, starts, ends) if inside.all() else (rows[inside], starts[inside], ends[inside])
        rows = np.repeat(np.arange(len(times), dtype=np.int64), counts[place])
        firsts = (np.cumsum(counts) - counts)[place[rows]]
        since = np.arange(len(rows)) - np.repeat(np.cumsum(counts[place]) - counts[place], counts[place])
        starts, ends = bounds[firsts + since, 0], bounds[firsts + since, 1]
        # A pane of hopping windows with gaps between them may reach beyond its windows.
        inside = (times[rows] >= starts) & (times[rows] < ends)
        return rows[inside], starts[inside], ends[inside]

    def _keep(self, side: int, delta: Delta, context: StepContext, rows: Any, starts: Any, ends: Any) -> None:
        keys = self.keys.of(side, delta, context)
        without = None if self.keeps_nulls else self.keys.without(keys)
        if without is not None:
            able = ~without[rows]
            rows, starts, ends = rows[able], starts[able], ends[able]
        columns = [delta.columns[name] for name in self.layouts[side].names]
        if len(rows) != delta.length or (np.diff(rows) != 1).any():
            keys, columns = gathered(keys, rows), gathered(columns, rows)
        encoded = self.keys.codec.encode([*keys, starts, ends], len(rows))
        for shard, parts in self.sharded.rows(encoded):
            store = self.stores[shard][side]
            store.put(encoded, columns, self.turn, chosen=chosen_of(parts), places=self.rows + rows, times=ends)

    # -- windows out

    def due(self) -> int | None:
        """The watermark at which the next window is over."""
        first = [store.deadlines.first for sides in self.stores for store in sides]
        found = [instant for instant in first if instant is not None]
        return min(found) - MILLISECOND if found else None

    def _close(self, watermark: int) -> Iterator[Delta]:
        """Join what the windows that are over hold, and forget it."""
        found: list[tuple[list[RowStore], Any, Any]] = []
        over = []
        for sides in self.stores:
            # A window is over once its end less 1 ms is reached.
            gone = [store.expired(min(watermark, LAST) + MILLISECOND + 1) for store in sides]
            over.append((sides, gone))
            if len(gone[0]) or len(gone[1]):
                found.append((sides, *self._pairs(sides, gone)))
        if found:
            yield from self._sorted(found)
        self.turn += 1
        for sides, gone in over:
            for store, slots in zip(sides, gone, strict=True):
                store.drop(slots, self.turn)

    def _pairs(self, sides: list[RowStore], gone: list[Any]) -> tuple[Any, Any]:
        """What comes out, as pairs of stored rows, one of which may be missing (-1)."""
        lefts, rights = sides
        able = gone[0][~self._null(lefts, gone[0])]
        mine: list[Any] = [np.empty(0, np.int32)]
        others: list[Any] = [np.empty(0, np.int32)]
        for probes, rows in rights.probe(rights.find(lefts.keys_of(lefts.owners(able))), self.most):
            chosen = able[probes]
            if self.maker.compares:
                one, other = StoredRows(self.keys, 0, lefts, chosen), StoredRows(self.keys, 1, rights, rows)
                holds = self.maker.holds(one, other, len(rows))
                chosen, rows = chosen[holds], rows[holds]
            mine.append(chosen)
            others.append(rows)
        left: Any = np.concatenate(mine)
        right: Any = np.concatenate(others)
        if not self.window.pairs:
            left = _among(lefts, gone[0], left, wanted=self.window.how == SEMI)
            return left, np.full(len(left), NONE, np.int32)
        alone: list[Any] = [
            _among(sides[side], gone[side], matched, wanted=False) if self.alone[side] else np.empty(0, np.int32)
            for side, matched in ((0, left), (1, right))
        ]
        none = [np.full(len(rows), NONE, np.int32) for rows in alone]
        return np.concatenate([left, alone[0], none[1]]), np.concatenate([right, none[0], alone[1]])

    def _null(self, store: RowStore, slots: Any) -> Any:
        """Which rows have a key that is equal to none."""
        if not any(column.null_bit >= 0 for column in store.layout.keys.columns):
            return np.zeros(len(slots), np.bool_)
        columns = [store.key_column(number, slots) for number in range(len(self.keys.types))]
        found = self.keys.without(columns)
        return np.zeros(len(slots), np.bool_) if found is None else found

    def _sorted(self, found: Sequence[tuple[list[RowStore], Any, Any]]) -> Iterator[Delta]:
        left, right = (np.concatenate([one[i] for one in found]) for i in (1, 2))
        parts = np.repeat(np.arange(len(found)), [len(left) for _, left, _ in found])
        window = np.concatenate([self._bounds(*one) for one in found])
        if len(found) == 1 and not any(self.alone):
            # Pairs of one shard are in order: left rows go by the end of their window and then by their place.
            order = np.arange(len(left))
        else:
            one = np.concatenate([np.where(rows >= 0, sides[0].places(rows), LAST) for sides, rows, _ in found])
            other = np.concatenate([np.where(rows >= 0, sides[1].places(rows), NONE) for sides, _, rows in found])
            order = np.lexsort((other, one, window[:, 0], window[:, 1]))
        for low in range(0, len(order), self.most):
            chosen = order[low : low + self.most]
            made, where = [], []
            for number, ((lefts, rights), _, _) in enumerate(found):
                for has_left, has_right in ((True, True), (True, False), (False, True)):
                    some = (parts[chosen] == number) & ((left[chosen] >= 0) == has_left)
                    some &= (right[chosen] >= 0) == has_right
                    mine = np.flatnonzero(some)
                    if len(mine):
                        rows = chosen[mine]
                        first = StoredRows(self.keys, 0, lefts, left[rows]) if has_left else None
                        second = StoredRows(self.keys, 1, rights, right[rows]) if has_right else None
                        made.append(self._made(first, second, window[rows]))
                        where.append(mine)
            yield made[0] if len(made) == 1 else concat(made).take(np.argsort(np.concatenate(where)))

    def _bounds(self, sides: list[RowStore], left: Any, right: Any) -> Any:
        """By pair, the bounds of its window."""
        window = np.empty((len(left), 2), np.int64)
        for store, rows in ((sides[1], right), (sides[0], left)):
            there = rows >= 0
            place = store.layout.keys.columns[-2].place
            window[there] = store.keys.table[store.owners(rows[there]), place : place + 2]
        return window

    def _made(self, left: Rows | None, right: Rows | None, window: Any) -> Delta:
        """Pairs with the bounds of their window."""
        made = self.maker.delta(left, right, len(window))
        for i, name in enumerate(("window_start", "window_end")):
            made.columns[name] = pl.Series(name, window[:, i]).cast(self.maker.types[name])
        return made

    def state_layout(self) -> Any:
        """What is kept of either side, and in which windows."""
        sides = [layout.described() for layout in self.layouts]
        windows = self.window.windows
        lengths = [str(length) for length in windows.lengths()]
        shape = {"kind": windows.kind, "lengths": lengths, "offset": windows.offset, "zone": windows.zone}
        return {"kind": "window_join", "how": self.window.how, "windows": shape, "left": sides[0], "right": sides[1]}


def _among(store: RowStore, rows: Any, some: Any, *, wanted: bool) -> Any:
    """Those of some rows that are, or are not, among others, in their order."""
    found = np.zeros(store.rows.used, np.bool_)
    found[some] = True
    return rows[found[rows] == wanted]
