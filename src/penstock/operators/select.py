"""Choose, rename and compute columns: `select`, `with_columns`, `drop`, `rename`, `cast`, `fill_null`, `unnest`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.expr.ast import Column, Term
from penstock.expr.function import NotOnFlink, RowFault
from penstock.expr.infer import infer
from penstock.expr.interpret import interpret
from penstock.operators.base import Emission, Environment, Executable, Meaning, Row
from penstock.operators.stateless import Stage, StatelessExecutor
from penstock.plan.node import Facts, Node

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Select(Executable):
    """Give the columns named, each the value of a term over the input's columns.

    A row for which a term has no value (a cast that fails, an overflow) leaves by `errors`.

    Attributes:
        input: The rows.
        columns: All columns that leave, with their terms.
        spelling: The verb that the user wrote, for messages.
    """

    verb: ClassVar[str] = "select"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)

    input: Node
    columns: tuple[tuple[str, Term], ...]
    spelling: str = "select"

    def derive(self) -> Facts:
        """The new schema; time and key go on under their new names if they are passed on unchanged."""
        if not self.columns:
            raise PlanError(f"{self.spelling} leaves no column")
        below = self.input.facts
        fields, deterministic = [], below.deterministic
        for name, term in self.columns:
            typed = infer(term, below.schema)
            fields.append(Field(name, typed.dtype, typed.nullable, typed.mask))
            deterministic = deterministic and typed.deterministic
        passed = {term.name: name for name, term in reversed(self.columns) if isinstance(term, Column)}
        key = below.key
        if key is not None:
            key = tuple(passed[k] for k in key) if all(k in passed for k in key) else None
        time = passed.get(below.time) if below.time else None
        return replace(
            below,
            schema=Schema(tuple(fields)),
            key=key,
            time=time,
            watermarked=below.watermarked and time is not None,
            deterministic=deterministic,
        )

    def describe(self) -> str:
        """The computed columns, or all if none is."""
        computed = [f"{name} = {term}" for name, term in self.columns if term != Column(name)]
        return ", ".join(computed or [name for name, _ in self.columns])

    def needs(self, used: set[str]) -> list[set[str]]:
        """What the used columns, and all computed ones, are made of; of none, the first, so that rows are counted."""
        terms = [term for name, term in self.columns if name in used or not isinstance(term, Column)]
        terms = terms or [self.columns[0][1]]
        return [{name for term in terms for name in term.columns()}]

    def meaning(self) -> Meaning:
        """See `SelectMeaning`."""
        return SelectMeaning(self)

    def stage(self) -> Stage:
        """What it does as part of a run of stateless operators."""
        return Stage(columns=self.columns)

    def executor(self, environment: Environment) -> StatelessExecutor:
        """A run of this alone."""
        return StatelessExecutor([self.stage()], self.input.schema, environment)


# -- Meaning -------------------------------------------------------------------


class SelectMeaning(Meaning):
    """Each column is the value of its term."""

    def __init__(self, node: Select) -> None:
        self.terms = [(name, interpret(infer(term, node.input.schema))) for name, term in node.columns]

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, one row out."""
        try:
            values = {name: term(row.values) for name, term in self.terms}
        except RowFault:
            return [("errors", row)]
        return [("out", row.with_values(values))]


# -- Execution -----------------------------------------------------------------
# Part of a run of stateless operators: see `operators/stateless.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
