"""Expressions of steps: SQL over the columns of a stream, with places in the YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.core.where import Where
from penstock.expr.ast import Column, Term
from penstock.operators.select import Select as SelectNode
from penstock.plan.node import Node as PlanNode
from penstock.sql.bind_expression import RANKS, Collected, Expressions
from penstock.sql.bind_over import bind_over
from penstock.sql.bind_query import Queries, of_node
from penstock.sql.lexer import END, QUOTED, tokens_of
from penstock.sql.parse_statement import StatementParser
from penstock.sql.scope import Related, Scope, ScopeColumn
from penstock.sql.syntax import Call, Expression, Hint, Select
from penstock.sql.terms import Session
from penstock.sql.text import Text
from penstock.sql.types import dtype_of
from penstock.sql.walk import outer_calls, walk
from penstock.yaml.tree import Scalar


@dataclass(frozen=True, eq=False)
class Excerpt(Text):
    """The SQL of one value: its places are those of the file.

    Attributes:
        scalar: The value.
        exact: Whether each character of the SQL stands in the file: variables are replaced elsewhere.
    """

    scalar: Scalar | None = None
    exact: bool = True

    @property
    def cut(self) -> bool:
        """Whether a comma of YAML stands behind a bracket that is open: it may have been meant as one of SQL."""
        assert self.scalar is not None
        behind = self.scalar.text.sql[self.scalar.end :].lstrip()
        return self.scalar.plain and behind.startswith(",") and self.sql.count("(") > self.sql.count(")")

    def where(self, at: int, end: int | None = None) -> Where:
        """The place in the file."""
        assert self.scalar is not None
        scalar = self.scalar
        if not self.exact:
            return scalar.text.where(scalar.at, scalar.end)
        offsets = scalar.offsets
        first = offsets[min(max(at, 0), len(offsets) - 1)]
        last = offsets[min(max((end or at + 1) - 1, 0), len(offsets) - 1)] + 1
        return scalar.text.where(first, max(first + 1, last))


def excerpt(scalar: Scalar, sql: str) -> Excerpt:
    """The text of a value, whose variables have been replaced."""
    return Excerpt(sql, scalar.text.file, scalar, sql == scalar.raw)


def parsed(text: Text) -> Expression:
    """The expression that a whole text is.

    Raises:
        PlanError: If it is none, or more.
    """
    if not text.sql.strip():
        raise text.error("expected an expression, found nothing", 0, hint="such as amount > 10")
    tokens = tokens_of(text)
    for i, one in enumerate(tokens[:-1]):
        if one.upper in ("LEFT", "RIGHT") and tokens[i + 1].upper == ".":  # the sides of a join, no key words
            tokens[i] = replace(one, kind=QUOTED, upper="")
    parser = StatementParser(text, tokens)
    try:
        found = parser.expression()
    except PlanError as refused:
        if isinstance(text, Excerpt) and text.cut:
            refused.hint = 'a comma ends a value inside of { } and [ ]: put it in quotes, such as "MOD(a, 2)"'
        raise
    if parser.token.kind != END:
        raise parser.unexpected("expected the end of the expression")
    return found


def term(text: Text, node: PlanNode, session: Session, place: str) -> Term:
    """The term of an expression over the columns of a node.

    Raises:
        PlanError: If it cannot mean anything.
    """
    syntax = parsed(text)
    over = [call for call in walk(syntax) if isinstance(call, Call) and call.over is not None]
    if over:
        raise text.error(
            f"OVER has no meaning in {place}", over[0].at, over[0].end, hint="with_columns: {name: SUM(x) OVER (...)}"
        )
    scope = Scope(of_node(node, list(node.schema.names), list(node.schema.names)))
    expressions = Expressions(text, scope, session, place=place, **_calls(session))
    bound = expressions.condition(syntax) if place in CONDITIONS else expressions.bind(syntax)
    return bound.term


def _calls(session: Session) -> dict[str, Any]:
    """The functions in Python that expressions may call."""
    return {"udfs": getattr(session, "functions", {}), "applies": True}


def of_pair(text: Text, left: PlanNode, right: PlanNode, session: Session) -> Term:
    """The term of a condition on two rows, whose columns may be written `left.a` and `right.b`.

    Raises:
        PlanError: If it cannot mean anything.
    """
    columns = []
    for side, node in (("left", left), ("right", right)):
        for one in node.schema:
            columns.append(ScopeColumn(one.name, Column(f"{side}.{one.name}"), one.dtype, one.nullable, side))
    scope = Scope(Related(left, tuple(columns)))
    return Expressions(text, scope, session, place="where").condition(parsed(text)).term


CONDITIONS = ("filter", "expect", "where", "delete", "split_when")
"""Where an expression must be true or false."""


def aggregate(text: Text, node: PlanNode, session: Session) -> Term:
    """The term of an expression with aggregates in it.

    Raises:
        PlanError: If it cannot mean anything.
    """
    scope = Scope(of_node(node, list(node.schema.names), list(node.schema.names)))
    collected = Collected(node.schema)
    bound = Expressions(text, scope, session, collected=collected, place="agg").bind(parsed(text))
    if not collected.terms:
        raise text.error("expected an aggregate", 0, len(text.sql), hint="such as COUNT(*), SUM(x) or MAX(x)")
    known = dict(collected.terms)
    return bound.term.rewrite(lambda one: known.get(one.name, one) if isinstance(one, Column) else one)


def columns(
    items: Sequence[tuple[str, Text]], node: PlanNode, session: Session, place: str
) -> tuple[PlanNode, list[tuple[str, Term]]]:
    """The terms of several columns, and the node that they are over: OVER makes columns that it needs.

    Raises:
        PlanError: If one cannot mean anything.
    """
    made: list[tuple[str, Term]] = []
    names = list(node.schema.names)
    for name, text in items:
        syntax = parsed(text)
        over = list(outer_calls((syntax,), lambda call: call.over is not None))
        if over:
            node, found = _over(text, syntax, over, node, names, session)
        else:
            scope = Scope(of_node(node, names, names))
            found = Expressions(text, scope, session, place=place, **_calls(session)).bind(syntax).term
        made.append((name, found))
    return node, made


def _over(
    text: Text, syntax: Expression, over: list[Call], node: PlanNode, names: list[str], session: Session
) -> tuple[PlanNode, Term]:
    """The rows with the value of one expression with OVER as a column, and that column."""
    ranks = [call for call in over if call.name in RANKS]
    if ranks:
        raise text.unsupported(
            f"{ranks[0].name} is not offered here", ranks[0].at, ranks[0].end, hint="group_by: ..., top_n: 10, rank: n"
        )
    binder = Queries(text, _no_tables, session)
    select = Select((), at=over[0].at, end=over[-1].end)
    kept = tuple((name, Column(name)) for name in node.schema.names)
    related, standing = bind_over(binder, of_node(node, names, names), over, select, None)
    value = Expressions(text, Scope(related), session, place="with_columns", standing=standing).bind(syntax)
    column = f"$over{len(kept) - len(names)}"
    where = text.where(over[0].at, over[-1].end)
    made = SelectNode(input=related.node, columns=(*kept, (column, value.term)), spelling="over", where=where)
    return made, Column(column)


def _no_tables(name: str, text: Text, at: int, end: int, hints: tuple[Hint, ...]) -> Related:
    raise text.error(f'there is no table "{name}" in an expression', at, end)


def schema(types: Sequence[tuple[str, Text]], session: Session) -> Schema:
    """The columns of a source from types in SQL.

    Raises:
        PlanError: If a text is no type.
    """
    fields = []
    for name, text in types:
        parser = StatementParser(text)
        found = parser.type()
        if parser.token.kind != END:
            raise parser.unexpected("expected the end of the type")
        fields.append(Field(name, dtype_of(found, session.zone), found.nullable))
    if not fields:
        raise PlanError("a schema has at least one column", hint="schema: {id: BIGINT, name: STRING}")
    return Schema(tuple(fields))
