"""INTERSECT and EXCEPT, as joins by all columns; NULL equals NULL."""

from __future__ import annotations

from penstock.core.where import Where
from penstock.expr.ast import Column
from penstock.operators.group import Group
from penstock.operators.join import Join
from penstock.plan.node import Node


def set_join(kind: str, left: Node, right: Node, *, every: bool, where: Where) -> Node:
    """The rows of an INTERSECT or EXCEPT: a Table.

    Args:
        kind: `INTERSECT` or `EXCEPT`.
        left: The rows on the left.
        right: The rows on the right, of the same names and types.
        every: Whether rows are there several times: in INTERSECT ALL as often as on the side that has fewer, in
            EXCEPT ALL as many times more often as they are on the left.
        where: Its place.
    """
    names = left.schema.names
    terms = tuple(Column(name) for name in names)
    equal = (True,) * len(names)
    columns = tuple((name, "left", name) for name in names)
    if not every:
        left, right = (Group(input=side, keys=tuple(names), aggregates=(), where=where) for side in (left, right))
    how = "semi" if kind == "INTERSECT" else "anti"
    return Join(
        left=left, right=right, how=how, left_on=terms, right_on=terms, nulls_equal=equal,
        columns=columns, every=every, where=where,
    )  # fmt: skip
