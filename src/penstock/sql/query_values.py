"""EXISTS and IN as values, in SELECT, CASE or OR: made of counts of rows.

`EXISTS (query)` is whether it has rows. `x IN (query)` is true if a row equals it; else unknown if `x` is NULL and
there are rows, or if one of them is NULL; else false.
"""

from __future__ import annotations

from dataclasses import replace

from penstock.sql.syntax import (
    Call,
    CaseWhen,
    Constant,
    Exists,
    Expression,
    InQuery,
    Name,
    Query,
    Scalar,
    Select,
    SelectItem,
    Star,
)
from penstock.sql.text import Text
from penstock.sql.types import SqlType


def counted(expression: Exists | InQuery, value: Name | None, text: Text) -> Expression:
    """What EXISTS or IN is, by counts; `value` is a column of the rows around that has what IN compares.

    Raises:
        PlanError: If IN compares several values.
    """
    if isinstance(expression, Exists):
        return _some(_count(expression.query, expression, text), expression)
    assert value is not None
    found = _contains(expression, value, text)
    return Call("NOT", (found,), at=found.at, end=found.end, written="NOT") if expression.negated else found


def _number(value: int, at: Expression) -> Constant:
    return Constant(value, SqlType("INT", nullable=False), at=at.at, end=at.end)


def _some(query: Query, at: Expression) -> Expression:
    """Whether the count of rows is not 0."""
    count = Scalar(query, at=at.at, end=at.end)
    known = Call("COALESCE", (count, _number(0, at)), at=at.at, end=at.end, written="COALESCE")
    return Call(">", (known, _number(0, at)), at=at.at, end=at.end, written=">")


def _count(query: Query, at: Expression, text: Text, where: Expression | None = None) -> Query:
    """How many rows a query has: its own count, so that what ties it to the rows around it stays where it is."""
    count = Call("COUNT", (Star(),), at=at.at, end=at.end, written="COUNT")
    item = SelectItem(count, at=at.at, end=at.end)
    plain = isinstance(query, Select) and query.group is None and query.having is None and query.qualify is None
    if plain and isinstance(query, Select) and query.source is not None and not query.distinct:
        from penstock.sql.bind_select import has_aggregate

        if not has_aggregate(query.items):
            both = query.where if where is None else where if query.where is None else _and(query.where, where)
            return replace(query, items=(item,), where=both)
    raise text.unsupported(
        "a query with GROUP BY, DISTINCT or aggregates is not offered in EXISTS and IN as values", at.at, at.end,
        hint="in WHERE, joined by AND",
    )  # fmt: skip


def _and(left: Expression, right: Expression) -> Expression:
    return Call("AND", (left, right), at=left.at, end=right.end, written="AND")


def _contains(test: InQuery, value: Name, text: Text) -> Expression:
    query = test.query
    if len(test.values) != 1 or not isinstance(query, Select) or len(query.items) != 1:
        raise text.unsupported("IN as a value compares one value with one column", test.at, test.end)
    item = query.items[0].expression
    if isinstance(item, Star):
        raise text.unsupported("IN as a value takes a column, not *", item.at, item.end)
    equal = Call("=", (item, value), at=test.at, end=test.end, written="=")
    missing = Call("IS NULL", (item,), at=test.at, end=test.end, written="IS NULL")
    rows = _some(_count(query, test, text), test)
    matches = _some(_count(query, test, text, equal), test)
    nulls = _some(_count(query, test, text, missing), test)
    unknown = _and(Call("IS NULL", (value,), at=test.at, end=test.end, written="IS NULL"), rows)
    true, false = (
        Constant(flag, SqlType("BOOLEAN", nullable=False), at=test.at, end=test.end) for flag in (True, False)
    )
    nothing = Constant(None, SqlType("BOOLEAN"), at=test.at, end=test.end)
    return CaseWhen(None, ((matches, true), (unknown, nothing), (nulls, nothing)), false, at=test.at, end=test.end)
