"""`penstock sql`: statements of Flink's SQL one after the other, by hand, from a file, a text or a pipe."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

from penstock.api.sql import read_text
from penstock.cli import terminal
from penstock.cli.failure import Guard
from penstock.cli.tables import table
from penstock.connectors.formats.csv import CsvFormat
from penstock.connectors.formats.json import JsonFormat
from penstock.core.errors import PenstockError, PlanError, one_of
from penstock.core.lazy import pl
from penstock.core.schema import Schema
from penstock.plan.node import Node
from penstock.plan.pipeline import Pipeline
from penstock.sql.lexer import END, tokens_of
from penstock.sql.parse_statement import parse
from penstock.sql.script import Script
from penstock.sql.statements import Statement
from penstock.sql.text import Text

FORMS = ("table", "csv", "json")
LEAVE = ("quit", "exit")
HELP = """Statements end with ; and may have several lines.
  CREATE TABLE ..., CREATE VIEW ..., SELECT ..., INSERT INTO ..., EXPLAIN ..., DESCRIBE t, SHOW TABLES, SET 'key' = 'v'
  An endless query is shown while it changes, until Ctrl-C. An INSERT runs until its input ends, or Ctrl-C.
  quit leaves."""


def run_sql(guard: Guard, *, file: str | None, text: str | None, form: str, rows: int) -> None:
    """Run statements; see `penstock sql --help`.

    Raises:
        PenstockError: If one fails, and they do not come from a terminal: those after it do not run.
    """
    if form not in FORMS:
        raise one_of("format", form, FORMS)
    if file is not None and text is not None:
        raise PlanError("statements come from --file or --execute, not both")
    session = Session(form, rows)
    if file is not None:
        session.run(read_text(Path(file)), Path(file).name)
    elif text is not None:
        session.run(text, "<text>")
    elif sys.stdin.isatty():
        from penstock.cli.sql_prompt import converse

        session.interactive = True
        converse(guard, session)
    else:
        session.run(sys.stdin.read(), "<stdin>")


class Session:
    """What statements have declared, and how answers are shown.

    Attributes:
        script: Tables, views and options.
        form: `table`, `csv` or `json`.
        rows: How many rows of a result are shown as a table at most.
        interactive: Whether somebody types.
    """

    def __init__(self, form: str = "table", rows: int = 1000) -> None:
        self.script = Script()
        self.form = form
        self.rows = rows
        self.interactive = False

    def run(self, sql: str, name: str) -> None:
        """All statements of a text, in order; an error ends it.

        Raises:
            PenstockError: If a statement means nothing or fails.
        """
        text = Text(sql, name)
        for statement in parse(text):
            self._execute(statement, text)

    def _execute(self, statement: Statement, text: Text) -> None:
        script = self.script
        try:
            script.execute(statement, text)
            for shown in script.shown:
                terminal.out(shown)
            for query in script.queries:
                self._query(query.node)
            if script.inserts:
                self._insert()
        finally:
            for done in (script.shown, script.queries, script.inserts):
                done.clear()

    def _insert(self) -> None:
        """The rows of INSERTs, until the input ends or Ctrl-C: a pipeline that has its state under its name."""
        from penstock.runner import run

        names = "-".join(dict.fromkeys(name for name, *_ in self.script.inserts))
        pipeline = Pipeline(self.script.name or f"insert-{names}"[:100], *self.script.outputs())
        terminal.redaction.learn(pipeline)
        job = run(pipeline)
        written = job.status().rows_out
        for name in written:
            terminal.tell(f"{name}: {written[name]:,} rows")

    def _query(self, node: Node) -> None:
        if node.facts.bounded:
            from penstock.runner import collect_and_count

            frame, refused = collect_and_count(node)
            self._show(frame, node.schema)
            for reason, rows in refused.items():
                terminal.tell(f"{rows:,} row{' was' if rows == 1 else 's were'} refused: {reason}")
            return
        from penstock.connectors.stdout import StdoutSink
        from penstock.runner import watch

        if self.form == "csv":
            raise PlanError("the rows never end, and CSV has no changes", where=node.where, hint="--format json")
        style = "json" if self.form == "json" else "table" if self.interactive else "changes"
        watch(node, StdoutSink(style=style))

    def _show(self, frame: pl.DataFrame, schema: Schema) -> None:
        if self.form != "table":
            text = _as_text(frame, schema, self.form)
            if text:
                terminal.out(text)
        else:
            cells = [["NULL" if cell is None else cell for cell in row] for row in frame.head(self.rows).rows()]
            terminal.out("\n".join(table(frame.columns, cells)))
            if frame.height > self.rows:
                terminal.tell(f"{frame.height - self.rows:,} rows more: --rows, or LIMIT")
            if self.interactive:
                terminal.tell(f"({frame.height:,} row{'' if frame.height == 1 else 's'})")

    # -- for the terminal ------------------------------------------------------

    def answer(self, typed: str) -> bool:
        """Run what was typed, and say what is wrong with it; False to leave."""
        word = typed.strip().rstrip(";").strip().lower()
        if word in LEAVE:
            return False
        if word == "help":
            terminal.out(HELP)
        elif word == "clear":
            terminal.out("\x1b[2J\x1b[H")
        elif word:
            try:
                self.run(typed, "<sql>")
            except KeyboardInterrupt:
                terminal.tell("interrupted")
            except PenstockError as refused:
                terminal.error(str(refused))
        return True

    def words(self) -> list[str]:
        """What may be completed: tables, columns, functions, keywords."""
        from penstock.sql import functions
        from penstock.sql.aggregates import NAMES
        from penstock.sql.cursor import RESERVED

        columns: set[str] = set()
        for declared in self.script.tables.values():
            with contextlib.suppress(PlanError):  # a wrong table is told of when it is used
                columns |= set(declared.physical.names)
        known = {*self.script.tables, *self.script.views}
        functions_of_sql = {one for one in (*functions.NAMES, *NAMES) if one[:1].isalpha()}
        return [*sorted(known), *sorted(columns - known), *sorted({*RESERVED, *STATEMENTS, *functions_of_sql})]


STATEMENTS = ("SELECT", "INSERT", "INTO", "EXPLAIN", "DESCRIBE", "SHOW", "TABLES", "VIEWS", "FUNCTIONS", "WHERE",
              "GROUP", "BY", "ORDER", "WATERMARK", "VIEW", "DROP", "RESET")  # fmt: skip


def complete(typed: str) -> bool:
    """Whether a statement has ended: its last token is a semicolon, or it is a command."""
    if not typed.strip() or typed.strip().lower() in (*LEAVE, "help", "clear"):
        return True
    try:
        tokens = tokens_of(Text(typed))
    except PlanError:
        return False  # an open quote or comment
    ends = [one for one in tokens if one.kind != END]
    return bool(ends) and ends[-1].text == ";"


def _as_text(frame: pl.DataFrame, schema: Schema, form: str) -> str:
    """Rows as a file of a format has them."""
    buffer = io.BytesIO()
    writer = (CsvFormat() if form == "csv" else JsonFormat()).writer(buffer, schema)
    writer.write(frame)
    writer.finish()
    return buffer.getvalue().decode().rstrip("\n")
