"""How joins as of processing time execute: left rows wait by the clock, then look for what the right side holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from penstock.core.delta import Delta, concat
from penstock.core.lazy import np, pl
from penstock.core.timespan import END, NEVER
from penstock.operators.base import Environment, Loader, Output, Saver, StepContext
from penstock.operators.join_ordered import segments
from penstock.operators.join_parts import StoredRows, repeated
from penstock.operators.join_state import StoredJoin, chosen_of
from penstock.operators.joining import ANTI, LEFT, SEMI
from penstock.state.row_layout import RowLayout
from penstock.state.rows import RowStore

if TYPE_CHECKING:
    from penstock.operators.snapshot_join import SnapshotJoin

MARK = 0
"""Word of a left row: the watermark of its own split before it."""


class Ready(NamedTuple):
    """Left rows of a shard that are joined now.

    Attributes:
        lefts: The store that they wait in.
        rights: The right rows of the shard.
        slots: The rows, in the order in which they came.
        keys: By row, the slot of its key among the right rows, or -1.
        ranks: By row, its place among those of all shards.
    """

    lefts: RowStore
    rights: RowStore
    slots: Any
    keys: Any
    ranks: Any

    def part(self, low: int, high: int) -> Ready:
        """Those with ranks from `low` to `high`."""
        first, last = np.searchsorted(self.ranks, [low, high])
        return self._replace(slots=self.slots[first:last], keys=self.keys[first:last], ranks=self.ranks[first:last])


class SnapshotJoinExecutor(StoredJoin):
    """Keeps the right rows, and left rows until the clock goes on; see `SnapshotJoin`."""

    keeps_nulls = True
    every_step: ClassVar[bool] = True

    def __init__(self, node: SnapshotJoin, environment: Environment) -> None:
        self.how, self.until = node.how, node.until
        self.marked = node.left.facts.watermarked
        self.now = NEVER
        self.before: list[int] = [NEVER, NEVER]
        self.sent = NEVER
        super().__init__(node, environment)

    def layout(self, side: int) -> RowLayout:
        """What comes out of a side or is compared; of a left row, when it came, and its watermark."""
        return self.layout_of(side, ordered=True, timed=True, words=[NEVER]) if side == 0 else self.layout_of(side)

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
        for shard, parts in self.sharded.rows(batch.keys):
            store = self.stores[shard][1]
            put = store.put(batch.keys, columns, self.turn, chosen=chosen_of(parts), signs=batch.signs)
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
            fans[one.ranks] = one.rights.measure(one.keys)
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
        for lefts, rights in self.stores:
            slots = lefts.expired(until)
            if len(slots):
                keys = rights.find(lefts.keys_of(lefts.owners(slots)))
                found.append(Ready(lefts, rights, slots, keys, lefts.places(slots)))
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
        for probes, found in ready.rights.probe(ready.keys, self.most):
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
        return super().snapshot(saver) | {"clock": clock}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        super().restore(state, loader)
        clock = state["clock"]
        self.now, self.before, self.sent = clock["now"], clock["before"], clock["sent"]

    def state_layout(self) -> Any:
        """What is kept of either side."""
        sides = [layout.described() for layout in self.layouts]
        return {"kind": "snapshot_join", "left": sides[0], "right": sides[1]}
