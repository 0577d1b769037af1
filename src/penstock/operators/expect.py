"""State what must hold of every row; rows that break it are refused, with the name of what they break."""

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
class Expect(Executable):
    """Pass on the rows for which all conditions are true; the others leave by `errors`.

    A null condition is not true: say `(col("x") > 0) | col("x").is_null()` to allow null.

    Attributes:
        input: The rows.
        conditions: What must hold, by name.
    """

    verb: ClassVar[str] = "expect"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)

    input: Node
    conditions: tuple[tuple[str, Term], ...]

    def derive(self) -> Facts:
        """As the input."""
        for name, term in self.conditions:
            typed = infer(term, self.input.schema)
            if typed.dtype not in (Boolean, Null):
                raise PlanError(f'the expectation "{name}" is no condition but {typed.dtype}: {term}')
        return self.input.facts

    def describe(self) -> str:
        """The conditions."""
        return ", ".join(f"{name}: {term}" for name, term in self.conditions)

    def needs(self, used: set[str]) -> list[set[str]]:
        """The used columns and those of the conditions."""
        return [used | {name for _, term in self.conditions for name in term.columns()}]

    def meaning(self) -> Meaning:
        """See `ExpectMeaning`."""
        return ExpectMeaning(self)

    def stage(self) -> Stage:
        """What it does as part of a run of stateless operators."""
        return Stage(expectations=self.conditions)

    def executor(self, environment: Environment) -> StatelessExecutor:
        """A run of this alone."""
        return StatelessExecutor([self.stage()], self.input.schema, environment)


# -- Meaning -------------------------------------------------------------------


class ExpectMeaning(Meaning):
    """A row passes if every condition is true."""

    def __init__(self, node: Expect) -> None:
        self.conditions = [interpret(infer(term, node.input.schema)) for _, term in node.conditions]

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, one row out by `out` or by `errors`."""
        try:
            fine = all(condition(row.values) is True for condition in self.conditions)
        except RowFault:
            fine = False
        return [("out" if fine else "errors", row)]


# -- Execution -----------------------------------------------------------------
# Part of a run of stateless operators: see `operators/stateless.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
