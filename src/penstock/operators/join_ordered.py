"""Pairs of rows that only come, each with the later of its two rows: in the same order whatever the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from penstock.core.delta import Delta, concat
from penstock.core.lazy import np
from penstock.operators.base import StepContext
from penstock.operators.join_parts import Batch, DeltaRows, Rows, StoredRows
from penstock.operators.join_state import StoredJoin
from penstock.state.rows import Put, RowStore


class Work(NamedTuple):
    """Rows of one side and shard that look for partners.

    Attributes:
        side: Of which side.
        batch: The rows.
        rows: Which of them, in the order of their places.
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


class OrderedJoin(StoredJoin):
    """A join of rows that only come: a pair comes with the later of its two rows.

    Both sides of a step are kept first; then each row takes the partners that came before it. So no pair is missed,
    none comes twice, and pairs come in the order of the rows that complete them.
    """

    def instants(self, side: int, batch: Batch) -> Any:
        """By row, the instant at which it goes; None if it stays."""
        return None

    def near(self, work: Work, mine: Any, found: Any) -> Any:
        """Of which pairs of equal keys the rows are partners; None = of all."""
        return None

    def made(self, work: Work, mine: Any, found: Any, slots: Any) -> tuple[Delta, Any]:
        """What comes out of pairs, and which of them it comes of.

        Args:
            work: Where the rows are.
            mine: By pair, the row of the batch.
            found: By pair, the stored row of the other side.
            slots: By pair, where the row of the batch is stored.
        """
        positions = None if work.batch.delta.positions is None else work.batch.delta.positions.take(mine)
        return self.maker.delta(*self._sides(work, mine, found), len(found), positions=positions), None

    def pair(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Delta]:
        """Keep the rows of a step, and give all pairs of which one of them is the later one."""
        self.turn += 1
        work: list[Work] = []
        for side, batch in self._batches(inputs, context):
            columns = [batch.delta.columns[name] for name in self.layouts[side].names]
            times = self.instants(side, batch)
            for shard, parts in self.sharded.rows(batch.keys):
                found = [np.arange(batch.delta.length, dtype=np.int32) if rows is None else rows for rows in parts]
                rows = np.concatenate(found)
                if (np.diff(batch.places[rows]) < 0).any():
                    rows = rows[np.argsort(batch.places[rows])]
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
        return made

    def _in_order(self, work: Sequence[Work]) -> Iterator[Delta]:
        if not work:
            return
        slots = [one.partner.find(one.batch.keys, one.rows) for one in work]
        places = np.concatenate([one.batch.places[one.rows] for one in work])
        fans = np.concatenate([one.partner.measure(found) for one, found in zip(work, slots, strict=True)])
        order = np.argsort(places)
        for low, high in segments(fans[order], self.most):
            first, last = int(places[order[low]]), int(places[order[high - 1]])
            parts: list[tuple[Delta, Any, Any]] = []
            for one, found in zip(work, slots, strict=True):
                for part in self._pairs(one, found, first, last):
                    if high - low == 1:
                        yield part[0]  # one row with more partners than a delta should have
                    else:
                        parts.append(part)
            if parts:
                merged = concat([part for part, _, _ in parts])
                causes, others = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
                in_order = np.lexsort((others, causes))
                yield merged if bool((np.diff(in_order) == 1).all()) else merged.take(in_order)

    def _pairs(self, work: Work, slots: Any, first: int, last: int) -> Iterator[tuple[Delta, Any, Any]]:
        """The pairs of rows with places from `first` to `last`: a delta, the places of both rows of each."""
        batch, partner = work.batch, work.partner
        low, high = np.searchsorted(batch.places[work.rows], [first, last + 1])
        for probes, found in partner.probe(slots[low:high], self.most):
            chosen = probes + low
            keep = partner.places(found) < batch.places[work.rows[chosen]]
            near = self.near(work, work.rows[chosen], found)
            keep = keep if near is None else keep & near
            if not keep.all():
                chosen, found = chosen[keep], found[keep]
            if self.maker.compares and len(found):
                holds = self.maker.holds(*self._sides(work, work.rows[chosen], found), len(found))
                chosen, found = chosen[holds], found[holds]
            if not len(found):
                continue
            mine = work.rows[chosen]
            delta, kept = self.made(work, mine, found, work.put.slots[chosen])
            if delta.length:
                causes, others = batch.places[mine], partner.places(found)
                yield (delta, causes, others) if kept is None else (delta, causes[kept], others[kept])

    def _sides(self, work: Work, rows: Any, found: Any) -> tuple[Rows, Rows]:
        mine = DeltaRows(self.keys, work.side, work.batch, rows)
        other = StoredRows(self.keys, 1 - work.side, work.partner, found)
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
