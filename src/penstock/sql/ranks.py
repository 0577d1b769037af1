"""ROW_NUMBER() and a filter on it: Top-N, deduplication, Top-N per window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from penstock.core.dtypes import Datetime, Int64
from penstock.core.errors import UnsupportedError
from penstock.core.where import Where
from penstock.expr.ast import Aggregation, Column, Term
from penstock.operators.select import Select as SelectNode
from penstock.plan.ttl import TimeToLive
from penstock.sql import operators
from penstock.sql.operators import Order, OverPattern, RankPattern
from penstock.sql.scope import END, PROCTIME, RANK, START, Related, Scope, ScopeColumn
from penstock.sql.syntax import Call, Constant, Expression, Name, Select, Star, Syntax, Window
from penstock.sql.ttl import STATE_TTL, TTL_FOR, state_ttl
from penstock.sql.window_rows import rows_of_windows

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


@dataclass(frozen=True)
class PendingRank:
    """A row number that no filter has used yet.

    Attributes:
        partition: The columns of PARTITION BY.
        order: The keys of ORDER BY.
        by_time: Whether the only key is the event time.
        by_arrival: Whether it is the processing time.
        per_window: Whether the partition has the bounds of a window.
        place: Where it was written.
        hinted: Whether a hint of its SELECT says how long its state is kept.
        ttl: How long.
    """

    partition: tuple[str, ...]
    order: tuple[Order, ...]
    by_time: bool
    by_arrival: bool
    per_window: bool
    place: Where
    hinted: bool = False
    ttl: TimeToLive | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that it needs."""
        order = () if self.by_arrival else self.order  # rows have no column of their arrival
        return list(dict.fromkeys([*self.partition, *(one.column for one in order)]))


def window_of(binder: Queries, over: Window, select: Select) -> Window:
    """The window of OVER, by its name if it has one."""
    if over.name is None:
        return over
    known = dict(select.windows)
    if over.name not in known:
        raise binder.text.unknown("window", over.name, list(known), over.at)
    return known[over.name]


def pending_rank(binder: Queries, related: Related, found: list[Call], select: Select, outer: Scope | None) -> Related:
    """Remember a row number until a filter says how many rows are wanted.

    Raises:
        PlanError: If it is another rank, or has no order.
    """
    text = binder.text
    call = found[0]
    assert call.over is not None
    if call.name != "ROW_NUMBER":
        raise text.unsupported(
            f"{call.name} is refused in streams, also by Flink", call.at, call.end, hint="ROW_NUMBER()"
        )
    if any(one != call for one in found[1:]):
        raise text.unsupported("one ROW_NUMBER() per SELECT", found[1].at, found[1].end, hint="a subquery for each")
    window = window_of(binder, call.over, select)
    if not window.order:
        raise text.error(
            "ROW_NUMBER() needs an ORDER BY", call.at, call.end, hint="OVER (PARTITION BY a ORDER BY b DESC)"
        )
    if related.window is not None:
        related = rows_of_windows(related, binder.where(call))
    scope = Scope(related, outer)
    computed: list[tuple[str, Term]] = []

    def column(expression: Expression) -> tuple[str, ScopeColumn | None]:
        if isinstance(expression, Name):
            named, fields = scope.find(expression, text)
            if not fields and isinstance(named.term, Column):
                return named.term.name, named
        if isinstance(expression, Call) and expression.name == "PROCTIME" and not expression.args:
            clock = Datetime("ms", binder.session.zone)
            return "$proctime", ScopeColumn("PROCTIME", Column("$proctime"), clock, False, None, PROCTIME)
        term = binder.expressions(scope, "OVER").bind(expression).term
        computed.append((f"$p{len(computed)}", term))
        return computed[-1][0], None

    partition = [column(one) for one in window.partition]
    for syntax, (_, named) in zip(window.partition, partition, strict=True):
        if named is not None and named.role == PROCTIME:
            raise text.error("rows are not partitioned by the processing time", syntax.at, syntax.end)
    order, only = [], None
    for item in window.order:
        name, only = column(item.expression)
        if only is not None and only.role == PROCTIME and len(window.order) > 1:
            raise text.unsupported(
                "the processing time orders rows alone: each has its own",
                item.at,
                item.end,
                hint="leave the others out",
            )
        first = item.nulls_first if item.nulls_first is not None else not item.descending
        order.append(Order(column=name, descending=item.descending, nulls_first=first))
    roles = {one.role for _, one in partition if one is not None}
    single = len(order) == 1 and only is not None
    pending = PendingRank(
        tuple(name for name, _ in partition), tuple(order),
        single and only is not None and related.is_time(only), single and only is not None and only.role == PROCTIME,
        {START, END} <= roles, text.where(call.at, call.end),
        any(one.name == STATE_TTL for one in select.hints), state_ttl(binder, select),
    )  # fmt: skip
    if computed:
        columns = (*((n, Column(n)) for n in related.node.schema.names), *computed)
        related = replace(related, node=SelectNode(input=related.node, columns=columns, where=pending.place))
    return replace(related, rank=pending)


def rank_bounds(condition: Expression, related: Related) -> tuple[int, int | None] | None:
    """What `rn <= 10`, `rn = 1`, `rn BETWEEN 2 AND 5` say of a rank; None if it is another condition."""
    if not isinstance(condition, Call):
        return None
    if condition.name == "BETWEEN" and _is_rank(condition.args[0], related):
        low, high = _whole(condition.args[1]), _whole(condition.args[2])
        return None if low is None or high is None else (low, high)
    if condition.name not in _FLIPPED:
        return None
    left, right = condition.args
    sign = condition.name
    if _is_rank(right, related):
        left, right, sign = right, left, _FLIPPED[sign]
    number = _whole(right)
    if not _is_rank(left, related) or number is None:
        return None
    return {
        "<": (1, number - 1),
        "<=": (1, number),
        ">": (number + 1, None),
        ">=": (number, None),
        "=": (number, number),
    }[sign]


def _is_rank(expression: Expression, related: Related) -> bool:
    if not isinstance(expression, Name):
        return False
    return any(one.role == RANK and one.name == expression.parts[-1].name for one in related.columns)


def _whole(expression: Expression) -> int | None:
    if isinstance(expression, Constant) and isinstance(expression.value, int):
        return expression.value
    return None


def numbered(related: Related) -> Related:
    """Rows with their number, if no filter says how many are wanted: by event time each number is for good.

    Raises:
        UnsupportedError: If the order is another: the numbers of all rows would change with each row.
    """
    rank: PendingRank = related.rank
    _refuse_ttl(rank)
    if not rank.by_time or rank.order[0].descending:
        raise UnsupportedError(
            "ROW_NUMBER() of all rows goes by event time, ascending", where=rank.place,
            hint="WHERE rn <= 10 in a query around it",
        )  # fmt: skip
    node = operators.over(
        OverPattern(
            input=related.node,
            partition=rank.partition,
            order=rank.order,
            by_time=True,
            aggregates=(("$rn", Aggregation("count", ())),),
            where=rank.place,
        )
    )
    columns = tuple(
        replace(one, term=Column("$rn"), dtype=Int64, role="") if one.role == RANK else one for one in related.columns
    )
    return replace(related, node=node, columns=columns, rank=None)


def _by_arrival(pattern: RankPattern) -> RankPattern:
    """The first rows to arrive: they need no order."""
    if pattern.order[0].descending:
        raise UnsupportedError(
            "the last rows by processing time are kept one per key", where=pattern.where,
            hint="WHERE rn = 1 with PARTITION BY, or ORDER BY the event time",
        )  # fmt: skip
    return replace(pattern, order=())


def _refuse_ttl(rank: PendingRank) -> None:
    if rank.hinted:
        raise UnsupportedError(
            f"{STATE_TTL} is offered for {TTL_FOR}", where=rank.place, hint="WHERE rn = 1, ordered by a time, ascending"
        )


def apply_rank(binder: Queries, related: Related, conditions: list[Expression], needs: Sequence[Syntax]) -> Related:
    """The rows whose rank fits."""
    rank: PendingRank = related.rank
    first, last = 1, None
    for one in conditions:
        bounds = rank_bounds(one, related)
        assert bounds is not None
        first = max(first, bounds[0])
        last = bounds[1] if last is None else last if bounds[1] is None else min(last, bounds[1])
    if last is None:
        raise binder.text.unsupported(
            "a rank needs an upper bound: else all rows are kept for ever", conditions[0].at, conditions[0].end,
            hint="WHERE rn <= 10",
        )  # fmt: skip
    names = {one.name for one in related.columns if one.role == RANK}
    used = any(isinstance(one, Star) or (isinstance(one, Name) and one.parts[-1].name in names) for one in needs)
    pattern = RankPattern(
        input=related.node, partition=rank.partition, order=rank.order, first=first, last=last,
        name="$rn" if used else None, by_time=rank.by_time, by_arrival=rank.by_arrival, ttl=rank.ttl, where=rank.place,
    )  # fmt: skip
    one_each = (first, last) == (1, 1) and bool(rank.partition) and (rank.by_time or rank.by_arrival)
    if rank.per_window or not one_each or rank.order[0].descending:
        _refuse_ttl(rank)
    if one_each and not rank.per_window:
        node = operators.deduplicate(pattern)
    else:
        plain = _by_arrival(pattern) if rank.by_arrival else pattern
        node = operators.window_top_n(plain) if rank.per_window else operators.top_n(plain)
    columns = []
    for column in related.columns:
        if column.role != RANK:
            columns.append(column)
        elif used:
            columns.append(replace(column, term=Column("$rn"), dtype=Int64, role=""))
    return replace(related, node=node, columns=tuple(columns), rank=None)
