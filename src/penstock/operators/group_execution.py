"""How running aggregates execute: fold, compare what touched keys were with what they are, send the change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.operators.base import Environment, Executor, Output, StepContext
from penstock.operators.sharding import Sharded, project, rows_by_shard
from penstock.plan.node import UPDATING
from penstock.state.aggregates import AggregateTable, Batch, Before, check_counts, layout_of
from penstock.state.arrangement import Touched

if TYPE_CHECKING:
    from penstock.operators.group import Group


@dataclass
class Change:
    """What one shard sends: the keys touched, what goes and what comes.

    Attributes:
        first_row: For each key, the row that touched it first.
        old: Rows that go, and which of the keys they belong to.
        new: Rows that come, likewise.
    """

    first_row: Any
    old: tuple[list[pl.Series], Any]
    new: tuple[list[pl.Series], Any]


class GroupExecutor(Executor):
    """Keeps one table per shard; see `Group` for what it gives."""

    def __init__(self, node: Group, environment: Environment) -> None:
        below = node.input.facts
        self.updating = below.mode == UPDATING
        self.names = node.schema.names
        self.keys = node.keys
        self.layout = layout_of(below.schema, node.keys, node.aggregates, updating=self.updating)
        self.projection = project(below.schema, self.layout.projection, environment)
        self.sharded = Sharded(environment)
        self.tables = [AggregateTable(self.layout, environment.seed) for _ in range(environment.shards)]

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Fold the rows of a step and send at most one change per key; see `Executor.step`."""
        for port, delta in self.projection.step(inputs, context):
            if port != "out":
                yield port, delta
            elif delta.length:
                changes = self._changes(delta, context.step)
                if changes.length:
                    yield "out", changes

    def _changes(self, delta: Delta, step: int) -> Delta:
        batch = batch_of(delta, self.layout.codec, self.keys)
        parts = rows_by_shard(batch.keys, len(self.tables))
        changes = self.sharded.map(
            delta.length, [(lambda i=i, rows=rows: self._fold(i, batch, rows, step)) for i, rows in parts]
        )
        return self._delta(changes)

    def _fold(self, shard: int, batch: Batch, rows: Any, step: int) -> Change:
        table = self.tables[shard]
        touched, before = table.fold(batch, rows, step, before=True)
        assert before is not None
        return self._compare(table, touched, before, step)

    def _compare(self, table: AggregateTable, touched: Touched, before: Before, step: int) -> Change:
        slots = touched.touched
        after = table.results(slots)
        earlier = table.results_before(before)
        keys = table.key_columns(slots)
        existing = before.existing
        alive = np.ones(len(slots), np.bool_)
        if self.updating:
            counts = table.counts(slots)
            check_counts(counts)
            alive = counts > 0
        same = np.zeros(len(slots), np.bool_)
        same[existing] = _equal([s.filter(pl.Series(existing)) for s in after], earlier)
        old = existing & ~(same & alive)
        new = alive & ~same
        old_mask, new_mask = pl.Series(old), pl.Series(new)
        gone = old_mask.filter(pl.Series(existing))
        change = Change(
            touched.first_row,
            ([*(k.filter(old_mask) for k in keys), *(s.filter(gone) for s in earlier)], np.flatnonzero(old)),
            ([*(k.filter(new_mask) for k in keys), *(s.filter(new_mask) for s in after)], np.flatnonzero(new)),
        )
        if not alive.all():
            table.delete(slots[~alive], step)
        return change

    def _delta(self, changes: Sequence[Change]) -> Delta:
        """All that goes, then all that comes, each in order of the keys' first rows."""
        old = [(c.old[0], c.first_row[c.old[1]]) for c in changes if len(c.old[1])]
        new = [(c.new[0], c.first_row[c.new[1]]) for c in changes if len(c.new[1])]
        halves = [(_in_order(part), sign) for part, sign in ((old, -1), (new, 1)) if part]
        columns = {
            name: (halves[0][0][i] if len(halves) == 1 else pl.concat([half[i] for half, _ in halves])).alias(name)
            for i, name in enumerate(self.names)
        } if halves else {}  # fmt: skip
        lengths = [len(half[0]) for half, _ in halves]
        signs = [pl.Series("diff", [s], dtype=pl.Int8).new_from_index(0, n) for (_, s), n in zip(halves, lengths, strict=True)]
        return Delta(columns, sum(lengths), diff=pl.concat(signs) if signs else None)

    def state_size(self) -> tuple[int, int]:
        """Keys and bytes."""
        return sum(map(len, self.tables)), sum(table.nbytes for table in self.tables)


def _in_order(parts: Sequence[tuple[list[pl.Series], Any]]) -> list[pl.Series]:
    if len(parts) == 1:
        return parts[0][0]
    order = pl.Series(np.argsort(np.concatenate([rows for _, rows in parts]), kind="stable"))
    width = len(parts[0][0])
    return [pl.concat([columns[i] for columns, _ in parts]).gather(order) for i in range(width)]


def _equal(one: Sequence[pl.Series], other: Sequence[pl.Series]) -> Any:
    """By row, whether all columns are equal: null equals null and NaN equals NaN."""
    result: Any = None
    for a, b in zip(one, other, strict=True):
        same = a.eq_missing(b)
        result = same if result is None else result & same
    return True if result is None else result.to_numpy()


def batch_of(delta: Delta, codec: Any, keys: Sequence[str]) -> Batch:
    """The rows of a projected delta, ready to be folded."""
    encoded = codec.encode([delta.columns[name] for name in keys], delta.length)
    signs = delta.diff.to_numpy() if delta.diff is not None else None

    def sequences() -> Any:
        if delta.positions is None:
            return np.arange(delta.length, dtype=np.int64)
        return delta.positions.sequences()

    return Batch(encoded, delta.columns, delta.length, signs, sequences)
