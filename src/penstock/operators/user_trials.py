"""Rows that an aggregate of the user cannot take are refused before anything counts them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.expr.ast import Term
from penstock.expr.function import RowFault
from penstock.operators.base import Environment, Output, StepContext
from penstock.operators.sharding import project
from penstock.operators.stateless import StatelessExecutor
from penstock.operators.why import refuse
from penstock.state.batch import Batch
from penstock.state.keys import Keys
from penstock.state.layout import Column, Layout


class TriedProjection:
    """Computes what aggregates need of rows, and adds each row to an empty state of each class of the user's.

    A row for which a term has no value, or whose addition fails, leaves by `errors`. So whether a row is refused
    depends on the row only.

    Args:
        schema: The rows.
        layout: The aggregates.
        environment: What the operator was given.
        more: Further terms, by the names of their columns.
    """

    def __init__(
        self, schema: Schema, layout: Layout, environment: Environment, more: Sequence[tuple[str, Term]] = ()
    ) -> None:
        self.names, self.environment = schema.names, environment
        self.projection: StatelessExecutor = project(schema, [*layout.projection, *more], environment)
        self.columns = [column for column in layout.columns if column.aggregate.user is not None]
        self.masked = any(field.mask for field in schema)

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """The rows with what was computed, and those that are refused."""
        for port, delta in self.projection.step(inputs, context):
            if port == "out" and self.columns and delta.length:
                yield from self._tried(delta)
            else:
                yield port, delta

    def _tried(self, delta: Delta) -> Iterator[Output]:
        batch = Batch(_NO_KEYS, delta.columns, delta.length, None)
        reasons: dict[int, str] = {}
        for column in self.columns:
            self._try(column, batch, reasons)
        if not reasons:
            yield "out", delta
            return
        rows = np.array(sorted(reasons), np.int64)
        mine = delta.with_columns({name: delta.columns[name] for name in self.names}).take(rows)
        yield "errors", refuse(mine, pl.Series([reasons[row] for row in rows.tolist()]), self.environment)
        good = np.ones(delta.length, np.bool_)
        good[rows] = False
        if good.any():
            yield "out", delta.filter(pl.Series(good))

    def _try(self, column: Column, batch: Batch, reasons: dict[int, str]) -> None:
        """Add the rows that count, and that nothing has refused before."""
        valid, user = batch.valid(column.needed, column.where), column.aggregate.user
        rows = np.arange(batch.length) if valid is None else np.flatnonzero(valid)
        values: list[list[Any]] = [batch.series[name].gather(pl.Series(rows)).to_list() for name in column.args]
        for place, row in enumerate(rows.tolist()):
            if row in reasons:
                continue
            try:
                user.trial([one[place] for one in values])
            except RowFault as fault:
                reasons[row] = f"{user.name} failed" if self.masked else str(fault)


_NO_KEYS: Keys = None  # type: ignore[assignment]  # what is tried is not folded
