"""Columns that a function of the user makes of a batch of rows, as a Polars frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from penstock.core.delta import Delta, consolidate
from penstock.core.dtypes import to_polars
from penstock.core.errors import UnsupportedError
from penstock.core.lazy import pl
from penstock.core.schema import Schema
from penstock.expr.function import NotOnFlink, RowFault
from penstock.expr.user_functions import UserFunction, reason_of
from penstock.operators.apply import check_deterministic
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.operators.flat_map import mapped_facts
from penstock.operators.why import refuse
from penstock.plan.node import Facts, Node

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class MapBatches(Executable):
    """Give the columns that a function makes of a batch of rows: one row for each row, in the same order.

    The function takes a Polars frame and gives one with the declared columns and as many rows. Batches are of
    any length, whatever came in a step, so each row may depend on its own row only. If a batch fails, or what it gives
    is not as declared, its halves are tried, down to the rows that fail: these leave by `errors` with the reason. Event
    time goes on as with `FlatMap`. No state.

    Attributes:
        input: The rows.
        function: The function.
        columns: The columns that it gives.
    """

    verb: ClassVar[str] = "map_batches"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)

    input: Node
    function: UserFunction
    columns: Schema

    def derive(self) -> Facts:
        """The declared columns."""
        check_deterministic(self.function, self.input.facts)
        if not len(self.input.schema):
            raise UnsupportedError("map_batches needs a column to read")
        return mapped_facts(self.input.facts, self.columns, self.function)

    def describe(self) -> str:
        """The function and its columns."""
        return f"{self.function}: {', '.join(self.columns.names)}"

    def meaning(self) -> Meaning:
        """See `MapBatchesMeaning`."""
        return MapBatchesMeaning(partial(self.one, self.function.bound()))

    def executor(self, environment: Environment) -> Executor:
        """See `MapBatchesExecutor`."""
        return MapBatchesExecutor(self, environment)

    def one(self, function: Callable[..., Any], values: dict[str, Any]) -> dict[str, Any]:
        """What the function gives for a batch of one row.

        Raises:
            RowFault: If it fails.
        """
        types = self.input.schema.to_polars()
        frame = pl.DataFrame({name: pl.Series([value], dtype=types[name]) for name, value in values.items()})
        try:
            found: dict[str, Any] = checked(function(frame), self, frame).row(0, named=True)
        except (Exception, SystemExit, pl.exceptions.PanicException) as failed:  # noqa: BLE001  (user code may raise anything)
            raise RowFault(reason_of(self.function.name, failed)) from None
        return found


def checked(given: Any, node: MapBatches, taken: pl.DataFrame) -> pl.DataFrame:
    """The declared columns of a frame that a function gave.

    Args:
        given: What it gave.
        node: What was declared.
        taken: The frame that it was given.

    Raises:
        RowFault: If it is no frame, has other columns or types, or another number of rows.
    """
    if not isinstance(given, pl.DataFrame):
        raise RowFault(f"gave {type(given).__name__}, declared is a Polars frame")
    if given.height != taken.height:
        raise RowFault(f"gave {given.height} rows for {taken.height}; flat_map gives more or fewer")
    more = [name for name in given.columns if name not in node.columns]
    missing = [name for name in node.columns.names if name not in given.columns]
    if more or missing:
        what = f'the column "{more[0]}" is not declared' if more else f'the column "{missing[0]}" is missing'
        raise RowFault(f"gave other columns: {what}")
    for field in node.columns:
        found, dtype = given.schema[field.name], to_polars(field.dtype)
        if found != dtype and found != pl.Null:
            raise RowFault(f'gave {found} for "{field.name}", declared is {field.dtype}')
    time = node.facts.time
    if time and not given[time].eq_missing(taken[time]).all():
        raise RowFault(f'changed the event time "{time}"')
    return given.select(pl.col(name).cast(dtype) for name, dtype in node.columns.to_polars().items())


# -- Meaning -------------------------------------------------------------------


class MapBatchesMeaning(Meaning):
    """Call it with a batch of one row."""

    def __init__(self, call: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.call = call

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, one out."""
        try:
            return [("out", row.with_values(self.call(dict(row.values))))]
        except RowFault:
            return [("errors", row)]


# -- Execution -----------------------------------------------------------------


class MapBatchesExecutor(Executor):
    """Calls the function with what came; what fails is cut in halves."""

    def __init__(self, node: MapBatches, environment: Environment) -> None:
        self.node, self.environment = node, environment
        self.function = node.function.bound()
        self.names = node.input.schema.names
        self.masked = any(field.mask for field in node.input.schema)

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """One delta in, one out, and what failed; see `Executor.step`."""
        (delta,) = inputs
        if delta is None or delta.length == 0:
            return
        frame = delta.frame(self.names)
        reasons: list[str | None] = []
        good = [made for made in self._call(frame, reasons) if made.height]
        failed = pl.Series(reasons, dtype=pl.String)
        if failed.null_count() < delta.length:
            yield "errors", refuse(delta.filter(failed.is_not_null()), failed.drop_nulls(), self.environment)
        if good:
            columns = {series.name: series for series in pl.concat(good).get_columns()}
            out = consolidate(delta.filter(failed.is_null()).with_columns(columns))
            if out.length:
                yield "out", out

    def _call(self, frame: pl.DataFrame, reasons: list[str | None]) -> Iterator[pl.DataFrame]:
        """What the function gives for the rows that do not fail, in parts; the reason of each row, or None."""
        try:
            made = checked(self.function(frame.clone()), self.node, frame)
        except (Exception, SystemExit, pl.exceptions.PanicException) as failed:  # noqa: BLE001  (user code may raise anything)
            if frame.height == 1:
                reasons.append(reason_of(self.node.function.name, failed, masked=self.masked))
                return
        else:
            reasons += [None] * frame.height
            yield made
            return
        middle = frame.height // 2
        yield from self._call(frame.head(middle), reasons)
        yield from self._call(frame.tail(frame.height - middle), reasons)


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
