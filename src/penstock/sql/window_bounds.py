"""What a SELECT says of the bounds of windows that no operator has made yet."""

from __future__ import annotations

from dataclasses import replace

from penstock.sql.bind_expression import conjuncts
from penstock.sql.scope import END, START, TIME, Related
from penstock.sql.syntax import Call, Exists, Expression, InQuery, Name, Scalar, Select, Star
from penstock.sql.walk import walk

WINDOW_ROLES = (START, END, TIME)


def rows_first(related: Related, select: Select, where: Expression | None) -> bool:
    """Whether rows of sessions must be made before a SELECT: it leaves rows out, or what they are partitioned by."""
    window = related.window
    if window is None or not window.sessions or select.group is not None:
        return False
    if any(isinstance(item.expression, Star) for item in select.items):
        return where is not None
    names = {item.expression.parts[-1].name for item in select.items if isinstance(item.expression, Name)}
    aliased = any(item.alias is not None for item in select.items)
    return where is not None or aliased or not set(window.partition) <= names


def groups_by_window(related: Related, select: Select) -> bool:
    """Whether GROUP BY names a bound of the windows by itself."""
    names = {one.name for one in related.columns if one.role in (START, END)}
    keys = [item.lists[0][0] for item in select.group or () if item.lists[0]]
    return any(isinstance(key, Name) and key.parts[-1].name in names for key in keys)


def bounds_later(related: Related, select: Select, where: Expression | None) -> tuple[Select, Expression | None]:
    """Conditions on nothing but the bounds of windows that are grouped by: they are the same behind the aggregation."""
    if related.window is None or select.group is None:
        return select, where
    bounds = {one.name for one in related.columns if one.role in WINDOW_ROLES}
    grouped = {one.parts[-1].name for item in select.group for one in walk(item) if isinstance(one, Name)}
    if not {one.name for one in related.columns if one.role in (START, END)} <= grouped:
        return select, where
    before, having = [], select.having
    for one in conjuncts(where):
        names = [name for name in walk(one) if isinstance(name, Name)]
        if names and all(name.parts[-1].name in bounds & grouped for name in names) and not _has_query(one):
            having = one if having is None else Call("AND", (one, having), at=one.at, end=one.end, written="AND")
        else:
            before.append(one)
    rest: Expression | None = None
    for one in before:
        rest = one if rest is None else Call("AND", (rest, one), at=rest.at, end=one.end, written="AND")
    return replace(select, having=having), rest


def _has_query(expression: Expression) -> bool:
    return any(isinstance(one, (InQuery, Exists, Scalar)) for one in walk(expression))
