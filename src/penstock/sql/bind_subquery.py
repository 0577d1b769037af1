"""IN, EXISTS and their negations in WHERE: semi and anti joins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.core.dtypes import Int32, Int64
from penstock.core.where import Where
from penstock.expr.ast import Aggregation, Column, Literal
from penstock.expr.infer import Typed, infer
from penstock.operators.filter import Filter
from penstock.operators.group import Group
from penstock.plan.node import Node
from penstock.sql import functions, operators
from penstock.sql.bind_expression import conjuncts
from penstock.sql.bind_from import bind_relation
from penstock.sql.bind_join import ONLY, Joining
from penstock.sql.scope import OuterColumnError, Related, Scope
from penstock.sql.syntax import Call, Constant, Exists, Expression, InQuery, Query, Scalar, Select, SelectItem
from penstock.sql.types import SqlType
from penstock.sql.walk import walk
from penstock.sql.window_rows import rows_of_windows

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries


def bind_condition(binder: Queries, related: Related, condition: Expression, outer: Scope | None) -> Related:
    """The rows for which a condition with a query in it is true: a join if it is IN or EXISTS by itself.

    Raises:
        PlanError: If it cannot mean anything.
    """
    negated = False
    inner = condition
    while isinstance(inner, Call) and inner.name == "NOT":
        negated, inner = not negated, inner.args[0]
    if isinstance(inner, InQuery):
        return _joined(binder, related, inner, inner.query, inner.values, negated != inner.negated, outer)
    if isinstance(inner, Exists):
        return _joined(binder, related, inner, inner.query, (), negated, outer)
    from penstock.sql.bind_scalar import bind_scalar_condition

    return bind_scalar_condition(binder, related, condition, outer)


def _joined(
    binder: Queries,
    related: Related,
    syntax: Expression,
    query: Query,
    values: tuple[Expression, ...],
    negated: bool,
    outer: Scope | None,
) -> Related:
    text = binder.text
    if related.window is not None:
        related = rows_of_windows(related, binder.where(syntax))
    right, correlated, items = _inside(binder, query, Scope(related, outer))
    joining = Joining(binder, related, right, inner_first=True)
    nullable = False
    if values:
        given = items if items is not None else [one for one in right.columns if one.shown]
        if len(given) != len(values):
            raise text.error(
                f"IN compares {len(values)} values with {len(given)} columns", syntax.at, syntax.end,
                hint="select as many columns in the query",
            )  # fmt: skip
        nullable = _equal(binder, joining, related, right, values, given, syntax, outer)
    for one in correlated:
        joining.add(one)
    if not joining.left_on:
        joining.left_on, joining.right_on, joining.nulls_equal = [ONLY], [ONLY], [False]
    if joining.lower is not None and joining.upper is not None:
        joining.bounds_as_conditions()
    pattern = joining.pattern("anti" if negated else "semi", syntax)
    made = replace(related, node=operators.semi_join(replace(pattern, within=None)))
    if not negated or not nullable:
        return made
    if correlated or len(values) > 1:
        raise text.unsupported(
            "NOT IN over columns that may be NULL takes one value, and a query by itself", syntax.at, syntax.end,
            hint="NOT EXISTS (SELECT ... WHERE a.id = b.id), or columns that are NOT NULL",
        )  # fmt: skip
    return replace(made, node=_unless_null(made.node, joining, binder.where(syntax)))


def _unless_null(node: Node, joining: Joining, place: Where) -> Node:
    """Of the rows whose value is not in the query those for which NOT IN is true, and not unknown.

    It is true if the query has no rows, or if neither the value nor one in the query is NULL.
    """
    (value,), (other,) = joining.left_on, joining.right_on
    counts = Group(
        input=joining.right.node, keys=(), where=place,
        aggregates=(("$rows", Aggregation("count", ())), ("$known", Aggregation("count_values", (other,)))),
    )  # fmt: skip
    names = [f"${name}{len(node.schema)}" for name in ("rows", "known")]
    columns = [(name, "left", name) for name in node.schema.names]
    only = Literal(0, Int32)
    both = operators.regular_join(
        operators.JoinPattern(
            left=node,
            right=counts,
            kind="left",
            left_on=(only,),
            right_on=(only,),
            nulls_equal=(False,),
            columns=(*columns, (names[0], "right", "$rows"), (names[1], "right", "$known")),
            where=place,
        )
    )
    rows, known = (Typed(Column(name), Int64, True) for name in names)
    typed = infer(value, node.schema)
    empty = functions.resolve("=", [functions.resolve("COALESCE", [rows, functions.constant(0, Int64)]), _zero()])
    solid = functions.resolve("AND", [functions.resolve("IS NOT NULL", [typed]), functions.resolve("=", [rows, known])])
    return Filter(input=both, predicate=functions.resolve("OR", [empty, solid]).term, where=place)


def _zero() -> Typed:
    return functions.constant(0, Int64)


def _equal(
    binder: Queries, joining: Joining, related: Related, right: Related, values: tuple[Expression, ...],
    given: list, syntax: Expression, outer: Scope | None,  # type: ignore[type-arg]
) -> bool:  # fmt: skip
    """What IN compares; whether any of it may be NULL."""
    from penstock.sql.bind_join import _marked
    from penstock.sql.join_names import LEFT, RIGHT

    outside = binder.expressions(Scope(_marked(related, LEFT), outer), "IN")
    inside = _marked(right, RIGHT)
    nullable = False
    for value, item in zip(values, given, strict=True):
        a = outside.bind(value)
        if isinstance(item, SelectItem):
            b = binder.expressions(Scope(inside), "IN").bind(item.expression)
        else:
            b = next(one for one in inside.columns if one.name == item.name and one.shown).typed
        nullable = nullable or a.nullable or b.nullable
        joining._equal(a, b, Call("=", (value, Constant(0, SqlType("INT"))), at=syntax.at, end=syntax.end, written="="))
    return nullable


def _inside(binder: Queries, query: Query, outer: Scope) -> tuple[Related, list[Expression], list[SelectItem] | None]:
    """The rows of the query, the conditions on the rows around it, and what it selects if it was not bound."""
    if not isinstance(query, Select) or query.source is None:
        return binder.query(query), [], None
    if query.group is not None or query.distinct or query.having is not None or query.qualify is not None:
        return binder.query(query), [], None
    from penstock.sql.bind_select import expanded, has_aggregate

    if has_aggregate(query.items):
        return binder.query(query), [], None
    right, correlated = split(binder, query, outer)
    if right.rank is not None:
        return binder.query(query), [], None
    return right, correlated, expanded(binder, right, query)


def split(binder: Queries, query: Select, outer: Scope) -> tuple[Related, list[Expression]]:
    """The rows of a query that fit its own conditions, and its conditions on the rows around it."""
    from penstock.sql.bind_select import filtered

    assert query.source is not None
    below = bind_relation(binder, query.source, outer)
    if below.window is not None:
        below = rows_of_windows(below, binder.where(query))
    own, correlated = [], []
    for one in conjuncts(query.where):
        try:
            if not any(isinstance(piece, (InQuery, Exists, Scalar)) for piece in walk(one)):
                binder.expressions(Scope(below, outer), "WHERE").bind(one)
            own.append(one)
        except OuterColumnError:
            correlated.append(one)
    if below.rank is not None:
        return below, correlated
    where = None
    for one in own:
        where = one if where is None else Call("AND", (where, one), at=one.at, end=one.end, written="AND")
    return filtered(binder, below, where, None, query), correlated
