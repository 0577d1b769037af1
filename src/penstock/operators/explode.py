"""One row per element of a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from penstock.core.delta import Delta
from penstock.core.dtypes import Int32, List
from penstock.core.errors import PlanError
from penstock.core.lazy import np, pl
from penstock.core.schema import Field
from penstock.expr.function import NotOnFlink
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.plan.node import Facts, Node

# -- Plan ----------------------------------------------------------------------

MOST_ROWS = 1 << 17


@dataclass(frozen=True, kw_only=True, eq=False)
class Explode(Executable):
    """Give one row per element of a list column, which then holds the element.

    An empty or null list gives no row (as SQL's UNNEST; `keep_empty` gives one with a null, as Polars did).

    Attributes:
        input: The rows.
        column: The list column.
        keep_empty: Whether an empty or null list gives one row with a null.
        ordinality: The name of a column for the place of the element, from 1 (as SQL's WITH ORDINALITY); or None. It is
            null where there is no element.
        beside: Other list columns of the same lengths, which are taken apart with it.
    """

    verb: ClassVar[str] = "explode"

    input: Node
    column: str
    keep_empty: bool = False
    ordinality: str | None = None
    beside: tuple[str, ...] = ()

    def derive(self) -> Facts:
        """The element's type in place of the list's; no key: one row becomes many."""
        below = self.input.facts
        schema = below.schema
        for name in (self.column, *self.beside):
            field = below.schema[name]
            if not isinstance(field.dtype, List):
                raise PlanError(f'explode takes a list, found "{name}": {field.dtype}')
            schema = schema.plus(Field(name, field.dtype.inner, True, field.mask))
        if self.ordinality is not None:
            if self.ordinality in below.schema:
                raise PlanError(f'there is a column "{self.ordinality}" already', hint="rename it")
            schema = schema.plus(Field(self.ordinality, Int32, self.keep_empty))
        return replace(below, schema=schema, key=None)

    def describe(self) -> str:
        """The column."""
        return self.column

    def meaning(self) -> Meaning:
        """See `ExplodeMeaning`."""
        return ExplodeMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `ExplodeExecutor`."""
        return ExplodeExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class ExplodeMeaning(Meaning):
    """A row for each element, in order; all else as it was."""

    def __init__(self, node: Explode) -> None:
        self.column = node.column
        self.keep_empty = node.keep_empty
        self.ordinality = node.ordinality
        self.beside = node.beside

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, many out."""
        given = row.values[self.column]
        elements = given or ([None] if self.keep_empty else [])
        made: list[Emission] = []
        for place, element in enumerate(elements, start=1):
            values = {**row.values, self.column: element}
            values |= {name: row.values[name][place - 1] if given else None for name in self.beside}
            if self.ordinality is not None:
                values[self.ordinality] = place if given else None
            made.append(("out", row.with_values(values)))
        return made


# -- Execution -----------------------------------------------------------------


class ExplodeExecutor(Executor):
    """Explodes slices whose output stays within the step's budget."""

    def __init__(self, node: Explode, environment: Environment) -> None:
        self.column = node.column
        self.keep_empty = node.keep_empty
        self.ordinality = node.ordinality
        self.columns = (node.column, *node.beside)

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """One delta in, as many out as the budget asks for; see `Executor.step`."""
        (delta,) = inputs
        if delta is None or delta.length == 0:
            return
        lengths = delta.columns[self.column].list.len().fill_null(0).cast(int).to_numpy()
        made = np.maximum(lengths, 1) if self.keep_empty else lengths
        ends = np.cumsum(made)
        start = 0
        while start < delta.length:
            done = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + MOST_ROWS, side="right")))
            rows = np.arange(start, stop)
            source = np.repeat(rows, made[rows])
            if len(source):
                yield "out", self._slice(delta, rows, source, lengths)
            start = stop

    def _slice(self, delta: Delta, rows: np.ndarray, source: np.ndarray, lengths: np.ndarray) -> Delta:
        result = delta.take(source)
        if self.ordinality is not None:
            # Rows of one list are next to each other: the place is the distance to the first.
            places = np.arange(len(source)) - np.searchsorted(source, source)
            known = lengths[source] > 0
            column = pl.Series(self.ordinality, (places + 1).astype(np.int32)).set(pl.Series(~known), None)
            result.columns[self.ordinality] = column
        for name in self.columns:
            lists = delta.columns[name].slice(int(rows[0]), len(rows))
            elements = lists.explode(empty_as_null=self.keep_empty, keep_nulls=self.keep_empty)
            result.columns[name] = elements.alias(name)
        return result


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
