"""IN, EXISTS and their negations in WHERE: semi and anti joins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.sql import operators
from penstock.sql.bind_expression import conjuncts
from penstock.sql.bind_from import bind_relation
from penstock.sql.bind_join import Joining
from penstock.sql.scope import OuterColumnError, Related, Scope
from penstock.sql.syntax import Call, Constant, Exists, Expression, InQuery, Query, Scalar, Select, SelectItem
from penstock.sql.types import SqlType
from penstock.sql.walk import walk

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries


def bind_condition(binder: Queries, related: Related, condition: Expression, outer: Scope | None) -> Related:
    """The rows for which a condition with a query in it is true.

    Raises:
        UnsupportedError: If the query is anywhere but directly in IN or EXISTS.
    """
    text = binder.text
    negated = False
    inner = condition
    while isinstance(inner, Call) and inner.name == "NOT":
        negated, inner = not negated, inner.args[0]
    if isinstance(inner, InQuery):
        return _joined(binder, related, inner, inner.query, inner.values, negated != inner.negated, outer)
    if isinstance(inner, Exists):
        return _joined(binder, related, inner, inner.query, (), negated, outer)
    found = next(one for one in walk(condition) if isinstance(one, (InQuery, Exists, Scalar)))
    if isinstance(found, Scalar):
        operators.scalar_join(
            operators.JoinPattern(left=related.node, right=related.node, kind="left", where=binder.where(found))
        )
    raise text.unsupported(
        "a query inside of OR or CASE is not offered", found.at, found.end, hint="IN and EXISTS joined by AND"
    )


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
        operators.windowed_rows(related.node, related.window.windows, where=binder.where(syntax))
    right, correlated, items = _inside(binder, query, Scope(related, outer))
    joining = Joining(binder, related, right, inner_first=True)
    if values:
        given = items if items is not None else [one for one in right.columns if one.shown]
        if len(given) != len(values):
            raise text.error(
                f"IN compares {len(values)} values with {len(given)} columns", syntax.at, syntax.end,
                hint="select as many columns in the query",
            )  # fmt: skip
        _equal(binder, joining, related, right, values, given, negated, syntax, outer)
    for one in correlated:
        joining.add(one)
    if not joining.left_on:
        if not correlated and not values:
            raise text.unsupported(
                "EXISTS of a query that does not look at the rows around it is not offered", syntax.at, syntax.end
            )
        raise text.unsupported("EXISTS needs an equal key", syntax.at, syntax.end, hint="WHERE a.id = b.id")
    pattern = joining.pattern("anti" if negated else "semi", syntax)
    return replace(related, node=operators.semi_join(replace(pattern, within=None)))


def _equal(
    binder: Queries, joining: Joining, related: Related, right: Related, values: tuple[Expression, ...],
    given: list, negated: bool, syntax: Expression, outer: Scope | None,  # type: ignore[type-arg]
) -> None:  # fmt: skip
    """What IN compares."""
    from penstock.sql.bind_join import LEFT, RIGHT, _marked

    outside = binder.expressions(Scope(_marked(related, LEFT), outer), "IN")
    inside = _marked(right, RIGHT)
    for value, item in zip(values, given, strict=True):
        a = outside.bind(value)
        if isinstance(item, SelectItem):
            b = binder.expressions(Scope(inside), "IN").bind(item.expression)
        else:
            b = next(one for one in inside.columns if one.name == item.name and one.shown).typed
        if negated and (a.nullable or b.nullable):
            raise binder.text.unsupported(
                "NOT IN over a column that may be NULL is not offered: one NULL leaves nothing", syntax.at, syntax.end,
                hint="NOT EXISTS (SELECT ... WHERE a.id = b.id), or columns that are NOT NULL",
            )  # fmt: skip
        joining._equal(a, b, Call("=", (value, Constant(0, SqlType("INT"))), at=syntax.at, end=syntax.end, written="="))


def _inside(binder: Queries, query: Query, outer: Scope) -> tuple[Related, list[Expression], list[SelectItem] | None]:
    """The rows of the query, the conditions on the rows around it, and what it selects if it was not bound."""
    if not isinstance(query, Select) or query.source is None:
        return binder.query(query), [], None
    if query.group is not None or query.distinct or query.having is not None or query.qualify is not None:
        return binder.query(query), [], None
    from penstock.sql.bind_select import expanded, filtered, has_aggregate

    if has_aggregate(query.items):
        return binder.query(query), [], None
    below = bind_relation(binder, query.source, outer)
    own, correlated = [], []
    for one in conjuncts(query.where):
        try:
            if not any(isinstance(piece, (InQuery, Exists, Scalar)) for piece in walk(one)):
                binder.expressions(Scope(below, outer), "WHERE").bind(one)
            own.append(one)
        except OuterColumnError:
            correlated.append(one)
    if below.rank is not None or below.window is not None:
        return binder.query(query), [], None
    where = None
    for one in own:
        where = one if where is None else Call("AND", (where, one), at=one.at, end=one.end, written="AND")
    right = filtered(binder, below, where, None, query)
    return right, correlated, expanded(binder, right, query)
