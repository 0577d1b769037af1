"""Queries as they are written: SELECT and its clauses, set operations, WITH, VALUES, ORDER BY, LIMIT."""

from __future__ import annotations

from penstock.core.errors import nearest
from penstock.sql.lexer import QUOTED, WORD
from penstock.sql.parse_expression import ExpressionParser
from penstock.sql.parse_from import FromParser
from penstock.sql.syntax import (
    Alias,
    Cte,
    Expression,
    GroupItem,
    Ident,
    Ordered,
    OrderItem,
    Query,
    Select,
    SelectItem,
    SetOperation,
    Values,
    Window,
    With,
)

_CLAUSES = ("FROM", "WHERE", "GROUP", "HAVING", "QUALIFY", "WINDOW", "ORDER", "LIMIT", "UNION", "EMIT")
_SETS = ("UNION", "INTERSECT", "EXCEPT", "MINUS")
_RANK = {"UNION": 1, "EXCEPT": 1, "MINUS": 1, "INTERSECT": 2}


class QueryParser(ExpressionParser, FromParser):
    """Reads queries."""

    def query(self) -> Query:
        """A query, with its WITH, ORDER BY and LIMIT.

        Raises:
            PlanError: If there is none.
        """
        self.deeper()
        start = self.token.start
        if self.take("WITH"):
            if self.take("RECURSIVE"):
                raise self.unsupported("WITH RECURSIVE is not in Flink's streaming SQL", start)
            ctes = self.several(self._cte)
            query: Query = With(ctes, self.query(), at=start, end=self.last_end)
        else:
            query = self._ordered(self._sets(0), start)
        self.depth -= 1
        return query

    def _cte(self) -> Cte:
        start = self.token.start
        name = self.ident("the name of a common table expression")
        columns = self.in_brackets(lambda: self.ident("a column"), "columns") if self.sees("(") else ()
        self.expect("AS", f"after WITH {name.name}")
        self.expect("(", "before the query", hint="WITH a AS (SELECT ...) SELECT ... FROM a")
        query = self.query()
        self.expect(")", "after the query")
        return Cte(Alias(name.name, columns, at=start, end=name.end), query, at=start, end=self.last_end)

    def _sets(self, least: int) -> Query:
        left = self._block()
        while self.sees_any(_SETS) and _RANK[self.token.upper] > least:
            word = self.advance().upper
            every = bool(self.take("ALL"))
            self.take("DISTINCT")
            right = self._sets(_RANK[word])
            kind = "EXCEPT" if word == "MINUS" else word
            left = SetOperation(kind, every, left, right, at=left.at, end=self.last_end)
        return left

    def _ordered(self, query: Query, start: int) -> Query:
        order: tuple[OrderItem, ...] = ()
        limit, offset = None, 0
        if self.take("ORDER"):
            order = self.order()
        if self.take("LIMIT"):
            limit = None if self.take("ALL") else self.number("the number of rows")
        if self.take("OFFSET"):
            offset = self.number("the number of rows")
            self.take_any(("ROW", "ROWS"))
        if self.take("FETCH"):
            self.take_any(("FIRST", "NEXT"))
            limit = self.number("the number of rows") if not self.sees_any(("ROW", "ROWS")) else 1
            self.take_any(("ROW", "ROWS"))
            self.expect("ONLY", "at the end of FETCH")
        if not order and limit is None and not offset:
            return query
        return Ordered(query, order, limit, offset, at=start, end=self.last_end)

    def _block(self) -> Query:
        start = self.token.start
        if self.take("("):
            query = self.query()
            self.expect(")", "after the query")
            return query
        if self.take("VALUES"):
            rows = self.several(self._values_row)
            return Values(rows, at=start, end=self.last_end)
        if self.sees("SELECT"):
            return self._select()
        if self.sees("FROM"):
            raise self.unexpected("expected SELECT", hint="SELECT comes first: SELECT a FROM t")
        raise self.unexpected("expected a query: SELECT, WITH or VALUES")

    def _values_row(self) -> tuple[Expression, ...]:
        self.take("ROW")
        if self.sees("("):
            return self.in_brackets(self.expression, "values")
        return (self.expression(),)

    def _select(self) -> Select:
        start = self.advance().start
        hints = self.hints()
        distinct = bool(self.take("DISTINCT"))
        if not distinct:
            self.take("ALL")
        if self.sees("TOP") and self.peek().kind == "number":
            raise self.unexpected("TOP is not in Flink SQL", hint="LIMIT n at the end")
        if self.sees_any(_CLAUSES[:2]):
            raise self.unexpected("expected what to select", hint="SELECT a, b FROM t, or SELECT * FROM t")
        items = self.several(self._item)
        source = self.relations() if self.take("FROM") else None
        where = self.expression() if self.take("WHERE") else None
        group = self._group() if self.take("GROUP") else None
        having = self.expression() if self.take("HAVING") else None
        windows: tuple[tuple[str, Window], ...] = ()
        if self.take("WINDOW"):
            windows = self.several(self._named_window)
        qualify = self.expression() if self.take("QUALIFY") else None
        emit: tuple[str, ...] = ()
        if self.sees("EMIT"):
            emit = self._emit()
        self._check_after()
        return Select(
            items, source, where, group, having, qualify, windows, distinct, hints, emit, at=start, end=self.last_end
        )

    def _emit(self) -> tuple[str, ...]:
        at = self.token.start
        raise self.text.unsupported(
            "EMIT is not in Flink's streaming SQL and not offered yet",
            at,
            at + 4,
            hint="a window is sent when it closes",
        )

    def _check_after(self) -> None:
        """Clauses in a wrong order, or misspelt, are told here rather than as a sign too many."""
        token = self.token
        if token.upper in _CLAUSES[:6]:
            raise self.unexpected(
                f"{token.upper} is in a wrong place",
                hint="the order is SELECT, FROM, WHERE, GROUP BY, HAVING, WINDOW, QUALIFY, ORDER BY, LIMIT",
            )
        if token.kind == WORD and not self._is_clause() and token.upper not in ("END", "INSERT"):
            guess = nearest(token.upper, _CLAUSES)
            if guess or self.peek().kind in (WORD, QUOTED):
                raise self.unexpected(f"expected the next clause{guess}", hint="a name of two words is quoted: `a b`")

    def _item(self) -> SelectItem:
        value = self.expression()
        alias = None
        if self.take("AS") or self.token.kind == QUOTED or (self.token.kind == WORD and not self._is_clause()):
            alias = self._alias()
        return SelectItem(value, alias, at=value.at, end=self.last_end)

    def _alias(self) -> Ident:
        return self.ident("a name for the column")

    def _is_clause(self) -> bool:
        word = self.token.upper
        return word in _CLAUSES or word in (
            "INTERSECT",
            "EXCEPT",
            "MINUS",
            "OFFSET",
            "FETCH",
            "AS",
            "WITH",
            "FOR",
            "ON",
        )

    def _named_window(self) -> tuple[str, Window]:
        name = self.ident("the name of a window")
        self.expect("AS", "after the name of a window")
        return name.name, self.window()

    # -- GROUP BY --------------------------------------------------------------

    def _group(self) -> tuple[GroupItem, ...]:
        self.expect("BY", "after GROUP")
        self.take_any(("ALL", "DISTINCT"))
        if self.sees_any(("HAVING", "ORDER", ";")) or self.token.kind == "end":
            raise self.unexpected("expected what to group by")
        return self.several(self._group_item)

    def _group_item(self) -> GroupItem:
        start = self.token.start
        if self.take("GROUPING", "SETS"):
            lists = self.in_brackets(self._set, "grouping sets")
            return GroupItem("sets", lists, at=start, end=self.last_end)
        if self.sees_any(("ROLLUP", "CUBE")) and self.peek().upper == "(":
            kind = self.advance().upper.lower()
            lists = self.in_brackets(self._set, f"the columns of {kind.upper()}")
            return GroupItem(kind, lists, at=start, end=self.last_end)
        if self.sees("(", ")"):
            self.advance()
            self.advance()
            return GroupItem("plain", ((),), at=start, end=self.last_end)
        value = self.expression()
        return GroupItem("plain", ((value,),), at=start, end=self.last_end)

    def _set(self) -> tuple[Expression, ...]:
        if self.take("("):
            if self.take(")"):
                return ()
            found = self.several(self.expression)
            self.expect(")", "after a grouping set")
            return found
        return (self.expression(),)
