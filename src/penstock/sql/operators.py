"""From recognised patterns of SQL to nodes of the plan: one builder each, in one table.

A builder that has no operator yet refuses, with the place in the text. Wiring one is a line here and nothing elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NoReturn

from penstock.core.errors import UnsupportedError
from penstock.core.where import Where
from penstock.expr.ast import Term
from penstock.plan.node import UPDATING, Node
from penstock.plan.ttl import TimeToLive


@dataclass(frozen=True, kw_only=True)
class Order:
    """One key of an order: a column, and where NULL is (first if ascending, last if descending, unless it was said)."""

    column: str
    descending: bool = False
    nulls_first: bool = True


@dataclass(frozen=True, kw_only=True)
class JoinPattern:
    """A join of two inputs.

    Attributes:
        left: The rows on the left.
        right: The rows on the right.
        kind: inner, left, right, full, cross, semi or anti.
        left_on: What of a left row must be equal to the same of a right row.
        right_on: As much of a right row, of the same types.
        nulls_equal: For each of them whether NULL equals NULL.
        residual: What else must hold, over columns `left.a` and `right.b`; or None.
        columns: What comes out: name, `left` or `right`, and the name there.
        within: The least and the greatest right time minus left time, in microseconds, if the condition bounds both.
    """

    left: Node
    right: Node
    kind: str
    left_on: tuple[Term, ...] = ()
    right_on: tuple[Term, ...] = ()
    nulls_equal: tuple[bool, ...] = ()
    residual: Term | None = None
    columns: tuple[tuple[str, str, str], ...] = ()
    within: tuple[int, int] | None = None
    where: Where | None = None

    def arguments(self) -> dict[str, Any]:
        """What the operators of joins are made of."""
        return {
            "left": self.left, "right": self.right, "how": self.kind, "left_on": self.left_on,
            "right_on": self.right_on, "nulls_equal": self.nulls_equal, "condition": self.residual,
            "columns": self.columns, "where": self.where,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RankPattern:
    """`ROW_NUMBER() OVER (PARTITION BY ... ORDER BY ...)` with a filter on it.

    Attributes:
        input: The rows.
        partition: The columns of PARTITION BY.
        order: The keys of ORDER BY.
        first: The first rank that is kept, from 1.
        last: The last, or None.
        name: The column that gets the rank, or None.
        by_time: Whether the only key of the order is the event time: with rank 1 that is deduplication.
        by_arrival: Whether it is the processing time.
        ttl: How long the keys of a deduplication are kept; None = for ever.
    """

    input: Node
    partition: tuple[str, ...]
    order: tuple[Order, ...]
    first: int
    last: int | None
    name: str | None
    by_time: bool = False
    by_arrival: bool = False
    ttl: TimeToLive | None = None
    where: Where | None = None


@dataclass(frozen=True, kw_only=True)
class OverPattern:
    """Aggregates over a window of rows before each row.

    Attributes:
        input: The rows.
        partition: The columns of PARTITION BY.
        order: The keys of ORDER BY.
        by_time: Whether the order is the event time.
        aggregates: The aggregates by the names of their columns.
        rows: How many rows before; or None.
        span: How many microseconds before; or None. If both are None, all.
        ranged: Whether rows of equal time see each other.
        ordered: Whether the rows come in that order already.
    """

    input: Node
    partition: tuple[str, ...]
    order: tuple[Order, ...]
    by_time: bool
    aggregates: tuple[tuple[str, Term], ...]
    rows: int | None = None
    span: int | None = None
    ranged: bool = False
    ordered: bool = False
    where: Where | None = None


def _refuse(pattern: Any, what: str) -> NoReturn:
    raise UnsupportedError(f"{what} not offered in SQL yet", where=pattern.where)


def _operator(verb: str, what: str, where: Where | None) -> Any:
    """The class of an operator.

    Raises:
        UnsupportedError: If this version does not have it.
    """
    from penstock.operators import OPERATORS

    found = next((one for one in _classes(OPERATORS) if one.verb == verb), None)
    if found is None:
        raise UnsupportedError(f"{what} not offered in SQL yet", where=where)
    return found


def _classes(table: Any) -> Any:
    return table.values() if hasattr(table, "values") else table


def regular_join(pattern: JoinPattern) -> Node:
    """A join of all rows that fit."""
    made: Node = _operator("join", "joins are", pattern.where)(**pattern.arguments())
    return made


def interval_join(pattern: JoinPattern) -> Node:
    """A join whose condition bounds the distance of the event times."""
    assert pattern.within is not None
    lower, upper = pattern.within
    kind = _operator("interval_join", "interval joins are", pattern.where)
    made: Node = kind(**pattern.arguments(), lower=lower, upper=upper)
    return made


def window_join(pattern: JoinPattern) -> Node:
    """A join on window_start and window_end of windows that an aggregation has made: their rows come once."""
    return regular_join(pattern)


def semi_join(pattern: JoinPattern) -> Node:
    """IN and EXISTS (semi), NOT IN and NOT EXISTS (anti)."""
    what = "IN, EXISTS and their negations over a query are"
    made: Node = _operator("join", what, pattern.where)(**pattern.arguments())
    return made


def top_n(pattern: RankPattern) -> Node:
    """The first rows of each partition: a Table."""
    what = "ROW_NUMBER() ... WHERE rn <= n (Top-N) is"
    kind = _operator("top_n", what, pattern.where)
    if pattern.last is None:
        raise UnsupportedError(
            "a rank without an upper bound would keep all rows for ever", where=pattern.where, hint="WHERE rn <= 10"
        )
    made: Node = kind(
        input=pattern.input, keys=pattern.partition, by=tuple(_sort_key(one) for one in pattern.order),
        first=pattern.first, last=pattern.last, rank=pattern.name, where=pattern.where,
    )  # fmt: skip
    return made


def _sort_key(order: Order) -> Any:
    import importlib

    ordering = importlib.import_module("penstock.plan.ordering")  # comes with the operators that have an order
    return ordering.SortKey(order.column, order.descending, order.nulls_first)


def window_top_n(pattern: RankPattern) -> Node:
    """The first rows of each partition and window, of rows that were made per window.

    Rows that an aggregation has made come when their window closes, at its last millisecond: ranked within that
    they are final, as in Flink. Others are a Table.
    """
    from penstock.core.timespan import MILLISECOND, Span
    from penstock.expr.ast import Column
    from penstock.operators.select import Select
    from penstock.plan.windows import Tumbling

    below = pattern.input.facts
    if below.mode == UPDATING or not below.watermarked or below.time_shift != -MILLISECOND or pattern.last is None:
        return top_n(pattern)
    kind: Any = _operator("window_rows", "Top-N per window is", pattern.where)
    names = pattern.input.schema.names
    inside = {name: f"$in_{name}" for name in names}
    named = tuple((inside[name], Column(name)) for name in names)
    ranked = kind(
        input=Select(input=pattern.input, columns=named, where=pattern.where),
        keys=tuple(inside[name] for name in pattern.partition),
        windows=Tumbling(size=Span(us=MILLISECOND)),
        by=tuple(_sort_key(replace(one, column=inside[one.column])) for one in pattern.order),
        first=pattern.first, last=pattern.last, rank=pattern.name, where=pattern.where,
    )  # fmt: skip
    # The window of a millisecond ends when the window of the rows does: that is their event time, as before.
    columns = [(name, Column("window_end" if name == below.time else inside[name])) for name in names]
    columns += [(pattern.name, Column(pattern.name))] if pattern.name is not None else []
    made: Node = Select(input=ranked, columns=tuple(columns), where=pattern.where)
    return made


def deduplicate(pattern: RankPattern) -> Node:
    """The first or last row of each key, by time: the first is for good, the last a Table.

    A time-to-live is that of the first rows; the last ones are kept for ever.
    """
    what = "ROW_NUMBER() ... WHERE rn = 1 (deduplication) is"
    if not pattern.partition:
        return top_n(pattern)
    node, (order,) = pattern.input, pattern.order
    if order.descending:
        by = order.column if pattern.by_time else None
        kind = _operator("as_table", what, pattern.where)
        node = kind(input=node, keys=pattern.partition, by=by, spelling="dedup", where=pattern.where)
    else:
        kind = _operator("dedup", what, pattern.where)
        if pattern.by_time:
            node = sort(node, (order,), where=pattern.where)
        node = kind(input=node, keys=pattern.partition, ttl=pattern.ttl, where=pattern.where)
    return _numbered(node, pattern)


def _numbered(node: Node, pattern: RankPattern) -> Node:
    """With the rank as a column, if it is selected: it is 1."""
    if pattern.name is None:
        return node
    from penstock.core.dtypes import Int64
    from penstock.expr.ast import Column, Literal
    from penstock.operators.select import Select

    columns = (*((name, Column(name)) for name in node.schema.names), (pattern.name, Literal(1, Int64)))
    return Select(input=node, columns=columns, where=pattern.where)


def over(pattern: OverPattern) -> Node:
    """Aggregates over the rows before each row, which are taken in the order of event time."""
    what = "OVER aggregates are"
    kind = _operator("over", what, pattern.where)
    if not pattern.by_time:
        raise UnsupportedError("OVER by another column than the event time is not offered", where=pattern.where)
    import importlib

    # The frame comes with the operator.
    frame: Any = importlib.import_module("penstock.expr.ast").Frame
    ranged = pattern.span is not None or (pattern.rows is None and pattern.ranged)
    length = pattern.span if pattern.span is not None else pattern.rows
    made: Node = kind(
        input=pattern.input if pattern.ordered else sort(pattern.input, pattern.order, where=pattern.where),
        keys=pattern.partition,
        frame=frame("range" if ranged else "rows", length),
        functions=pattern.aggregates,
        where=pattern.where,
    )
    return made


def windowed(node: Node, keys: tuple[str, ...], window: Any, aggregates: Any, *, where: Where | None) -> Node:
    """Aggregates per key and window: aligned windows of event time, windows of the clock, sessions."""
    if window.sessions or window.clock:
        import importlib

        kinds = importlib.import_module("penstock.plan.keyed_windows")
        span = importlib.import_module("penstock.core.timespan").Span
        made: Any = kinds.Session(gap=span(us=window.gap)) if window.sessions else window.windows
        kind = _operator("keyed_window", "these windows are", where)
        node = kind(input=node, keys=keys, windows=made, aggregates=aggregates, clock=window.clock, where=where)
        return node
    kind = _operator("window", "windows are", where)
    found: Node = kind(input=node, keys=keys, windows=window.windows, aggregates=aggregates, where=where)
    return found


def sort(node: Node, order: tuple[Order, ...], *, where: Where | None) -> Node:
    """ORDER BY the event time, or anything of bounded rows."""
    kind = _operator("sort", "ORDER BY is", where)
    made: Node = kind(input=node, by=tuple(_sort_key(one) for one in order), where=where)
    return made


def limit(node: Node, rows: int, *, where: Where | None) -> Node:
    """The first rows."""
    made: Node = _operator("limit", "LIMIT is", where)(input=node, rows=rows, where=where)
    return made


def explode(node: Node, column: str, *, keep_empty: bool, ordinality: str | None, where: Where | None) -> Node:
    """CROSS and LEFT JOIN UNNEST(column): a row per element, which takes the place of the array."""
    from penstock.operators.explode import Explode

    return Explode(input=node, column=column, keep_empty=keep_empty, ordinality=ordinality, where=where)
