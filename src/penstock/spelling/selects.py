"""What a SELECT can say: the queries that may have made a node, the widest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from penstock.core.dtypes import Datetime
from penstock.core.timespan import Span
from penstock.expr.ast import Aggregation, Column, Term
from penstock.expr.user_functions import UserFunction
from penstock.plan.keyed_windows import Session as Sessions
from penstock.plan.node import Node
from penstock.plan.windows import Cumulative, Hopping, Tumbling
from penstock.spelling.sql_terms import SqlTerms, interval, quoted
from penstock.sql.bind_from import MARKS, bounds_of
from penstock.sql.bind_query import of_node
from penstock.sql.scope import END, START, TIME, Related, Scope, ScopeColumn
from penstock.sql.terms import Session

Once = Callable[[Node], bool]
Called = Callable[[UserFunction], str]
_BOUNDS = {START: "window_start", END: "window_end", TIME: "window_time"}
_JOINS = {"inner": "JOIN", "left": "LEFT JOIN", "right": "RIGHT JOIN", "full": "FULL JOIN", "cross": "CROSS JOIN"}


@dataclass(frozen=True)
class Select:
    """A query over rows that have names.

    Attributes:
        bases: The rows.
        text: The query, of their names.
        hidden: Whether the node has columns that the query does not show.
    """

    bases: tuple[Node, ...]
    text: Callable[[list[str]], str]
    hidden: bool = False


class _Writer:
    """Writes queries for a session."""

    def __init__(self, session: Session, once: Once, called: Called) -> None:
        self.session, self.once, self.called = session, once, called

    def terms(self, node: Node, known: dict[Term, str] | None = None) -> SqlTerms:
        """Writes terms over the columns of a node."""
        names = list(node.schema.names)
        return SqlTerms(Scope(of_node(node, names, names)), node.schema, self.session, known)

    def below(self, node: Any) -> Iterator[tuple[Node, str]]:
        """The rows that are read, with the WHERE between: a filter that nobody else reads is a part of the query."""
        if node.verb == "filter" and self.once(node) and node.state_name is None:
            yield node.input, f"\nWHERE {self.terms(node.input).top(node.predicate)}"
        yield node, ""

    def items(self, terms: SqlTerms, columns: Any) -> str:
        """The list of a SELECT."""
        made = []
        for name, term in columns:
            text = terms.top(term)
            made.append(text if text == quoted(name) else f"{text} AS {quoted(name)}")
        return ", ".join(made)


def selects(node: Any, session: Session, once: Once, called: Called) -> Iterator[Select]:
    """The queries that may have made a node.

    Args:
        node: The node.
        session: What its text does not say.
        once: Whether nobody else reads a node.
        called: What a function of the program is called.

    Raises:
        UnsupportedError: If a term of it has no words.
    """
    writer = _Writer(session, once, called)
    made = SELECTS.get(node.verb)
    if made is not None:
        yield from made(node, writer)


def _select(node: Any, writer: _Writer) -> Iterator[Select]:
    below = node.input
    if below.verb in ("window", "keyed_window") and writer.once(below):
        yield from _windowed(node, below, writer)
    if below.verb == "group" and writer.once(below):
        yield from _regrouped(node, below, writer)
    if below.verb in ("join", "interval_join") and writer.once(below):
        yield from _joined(below, node.columns, writer)
    if below.verb == "over" and writer.once(below):
        yield from _framed(node, below, writer)
    yield from _calling(node, writer)
    for base, where in writer.below(below):
        items = writer.items(writer.terms(base), node.columns)
        yield Select((base,), lambda names, i=items, w=where: f"SELECT {i}\nFROM {names[0]}{w}")  # type: ignore[misc]


def _calling(node: Any, writer: _Writer) -> Iterator[Select]:
    """Functions of the program, in the SELECT list and in WHERE."""
    below, condition = node.input, None
    if below.verb == "filter" and writer.once(below):
        below, condition = below.input, below.predicate
    applied = []
    while below.verb == "apply" and writer.once(below):
        applied.append(below)
        below = below.input
    if not applied:
        return
    known: dict[Term, str] = {}
    for one in reversed(applied):
        terms = writer.terms(one.input, known)
        known[Column(one.column)] = f"{writer.called(one.function)}({', '.join(terms.of(arg) for arg in one.args)})"
    terms = writer.terms(applied[0], known)
    where = "" if condition is None else f"\nWHERE {terms.of(condition)}"
    items = writer.items(terms, node.columns)
    yield Select((below,), lambda names: f"SELECT {items}\nFROM {names[0]}{where}")


def _filter(node: Any, writer: _Writer) -> Iterator[Select]:
    condition = writer.terms(node.input).top(node.predicate)
    yield Select((node.input,), lambda names: f"SELECT *\nFROM {names[0]}\nWHERE {condition}")


def _aggregates(node: Any, base: Node, writer: _Writer) -> dict[Term, str]:
    terms = writer.terms(base)
    return {Column(name): terms.of(term) for name, term in node.aggregates}


def _group(node: Any, writer: _Writer) -> Iterator[Select]:
    if node.ttl is not None:
        return
    for base, where in writer.below(node.input):
        keys = ", ".join(map(quoted, node.keys))
        if not node.aggregates:
            yield Select((base,), lambda names, w=where, k=keys: f"SELECT DISTINCT {k}\nFROM {names[0]}{w}")  # type: ignore[misc]
            continue
        items = writer.items(writer.terms(base), [*((k, Column(k)) for k in node.keys), *node.aggregates])
        group = f"\nGROUP BY {keys}" if keys else ""
        yield Select((base,), lambda names, i=items, w=where, g=group: f"SELECT {i}\nFROM {names[0]}{w}{g}")  # type: ignore[misc]


def _regrouped(node: Any, group: Any, writer: _Writer) -> Iterator[Select]:
    """What is computed of aggregates in the SELECT that makes them."""
    if group.ttl is not None or group.state_name is not None or not group.aggregates:
        return
    for base, where in writer.below(group.input):
        items = writer.items(writer.terms(group, _aggregates(group, base, writer)), node.columns)
        by = f"\nGROUP BY {', '.join(map(quoted, group.keys))}" if group.keys else ""
        yield Select((base,), lambda names, i=items, w=where, g=by: f"SELECT {i}\nFROM {names[0]}{w}{g}")  # type: ignore[misc]


def _windowed(node: Any, window: Any, writer: _Writer) -> Iterator[Select]:
    """Aggregates by window, with the bounds of the window as wall-clock times."""
    if window.state_name is not None or getattr(window, "clock", False):
        return
    for base, where in writer.below(window.input):
        time = base.facts.time
        if time is None:
            return
        dtype = base.schema[time].dtype
        zone = dtype.zone if isinstance(dtype, Datetime) else None
        known = _aggregates(window, base, writer)
        if {"window_start", "window_end"} <= set(window.schema.names):
            known |= {term: _BOUNDS[role] for role, mark in MARKS.items() if role in _BOUNDS
                      for m, term in bounds_of(Related(window, ()), zone).items() if m == mark}  # fmt: skip
        columns = [one for one in node.columns if one[0] != "$time"]
        items = writer.items(writer.terms(window, known), columns)
        call = _window_call(window, time)
        if call is None:
            return
        by = ", ".join([*map(quoted, window.keys), "window_start", "window_end"])
        yield Select(
            (base,),
            lambda names, i=items, c=call, w=where, b=by: (
                f"SELECT {i}\nFROM TABLE({c.format(names[0])}){w}\nGROUP BY {b}"
            ),  # type: ignore[misc]
            hidden=len(columns) < len(node.columns),
        )


def _window_call(node: Any, time: str) -> str | None:
    windows = node.windows
    of = f"TABLE {{}}, DESCRIPTOR({_braced(quoted(time))})"
    if isinstance(windows, Sessions):
        if windows.split is not None or not isinstance(windows.gap, Span):
            return None
        keys = f" PARTITION BY {', '.join(_braced(quoted(k)) for k in node.keys)}" if node.keys else ""
        return f"SESSION(TABLE {{}}{keys}, DESCRIPTOR({_braced(quoted(time))}), {interval(windows.gap.exact())})"
    if not isinstance(windows, (Tumbling, Hopping, Cumulative)) or windows.size.months:
        return None
    sizes = [interval(windows.size.exact())]
    if not isinstance(windows, Tumbling):
        sizes.insert(0, interval(windows.every.exact()))
    if windows.offset:
        sizes.append(interval(windows.offset))
    name = {Tumbling: "TUMBLE", Hopping: "HOP", Cumulative: "CUMULATE"}[type(windows)]
    return f"{name}({of}, {', '.join(sizes)})"


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


# -- joins ---------------------------------------------------------------------


def _join(node: Any, writer: _Writer) -> Iterator[Select]:
    yield from _joined(node, [(name, Column(name)) for name in node.schema.names], writer)


def _joined(node: Any, columns: Any, writer: _Writer) -> Iterator[Select]:
    if node.how not in _JOINS or node.state_name is not None:
        return
    sides: list[ScopeColumn] = []
    known: dict[Term, str] = {}
    for name, below in (("left", node.left), ("right", node.right)):
        short = name[0]
        for one in below.schema:
            term = Column(f"{name}.{one.name}")
            sides.append(ScopeColumn(one.name, term, one.dtype, one.nullable, short))
            known[term] = f"{short}.{quoted(one.name)}"
    out: dict[Term, str] = {
        Column(name): known[Column(f"{side}.{of}")] for name, side, of in node.columns if side in ("left", "right")
    }
    if len(out) < len(node.columns):
        return
    both = SqlTerms(Scope(Related(node.left, tuple(sides))), node.left.schema, writer.session, known)
    conditions = []
    for a, b, nulls in zip(node.left_on, node.right_on, node.nulls_equal, strict=True):
        left = both.of(_of_side(a, "left"))
        right = both.of(_of_side(b, "right"))
        conditions.append(f"{left} {'IS NOT DISTINCT FROM' if nulls else '='} {right}")
    if node.verb == "interval_join":
        mine, theirs = (f"{s}.{quoted(str(n.facts.time))}" for s, n in (("l", node.left), ("r", node.right)))
        low, high = (f"{mine} {'-' if us < 0 else '+'} {interval(abs(us))}" for us in (node.lower, node.upper))
        conditions.append(f"{theirs} BETWEEN {low} AND {high}")
    if node.condition is not None:
        conditions.append(both.of(node.condition))
    on = f"\n  ON {' AND '.join(conditions)}" if conditions else ""
    items = writer.items(writer.terms(node, out), columns)
    yield Select(
        (node.left, node.right),
        lambda names: f"SELECT {items}\nFROM {names[0]} AS l\n{_JOINS[node.how]} {names[1]} AS r{on}",
    )


def _of_side(term: Term, side: str) -> Term:
    return term.rewrite(lambda one: Column(f"{side}.{one.name}") if isinstance(one, Column) else one)


# -- orders, frames, sets ----------------------------------------------------------


def _order(by: Any) -> str:
    texts = []
    for one in by:
        nulls = "" if one.nulls_first == (not one.descending) else f" NULLS {'FIRST' if one.nulls_first else 'LAST'}"
        texts.append(f"{quoted(one.column)}{' DESC' if one.descending else ''}{nulls}")
    return ", ".join(texts)


def _sort(node: Any, writer: _Writer) -> Iterator[Select]:
    yield Select((node.input,), lambda names: f"SELECT *\nFROM {names[0]}\nORDER BY {_order(node.by)}")


def _limit(node: Any, writer: _Writer) -> Iterator[Select]:
    below = node.input
    if below.verb == "sort" and writer.once(below):
        yield Select(
            (below.input,), lambda names: f"SELECT *\nFROM {names[0]}\nORDER BY {_order(below.by)}\nLIMIT {node.rows}"
        )
    yield Select((below,), lambda names: f"SELECT *\nFROM {names[0]}\nLIMIT {node.rows}")


def _ranked(node: Any, base: Node, order: str, first: int, last: int) -> Select:
    keys = f"PARTITION BY {', '.join(map(quoted, node.keys))} " if node.keys else ""
    rank = getattr(node, "rank", None)
    items = ", ".join(quoted(name) for name in node.schema.names)
    number = quoted(rank or "$rank")
    bounds = f"{number} = 1" if (first, last) == (1, 1) else f"{number} <= {last}"
    bounds += f" AND {number} >= {first}" if first > 1 else ""
    return Select(
        (base,),
        lambda names: (
            f"SELECT {items}\nFROM (\n  SELECT *, ROW_NUMBER() OVER ({keys}ORDER BY {order}) AS {number}\n"
            f"  FROM {names[0]}\n)\nWHERE {bounds}"
        ),
    )


def _top_n(node: Any, writer: _Writer) -> Iterator[Select]:
    if not node.keys and node.by and node.rank is None:
        skip = f" OFFSET {node.first - 1}" if node.first > 1 else ""
        rows = node.last - node.first + 1
        yield Select(
            (node.input,),
            lambda names: f"SELECT *\nFROM {names[0]}\nORDER BY {_order(node.by)}\nLIMIT {rows}{skip}",
        )
    if node.by:
        yield _ranked(node, node.input, _order(node.by), node.first, node.last)


def _dedup(node: Any, writer: _Writer) -> Iterator[Select]:
    if node.within is None and node.input.verb == "sort" and writer.once(node.input):
        yield _ranked(node, node.input.input, _order(node.input.by), 1, 1)


def _as_table(node: Any, writer: _Writer) -> Iterator[Select]:
    if node.by is not None and node.delete is None and node.op is None:
        yield _ranked(node, node.input, f"{quoted(node.by)} DESC", 1, 1)


def _framed(node: Any, over: Any, writer: _Writer) -> Iterator[Select]:
    """Functions of frames in the SELECT that shows them."""
    below = over.input
    if below.verb != "sort" or not below.by_time or not all(isinstance(f, Aggregation) for _, f in over.functions):
        return
    base = below.input
    terms = writer.terms(base)
    keys = f"PARTITION BY {', '.join(map(quoted, over.keys))} " if over.keys else ""
    frame = over.frame
    if frame.preceding is None:
        rows = f"{frame.kind.upper()} BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
    else:
        far = str(frame.preceding) if frame.kind == "rows" else interval(frame.preceding)
        rows = f"{frame.kind.upper()} BETWEEN {far} PRECEDING AND CURRENT ROW"
    window = f"OVER ({keys}ORDER BY {quoted(below.by[0].column)} {rows})"
    known: dict[Term, str] = {Column(name): f"{terms.of(function)} {window}" for name, function in over.functions}
    items = writer.items(writer.terms(over, known), node.columns)
    yield Select((base,), lambda names: f"SELECT {items}\nFROM {names[0]}")


def _union(node: Any, writer: _Writer) -> Iterator[Select]:
    yield Select(node.streams, lambda names: "\nUNION ALL\n".join(f"SELECT * FROM {name}" for name in names))


SELECTS: dict[str, Callable[[Any, _Writer], Iterator[Select]]] = {
    "select": _select,
    "filter": _filter,
    "group": _group,
    "join": _join,
    "interval_join": _join,
    "sort": _sort,
    "limit": _limit,
    "top_n": _top_n,
    "dedup": _dedup,
    "as_table": _as_table,
    "union": _union,
}
"""What a query may say of each operator; those that are not here have no words in SQL."""
