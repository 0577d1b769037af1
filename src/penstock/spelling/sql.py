"""A plan as SQL: tables, a view for each operator or what one SELECT says of several, and INSERTs.

Each statement is bound before it is kept, and kept if it gives the same node. What SQL has no words for is a table that
the text names and does not define.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from penstock.core.errors import PenstockError, PlanError, UnsupportedError
from penstock.expr.user_functions import UserFunction
from penstock.plan.node import Node, walk
from penstock.plan.pipeline import Pipeline
from penstock.spelling.selects import Select, selects
from penstock.spelling.sql_tables import sink_table, source_tables
from penstock.spelling.sql_terms import quoted, text_of
from penstock.spelling.written import Functions, Missing, Written
from penstock.spelling.yaml import zone_of
from penstock.sql.bind_expression import AGGREGATES
from penstock.sql.functions import NAMES
from penstock.sql.options import NAME
from penstock.sql.script import Script, View
from penstock.sql.terms import Session

FILE = "<spelling>"
_ZONE = "table.local-time-zone"


NO_WORDS = {
    "window": "its bounds are instants here and wall-clock times in SQL, of a SELECT right above it",
    "keyed_window": "SQL has sessions with a fixed gap that are sent once, below a SELECT of their bounds",
    "sliding_window": "SQL has no windows that end at each row",
    "snapshot_join": "SQL joins by processing time with tables that are asked, and not with rows",
    "lookup": "a table that is asked is declared by CREATE TABLE: what is asked is an object of the program here",
    "map_async": "SQL calls no functions that wait",
    "window_join": "SQL joins rows that were made by window; this join makes the windows itself",
    "window_rows": "SQL ranks rows that were made by window; this operator makes the windows itself",
    "asof_join": "SQL joins as of a time with a declared table that has a key",
    "expect": "SQL has no words for rows that are refused by a condition",
    "inspect": "SQL has no words for rows that are counted under a name",
    "changelog": "SQL has no words for changes as rows",
    "refused": "SQL has no words for the rows that an operator refused",
    "explode": "UNNEST makes it of a join, and not of a column by itself",
    "flat_map": "a function of rows is not called in SQL yet",
    "map_batches": "SQL has no words for a function of frames",
    "process": "SQL has no functions with timers",
    "apply": "a function of the program is called by a SELECT, which names its column otherwise",
    "over": "OVER has no meaning without the SELECT above it",
    "stamp": "SQL has no words for the instant of taking",
}
"""Operators that no query makes by themselves, and why."""
_WITHIN = "within, and the first to arrive, have no words in SQL: ROW_NUMBER() goes by event time"
_OTHERWISE = {
    "dedup": _WITHIN,
    "as_table": "SQL has no words for delete and op, and the last row goes by event time",
    "watermark": "it is part of CREATE TABLE, and there is no source right below that is one",
    "group": "a time-to-live is set for all of a text, and not for a group by itself",
}


def sql(pipeline: Pipeline) -> Written:
    """A pipeline in SQL; nodes that have no spelling are tables that the text does not declare."""
    return _Script(pipeline).written()


def read_sql(text: str, given: Mapping[str, Node] | None = None, folder: Path | None = None) -> Pipeline:
    """The pipeline of a text that `sql` wrote, with what it only names.

    Args:
        text: The text.
        given: What it only names.
        folder: Where the modules of its functions are; by default the current one.

    Raises:
        PlanError: If it cannot mean anything.
    """
    script = Script(folder=folder or Path.cwd())
    script.give(given or {})
    script.run(text, FILE)
    return Pipeline(script.name or "sql", *script.outputs())


class _Script:
    """Writes one script."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.zone = zone_of(pipeline)
        self.script = Script()
        self.statements: list[str] = []
        self.names: dict[int, str] = {}
        self.missing: list[Missing] = []
        self.functions = Functions()
        self.uses = Counter(id(below) for node in walk(*pipeline.outputs) for below in node.inputs)
        self.taken = {str(output.name).lower() for output in pipeline.outputs}

    def written(self) -> Written:
        """The text."""
        self._keep(f"SET '{NAME}' = {text_of(self.pipeline.name)}")
        if self.zone != "UTC":
            self._keep(f"SET '{_ZONE}' = {text_of(self.zone)}")
        for output in self.pipeline.outputs:
            try:
                statement = sink_table(output, self.script.options)
            except UnsupportedError as refused:
                self.missing.append(Missing(str(output.name), output, refused.message))
                continue
            self._output(output, statement)
        head = [f"-- {one}" for one in (*self.missing, *self._settings())]
        return Written(
            "\n".join([*head, *(f"{one};\n" for one in self.statements)]), tuple(self.missing), self.functions.folder
        )

    def _settings(self) -> Iterator[str]:
        """What SQL does not say of a pipeline."""
        defaults = {one.name: one.default for one in dataclasses.fields(Pipeline)}
        for name in ("guarantee", "unbounded", "on_error", "max_error_rate"):
            value = getattr(self.pipeline, name)
            if value != defaults[name]:
                yield f"{name} = {value!r} has no word in SQL"

    def _keep(self, statement: str) -> None:
        self.script.run(statement, FILE)
        self.statements.append(statement)

    # -- rows ------------------------------------------------------------------

    def _name(self, node: Any, wish: str | None = None) -> str:
        stem = wish or getattr(node, "name", None) or "_".join(filter(None, (_source(node), node.verb)))
        stem = re.sub(r"\W+", "_", str(stem)).strip("_") or "rows"
        chosen, i = stem, 1
        while chosen.lower() in self.taken:
            i += 1
            chosen = f"{stem}_{i}"
        self.taken.add(chosen.lower())
        return chosen

    def _ensure(self, node: Node) -> str:
        """The name of the rows of a node, which are declared if they are not yet."""
        if id(node) in self.names:
            return self.names[id(node)]
        reason = NO_WORDS.get(node.verb) or _OTHERWISE.get(node.verb, "no query makes it as it is")
        try:
            made = self._table(node) or self._view(node)
        except PenstockError as refused:
            made, reason = None, refused.message
        if made is None:
            made = self._name(node)
            self.missing.append(Missing(made, node, reason))
            self.script.give({made: node})
        self.names[id(node)] = made
        return made

    def _table(self, node: Any) -> str | None:
        """A table, if the node reads one."""
        name = next((one.name for one in walk(node) if one.verb == "read"), None)  # type: ignore[attr-defined]
        if name is None or node.verb not in ("read", "watermark", "select"):
            return None
        for statement in source_tables(node, self.zone):
            if str(name).lower() in self.taken:
                raise UnsupportedError(f'another table is called "{name}"')
            trial = Script(options=self.script.options, udfs=self.script.udfs)
            try:
                trial.run(statement, FILE)
                found = trial.lookup(str(name), None, 0, 0)  # type: ignore[arg-type]
            except PenstockError:
                if node.verb == "read":
                    raise
                continue
            if found.node.fingerprint == node.fingerprint:
                self.taken.add(str(name).lower())
                self._keep(statement)
                return str(name)
        if node.verb == "read":
            raise UnsupportedError("CREATE TABLE reads it as another source")
        return None

    def _view(self, node: Node) -> str | None:
        reason: PlanError | None = None
        for candidate in self._candidates(node):
            try:
                self._try(f"CREATE VIEW {quoted('$view')} AS\n", candidate, node)
            except PlanError as refused:
                reason = reason or refused
                continue
            name = self._name(node)
            statement = f"CREATE VIEW {quoted(name)} AS\n" + self._body(candidate)
            self._keep(statement)
            made = self.script.views[name]
            if isinstance(made, View) and made.related.node.fingerprint == node.fingerprint:
                return name
            self.statements.remove(statement)
            del self.script.views[name]
        if reason is not None:
            raise reason
        return None

    def _candidates(self, node: Node) -> Iterator[Select]:
        if node.state_name is not None:
            raise UnsupportedError(f'SQL has no word for the name of its state, "{node.state_name}"')
        yield from selects(node, Session(self.zone), lambda one: self.uses[id(one)] == 1, self._called)

    def _called(self, function: UserFunction) -> str:
        """What a function is called; it is declared once."""
        name, new = self.functions.name(function, (*NAMES, *AGGREGATES))
        if new:
            self.script.udfs[name] = function
            target = text_of(self.functions.target(function))
            self.statements.append(f"CREATE TEMPORARY FUNCTION {quoted(name)} AS {target} LANGUAGE PYTHON")
        return quoted(name)

    def _body(self, candidate: Select) -> str:
        return candidate.text([quoted(self._ensure(base)) for base in candidate.bases])

    def _try(self, head: str, candidate: Select, node: Node) -> None:
        """Bind a candidate over its rows as they are.

        Raises:
            PlanError: If it cannot be bound, or gives another node.
        """
        trial = Script(options=self.script.options, udfs=self.script.udfs)
        names = [f"$base{i}" for i in range(len(candidate.bases))]
        trial.give(dict(zip(names, candidate.bases, strict=True)))
        trial.run(head + candidate.text([quoted(name) for name in names]), FILE)
        found = trial.lookup("$view", None, 0, 0)  # type: ignore[arg-type]
        if found.node.fingerprint != node.fingerprint:
            raise UnsupportedError(f"no query gives this {node.verb} as it is")
        if [one.name for one in found.columns if one.shown] != list(node.schema.names) and not candidate.hidden:
            raise UnsupportedError("its columns have other names in SQL")

    # -- outputs ---------------------------------------------------------------

    def _output(self, output: Any, statement: str) -> None:
        self._keep(statement)
        head = f"INSERT INTO {quoted(str(output.name))}\n"
        parts = [output.input]
        if output.input.verb == "union" and self.uses[id(output.input)] == 1:
            parts = list(output.input.streams)
        if len(parts) == 1 or not self._inserted_all(head, parts):
            self._inserted(head, output.input)

    def _inserted_all(self, head: str, parts: list[Node]) -> bool:
        """One INSERT for each part of a union, if all of them can be."""
        for part in parts:
            if part.schema.names != parts[0].schema.names:
                return False
        for part in parts:
            self._keep(f"{head}SELECT * FROM {quoted(self._ensure(part))}")
        return True

    def _inserted(self, head: str, node: Node) -> None:
        if id(node) not in self.names and self.uses[id(node)] == 1 and node.verb not in ("read", "watermark"):
            before = len(self.script.inserts)
            for candidate in self._direct(node):
                statement = head + self._body(candidate)
                if not _runs(self.script, statement):
                    continue
                if self.script.inserts[-1][3].fingerprint == node.fingerprint:
                    self.statements.append(statement)
                    return
                del self.script.inserts[before:]
        self._keep(f"{head}SELECT * FROM {quoted(self._ensure(node))}")

    def _direct(self, node: Node) -> Iterator[Select]:
        """Candidates for what an INSERT writes: only those that are bound over their rows alone."""
        try:
            found = list(self._candidates(node))
        except PlanError:
            return
        for candidate in found:
            trial = Script(options=self.script.options, udfs=self.script.udfs)
            names = [f"$base{i}" for i in range(len(candidate.bases))]
            trial.give(dict(zip(names, candidate.bases, strict=True)))
            shown = candidate.text([quoted(name) for name in names])
            if _runs(trial, shown) and trial.queries[-1].node.schema.names == node.schema.names:
                yield candidate


def _runs(script: Script, statement: str) -> bool:
    """Whether a statement can be bound."""
    try:
        script.run(statement, FILE)
    except PlanError:
        return False
    return True


def _source(node: Node) -> str | None:
    names = {str(one.name) for one in walk(node) if one.verb == "read"}  # type: ignore[attr-defined]
    return names.pop() if len(names) == 1 else None
