"""A script as a whole: statements in order, over tables, views and options; the INSERTs are its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from penstock.core.errors import PlanError
from penstock.expr.ast import Column, Term
from penstock.operators.select import Select as SelectNode
from penstock.operators.union import Union
from penstock.operators.write import Write
from penstock.plan.node import UPDATING, Node
from penstock.sql import functions, tidy
from penstock.sql.bind_expression import AGGREGATES
from penstock.sql.bind_query import Queries, of_node
from penstock.sql.connectors import Table
from penstock.sql.fitting import fitted
from penstock.sql.like import alike
from penstock.sql.lookups import refuse_reading
from penstock.sql.metadata import refuse_writing
from penstock.sql.options import NAME, SessionOptions
from penstock.sql.parse_statement import declared_type, parse
from penstock.sql.ranks import numbered
from penstock.sql.scope import PROCTIME, Related
from penstock.sql.statements import (
    ColumnDefinition,
    CreateFunction,
    CreateTable,
    CreateView,
    Describe,
    Drop,
    Explain,
    Insert,
    Option,
    QueryStatement,
    ResetOption,
    SetOption,
    Show,
    Statement,
    StatementSet,
    Use,
)
from penstock.sql.syntax import Hint, Ident
from penstock.sql.tables import Declared
from penstock.sql.text import Text
from penstock.sql.udfs import imported
from penstock.sql.window_rows import rows_of_windows


@dataclass
class View:
    """A query with a name.

    Attributes:
        statement: The statement.
        text: Its text.
        related: Its rows.
    """

    statement: CreateView
    text: Text
    related: Related


@dataclass
class Script:
    """What statements have declared so far.

    Attributes:
        tables: Tables by their names.
        views: Views, and rows that the program gave.
        options: What SET has said.
        inserts: The rows of each INSERT: the table, its place, the node.
        queries: The rows of queries by themselves.
        shown: What EXPLAIN, DESCRIBE and SHOW say.
        udfs: Functions of the user.
        folder: Where modules of these may be.
    """

    tables: dict[str, Declared] = field(default_factory=dict)
    views: dict[str, View | Related] = field(default_factory=dict)
    options: SessionOptions = field(default_factory=SessionOptions)
    inserts: list[tuple[str, Insert, Text, Node]] = field(default_factory=list)
    queries: list[Related] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    udfs: dict[str, Any] = field(default_factory=dict)
    folder: Path = field(default_factory=Path.cwd)

    @property
    def session(self) -> functions.Session:
        """What the text of an expression does not say."""
        return functions.Session(self.options.zone)

    @property
    def name(self) -> str | None:
        """What `SET 'pipeline.name'` said."""
        return self.options.given.get(NAME)

    def give(self, nodes: Mapping[str, Node]) -> None:
        """Rows of the program under names."""
        for name, node in nodes.items():
            self.views[name] = of_node(node, list(node.schema.names), list(node.schema.names))

    def call(self, given: Mapping[str, Any]) -> None:
        """Functions of the program under names.

        Raises:
            PlanError: If one has the name of a function of SQL.
        """
        for name, function in given.items():
            if name.upper() in functions.NAMES or name.upper() in AGGREGATES:
                raise PlanError(f"{name.upper()} is a function of SQL", hint="another name")
            self.udfs[name] = function

    def run(self, sql: str, file: str = "<sql>") -> None:
        """All statements of a text.

        Raises:
            PlanError: If one cannot mean anything, with its place.
        """
        text = Text(sql, file)
        for statement in parse(text):
            self.execute(statement, text)

    def execute(self, statement: Statement, text: Text) -> None:
        """One statement.

        Raises:
            PlanError: If it cannot mean anything, with its place.
        """
        match statement:
            case CreateTable():
                self._create_table(statement, text)
            case CreateView():
                self._create_view(statement, text)
            case CreateFunction():
                self._create_function(statement, text)
            case Insert():
                self._insert(statement, text)
            case StatementSet(inserts):
                for one in inserts:
                    self._insert(one, text)
            case QueryStatement(query):
                self.queries.append(self.shown_rows(self.binder(text).query(query), text, statement))
            case SetOption(key):
                self.options.set(statement, text)
                if key is None:
                    self.shown.append("\n".join(f"'{k}' = '{v}'" for k, v in self.options.given.items()))
            case ResetOption():
                self.options.reset(statement)
            case Drop():
                self._drop(statement, text)
            case Use():
                pass
            case Explain() | Describe() | Show():
                from penstock.sql.telling import tell

                self.shown.append(tell(self, statement, text))

    def binder(self, text: Text) -> Queries:
        """Binds queries over what is declared."""
        return Queries(text, self.lookup, self.session, self.udfs, ttl=self.options.ttl)

    def lookup(self, name: str, text: Text, at: int, end: int, hints: tuple[Hint, ...] = ()) -> Related:
        """The rows of a table or view.

        Raises:
            UnknownNameError: If there is none.
        """
        if name in self.views:
            found = self.views[name]
            return found.related if isinstance(found, View) else found
        if name not in self.tables:
            raise text.unknown("table", name, [*self.tables, *self.views], at)
        declared = self.tables[name]
        changed = [hint for hint in hints if hint.name == "OPTIONS"]
        if changed:
            options = {o.key: o for o in declared.table.options}
            for hint in changed:
                options |= {k: Option(k, v, at, at=at, end=end) for k, v in hint.options}
            table = replace(declared.table, options=tuple(options.values()))
            return replace(declared, table=table).related
        return declared.related

    # -- declarations ----------------------------------------------------------

    def _taken(self, name: str, exists: bool, text: Text, at: int) -> bool:
        if name not in self.tables and name not in self.views:
            return False
        if exists:
            return True
        raise text.error(f'there is a table "{name}" already', at, hint="DROP TABLE, CREATE TABLE IF NOT EXISTS")

    def _create_table(self, statement: CreateTable, text: Text) -> None:
        if self._taken(statement.name, statement.if_not_exists, text, statement.at):
            return
        if statement.like is not None:
            statement = alike(statement, self.tables, text)
        if statement.query is not None:
            self._create_as(statement, text)
            return
        declared = Declared(Table(statement, text, statement.options), self.session, self.options.idle)
        _ = declared.physical, declared.readable, declared.key
        self.tables[statement.name] = declared

    def _create_as(self, statement: CreateTable, text: Text) -> None:
        """`CREATE TABLE t WITH (...) AS query`: a table with the query's columns behind its own, and an INSERT."""
        query = statement.query
        assert query is not None
        related = self.shown_rows(self.binder(text).query(query), text, statement)
        own = {one.name for one in statement.columns}
        given = [
            ColumnDefinition(one.name, declared_type(one.dtype, one.nullable), at=statement.at, end=statement.end)
            for one in related.columns
            if one.name not in own
        ]
        if len(own & {one.name for one in related.columns}) < len([c for c in statement.columns if c.computed is None]):
            raise text.error(
                "CREATE TABLE ... AS takes the columns of its query", statement.at, query.at,
                hint="a column of its own is one of the query with another type, or computed",
            )  # fmt: skip
        self._create_table(replace(statement, columns=(*statement.columns, *given), query=None), text)
        names = tuple(Ident(one.name, at=query.at, end=query.end) for one in related.columns)
        table = Ident(statement.name, at=statement.at, end=query.at)
        self._insert(Insert(table, names, query, at=statement.at, end=statement.end), text)

    def _create_view(self, statement: CreateView, text: Text) -> None:
        if self._taken(statement.name, statement.if_not_exists, text, statement.at):
            return
        related = self.binder(text).query(statement.query)
        related = related.renamed(None, statement.columns, text, statement.at)
        self.views[statement.name] = View(statement, text, related)

    def _create_function(self, statement: CreateFunction, text: Text) -> None:
        if statement.language != "PYTHON":
            raise text.unsupported(
                f"functions in {statement.language} do not run here", statement.at, statement.end,
                hint="CREATE FUNCTION f AS 'module.name' LANGUAGE PYTHON",
            )  # fmt: skip
        if statement.name in self.udfs:
            if statement.if_not_exists:
                return
            raise text.error(
                f'there is a function "{statement.name}" already', statement.at, hint="CREATE FUNCTION IF NOT EXISTS"
            )
        if statement.name.upper() in functions.NAMES or statement.name.upper() in AGGREGATES:
            raise text.error(f"{statement.name.upper()} is a function of SQL", statement.at, hint="another name")
        self.udfs[statement.name] = imported(statement, text, self.folder)

    def _drop(self, statement: Drop, text: Text) -> None:
        name = statement.name.name
        kinds: dict[str, dict[str, Any]] = {"TABLE": self.tables, "VIEW": self.views, "FUNCTION": self.udfs}
        known = kinds[statement.kind]
        if name in known:
            del known[name]
        elif not statement.if_exists:
            raise text.unknown(statement.kind.lower(), name, list(known), statement.name.at)

    # -- INSERT ----------------------------------------------------------------

    def shown_rows(self, related: Related, text: Text, statement: Statement) -> Related:
        """Only the columns that are shown, under their names."""
        place = text.where(statement.at)
        if related.window is not None:
            related = rows_of_windows(related, place)
        if related.rank is not None:
            related = numbered(related)
        refuse_reading(related.node, place)
        shown = [one for one in related.columns if one.shown and one.role != PROCTIME]
        from penstock.sql.bind_query import unique_names

        names = unique_names([one.name for one in shown])
        terms = tuple((name, one.term) for name, one in zip(names, shown, strict=True))
        if related.node.schema.names == tuple(names) and all(t == Column(n) for n, t in terms):
            return of_node(related.node, names, names)
        node = tidy.collapsed(SelectNode(input=related.node, columns=terms, where=place), self._is_kept)
        return of_node(node, names, names)

    def _insert(self, statement: Insert, text: Text) -> None:
        name = statement.table.name
        if name not in self.tables:
            if name in self.views:
                raise text.error(
                    f'"{name}" is a view: it cannot be written to', statement.table.at, statement.table.end
                )
            raise text.unknown("table", name, list(self.tables), statement.table.at)
        declared = self.tables[name]
        refuse_writing(declared.table)
        related = self.shown_rows(self.binder(text).query(statement.query), text, statement)
        columns = self._targets(statement, declared, text)
        if len(columns) != len(related.columns):
            raise text.error(
                f'"{name}" takes {len(columns)} columns ({", ".join(columns)}), the query gives '
                f"{len(related.columns)} ({', '.join(c.name for c in related.columns)})",
                statement.query.at, hint="columns are matched by their places, not by their names",
            )  # fmt: skip
        given = dict(zip(columns, related.columns, strict=True))
        terms: list[tuple[str, Term]] = []
        for one in declared.physical:
            if one.name in given:
                terms.append((one.name, fitted(given[one.name], one.dtype, one.name, name, statement, text)))
            elif not one.nullable:
                raise text.error(
                    f'"{one.name}" of "{name}" is NOT NULL and gets no value', statement.table.at, statement.table.end
                )
            else:
                terms.append((one.name, functions.constant(None, one.dtype).term))
        place = text.where(statement.at, statement.table.end)
        node = tidy.collapsed(tidy.selected(related.node, tuple(terms), place), self._is_kept)
        if isinstance(node, SelectNode) and not self._is_kept(node.input):
            below, chosen = tidy.named(node.input, node.columns)
            node = tidy.selected(below, chosen, node.where) if below is not node.input else node
        if statement.conflict is not None:
            raise text.unsupported("ON CONFLICT is not offered yet", statement.at, statement.table.end)
        self.inserts.append((name, statement, text, node))

    def _is_kept(self, node: Node) -> bool:
        """Whether rows have a name, by which others may read them."""
        views = (one.related if isinstance(one, View) else one for one in self.views.values())
        return any(one.node is node for one in views) or any(
            "related" in vars(one) and one.related.node is node for one in self.tables.values()
        )

    def _targets(self, statement: Insert, declared: Declared, text: Text) -> list[str]:
        names = list(declared.physical.names)
        if not statement.columns:
            return names
        for one in statement.columns:
            if one.name not in names:
                raise text.unknown("column", one.name, names, one.at, inside=statement.table.name)
        found = [one.name for one in statement.columns]
        if len(set(found)) < len(found):
            raise text.error("a column is named twice", statement.columns[0].at)
        return found

    def outputs(self) -> list[Write]:
        """The outputs: one for each table that is written to.

        Raises:
            PlanError: If a table cannot take the rows.
        """
        by_table: dict[str, list[tuple[Insert, Text, Node]]] = {}
        for name, statement, text, node in self.inserts:
            by_table.setdefault(name, []).append((statement, text, node))
        return [self._output(name, found) for name, found in by_table.items()]

    def _output(self, name: str, found: list[tuple[Insert, Text, Node]]) -> Write:
        declared = self.tables[name]
        statement, text, node = found[0]
        place = text.where(statement.at, statement.table.end)
        if len(found) > 1:
            node = Union(streams=tuple(one for _, _, one in found), where=place)
        key = declared.key or None
        sink = declared.table.sink(declared.physical)
        try:
            return Write(input=node, sink=sink, name=name, key=key, where=place)
        except PlanError as refused:
            if node.facts.mode == UPDATING and not key and refused.hint and ".write(" in refused.hint:
                refused.hint = f"CREATE TABLE {name} (..., PRIMARY KEY (...) NOT ENFORCED)"
            if refused.hint and ".changelog()" in refused.hint:
                refused.hint = "group by a window to get final rows only, or write to a table that takes changes"
            raise
