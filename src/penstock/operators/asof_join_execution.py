"""How joins as of a time execute: rows wait by their time; those whose time is up are sorted among the right rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta, concat
from penstock.core.lazy import np
from penstock.core.timespan import NEVER
from penstock.expr.infer import infer
from penstock.expr.lower import lower
from penstock.kernels.arrays import frozen
from penstock.kernels.versions import find_versions, outdated_versions
from penstock.operators.base import Environment, Output, StepContext
from penstock.operators.interval_join_execution import LateRows
from penstock.operators.join_parts import StoredRows
from penstock.operators.join_state import StoredJoin, chosen_of
from penstock.operators.joining import LEFT
from penstock.operators.watermark import instants
from penstock.state.row_layout import BASE_WORDS, TIME, RowLayout
from penstock.state.rows import RowStore

if TYPE_CHECKING:
    from penstock.operators.asof_join import AsofJoin

GONE, KEPT = 0, 1
"""Words of a right row: whether it is a delete; whether it was the last one of its key before a watermark."""

CURSOR = BASE_WORDS
"""Word of a right key: used while versions are looked up."""

NONE = -1


class AsofJoinExecutor(StoredJoin):
    """Keeps left rows until their time is up, and right rows as long as they count; see `AsofJoin`."""

    keeps_nulls = True

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
        if side == 0:
            return self.layout_of(side, ordered=True, timed=True)
        return self.layout_of(side, ordered=True, timed=True, words=[0, 0], key_words=[NONE], by_time=True)

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
            rows = chosen_of(parts)
            store = self.stores[shard][side]
            put = store.put(batch.keys, columns, self.turn, chosen=rows, places=places, times=times)
            if gone is not None:
                store.own(GONE)[put.slots] = gone if rows is None else gone[rows]

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
        times = lefts.moments(slots) - self.asof.wait
        keys = rights.find(lefts.keys_of(lefts.owners(slots)))
        strategy = self.asof.strategy
        before = np.empty(len(slots), np.int32)
        after = np.empty(0 if strategy == "backward" else len(slots), np.int32)
        find_versions(
            rights.keys.table, rights.keys.first, rights.keys.first + CURSOR, rights.rows.table, rights.rows.first,
            rights.rows.first + TIME, frozen(keys), frozen(times + self.keep), before, after,
        )  # fmt: skip
        found = before
        if strategy == "forward":
            found = after
        elif strategy == "nearest":
            found = np.where(before >= 0, before, after)
            both = (before >= 0) & (after >= 0)
            versions = [rights.moments(rows[both]) - self.keep for rows in (before, after)]
            found[both] = np.where(times[both] - versions[0] <= versions[1] - times[both], before[both], after[both])
        good = found >= 0
        if self.asof.tolerance is not None:
            apart = rights.moments(found[good]) - self.keep - times[good]
            good[good] = np.abs(apart) <= self.asof.tolerance
        if self.delete is not None:
            good[good] = rights.own(GONE)[found[good]] == 0
        partners = np.where(good, found, NONE).astype(np.int32)
        if self.maker.compares and good.any():
            left = StoredRows(self.keys, 0, lefts, slots[good])
            holds = self.maker.holds(left, StoredRows(self.keys, 1, rights, partners[good]), int(good.sum()))
            partners[np.flatnonzero(good)[~holds]] = NONE
        return partners

    def _sorted(self, sent: Sequence[tuple[RowStore, RowStore, Any, Any]]) -> Iterator[Delta]:
        """Rows with their partners, in order; those of one shard are."""
        order = None
        if len(sent) > 1:
            times = np.concatenate([lefts.moments(slots) for lefts, _, slots, _ in sent])
            order = np.lexsort((np.concatenate([lefts.places(slots) for lefts, _, slots, _ in sent]), times))
        for low in range(0, sum(len(slots) for _, _, slots, _ in sent), self.most):
            if order is None:
                lefts, rights, slots, found = sent[0]
                yield self.with_partners(lefts, rights, slots[low : low + self.most], found[low : low + self.most])
            else:
                yield self._merged(sent, order[low : low + self.most])

    def _merged(self, sent: Sequence[tuple[RowStore, RowStore, Any, Any]], chosen: Any) -> Delta:
        ends = np.cumsum([len(slots) for _, _, slots, _ in sent])
        parts = np.searchsorted(ends, chosen, side="right")
        made, where = [], []
        for number, (lefts, rights, slots, found) in enumerate(sent):
            mine = np.flatnonzero(parts == number)
            if len(mine):
                rows = chosen[mine] - (ends[number] - len(slots))
                made.append(self.with_partners(lefts, rights, slots[rows], found[rows]))
                where.append(mine)
        return concat(made).take(np.argsort(np.concatenate(where)))

    def _forget(self, rights: RowStore, watermark: int) -> None:
        """Forget right rows that no left row to come will take."""
        over = rights.expired(watermark)
        if len(over) and self.asof.keep is None:
            # The last one before the watermark stays until another one takes its place; a delete need not.
            made, first = np.empty(2 * len(over), np.int32), rights.rows.first
            word = first + rights.layout.word(0)
            count = outdated_versions(
                rights.keys.table, rights.keys.first, rights.rows.table, first, first + TIME, word + KEPT,
                word + GONE if self.delete is not None else NONE, over, watermark, made,
            )  # fmt: skip
            over = made[:count]
        rights.drop(over, self.turn)

    def state_layout(self) -> Any:
        """What is kept of either side, and by which rule."""
        node = self.asof
        sides = [layout.described() for layout in self.layouts]
        rule = {"strategy": node.strategy, "tolerance": node.tolerance, "deletes": node.delete is not None}
        return {"kind": "asof_join", "how": node.how, **rule, "left": sides[0], "right": sides[1]}

    def watermark(self, incoming: Sequence[int]) -> int:
        """Held back by what waits."""
        return self.asof.held(min(incoming))
