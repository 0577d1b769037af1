"""Queries bound to nodes: WITH, set operations, VALUES, ORDER BY; SELECT is in `bind_select`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.core.dtypes import DType, Null
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.core.where import Where
from penstock.expr.ast import Column, Term
from penstock.expr.function import RowFault
from penstock.expr.infer import Typed, infer
from penstock.expr.interpret import interpret
from penstock.operators.group import Group
from penstock.operators.read import Read
from penstock.operators.union import Union
from penstock.plan.node import Node
from penstock.plan.ttl import TimeToLive
from penstock.sql import functions, operators, tidy
from penstock.sql.bind_expression import Expressions
from penstock.sql.bind_order import ordered_rows
from penstock.sql.bind_select import bind_select
from penstock.sql.operators import RankPattern
from penstock.sql.scope import Related, Scope, ScopeColumn
from penstock.sql.set_joins import set_join
from penstock.sql.syntax import Expression, Hint, Ordered, Query, Select, SetOperation, Syntax, Values, With
from penstock.sql.text import Text
from penstock.sql.window_rows import rows_of_windows

Lookup = Callable[[str, Text, int, int, tuple[Hint, ...]], Related]
"""The rows of a table or view by name."""


@dataclass
class Queries:
    """Binds queries of one text.

    Attributes:
        text: The text.
        lookup: Finds tables and views.
        session: The zone.
        udfs: Functions of the user.
        ctes: The names of WITH that hold.
        ttl: How long groups are kept; None = for ever.
        hints: Those of the SELECT whose FROM is bound.
    """

    text: Text
    lookup: Lookup
    session: functions.Session
    udfs: dict[str, Any] = field(default_factory=dict)
    ctes: dict[str, Related] = field(default_factory=dict)
    ttl: TimeToLive | None = None
    hints: tuple[Hint, ...] = ()

    def query(self, query: Query, outer: Scope | None = None) -> Related:
        """The rows of a query.

        Raises:
            PlanError: If it cannot mean anything, with its place.
        """
        try:
            return self._query(query, outer)
        except PlanError as refused:
            if refused.where is None:
                refused.where = self.text.where(query.at)
            raise

    def _query(self, query: Query, outer: Scope | None) -> Related:
        match query:
            case Select():
                return bind_select(self, query, outer)
            case Values(rows):
                return self._values(query, rows)
            case SetOperation():
                return self._set_operation(query, outer)
            case Ordered():
                return self._ordered(query, outer)
            case With(ctes, inner):
                return self._with(ctes, inner, outer)
        raise self.text.error("this is no query", query.at, query.end)

    def named(self, name: str, at: int, end: int, hints: tuple[Hint, ...] = ()) -> Related:
        """A table, view or name of WITH."""
        if name in self.ctes:
            return self.ctes[name]
        return self.lookup(name, self.text, at, end, hints)

    def expressions(self, scope: Scope, place: str) -> Expressions:
        """Binds expressions in a scope."""
        return Expressions(self.text, scope, self.session, place=place, udfs=self.udfs)

    def where(self, syntax: Syntax) -> Where:
        """The place of a piece of syntax."""
        return self.text.where(syntax.at, syntax.end)

    def _with(self, ctes: Any, inner: Query, outer: Scope | None) -> Related:
        below = replace(self, ctes=dict(self.ctes))
        for cte in ctes:
            found = below.query(cte.query)
            made = found.renamed(cte.alias.name, cte.alias.columns, self.text, cte.at)
            below.ctes[cte.alias.name] = made
        return below.query(inner, outer)

    # -- VALUES ----------------------------------------------------------------

    def one_row(self, place: Where | None) -> Related:
        """What SELECT without FROM reads: one row."""
        return self._rows([{"$one": 0}], Schema.of({"$one": functions.constant(0, _int()).dtype}), (), place)

    def _rows(
        self, rows: list[dict[str, Any]], schema: Schema, columns: tuple[ScopeColumn, ...], place: Where | None
    ) -> Related:
        from penstock.connectors.memory import as_source

        node = Read(source=as_source(rows, schema), name="values", columns=schema, where=place)
        return Related(node, columns)

    def _values(self, query: Values, rows: tuple[tuple[Expression, ...], ...]) -> Related:
        width = len(rows[0])
        bound = []
        nothing = Scope(Related(_NoRows(), ()))  # type: ignore[arg-type]
        for row in rows:
            if len(row) != width:
                raise self.text.error(
                    f"a row of VALUES has {len(row)} values, the first has {width}", row[0].at, row[-1].end
                )
            bound.append([self.expressions(nothing, "VALUES").bind(one) for one in row])
        types = [functions.common_of([row[i].dtype for row in bound], "the values of a column") for i in range(width)]
        names = [f"EXPR${i}" for i in range(width)]
        made = []
        for syntax, values in zip(rows, bound, strict=True):
            cells = [functions.widened(value, dtype) for value, dtype in zip(values, types, strict=True)]
            made.append({n: self._constant(cell, s) for n, cell, s in zip(names, cells, syntax, strict=True)})
        fields = [
            Field(name, _solid(dtype), any(row[name] is None for row in made))
            for name, dtype in zip(names, types, strict=True)
        ]
        columns = tuple(ScopeColumn(f.name, Column(f.name), f.dtype, f.nullable) for f in fields)
        return self._rows(made, Schema(tuple(fields)), columns, self.where(query))

    def _constant(self, value: Typed, syntax: Expression) -> Any:
        try:
            return interpret(infer(value.term, Schema(())))({})
        except RowFault as fault:
            raise self.text.error(f"this has no value: {fault}", syntax.at, syntax.end) from None

    # -- set operations --------------------------------------------------------

    def _set_operation(self, query: SetOperation, outer: Scope | None) -> Related:
        left, right = self.query(query.left, outer), self.query(query.right, outer)
        place = self.where(query)
        if left.window is not None:
            left = rows_of_windows(left, self.where(query.left))
        if right.window is not None:
            right = rows_of_windows(right, self.where(query.right))
        shown = [one for one in left.columns if one.shown]
        others = [one for one in right.columns if one.shown]
        if len(shown) != len(others):
            raise self.text.error(
                f"{query.kind} needs as many columns on both sides, found {len(shown)} and {len(others)}",
                query.right.at, query.right.end,
            )  # fmt: skip
        types = []
        for i, (a, b) in enumerate(zip(shown, others, strict=True)):
            dtype = functions.common(a.dtype, b.dtype)
            if dtype is None:
                raise self.text.error(
                    f"column {i + 1} of {query.kind} is {functions.spelled(a.dtype)} on the left and "
                    f"{functions.spelled(b.dtype)} on the right", query.right.at, query.right.end, hint="CAST one",
                )  # fmt: skip
            types.append(dtype)
        names = unique_names([one.name for one in shown])
        sides = [
            _aligned(side.node, names, columns, types, place) for side, columns in ((left, shown), (right, others))
        ]
        node: Node
        if query.kind != "UNION":
            node = set_join(query.kind, sides[0], sides[1], every=query.all, where=place)
            return of_node(node, [one.name for one in shown], names)
        node = Union(streams=(sides[0], sides[1]), where=place)
        if not query.all:
            node = Group(input=node, keys=tuple(names), aggregates=(), ttl=self.ttl, where=place)
        return of_node(node, [one.name for one in shown], names)

    # -- ORDER BY --------------------------------------------------------------

    def _ordered(self, query: Ordered, outer: Scope | None) -> Related:
        related, order, by_time = ordered_rows(self, query, outer)
        place = self.where(query)
        node = related.node
        if query.offset and query.limit is None:
            raise self.text.unsupported("OFFSET without LIMIT would keep all rows for ever", query.at, query.end)
        if query.limit == 0:
            raise self.text.unsupported("LIMIT 0 gives nothing", query.at, query.end)
        if order and (query.limit is not None or not by_time) and not (node.facts.bounded and query.limit is None):
            if query.limit is None:
                raise self.text.unsupported(
                    "a stream that does not end is sorted by its event time only", query.order[0].at,
                    hint="ORDER BY the event time, ascending; or add LIMIT n",
                )  # fmt: skip
            last = query.offset + query.limit
            pattern = RankPattern(
                input=node, partition=(), order=tuple(order), first=query.offset + 1, last=last, name=None, where=place
            )
            return replace(related, node=operators.top_n(pattern))
        if order:
            node = operators.sort(node, tuple(order), where=place)
        if query.limit is not None:
            if query.offset:
                # Which rows these are is not said: those that come first.
                count = query.offset + query.limit
                pattern = RankPattern(
                    input=node, partition=(), order=(), first=query.offset + 1, last=count, name=None, where=place
                )
                return replace(related, node=operators.top_n(pattern))
            node = operators.limit(node, query.limit, where=place)
        return replace(related, node=node)


class _NoRows:
    """Stands for the rows of VALUES: there are no columns to look at."""

    facts = None


def _int() -> DType:
    from penstock.core.dtypes import Int32

    return Int32


def _solid(dtype: DType) -> DType:
    """A column of nothing but NULL needs some type to be stored."""
    return _int() if dtype == Null else dtype


def unique_names(names: list[str]) -> list[str]:
    """Names of columns of a node: each once, `a`, `a0`, `a1` as in Flink."""
    found: list[str] = []
    taken: set[str] = set(names)
    for name in names:
        chosen, i = name.replace("__", "_$_") if name.startswith("__") else name, 0
        while chosen in found:
            chosen = f"{name}{i}"
            i += 1
            if chosen in taken:
                chosen = found[0] if not found else chosen
        found.append(chosen)
    return found


def _aligned(node: Node, names: list[str], columns: list[ScopeColumn], types: list[DType], place: Where) -> Node:
    terms: list[tuple[str, Term]] = []
    for name, column, dtype in zip(names, columns, types, strict=True):
        terms.append((name, functions.widened(column.typed, dtype).term))
    return tidy.selected(node, tuple(terms), place)


def of_node(node: Node, names: list[str], physical: list[str]) -> Related:
    """All named columns of a node."""
    columns = []
    for name, one in zip(names, physical, strict=True):
        made = node.schema[one]
        columns.append(ScopeColumn(name, Column(one), made.dtype, made.nullable))
    return Related(node, tuple(columns))
