"""Keyed work over shards: rows by shard, inline for small steps and on threads for large ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from penstock.core.lazy import np
from penstock.core.schema import Schema
from penstock.expr.ast import Column, Term
from penstock.kernels.scatter import scatter, shards_of
from penstock.operators.base import Environment
from penstock.operators.stateless import Stage, StatelessExecutor
from penstock.state.keys import Keys

T = TypeVar("T")

THREADS_FROM = 1 << 15
"""Rows of a step from which threads pay (measured: `PERFORMANCE.md` 0)."""


class Sharded:
    """Runs the work of shards."""

    def __init__(self, environment: Environment) -> None:
        self._pool = environment.pool

    def map(self, rows: int, work: Sequence[Callable[[], T]]) -> list[T]:
        """The results of all, in order; a step of `rows` rows decides whether threads are used."""
        if self._pool is None or rows < THREADS_FROM or len(work) < 2:
            return [one() for one in work]
        futures = [self._pool.submit(one) for one in work[1:]]
        first = work[0]()
        return [first, *(future.result() for future in futures)]


def rows_by_shard(keys: Keys, shards: int) -> list[tuple[int, Any]]:
    """For each shard that has any, its rows (None = all)."""
    if shards == 1:
        return [(0, None)]
    order, bounds = scatter(shards_of(keys.words, shards), shards)
    if order is None:
        return [(int(np.flatnonzero(np.diff(bounds))[0]), None)]
    found = [(i, order[int(bounds[i]) : int(bounds[i + 1])]) for i in range(shards)]
    return [(i, rows) for i, rows in found if len(rows)]


def project(schema: Schema, terms: Sequence[tuple[str, Term]], environment: Environment) -> StatelessExecutor:
    """Adds computed terms to the rows of a schema; rows that fail in one leave by `errors`."""
    passed = tuple((name, Column(name)) for name in schema.names)
    return StatelessExecutor([Stage(columns=(*passed, *terms))], schema, environment)
