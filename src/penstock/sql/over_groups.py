"""OVER in a SELECT that groups: the groups are rows of their own first, and OVER goes over these."""

from __future__ import annotations

from dataclasses import replace

from penstock.sql.bind_expression import AGGREGATES, WINDOW_CALLS
from penstock.sql.syntax import (
    Call,
    Constant,
    Derived,
    Expression,
    Ident,
    Name,
    Select,
    SelectItem,
    Window,
)
from penstock.sql.walk import calls, mapped


def over_groups(select: Select, items: list[SelectItem]) -> Select | None:
    """The SELECT in two steps, if it groups and has OVER; else None.

    Args:
        select: The SELECT, which groups.
        items: What it selects, with `*` written out.
    """
    if not any(call.over is not None for call in calls((tuple(items), select.qualify))):
        return None
    below = _Below(select)
    named = tuple(
        SelectItem(below.over(item.expression), _name(item, i), at=item.at, end=item.end)
        for i, item in enumerate(items)
    )
    windows = tuple((name, below.window(window)) for name, window in select.windows)
    qualify = below.over(select.qualify) if select.qualify is not None else None
    inner = replace(select, items=tuple(below.items), qualify=None, windows=(), distinct=False)
    source = Derived(inner, None, at=select.at, end=select.end)
    return replace(
        select,
        items=named,
        source=source,
        where=None,
        group=None,
        having=None,
        qualify=qualify,
        windows=windows,
        hints=(),
    )


class _Below:
    """What the groups have to give.

    Attributes:
        items: The items of the query that groups.
    """

    def __init__(self, select: Select) -> None:
        self.keys = [one for item in select.group or () for one in item.lists[0]]
        self.items: list[SelectItem] = []
        self.known: list[Expression] = []

    def over(self, expression: Expression) -> Expression:
        """An expression over the rows of the groups."""
        if expression in self.keys or _is_group_value(expression):
            return self._column(expression)
        if isinstance(expression, Constant):
            return expression
        made: Expression = mapped(expression, self.over)
        return made

    def window(self, window: Window) -> Window:
        """A window over the rows of the groups."""
        made: Window = mapped(window, self.over)
        return made

    def _column(self, expression: Expression) -> Name:
        if expression not in self.known:
            self.known.append(expression)
            name = Ident(f"$g{len(self.known) - 1}", at=expression.at, end=expression.end)
            self.items.append(SelectItem(expression, name, at=expression.at, end=expression.end))
        name = Ident(f"$g{self.known.index(expression)}", at=expression.at, end=expression.end)
        return Name((name,), at=expression.at, end=expression.end)


def _is_group_value(expression: Expression) -> bool:
    """Whether only the groups can tell it: an aggregate, a bound of a window, GROUPING."""
    if not isinstance(expression, Call) or expression.over is not None:
        return False
    return expression.name in AGGREGATES or expression.name in WINDOW_CALLS or expression.name.startswith("GROUPING")


def _name(item: SelectItem, place: int) -> Ident:
    from penstock.sql.bind_select import item_name

    return Ident(item_name(item, place), at=item.at, end=item.end)
