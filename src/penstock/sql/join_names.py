"""The conditions of a join, with USING and NATURAL written out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.expr.ast import Column, Term
from penstock.sql.bind_expression import conjuncts
from penstock.sql.scope import Related
from penstock.sql.syntax import Call, Constant, Expression, Ident, Join, Name
from penstock.sql.types import SqlType
from penstock.sql.walk import substitute

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

LEFT, RIGHT = "left.", "right."
"""What columns of a side begin with while conditions are looked at."""
TRUE = Constant(True, SqlType("BOOLEAN", nullable=False))


def conditions_of(binder: Queries, join: Join, left: Related, right: Related) -> list[Expression]:
    """The conditions, with USING and NATURAL written out."""
    names = list(join.using)
    if join.natural:
        own = {one.name for one in left.columns if one.shown}
        names = [Ident(one.name, at=join.at) for one in right.columns if one.shown and one.name in own]
    found = []
    for name in names:
        for side, of in ((left, "left"), (right, "right")):
            known = [one.name for one in side.columns if one.shown]
            if name.name not in known:
                raise binder.text.unknown("column", name.name, known, name.at, inside=f"the {of} side")
        found.append(
            Call("=", (_named(left, name, LEFT), _named(right, name, RIGHT)), at=name.at, end=name.end, written="=")
        )
    return [*found, *[one for one in conjuncts(join.condition) if one != TRUE]]


def _named(side: Related, name: Ident, mark: str) -> Name:
    column = next(one for one in side.columns if one.name == name.name and one.shown)
    # While conditions are looked at, rows without a name have that of their side.
    table = Ident(column.table or mark, at=name.at, end=name.end)
    return Name((table, name), at=name.at, end=name.end)


def side_of(term: Term) -> str:
    """The side that all columns of a term are of; empty if there are both or none."""
    names = term.columns()
    for mark in (LEFT, RIGHT):
        if names and all(name.startswith(mark) for name in names):
            return mark
    return ""


def bare(term: Term) -> Term:
    """A term of one side without its mark."""
    return substitute(term, {}, lambda column: Column(column.name.partition(".")[2]))
