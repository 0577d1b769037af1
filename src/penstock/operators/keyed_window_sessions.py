"""Which sessions the rows of a step are in: each joins those that it touches, and may make several one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.core.timespan import END, MILLISECOND
from penstock.expr.ast import Term
from penstock.operators.base import Loader, Output, Saver
from penstock.operators.keyed_window_places import Places
from penstock.plan.emission import CLOSE
from penstock.plan.keyed_windows import Session
from penstock.state.batch import Batch
from penstock.state.chains import Chains, Joined
from penstock.state.instances import BEGIN, CLOSED, FLAGS, SEALED, SENT
from penstock.state.instances import END as LAST

if TYPE_CHECKING:
    from penstock.operators.keyed_window_execution import KeyedWindowExecutor

GAP, SPLIT = "(gap)", "(split)"
NO_GAP = "the gap of the session is null or not positive"
MOST_GAP = 1 << 60
"""A gap is no longer than some 36,000 years: instants stay within what they can be."""


class SessionPlaces(Places):
    """Joins rows to sessions by the chains of each shard; a number tells the sessions of a key apart."""

    hidden = ("(number)",)

    def __init__(self, executor: KeyedWindowExecutor, windows: Session) -> None:
        super().__init__(executor)
        self.windows = windows
        self.terms = tuple(
            (name, term) for name, term in ((GAP, windows.gap), (SPLIT, windows.split)) if isinstance(term, Term)
        )
        self.numbers = 0
        self.mixed = False

    def begin(self) -> None:
        """Chains that are empty."""
        of = self.of
        self.chains = [Chains(of.codec.layout, of.seed) for _ in range(of.shards)]

    def within(self, delta: Delta, times: Any) -> tuple[Delta, Any, Delta | None]:
        """The rows that have a gap."""
        if not isinstance(self.windows.gap, Term):
            return delta, times, None
        inside = self._gaps(delta) > 0
        if inside.all():
            return delta, times, None
        return delta.filter(pl.Series(inside)), times[inside], self.of.beyond(delta, inside, NO_GAP)

    def _gaps(self, delta: Delta) -> Any:
        if not isinstance(self.windows.gap, Term):
            return np.full(delta.length, self.windows.gap.exact(), np.int64)
        gaps = delta.columns[GAP].dt.total_microseconds().fill_null(0).to_numpy()
        return np.minimum(gaps // MILLISECOND * MILLISECOND, MOST_GAP)

    def take(self, delta: Delta, times: Any) -> Iterator[Output]:
        """Join rows, fold what is not late, and let sessions that have become others go."""
        of = self.of
        ends = np.where(times > END - MOST_GAP - 1, END - MILLISECOND, times + self._gaps(delta))
        watermarks = of.watermarks(delta)
        splits = None
        if self.windows.split is not None:
            splits = delta.columns[SPLIT].fill_null(value=False).cast(pl.UInt8).to_numpy()
        keys = self.keys(delta)
        shard_of = self.shards(keys)
        safe = self._safe(ends, watermarks)
        found: list[tuple[int, Any, Joined]] = []
        numbers = np.full(delta.length, -1, np.int64)
        for shard, chains in enumerate(self.chains):
            rows = np.flatnonzero(shard_of == shard)
            if not len(rows):
                continue
            joined = chains.join(
                keys, rows, of.tables[shard].shown.keys.used, times[rows], ends[rows],
                None if watermarks is None else watermarks[rows], None if splits is None else splits[rows],
                of.emit.lateness, of.next_turn(), safe=safe,
            )  # fmt: skip
            made = np.unique(joined.rows[joined.rows >= joined.base])
            chains.ids[made] = self.numbers + np.arange(len(made))
            self.numbers += len(made)
            in_time = joined.rows >= 0
            numbers[rows[in_time]] = chains.ids[joined.rows[in_time]]
            found.append((shard, rows, joined))
        late = numbers < 0
        if late.any():
            yield "late", of.late(delta, late, ends[late])
        kept = np.flatnonzero(~late)
        if not len(kept):
            of.keyed.rows += delta.length
            return
        batch = self.batch(delta, None if len(kept) == delta.length else kept, {"(number)": numbers[kept]})
        place = np.cumsum(~late) - 1
        for shard, rows, joined in found:
            yield from self._settle(shard, rows, joined, batch, place)

    def _safe(self, ends: Any, watermarks: Any) -> bool:
        """Whether no session is over for any row: then the order of rows does not say which sessions there are."""
        if watermarks is None:
            return not self.mixed
        last = int(watermarks.max())
        least = min((t.next for t in self.of.tables if t.next is not None), default=END)
        safe = int(ends.min()) - MILLISECOND > last and least > last
        if not safe and len(self.of.environment.splits) > 1:
            self.mixed = True
        return safe and not self.mixed and not self.of.resent

    def _settle(self, shard: int, rows: Any, joined: Joined, batch: Batch, place: Any) -> Iterator[Output]:
        """Fold the rows of a shard, and write down what has become of its sessions."""
        of, chains, table = self.of, self.chains[shard], self.of.tables[shard]
        if len(joined.shut):
            table.put(FLAGS, joined.shut, table.word(FLAGS, joined.shut) | SEALED)
            table.shown.keys.mark_touched(joined.shut, of.next_turn())
        if len(joined.gone):
            if of.emit.updating:
                yield from of.changes(table.standing(joined.gone))
            table.absorb(joined.gone, joined.roots, of.next_turn())
        in_time = joined.rows >= 0
        slots = np.full(len(rows), -1, np.int32)
        if in_time.any():
            touched = table.fold(batch, place[rows[in_time]].astype(np.int32), of.next_turn())
            slots[in_time] = touched.slots
        found = chains.settle(joined, slots)
        if len(joined.gone):
            table.drop(joined.gone, of.next_turn())
        if not len(found):
            return
        begins, ends = chains.begins[found], chains.ends[found]
        table.put(BEGIN, found, begins)
        table.put(LAST, found, ends)
        flags = table.word(FLAGS, found)
        table.put(FLAGS, found, np.where(chains.sealed[found] > 0, flags | SEALED, flags))
        again = (flags & CLOSED != 0) & (ends - MILLISECOND > of.fired)
        if again.any():
            yield from self._open_again(shard, found[again])
        table.schedule(found, ends - MILLISECOND)

    def _open_again(self, shard: int, slots: Any) -> Iterator[Output]:
        """Sessions that a late row has prolonged: at the close they are sent anew."""
        table = self.of.tables[shard]
        if self.of.emit.when == CLOSE and self.of.emit.updating:
            yield from self.of.changes(table.withdraw(slots, self.of.next_turn()))
            self.chains[shard].sent[slots] = 0
        else:
            table.put(FLAGS, slots, table.word(FLAGS, slots) & ~CLOSED)

    def sent(self, shard: int, slots: Any) -> None:
        """What was sent goes on when two sessions become one."""
        self.chains[shard].sent[slots] = 1

    def forget(self, shard: int, slots: Any) -> None:
        """Take sessions out of their chains."""
        self.chains[shard].drop(slots, self.of.next_turn())

    def shape(self) -> Any:
        """Sessions, whatever their gaps."""
        return {"kind": "session"}

    def snapshot(self, saver: Saver) -> Any:
        """How many sessions there were."""
        return {"numbers": self.numbers, "mixed": self.mixed}

    def restore(self, state: Any, loader: Loader) -> None:
        """Build the chains from the bounds of sessions."""
        self.numbers, self.mixed = state["numbers"], state["mixed"]
        for chains, table in zip(self.chains, self.of.tables, strict=True):
            slots = table.shown.keys.live()
            keys = self.of._keys_of(table, slots)
            ids = table.shown.key_columns(slots)[len(self.of.keys)]
            values = ids.values.to_numpy() if isinstance(ids.values, pl.Series) else ids.values
            flags = table.word(FLAGS, slots)
            chains.rebuild(
                keys, slots, values, table.word(BEGIN, slots), table.word(LAST, slots), flags & SENT != 0,
                flags & SEALED != 0,
            )  # fmt: skip
