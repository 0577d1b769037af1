"""How joins as of processing time execute: left rows wait by the clock, then look for what the right side holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.core.delta import Delta, concat
from penstock.core.lazy import np, pl
from penstock.core.timespan import END, NEVER
from penstock.operators.base import Environment, Loader, Output, Saver, StepContext
from penstock.operators.join_bands import band_of
from penstock.operators.join_ordered import segments
from penstock.operators.join_parts import DeltaRows, StoredRows, repeated
from penstock.operators.join_state import StoredJoin, chosen_of
from penstock.operators.joining import ANTI, LEFT, SEMI
from penstock.plan.node import APPEND
from penstock.state.ranges import RangeIndex
from penstock.state.row_layout import RowLayout
from penstock.state.rows import RowStore

if TYPE_CHECKING:
    from penstock.operators.snapshot_join import SnapshotJoin

MARK = 0
"""Word of a left row: the watermark of its own split before it."""

SERIAL = 0
"""Word of a right row: its number among all that ever came."""


class Ready(NamedTuple):
    """Left rows of a shard that are joined now.

    Attributes:
        lefts: The store that they wait in.
        rights: The right rows of the shard.
        slots: The rows, in the order in which they came.
        keys: By row, the slot of its key among the right rows, or -1.
        ranks: By row, its place among those of all shards.
        fans: By row, how many right rows may be its partners.
        ranges: The ranges of the right rows, if the condition has bounds.
        begins: By row, up to where ranges may begin, then.
        ends: By row, from where on they must end.
    """

    lefts: RowStore
    rights: RowStore
    slots: Any
    keys: Any
    ranks: Any
    fans: Any
    ranges: RangeIndex | None
    begins: Any
    ends: Any

    def part(self, low: int, high: int) -> Ready:
        """Those with ranks from `low` to `high`."""
        first, last = np.searchsorted(self.ranks, [low, high])
        by_row = {name: getattr(self, name) for name in ("slots", "keys", "ranks", "fans", "begins", "ends")}
        return self._replace(**{name: array[first:last] for name, array in by_row.items()})

    def candidates(self, most: int) -> Iterator[tuple[Any, Any]]:
        """Pairs (place among the left rows, right row) of equal keys, in batches; those out of bounds are left out."""
        if self.ranges is None:
            yield from self.rights.probe(self.keys, most)
            return
        probes, found = self.ranges.find(self.keys, self.begins, self.ends, int(self.fans.sum()))
        for low in range(0, len(found), most):
            yield probes[low : low + most], found[low : low + most]


class SnapshotJoinExecutor(StoredJoin):
    """Keeps the right rows, and left rows until the clock goes on; see `SnapshotJoin`."""

    keeps_nulls = True

    def __init__(self, node: SnapshotJoin, environment: Environment) -> None:
        self.how, self.until = node.how, node.until
        self.marked = node.left.facts.watermarked
        self.now = NEVER
        self.before: list[int] = [NEVER, NEVER]
        self.sent = NEVER
        self.serial = 0
        self.band = band_of(node)
        super().__init__(node, environment)
        self.indices = self._indices()

    def layout(self, side: int) -> RowLayout:
        """What comes out of a side or is compared; of a left row, when it came, and its watermark."""
        if side == 0:
            return self.layout_of(side, ordered=True, timed=True, words=[NEVER])
        return self.layout_of(side, ordered=self.node.right.facts.mode == APPEND, words=[0])

    def _indices(self) -> list[RangeIndex | None]:
        """By shard, the ranges of its right rows, if the condition has bounds."""
        if self.band is None:
            return [None for _ in self.stores]
        made: list[RangeIndex | None] = []
        for _, rights in self.stores:
            index, slots = RangeIndex(rights, SERIAL), rights.all_rows()
            index.put(slots, *self.band.values(1, StoredRows(self.keys, 1, rights, slots), len(slots)))
            made.append(index)
        return made

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Join what came before the clock went on, then take the rows; see `Executor.step`."""
        if context.now > self.now:
            if self.before[1] >= self.until:
                for made in self._release(context.now):
                    yield "out", made
                self.sent = self.before[0]
            self.now = context.now
        left, right = inputs
        if left is not None and left.length:
            self._wait(left, context)
        if right is not None and right.length:
            self._apply(right, context)
        if context.last and context.watermark == END:
            for made in self._release(END):
                yield "out", made

    def called(self) -> bool:
        """In every step: it must know at which instant of the clock the right side has come how far."""
        return True

    # -- rows in

    def _wait(self, delta: Delta, context: StepContext) -> None:
        self.turn += 1
        batch = self.whole(0, delta, context)
        places = np.arange(self.rows, self.rows + delta.length, dtype=np.int64)
        times = np.full(delta.length, self.now, np.int64)
        self.rows += delta.length
        columns = [delta.columns[name] for name in self.layouts[0].names]
        marks = None if delta.watermarks is None else delta.watermarks.to_numpy()
        for shard, parts in self.sharded.rows(batch.keys):
            rows, store = chosen_of(parts), self.stores[shard][0]
            put = store.put(batch.keys, columns, self.turn, chosen=rows, places=places, times=times)
            if marks is not None:
                store.own(MARK)[put.slots] = marks if rows is None else marks[rows]

    def _apply(self, delta: Delta, context: StepContext) -> None:
        self.turn += 1
        batch, _ = self.batch(1, delta, context)
        columns = [batch.delta.columns[name] for name in self.layouts[1].names]
        if not batch.delta.length:
            return
        places = np.arange(self.rows, self.rows + batch.delta.length, dtype=np.int64)
        self.rows += batch.delta.length
        for shard, parts in self.sharded.rows(batch.keys):
            rows, store, index = chosen_of(parts), self.stores[shard][1], self.indices[shard]
            put = store.put(batch.keys, columns, self.turn, chosen=rows, signs=batch.signs, places=places)
            store.own(SERIAL)[put.new] = np.arange(self.serial, self.serial + len(put.new))
            self.serial += len(put.new)
            if self.band is not None and index is not None and len(put.new):
                first = put.first_row if rows is None else rows[put.first_row]
                index.put(put.new, *self.band.values(1, DeltaRows(self.keys, 1, batch, first), len(first)))
            store.drop(put.emptied(), self.turn)

    # -- rows out

    def due(self) -> int | None:
        """When all input is over, if rows wait."""
        return END if self._waiting() else None

    def wakes(self) -> int | None:
        """When the clock goes on, if rows wait for that, or the watermark does."""
        ready = self.before[1] >= self.until and (self._waiting() or self.before[0] > self.sent)
        return self.now + 1 if ready and self.now > NEVER else None

    def _waiting(self) -> bool:
        return any(len(lefts) for lefts, _ in self.stores)

    def _release(self, until: int) -> Iterator[Delta]:
        """Join the left rows that came before an instant, in order, and forget them."""
        ready = self._ready(until)
        if not ready:
            return
        fans = np.empty(sum(len(one.slots) for one in ready), np.int64)
        for one in ready:
            fans[one.ranks] = one.fans
        for low, high in segments(np.maximum(fans, 1), self.most):
            parts = [part for one in ready if len((part := one.part(low, high)).slots)]
            if high - low == 1:
                yield from self._single(parts[0])
                continue
            made = [self._joined(part) for part in parts]
            whole = made[0][0]
            if len(made) > 1:
                ranks = np.concatenate([ranks for _, ranks in made])
                whole = concat([delta for delta, _ in made]).take(np.argsort(ranks, kind="stable"))
            yield from self._cut(whole)
        self.turn += 1
        for one in ready:
            one.lefts.drop(one.slots, self.turn)

    def _ready(self, until: int) -> list[Ready]:
        found = []
        for (lefts, rights), index in zip(self.stores, self.indices, strict=True):
            slots = lefts.expired(until)
            if len(slots):
                keys = rights.find(lefts.keys_of(lefts.owners(slots)))
                begins = ends = keys
                if self.band is None or index is None:
                    fans = rights.measure(keys)
                else:
                    begins, ends = self.band.values(0, StoredRows(self.keys, 0, lefts, slots), len(slots))
                    fans = index.count(keys, begins, ends)
                found.append(Ready(lefts, rights, slots, keys, lefts.places(slots), fans, index, begins, ends))
        if not found:
            return []
        places = np.sort(np.concatenate([one.ranks for one in found]))
        return [one._replace(ranks=np.searchsorted(places, one.ranks)) for one in found]

    def _cut(self, delta: Delta) -> Iterator[Delta]:
        if delta.length <= self.most:
            yield delta
            return
        for low in range(0, delta.length, self.most):
            yield delta.take(np.arange(low, min(low + self.most, delta.length)))

    def _partners(self, ready: Ready) -> Iterator[tuple[Any, Any]]:
        """Pairs (place among the left rows, right row), each right row as often as it is there, in batches."""
        for probes, found in ready.candidates(self.most):
            if self.maker.compares:
                left = StoredRows(self.keys, 0, ready.lefts, ready.slots[probes])
                holds = self.maker.holds(left, StoredRows(self.keys, 1, ready.rights, found), len(found))
                probes, found = probes[holds], found[holds]
            index, _ = repeated(np.arange(len(found)), ready.rights.counts(found))
            yield probes[index], found[index]

    def _joined(self, ready: Ready) -> tuple[Delta, Any]:
        """What comes out of some left rows, and by row, of which of them."""
        pairs = list(self._partners(ready))
        probes = np.concatenate([one for one, _ in pairs] or [np.empty(0, np.int32)])
        found: Any = np.concatenate([rows for _, rows in pairs] or [np.empty(0, np.int32)])
        alone = np.ones(len(ready.slots), np.bool_)
        alone[probes] = False
        if self.how in (SEMI, ANTI):
            probes, found = np.flatnonzero(alone == (self.how == ANTI)), None
        elif self.how == LEFT and alone.any():
            probes = np.concatenate([probes, np.flatnonzero(alone)])
            found = np.concatenate([found, np.full(int(alone.sum()), -1, np.int32)])
            order = np.argsort(probes, kind="stable")
            probes, found = probes[order], found[order]
        return self._made(ready, probes, found), ready.ranks[probes]

    def _single(self, ready: Ready) -> Iterator[Delta]:
        """What comes out of one left row, which may have more partners than a delta should."""
        alone = True
        for probes, found in self._partners(ready):
            alone = alone and not len(found)
            if self.how not in (SEMI, ANTI):
                yield from self._cut(self._made(ready, probes, found))
            elif not alone:
                break
        if alone if self.how in (LEFT, ANTI) else not alone and self.how == SEMI:
            yield self._made(ready, np.zeros(1, np.int64), None)

    def _made(self, ready: Ready, probes: Any, found: Any) -> Delta:
        """Left rows with their right rows (-1 = none), or without any."""
        slots = ready.slots[probes]
        if found is None:
            made = self.maker.delta(StoredRows(self.keys, 0, ready.lefts, slots), None, len(slots))
        else:
            made = self.with_partners(ready.lefts, ready.rights, slots, found)
        if self.marked:
            made.watermarks = pl.Series(ready.lefts.own(MARK)[slots])
        return made

    # -- the whole

    def watermark(self, incoming: Sequence[int]) -> int:
        """How far the left side had come when the clock last went on."""
        self.before = list(incoming)
        return END if min(incoming) == END else self.sent

    def snapshot(self, saver: Saver) -> Any:
        """The stores, the clock, and how far both sides have come."""
        clock = {"now": self.now, "before": self.before, "sent": self.sent}
        return super().snapshot(saver) | {"clock": clock, "serial": self.serial}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        super().restore(state, loader)
        clock = state["clock"]
        self.now, self.before, self.sent = clock["now"], clock["before"], clock["sent"]
        self.serial = state["serial"]
        self.indices = self._indices()

    def state_size(self) -> tuple[int, int]:
        """Rows and bytes, those of the ranges among them."""
        rows, size = super().state_size()
        return rows, size + sum(index.nbytes for index in self.indices if index is not None)

    def state_layout(self) -> Any:
        """What is kept of either side."""
        sides = [layout.described() for layout in self.layouts]
        return {"kind": "snapshot_join", "left": sides[0], "right": sides[1]}
