"""How sliding windows execute: rows by key and time; what is due is rolled over the rows of the keys it touches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.dtypes import Boolean
from penstock.core.lazy import np, pl
from penstock.core.schema import Field, Schema
from penstock.core.timespan import END, NEVER
from penstock.expr.ast import Literal
from penstock.operators.aggregation import unfit_reason
from penstock.operators.base import Environment, Executor, Loader, Output, Saver, StepContext
from penstock.operators.lateness import delay_of, refuse_late
from penstock.operators.over_frames import parts_of, rolled
from penstock.operators.sharding import project
from penstock.operators.sliding_window import unfit_window
from penstock.operators.watermark import instants
from penstock.operators.why import refuse
from penstock.state.keys import KeyCodec
from penstock.state.row_layout import RowLayout
from penstock.state.rows import RowStore
from penstock.state.time_runs import TimeRuns

if TYPE_CHECKING:
    import polars as pl

    from penstock.operators.sliding_window import SlidingWindow

OWN, SINCE = 0, 1
"""Words of a row: whether it makes a window; the watermark up to which it is late."""

NONE = -1


@dataclass
class Due:
    """Rows of the keys that have windows to send, each key's in the order of (instant, arrival).

    Attributes:
        keys: By row, the number of its key, ascending.
        slots: Their slots.
        times: Their instants.
        since: Up to which watermark they are late.
        own: Which of them make windows that are due.
    """

    keys: Any
    slots: Any
    times: Any
    since: Any
    own: Any

    def some(self, chosen: Any, own: Any = None) -> Due:
        """Some of them, and which of their windows are due."""
        mine = (self.own if own is None else own)[chosen]
        return Due(self.keys[chosen], self.slots[chosen], self.times[chosen], self.since[chosen], mine)


class SlidingWindowExecutor(Executor):
    """Keeps the rows of a size before the watermark; see `SlidingWindow` for what it gives."""

    def __init__(self, node: SlidingWindow, environment: Environment) -> None:
        below = node.input.facts
        self.node, self.environment, self.size = node, environment, node.size
        self.schema, self.below, self.keys = node.schema, below.schema, node.keys
        self.time, self.shift = str(below.time), below.time_shift
        self.delay, self.unfit = delay_of(node), unfit_reason(node.aggregates)
        self.parts, needed = parts_of(node.aggregates, below.schema)
        if not needed:  # rows are counted and none of their columns is: that they are there is kept
            needed = [("__a0", Literal(True, Boolean), Field("a0", Boolean, False))]
        self.needed = [name for name, _, _ in needed]
        self.projection = project(below.schema, [(name, term) for name, term, _ in needed], environment)
        types = [below.schema[name] for name in node.keys]
        self.codec = KeyCodec(node.keys, [field.dtype for field in types], [field.nullable for field in types])
        kept = Schema(tuple(field for _, _, field in needed))
        layout = RowLayout.of(
            self.codec, kept, kept.names, ordered=True, timed=True, words=[0, NEVER], key_words=[NONE], by_time=True
        )
        self.store = RowStore(layout, environment.seed)
        self.waiting = TimeRuns()
        self.fired, self.taken, self.turn = NEVER, 0, 0

    # -- rows in

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Keep rows, then send the windows that the watermark has reached; see `Executor.step`."""
        self.turn += 1
        for port, delta in self.projection.step(inputs, context):
            if port != "out":
                yield port, delta
            elif delta.length:
                yield from self._take(delta)
        if context.last:
            yield from self._fire(context.watermark)

    def _take(self, delta: Delta) -> Iterator[Output]:
        times = instants(delta.columns[self.time]) + self.shift
        since = np.full(delta.length, NEVER, np.int64)
        if delta.watermarks is not None:
            watermarks = delta.watermarks.to_numpy()
            late = times + self.size <= watermarks
            if late.any():
                rows = delta.with_columns({name: delta.columns[name] for name in self.below.names})
                behind = (watermarks - times - self.size)[late]
                yield "late", refuse_late(rows.filter(pl.Series(late)), behind, self.delay, self.environment)
                delta, times, watermarks = delta.filter(pl.Series(~late)), times[~late], watermarks[~late]
            since = np.where(times <= watermarks, watermarks, NEVER)
        if not delta.length:
            return
        keys = self.codec.encode([delta.columns[name] for name in self.keys], delta.length)
        places = np.arange(self.taken, self.taken + delta.length, dtype=np.int64)
        self.taken += delta.length
        columns = [delta.columns[name] for name in self.needed]
        slots = self.store.put(keys, columns, self.turn, places=places, times=times).slots
        own = since == NEVER
        self.store.own(OWN)[slots] = own
        self.store.own(SINCE)[slots] = since
        self.waiting.add(times[own], slots[own])

    # -- rows out

    def _fire(self, watermark: int) -> Iterator[Output]:
        """Send what is due, and forget the rows that no window to come has."""
        slots = self.waiting.take(watermark)
        if len(slots):
            yield from self._send(slots, watermark)
        self.fired = max(self.fired, watermark)
        until = END if watermark == END else max(NEVER, watermark - self.size + 1)
        self.store.drop(self.store.expired(until), self.turn)

    def _send(self, slots: Any, watermark: int) -> Iterator[Output]:
        due = self._due(slots, watermark)
        found = [self._results(piece) for piece in self._pieces(due, watermark)]
        frame = pl.concat([one for one in found if one.height])
        order = frame.select_seq(
            pl.arg_sort_by(["end", *(f"k{i}" for i in range(len(self.keys)))], nulls_last=False)
        ).to_series()
        frame = frame[order]
        fits = frame.get_column("fits")
        if not fits.all():
            yield "errors", self._refused(frame.filter(~fits))
            frame = frame.filter(fits)
        if frame.height:
            yield "out", self._delta(frame)

    def _due(self, slots: Any, watermark: int) -> Due:
        """All rows that the windows of some rows may have."""
        keys = np.unique(self.store.owners(slots)).astype(np.int32)
        numbers, rows = self.store.walk(keys)
        own = np.zeros(self.store.rows.used, np.bool_)
        own[slots] = True
        found = Due(numbers, rows, self.store.moments(rows), self.store.own(SINCE)[rows], own[rows])
        reached = found.times <= watermark
        return found if reached.all() else found.some(reached)

    def _pieces(self, due: Due, watermark: int) -> Iterator[Due]:
        """Rows such that each counts in all the windows beside it that reach it.

        A row that is late for some of the windows that are due counts in those only that end later than the watermark
        that it had met. Its key is taken once for each such watermark: with the windows since the one before.
        """
        hidden = due.since > self.fired
        if not hidden.any():
            yield due
            return
        apart = np.isin(due.keys, due.keys[hidden])
        if not apart.all():
            yield due.some(~apart)
        due = due.some(apart)
        cuts = [self.fired, *np.unique(due.since[due.since > self.fired]).tolist()]
        for low, high in zip(cuts, [*cuts[1:], watermark], strict=True):
            own = due.own & (due.times > low) & (due.times <= high)
            asked = np.isin(due.keys, due.keys[own]) & (due.since <= low) & (due.times <= high)
            if asked.any():
                yield due.some(asked, own)

    def _results(self, due: Due) -> pl.DataFrame:
        """Keys, ends, aggregates, and whether these fit, of the windows that are due."""
        columns = zip(self.needed, self.store.columns(due.slots), strict=True)
        frame = pl.DataFrame([series.alias(name) for name, series in columns])
        frame = frame.with_columns(group=due.keys.astype(np.int64), index=due.times)
        made, fits = rolled(frame, self.parts, "range", self.size)
        chosen = np.flatnonzero(due.own)
        same = (due.keys[chosen][1:] == due.keys[chosen][:-1]) & (due.times[chosen][1:] == due.times[chosen][:-1])
        chosen = chosen[np.append(True, ~same)[: len(chosen)]]
        given = pl.Series(chosen)
        keys = [series.alias(f"k{i}") for i, series in enumerate(self.store.key_columns(due.slots[chosen]))]
        results = [series.gather(given).alias(f"r{i}") for i, series in enumerate(made)]
        ends = pl.Series("end", due.times[chosen], dtype=pl.Int64)
        return pl.DataFrame([*keys, ends, *results, pl.Series("fits", np.asarray(fits)[chosen], dtype=pl.Boolean)])

    def _delta(self, frame: pl.DataFrame) -> Delta:
        ends = frame.get_column("end")
        keys = [frame.get_column(f"k{i}") for i in range(len(self.keys))]
        made = [frame.get_column(f"r{i}") for i in range(len(self.parts))]
        columns = zip(self.schema.to_polars().items(), [*keys, ends - self.size, ends, *made], strict=True)
        return Delta({name: series.cast(dtype).alias(name) for (name, dtype), series in columns}, frame.height)

    def _refused(self, frame: pl.DataFrame) -> Delta:
        """The keys of windows that have no result, as refused rows without other columns."""
        count = frame.height
        keys = {name: frame.get_column(f"k{i}").alias(name) for i, name in enumerate(self.keys)}
        columns = {
            name: keys[name] if name in keys else pl.Series(name, [None], dtype=dtype).new_from_index(0, count)
            for name, dtype in self.below.to_polars().items()
        }
        reasons = [unfit_window(self.unfit, end) for end in frame.get_column("end").to_list()]
        return refuse(Delta(columns, count), pl.Series(reasons), self.environment)

    def due(self) -> int | None:
        """When the next window is sent, or the oldest row can be forgotten."""
        found = [] if (first := self.waiting.earliest()) is None else [first]
        if (oldest := self.store.deadlines.first) is not None:
            found.append(min(oldest + self.size, END))
        return min(found, default=None)

    def sends(self) -> int | None:
        """When the next window is sent; the rows before it wait only to be forgotten."""
        return self.waiting.earliest()

    # -- checkpoints

    def state_layout(self) -> Any:
        """Keys, columns, size and aggregates."""
        functions = [str(term) for _, term in self.node.aggregates]
        return {"kind": "sliding_window", "rows": self.store.layout.described(), "size": self.size, "made": functions}

    def snapshot(self, saver: Saver) -> Any:
        """The rows; which of them wait is said by their instants."""
        self.store.save(saver, "kept", self.turn + 1)
        return {"turn": self.turn, "fired": self.fired, "taken": self.taken}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        self.turn, self.fired, self.taken = state["turn"] + 1, state["fired"], state["taken"]
        self.store.load(loader, "kept")
        live = self.store.rows.live()
        times = self.store.moments(live)
        waits = (self.store.own(OWN)[live] != 0) & (times > self.fired)
        self.waiting.add(times[waits], live[waits])

    def contents(self, limit: int) -> pl.DataFrame:
        """The rows that are kept: keys and what is aggregated."""
        slots = self.store.rows.live()[:limit]
        return pl.DataFrame([*self.store.key_columns(slots), *self.store.columns(slots)])

    def state_size(self) -> tuple[int, int]:
        """Rows and bytes."""
        return len(self.store), self.store.nbytes + self.waiting.nbytes
