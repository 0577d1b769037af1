"""Keep the rows for which a condition is true."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from penstock.core.dtypes import Boolean, Null
from penstock.core.errors import PlanError
from penstock.expr.ast import Term
from penstock.expr.function import NotOnFlink, RowFault
from penstock.expr.infer import infer
from penstock.expr.interpret import interpret
from penstock.operators.base import Emission, Environment, Executable, Meaning, Row
from penstock.operators.stateless import Stage, StatelessExecutor
from penstock.plan.node import Facts, Node

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Filter(Executable):
    """Keep the rows for which a condition is true; false and null are not.

    Dropped rows are counted. A row for which the condition has no value leaves by `errors`.

    Attributes:
        input: The rows.
        predicate: The condition.
    """

    verb: ClassVar[str] = "filter"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)

    input: Node
    predicate: Term

    def derive(self) -> Facts:
        """As the input."""
        typed = infer(self.predicate, self.input.schema)
        if typed.dtype not in (Boolean, Null):
            raise PlanError(f"a filter takes a condition, found {typed.dtype}: {self.predicate}")
        if not typed.deterministic and self.input.facts.mode == "updating":
            raise PlanError(f"a filter over a Table must be deterministic: {self.predicate}")
        return self.input.facts

    def describe(self) -> str:
        """The condition."""
        return str(self.predicate)

    def needs(self, used: set[str]) -> list[set[str]]:
        """The used columns and those of the condition."""
        return [used | self.predicate.columns()]

    def meaning(self) -> Meaning:
        """See `FilterMeaning`."""
        return FilterMeaning(self)

    def stage(self) -> Stage:
        """What it does as part of a run of stateless operators."""
        return Stage(predicate=self.predicate)

    def executor(self, environment: Environment) -> StatelessExecutor:
        """A run of this alone."""
        return StatelessExecutor([self.stage()], self.input.schema, environment)


# -- Meaning -------------------------------------------------------------------


class FilterMeaning(Meaning):
    """A row passes if the condition is true."""

    def __init__(self, node: Filter) -> None:
        self.predicate = interpret(infer(node.predicate, node.input.schema))

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, one row out or none."""
        try:
            return [("out", row)] if self.predicate(row.values) is True else []
        except RowFault:
            return [("errors", row)]


# -- Execution -----------------------------------------------------------------
# Part of a run of stateless operators: see `operators/stateless.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
