"""How running aggregates execute: fold, compare what touched keys were with what they are, send the change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.errors import InvariantError
from penstock.core.lazy import np, pl
from penstock.core.timespan import NEVER
from penstock.operators.aggregation import unfit_reason
from penstock.operators.base import Environment, Executor, Loader, Output, Saver, StepContext
from penstock.operators.lives import TAKEN_BACK, instants_of
from penstock.operators.sharding import KeyedLayout, Sharded, contents_of
from penstock.operators.user_trials import TriedProjection
from penstock.operators.why import refuse
from penstock.plan.node import UPDATING
from penstock.plan.ttl import EVENT
from penstock.state import raw
from penstock.state.aggregates import Before, check_counts
from penstock.state.batch import Batch
from penstock.state.expiry import earliest
from penstock.state.leaving import leaving
from penstock.state.raw import Raw

if TYPE_CHECKING:
    from penstock.operators.group import Group


@dataclass
class Touch:
    """Keys that a step touched for the first time.

    Attributes:
        slots: Their slots.
        places: For each, the place of the row that touched it among all rows that the operator has taken.
        before: What they were.
    """

    slots: Any
    places: Any
    before: Before


@dataclass
class FoldResult:
    """What became of the rows of one shard; each list has arrays of rows.

    Attributes:
        left: Rows after which their key had no result any more.
        refused: Rows that take back what is not there.
        stale: Rows whose key had expired before them: not folded yet.
        stopped: The slots of these keys.
    """

    left: list[Any] = field(default_factory=list)
    refused: list[Any] = field(default_factory=list)
    stale: list[Any] = field(default_factory=list)
    stopped: list[Any] = field(default_factory=list)


@dataclass
class Change:
    """What one shard sends: rows that go and rows that come, each with the row that first touched its key.

    Attributes:
        old: Columns of rows that go.
        old_rows: By such a row, the place of the row that touched its key first.
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
        self.schema, self.columns = node.schema, below.schema.names
        self.environment, self.unfit = environment, unfit_reason(node.aggregates)
        self.ttl, self.below = node.ttl, below
        self.keyed = KeyedLayout(
            below.schema,
            node.keys,
            node.aggregates,
            environment.seed,
            updating=self.updating,
            ttl=node.ttl.span if node.ttl is not None else None,
        )
        self.projection = TriedProjection(below.schema, self.keyed.layout, environment)
        self.sharded = Sharded(environment)
        self.tables = self.keyed.spread([], environment.shards, 0)
        self.pending: list[list[Touch]] = [[] for _ in self.tables]
        self.rows = 0
        self.turn = 0

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Fold the rows of a step and send at most one change per key; see `Executor.step`."""
        for port, delta in self.projection.step(inputs, context):
            if port != "out":
                yield port, delta
            elif delta.length:
                if self.keyed.must_widen(delta):
                    yield from self._flush()
                    self.tables = self.keyed.widen(self.tables, self.turn)
                    self.turn += 1
                yield from self._take(delta, context)
        if context.last:
            yield from self._flush()
            if self.ttl is not None:
                now = context.watermark if self.ttl.clock == EVENT else context.now
                for table in self.tables:
                    table.expire(now, self.turn)
                self.turn += 1

    def _take(self, delta: Delta, context: StepContext) -> Iterator[Output]:
        """Fold rows; what their keys were before the step is kept until its last delta.

        Rows whose keys had expired before them are folded again, once these keys are gone: in as many rounds as there
        are lives of one key among them.
        """
        batch = self.keyed.batch(delta)
        if self.ttl is not None:
            batch.instants = instants_of(self.ttl, self.below, delta, context)
        shards = self.sharded.rows(batch.keys)
        while shards:
            work = [partial(self._fold, i, batch, parts, self.turn) for i, parts in shards]
            folded = self.sharded.map(delta.length, work)
            self.rows += delta.length
            for reason, found in (
                (self.unfit, [one.left for one in folded]),
                (TAKEN_BACK, [f.refused for f in folded]),
            ):
                rows = [part for parts in found for part in parts if len(part)]
                if rows:
                    chosen = delta.with_columns({name: delta.columns[name] for name in self.columns})
                    yield "errors", refuse(chosen.take(np.sort(np.concatenate(rows))), reason, self.environment)
            shards = [(i, one.stale) for (i, _), one in zip(shards, folded, strict=True) if one.stale]
            if shards:
                yield from self._flush()
                for (i, _), one in zip(shards, [one for one in folded if one.stale], strict=True):
                    self.tables[i].delete(np.unique(np.concatenate(one.stopped)), self.turn)

    def _fold(self, shard: int, batch: Batch, parts: Sequence[Any], step: int) -> FoldResult:
        result = FoldResult()
        for rows in parts:
            table = self.tables[shard]
            touched, before = table.fold(batch, rows, step, before=True)
            assert before is not None
            self.pending[shard].append(Touch(touched.touched, touched.first_row + batch.first, before))
            counted = rows
            if before.admitted is not None:
                counted = before.admitted.rows
                result.refused.append(before.admitted.refused)
                if len(before.admitted.stale):
                    result.stale.append(before.admitted.stale)
                    result.stopped.append(before.admitted.stopped)
            if before.outside:
                result.left.append(leaving(table, batch, counted, touched, before))
        return result

    def due(self) -> int | None:
        """At once, if a step gave rows and has not ended with any; else when keys expire by event time."""
        if any(self.pending):
            return NEVER
        return earliest(self.tables) if self.ttl is not None and self.ttl.clock == EVENT else None

    def wakes(self) -> int | None:
        """When keys expire by processing time: then their memory is freed."""
        return earliest(self.tables) if self.ttl is not None and self.ttl.clock != EVENT else None

    def _flush(self) -> Iterator[Output]:
        """What has changed since the last time; a key that is touched after that is touched anew."""
        work = [partial(self._compare, i, self.turn) for i, touches in enumerate(self.pending) if touches]
        changes = self._delta(self.sharded.map(self.rows, work))
        self.pending = [[] for _ in self.tables]
        self.rows = 0
        self.turn += 1
        if changes is not None:
            yield "out", changes

    def _compare(self, shard: int, step: int) -> Change:
        table, touch = self.tables[shard], _joined(self.pending[shard])
        before = touch.before
        slots, existing = touch.slots, before.existing
        (keys, after), earlier = table.rows(slots), table.results_before(before)
        alive = np.ones(len(slots), np.bool_)
        if self.updating:
            counts = table.counts(slots)
            check_counts(counts)
            alive = counts > 0
        had, has = existing, alive  # of which keys there was a row, and of which there is one
        if earlier.fits is not None:
            had = existing.copy()
            had[existing] = earlier.fits
        if after.fits is not None:
            has = alive & after.fits
        same = np.zeros(len(slots), np.bool_)
        if len(before.words):
            same[existing] = _equal([one.take(existing) for one in after.columns], earlier.columns)
            same &= had
        goes, comes = had & ~(same & has), has & ~same
        gone = goes[existing]
        change = Change(
            [*(k.take(goes) for k in keys), *(one.take(gone) for one in earlier.columns)],
            touch.places[goes],
            [*(k.take(comes) for k in keys), *(one.take(comes) for one in after.columns)],
            touch.places[comes],
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

    def state_layout(self) -> Any:
        """Keys and aggregates, and by which time keys expire; not how long they are kept."""
        ttl = {"ttl": self.ttl.clock} if self.ttl is not None else {}
        return {"kind": "group", "updating": self.updating, **ttl, **self.keyed.described()}

    def snapshot(self, saver: Saver) -> Any:
        """A table per shard, and how far it has counted."""
        if any(self.pending):
            raise InvariantError("a step has not ended: its changes were not sent")
        for shard, table in enumerate(self.tables):
            table.save(saver, str(shard), self.turn)
        return {"shards": len(self.tables), "turn": self.turn, **self.keyed.snapshot()}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`; keys move if there are more shards or fewer."""
        self.keyed.restore(state)
        self.turn = state["turn"]
        shards, tables = len(self.tables), self.keyed.spread([], state["shards"], 0)
        for shard, table in enumerate(tables):
            table.load(loader, str(shard))
        if len(tables) != shards:
            tables = self.keyed.spread(tables, shards, self.turn)
            self.turn += 1
        self.tables = tables

    def contents(self, limit: int) -> pl.DataFrame:
        """Keys, and what their aggregates are."""
        return contents_of(self.tables, self.schema, limit)

    def state_size(self) -> tuple[int, int]:
        """Keys and bytes."""
        return sum(map(len, self.tables)), sum(table.nbytes for table in self.tables)


def _joined(touches: Sequence[Touch]) -> Touch:
    """The touches of all deltas of a step: each key is in one of them only."""
    if len(touches) == 1:
        return touches[0]
    befores = [touch.before for touch in touches]
    kept = {i: raw.concat([before.kept[i] for before in befores]) for i in befores[0].kept}
    before = Before(np.concatenate([b.existing for b in befores]), np.concatenate([b.words for b in befores]), kept)
    return Touch(
        np.concatenate([touch.slots for touch in touches]), np.concatenate([touch.places for touch in touches]), before
    )


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
