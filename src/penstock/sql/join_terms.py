"""Keys and conditions of joins that may have no value for a row: they are computed of each side before the join."""

from __future__ import annotations

from dataclasses import replace

from penstock.core.errors import PlanError
from penstock.core.where import Where
from penstock.expr.ast import Call, Case, Cast, Column, Term
from penstock.expr.infer import infer
from penstock.expr.lower import lower
from penstock.operators.select import Select
from penstock.plan.node import Node
from penstock.sql.walk import substitute


class Computed:
    """A side of a join, with what is computed of its rows.

    Attributes:
        node: The rows.
        mark: What columns of the side begin with in a condition: `left.`.
    """

    def __init__(self, node: Node, mark: str, place: Where) -> None:
        self.node, self.mark, self.place = node, mark, place
        self.known: dict[Term, str] = {}

    def certain(self, term: Term) -> Term:
        """The term, or a column that has its value if it may have none: a row without one leaves by `errors`."""
        if isinstance(term, Column) or not self._fails(term):
            return term
        if term not in self.known:
            name, number = f"$on{len(self.known)}", 0
            while name in self.node.schema:
                name, number = f"$on{len(self.known)}_{number}", number + 1
            kept = tuple((one, Column(one)) for one in self.node.schema.names)
            self.node = Select(input=self.node, columns=(*kept, (name, term)), where=self.place)
            self.known[term] = name
        return Column(self.known[term])

    def _fails(self, term: Term) -> bool:
        try:
            typed = infer(term, self.node.schema)
        except PlanError:
            return False
        return bool(lower(typed).faults)

    def bare(self, term: Term) -> Term:
        """A term of the condition over the columns of the side."""
        return substitute(term, {}, lambda column: Column(column.name.removeprefix(self.mark)))

    def marked(self, term: Term) -> Term:
        """A term over the columns of the side as one of the condition."""
        return substitute(term, {}, lambda column: Column(f"{self.mark}{column.name}"))

    def owns(self, term: Term) -> bool:
        """Whether all columns of a term of the condition are of this side, and there is one."""
        names = term.columns()
        return bool(names) and all(name.startswith(self.mark) for name in names)


def within_sides(term: Term, sides: tuple[Computed, Computed]) -> Term:
    """A condition over `left.a` and `right.b` with what may fail of one side as a column of that side."""
    if isinstance(term, Column):
        return term
    for side in sides:
        if side.owns(term):
            return side.marked(side.certain(side.bare(term)))
    match term:
        case Call():
            return replace(term, args=tuple(within_sides(arg, sides) for arg in term.args))
        case Cast():
            return replace(term, term=within_sides(term.term, sides))
        case Case(branches, otherwise):
            pairs = tuple((within_sides(when, sides), within_sides(then, sides)) for when, then in branches)
            return Case(pairs, within_sides(otherwise, sides))
    return term
