"""How a Table of last rows executes: of each key the last row of a delta, beside the row that was there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.changelog import DELETE, INSERT, UPDATE_AFTER, UPDATE_BEFORE
from penstock.core.delta import Delta
from penstock.core.errors import InvariantError
from penstock.core.lazy import np, pl
from penstock.core.timespan import NEVER
from penstock.operators.base import Environment, Executor, Loader, Output, Saver, StepContext
from penstock.operators.sharding import project
from penstock.operators.why import refuse
from penstock.state.arrangement import Arrangement
from penstock.state.kept import KeptRows
from penstock.state.keys import KeyCodec

if TYPE_CHECKING:
    from penstock.operators.as_table import AsTable

NONE = -1
GOES = "__delete"


class AsTableExecutor(Executor):
    """Keys with the slot of their row, and the rows; see `AsTable` for what it gives."""

    def __init__(self, node: AsTable, environment: Environment) -> None:
        below = node.input.schema
        self.keys, self.op, self.by, self.environment = node.keys, node.op, node.by, environment
        self.columns, self.schema = below.names, node.schema
        terms = [(GOES, node.delete)] if node.delete is not None else []
        self.projection = project(below, terms, environment) if terms else None
        fields = [below[name] for name in node.keys]
        self.codec = KeyCodec(node.keys, [f.dtype for f in fields], [f.nullable for f in fields])
        self.index = Arrangement(self.codec.layout, [NONE], seed=environment.seed)
        self.rows = KeptRows(node.schema, seed=environment.seed)
        self.touched: list[Any] = []
        self.before: list[Any] = []
        self.dropped: list[Any] = []
        self.turn = 0

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Take rows, and send what has changed at the end of the step; see `Executor.step`."""
        (delta,) = inputs
        if delta is not None and delta.length:
            given = self.projection.step(inputs, context) if self.projection else [("out", delta)]
            for port, part in given:
                if port != "out":
                    yield port, part
                elif part.length:
                    yield from self._take(part)
        if context.last and self.touched:
            made = self._flush()
            if made is not None:
                yield "out", made

    def due(self) -> int | None:
        """At once, if a step gave rows and has not ended with any."""
        return NEVER if self.touched else None

    def _take(self, delta: Delta) -> Iterator[Output]:
        if self.op is not None:
            ops = delta.columns[self.op]
            known = ops.is_in([INSERT, UPDATE_BEFORE, UPDATE_AFTER, DELETE]).fill_null(value=False)
            if not known.all():
                bad = delta.filter(~known)
                bad = bad.with_columns({name: bad.columns[name] for name in self.columns})
                yield "errors", refuse(bad, f'"{self.op}" is none of +I, -U, +U and -D', self.environment)
            delta = delta.filter(known & (ops != UPDATE_BEFORE))
        if delta.length:
            self._put(delta, self._goes(delta))

    def _goes(self, delta: Delta) -> Any:
        """By row, whether it deletes."""
        goes = np.zeros(delta.length, np.bool_)
        if self.projection is not None:
            goes |= delta.columns[GOES].cast(pl.Boolean).fill_null(value=False).to_numpy()
        if self.op is not None:
            goes |= (delta.columns[self.op] == DELETE).to_numpy()
        return goes

    def _put(self, delta: Delta, goes: Any) -> None:
        encoded = self.codec.encode([delta.columns[name] for name in self.keys], delta.length)
        found = self.index.upsert(encoded, None, self.turn)
        first = self.index.first
        self.touched.append(found.touched)
        self.before.append(self.index.table[found.touched, first].copy())
        last = _last_of(found.slots) if self.by is None else self._last_by(found.slots, delta.columns[self.by], goes)
        slots, goes = found.slots[last], goes[last]
        old = self.index.table[slots, first]
        self.dropped.append(old[old != NONE])
        self.index.table[slots[goes], first] = NONE
        comes = last[~goes]
        if len(comes):
            chosen = pl.Series(comes)
            columns = [delta.columns[name].gather(chosen) for name in self.schema.names]
            self.index.table[slots[~goes], first] = self.rows.add(columns, [], self.turn)

    def _last_by(self, slots: Any, values: pl.Series, goes: Any) -> Any:
        """The rows that are the last of their keys by a column, where the row that is there is not behind them."""
        if goes.any():
            raise InvariantError("rows that delete have no order but that of arrival")
        old = self.index.table[slots, self.index.first]
        there = np.unique(old[old != NONE])
        place = self.schema.names.index(str(self.by))
        ranks, kept = _ranks(values, self.rows.take(there)[place])
        order = np.lexsort((np.arange(len(slots)), ranks, slots))
        ends = np.flatnonzero(np.append(slots[order][1:] != slots[order][:-1], True))
        last = np.sort(order[ends])
        beside = old[last]
        has = beside != NONE
        behind = np.zeros(len(last), np.bool_)
        behind[has] = ranks[last[has]] < kept[np.searchsorted(there, beside[has])]
        return last[~behind]

    def _flush(self) -> Delta | None:
        """What has changed since the last time; every key once."""
        touched, before = np.concatenate(self.touched), np.concatenate(self.before)
        after = self.index.table[touched, self.index.first].copy()
        had, has = before != NONE, after != NONE
        moved = had & has & (before != after)
        same = had & has & (before == after)
        if moved.any():
            pairs = zip(self.rows.take(before[moved]), self.rows.take(after[moved]), strict=True)
            equal = np.ones(int(moved.sum()), np.bool_)
            for one, other in pairs:
                equal &= one.eq_missing(other).to_numpy()
            same[moved] = equal
        goes, comes = before[had & ~same], after[has & ~same]
        made = None
        if len(goes) or len(comes):
            columns = self.rows.take(np.concatenate([goes, comes]))
            signs = np.repeat(np.array([-1, 1], np.int8), [len(goes), len(comes)])
            named = dict(zip(self.schema.names, columns, strict=True))
            made = Delta(named, len(signs), diff=pl.Series("diff", signs))
        dropped = np.concatenate(self.dropped)
        if len(dropped):
            self.rows.drop(dropped, self.turn)
        if not has.all():
            self.index.delete(touched[~has], self.turn)
        self.touched, self.before, self.dropped = [], [], []
        self.turn += 1
        return made

    def state_layout(self) -> Any:
        """Keys and columns."""
        columns = [{"name": f.name, "type": str(f.dtype), "nullable": f.nullable} for f in self.schema]
        return {"kind": "as_table", "keys": list(self.keys), "columns": columns}

    def snapshot(self, saver: Saver) -> Any:
        """The rows; the index is made of them anew."""
        if self.touched:
            raise InvariantError("a step has not ended: its changes were not sent")
        saver.table("rows", self.rows.entries, self.turn)
        return {"turn": self.turn, "added": self.rows.added}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        self.turn, self.rows.added = state["turn"], state["added"]
        loader.table("rows", self.rows.entries)
        slots = self.rows.live()
        if len(slots):
            columns = dict(zip(self.schema.names, self.rows.take(slots), strict=True))
            found = self.index.upsert(self.codec.encode([columns[name] for name in self.keys]), None, self.turn)
            self.index.table[found.slots, self.index.first] = slots
            self.turn += 1

    def contents(self, limit: int) -> pl.DataFrame:
        """The rows."""
        slots = self.rows.entries.live()[:limit]
        return pl.DataFrame(self.rows.take(slots), schema=list(self.schema.names))

    def state_size(self) -> tuple[int, int]:
        """Keys and bytes."""
        return len(self.index), self.index.nbytes + self.rows.nbytes


def _last_of(slots: Any) -> Any:
    """The last row of each slot, ascending."""
    _, places = np.unique(slots[::-1], return_index=True)
    return np.sort(len(slots) - 1 - places)


def _ranks(values: pl.Series, others: pl.Series) -> tuple[Any, Any]:
    """Where values and others stand in the order of both: null first, NaN last; equal values stand together."""
    both = pl.concat([values.alias("v"), others.alias("v")])
    ranks = both.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    return ranks[: len(values)], ranks[len(values) :]
