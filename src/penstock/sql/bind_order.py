"""ORDER BY bound: names and places of the SELECT list, and expressions over what it is made of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.expr.ast import Column, Term
from penstock.operators.select import Select as SelectNode
from penstock.sql.operators import Order
from penstock.sql.scope import Related, Scope
from penstock.sql.syntax import (
    Constant,
    Expression,
    Ident,
    Name,
    Ordered,
    OrderItem,
    Select,
    SelectItem,
    Star,
)
from penstock.sql.walk import mapped

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

KEY = "$order"
"""Columns that are there to be ordered by, and are not shown, begin with this."""


def ordered_rows(binder: Queries, query: Ordered, outer: Scope | None) -> tuple[Related, list[Order], bool]:
    """The rows of a query, the keys of its order, and whether that is the event time, ascending.

    Raises:
        PlanError: If a key cannot mean anything.
    """
    inner, items = query.query, list(query.order)
    if isinstance(inner, Select):
        items = [_said(binder, item, inner) for item in items]
        hidden: list[SelectItem] = []
        for i, item in enumerate(items):
            if _is_shown(item.expression, inner):
                continue
            name = Ident(f"{KEY}{i}", at=item.at, end=item.end)
            hidden.append(SelectItem(_without_names(item.expression, inner), name, at=item.at, end=item.end))
            items[i] = replace(item, expression=Name((name,), at=item.at, end=item.end))
        if hidden and not inner.distinct:
            inner = replace(inner, items=(*inner.items, *hidden))
        elif hidden:
            raise binder.text.error(
                "of DISTINCT rows what is not selected has no value", hidden[0].at, hidden[0].end, hint="select it too"
            )
    related, order, by_time = _keys(binder, binder.query(inner, outer), items)
    columns = tuple(replace(one, shown=one.shown and not one.name.startswith(KEY)) for one in related.columns)
    return replace(related, columns=columns), order, by_time


def _said(binder: Queries, item: OrderItem, select: Select) -> OrderItem:
    """`ORDER BY 2` means the second column."""
    place = item.expression
    if not isinstance(place, Constant) or not isinstance(place.value, int) or isinstance(place.value, bool):
        return item
    if any(isinstance(one.expression, Star) for one in select.items):
        raise binder.text.unsupported("a number in ORDER BY with * is not offered", item.at, item.end, hint="the name")
    if not 1 <= place.value <= len(select.items):
        raise binder.text.error(
            f"there are {len(select.items)} columns, ORDER BY names column {place.value}", item.at, item.end
        )
    chosen = select.items[place.value - 1]
    name = chosen.alias or Ident(f"EXPR${place.value - 1}", at=item.at, end=item.end)
    if chosen.alias is None and isinstance(chosen.expression, Name):
        return replace(item, expression=chosen.expression)
    return replace(item, expression=Name((name,), at=item.at, end=item.end))


def _names(select: Select) -> dict[str, Expression]:
    from penstock.sql.bind_select import item_name

    return {item_name(item, i): item.expression for i, item in enumerate(select.items)}


def _is_shown(expression: Expression, select: Select) -> bool:
    """Whether it is a column of the result by its name."""
    if not isinstance(expression, Name):
        return False
    if any(isinstance(item.expression, Star) for item in select.items):
        return True
    return expression.parts[-1].name in _names(select) and len(expression.parts) == 1


def _without_names(expression: Expression, select: Select) -> Expression:
    """With what names of the SELECT list stand for in their places."""
    known = {name: value for name, value in _names(select).items() if not isinstance(value, Star)}
    if isinstance(expression, Name) and len(expression.parts) == 1 and expression.parts[0].name in known:
        return known[expression.parts[0].name]
    made = mapped(expression, lambda one: _without_names(one, select))
    assert isinstance(made, Expression)
    return made


def _keys(binder: Queries, related: Related, items: list[OrderItem]) -> tuple[Related, list[Order], bool]:
    scope = Scope(related)
    order: list[Order] = []
    by_time = False
    computed: list[tuple[str, Term]] = []
    for item in items:
        column = None
        if isinstance(item.expression, Name):
            column, fields = scope.find(item.expression, binder.text)
            column = None if fields else column
        if column is not None and isinstance(column.term, Column):
            name = column.term.name
        else:
            value = binder.expressions(scope, "ORDER BY").bind(item.expression)
            name = f"{KEY}{len(related.node.schema) + len(computed)}"
            computed.append((name, value.term))
        first = item.nulls_first if item.nulls_first is not None else not item.descending
        order.append(Order(column=name, descending=item.descending, nulls_first=first))
        by_time = by_time or (
            len(order) == 1 and column is not None and related.is_time(column) and not item.descending
        )
    if computed:
        kept = tuple((one, Column(one)) for one in related.node.schema.names)
        place = binder.text.where(items[0].at, items[-1].end)
        related = replace(related, node=SelectNode(input=related.node, columns=(*kept, *computed), where=place))
    return related, order, by_time
