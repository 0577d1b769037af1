"""SELECT bound: filters, projections, ranks; what is grouped is in `bind_group`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.core.dtypes import Int64
from penstock.core.errors import PlanError
from penstock.core.where import Where
from penstock.expr.ast import Column, Term
from penstock.expr.infer import Typed
from penstock.operators.filter import Filter
from penstock.plan.node import Node
from penstock.sql import tidy
from penstock.sql.bind_expression import AGGREGATES, RANKS, conjuncts
from penstock.sql.bind_from import MARKS, bind_relation
from penstock.sql.exact import is_aggregate
from penstock.sql.ranks import PendingRank, apply_rank, pending_rank, rank_bounds
from penstock.sql.scope import PROCTIME, RANK, Related, Scope, ScopeColumn
from penstock.sql.syntax import (
    Call,
    Exists,
    Expression,
    Ident,
    InQuery,
    Join,
    Name,
    Scalar,
    Select,
    SelectItem,
    Star,
    Syntax,
)
from penstock.sql.ttl import STATE_TTL, TTL_FOR, state_ttl
from penstock.sql.udfs import has_calls, lifted, named_items, split
from penstock.sql.walk import calls, outer_calls, walk
from penstock.sql.window_bounds import WINDOW_ROLES, bounds_later, groups_by_window, rows_first
from penstock.sql.window_rows import rows_of_windows

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries


@dataclass(frozen=True)
class Item:
    """One column of a result.

    Attributes:
        name: Its name in SQL.
        value: Its value.
        role: See `ScopeColumn`.
        marked: Whether it stands for a bound of windows, or a rank, that no operator has made yet.
    """

    name: str
    value: Typed
    role: str = ""
    marked: bool = False


def bind_select(binder: Queries, select: Select, outer: Scope | None) -> Related:
    """The rows of a SELECT.

    Raises:
        PlanError: If it cannot mean anything.
    """
    from penstock.sql.bind_group import bind_grouped, is_grouped

    text = binder.text
    _check_ttl(binder, select)
    if any(item.kind != "plain" for item in select.group or ()):
        from penstock.sql.bind_sets import bind_sets

        return bind_sets(binder, select, outer)
    grouped = select.group is not None or has_aggregate(select.items)
    if grouped and not any(isinstance(item.expression, Star) for item in select.items):
        from penstock.sql.over_groups import over_groups

        if (two_steps := over_groups(select, list(select.items))) is not None:
            return bind_select(binder, two_steps, outer)
    if select.qualify is not None and any(call.over is not None for call in calls(select.qualify)):
        return _qualified_by_call(binder, select, outer)
    rest: Expression | None = select.where
    rest, calling = split(rest, binder.udfs)
    select = replace(select, where=rest) if calling else select
    if select.source is None:
        related = binder.one_row(binder.where(select))
    elif isinstance(select.source, Join):
        from penstock.sql.join_tree import bind_joins

        related, rest = bind_joins(replace(binder, hints=select.hints), select.source, select.where, outer)
    else:
        related = bind_relation(binder, select.source, outer)
    if not grouped and rows_first(related, select, rest):
        related = rows_of_windows(related, binder.where(select))
    select, rest = bounds_later(related, select, rest)
    related = filtered(binder, related, rest, outer, select)
    for one in calling:
        related, condition = lifted(binder, related, one, outer)
        related = filtered(binder, related, condition, outer, select)
    items = expanded(binder, related, select)
    if has_calls((tuple(items), select.group), binder.udfs):
        pieces = (tuple(named_items(items)), select.group)
        related, (found, group) = lifted(binder, related, pieces, outer)
        items, select = list(found), replace(select, group=group)
    if is_grouped(select, items):
        if related.window is not None and not groups_by_window(related, select):
            related = rows_of_windows(related, binder.where(select))
        related, bound = bind_grouped(binder, related, select, items, outer)
    else:
        if select.having is not None:
            raise text.error("HAVING needs GROUP BY or an aggregate", select.having.at, select.having.end, hint="WHERE")
        related, bound = _plain(binder, related, select, items, outer)
        if related.window is not None and not any(item.role in WINDOW_ROLES for item in bound):
            # A row is there once for each of its windows, whether or not their bounds are selected.
            related = rows_of_windows(related, binder.where(select))
            related, bound = _plain(binder, related, select, items, outer)
    made = project(binder, related, bound, select, is_grouped(select, items))
    if select.qualify is not None:
        made = _qualified(binder, made, select)
    if select.distinct:
        made = _distinct(binder, made, select)
    return made


def _check_ttl(binder: Queries, select: Select) -> None:
    """STATE_TTL is for the state of groups and of duplicates: elsewhere it is refused, and not forgotten."""
    for hint in select.hints:
        grouped = select.group is not None or select.distinct or has_aggregate(select.items)
        ranked = any(call.name in RANKS for call in calls(select.items))
        if hint.name == STATE_TTL and (isinstance(select.source, Join) or not (grouped or ranked)):
            raise binder.text.unsupported(
                f"{STATE_TTL} is offered for {TTL_FOR}", select.at, select.at + 6, hint="an interval join or a window"
            )


# -- WHERE -----------------------------------------------------------------------


def filtered(
    binder: Queries, related: Related, condition: Expression | None, outer: Scope | None, select: Select
) -> Related:
    """The rows that fit: conditions on ranks and queries become operators of their own, the rest a filter."""
    plain: list[Expression] = []
    ranked: list[Expression] = []
    for one in conjuncts(condition):
        if related.rank is not None and rank_bounds(one, related) is not None:
            ranked.append(one)
        elif _query_inside(one) is not None:
            plain_before = plain
            related = _filter(binder, related, plain_before, outer)
            plain = []
            from penstock.sql.bind_subquery import bind_condition

            related = bind_condition(binder, related, one, outer)
        else:
            plain.append(one)
    if ranked:
        needs = [name for item in select.items for name in walk(item) if isinstance(name, (Name, Star))]
        related = apply_rank(binder, related, ranked, needs)
    return _filter(binder, related, plain, outer)


def _query_inside(expression: Expression) -> Expression | None:
    return next((one for one in walk(expression) if isinstance(one, (InQuery, Exists, Scalar))), None)


def _filter(binder: Queries, related: Related, conditions: list[Expression], outer: Scope | None) -> Related:
    if not conditions:
        return related
    scope = Scope(related, outer)
    terms = [binder.expressions(scope, "WHERE").condition(one) for one in conditions]
    for term, syntax in zip(terms, conditions, strict=True):
        if any(name.startswith("$window_") for name in term.term.columns()):
            return _filter(binder, rows_of_windows(related, binder.where(syntax)), conditions, outer)
        if "$rank" in term.term.columns():
            raise binder.text.unsupported(
                "a rank is only compared with constants", syntax.at, syntax.end, hint="WHERE rn <= 10"
            )
    predicate = terms[0]
    for more in terms[1:]:
        predicate = binder.expressions(scope, "WHERE").resolve("AND", [predicate, more], 0, 0)
    place = binder.text.where(conditions[0].at, conditions[-1].end)
    return replace(related, node=Filter(input=related.node, predicate=predicate.term, where=place))


# -- the SELECT list ---------------------------------------------------------------


def expanded(binder: Queries, related: Related, select: Select) -> list[SelectItem]:
    """The items with `*` as the columns that it stands for."""
    found: list[SelectItem] = []
    for item in select.items:
        star = item.expression
        if not isinstance(star, Star):
            found.append(item)
            continue
        scope = Scope(related)
        if star.table is not None and star.table.name not in scope.tables:
            raise binder.text.unknown("table", star.table.name, scope.tables, star.table.at)
        for column in related.columns:
            if not column.shown or (star.table is not None and column.table != star.table.name):
                continue
            parts = [Ident(column.name, at=star.at, end=star.end)]
            if column.table is not None:
                parts.insert(0, Ident(column.table, at=star.at, end=star.end))
            found.append(SelectItem(Name(tuple(parts), at=star.at, end=star.end), at=star.at, end=star.end))
    if not found:
        raise binder.text.error("there is nothing to select", select.at)
    return found


def item_name(item: SelectItem, place: int) -> str:
    """The name of a column: as was said, else the column's own, else `EXPR$0`."""
    if item.alias is not None:
        return item.alias.name
    if isinstance(item.expression, Name):
        return item.expression.parts[-1].name
    return f"EXPR${place}"


def _plain(
    binder: Queries, related: Related, select: Select, items: list[SelectItem], outer: Scope | None
) -> tuple[Related, list[Item]]:
    from penstock.sql.bind_scalar import bind_scalars

    related, values = bind_scalars(binder, related, tuple(items), outer)
    scope = Scope(related, outer)
    over = list(outer_calls(tuple(items), lambda call: call.over is not None))
    ranks = [call for call in over if call.name in RANKS]
    others = [call for call in over if call.name not in RANKS]
    if others:
        from penstock.sql.bind_over import bind_over

        related, standing = bind_over(binder, related, others, select, outer)
        scope = Scope(related, outer)
    else:
        standing = []
    if ranks:
        related = pending_rank(binder, related, ranks, select, outer)
        scope = Scope(related, outer)
        rank = related.rank
        standing = [*standing, *((call, Typed(Column("$rank"), Int64, False)) for call in ranks)]
        assert isinstance(rank, PendingRank)
    expressions = replace(binder.expressions(scope, "SELECT"), standing=[*values, *standing])
    found = []
    for i, item in enumerate(items):
        name = item_name(item, i)
        if isinstance(item.expression, Name):
            column, fields = scope.find(item.expression, binder.text)
            if not fields:
                marked = column.role == RANK and related.rank is not None
                marked = marked or (column.role in WINDOW_ROLES and related.window is not None)
                found.append(Item(name, column.typed, column.role, marked or column.role == PROCTIME))
                continue
        value = expressions.bind(item.expression)
        if value.term == Column("$rank"):
            found.append(Item(name, value, RANK, True))
            continue
        if any(one.startswith("$window_") for one in value.term.columns()) and related.window is not None:
            return _plain(binder, rows_of_windows(related, binder.where(item)), select, items, outer)
        found.append(Item(name, value))
    return related, found


# -- projection --------------------------------------------------------------------


def project(binder: Queries, related: Related, items: list[Item], select: Syntax, is_group: bool = False) -> Related:
    """A node with the items as its columns, and what pending operators need besides."""
    from penstock.sql.bind_query import unique_names

    place = binder.where(select)
    names = unique_names([item.name for item in items])
    made: list[tuple[str, Term]] = []
    columns: list[ScopeColumn] = []
    for item, name in zip(items, names, strict=True):
        if item.marked:
            columns.append(ScopeColumn(item.name, item.value.term, item.value.dtype, False, None, item.role))
            continue
        made.append((name, item.value.term))
        columns.append(ScopeColumn(item.name, Column(name), item.value.dtype, item.value.nullable, None, item.role))
    made += _carried(related, items, made)
    if not made:
        made = [("$one", Column(related.node.schema.names[0]))]
    merged = tidy.grouped(related.node, tuple(made)) if is_group else None
    below, chosen = tidy.named(related.node, tuple(made)) if is_group else (related.node, tuple(made))
    node: Node = merged or tidy.selected(below, chosen, place)
    typed = tuple(
        one if isinstance(one.term, Column) and one.term.name.startswith("$")
        else replace(one, dtype=node.schema[one.term.name].dtype, nullable=node.schema[one.term.name].nullable)  # type: ignore[attr-defined]
        for one in columns
    )  # fmt: skip
    window = related.window
    if window is not None and not any(item.role in WINDOW_ROLES for item in items):
        window = None
    rank = related.rank if any(item.role == RANK for item in items) else None
    used = related.used if any(item.role in WINDOW_ROLES for item in items) else None
    return Related(node, typed, window, rank, used)


def _carried(related: Related, items: list[Item], made: list[tuple[str, Term]]) -> list[tuple[str, Term]]:
    """Columns that are not shown and needed: the time of windows, the keys of a rank."""
    taken = {name for name, _ in made}
    passed = {term.name for _, term in made if isinstance(term, Column)}
    found: list[tuple[str, Term]] = []
    windowed = related.window is not None or related.used is not None
    wanted = windowed and any(item.role in WINDOW_ROLES for item in items)
    if wanted and related.time is not None and related.time not in passed:
        found.append(("$time", Column(related.time)))
    if related.rank is not None:
        found += [(name, Column(name)) for name in related.rank.columns if name not in taken]
    return found


# -- DISTINCT and QUALIFY ------------------------------------------------------------


def _distinct(binder: Queries, related: Related, select: Select) -> Related:
    from penstock.operators.group import Group

    if related.window is not None:
        related = rows_of_windows(related, binder.where(select))
    keys = tuple(one.term.name for one in related.columns if isinstance(one.term, Column))
    if related.rank is not None:
        raise binder.text.unsupported("DISTINCT over a rank is not offered", select.at, select.at + 6)
    node = Group(
        input=related.node, keys=keys, aggregates=(), ttl=state_ttl(binder, select), where=binder.where(select)
    )
    return replace(related, node=node, used=None)


def _qualified(binder: Queries, related: Related, select: Select) -> Related:
    """QUALIFY on a rank that has a name in the SELECT list."""
    return filtered(binder, related, select.qualify, None, replace(select, items=(SelectItem(Star()),)))


def _qualified_by_call(binder: Queries, select: Select, outer: Scope | None) -> Related:
    """QUALIFY ROW_NUMBER() OVER (...) <= n: the rank gets a name, and goes after the filter."""
    assert select.qualify is not None
    found = list(outer_calls(select.qualify, lambda call: call.over is not None))
    name = Ident("$qualify", at=found[0].at, end=found[0].end)

    def named(expression: Expression) -> Expression:
        if expression in found:
            return Name((name,), at=expression.at, end=expression.end)
        if isinstance(expression, Call):
            return replace(expression, args=tuple(named(arg) for arg in expression.args))
        return expression

    if any(one != found[0] for one in found):
        raise binder.text.unsupported("QUALIFY takes one rank", found[-1].at, found[-1].end)
    item = SelectItem(found[0], name, at=found[0].at, end=found[0].end)
    inner = replace(select, items=(*select.items, item), qualify=None, distinct=False)
    made = bind_select(binder, inner, outer)
    made = filtered(binder, made, named(select.qualify), None, replace(select, items=()))
    columns = tuple(one for one in made.columns if one.name != "$qualify")
    made = replace(made, columns=columns)
    return _distinct(binder, made, select) if select.distinct else made


def has_aggregate(syntax: Syntax | tuple[Syntax, ...]) -> bool:
    """Whether an aggregate that is not OVER a window is in it."""
    return any((call.name in AGGREGATES or is_aggregate(call)) and call.over is None for call in calls(syntax))


_ = (PlanError, Where, MARKS)
