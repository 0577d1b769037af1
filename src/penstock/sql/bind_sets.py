"""GROUPING SETS, ROLLUP and CUBE: one grouping for each set, brought together."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from typing import TYPE_CHECKING

from penstock.expr.ast import Column
from penstock.operators.union import Union
from penstock.sql.bind_from import bind_relation
from penstock.sql.bind_group import bind_grouped
from penstock.sql.bind_select import expanded, filtered, project
from penstock.sql.scope import END, START, Related, Scope
from penstock.sql.syntax import Expression, GroupItem, Name, Select
from penstock.sql.window_bounds import bounds_later
from penstock.sql.window_rows import rows_of_windows

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

MOST = 64
"""How many sets a GROUP BY may stand for."""


def bind_sets(binder: Queries, select: Select, outer: Scope | None) -> Related:
    """The rows of all groupings; what a set does not group by is NULL.

    Raises:
        PlanError: If there are too many sets, or one cannot mean anything.
    """
    assert select.group is not None
    if select.source is None:
        raise binder.text.error("there is nothing to group", select.at, select.at + 6)
    sets = [tuple(e for part in chosen for e in part) for chosen in product(*(_sets(item) for item in select.group))]
    if len(sets) > MOST:
        raise binder.text.unsupported(f"these are {len(sets)} grouping sets, at most {MOST} are possible", select.at)
    every = tuple(dict.fromkeys(one for chosen in sets for one in chosen))
    related = bind_relation(binder, select.source, outer)
    if all(any(_names_bound(one, related) for one in chosen) for chosen in sets):
        select, rest = bounds_later(related, select, select.where)
    else:
        related = rows_of_windows(related, binder.where(select)) if related.window is not None else related
        rest = select.where
    related = filtered(binder, related, rest, outer, select)
    items = expanded(binder, related, select)
    made = []
    for chosen in sets:
        group = tuple(GroupItem("plain", ((one,),), at=one.at, end=one.end) for one in chosen)
        absent = tuple(one for one in every if one not in chosen)
        grouped, bound = bind_grouped(binder, related, replace(select, group=group), items, outer, absent)
        made.append(project(binder, grouped, bound, select))
    first = made[0]
    if len(made) == 1:
        return first
    node = Union(streams=tuple(one.node for one in made), where=binder.where(select))
    columns = tuple(replace(one, nullable=True) if isinstance(one.term, Column) else one for one in first.columns)
    return replace(first, node=node, columns=columns)


def _names_bound(expression: Expression, related: Related) -> bool:
    """Whether it is a bound of windows."""
    return isinstance(expression, Name) and any(
        one.role in (START, END) and one.name == expression.parts[-1].name for one in related.columns
    )


def _sets(item: GroupItem) -> list[tuple[Expression, ...]]:
    lists = item.lists
    if item.kind == "rollup":
        return [tuple(e for part in lists[:n] for e in part) for n in range(len(lists), -1, -1)]
    if item.kind == "cube":
        chosen = [c for n in range(len(lists), -1, -1) for c in combinations(lists, n)]
        return [tuple(e for part in one for e in part) for one in chosen]
    return list(lists)
