"""Statements as they are written, and whole scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from penstock.core.dtypes import DType
from penstock.core.errors import nearest
from penstock.sql.lexer import END, STRING
from penstock.sql.parse_table import TableParser
from penstock.sql.statements import (
    CreateFunction,
    CreateView,
    Describe,
    Drop,
    Explain,
    Insert,
    QueryStatement,
    ResetOption,
    SetOption,
    Show,
    Statement,
    StatementSet,
    Use,
)
from penstock.sql.syntax import (
    Ident,
    Query,
)
from penstock.sql.text import Text
from penstock.sql.types import SqlType, spelled

_FIRST = ("CREATE", "INSERT", "SELECT", "WITH", "VALUES", "SET", "RESET", "EXPLAIN", "DESCRIBE", "DESC", "SHOW", "DROP",
          "EXECUTE", "BEGIN", "USE", "(")  # fmt: skip
_NEVER = {
    "UPDATE": "rows of a stream are not updated; write the change into a table with a key",
    "DELETE": "rows of a stream are not deleted; write the change into a table with a key",
    "MERGE": "INSERT INTO a table with a PRIMARY KEY merges by the key",
    "ALTER": "change the CREATE TABLE instead",
    "TRUNCATE": "an output with 'sink.mode' = 'overwrite' begins anew",
    "CALL": "there are no procedures",
    "ANALYZE": "there are no statistics of tables",
    "LOAD": "there are no modules",
    "UNLOAD": "there are no modules",
    "ADD": "functions are found by their Python import path",
    "REMOVE": "functions are found by their Python import path",
    "GRANT": "there are no users in SQL",
    "COMPILE": "plans are stored with their state; see penstock migrate",
}  # fmt: skip


def parse(text: Text) -> list[Statement]:
    """The statements of a script.

    Raises:
        PlanError: If it is no SQL of Flink's.
    """
    return list(StatementParser(text).script())


def parse_query(text: Text) -> Query:
    """One query.

    Raises:
        PlanError: If the text is no query, or more.
    """
    parser = StatementParser(text)
    query = parser.query()
    parser.take(";")
    if parser.token.kind != END:
        raise parser.unexpected("expected the end of the query")
    return query


def declared_type(dtype: DType, nullable: bool) -> SqlType:
    """The type of a column as CREATE TABLE would declare it."""
    return replace(StatementParser(Text(spelled(dtype), "<type>")).type(), nullable=nullable)


class StatementParser(TableParser):
    """Reads statements."""

    def script(self) -> Iterator[Statement]:
        """All statements, with semicolons between."""
        while True:
            while self.take(";"):
                pass
            if self.token.kind == END:
                return
            yield self.statement()
            if self.token.kind != END:
                hint = "statements are separated by ;" if self.token.upper in _FIRST else self._misspelt()
                self.expect(";", "or the end of the statement", hint=hint)

    def _misspelt(self) -> str | None:
        """Whether the word before, which was taken as a name, may have been meant as a clause."""
        before = self.tokens[self.index - 1]
        guess = nearest(before.upper, ("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "JOIN", "UNION"))
        return f"{before.text} was read as a name{guess}" if guess else None

    def statement(self) -> Statement:
        """One statement."""
        start = self.token.start
        word = self.token.upper
        if word in ("SELECT", "WITH", "VALUES", "("):
            return QueryStatement(self.query(), at=start, end=self.last_end)
        method = {
            "CREATE": self._create, "INSERT": self._insert, "SET": self._set_option, "RESET": self._reset,
            "EXPLAIN": self._explain, "DESCRIBE": self._describe, "DESC": self._describe, "SHOW": self._show,
            "DROP": self._drop, "EXECUTE": self._execute, "BEGIN": self._statement_set, "USE": self._use,
        }.get(word)  # fmt: skip
        if method is not None:
            return method()
        if word in _NEVER:
            raise self.text.unsupported(f"{word} is not offered", start, self.token.end, hint=_NEVER[word])
        if word == "FROM":
            raise self.unexpected("expected a statement", hint="SELECT comes first: SELECT a FROM t")
        guess = nearest(word, _FIRST) if word else ""
        raise self.unexpected(
            f"expected a statement{guess}",
            hint=None if guess else "CREATE TABLE, CREATE VIEW, INSERT INTO, SELECT, SET",
        )

    # -- CREATE ----------------------------------------------------------------

    def _create(self) -> Statement:
        start = self.advance().start
        replaced = self.take("OR", "REPLACE") or self.take("OR", "ALTER")
        temporary = self.take("TEMPORARY")
        self.take("SYSTEM")
        word = self.token.upper
        if word == "TABLE":
            return self._create_table(start)
        if word == "VIEW":
            return self._create_view(start)
        if word == "FUNCTION":
            return self._create_function(start)
        if word in ("CATALOG", "DATABASE", "MODEL", "MATERIALIZED", "CONNECTION"):
            raise self.text.unsupported(
                f"CREATE {word} is not offered", start, self.token.end, hint="tables are declared by CREATE TABLE"
            )
        _ = replaced, temporary
        raise self.unexpected(f"expected TABLE, VIEW or FUNCTION{nearest(word, ('TABLE', 'VIEW', 'FUNCTION'))}")

    def _create_view(self, start: int) -> CreateView:
        self.advance()
        exists = self._if_not_exists()
        name = self._table_name().name
        columns = self.in_brackets(lambda: self.ident("a column"), "columns") if self.sees("(") else ()
        if self.take("COMMENT"):
            self.string("a comment")
        self.expect("AS", "before the query of a view")
        return CreateView(name, columns, self.query(), exists, at=start, end=self.last_end)

    def _create_function(self, start: int) -> CreateFunction:
        self.advance()
        exists = self._if_not_exists()
        name = self._table_name().name
        self.expect("AS", "after the name of a function")
        target = self.string("where the function is: 'module.name'").text
        language = "JAVA"
        if self.take("LANGUAGE"):
            language = self.ident("a language").name.upper()
        return CreateFunction(name, target, language, exists, at=start, end=self.last_end)

    # -- INSERT ----------------------------------------------------------------

    def _insert(self) -> Insert:
        start = self.advance().start
        overwrite = self.take("OVERWRITE")
        if not overwrite:
            self.expect("INTO", "after INSERT")
        table = self._table_name()
        self.hints()
        if self.sees("PARTITION"):
            raise self.unexpected("INSERT ... PARTITION is not offered", hint="select the values of the partition")
        columns: tuple[Ident, ...] = ()
        if self.sees("(") and self.peek().upper not in ("SELECT", "WITH", "VALUES", "("):
            columns = self.in_brackets(lambda: self.ident("a column"), "columns")
        query = self.query()
        conflict = None
        if self.take("ON", "CONFLICT"):
            self.expect("DO", "after ON CONFLICT")
            conflict = self.ident("NOTHING, ERROR or DEDUPLICATE", any_word=True).name.upper()
        return Insert(table, columns, query, overwrite, conflict, at=start, end=self.last_end)

    def _execute(self) -> Statement:
        self.advance()
        if self.sees("STATEMENT"):
            return self._statement_set()
        return self.statement()

    def _statement_set(self) -> StatementSet:
        start = self.token.start
        self.take("BEGIN")
        self.expect("STATEMENT", "of a statement set")
        self.expect("SET", "after STATEMENT")
        self.take("BEGIN")
        self.take(";")
        inserts = []
        while not self.take("END"):
            if not self.sees("INSERT"):
                raise self.unexpected("expected INSERT or END in a statement set")
            inserts.append(self._insert())
            if not self.sees("END"):
                self.expect(";", "after an INSERT")
        return StatementSet(tuple(inserts), at=start, end=self.last_end)

    # -- the rest --------------------------------------------------------------

    def _set_option(self) -> SetOption:
        start = self.advance().start
        if self.token.kind == END or self.sees(";"):
            return SetOption(None, at=start, end=self.last_end)
        if self.token.kind == STRING:
            key = self.advance().text
        else:
            key = self.advance().text
            while self.sees_any((".", "-")):
                key += self.advance().text + self.advance().text
        self.expect("=", "in SET", hint="SET 'key' = 'value'")
        token = self.advance()
        if token.kind == END:
            raise self.unexpected("expected a value")
        value = token.text
        while token.kind != STRING and self.token.kind != END and not self.sees(";"):
            value = self.text.sql[token.start : self.advance().end]
        return SetOption(key, value, token.start, at=start, end=self.last_end)

    def _reset(self) -> ResetOption:
        start = self.advance().start
        key = self.advance().text if self.token.kind == STRING else None
        return ResetOption(key, at=start, end=self.last_end)

    def _explain(self) -> Explain:
        start = self.advance().start
        details = []
        known = ("ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "PLAN_ADVICE")
        self.take("PLAN", "FOR")
        while word := self.take_any(known):
            details.append(word)
            self.take(",")
        return Explain(self.statement(), tuple(details), at=start, end=self.last_end)

    def _describe(self) -> Describe:
        start = self.advance().start
        self.take_any(("TABLE", "VIEW", "EXTENDED"))
        return Describe(self._table_name(), at=start, end=self.last_end)

    def _show(self) -> Show:
        start = self.advance().start
        if self.take("CREATE"):
            kind = self.take_any(("TABLE", "VIEW")) or "TABLE"
            return Show(f"CREATE {kind}", self._table_name(), at=start, end=self.last_end)
        if self.take("COLUMNS"):
            self.take_any(("FROM", "IN"))
            return Show("COLUMNS", self._table_name(), at=start, end=self.last_end)
        if self.take("CURRENT"):
            current = self.take_any(("CATALOG", "DATABASE"))
            if current is None:
                raise self.unexpected("expected CATALOG or DATABASE after CURRENT")
            return Show(f"CURRENT {current}", at=start, end=self.last_end)
        self.take_any(("USER", "FULL"))
        known = ("TABLES", "VIEWS", "FUNCTIONS", "JOBS", "CONNECTORS", "CATALOGS", "DATABASES", "MODULES", "JARS")
        word = self.token.upper
        if word not in known:
            raise self.unexpected(f"expected one of {', '.join(known)}{nearest(word, known)}")
        self.advance()
        if self.take_any(("FROM", "IN")):
            self._table_name()
        negated = self.take("NOT")
        like = self.string("a pattern").text if self.take_any(("LIKE", "ILIKE")) else None
        return Show(word, like=like, negated=negated, at=start, end=self.last_end)

    def _drop(self) -> Drop:
        start = self.advance().start
        self.take("TEMPORARY")
        self.take("SYSTEM")
        kind = self.take_any(("TABLE", "VIEW", "FUNCTION"))
        if kind is None:
            raise self.unexpected("expected TABLE, VIEW or FUNCTION after DROP")
        exists = self.take("IF", "EXISTS")
        return Drop(kind, self._table_name(), exists, at=start, end=self.last_end)

    def _use(self) -> Use:
        """There is one catalog with one database: to use them says nothing new."""
        start = self.advance().start
        if self.take("MODULES"):
            self.several(lambda: self.ident("a module"))
            return Use(at=start, end=self.last_end)
        self.take("CATALOG")
        for name in self.path("a database"):
            if name.name not in ("default_catalog", "default_database"):
                raise self.text.unsupported(
                    f'there is no catalog or database "{name.name}"', name.at, name.end,
                    hint="there are default_catalog and default_database; leave USE out",
                )  # fmt: skip
        return Use(at=start, end=self.last_end)
