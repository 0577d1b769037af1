"""Aggregates OVER a window of rows bound."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.core.dtypes import Boolean, Int64
from penstock.expr.ast import Aggregation, Column, Lag, Literal, Term
from penstock.expr.infer import Typed
from penstock.operators.select import Select as SelectNode
from penstock.plan.node import Node
from penstock.sql import functions, operators
from penstock.sql.bind_expression import Expressions
from penstock.sql.operators import Order, OverPattern
from penstock.sql.over_sums import OverCollected
from penstock.sql.ranks import window_of
from penstock.sql.scope import Related, Scope
from penstock.sql.syntax import Call, Constant, Expression, Interval, Name, Select, Window

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries


_COUNT = Aggregation("count", ())


def bind_over(
    binder: Queries, related: Related, calls: list[Call], select: Select, outer: Scope | None
) -> tuple[Related, list[tuple[Expression, Typed]]]:
    """The rows with the aggregates as columns, and what each call stands for.

    Raises:
        PlanError: If the windows differ, have no order, or look ahead.
    """
    text = binder.text
    for call in calls:
        if call.name in ("LEAD", "NTH_VALUE"):
            hint = "LAG looks back" if call.name == "LEAD" else None
            raise text.unsupported(f"{call.name} is refused in streams, also by Flink", call.at, call.end, hint=hint)
    first = calls[0]
    assert first.over is not None
    window = window_of(binder, first.over, select)
    place = text.where(first.at, first.end)
    for call in calls[1:]:
        assert call.over is not None
        if window_of(binder, call.over, select) != window:
            raise text.unsupported(
                "all OVER windows of a SELECT must be the same, also in Flink",
                call.at,
                call.end,
                hint="a subquery for each",
            )
    if not window.order:
        raise text.error("OVER needs an ORDER BY in a stream", first.at, first.end, hint="ORDER BY the event time")
    if len(window.order) > 1 or window.order[0].descending:
        item = window.order[-1]
        raise text.unsupported("OVER is ordered by one column, ascending, also in Flink", item.at, item.end)
    scope = Scope(related, outer)
    names = []
    for one in window.partition:
        value = binder.expressions(scope, "PARTITION BY").bind(one)
        if isinstance(value.term, Column):
            names.append(value.term.name)
            continue
        name = f"$part{len(related.node.schema)}"
        kept = tuple((known, Column(known)) for known in related.node.schema.names)
        valued = SelectNode(input=related.node, columns=(*kept, (name, value.term)), where=binder.where(one))
        related = replace(related, node=valued)
        names.append(name)
    key = window.order[0].expression
    if not isinstance(key, Name):
        raise text.error("OVER is ordered by a column", key.at, key.end)
    column, _ = scope.find(key, text)
    rows, span, ranged = _frame(binder, window)
    by = column.term.name if isinstance(column.term, Column) else ""
    pattern = OverPattern(
        input=related.node, partition=tuple(names), order=(Order(column=by),), by_time=related.is_time(column),
        aggregates=(), rows=rows, span=span, ranged=ranged, where=place,
    )  # fmt: skip
    lags = [call for call in calls if call.name == "LAG"]
    standing: list[tuple[Expression, Typed]] = []
    if lags:
        pattern, standing = _lags(binder, pattern, lags, binder.expressions(scope, "SELECT"))
        calls = [call for call in calls if call.name != "LAG"]
        if not calls:
            return replace(related, node=pattern.input), standing
    node, values = _aggregated(binder, pattern, calls, binder.expressions(scope, "SELECT"))
    return replace(related, node=node), [*standing, *zip(calls, values, strict=True)]


def _aggregated(
    binder: Queries, pattern: OverPattern, calls: list[Call], expressions: Expressions
) -> tuple[Node, list[Typed]]:
    """The rows with the aggregates of the calls, and what each call stands for."""
    bare = [
        Call(c.name, c.args, distinct=c.distinct, filter=c.filter, at=c.at, end=c.end, written=c.written) for c in calls
    ]
    wanted = bare
    firsts: dict[Call, Typed] = {}
    if pattern.rows is None and pattern.span is None:
        pattern, firsts = _first_values(binder, pattern, bare, expressions)
        bare = [replace(one, distinct=False, args=one.args[:1], filter=None) if one in firsts else one for one in bare]
    expressions.collected = collected = OverCollected(pattern.input.schema)
    # In the place of the argument stands the value where it comes for the first time, else NULL.
    once = [
        replace(expressions, standing=[(c.args[0], firsts[w])] if w in firsts else [])
        for c, w in zip(bare, wanted, strict=True)
    ]
    values = [one.bind(call) for one, call in zip(once, bare, strict=True)]
    return operators.over(replace(pattern, aggregates=tuple(collected.terms))), values


_KEPT = ("MIN", "MAX", "FIRST_VALUE", "LAST_VALUE")
"""Aggregates for which it is all the same whether a value comes again."""


def _first_values(
    binder: Queries, pattern: OverPattern, calls: list[Call], expressions: Expressions
) -> tuple[OverPattern, dict[Call, Typed]]:
    """For aggregates of DISTINCT values over all rows so far: each value where it is new, else NULL.

    A value is new in the first row of its key and its own: rows are counted by both.
    """
    firsts: dict[Call, Typed] = {}
    for call in calls:
        if not call.distinct or call.name in _KEPT or len(call.args) != 1 or call in firsts:
            continue
        value = expressions.bind(call.args[0])
        if call.filter is not None:
            condition = replace(expressions, place="FILTER").condition(call.filter)
            value = functions.case([(condition, value)], None)
        below, number = pattern.input, len(pattern.input.schema)
        name, count = f"$value{number}", f"$count{number}"
        kept = tuple((one, Column(one)) for one in below.schema.names)
        valued = SelectNode(input=below, columns=(*kept, (name, value.term)), where=pattern.where)
        counted = replace(
            pattern, input=valued, partition=(*pattern.partition, name), ranged=False, aggregates=((count, _COUNT),)
        )
        pattern = replace(pattern, input=operators.over(counted), ordered=True)
        new = functions.resolve("=", [Typed(Column(count), Int64, False), functions.constant(1, Int64)])
        firsts[call] = functions.case([(new, Typed(Column(name), value.dtype, True))], None)
    return pattern, firsts


def _lags(
    binder: Queries, pattern: OverPattern, calls: list[Call], expressions: Expressions
) -> tuple[OverPattern, list[tuple[Expression, Typed]]]:
    """Earlier values: `LAG(value, rows, default)`; the default is for rows that have no row so far before them."""
    taken = pattern.input.schema
    made: list[tuple[str, Term]] = []
    standing: list[tuple[Expression, Typed]] = []
    most = 1
    for call in dict.fromkeys(calls):
        if not 1 <= len(call.args) <= 3:
            raise binder.text.error("LAG takes a value, how many rows before, and a default", call.at, call.end)
        value = expressions.bind(call.args[0])
        rows = 1
        if len(call.args) > 1:
            given = call.args[1]
            if not isinstance(given, Constant) or not isinstance(given.value, int) or given.value < 1:
                raise binder.text.error("LAG looks so many rows back: a number from 1 on", given.at, given.end)
            rows = given.value
        most = max(most, rows)
        name = f"$lag{len(taken) + len(made)}"
        made.append((name, Lag(value.term, rows)))
        found = Typed(Column(name), value.dtype, True)
        if len(call.args) > 2:
            there = f"$lag{len(taken) + len(made)}"
            made.append((there, Lag(Literal(True, Boolean), rows)))
            missing = functions.resolve("IS NULL", [Typed(Column(there), Boolean, True)])
            found = functions.case([(missing, expressions.bind(call.args[2]))], found)
        standing.append((call, found))
    node = operators.over(replace(pattern, aggregates=tuple(made), rows=most, span=None, ranged=False))
    return replace(pattern, input=node, ordered=True), standing


def _frame(binder: Queries, window: Window) -> tuple[int | None, int | None, bool]:
    """How many rows or microseconds before, and whether rows of equal time see each other."""
    text = binder.text
    rows = span = None
    ranged = window.frame is None or window.frame.kind == "RANGE"
    if window.frame is not None:
        if window.frame.following:
            raise text.unsupported(
                "a frame ends at the current row in a stream, also in Flink", window.frame.at, window.frame.end,
                hint="ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            )  # fmt: skip
        match window.frame.start:
            case Interval(us, 0, _):
                span = us
            case Constant(int(count), _):
                rows = count
            case None:
                pass
            case other:
                raise text.error("the bound of a frame is a number or an interval", other.at, other.end)
    return rows, span, ranged
