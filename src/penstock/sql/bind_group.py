"""GROUP BY bound: running groups, windows, grouping sets; and what may be selected of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import Datetime, Int64
from penstock.core.errors import PlanError, UnsupportedError
from penstock.expr.ast import Column, Literal, Term
from penstock.expr.infer import Typed
from penstock.operators.filter import Filter
from penstock.operators.group import Group
from penstock.operators.select import Select as SelectNode
from penstock.plan.node import Node
from penstock.sql import operators, windows
from penstock.sql.bind_expression import WINDOW_CALLS, Collected
from penstock.sql.bind_from import MARKS, bounds_of
from penstock.sql.bind_select import Item, has_aggregate, item_name
from penstock.sql.scope import END, PROCTIME, START, TIME, Related, Scope
from penstock.sql.syntax import Call, Constant, Expression, Name, Select, SelectItem
from penstock.sql.ttl import state_ttl
from penstock.sql.walk import calls, substitute
from penstock.sql.windows import PendingWindow

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

_PARTS = {"START": START, "END": END, "ROWTIME": TIME}


def is_grouped(select: Select, items: list[SelectItem]) -> bool:
    """Whether rows are brought together."""
    return (
        select.group is not None
        or has_aggregate(tuple(items))
        or (select.having is not None and has_aggregate(select.having))
    )


@dataclass
class _Keys:
    """What is grouped by.

    Attributes:
        names: The key columns of the node below.
        known: What terms of the input are over the rows of the group.
        window: The windows, or None.
        roles: Which bounds of windows are grouped by.
        standing: Calls that stand for a bound of windows.
        legacy: Whether the windows are of the old form, which is per key of GROUP BY.
    """

    names: list[str]
    known: dict[Term, Term]
    window: PendingWindow | None
    roles: set[str]
    standing: list[tuple[Expression, Typed]]
    legacy: bool = False


def bind_grouped(
    binder: Queries,
    related: Related,
    select: Select,
    items: list[SelectItem],
    outer: Scope | None,
    absent: tuple[Expression, ...] = (),
) -> tuple[Related, list[Item]]:
    """The groups, and the items over them; what other grouping sets group by (`absent`) is NULL.

    Raises:
        PlanError: If an item is neither grouped by nor an aggregate.
    """
    expressions = _plain_keys(binder, select)
    related, keys = _keys(binder, related, expressions, outer, select)
    collected = Collected(related.node.schema)
    scope = Scope(related, outer)
    bound: list[tuple[SelectItem, Typed]] = []
    standing = [*keys.standing, *_groupings(select, items, expressions)]
    base = replace(binder.expressions(scope, "SELECT"), standing=standing)
    for item in items:
        bound.append((item, replace(base, collected=collected).bind(item.expression)))
    having = None
    if select.having is not None:
        having = replace(base, collected=collected, place="HAVING").condition(select.having)
    node = _node(binder, related, keys, collected, select)
    known = dict(keys.known)
    if keys.window is not None:
        zone = keys.window.zone
        known |= {Column(mark): term for mark, term in bounds_of(Related(node, ()), zone).items()}
    for one in absent:
        value = binder.expressions(scope, "GROUP BY").bind(one)
        known.setdefault(value.term, Literal(None, value.dtype))
    grouped = _Grouped(binder, known, related)
    if having is not None:
        assert select.having is not None
        predicate = grouped.over(having.term, select.having)
        node = Filter(input=node, predicate=predicate, where=binder.where(select.having))
    made = []
    for i, (item, value) in enumerate(bound):
        role = _role(item.expression, scope, binder, keys)
        term = grouped.over(value.term, item.expression)
        made.append(Item(item_name(item, i), replace(value, term=term, args=()), role))
    return Related(node, (), None, None, keys.window), made


def _groupings(select: Select, items: list[SelectItem], keys: list[Expression]) -> list[tuple[Expression, Typed]]:
    """`GROUPING(a)`: 0 if it is grouped by, else 1; of several, the bits of a number."""
    found: list[tuple[Expression, Typed]] = []
    for call in calls((tuple(items), select.having)):
        if call.name in ("GROUPING", "GROUPING_ID"):
            bits = 0
            for arg in call.args:
                bits = bits * 2 + (arg not in keys)
            found.append((call, Typed(Literal(bits, Int64), Int64, False)))
    return found


def _role(expression: Expression, scope: Scope, binder: Queries, keys: _Keys) -> str:
    if isinstance(expression, Name):
        column, fields = scope.find(expression, binder.text)
        return column.role if not fields else ""
    for call, value in keys.standing:
        if call == expression and isinstance(value.term, Column):
            return next((role for role, mark in MARKS.items() if mark == value.term.name), "")
    return ""


@dataclass
class _Grouped:
    """Puts the columns of a group in the place of what they stand for."""

    binder: Queries
    known: dict[Term, Term]
    related: Related

    def over(self, term: Term, syntax: Expression) -> Term:
        """A term over the rows of the group."""

        def column(one: Column) -> Term:
            if one.name.startswith("$a") and one.name[2:].isdigit():
                return one
            if one.name.startswith("$window_"):
                raise self.binder.text.error(
                    f"{one.name[1:]} is selected and not grouped by", syntax.at, syntax.end,
                    hint="GROUP BY window_start, window_end",
                )  # fmt: skip
            name = _shown(one, self.related)
            raise self.binder.text.error(
                f'"{name}" is neither grouped by nor inside of an aggregate', syntax.at, syntax.end,
                hint=f"add it to GROUP BY, or take one value: MAX({name})",
            )  # fmt: skip

        return substitute(term, self.known, column)


def _shown(column: Column, related: Related) -> str:
    return next((one.name for one in related.columns if one.term == column), column.name)


# -- keys --------------------------------------------------------------------------


def _plain_keys(binder: Queries, select: Select) -> list[Expression]:
    found: list[Expression] = []
    for item in select.group or ():
        found += item.lists[0]
    for one in found:
        if isinstance(one, Constant):
            raise binder.text.error(
                "GROUP BY takes columns, found a constant", one.at, one.end, hint="a number does not stand for a place"
            )
    return found


def _keys(
    binder: Queries, related: Related, expressions: list[Expression], outer: Scope | None, select: Select
) -> tuple[Related, _Keys]:
    scope = Scope(related, outer)
    keys = _Keys([], {}, None, set(), [])
    computed: list[tuple[str, Term]] = []
    for one in expressions:
        if isinstance(one, Call) and one.name in WINDOW_CALLS:
            keys.window, keys.legacy = _legacy(binder, related, one), True
            keys.standing += _legacy_parts(one, keys)
            keys.roles |= {START, END}
            continue
        if isinstance(one, Name):
            _check_alias(binder, scope, one, select)
            column, fields = scope.find(one, binder.text)
            if not fields and column.role in MARKS and related.window is not None:
                keys.roles.add(column.role)
                keys.window = related.window
                continue
        value = binder.expressions(scope, "GROUP BY").bind(one)
        if value.term in keys.known:
            continue
        if isinstance(value.term, Column) and value.term.name not in ("window_start", "window_end"):
            name = value.term.name
        else:
            taken = (*related.node.schema.names, *dict(computed), "window_start", "window_end")
            name = _alias_of(one, select, taken) or f"$k{len(computed)}"
            computed.append((name, value.term))
        keys.names.append(name)
        keys.known[value.term] = Column(name)
    if keys.window is not None and not {START, END} <= keys.roles:
        missing = "window_end" if START in keys.roles else "window_start"
        at = expressions[0].at
        raise binder.text.error(
            f"a window is grouped by window_start and window_end, and {missing} is missing", at, expressions[-1].end,
            hint="GROUP BY window_start, window_end, ...",
        )  # fmt: skip
    if computed:
        columns = (*((n, Column(n)) for n in related.node.schema.names), *computed)
        place = binder.text.where(expressions[0].at, expressions[-1].end)
        related = replace(related, node=SelectNode(input=related.node, columns=columns, where=place))
    return related, keys


def _alias_of(expression: Expression, select: Select, taken: tuple[str, ...]) -> str | None:
    """What the SELECT list calls a key, if no column is called so."""
    for item in select.items:
        if item.expression == expression and item.alias is not None and item.alias.name not in taken:
            return item.alias.name
    return None


def _check_alias(binder: Queries, scope: Scope, name: Name, select: Select) -> None:
    """An alias of the SELECT list is no name in GROUP BY: say so."""
    if len(name.parts) > 1 or any(one.name == name.parts[0].name for one in scope.columns):
        return
    for item in select.items:
        if item.alias is not None and item.alias.name == name.parts[0].name:
            written = binder.text.sql[item.expression.at : item.expression.end]
            raise binder.text.error(
                f'"{name.parts[0].name}" is a name of the SELECT list, which GROUP BY does not see', name.at, name.end,
                hint=f"GROUP BY {written}",
            )  # fmt: skip


def _node(binder: Queries, related: Related, keys: _Keys, collected: Collected, select: Select) -> Node:
    place = binder.where(select)
    try:
        if keys.window is None:
            return Group(
                input=related.node, keys=tuple(keys.names), aggregates=tuple(collected.terms),
                ttl=state_ttl(binder, select), where=place,
            )  # fmt: skip
        if keys.window.sessions:
            _check_partition(binder, keys)
        return operators.windowed(related.node, tuple(keys.names), keys.window, tuple(collected.terms), where=place)
    except PlanError as refused:
        if refused.where is None or refused.where.snippet is None:
            refused.where = place
        raise


def _check_partition(binder: Queries, keys: _Keys) -> None:
    """Sessions are per key of PARTITION BY: what is grouped by must be the same."""
    assert keys.window is not None
    partition = keys.window.partition
    if keys.window.place is not None and keys.legacy:
        return
    if set(partition) != set(keys.names):
        raise UnsupportedError(
            "GROUP BY of sessions takes window_start, window_end and the columns of PARTITION BY",
            where=keys.window.place, hint="SESSION(TABLE t PARTITION BY k, DESCRIPTOR(time), ...), GROUP BY ..., k",
        )  # fmt: skip


# -- the old windows -----------------------------------------------------------------


def _legacy(binder: Queries, related: Related, call: Call) -> PendingWindow:
    """`GROUP BY TUMBLE(time, INTERVAL '1' HOUR)`."""
    text = binder.text
    count = {"TUMBLE": 2, "HOP": 3, "SESSION": 2}.get(call.name)
    if count is None:
        raise text.error(f"{call.written} belongs into SELECT", call.at, call.end, hint="GROUP BY TUMBLE(...)")
    if len(call.args) != count:
        raise text.error(f"{call.name} takes {count} arguments in GROUP BY", call.at, call.end)
    time = call.args[0]
    if not isinstance(time, Name):
        raise text.error(f"{call.name} takes the event time first", time.at, time.end)
    column, _ = Scope(related).find(time, text)
    clock = column.role == PROCTIME
    if not related.is_time(column) and not clock:
        raise text.error(
            f'"{column.name}" is no event time: it has no watermark', time.at, time.end,
            hint=f"WATERMARK FOR {column.name} AS {column.name} - INTERVAL '5' SECOND",
        )  # fmt: skip
    lengths = [windows.length(arg, "the length", text) for arg in call.args[1:]]
    place = text.where(call.at, call.end)
    if call.name == "SESSION":
        return PendingWindow(None, lengths[0], (), place, clock, windows.zone_of(column))
    made = windows.build(call.name, lengths, 0, column, text, call)
    return PendingWindow(made, None, (), place, clock, windows.zone_of(column))


def _legacy_parts(call: Call, keys: _Keys) -> list[tuple[Expression, Any]]:
    found: list[tuple[Expression, Any]] = []
    zone = keys.window.zone if keys.window is not None else None
    for part, role in _PARTS.items():
        same = Call(f"{call.name}_{part}", call.args)
        dtype = Datetime("ms", zone if role == TIME else None)
        found.append((same, Typed(Column(MARKS[role]), dtype, False)))
    return found
