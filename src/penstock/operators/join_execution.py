"""How regular joins execute: pairs by dL x R_old + L_new x dR, padded rows by what each row was last sent as."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np
from penstock.core.timespan import END, NEVER
from penstock.operators.base import Environment, Output, StepContext
from penstock.operators.join_ordered import OrderedJoin, Work
from penstock.operators.join_parts import Batch, Collector, DeltaRows, Rows, StoredRows, repeated
from penstock.operators.join_state import chosen_of
from penstock.operators.joining import SEMI
from penstock.operators.lives import instants_of
from penstock.plan.node import APPEND
from penstock.plan.ttl import EVENT
from penstock.state.row_layout import BASE_WORDS, RowLayout
from penstock.state.rows import RowStore
from penstock.state.slots import distinct

if TYPE_CHECKING:
    from penstock.operators.join import Join

MATCHES, SENT = 0, 1
"""Words of a row: how many partners it has (counted only under a condition); as how many rows it was sent alone."""

LASTS = 1 << 62
"""The instant at which a row goes that does not expire."""

TOTAL, WAS = BASE_WORDS, BASE_WORDS + 1
"""Words of a key: how many rows it has; how many it had when the step before ended."""


class JoinExecutor(OrderedJoin):
    """Keeps a store of rows per side and shard; see `Join` for what it gives."""

    def __init__(self, node: Join, environment: Environment) -> None:
        self.how = node.how
        self.every = node.every
        self.lives, self.clock = node.lives, node.clock
        self.context: StepContext | None = None
        self.plain = node.facts.mode == APPEND
        self.alone = (*node.padded,) if node.pairs else (True, False)
        super().__init__(node, environment)
        key = node.facts.key
        # Where each row that comes out is one row of one side, what replaces it must not overtake it.
        one_side = key is not None and node.pairs and any(self.alone) and key in (node.key_names(0), node.key_names(1))
        self.collector = Collector(None if one_side else self.most)
        self.pending = self._none_pending()

    def layout(self, side: int) -> RowLayout:
        """What is kept of a side."""
        words = [0, 0] if self.alone[side] else []
        # Rows that only come need not be found again: each is an entry of its own, without a hash of its columns. But
        # of the right side of a semi or anti join only their numbers count, if there is no condition.
        comes = (self.node.left, self.node.right)[side].facts.mode == APPEND and not self.every
        comes = comes and (self.alone[side] or self.node.pairs or self.node.condition is not None)
        return self.layout_of(side, ordered=comes, timed=self.clock is not None, words=words, key_words=[0, 0])

    def _none_pending(self) -> list[tuple[list[list[Any]], list[list[Any]]]]:
        """By shard and side: rows whose padding may differ, keys whose number of rows may."""
        return [([[], []], [[], []]) for _ in self.stores]

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Take the rows of both sides; see `Executor.step`."""
        if self.plain:
            self.context = context
            for made in self.pair(inputs, context):
                yield "out", made
            if self.clock is not None and context.last:
                self._expire(context.watermark if self.clock.clock == EVENT else context.now)
            return
        for side, delta in enumerate(inputs):
            if delta is None or not delta.length:
                continue
            batch, other = self.batch(side, delta, context)
            if other is not None and self.alone[side] and self.how != SEMI:
                yield from self._give(self._partnerless(side, other))
            if batch.delta.length:
                yield from self._take(side, batch)
        if context.last:
            yield from self._settle()

    # -- rows that expire

    def instants(self, side: int, batch: Batch) -> Any:
        """By row, the instant from which on nobody finds it."""
        if self.clock is None or self.context is None:
            return None
        batch.times = instants_of(self.clock, (self.node.left, self.node.right)[side].facts, batch.delta, self.context)
        ttl = self.lives[side]
        return np.full(batch.delta.length, LASTS, np.int64) if ttl is None else batch.times + ttl.span

    def bounds(self, work: Work, rows: Any) -> tuple[Any, Any] | None:
        """Partners are those that go later than the row comes."""
        return None if self.clock is None else (work.batch.times[rows] + 1, np.full(len(rows), LASTS, np.int64))

    def _expire(self, now: int) -> None:
        """Forget rows that no row to come can find."""
        self.turn += 1
        if NEVER < now < END:
            for sides in self.stores:
                for store in sides:
                    store.drop(store.expired(now + 1), self.turn)

    def _next(self) -> int | None:
        """The first instant at which a row goes."""
        first = [store.deadlines.first for sides in self.stores for store in sides]
        return min((instant for instant in first if instant is not None and instant < LASTS), default=None)

    def wakes(self) -> int | None:
        """When a row expires by the clock."""
        return self._next() if self.clock is not None and self.clock.clock != EVENT else None

    def _give(self, delta: Delta) -> Iterator[Output]:
        for made in self.collector.add(delta):
            yield "out", made

    def _partnerless(self, side: int, delta: Delta) -> Delta:
        """Rows whose key is null, as they come out: nothing needs to be kept for them."""
        columns = [delta.columns[name] if name else None for name in self.keys.plain[side]]
        if any(column is None for column in columns):
            columns = list(self.keys.of(side, delta, StepContext(0, 0, NEVER)))
        batch = Batch(delta, columns, None)  # type: ignore[arg-type]
        rows = DeltaRows(self.keys, side, batch, np.arange(delta.length))
        signs = np.ones(delta.length, np.int64) if batch.signs is None else batch.signs
        return self._padded(side, rows, delta.length, signs)

    def _padded(self, side: int, rows: Rows, count: int, signs: Any) -> Delta:
        left, right = (rows, None) if side == 0 else (None, rows)
        return self.maker.delta(left, right, count, signs=signs)

    # -- rows in

    def _take(self, side: int, batch: Batch) -> Iterator[Output]:
        """Keep rows of a side, and pair them with what the other side has."""
        self.turn += 1
        store_columns = [batch.delta.columns[name] for name in self.layouts[side].names]
        signs = np.ones(batch.delta.length, np.int64) if batch.signs is None else batch.signs
        places = np.arange(self.rows, self.rows + batch.delta.length, dtype=np.int64)
        self.rows += batch.delta.length
        for shard, parts in self.sharded.rows(batch.keys):
            chosen = chosen_of(parts)
            rows = np.arange(batch.delta.length, dtype=np.int32) if chosen is None else chosen
            store, partner = self.stores[shard][side], self.stores[shard][1 - side]
            put = store.put(batch.keys, store_columns, self.turn, chosen=chosen, signs=signs, places=places)
            self.pending[shard][0][side].append(put.slots)
            self.pending[shard][1][side].append(put.keys)
            np.add.at(store.key_word(TOTAL), put.keys, signs[rows])
            if not self.node.pairs and not self.maker.compares:
                continue
            fresh = self._fresh(store, put, side)
            for probes, found in partner.probe(partner.find(batch.keys, chosen), self.most):
                yield from self._changes(shard, side, batch, rows, signs, (probes, found), (put.slots, fresh))

    def _fresh(self, store: RowStore, put: Any, side: int) -> Any:
        """By row, whether it is the one for which the partners of its stored row are counted anew."""
        if self.layouts[side].ordered:
            return np.ones(len(put.slots), np.bool_)  # their slots are new, and begin with no partner
        fresh = np.zeros(len(put.slots), np.bool_)
        if self.alone[side] and self.maker.compares:
            slots, first = np.unique(put.slots, return_index=True)
            unseen = put.before[first] == 0
            store.own(MATCHES)[slots[unseen]] = 0
            fresh[first[unseen]] = True
        return fresh

    def _changes(
        self, shard: int, side: int, batch: Batch, rows: Any, signs: Any, pairs: tuple[Any, Any], mine: tuple[Any, Any]
    ) -> Iterator[Output]:
        """Pairs of rows of a delta with stored rows of the other side: count them, and send them."""
        probes, found = pairs
        store, partner = self.stores[shard][side], self.stores[shard][1 - side]
        if self.maker.compares:
            holds = self.maker.holds(*self._both(side, batch, rows[probes], partner, found), len(found))
            if not holds.all():
                probes, found = probes[holds], found[holds]
            if self.alone[side]:
                counted = mine[1][probes]
                np.add.at(store.own(MATCHES), mine[0][probes[counted]], partner.counts(found[counted]))
            if self.alone[1 - side]:
                np.add.at(partner.own(MATCHES), found, signs[rows[probes]])
                touched = distinct(found)
                partner.rows.mark_touched(touched, self.turn)
                self.pending[shard][0][1 - side].append(touched)
        if self.node.pairs and len(found):
            index, copies = repeated(np.arange(len(found)), signs[rows[probes]] * partner.counts(found))
            sides = self._both(side, batch, rows[probes[index]], partner, found[index])
            yield from self._give(self.maker.delta(*sides, len(index), signs=copies))

    def _both(self, side: int, batch: Batch, rows: Any, partner: RowStore, found: Any) -> tuple[Rows, Rows]:
        mine, other = DeltaRows(self.keys, side, batch, rows), StoredRows(self.keys, 1 - side, partner, found)
        return (mine, other) if side == 0 else (other, mine)

    # -- the end of a step

    def due(self) -> int | None:
        """At once, if a step gave rows and has not ended with any; when a row expires by event time."""
        if self.clock is not None:
            return self._next() if self.clock.clock == EVENT else None
        return NEVER if self.waits() else None

    def waits(self) -> bool:
        """Whether a step gave rows and has not ended."""
        return any(any(rows) for rows, _ in self.pending) or bool(self.collector.parts)

    def _settle(self) -> Iterator[Output]:
        """Send rows that have lost or found partners, and forget what is gone."""
        self.turn += 1
        changes: dict[int, list[tuple[int, int, Any, Any]]] = defaultdict(list)
        for shard, (rows, keys) in enumerate(self.pending):
            for side in (0, 1):
                if self.alone[side]:
                    found = self._changed(shard, side, rows[side], keys[1 - side])
                    for sign in (-1, 1):
                        some = np.sign(found[1]) == sign
                        if some.any():
                            changes[sign].append((shard, side, found[0][some], found[1][some]))
        for shard, side, slots, copies in [*changes[-1], *changes[1]]:
            yield from self._alone(shard, side, slots, copies)
        for shard, (rows, keys) in enumerate(self.pending):
            for side, store in enumerate(self.stores[shard]):
                self._forget(store, rows[side], keys[side])
        for made in self.collector.flush():
            yield "out", made
        self.pending = self._none_pending()
        self.turn += 1

    def _changed(self, shard: int, side: int, touched: list[Any], keys: list[Any]) -> tuple[Any, Any]:
        """Rows of a side that come out alone otherwise than before, and how many times more or less."""
        store, partner = self.stores[shard][side], self.stores[shard][1 - side]
        if keys and not self.maker.compares:
            others = np.concatenate(keys)
            totals = [partner.key_word(word)[others] for word in (TOTAL, WAS)]
            now, was = totals if self.every else [total > 0 for total in totals]
            turned = distinct(others[now != was])
            touched = [*touched, *(rows for _, rows in store.probe(store.find(partner.keys_of(turned))))]
        if not touched:
            return np.empty(0, np.int32), np.empty(0, np.int64)
        slots = distinct(np.concatenate(touched))
        wanted = self._wanted(store, partner, slots)
        change = wanted - store.own(SENT)[slots]
        store.own(SENT)[slots] = wanted
        store.rows.mark_touched(slots, self.turn)
        return slots[change != 0], change[change != 0]

    def _wanted(self, store: RowStore, partner: RowStore, slots: Any) -> Any:
        """As how many rows each of some rows should come out alone."""
        counts = store.counts(slots)
        if self.maker.compares:
            partners = store.own(MATCHES)[slots]
        else:
            found = partner.find(store.keys_of(store.owners(slots)))
            partners = np.where(found >= 0, partner.key_word(TOTAL)[found], 0)
        if self.every:
            both = np.minimum(counts, partners)
            return both if self.how == SEMI else counts - both
        return np.where((partners > 0) == (self.how == SEMI), counts, 0)

    def _alone(self, shard: int, side: int, slots: Any, copies: Any) -> Iterator[Output]:
        store = self.stores[shard][side]
        index, signs = repeated(slots, copies)
        for low in range(0, len(index), self.most):
            rows = StoredRows(self.keys, side, store, index[low : low + self.most])
            part = signs[low : low + self.most]
            yield from self._give(self._padded(side, rows, len(part), part))

    def _forget(self, store: RowStore, rows: list[Any], keys: list[Any]) -> None:
        """Note how many rows keys have, and forget rows that are gone. The step has touched all of these already."""
        if keys:
            slots = np.concatenate(keys)
            store.key_word(WAS)[slots] = store.key_word(TOTAL)[slots]
        if rows and not store.layout.ordered:
            slots = np.concatenate(rows)
            store.drop(distinct(slots[store.counts(slots) == 0]), self.turn)

    def state_layout(self) -> Any:
        """What is kept of either side, and for which form."""
        sides = [layout.described() for layout in self.layouts]
        every = {"every": True} if self.every else {}
        counted = {"counted": self.maker.compares, **every}
        return {"kind": "join", "how": self.how, **counted, "left": sides[0], "right": sides[1]}
