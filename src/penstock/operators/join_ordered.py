"""Pairs of rows that only come, each with the later of its two rows: in the same order whatever the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from penstock.core.delta import Delta, Positions
from penstock.core.lazy import np
from penstock.operators.base import StepContext
from penstock.operators.join_parts import Batch, DeltaRows, MergedRows, Rows, StoredRows
from penstock.operators.join_state import StoredJoin, chosen_of
from penstock.state.row_parts import Put
from penstock.state.rows import RowStore


class Work(NamedTuple):
    """Rows of one side and shard that look for partners.

    Attributes:
        side: Of which side.
        batch: The rows.
        rows: Which of them, in the order of their places; None if all are in order.
        put: Where they are kept.
        store: The store of their own side.
        partner: The store of the other side.
    """

    side: int
    batch: Batch
    rows: Any
    put: Put
    store: RowStore
    partner: RowStore

    def places(self) -> Any:
        """The places of the rows, ascending."""
        return self.batch.places if self.rows is None else self.batch.places[self.rows]


class Pairs(NamedTuple):
    """Pairs of rows, of which one is of this step and was stored by it.

    Attributes:
        work: Where the rows are.
        mine: By pair, the row of the batch, ascending by place.
        found: By pair, the slot of the row of the other side, of each row the oldest first.
        slots: By pair, the slot of the row of the batch.
    """

    work: Work
    mine: Any
    found: Any
    slots: Any

    def some(self, chosen: Any) -> Pairs:
        """Some of them."""
        return Pairs(self.work, self.mine[chosen], self.found[chosen], self.slots[chosen])

    def positions(self) -> Positions | None:
        """Where the rows of the batch came from."""
        known = self.work.batch.delta.positions
        return None if known is None else known.take(self.mine)

    def lefts(self) -> tuple[RowStore, Any]:
        """The left rows of the pairs: their store, and their slots in it."""
        return (self.work.store, self.slots) if self.work.side == 0 else (self.work.partner, self.found)


class OrderedJoin(StoredJoin):
    """A join of rows that only come: a pair comes with the later of its two rows.

    Both sides of a step are kept first; then each row takes the partners that came before it. So no pair is missed,
    none comes twice, and pairs come in the order of the rows that complete them.
    """

    def instants(self, side: int, batch: Batch) -> Any:
        """By row, the instant at which it goes; None if it stays."""
        return None

    def bounds(self, work: Work, rows: Any) -> tuple[Any, Any] | None:
        """By row of a batch, the first and last instant (as stored) of its partners; None if any will do."""
        return None

    def paired(self, pairs: Pairs) -> Pairs | None:
        """Told of pairs once they are known; those that come out, or None."""
        return pairs

    def sides(self, left: Rows, right: Rows) -> tuple[Rows | None, Rows | None]:
        """What of pairs comes out."""
        return left, right

    def pair(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Delta]:
        """Keep the rows of a step, and give all pairs of which one of them is the later one."""
        self.turn += 1
        work: list[Work] = []
        for side, batch in self._batches(inputs, context):
            columns = [batch.delta.columns[name] for name in self.layouts[side].names]
            times = self.instants(side, batch)
            for shard, parts in self.sharded.rows(batch.keys):
                rows = chosen_of(parts)
                places = batch.places if rows is None else batch.places[rows]
                if (np.diff(places) < 0).any():
                    order = np.argsort(places).astype(np.int32)
                    rows = order if rows is None else rows[order]
                store, partner = self.stores[shard][side], self.stores[shard][1 - side]
                put = store.put(batch.keys, columns, self.turn, chosen=rows, places=batch.places, times=times)
                work.append(Work(side, batch, rows, put, store, partner))
        yield from self._in_order(work)

    def _batches(self, inputs: Sequence[Delta | None], context: StepContext) -> list[tuple[int, Batch]]:
        """The rows of both sides, each with its place in the order in which the engine took them."""
        made = []
        for side, delta in enumerate(inputs):
            if delta is not None and delta.length:
                made.append((side, self.batch(side, delta, context)[0]))
        total = sum(batch.delta.length for _, batch in made)
        positions = [batch.delta.positions for _, batch in made]
        ranks = np.arange(total, dtype=np.int64)
        if len(made) == 2 and None not in positions:
            sequences = np.concatenate([known.sequences() for known in positions if known is not None])
            ranks[np.argsort(sequences, kind="stable")] = np.arange(total)
        start = 0
        for _, batch in made:
            batch.places = self.rows + ranks[start : start + batch.delta.length]
            start += batch.delta.length
        self.rows += total
        return [(side, batch) for side, batch in made if batch.delta.length]

    def _in_order(self, work: Sequence[Work]) -> Iterator[Delta]:
        """The pairs, in order of the later row, then of the earlier one; at most `most` in a delta."""
        if not work:
            return
        slots = [one.partner.find(one.batch.keys, one.rows) for one in work]
        fans = [one.partner.measure(found) for one, found in zip(work, slots, strict=True)]
        if sum(int(one.sum()) for one in fans) <= self.most:
            yield from self._joined([self._pairs(one, found) for one, found in zip(work, slots, strict=True)])
            return
        places = [one.places() for one in work]
        order = np.argsort(np.concatenate(places))
        every, fan = np.concatenate(places)[order], np.concatenate(fans)[order]
        for low, high in segments(fan, self.most):
            parts = []
            for one, found, mine in zip(work, slots, places, strict=True):
                first, last = np.searchsorted(mine, [every[low], every[high - 1] + 1])
                if first < last and high - low == 1:
                    for some in self._pairs(one, found, int(first), int(last)):
                        yield from self._joined([[some]])  # one row with more partners than a delta should have
                elif first < last:
                    parts.append(self._pairs(one, found, int(first), int(last)))
            yield from self._joined(parts)

    def _joined(self, parts: Sequence[Iterator[Pairs] | list[Pairs]]) -> Iterator[Delta]:
        """Pairs from several places as one delta."""
        found = [pairs for part in parts for pairs in part]
        if not found:
            return
        if len(found) == 1:
            order = None
        else:
            causes = np.concatenate([pairs.work.batch.places[pairs.mine] for pairs in found])
            order = np.argsort(causes, kind="stable")
        count = sum(len(pairs.mine) for pairs in found)
        taken = [pairs.positions() for pairs in found]
        known = [positions for positions in taken if positions is not None]
        positions = None
        if len(known) == len(taken):
            positions = known[0] if order is None else Positions.concat(known).take(order)
        sides = self.sides(*self._merged(found, order))
        yield self.maker.delta(*sides, count, positions=positions)

    def _merged(self, found: Sequence[Pairs], order: Any) -> tuple[Rows, Rows]:
        if order is None:
            return self._sides(found[0])
        store, partner = found[0].work.store, found[0].work.partner
        if all(pairs.work.store in (store, partner) for pairs in found):
            # All rows of the step are stored, so that both sides of all pairs are read from the same two stores.
            stores = (store, partner) if found[0].work.side == 0 else (partner, store)
            mine = [pairs.lefts()[1] for pairs in found]
            others = [pairs.found if pairs.work.side == 0 else pairs.slots for pairs in found]
            return (
                StoredRows(self.keys, 0, stores[0], np.concatenate(mine)[order]),
                StoredRows(self.keys, 1, stores[1], np.concatenate(others)[order]),
            )
        sides = [self._sides(pairs) for pairs in found]
        lefts = MergedRows(self.keys, 0, [left for left, _ in sides], order)
        return lefts, MergedRows(self.keys, 1, [right for _, right in sides], order)

    def _pairs(self, work: Work, slots: Any, low: int = 0, high: int | None = None) -> Iterator[Pairs]:
        """The pairs of some of the rows of a batch."""
        high = len(slots) if high is None else high
        rows = np.arange(low, high, dtype=np.int32) if work.rows is None else work.rows[low:high]
        bounds = self.bounds(work, rows)
        for probes, found in work.partner.earlier(slots[low:high], work.batch.places[rows], self.most, bounds):
            pairs = Pairs(work, rows[probes], found, work.put.slots[probes + low])
            if self.maker.compares:
                holds = self.maker.holds(*self._sides(pairs), len(found))
                pairs = pairs if holds.all() else pairs.some(holds)
            wanted = self.paired(pairs) if len(pairs.mine) else None
            if wanted is not None and len(wanted.mine):
                yield wanted

    def _sides(self, pairs: Pairs) -> tuple[Rows, Rows]:
        work = pairs.work
        mine = DeltaRows(self.keys, work.side, work.batch, pairs.mine)
        other = StoredRows(self.keys, 1 - work.side, work.partner, pairs.found)
        return (mine, other) if work.side == 0 else (other, mine)


def segments(fans: Any, most: int) -> list[tuple[int, int]]:
    """Rows cut so that each part has at most `most` pairs; a row with more is a part of its own."""
    ends = np.cumsum(fans)
    cuts, low, done = [], 0, 0
    while low < len(fans):
        high = max(low + 1, int(np.searchsorted(ends, done + most, side="right")))
        cuts.append((low, high))
        done, low = int(ends[high - 1]), high
    return cuts
