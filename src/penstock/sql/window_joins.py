"""Joins of two sides in the same windows: `l.window_start = r.window_start AND l.window_end = r.window_end`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.core.dtypes import Boolean
from penstock.core.errors import PlanError
from penstock.expr.ast import Case, Column, Literal, Term
from penstock.operators.select import Select
from penstock.operators.window_join import WindowJoin
from penstock.sql.bind_from import MARKS, bounds_of
from penstock.sql.scope import END, START, Related
from penstock.sql.syntax import Expression, Join
from penstock.sql.walk import substitute
from penstock.sql.window_rows import rows_of_windows

if TYPE_CHECKING:
    from penstock.sql.bind_join import Joining

_HERE = ("$left", "$right")
"""Whether a row has a part of a side: without it the bounds of its window are NULL on that side."""


def join_windows(joining: Joining, join: Join, conditions: list[Expression]) -> Related:
    """The pairs of each window, and in outer joins the rows without a partner in it.

    Raises:
        PlanError: If the windows are not the same, or not both bounds are compared.
    """
    text, left, right = joining.binder.text, joining.left, joining.right
    if not _same_windows(joining, join, conditions):
        # Bounds that are not compared are columns like others: the rows are joined, and not their windows.
        place = joining.binder.where(join)
        sides = [rows_of_windows(one, place) if one.window is not None else one for one in (left, right)]
        plain = type(joining)(joining.binder, sides[0], sides[1])
        for one in conditions:
            plain.add(one)
        return plain.related(plain.node(join.kind, join, None), join)
    hint = "TABLE(TUMBLE(...)) on both sides, ON l.window_start = r.window_start AND l.window_end = r.window_end"
    same = left.window is not None and right.window is not None
    same = same and (left.window.windows, left.window.zone) == (right.window.windows, right.window.zone)
    if not same or left.window.sessions or left.window.clock:
        raise text.unsupported(
            "a join of windows takes the same windows of event time on both sides", join.at, join.end, hint=hint
        )
    joining.left, joining.right = (
        replace(side, node=_marked(side, name, joining, join)) for side, name in zip((left, right), _HERE, strict=True)
    )
    for one in conditions:
        joining.add(one)
    keys = [
        pair
        for pair in zip(joining.left_on, joining.right_on, joining.nulls_equal, strict=True)
        if pair[0] not in _marks() and pair[1] not in _marks()
    ]
    joining.left_on, joining.right_on = [one for one, _, _ in keys], [other for _, other, _ in keys]
    joining.nulls_equal = [equal for _, _, equal in keys]
    pattern = joining.pattern(join.kind, join)
    try:
        node = WindowJoin(**pattern.arguments(), windows=left.window.windows)
    except PlanError as refused:
        raise refused.at(pattern.where) from None
    bounds = bounds_of(Related(node, ()), left.window.zone)
    made = joining.related(node, join)
    padded = (join.kind in ("right", "full"), join.kind in ("left", "full"))
    columns = []
    for i, column in enumerate(made.columns):
        side = 0 if i < len(left.columns) else 1
        if column.term not in _marks():
            columns.append(column)
            continue
        known: dict[Term, Term] = {Column(mark): value for mark, value in bounds.items()}
        term = substitute(column.term, known, lambda one: one)
        if padded[side]:
            term = Case(((Column(_HERE[side]), term),), Literal(None, column.dtype))
        columns.append(replace(column, term=term, role="", nullable=padded[side]))
    return replace(made, columns=tuple(columns))


def _same_windows(joining: Joining, join: Join, conditions: list[Expression]) -> bool:
    """Whether both sides have windows of event time and the conditions compare their bounds."""
    left, right = joining.left, joining.right
    if left.window is None or right.window is None or join.kind == "cross":
        return False
    probe = type(joining)(joining.binder, left, right)
    for one in conditions:
        probe.add(one)
    return {START, END} <= probe.window_keys


def _marks() -> list[Term]:
    return [Column(mark) for mark in MARKS.values()]


def _marked(side: Related, name: str, joining: Joining, join: Join) -> Select:
    passed = tuple((one, Column(one)) for one in side.node.schema.names if one not in _HERE)
    return Select(
        input=side.node, columns=(*passed, (name, Literal(True, Boolean))), where=joining.binder.where(join)
    )  # fmt: skip
