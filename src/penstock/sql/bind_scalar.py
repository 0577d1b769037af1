"""Queries in brackets as values, correlated or not: left joins with at most one row each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import Int32, Int64
from penstock.core.errors import PlanError
from penstock.core.where import Where
from penstock.expr.ast import Aggregation, Column, Literal, Term
from penstock.expr.infer import Typed
from penstock.operators.filter import Filter
from penstock.operators.group import Group
from penstock.operators.select import Select as SelectNode
from penstock.plan.node import Node
from penstock.sql import functions, operators
from penstock.sql.bind_expression import Collected
from penstock.sql.bind_join import Joining
from penstock.sql.operators import JoinPattern
from penstock.sql.query_values import counted
from penstock.sql.scope import Related, Scope, ScopeColumn
from penstock.sql.syntax import (
    Call,
    CaseWhen,
    Constant,
    Exists,
    Expression,
    Ident,
    InQuery,
    Name,
    Scalar,
    Select,
    Star,
)
from penstock.sql.types import SqlType
from penstock.sql.walk import substitute, walk
from penstock.sql.window_rows import rows_of_windows

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

_COUNTS = ("count", "count_values", "n_unique")
"""What is 0, and not NULL, of no rows."""
_ONLY = Literal(0, Int32)
"""The key of joins with the one row of a side."""


@dataclass(frozen=True)
class _Value:
    """A query as a value: its rows, by what they fit the rows around it, and its value over columns of its rows."""

    node: Node
    left_on: tuple[Term, ...]
    right_on: tuple[Term, ...]
    nulls_equal: tuple[bool, ...]
    columns: tuple[str, ...]
    term: Typed
    counts: tuple[str, ...] = ()


def bind_scalars(
    binder: Queries, related: Related, syntax: Any, outer: Scope | None
) -> tuple[Related, list[tuple[Expression, Typed]]]:
    """The rows with the values of all queries in brackets as columns, and what each of them stands for.

    Raises:
        PlanError: If a query may give several rows, or several columns.
    """
    standing: list[tuple[Expression, Typed]] = []
    tests = [one for one in walk(syntax) if isinstance(one, (Exists, InQuery))]
    for test in dict.fromkeys(tests):
        related, tested = _tested(binder, related, test, outer)
        standing.append((test, tested))
    found = [one for one in walk(syntax) if isinstance(one, Scalar)]
    for scalar in dict.fromkeys(found):
        place = binder.where(scalar)
        if related.window is not None:
            related = rows_of_windows(related, place)
        value = _value(binder, related, scalar, outer)
        taken = related.node.schema
        names: dict[str, str] = {}
        for name in value.columns:
            chosen, i = f"$q{name.removeprefix('$')}", 0
            while chosen in taken or chosen in names.values():
                chosen, i = f"$q{i}{name.removeprefix('$')}", i + 1
            names[name] = chosen
        columns = [(name, "left", name) for name in taken.names]
        pattern = JoinPattern(
            left=related.node, right=value.node, kind="left", left_on=value.left_on, right_on=value.right_on,
            nulls_equal=value.nulls_equal, columns=(*columns, *((new, "right", old) for old, new in names.items())),
            where=place,
        )  # fmt: skip
        related = replace(related, node=operators.regular_join(pattern))
        standing.append((scalar, _over(value, names)))
    return related, standing


def _tested(binder: Queries, related: Related, test: Exists | InQuery, outer: Scope | None) -> tuple[Related, Typed]:
    """EXISTS or IN as a value, by counts that are joined to the rows."""
    name = None
    if isinstance(test, InQuery):
        # The value is a column of a name that the query does not have.
        compared = binder.expressions(Scope(related, outer), "IN").bind(test.values[0])
        label = f"$value{len(related.node.schema)}"
        kept = tuple((one, Column(one)) for one in related.node.schema.names)
        node = SelectNode(input=related.node, columns=(*kept, (label, compared.term)), where=binder.where(test))
        column = ScopeColumn(label, Column(label), compared.dtype, compared.nullable, None, "value", shown=False)
        related = replace(related, node=node, columns=(*related.columns, column))
        name = Name((Ident(label, at=test.at, end=test.end),), at=test.at, end=test.end)
    counts = counted(test, name, binder.text)
    related, standing = bind_scalars(binder, related, (counts,), outer)
    return related, replace(binder.expressions(Scope(related, outer), "IN"), standing=standing).bind(counts)


def bind_scalar_condition(binder: Queries, related: Related, condition: Expression, outer: Scope | None) -> Related:
    """The rows for which a condition with queries as values is true."""
    related, standing = bind_scalars(binder, related, (condition,), outer)
    expressions = replace(binder.expressions(Scope(related, outer), "WHERE"), standing=standing)
    predicate = expressions.condition(condition).term
    return replace(related, node=Filter(input=related.node, predicate=predicate, where=binder.where(condition)))


def _over(value: _Value, names: dict[str, str]) -> Typed:
    """The value over the rows of the join, where it is missing if there is no row."""
    known: dict[Term, Term] = {}
    for name, new in names.items():
        column: Term = Column(new)
        if name in value.counts:
            zero = functions.constant(0, Int64)
            column = functions.resolve("COALESCE", [Typed(column, Int64, True), zero]).term
        known[Column(name)] = column
    term = substitute(value.term.term, known, lambda column: column)
    return Typed(term, value.term.dtype, value.term.nullable or not value.counts)


def _value(binder: Queries, related: Related, scalar: Scalar, outer: Scope | None) -> _Value:
    from penstock.sql.bind_select import has_aggregate

    query = scalar.query
    if isinstance(query, Select) and query.source is not None and len(query.items) == 1:
        plain = query.group is None and query.having is None and query.qualify is None and not query.distinct
        if plain and has_aggregate(query.items):
            return _aggregate(binder, related, scalar, query, outer)
        if plain and not isinstance(query.items[0].expression, Star):
            return _aggregate(binder, related, scalar, _single(query), outer)
    found = binder.query(query)
    shown = [one for one in found.columns if one.shown]
    if len(shown) != 1:
        raise binder.text.error(f"a query as a value has one column, found {len(shown)}", scalar.at, scalar.end)
    if found.node.facts.key != ():
        raise binder.text.unsupported(
            "a query as a value must give one row at most", scalar.at, scalar.end,
            hint="an aggregate without GROUP BY: (SELECT MAX(a) FROM t)",
        )  # fmt: skip
    typed = replace(shown[0].typed, nullable=True)
    return _Value(found.node, (_ONLY,), (_ONLY,), (False,), tuple(sorted(typed.term.columns())), typed)


def _single(query: Select) -> Select:
    """The one value of a query: of several rows there is none, and a row that asks for it leaves by `errors`."""
    (item,) = query.items
    at, end = item.at, item.end

    def made(name: str, *args: Expression) -> Expression:
        return Call(name, args, at=at, end=end, written=name)

    def number(value: int) -> Constant:
        return Constant(value, SqlType("INT", nullable=False), at=at, end=end)

    several = made(">", made("COUNT", Star()), number(1))
    divisor = CaseWhen(None, ((several, number(0)),), number(1), at=at, end=end)
    alone = made("=", made("/", number(1), divisor), number(1))
    value = CaseWhen(None, ((alone, made("MAX", item.expression)),), None, at=at, end=end)
    return replace(query, items=(replace(item, expression=value),))


def _aggregate(binder: Queries, related: Related, scalar: Scalar, query: Select, outer: Scope | None) -> _Value:
    """An aggregate of the rows of the query, by what they have in common with the rows around it."""
    from penstock.sql.bind_subquery import split

    text, place = binder.text, binder.where(scalar)
    right, correlated = split(binder, query, Scope(related, outer))
    joining = Joining(binder, related, right, inner_first=True)
    for one in correlated:
        joining.add(one)
    if joining.residual or joining.lower is not None or joining.upper is not None:
        raise text.unsupported(
            "a query as a value is tied to the rows around it by equal columns only", scalar.at, scalar.end,
            hint="WHERE a.id = b.id",
        )  # fmt: skip
    keys = tuple(f"$k{i}" for i in range(len(joining.right_on)))
    node = right.node
    if keys:
        passed = tuple((name, Column(name)) for name in node.schema.names)
        node = SelectNode(input=node, columns=(*passed, *zip(keys, joining.right_on, strict=True)), where=place)
    collected = Collected(right.node.schema)
    expressions = replace(binder.expressions(Scope(right), "SELECT"), collected=collected)
    value = expressions.bind(query.items[0].expression)
    names = tuple(name for name, _ in collected.terms)
    if not value.term.columns() <= set(names):
        raise text.error("a query as a value gives aggregates of its rows only", scalar.at, scalar.end)
    grouped = _grouped(node, keys, collected, place)
    counts = tuple(n for n, one in collected.terms if isinstance(one, Aggregation) and one.aggregate in _COUNTS)
    if not keys:
        # In a stream there is no row of no rows: a count is NULL then, as in Flink.
        return _Value(grouped, (_ONLY,), (_ONLY,), (False,), names, value)
    own = tuple(Column(name) for name in keys)
    return _Value(grouped, tuple(joining.left_on), own, tuple(joining.nulls_equal), names, value, counts)


def _grouped(node: Node, keys: tuple[str, ...], collected: Collected, place: Where) -> Node:
    try:
        return Group(input=node, keys=keys, aggregates=tuple(collected.terms), where=place)
    except PlanError as refused:
        raise refused.at(place) from None
