"""How joins as of a time execute: rows wait by their time; those whose time is up are sorted among the right rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.core.delta import Delta, concat
from penstock.core.lazy import np
from penstock.core.timespan import NEVER
from penstock.expr.infer import infer
from penstock.expr.lower import lower
from penstock.operators.base import Environment, Output, StepContext
from penstock.operators.interval_join_execution import LateRows
from penstock.operators.join_parts import StoredRows
from penstock.operators.join_state import StoredJoin, rows_of
from penstock.operators.joining import LEFT
from penstock.operators.watermark import instants
from penstock.state.row_layout import TIME, RowLayout
from penstock.state.rows import RowStore

if TYPE_CHECKING:
    from penstock.operators.asof_join import AsofJoin

GONE = 0
"""Word of a right row: whether it is a delete."""

NONE = -1


class AsofJoinExecutor(StoredJoin):
    """Keeps left rows until their time is up, and right rows as long as they count; see `AsofJoin`."""

    keeps_nulls: ClassVar[bool] = True

    def __init__(self, node: AsofJoin, environment: Environment) -> None:
        self.asof = node
        self.times = [(str(side.facts.time), side.facts.time_shift) for side in (node.left, node.right)]
        self.keep = node.keep or 0
        self.late = LateRows(node, environment)
        self.delete: Any = None if node.delete is None else lower(infer(node.delete, node.right.schema)).value
        self.released = NEVER
        super().__init__(node, environment)

    def layout(self, side: int) -> RowLayout:
        """What comes out of a side, and its time; of a right row, whether it is a delete."""
        return self.layout_of(side, ordered=True, timed=True, words=[0] * side)

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Keep the rows that are in time, then join those whose time is up; see `Executor.step`."""
        self.turn += 1
        for side, delta in enumerate(inputs):
            if delta is None or not delta.length:
                continue
            delta, late = self.late.without(side, delta)
            if late is not None:
                yield "late", late
            if delta.length:
                self._keep(side, delta, context)
        if context.watermark > self.released:
            self.released = context.watermark
            for made in self._release(context.watermark):
                yield "out", made

    def _keep(self, side: int, delta: Delta, context: StepContext) -> None:
        batch = self.whole(side, delta, context) if side == 0 else self.batch(side, delta, context)[0]
        delta = batch.delta
        if not delta.length:
            return
        name, shift = self.times[side]
        times = instants(delta.columns[name]) + shift + (self.asof.wait if side == 0 else self.keep)
        places = np.arange(self.rows, self.rows + delta.length, dtype=np.int64)
        self.rows += delta.length
        columns = [delta.columns[name] for name in self.layouts[side].names]
        gone = self._deletes(delta) if side == 1 and self.delete is not None else None
        for shard, parts in self.sharded.rows(batch.keys):
            rows = rows_of(parts, delta.length)
            store = self.stores[shard][side]
            put = store.put(batch.keys, columns, self.turn, chosen=rows, places=places, times=times)
            if gone is not None:
                store.own(GONE)[put.slots] = gone[rows]

    def _deletes(self, delta: Delta) -> Any:
        frame = delta.frame()
        found = frame.select_seq(self.delete).to_series().fill_null(value=False)
        return np.broadcast_to(found.to_numpy(), (delta.length,))

    # -- rows out

    def due(self) -> int | None:
        """The first watermark at which the time of a left row is up."""
        first = [sides[0].deadlines.first for sides in self.stores]
        found = [instant for instant in first if instant is not None]
        return min(found) + 1 if found else None

    def _release(self, watermark: int) -> Iterator[Delta]:
        """Join the left rows whose time is up, in order of (time, place), and forget what counts no more."""
        sent, over = [], []
        for lefts, rights in self.stores:
            slots = lefts.expired(watermark)
            over.append(slots)
            if len(slots):
                found = self._partners(lefts, rights, slots)
                if self.asof.how != LEFT:
                    slots, found = slots[found != NONE], found[found != NONE]
                sent.append((lefts, rights, slots, found))
        if sent:
            yield from self._sorted(sent)
        self.turn += 1
        for (lefts, rights), slots in zip(self.stores, over, strict=True):
            lefts.drop(slots, self.turn)
            self._forget(rights, watermark)

    def _partners(self, lefts: RowStore, rights: RowStore, slots: Any) -> Any:
        """For each left row the right row that counts, or -1."""
        owners, mine = np.unique(lefts.owners(slots), return_inverse=True)
        keys, rows = rights.walk(rights.find(lefts.keys_of(owners)))
        times = lefts.word(TIME)[slots] - self.asof.wait
        versions, places = rights.word(TIME)[rows] - self.keep, rights.places(rows)
        strategy, count = self.asof.strategy, len(slots)
        none = np.full(count, NONE, np.int64)
        before = after = none
        if strategy != "forward":
            before = last_before(mine, times, keys, versions, places)
        if strategy != "backward":
            # The first after a time is the last before it where time goes back; of equal ones, the last to arrive.
            after = last_before(mine, -times, keys, -versions, places)
        found = np.where(before >= 0, before, after)
        both = (before >= 0) & (after >= 0)
        if both.any():
            near = times[both] - versions[before[both]] <= versions[after[both]] - times[both]
            found[both] = np.where(near, before[both], after[both])
        good = found >= 0
        if self.asof.tolerance is not None:
            good[good] = np.abs(versions[found[good]] - times[good]) <= self.asof.tolerance
        if self.delete is not None:
            good[good] = rights.own(GONE)[rows[found[good]]] == 0
        partners = np.full(count, NONE, np.int64)
        partners[good] = rows[found[good]]
        if self.maker.compares and good.any():
            left = StoredRows(self.keys, 0, lefts, slots[good])
            holds = self.maker.holds(left, StoredRows(self.keys, 1, rights, partners[good]), int(good.sum()))
            partners[np.flatnonzero(good)[~holds]] = NONE
        return partners

    def _sorted(self, sent: Sequence[tuple[RowStore, RowStore, Any, Any]]) -> Iterator[Delta]:
        parts = np.repeat(np.arange(len(sent)), [len(slots) for _, _, slots, _ in sent])
        slots = np.concatenate([slots for _, _, slots, _ in sent])
        found = np.concatenate([found for *_, found in sent])
        times = np.concatenate([lefts.word(TIME)[slots] for lefts, _, slots, _ in sent])
        places = np.concatenate([lefts.places(slots) for lefts, _, slots, _ in sent])
        order = np.lexsort((places, times))
        for low in range(0, len(order), self.most):
            chosen = order[low : low + self.most]
            made, where = [], []
            for number, (lefts, rights, *_) in enumerate(sent):
                for matched in (True, False):
                    mine = np.flatnonzero((parts[chosen] == number) & ((found[chosen] >= 0) == matched))
                    if len(mine):
                        left = StoredRows(self.keys, 0, lefts, slots[chosen[mine]])
                        right = StoredRows(self.keys, 1, rights, found[chosen[mine]]) if matched else None
                        made.append(self.maker.delta(left, right, len(mine)))
                        where.append(mine)
            if made:
                yield concat(made).take(np.argsort(np.concatenate(where)))

    def _forget(self, rights: RowStore, watermark: int) -> None:
        """Forget right rows that no left row to come will take."""
        over = rights.expired(watermark)
        if not len(over):
            return
        if self.asof.keep is None:
            # The last one before the watermark stays until another one takes its place; a delete need not.
            owners = np.unique(rights.owners(over))
            keys, rows = rights.walk(owners)
            old = rights.word(TIME)[rows] < watermark
            keys, rows = keys[old], rows[old]
            order = np.lexsort((rights.places(rows), rights.word(TIME)[rows], keys))
            last = np.append(keys[order][1:] != keys[order][:-1], True)
            stays = rows[order[last]]
            if self.delete is not None:
                stays = stays[rights.own(GONE)[stays] == 0]
            over = np.setdiff1d(rows, stays)
        rights.drop(over.astype(np.int32), self.turn)

    def state_layout(self) -> Any:
        """What is kept of either side, and by which rule."""
        node = self.asof
        sides = [layout.described() for layout in self.layouts]
        rule = {"strategy": node.strategy, "tolerance": node.tolerance, "deletes": node.delete is not None}
        return {"kind": "asof_join", "how": node.how, **rule, "left": sides[0], "right": sides[1]}

    def watermark(self, incoming: Sequence[int]) -> int:
        """Held back by what waits."""
        return self.asof.held(min(incoming))


def last_before(keys: Any, times: Any, right_keys: Any, right_times: Any, right_places: Any) -> Any:
    """For each left row the index of the last right row of its key at or before its time, or -1; by one sort.

    Args:
        keys: By left row, its key, as a number.
        times: By left row, its time.
        right_keys: By right row, its key.
        right_times: By right row, its time.
        right_places: By right row, its place: of equal times the greatest counts.
    """
    count = len(right_keys)
    all_keys, all_times = np.concatenate([right_keys, keys]), np.concatenate([right_times, times])
    is_left = np.arange(len(all_keys)) >= count
    places = np.concatenate([right_places, np.zeros(len(keys), np.int64)])
    order = np.lexsort((places, is_left, all_times, all_keys))
    seen = np.maximum.accumulate(np.where(is_left[order], -1, np.arange(len(order))))
    found = np.where(seen >= 0, order[seen], -1)
    found[(seen < 0) | (all_keys[np.maximum(found, 0)] != all_keys[order])] = -1
    result = np.full(len(keys), -1, np.int64)
    result[order[is_left[order]] - count] = found[is_left[order]]
    return result
