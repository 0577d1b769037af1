"""A column that a function of the user gives: per row, or over the series of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.core.delta import Delta
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.expr.ast import Column, Term
from penstock.expr.function import NotOnFlink, RowFault
from penstock.expr.infer import Typed, convert, infer
from penstock.expr.interpret import interpret
from penstock.expr.signatures import common
from penstock.expr.user_functions import UserFunction, called
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.operators.user_calls import PerRow, PerSeries, one_by_series
from penstock.operators.why import refuse
from penstock.plan.node import UPDATING, Facts, Node

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Apply(Executable):
    """Add a column: what a function of the user's program gives for each row.

    It is called once for each row that comes (of a Table also for rows that go, with the values they came with),
    whether or not a condition of the expression around it needs the value, as in Flink, which computes Python
    functions in an operator of their own. A row for which the call fails, or gives what is not of the declared
    type, leaves by `errors` with the reason. A null for a parameter whose annotation does not take None gives null
    without a call. Order, event time and watermarks stay. No state: what the function keeps between calls is not
    stored, and a call is repeated when a run goes on from its last epoch.

    Attributes:
        input: The rows.
        column: The new column.
        function: The function.
        args: Its arguments, over the columns of the input.
    """

    verb: ClassVar[str] = "apply"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)

    input: Node
    column: str
    function: UserFunction
    args: tuple[Term, ...]

    def derive(self) -> Facts:
        """The input's columns, and the new one."""
        below, function = self.input.facts, self.function
        check_deterministic(function, below)
        typed = self.typed_args()
        mask = next((arg.mask for arg in typed if arg.mask), None)
        schema = below.schema.plus(Field(self.column, function.gives, True, mask))
        return replace(below, schema=schema, deterministic=below.deterministic and function.deterministic)

    def typed_args(self) -> tuple[Typed, ...]:
        """The arguments, converted to what the parameters take; see `typed_arguments`."""
        return typed_arguments(self.function, self.args, self.input.schema)

    def describe(self) -> str:
        """The column and the call."""
        return f"{self.column} = {self.function}({', '.join(map(str, self.args))})"

    def needs(self, used: set[str]) -> list[set[str]]:
        """What is used, and the arguments."""
        found = (used - {self.column}) | {name for term in self.args for name in term.columns()}
        return [found or {self.input.schema.names[0]}]

    def meaning(self) -> Meaning:
        """See `ApplyMeaning`."""
        bound = self.function.bound()
        return ApplyMeaning(self, one_by_series(bound, self) if self.function.vectorized else bound)

    def executor(self, environment: Environment) -> Executor:
        """See `ApplyExecutor`."""
        return ApplyExecutor(self, environment)


def typed_arguments(function: UserFunction, args: Sequence[Term], schema: Schema) -> tuple[Typed, ...]:
    """The arguments of a function, converted to what its parameters take.

    Raises:
        PlanError: If there are too many or too few, or one is of another type.
    """
    declared = function.parameters
    if len(args) != len(declared):
        names = ", ".join(name for name, _, _ in declared)
        raise PlanError(f"{function.name} takes {len(declared)} argument(s) ({names}), found {len(args)}")
    made = []
    for term, (name, dtype, _) in zip(args, declared, strict=True):
        typed = infer(term, schema)
        if dtype is not None and typed.dtype != dtype:
            if common(typed.dtype, dtype) != dtype:
                raise PlanError(
                    f'"{name}" of {function.name} is {dtype}, found {typed.dtype}: {term}',
                    hint="cast the argument, or change the annotation",
                )
            typed = convert(typed, dtype)
        made.append(typed)
    return tuple(made)


def check_deterministic(function: UserFunction, below: Facts) -> None:
    """Check that rows that go are computed as they were when they came.

    Raises:
        PlanError: If the rows change, and the function may give something else each time.
    """
    if below.mode == UPDATING and not function.deterministic:
        raise PlanError(
            f"{function.name} is not deterministic, and the rows of a Table go again: what went would not be what came",
            hint="call it before the verb that makes the Table",
        )


# -- Meaning -------------------------------------------------------------------


class ApplyMeaning(Meaning):
    """Call it with the values of the row."""

    def __init__(self, node: Apply, function: Callable[..., Any]) -> None:
        self.column, self.declared, self.function = node.column, node.function, function
        self.args = [interpret(arg) for arg in node.typed_args()]

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, one out."""
        try:
            value = called(self.function, self.declared, [arg(row.values) for arg in self.args])
        except RowFault:
            return [("errors", row)]
        return [("out", row.with_values({**row.values, self.column: value}))]


# -- Execution -----------------------------------------------------------------


class ApplyExecutor(Executor):
    """Computes the arguments of a delta at once, and calls the function."""

    def __init__(self, node: Apply, environment: Environment) -> None:
        from penstock.operators.sharding import project

        schema = node.input.schema
        typed = node.typed_args()
        self.columns, self.column, self.environment = schema.names, node.column, environment
        self.names = [f"__x{i}" for i in range(len(typed))]
        terms = [(name, arg.term) for name, arg in zip(self.names, typed, strict=True)]
        plain = all(isinstance(term, Column) for _, term in terms)
        self.names = [str(term) for _, term in terms] if plain else self.names
        self.projection = None if plain else project(schema, terms, environment)
        masked = any(arg.mask for arg in typed)
        self.calls = (PerSeries if node.function.vectorized else PerRow)(node.function, masked=masked)

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """One delta in, one out, and what failed; see `Executor.step`."""
        (delta,) = inputs
        if delta is None or delta.length == 0:
            return
        given = [("out", delta)] if self.projection is None else self.projection.step(inputs, context)
        for port, part in given:
            if port != "out":
                yield port, part.with_columns({n: s for n, s in part.columns.items() if n not in self.names})
            elif part.length:
                yield from self._call(part)

    def _call(self, delta: Delta) -> Iterator[Output]:
        made = self.calls([delta.columns[name] for name in self.names], delta.length)
        columns = {name: delta.columns[name] for name in self.columns}
        whole = delta.with_columns({**columns, self.column: made.values.alias(self.column)})
        if made.reasons is None:
            yield "out", whole
            return
        failed = made.reasons.is_not_null()
        yield "errors", refuse(delta.with_columns(columns).filter(failed), made.reasons.drop_nulls(), self.environment)
        good = whole.filter(~failed)
        if good.length:
            yield "out", good


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
