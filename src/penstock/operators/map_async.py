"""Rows that an asynchronous function of the user makes of each row, several at a time: they wait as state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from penstock.core.errors import UnsupportedError
from penstock.core.schema import Field, Schema
from penstock.expr.ast import Term
from penstock.expr.function import NotOnFlink, RowFault
from penstock.expr.infer import Typed
from penstock.expr.interpret import interpret
from penstock.expr.user_functions import UserFunction
from penstock.operators.apply import typed_arguments
from penstock.operators.async_calls import AsyncFunction, conformed
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.operators.flat_map import mapped_facts
from penstock.plan.lookup_options import LookupOptions
from penstock.plan.node import UPDATING, Facts, Node
from penstock.state.kinds import check_kept

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class MapAsync(Executable):
    """Give the row that an `async` function makes of each row, or add a column that it gives.

    As many calls are under way as `parallelism` says; all run in one event loop, beside the steps. Ordered, rows leave
    in the order in which they came; unordered, each when its call has ended. Rows that wait are state: they are in
    checkpoints, and after a restart they are asked for again. So each row comes out once, and its function may be
    called more than once. The watermark of the output stays where that of the input was when the oldest waiting row
    came: no row gets late by waiting. Each row keeps its place and the watermark that it had met. When too many wait,
    sources are not polled.

    A call that fails, takes too long, or gives what is not of the declared type is tried again as often as `retry`
    says; then its row leaves by `errors` with the reason. None for a row means no row; a column may be null. As
    Flink's asynchronous functions, whose order can be kept within watermarks only when unordered.

    Attributes:
        input: The rows; they may not be a Table's: a row that goes must be equal to the one that came.
        function: The function.
        columns: The columns that it gives.
        column: The one column that is added to those of the row; None: the columns are all that goes on.
        args: The arguments, if it adds a column; else it is called with the row.
        options: How it is called.
    """

    verb: ClassVar[str] = "map_async"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)
    stateful: ClassVar[bool] = True

    input: Node
    function: UserFunction
    columns: Schema
    column: str | None = None
    args: tuple[Term, ...] = ()
    options: LookupOptions

    def derive(self) -> Facts:
        """The declared columns, or those of the input and the new one."""
        below = self.input.facts
        if below.mode == UPDATING:
            raise UnsupportedError(
                f"{self.function.name} is async, and the rows of a Table go again: what went would not be what came",
                hint="call it before the verb that makes the Table, or .changelog()",
            )
        check_kept(below.schema)
        if self.column is None:
            return replace(mapped_facts(below, self.columns, self.function), deterministic=False)
        mask = next((arg.mask for arg in self.typed_args() if arg.mask), None)
        field = Field(self.column, self.function.gives, True, mask)
        return replace(below, schema=below.schema.plus(field), deterministic=False)

    def typed_args(self) -> tuple[Typed, ...]:
        """The arguments, converted to what the parameters take."""
        return typed_arguments(self.function, self.args, self.input.schema)

    def describe(self) -> str:
        """The function, and how it is called."""
        call = f"{self.function}({', '.join(map(str, self.args))})"
        made = f"{self.function}: {', '.join(self.columns.names)}" if self.column is None else f"{self.column} = {call}"
        order = "ordered" if self.options.ordered else "unordered"
        kept = f"state: the rows that wait, some {self.options.capacity:,} at most"
        return f"{made}; {order}, {self.options.parallelism} calls at a time; {kept}"

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever: nothing; sources are not polled when too many rows wait."""
        return None

    def meaning(self) -> Meaning:
        """See `MapAsyncMeaning`."""
        return MapAsyncMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `MapAsyncExecutor`."""
        from penstock.operators.map_async_execution import MapAsyncExecutor

        return MapAsyncExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class MapAsyncMeaning(Meaning):
    """Call it with the row, and wait for what it gives."""

    def __init__(self, node: MapAsync) -> None:
        self.node = node
        self.function = AsyncFunction(node.function, node.options.timeout_us)
        self.args = None if node.column is None else [interpret(arg) for arg in node.typed_args()]

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, one or none out."""
        try:
            given = None if self.args is None else tuple(arg(row.values) for arg in self.args)
            made = conformed(self.node, self.function.called(row.values, given), row.values)
        except RowFault:
            return [("errors", row)]
        return [] if made is None else [("out", row.with_values(made))]


# -- Execution -----------------------------------------------------------------
# See `operators/map_async_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
