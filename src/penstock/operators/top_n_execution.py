"""How rankings execute: rows come and go in ordered trees, and what is shown before and after a step is compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta, consolidate
from penstock.core.errors import InvariantError
from penstock.core.lazy import np, pl
from penstock.core.timespan import NEVER
from penstock.operators.base import Environment, Executor, Loader, Output, Saver, StepContext
from penstock.plan.node import UPDATING
from penstock.state.best import Best
from penstock.state.ordered import OrderedRows

if TYPE_CHECKING:
    from penstock.operators.top_n import TopN


class TopNExecutor(Executor):
    """Ordered rows per key; see `TopN` for what it gives."""

    def __init__(self, node: TopN, environment: Environment) -> None:
        below = node.input.facts
        self.keys, self.columns, self.rank = node.keys, below.schema.names, node.rank
        self.schema, self.order = below.schema, node.order
        self.first, self.last = node.first - 1, node.last
        self.most = -1 if below.mode == UPDATING else node.last
        self.state = OrderedRows(below.schema, node.keys, node.order, environment.seed)
        self.best = Best.of(below.schema, node.order, node.last) if self.most >= 0 else None
        self.touched: list[Any] = []
        self.before: list[tuple[Any, Any]] = []
        self.dropped: list[Any] = []
        self.turn = 0

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Let rows come and go, and send what has changed at the end of the step; see `Executor.step`."""
        (delta,) = inputs
        if delta is not None and delta.length:
            self._take(delta)
        if context.last and self.touched:
            made = self._flush()
            if made is not None and made.length:
                yield "out", made

    def due(self) -> int | None:
        """At once, if a step gave rows and has not ended with any."""
        return NEVER if self.touched else None

    def _take(self, delta: Delta) -> None:
        columns = [delta.columns[name] for name in self.columns]
        found = self.state.find(columns, delta.length, self.turn)
        groups, touched = found.slots, found.touched
        if self.best is not None and delta.diff is None:
            keep, touched = self.best.enter(delta.columns[self.best.column], groups, self.turn)
            if not keep.all():
                groups, chosen = groups[keep], pl.Series(keep)
                columns = [column.filter(chosen) for column in columns]
            if not len(groups):
                return
        self.touched.append(touched)
        self.before.append(self.state.ranks(touched, self.first, self.last))
        slots = self.state.rows.add(columns, [], self.turn)
        signs = delta.diff.to_numpy() if delta.diff is not None else None
        self.dropped.append(self.state.apply(groups, slots, signs, self.most))

    def _flush(self) -> Delta | None:
        """What has changed since the last time."""
        touched = np.concatenate(self.touched)
        gone, gone_ranks = _joined(self.before)
        come, come_ranks = _joined([self.state.ranks(touched, self.first, self.last)])
        if self.rank is None:
            leaves, enters = ~np.isin(gone, come), ~np.isin(come, gone)
        else:
            leaves = ~np.isin(_pairs(gone, gone_ranks), _pairs(come, come_ranks))
            enters = ~np.isin(_pairs(come, come_ranks), _pairs(gone, gone_ranks))
        made = self._delta(gone[leaves], gone_ranks[leaves], come[enters], come_ranks[enters])
        dropped = np.concatenate(self.dropped)
        if len(dropped):
            self.state.rows.drop(dropped, self.turn)
        empty = self.state.is_empty(touched)
        if empty.any():
            self.state.index.delete(touched[empty], self.turn)
        self.touched, self.before, self.dropped = [], [], []
        self.turn += 1
        return made

    def _delta(self, gone: Any, gone_ranks: Any, come: Any, come_ranks: Any) -> Delta | None:
        if not len(gone) and not len(come):
            return None
        columns = self.state.rows.take(np.concatenate([gone, come]))
        named = dict(zip(self.columns, columns, strict=True))
        if self.rank is not None:
            ranks = np.concatenate([gone_ranks, come_ranks]) + self.first + 1
            named[self.rank] = pl.Series(self.rank, ranks, dtype=pl.Int64)
        signs = np.repeat(np.array([-1, 1], np.int8), [len(gone), len(come)])
        made = Delta(named, len(signs), diff=pl.Series("diff", signs))
        # Of rows that only come, one that goes has better ones before it, and equals none that comes (its rank may).
        return made if self.most >= 0 and self.rank is None else consolidate(made)

    def state_layout(self) -> Any:
        """Keys, columns, order, and how many rows are kept."""
        columns = [{"name": f.name, "type": str(f.dtype), "nullable": f.nullable} for f in self.schema]
        order = [str(key) for key in self.order]
        return {"kind": "top_n", "keys": list(self.keys), "columns": columns, "order": order, "rows": self.most}

    def snapshot(self, saver: Saver) -> Any:
        """The rows; keys and trees are made of them anew."""
        if self.touched:
            raise InvariantError("a step has not ended: its changes were not sent")
        saver.table("rows", self.state.rows.entries, self.turn)
        return {"turn": self.turn, "added": self.state.rows.added}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        self.turn, self.state.rows.added = state["turn"], state["added"]
        loader.table("rows", self.state.rows.entries)
        self.state.rebuild(self.turn)
        live = self.state.rows.live()
        if self.best is not None and len(live):
            columns = self.state.rows.take(live)
            groups = self.state.find(columns, len(live), self.turn).slots
            self.best.enter(columns[self.columns.index(self.best.column)], groups, self.turn)
        self.turn += 1

    def contents(self, limit: int) -> pl.DataFrame:
        """The rows that are kept."""
        slots = self.state.rows.entries.live()[:limit]
        return pl.DataFrame(self.state.rows.take(slots), schema=list(self.columns))

    def state_size(self) -> tuple[int, int]:
        """Rows and bytes."""
        return len(self.state.rows), self.state.nbytes + (self.best.nbytes if self.best is not None else 0)


def _joined(parts: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """The slots of all groups, and the rank of each in its group, from 0."""
    slots = np.concatenate([slots for _, slots in parts])
    counts = np.concatenate([np.diff(starts) for starts, _ in parts])
    ends = np.cumsum(counts)
    return slots, np.arange(len(slots), dtype=np.int64) - np.repeat(ends - counts, counts)


def _pairs(slots: Any, ranks: Any) -> Any:
    """A slot and its rank as one number: a row that stays at its rank has not changed."""
    return slots.astype(np.int64) << 32 | ranks
