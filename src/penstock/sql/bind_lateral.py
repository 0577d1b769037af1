"""LATERAL: a query in FROM that looks at the rows on its left becomes one that does not, and a join."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.expr.ast import Column
from penstock.expr.ast import Term as PlanTerm
from penstock.operators.select import Select as SelectNode
from penstock.sql.bind_expression import conjuncts
from penstock.sql.bind_from import bind_relation, unnested
from penstock.sql.scope import OuterColumnError, Related, Scope, ScopeColumn
from penstock.sql.syntax import (
    Alias,
    Call,
    Constant,
    Derived,
    Exists,
    Expression,
    GroupItem,
    Ident,
    InQuery,
    Join,
    Name,
    Ordered,
    Query,
    Scalar,
    Select,
    SelectItem,
    TableFunction,
    Values,
    Window,
)
from penstock.sql.types import SqlType
from penstock.sql.walk import calls, mapped, walk

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

KEY = "$lateral"
"""The names of columns that a query gives so that it can be joined begin with this."""


def bind_lateral(binder: Queries, left: Related, join: Join, outer: Scope | None) -> Related:
    """`left, LATERAL (query) AS t`: the rows of the left side with those that the query has for each.

    Raises:
        UnsupportedError: If the query cannot be made one that stands by itself.
    """
    from penstock.sql.bind_join import join_sides
    from penstock.sql.bind_select import has_aggregate

    derived = join.right
    assert isinstance(derived, Derived)
    query, alias = derived.query, derived.alias
    if isinstance(query, Values):
        return unnested(binder, left, _array(query, derived), join.kind, outer)
    if isinstance(query, Select) and query.source is None and query.where is None and not has_aggregate(query.items):
        return _computed(binder, left, query, alias, outer)
    alone, keys, conditions = _alone(binder, query, Scope(left, outer))
    right = binder.query(alone)
    columns = tuple(replace(one, shown=False) if one.name.startswith(KEY) else one for one in right.columns)
    label = alias.name if alias else keys
    right = replace(right, columns=columns).renamed(label, alias.columns if alias else (), binder.text, join.at)
    named = tuple(_renamed(one, keys, label) for one in conditions)
    whole = [*named, *conjuncts(join.condition)]
    kind = join.kind if whole or join.kind != "cross" else "cross"
    kind = "inner" if kind == "cross" and whole else kind
    condition: Expression | None = None
    for one in whole:
        condition = one if condition is None else _and(condition, one)
    made = join_sides(binder, left, right, replace(join, kind=kind, condition=condition))
    if alias is None:
        made = replace(made, columns=tuple(replace(c, table=None) if c.table == keys else c for c in made.columns))
    return made


def _array(query: Values, derived: Derived) -> TableFunction:
    """VALUES as an array of rows, to be taken apart."""
    rows = [row[0] if len(row) == 1 else Call("ROW", row, at=row[0].at, end=row[-1].end) for row in query.rows]
    array = Call("ARRAY", tuple(rows), at=query.at, end=query.end, written="ARRAY")
    return TableFunction("UNNEST", ((None, array),), derived.alias, True, at=derived.at, end=derived.end)


def _appended(
    binder: Queries, left: Related, values: list[tuple[str, ScopeColumn]], alias: Alias | None, query: Query
) -> Related:
    """The rows with more columns."""
    taken = set(left.node.schema.names)
    made: list[tuple[str, PlanTerm]] = [(name, Column(name)) for name in left.node.schema.names]
    columns = []
    for name, column in values:
        chosen = name
        while chosen in taken:
            chosen = f"{chosen}$"
        taken.add(chosen)
        made.append((chosen, column.term))
        columns.append(replace(column, term=Column(chosen)))
    node = SelectNode(input=left.node, columns=tuple(made), where=binder.where(query))
    right = Related(node, tuple(columns)).renamed(
        alias.name if alias else None, alias.columns if alias else (), binder.text, query.at
    )
    return replace(left, node=node, columns=(*left.columns, *right.columns))


def _computed(binder: Queries, left: Related, query: Select, alias: Alias | None, outer: Scope | None) -> Related:
    """A SELECT without FROM: columns that are computed of the row."""
    from penstock.sql.bind_select import item_name

    expressions = binder.expressions(Scope(left, outer), "LATERAL")
    found = []
    for i, item in enumerate(query.items):
        value, name = expressions.bind(item.expression), item_name(item, i)
        found.append((name, ScopeColumn(name, value.term, value.dtype, value.nullable)))
    return _appended(binder, left, found, alias, query)


# -- queries that stand by themselves ------------------------------------------------


def _alone(binder: Queries, query: Query, outer: Scope) -> tuple[Query, str, list[Expression]]:
    """A query that does not look at the rows around it, the name of its rows, and what ties it to them."""
    from penstock.sql.bind_select import has_aggregate

    text = binder.text
    ordered = query if isinstance(query, Ordered) else None
    select = ordered.query if ordered else query
    if not isinstance(select, Select) or select.source is None:
        raise text.unsupported("LATERAL takes SELECT ... FROM ... WHERE, or VALUES", query.at, query.end)
    inner = bind_relation(binder, select.source, None)
    own, tied = [], []
    for one in conjuncts(select.where):
        try:
            if not any(isinstance(piece, (InQuery, Exists, Scalar)) for piece in walk(one)):
                binder.expressions(Scope(inner, outer), "WHERE").bind(one)
            own.append(one)
        except OuterColumnError:
            tied.append(one)
    # What is cut or grouped is so for each row around: the columns that tie it are grouped by too.
    whole = ordered is not None or select.group is not None or select.distinct or has_aggregate(select.items)
    names = f"{KEY}{query.at}"
    taken: list[Expression] = []
    conditions = []
    for one in tied:
        if whole and not _ties(one, Scope(inner)):
            raise text.unsupported(
                "LATERAL with GROUP BY, DISTINCT or LIMIT is tied to the rows around it by equal columns",
                one.at, one.end, hint="WHERE a.id = b.id",
            )  # fmt: skip
        conditions.append(_outside(one, Scope(inner), names, taken))
    where: Expression | None = None
    for one in own:
        where = one if where is None else _and(where, one)
    items = tuple(SelectItem(one, Ident(f"{KEY}{i}"), at=one.at, end=one.end) for i, one in enumerate(taken))
    made = replace(select, items=(*select.items, *items), where=where)
    if select.group is not None or has_aggregate(select.items):
        more = tuple(GroupItem("plain", ((one,),), at=one.at, end=one.end) for one in taken)
        made = replace(made, group=(*(select.group or ()), *more))
    if ordered is None:
        return made, names, conditions
    return _cut(binder, ordered, made, tuple(taken)), names, conditions


def _cut(binder: Queries, ordered: Ordered, select: Select, keys: tuple[Expression, ...]) -> Query:
    """ORDER BY and LIMIT for each key: the first rows by their number."""
    if ordered.limit is None:
        return select
    if not ordered.order:
        raise binder.text.unsupported("LIMIT in LATERAL needs an ORDER BY", ordered.at, ordered.end)
    if select.group is not None or select.distinct or any(call.over is not None for call in calls(select.items)):
        raise binder.text.unsupported(
            "LIMIT of groups in LATERAL is not offered", ordered.at, ordered.end, hint="group in a query inside of it"
        )
    # An order may name what is selected.
    named = {item.alias.name: item.expression for item in select.items if item.alias is not None}
    order = tuple(
        replace(one, expression=named.get(one.expression.parts[0].name, one.expression))
        if isinstance(one.expression, Name) and len(one.expression.parts) == 1
        else one
        for one in ordered.order
    )
    at, end = ordered.at, ordered.end
    rank = Call("ROW_NUMBER", (), over=Window(keys, order, at=at, end=end), at=at, end=end, written="ROW_NUMBER")
    name = Ident(f"{KEY}$rank", at=at, end=end)
    inside = replace(select, items=(*select.items, SelectItem(rank, name, at=at, end=end)))
    number = Name((name,), at=at, end=end)
    most = Constant(ordered.offset + ordered.limit, SqlType("INT", nullable=False), at=at, end=end)
    where: Expression = Call("<=", (number, most), at=at, end=end, written="<=")
    if ordered.offset:
        least = Constant(ordered.offset, SqlType("INT", nullable=False), at=at, end=end)
        where = _and(where, Call(">", (number, least), at=at, end=end, written=">"))
    return replace(select, items=_names(select), source=Derived(inside, None, at=at, end=end), where=where)


def _names(select: Select) -> tuple[SelectItem, ...]:
    """The columns of a SELECT by their names; `*` stays what it is."""
    from penstock.sql.bind_select import item_name

    found = []
    for i, item in enumerate(select.items):
        name = Name((Ident(item_name(item, i), at=item.at, end=item.end),), at=item.at, end=item.end)
        found.append(SelectItem(name, None, at=item.at, end=item.end))
    return tuple(found)


def _ties(condition: Expression, inner: Scope) -> bool:
    """Whether it is `mine = theirs`."""
    if not isinstance(condition, Call) or condition.name not in ("=", "IS NOT DISTINCT FROM"):
        return False
    sides = [{_is_inner(one, inner) for one in walk(arg) if isinstance(one, Name)} for arg in condition.args]
    return sides in ([{True}, {False}], [{False}, {True}])


def _is_inner(name: Name, inner: Scope) -> bool:
    first = name.parts[0].name
    if len(name.parts) > 1 and first in inner.tables:
        return True
    return any(one.name == first for one in inner.columns)


def _outside(condition: Expression, inner: Scope, table: str, taken: list[Expression]) -> Expression:
    """A condition with columns of the query's rows in the place of what it says of them."""
    if isinstance(condition, Name):
        if not _is_inner(condition, inner):
            return condition
        if condition not in taken:
            taken.append(condition)
        column = Ident(f"{KEY}{taken.index(condition)}", at=condition.at, end=condition.end)
        return Name((Ident(table, at=condition.at, end=condition.end), column), at=condition.at, end=condition.end)
    return _expression(condition, lambda one: _outside(one, inner, table, taken))


def _renamed(condition: Expression, table: str, label: str) -> Expression:
    if isinstance(condition, Name) and condition.parts[0].name == table:
        return replace(condition, parts=(replace(condition.parts[0], name=label), *condition.parts[1:]))
    return _expression(condition, lambda one: _renamed(one, table, label))


def _and(left: Expression, right: Expression) -> Expression:
    return Call("AND", (left, right), at=left.at, end=right.end, written="AND")


def _expression(condition: Expression, change: Callable[[Expression], Expression]) -> Expression:
    made = mapped(condition, change)
    assert isinstance(made, Expression)
    return made
