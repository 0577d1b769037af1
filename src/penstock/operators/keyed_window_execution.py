"""How windows that are kept key by key execute: rows into instances, instances out when it is their turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta, concat, consolidate
from penstock.core.dtypes import Int64
from penstock.core.lazy import np, pl
from penstock.core.schema import Field, Schema
from penstock.core.timespan import END, MILLISECOND, NEVER, instant_text
from penstock.operators.aggregation import unfit_reason
from penstock.operators.base import Environment, Executor, Loader, Output, Saver, StepContext
from penstock.operators.keyed_window_places import Places, places_of
from penstock.operators.lateness import delay_of, refuse_late
from penstock.operators.sharding import KeyedLayout, Sharded
from penstock.operators.user_trials import TriedProjection
from penstock.operators.watermark import instants
from penstock.operators.why import refuse
from penstock.operators.window_execution import BEYOND
from penstock.plan.emission import CHANGE, TIME
from penstock.plan.node import UPDATING
from penstock.state.instances import BEGIN, CLOSED, FLAGS, WORDS, Instances, Rows, Sent, joined
from penstock.state.instances import END as LAST
from penstock.state.keys import KeyCodec
from penstock.state.raw import Raw

if TYPE_CHECKING:
    from penstock.operators.keyed_window import KeyedWindow


class KeyedWindowExecutor(Executor):
    """Keeps instances per shard; see `KeyedWindow` for what it gives."""

    def __init__(self, node: KeyedWindow, environment: Environment) -> None:
        below = node.input.facts
        self.node, self.environment = node, environment
        self.time, self.shift, self.clock = below.time, below.time_shift, node.clock
        self.schema, self.keys, self.emit, self.windows = node.schema, node.keys, node.emit, node.windows
        self.below, self.columns = below.schema, below.schema.names
        self.updating = below.mode == UPDATING
        self.unfit, self.delay = unfit_reason(node.aggregates), delay_of(node)
        self.shards, self.seed = environment.shards, environment.seed
        self.resent = not node.emit.once
        self.places: Places = places_of(self)
        hidden = [Field(name, Int64, nullable=False) for name in self.places.hidden]
        self.keyed = KeyedLayout(
            Schema((*below.schema, *hidden)), (*node.keys, *self.places.hidden), node.aggregates, environment.seed,
            updating=self.updating, counted=True, merged=True, more=WORDS,
        )  # fmt: skip
        self.keyed.always_wide()
        types = [below.schema[name] for name in node.keys]
        self.codec = KeyCodec(node.keys, [field.dtype for field in types], [field.nullable for field in types])
        self.projection = TriedProjection(below.schema, self.keyed.layout, environment, self.places.terms)
        self.sharded = Sharded(environment)
        self.bounded = "window_start" in node.schema
        self.tables = [self._instances() for _ in range(self.shards)]
        self.places.begin()
        self.fired, self.now, self.turn = NEVER, NEVER, 0
        self.touched = False
        self.pending: list[Delta] = []

    def _instances(self) -> Instances:
        return Instances(self.keyed.layout, len(self.keys), self.seed, resent=self.resent)

    def next_turn(self) -> int:
        """A number for each time that state is touched: one step may touch it many times."""
        self.turn += 1
        return self.turn

    # -- rows in

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Do what the clock has made due, take rows, then send what is over; see `Executor.step`."""
        if not self.emit.updating:
            yield from self._step(inputs, context)
            return
        for port, delta in self._step(inputs, context):
            if port == "out":
                self.pending.append(delta)
            else:
                yield port, delta
        if context.last and self.pending:
            # A window may have been sent twice in the step: what leaves is the net change.
            changes, self.pending = concat(self.pending), []
            yield "out", consolidate(changes)

    def _step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        if context.now > self.now:
            yield from self._tick(context.now)
        for port, delta in self.projection.step(inputs, context):
            if port != "out":
                yield port, delta
            elif delta.length:
                yield from self._take(delta)
        if context.last:
            if self.touched and self.emit.when == CHANGE:
                yield from self._send([table.changed() for table in self.tables])
            self.touched = False
            self.fired = max(self.fired, context.watermark)
            if not self.clock:
                yield from self._close(context.watermark)
            elif context.watermark == END:
                yield from self._close(END)

    def _tick(self, now: int) -> Iterator[Output]:
        before, self.now = self.now, now
        if self.clock:
            yield from self._close(now - MILLISECOND)
        if self.emit.when == TIME and before > NEVER and before // self.emit.every < now // self.emit.every:
            yield from self._send([table.changed() for table in self.tables])

    def _take(self, delta: Delta) -> Iterator[Output]:
        times = self._times(delta)
        delta, times, refused = self.places.within(delta, times)
        if refused is not None:
            yield "errors", refused
        if not delta.length:
            return
        self.touched = True
        yield from self.places.take(delta, times)

    def _times(self, delta: Delta) -> Any:
        if self.clock:
            return np.full(delta.length, self.now, np.int64)
        if self.time is None or self.time not in delta.columns:
            return np.zeros(delta.length, np.int64)
        times = instants(delta.columns[self.time])
        return times + self.shift if self.shift else times

    def watermarks(self, delta: Delta) -> Any:
        """The watermark before each row; None if nothing is late."""
        return None if self.clock or delta.watermarks is None else delta.watermarks.to_numpy()

    def original(self, delta: Delta) -> Delta:
        """Rows with the columns that came in only."""
        return delta.with_columns({name: delta.columns[name] for name in self.columns})

    def beyond(self, delta: Delta, inside: Any, reason: str | pl.Series = BEYOND) -> Delta:
        """The rows that are not inside, as refused rows."""
        return refuse(self.original(delta).filter(pl.Series(~inside)), reason, self.environment)

    def late(self, delta: Delta, late: Any, ends: Any) -> Delta:
        """Late rows, with how far behind they were and the bound that would have saved them.

        Args:
            delta: The rows.
            late: Which of them are late.
            ends: For each late row, the end of the last window that it missed.
        """
        rows = self.original(delta).filter(pl.Series(late))
        assert rows.watermarks is not None
        behind = rows.watermarks.to_numpy() - (ends - MILLISECOND + self.emit.lateness)
        return refuse_late(rows, behind, self.delay, self.environment)

    # -- rows out

    def due(self) -> int | None:
        """At once if a step has not ended; else when the next window is over."""
        if self.touched or self.pending:
            return NEVER
        if self.clock:
            return END if any(map(len, self.tables)) else None
        return self._next()

    def _next(self) -> int | None:
        return min((table.next for table in self.tables if table.next is not None), default=None)

    def sends(self) -> int | None:
        """When the next window closes; those that have closed wait for late rows only."""
        if not self.emit.lateness:
            return self.due()
        found = []
        for table in self.tables:
            slots = table.shown.keys.live()
            ends = table.word(LAST, slots)[table.word(FLAGS, slots) & CLOSED == 0]
            if len(ends):
                found.append(int(ends.min()) - MILLISECOND)
        return min(found, default=None)

    def wakes(self) -> int | None:
        """When the next window is over by the clock, or what has changed is sent by it."""
        found = []
        if self.clock and (due := self._next()) is not None and due < END - MILLISECOND:
            found.append(due + MILLISECOND)
        if self.emit.when == TIME and any(table.fresh is not None and len(table.fresh) for table in self.tables):
            found.append((self.now // self.emit.every + 1) * self.emit.every)
        return min(found, default=None)

    def watermark(self, incoming: Sequence[int]) -> int:
        """Held back by the allowed lateness: corrections are not late below."""
        least = min(incoming)
        if least in (END, NEVER) or not self.emit.lateness:
            return least
        return max(NEVER, least - self.emit.lateness)

    def _close(self, until: int) -> Iterator[Output]:
        """Send what is over, and forget what takes no more rows."""
        while True:
            slots = [np.sort(table.due(until)) for table in self.tables]
            if not any(map(len, slots)):
                return
            if self.resent:
                yield from self._send(slots, closing=True)
            else:
                yield from self._sent_once(slots)
            for shard, mine in enumerate(slots):
                if not len(mine):
                    continue
                table = self.tables[shard]
                ends = table.word(LAST, mine)
                gone = (ends <= _plus(until, MILLISECOND - self.emit.lateness)) | (until == END)
                if (~gone).any():
                    table.schedule(mine[~gone], ends[~gone] - MILLISECOND + self.emit.lateness)
                if gone.any():
                    self.places.forget(shard, mine[gone])
                    table.drop(mine[gone], self.next_turn())

    def _sent_once(self, slots: Sequence[Any]) -> Iterator[Output]:
        made = [self.places.leaving(shard, mine) for shard, mine in enumerate(slots)]
        found = [self.tables[shard].closed(mine) for shard, mine in enumerate(made) if len(mine)]
        if found:
            yield from self.append(joined([rows for rows, _ in found]), joined([unfit for _, unfit in found]))

    def append(self, rows: Rows, unfit: Rows, order: Any = None) -> Iterator[Output]:
        """Results that stand for ever, in order of (end, start, key) or in a given one."""
        if len(unfit):
            yield "errors", self._refused(unfit)
        if len(rows):
            rows = rows.take(self._order(rows) if order is None else order)
            yield "out", self._delta(rows)

    def _send(self, slots: Sequence[Any], *, closing: bool = False) -> Iterator[Output]:
        parts = [(self.tables[shard], mine) for shard, mine in enumerate(slots) if len(mine)]
        if not parts:
            return
        if not self.emit.accumulate:
            news = [table.news(mine, self.next_turn()) for table, mine in parts]
            yield from self.append(joined([rows for rows, _ in news]), joined([unfit for _, unfit in news]))
            return
        sent = []
        for shard, mine in enumerate(slots):
            self.places.sent(shard, mine)
        for table, mine in parts:
            over = np.full(len(mine), True) if closing else table.word(FLAGS, mine) & CLOSED != 0
            sent.append(table.send(mine, self.next_turn(), over))
        yield from self.updates(sent)

    def send(self, shard: int, slots: Any) -> Iterator[Output]:
        """Send some instances of a shard as they are now."""
        yield from self._send([slots if i == shard else slots[:0] for i in range(self.shards)])

    def updates(self, sent: Sequence[Sent]) -> Iterator[Output]:
        """Rows that go and rows that come."""
        unfit = joined([one.unfit for one in sent])
        if len(unfit):
            yield "errors", self._refused(unfit)
        yield from self.changes(joined([one.old for one in sent]), joined([one.new for one in sent]))

    def changes(self, old: Rows, new: Rows | None = None) -> Iterator[Output]:
        """A delta of rows that go and rows that come, each in order of (end, start, key)."""
        halves = [
            (rows.take(self._order(rows)), sign)
            for rows, sign in ((old, -1), (new, 1))
            if rows is not None and len(rows)
        ]
        if halves:
            delta = self._delta(joined([rows for rows, _ in halves]))
            signs = np.concatenate([np.full(len(rows), sign, np.int8) for rows, sign in halves])
            delta.diff = pl.Series("diff", signs)
            yield "out", delta

    def _delta(self, rows: Rows) -> Delta:
        bounds = [Raw(rows.begins), Raw(rows.ends)] if self.bounded else []
        fields = zip(self.schema, [*rows.keys, *bounds, *rows.columns], strict=True)
        return Delta({field.name: part.series(field.name, field.dtype) for field, part in fields}, len(rows))

    def _order(self, rows: Rows) -> Any:
        """The places of rows in order of (end, start, key): null first, NaN last, text by its bytes."""
        types = [self.below[name].dtype for name in self.keys]
        keys = [key.series(f"k{i}", dtype) for i, (key, dtype) in enumerate(zip(rows.keys, types, strict=True))]
        frame = pl.DataFrame([pl.Series("end", rows.ends), pl.Series("begin", rows.begins), *keys])
        return frame.select_seq(pl.arg_sort_by(frame.columns, nulls_last=False)).to_series().to_numpy()

    def _refused(self, rows: Rows) -> Delta:
        """The keys of windows that have no result, as refused rows without other columns."""
        count = len(rows)
        keys = {name: rows.keys[i].series(name, self.below[name].dtype) for i, name in enumerate(self.keys)}
        columns = {
            name: keys[name] if name in keys else pl.Series(name, [None], dtype=dtype).new_from_index(0, count)
            for name, dtype in self.below.to_polars().items()
        }
        reasons = [self.unfit] * count
        if self.bounded:
            pairs = zip(rows.begins.tolist(), rows.ends.tolist(), strict=True)
            reasons = [f"{self.unfit} in the window from {instant_text(a)} to {instant_text(b)} UTC" for a, b in pairs]
        return refuse(Delta(columns, count), pl.Series(reasons), self.environment)

    # -- checkpoints

    def state_layout(self) -> Any:
        """Windows, keys, aggregates, and whether what was sent is kept."""
        shape = {"windows": self.places.shape(), "resent": self.resent, "updating": self.updating, "clock": self.clock}
        known = self.keyed.described()
        # Under another name than where aggregates can be migrated: here they cannot be.
        return {"kind": "keyed_window", **shape, "keys": known["keys"], "kept": known["aggregates"]}

    def snapshot(self, saver: Saver) -> Any:
        """The instances of each shard, and what is small."""
        for shard, table in enumerate(self.tables):
            table.save(saver, str(shard), self.turn + 1)
        return {
            "shards": self.shards, "turn": self.turn, "fired": self.fired, "now": self.now,
            "places": self.places.snapshot(saver), **self.keyed.snapshot(),
        }  # fmt: skip

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`; keys move if there are more shards or fewer."""
        self.keyed.restore(state)
        self.turn, self.fired, self.now = state["turn"], state["fired"], state["now"]
        stored = [self._instances() for _ in range(state["shards"])]
        for shard, table in enumerate(stored):
            table.load(loader, str(shard))
        if len(stored) == self.shards:
            self.tables = stored
        else:
            for table in stored:
                slots = table.shown.keys.live()
                shard_of = self.places.shards(self._keys_of(table, slots))
                for shard in range(self.shards):
                    mine = slots[shard_of == shard]
                    if len(mine):
                        table.hand_on(mine, self.tables[shard], self.next_turn())
        for table in self.tables:
            slots = table.shown.keys.live()
            ends, flags = table.word(LAST, slots), table.word(FLAGS, slots)
            later = np.where(flags & CLOSED != 0, self.emit.lateness, 0)
            table.schedule(slots, np.where(ends == END, END, ends - MILLISECOND + later))
        self.places.restore(state["places"], loader)

    def _keys_of(self, table: Instances, slots: Any) -> Any:
        columns = table.shown.key_columns(slots)[: len(self.keys)]
        types = [self.below[name].dtype for name in self.keys]
        series = [column.series(name, dtype) for column, name, dtype in zip(columns, self.keys, types, strict=True)]
        return self.codec.encode(series, len(slots))

    def contents(self, limit: int) -> pl.DataFrame:
        """Keys, bounds, and what the aggregates are: of what was sent, if results change."""
        frames = [pl.DataFrame(schema=self.schema.to_polars())]
        for table in self.tables:
            slots = table.shown.keys.live()[: max(0, limit - sum(frame.height for frame in frames))]
            if len(slots):
                columns = table.shown.results(slots).columns
                rows = table.rows(slots, table.word(BEGIN, slots), table.word(LAST, slots), columns)
                frames.append(self._delta(rows).frame())
        return pl.concat(frames)

    def state_size(self) -> tuple[int, int]:
        """Instances and bytes."""
        return sum(map(len, self.tables)), sum(table.nbytes for table in self.tables)


def _plus(instant: int, span: int) -> int:
    """An instant moved by a span, within what an instant can be."""
    return min(END, max(NEVER, instant + span))
