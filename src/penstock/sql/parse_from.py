"""What is in FROM: tables, queries, functions of tables, joins."""

from __future__ import annotations

from dataclasses import replace

from penstock.sql.lexer import END, QUOTED, WORD
from penstock.sql.parse_calls import CallParser
from penstock.sql.parse_match import MatchParser
from penstock.sql.syntax import (
    Alias,
    Derived,
    Descriptor,
    Expression,
    Ident,
    Join,
    MatchRecognize,
    Relation,
    Syntax,
    TableArgument,
    TableFunction,
    TableName,
)

_JOINS = ("JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "SEMI", "ANTI", "ASOF", "OUTER")
_NO_ALIAS = frozenset(
    (*_JOINS, "ON", "USING", "WHERE", "GROUP", "HAVING", "QUALIFY", "WINDOW", "ORDER", "LIMIT", "UNION", "INTERSECT",
     "EXCEPT", "MINUS", "OFFSET", "FETCH", "FOR", "MATCH_RECOGNIZE", "EMIT", "TABLESAMPLE", "SET", "LATERAL")
)  # fmt: skip


class FromParser(CallParser):
    """Reads relations."""

    def relations(self) -> Relation:
        """All that is behind FROM."""
        left = self._joined()
        while self.take(","):
            right = self._joined()
            left = Join(left, right, "cross", at=left.at, end=self.last_end)
        return left

    def _joined(self) -> Relation:
        left = self._relation()
        while self.sees_any(_JOINS):
            left = self._join(left)
        return left

    def _join(self, left: Relation) -> Relation:
        start = self.token.start
        natural = self.take("NATURAL")
        word = self.take_any(_JOINS[1:]) or "INNER"
        if word == "ASOF":
            raise self.text.unsupported(
                "ASOF JOIN is not offered in SQL yet", start, start + 4, hint="the verb join_asof"
            )
        if word in ("LEFT", "RIGHT", "FULL"):
            self.take("OUTER")
            word = self.take_any(("SEMI", "ANTI")) or word
        if word == "OUTER":
            raise self.text.error("expected LEFT, RIGHT or FULL before OUTER JOIN", start)
        self.expect("JOIN", f"after {word}")
        right = self._relation()
        while word not in ("CROSS",) and not natural and self.sees_any(_JOINS) and not _may_lack_condition(right):
            # `a JOIN b JOIN c ON ... ON ...`: the inner pair comes first.
            right = self._join(right)
        condition = None
        using: tuple[Ident, ...] = ()
        if self.take("ON"):
            condition = self.expression()
        elif self.take("USING"):
            using = self.in_brackets(lambda: self.ident("a column"), "the columns of USING")
        elif word != "CROSS" and not natural and not _may_lack_condition(right):
            raise self.unexpected("expected ON and the condition of the join", hint="JOIN b ON a.id = b.id")
        return Join(left, right, word.lower(), condition, using, natural, at=left.at, end=self.last_end)

    def _relation(self) -> Relation:
        self.deeper()
        start = self.token.start
        lateral = self.take("LATERAL")
        found = self._one(lateral)
        while self.sees("MATCH_RECOGNIZE"):
            found = MatchParser(self).read(found)
        if self.sees("TABLESAMPLE"):
            raise self.unexpected("TABLESAMPLE is not in Flink's streaming SQL")
        self.depth -= 1
        return found if isinstance(found, MatchRecognize) else replace(found, at=start, end=self.last_end)

    def _one(self, lateral: bool) -> Relation:
        token = self.token
        if self.sees("TABLE", "("):
            self.advance()
            self.advance()
            found = self._function(lateral)
            self.expect(")", "after the function")
            return self._named(found)
        if self.sees("UNNEST", "("):
            self.advance()
            args = self.in_brackets(self.expression, "the array")
            ordinality = self.take("WITH", "ORDINALITY")
            made = TableFunction("UNNEST", tuple((None, a) for a in args), None, True, ordinality)
            return self._named(made)
        if self.take("("):
            if self.sees_any(("SELECT", "WITH", "VALUES")) or self._nested_query():
                query = self.query()
                self.expect(")", "after the query")
                return self._named(Derived(query, None, lateral))
            inner = self.relations()
            self.expect(")", "after the join")
            return inner
        if self.sees("VALUES"):
            return self._named(Derived(self.query(), None, lateral))
        if token.kind == WORD and self.peek().upper == "(" and token.upper != "TABLE":
            return self._named(self._function(lateral))
        path = self.path("a table")
        return self._table(path)

    def _nested_query(self) -> bool:
        ahead = 0
        while self.peek(ahead).upper == "(":
            ahead += 1
        return ahead > 0 and self.peek(ahead).upper in ("SELECT", "WITH", "VALUES")

    def _table(self, path: tuple[Ident, ...]) -> Relation:
        hints = self.hints()
        as_of = None
        if self.sees("FOR"):
            self.advance()
            if not self.take("SYSTEM_TIME", "AS", "OF"):
                raise self.unexpected("expected SYSTEM_TIME AS OF after FOR")
            as_of = self.sum()
        alias = self.alias_of()
        return TableName(path, alias, as_of, hints or self.hints())

    def _named(self, relation: Relation) -> Relation:
        alias = self.alias_of()
        if alias is None:
            return relation
        if not isinstance(relation, (Derived, TableFunction)):
            return relation
        return replace(relation, alias=alias)

    def alias_of(self) -> Alias | None:
        """The name behind a relation, perhaps with names for its columns."""
        start = self.token.start
        if not self.take("AS"):
            named = self.token.kind == QUOTED or (self.token.kind == WORD and self.token.upper not in _NO_ALIAS)
            if not named:
                return None
        name = self.ident("a name for the table")
        columns = self.in_brackets(lambda: self.ident("a column"), "the columns") if self.sees("(") else ()
        return Alias(name.name, columns, at=start, end=self.last_end)

    # -- functions of tables ---------------------------------------------------

    def _function(self, lateral: bool) -> TableFunction:
        start = self.token.start
        name = self.ident("a function", any_word=True)
        self.expect("(", f"after {name.name}")
        args: list[tuple[str | None, Syntax]] = []
        while not self.sees(")"):
            if self.token.kind == END:
                raise self.unexpected(f'expected ")" after the arguments of {name.name}')
            args.append(self._table_argument())
            if not self.sees(")"):
                self.expect(",", f"between the arguments of {name.name}")
        self.advance()
        return TableFunction(name.name.upper(), tuple(args), None, lateral, at=start, end=self.last_end)

    def _table_argument(self) -> tuple[str | None, Syntax]:
        name = None
        if self.token.kind == WORD and self.peek().upper == "=>":
            name = self.advance().upper
            self.advance()
        start = self.token.start
        if self.sees("DESCRIPTOR", "("):
            self.advance()
            names = self.in_brackets(lambda: self.ident("a column"), "the column")
            return name, Descriptor(names, at=start, end=self.last_end)
        if self.sees("TABLE"):
            self.advance()
            bracket = self.take("(")
            query = bracket and self.sees_any(("SELECT", "WITH"))
            inner: Relation = Derived(self.query()) if query else self._table_in(self.path("a table"))
            if bracket:
                self.expect(")", "after the table")
            return name, self._partitioned(replace(inner, at=start, end=self.last_end), start)
        if self.sees("(", "SELECT") or self.sees("(", "WITH"):
            self.advance()
            inner = Derived(self.query(), at=start, end=self.last_end)
            self.expect(")", "after the query")
            return name, self._partitioned(inner, start)
        return name, self.expression()

    def _table_in(self, path: tuple[Ident, ...]) -> TableName:
        return TableName(path, None, None, self.hints())

    def _partitioned(self, relation: Relation, start: int) -> TableArgument:
        partition: tuple[Expression, ...] = ()
        if self.take("PARTITION"):
            self.expect("BY", "after PARTITION")
            bracket = self.take("(")
            partition = self._partition_columns()
            if bracket:
                self.expect(")", "after the columns")
        return TableArgument(relation, partition, at=start, end=self.last_end)

    def _partition_columns(self) -> tuple[Expression, ...]:
        found = [self.expression()]
        # A comma may go on with the next argument: DESCRIPTOR, a name with =>, an interval.
        while (
            self.sees(",")
            and self.peek().kind in (WORD, QUOTED)
            and self.peek().upper != "DESCRIPTOR"
            and self.peek(2).upper in (",", ")", ".")
        ):
            self.advance()
            found.append(self.expression())
        return tuple(found)


def _may_lack_condition(relation: Relation) -> bool:
    return isinstance(relation, TableFunction) or (isinstance(relation, Derived) and relation.lateral)
