"""How running aggregates execute: fold, compare what touched keys were with what they are, send the change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.operators.base import Environment, Executor, Output, StepContext
from penstock.operators.sharding import KeyedLayout, Sharded, project, rows_by_shard
from penstock.plan.node import UPDATING
from penstock.state import raw
from penstock.state.aggregates import AggregateTable, Before, check_counts
from penstock.state.arrangement import Touched
from penstock.state.batch import Batch
from penstock.state.raw import Raw

if TYPE_CHECKING:
    from penstock.operators.group import Group


@dataclass
class Change:
    """What one shard sends: rows that go and rows that come, each with the row that first touched its key.

    Attributes:
        old: Columns of rows that go.
        old_rows: By such a row, the row of the delta that touched its key first.
        new: Columns of rows that come.
        new_rows: Likewise.
    """

    old: list[Raw]
    old_rows: Any
    new: list[Raw]
    new_rows: Any


class GroupExecutor(Executor):
    """Keeps one table per shard; see `Group` for what it gives."""

    def __init__(self, node: Group, environment: Environment) -> None:
        below = node.input.facts
        self.updating = below.mode == UPDATING
        self.schema = node.schema
        self.keyed = KeyedLayout(below.schema, node.keys, node.aggregates, updating=self.updating)
        self.projection = project(below.schema, self.keyed.layout.projection, environment)
        self.sharded = Sharded(environment)
        self.tables = [AggregateTable(self.keyed.layout, environment.seed) for _ in range(environment.shards)]

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Fold the rows of a step and send at most one change per key; see `Executor.step`."""
        for port, delta in self.projection.step(inputs, context):
            if port != "out":
                yield port, delta
            elif delta.length:
                changes = self._changes(delta, context.step)
                if changes is not None:
                    yield "out", changes

    def _changes(self, delta: Delta, step: int) -> Delta | None:
        if self.keyed.must_widen(delta):
            # As of the step before: keys that this step goes on to touch must count as touched by it.
            self.tables = self.keyed.widen(self.tables, max(step - 1, 0))
        batch = self.keyed.batch(delta)
        parts = rows_by_shard(batch.keys, len(self.tables))
        work = [(lambda i=i, rows=rows: self._fold(self.tables[i], batch, rows, step)) for i, rows in parts]
        return self._delta(self.sharded.map(delta.length, work))

    def _fold(self, table: AggregateTable, batch: Batch, rows: Any, step: int) -> Change:
        touched, before = table.fold(batch, rows, step, before=True)
        assert before is not None
        return self._compare(table, touched, before, step)

    def _compare(self, table: AggregateTable, touched: Touched, before: Before, step: int) -> Change:
        slots, existing = touched.touched, before.existing
        keys, after, earlier = table.key_columns(slots), table.results(slots), table.results_before(before)
        alive = np.ones(len(slots), np.bool_)
        if self.updating:
            counts = table.counts(slots)
            check_counts(counts)
            alive = counts > 0
        same = np.zeros(len(slots), np.bool_)
        if len(before.words):
            same[existing] = _equal([one.take(existing) for one in after], earlier)
        goes, comes = existing & ~(same & alive), alive & ~same
        gone = goes[existing]
        change = Change(
            [*(k.take(goes) for k in keys), *(one.take(gone) for one in earlier)],
            touched.first_row[goes],
            [*(k.take(comes) for k in keys), *(one.take(comes) for one in after)],
            touched.first_row[comes],
        )
        if self.updating and not alive.all():
            table.delete(slots[~alive], step)
        return change

    def _delta(self, changes: Sequence[Change]) -> Delta | None:
        """All that goes, then all that comes, each in order of the keys' first rows."""
        old = _in_order([(c.old, c.old_rows) for c in changes if len(c.old_rows)])
        new = _in_order([(c.new, c.new_rows) for c in changes if len(c.new_rows)])
        if old is None and new is None:
            return None
        halves = [half for half in (old, new) if half is not None]
        signs = np.concatenate([np.full(len(half[1]), sign, np.int8) for half, sign in ((old, -1), (new, 1)) if half])
        columns = {
            field.name: raw.concat([half[0][i] for half in halves]).series(field.name, field.dtype)
            for i, field in enumerate(self.schema)
        }
        return Delta(columns, len(signs), diff=pl.Series("diff", signs))

    def state_size(self) -> tuple[int, int]:
        """Keys and bytes."""
        return sum(map(len, self.tables)), sum(table.nbytes for table in self.tables)


def _in_order(parts: Sequence[tuple[list[Raw], Any]]) -> tuple[list[Raw], Any] | None:
    """The rows of all shards in order of the rows that first touched their keys."""
    if len(parts) < 2:
        return parts[0] if parts else None
    rows = np.concatenate([rows for _, rows in parts])
    order = np.argsort(rows, kind="stable")
    width = len(parts[0][0])
    return [raw.concat([columns[i] for columns, _ in parts]).take(order) for i in range(width)], rows


def _equal(one: Sequence[Raw], other: Sequence[Raw]) -> Any:
    """By row, whether all columns are equal."""
    result: Any = True
    for a, b in zip(one, other, strict=True):
        result = result & raw.equal(a, b)
    return result
