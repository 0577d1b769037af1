"""Pairs of rows that only come, each with the later of its two rows: in the same order whatever the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta, concat
from penstock.core.lazy import np
from penstock.operators.base import Environment, StepContext
from penstock.operators.join_parts import Batch, DeltaRows, Rows, StoredRows
from penstock.operators.joining import TwoInputs
from penstock.state.rows import MOST_PAIRS, RowStore

if TYPE_CHECKING:
    from penstock.operators.join_execution import JoinExecutor

LEAST_PAIRS = 16


class OrderedPairs:
    """Pairs rows of both sides of a step, in the order in which they came."""

    def __init__(self, join: JoinExecutor) -> None:
        self.join = join

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Delta]:
        """Keep the rows of a step, and give all pairs of which one of them is the later one."""
        join = self.join
        join.turn += 1
        batches = self._batches(inputs, context)
        work = []
        for side, batch in batches:
            columns = [batch.delta.columns[name] for name in join.layouts[side].names]
            for shard, parts in join.sharded.rows(batch.keys):
                found = [np.arange(batch.delta.length, dtype=np.int32) if rows is None else rows for rows in parts]
                rows = np.concatenate(found)
                if (np.diff(batch.places[rows]) < 0).any():
                    rows = rows[np.argsort(batch.places[rows])]
                join.stores[shard][side].put(batch.keys, columns, join.turn, chosen=rows, places=batch.places)
                work.append((side, batch, rows, join.stores[shard][1 - side]))
        yield from self._in_order([(s, b, rows, p.find(b.keys, rows), p) for s, b, rows, p in work])

    def _batches(self, inputs: Sequence[Delta | None], context: StepContext) -> list[tuple[int, Batch]]:
        """The rows of both sides, each with its place in the order in which the engine took them."""
        made = []
        for side, delta in enumerate(inputs):
            if delta is not None and delta.length:
                made.append((side, self.join.batch(side, delta, context)[0]))
        total = sum(batch.delta.length for _, batch in made)
        positions = [batch.delta.positions for _, batch in made]
        ranks = np.arange(total, dtype=np.int64)
        if len(made) == 2 and None not in positions:
            sequences = np.concatenate([known.sequences() for known in positions if known is not None])
            ranks[np.argsort(sequences, kind="stable")] = np.arange(total)
        start = 0
        for _, batch in made:
            batch.places = self.join.rows + ranks[start : start + batch.delta.length]
            start += batch.delta.length
        self.join.rows += total
        return made

    def _in_order(self, work: Sequence[tuple[int, Batch, Any, Any, RowStore]]) -> Iterator[Delta]:
        if not work:
            return
        places = np.concatenate([batch.places[rows] for _, batch, rows, _, _ in work])
        fans = np.concatenate([partner.measure(slots) for *_, slots, partner in work])
        order = np.argsort(places)
        for low, high in segments(fans[order], self.join.most):
            first, last = int(places[order[low]]), int(places[order[high - 1]])
            parts: list[tuple[Delta, Any, Any]] = []
            for one in work:
                for part in self._pairs(one, first, last):
                    if high - low == 1:
                        yield part[0]  # one row with more partners than a delta should have
                    else:
                        parts.append(part)
            if parts:
                merged = concat([part for part, _, _ in parts])
                causes, others = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
                in_order = np.lexsort((others, causes))
                yield merged if bool((np.diff(in_order) == 1).all()) else merged.take(in_order)

    def _pairs(
        self, one: tuple[int, Batch, Any, Any, RowStore], first: int, last: int
    ) -> Iterator[tuple[Delta, Any, Any]]:
        """The pairs of rows with places from `first` to `last`: a delta, the places of both rows of each."""
        side, batch, rows, slots, partner = one
        join = self.join
        low, high = np.searchsorted(batch.places[rows], [first, last + 1])
        rows, slots = rows[low:high], slots[low:high]
        for probes, found in partner.probe(slots, join.most):
            mine = rows[probes]
            keep = partner.places(found) < batch.places[mine]
            if not keep.all():
                mine, found = mine[keep], found[keep]
            if join.maker.compares and len(found):
                holds = join.maker.holds(*self._sides(side, batch, mine, partner, found), len(found))
                mine, found = mine[holds], found[holds]
            if len(found):
                positions = None if batch.delta.positions is None else batch.delta.positions.take(mine)
                sides = self._sides(side, batch, mine, partner, found)
                delta = join.maker.delta(*sides, len(found), positions=positions)
                yield delta, batch.places[mine], partner.places(found)

    def _sides(self, side: int, batch: Batch, rows: Any, partner: RowStore, found: Any) -> tuple[Rows, Rows]:
        mine, other = DeltaRows(self.join.keys, side, batch, rows), StoredRows(self.join.keys, 1 - side, partner, found)
        return (mine, other) if side == 0 else (other, mine)


def segments(fans: Any, most: int) -> list[tuple[int, int]]:
    """Rows cut so that each part has at most `most` pairs; a row with more is a part of its own."""
    ends = np.cumsum(fans)
    cuts, low, done = [], 0, 0
    while low < len(fans):
        high = max(low + 1, int(np.searchsorted(ends, done + most, side="right")))
        cuts.append((low, high))
        done, low = int(ends[high - 1]), high
    return cuts


def pairs_of(environment: Environment, node: TwoInputs) -> int:
    """How many pairs one delta should have: the byte budget of a step, by the width of its rows."""
    width = 8 + 16 * len(node.columns)
    return int(max(LEAST_PAIRS, min(MOST_PAIRS, environment.step_bytes // width)))
