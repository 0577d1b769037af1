"""INTERSECT and EXCEPT, as joins of what each side has how often; NULL equals NULL."""

from __future__ import annotations

from penstock.core.dtypes import Int32, Int64, String
from penstock.core.where import Where
from penstock.expr.ast import Aggregation, Column
from penstock.expr.infer import Typed
from penstock.operators.explode import Explode
from penstock.operators.filter import Filter
from penstock.operators.group import Group
from penstock.operators.join import Join
from penstock.operators.select import Select
from penstock.plan.node import Node
from penstock.sql import functions

_COUNT, _OTHER, _COPIES = "$count", "$other", "$copies"


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
        sides = [Group(input=side, keys=tuple(names), aggregates=(), where=where) for side in (left, right)]
        how = "semi" if kind == "INTERSECT" else "anti"
        return Join(
            left=sides[0], right=sides[1], how=how, left_on=terms, right_on=terms, nulls_equal=equal,
            columns=columns, where=where,
        )  # fmt: skip
    counts = [
        Group(input=side, keys=tuple(names), aggregates=((name, Aggregation("count", ())),), where=where)
        for side, name in ((left, _COUNT), (right, _OTHER))
    ]
    both = Join(
        left=counts[0], right=counts[1], how="inner" if kind == "INTERSECT" else "left", left_on=terms, right_on=terms,
        nulls_equal=equal, columns=(*columns, (_COUNT, "left", _COUNT), (_OTHER, "right", _OTHER)), where=where,
    )  # fmt: skip
    return _repeated(both, kind, tuple(names), where)


def _repeated(both: Node, kind: str, names: tuple[str, ...], where: Where) -> Node:
    """Each row as often as the counts say: an array of so many elements is taken apart."""
    mine, others = Typed(Column(_COUNT), Int64, False), Typed(Column(_OTHER), Int64, True)
    if kind == "INTERSECT":
        count = functions.resolve("LEAST", [mine, others])
    else:
        absent = functions.constant(0, Int64)
        count = functions.resolve("-", [mine, functions.resolve("COALESCE", [others, absent])])
    some = Filter(
        input=both, predicate=functions.resolve(">", [count, functions.constant(0, Int64)]).term, where=where
    )  # fmt: skip
    fewer = functions.cast(functions.resolve("-", [count, functions.constant(1, Int64)]), Int32)
    comma, more = functions.constant(",", String), functions.constant(",x", String)
    # A text without a comma is one element, and the empty text is none.
    text = functions.resolve("||", [functions.constant("x", String), functions.resolve("REPEAT", [more, fewer])])
    copies = functions.resolve("SPLIT", [text, comma])
    kept = tuple((name, Column(name)) for name in names)
    many = Select(input=some, columns=(*kept, (_COPIES, copies.term)), where=where)
    return Select(input=Explode(input=many, column=_COPIES, where=where), columns=kept, where=where)
