"""Keyed work over shards: rows by shard, inline for small steps and on threads for large ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.expr.ast import Column, Term
from penstock.kernels.scatter import scatter, shards_of
from penstock.operators.base import Environment
from penstock.operators.stateless import Stage, StatelessExecutor
from penstock.state.aggregates import AggregateTable
from penstock.state.batch import Batch
from penstock.state.keys import Keys
from penstock.state.layout import Layout, layout_of

T = TypeVar("T")

THREADS_FROM = 1 << 15
"""Rows of a step from which threads pay (measured: `PERFORMANCE.md` 0)."""


class Sharded:
    """Runs the work of shards, and cuts large steps into as many parts for what does not depend on the key."""

    def __init__(self, environment: Environment) -> None:
        self.shards = environment.shards
        self._pool = environment.pool

    def threaded(self, rows: int) -> bool:
        """Whether a step of so many rows is worth threads."""
        return self._pool is not None and self.shards > 1 and rows >= THREADS_FROM

    def map(self, rows: int, work: Sequence[Callable[[], T]]) -> list[T]:
        """The results of all, in order; on threads if a step of so many rows is worth them."""
        if self._pool is None or len(work) < 2 or not self.threaded(rows):
            return [one() for one in work]
        futures = [self._pool.submit(one) for one in work[1:]]
        first = work[0]()
        return [first, *(future.result() for future in futures)]

    def parts(self, rows: int) -> list[tuple[int, int]]:
        """The rows of a step as ranges, one per thread."""
        if not self.threaded(rows):
            return [(0, rows)]
        bounds = [rows * i // self.shards for i in range(self.shards + 1)]
        return list(itertools.pairwise(bounds))

    def rows(self, keys: Keys) -> list[tuple[int, list[Any]]]:
        """For each shard that has any, its rows in order, part by part (None = all)."""
        if self.shards == 1:
            return [(0, [None])]
        parts = self.parts(len(keys))
        found = self.map(len(keys), [partial(self._exchange, keys, low, high) for low, high in parts])
        shards = [(shard, [rows[shard] for rows in found if len(rows[shard])]) for shard in range(self.shards)]
        return [(shard, rows) for shard, rows in shards if rows]

    def _exchange(self, keys: Keys, low: int, high: int) -> list[Any]:
        order, bounds = scatter(shards_of(keys.words[low:high], self.shards), self.shards)
        if order is None:
            order = np.arange(high - low, dtype=np.int32)
        order += np.int32(low)
        return [order[int(bounds[i]) : int(bounds[i + 1])] for i in range(self.shards)]


class KeyedLayout:
    """The layout of keyed state, which begins without room for null keys and gets it when the first one comes.

    Most columns are declared nullable and hold no null: their keys are then read without copying.
    """

    def __init__(
        self,
        schema: Schema,
        keys: Sequence[str],
        aggregates: Sequence[tuple[str, Term]],
        seed: int = 0,
        **options: Any,
    ) -> None:
        self._build = partial(layout_of, schema, keys, aggregates, **options)
        self.schema, self.keys, self.seed = schema, keys, seed
        self.wide = False
        self._nullable = [name for name in keys if schema[name].nullable]
        self.layout: Layout = self._build(nullable=False)
        self.rows = 0

    def must_widen(self, delta: Delta) -> bool:
        """Whether a delta holds the first null key."""
        return not self.wide and any(delta.columns[name].null_count() for name in self._nullable)

    def widen(self, tables: Sequence[AggregateTable], step: int) -> list[AggregateTable]:
        """Make room for null keys: the same tables, one per shard, under the new layout."""
        if not self.wide:
            self.wide = True
            self.layout = self._build(nullable=True)
        return self.spread(tables, len(tables), step)

    def spread(self, tables: Sequence[AggregateTable], shards: int, step: int) -> list[AggregateTable]:
        """The keys of some tables over as many new ones as there are shards."""
        new = [AggregateTable(self.layout, self.seed) for _ in range(shards)]
        for table in tables:
            table.spread(new, step)
        return new

    def batch(self, delta: Delta, places: Any = None) -> Batch:
        """The rows of a projected delta, ready to be folded.

        Args:
            delta: The rows.
            places: The place of each row among all rows that the operator has taken, if it was taken before.
        """
        encoded = self.layout.codec.encode([delta.columns[name] for name in self.keys], delta.length)
        signs = delta.diff.to_numpy() if delta.diff is not None else None
        first = self.rows
        if places is None:
            self.rows += delta.length
        return Batch(encoded, delta.columns, delta.length, signs, first, places)

    def described(self) -> dict[str, Any]:
        """What must be equal for state to be usable, as JSON."""
        fields = [self.schema[name] for name in self.keys]
        keys = [{"name": f.name, "type": str(f.dtype), "nullable": f.nullable} for f in fields]
        return {"keys": keys, "aggregates": self.layout.aggregates()}

    def snapshot(self) -> dict[str, Any]:
        """What it knows besides the tables, as JSON."""
        return {"rows": self.rows, "wide": self.wide}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot, before any table is made."""
        self.rows = state["rows"]
        if state["wide"]:
            self.wide, self.layout = True, self._build(nullable=True)


def project(schema: Schema, terms: Sequence[tuple[str, Term]], environment: Environment) -> StatelessExecutor:
    """Adds computed terms to the rows of a schema; rows that fail in one leave by `errors`."""
    passed = tuple((name, Column(name)) for name in schema.names)
    made = StatelessExecutor([Stage(columns=(*passed, *terms))], schema, environment)
    made.changes_rows = False  # all columns are passed on: rows that differ below still do
    return made


def contents_of(tables: Iterable[AggregateTable], schema: Schema, limit: int) -> pl.DataFrame:
    """Keys and results of tables, as a frame of a schema of keys and then aggregates."""
    frames = [pl.DataFrame(schema=schema.to_polars())]
    for table in tables:
        slots = table.keys.live()[: limit - sum(frame.height for frame in frames)]
        if len(slots):
            columns = [*table.key_columns(slots), *table.results(slots).columns]
            frames.append(pl.DataFrame([c.series(f.name, f.dtype) for f, c in zip(schema, columns, strict=True)]))
    return pl.concat(frames)
