"""Rows that a function of the user makes of each row: `map` and `flat_map`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.delta import Delta, consolidate
from penstock.core.errors import PlanError
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.expr.function import NotOnFlink, RowFault
from penstock.expr.user_functions import UserFunction, reason_of
from penstock.expr.user_values import Record, conform_row
from penstock.operators.apply import check_deterministic
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.operators.why import refuse
from penstock.plan.node import Facts, Node

MOST_ROWS = 1 << 16

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class FlatMap(Executable):
    """Give the rows that a function makes of each row.

    The function takes a row (a dict whose values are attributes too) and gives rows as dicts or dataclass objects with
    the declared columns; a column that is left out is null. They follow each other as their causes do. A row for which
    the function fails, or gives something else, leaves by `errors` with the reason, and nothing of it goes on. The
    event time goes on if a column of its name and type is declared: it may not be changed, or watermarks would not hold
    for it, and a row that has another one is refused. No state. Rows of a Table are mapped when they come and when they
    go. Called once a row, in Python: not fast.

    Attributes:
        input: The rows.
        function: The function.
        columns: The columns of the rows that it gives.
        single: Whether it gives one row, or None for none, and not several (`map`).
    """

    verb: ClassVar[str] = "flat_map"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)

    input: Node
    function: UserFunction
    columns: Schema
    single: bool = False

    def derive(self) -> Facts:
        """The declared columns."""
        check_deterministic(self.function, self.input.facts)
        return mapped_facts(self.input.facts, self.columns, self.function)

    def describe(self) -> str:
        """The function and its columns."""
        return f"{'map' if self.single else 'flat_map'} {self.function}: {', '.join(self.columns.names)}"

    def meaning(self) -> Meaning:
        """See `FlatMapMeaning`."""
        return FlatMapMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `FlatMapExecutor`."""
        return FlatMapExecutor(self, environment)


def mapped_facts(below: Facts, columns: Schema, function: UserFunction) -> Facts:
    """What is known of rows that a function makes of others: event time goes on under its name.

    Raises:
        PlanError: If no column is declared.
    """
    if not len(columns):
        raise PlanError(f"{function.name} gives no column", hint='schema={"total": ps.Float64}')
    kept = below.time in columns and columns[str(below.time)].dtype == below.schema[str(below.time)].dtype
    return Facts(
        schema=columns,
        mode=below.mode,
        time=below.time if kept else None,
        time_shift=below.time_shift if kept else 0,
        watermarked=below.watermarked and kept,
        bounded=below.bounded,
        deterministic=below.deterministic and function.deterministic,
        order_sensitive=below.order_sensitive,
    )


def rows_of(function: Any, node: FlatMap, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that the function makes of one.

    Raises:
        RowFault: If it fails, or gives something else than declared.
    """
    time = node.facts.time
    before = values[time] if time else None
    try:
        given = function(Record(values))
        made = ([given] if given is not None else []) if node.single else _several(given)
        rows = [conform_row(row, node.columns) for row in made]
    except (Exception, SystemExit) as failed:  # noqa: BLE001  (user code may raise anything)
        raise RowFault(reason_of(node.function.name, failed)) from None
    if time and any(row[time] != before for row in rows):
        raise RowFault(f'{node.function.name} changed the event time "{time}"')
    return rows


def _several(given: Any) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, (dict, str, bytes)) or not isinstance(given, Iterable):
        raise RowFault(f"flat_map takes several rows, found {type(given).__name__}")
    return list(given)


# -- Meaning -------------------------------------------------------------------


class FlatMapMeaning(Meaning):
    """Call it with the row."""

    def __init__(self, node: FlatMap) -> None:
        self.node, self.function = node, node.function.bound()

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, those that it makes out."""
        try:
            return [("out", row.with_values(made)) for made in rows_of(self.function, self.node, dict(row.values))]
        except RowFault:
            return [("errors", row)]


# -- Execution -----------------------------------------------------------------


class FlatMapExecutor(Executor):
    """Calls the function for each row, and gives what came in parts within the step's budget."""

    def __init__(self, node: FlatMap, environment: Environment) -> None:
        self.node, self.environment = node, environment
        self.function = node.function.bound()
        self.types = node.columns.to_polars()
        self.masked = any(field.mask for field in node.input.schema)

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """One delta in, as many out as the budget asks for; see `Executor.step`."""
        (delta,) = inputs
        if delta is None or delta.length == 0:
            return
        made: list[dict[str, Any]] = []
        causes: list[int] = []
        failed: dict[int, str] = {}
        for i, values in enumerate(delta.frame().iter_rows(named=True)):
            try:
                rows = rows_of(self.function, self.node, values)
            except RowFault as fault:
                failed[i] = f"{self.node.function.name} failed" if self.masked else str(fault)
                continue
            made += rows
            causes += [i] * len(rows)
            if len(made) >= MOST_ROWS and delta.diff is None:
                yield "out", self._delta(delta, made, causes)
                made, causes = [], []
        if failed:
            bad = delta.take(np.fromiter(failed, np.int64))
            yield "errors", refuse(bad, pl.Series(list(failed.values())), self.environment)
        if made:
            whole = consolidate(self._delta(delta, made, causes))
            if whole.length:
                yield "out", whole

    def _delta(self, delta: Delta, made: list[dict[str, Any]], causes: list[int]) -> Delta:
        columns = {name: pl.Series(name, [row[name] for row in made], dtype=t) for name, t in self.types.items()}
        return delta.with_columns({}).take(np.array(causes, np.int64)).with_columns(columns)


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
