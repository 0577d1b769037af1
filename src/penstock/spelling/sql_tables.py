"""Sources and sinks as CREATE TABLE: by Flink's names and options where these say all, else by ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.core.dtypes import DType
from penstock.core.errors import PenstockError, UnsupportedError
from penstock.core.schema import Field
from penstock.core.timespan import MINUTE
from penstock.expr.ast import Column
from penstock.plan.watermark import ADVANCE, Bounded
from penstock.spelling.sql_terms import SqlTerms, interval, quoted, text_of
from penstock.spelling.yaml import option
from penstock.sql.bind_query import of_node
from penstock.sql.connectors import CONNECTORS
from penstock.sql.own_options import IDLE_TIMEOUT, ON_SILENCE
from penstock.sql.scope import Scope
from penstock.sql.script import Script
from penstock.sql.tables import FOREVER
from penstock.sql.terms import Session
from penstock.sql.types import spelled

FILE = "<spelling>"
_FILES = {"path": "path", "format": "format"}
_KAFKA = {"topic": "topic", "servers": "properties.bootstrap.servers", "format": "format"}


def source_tables(node: Any, zone: str) -> Iterator[str]:
    """What may declare a source, with computed columns and an event time above it.

    Raises:
        UnsupportedError: If its data are in the program.
    """
    mark, read = None, node
    if read.verb == "watermark":
        mark, read = read, read.input
    computed: tuple[Any, ...] = ()
    below = read
    if read.verb == "select" and read.input.verb == "read":
        below = read.input
        names = below.schema.names
        if tuple(name for name, _ in read.columns[: len(names)]) != names:
            return
        if any(term != Column(name) for name, term in read.columns[: len(names)]):
            return
        computed = read.columns[len(names) :]
    if below.verb != "read" or below.state_name or read.state_name or node.state_name:
        return
    if below.masks or below.extra != "ignore":
        raise UnsupportedError("SQL has no words for mask and extra of a source")
    names = list(below.schema.names)
    terms = SqlTerms(Scope(of_node(below, names, names)), below.schema, Session(zone))
    columns = [_column(field) for field in below.columns]
    columns += [f"{quoted(name)} AS {terms.top(term)}" for name, term in computed]
    more: dict[str, str] = {}
    if mark is not None:
        columns.append(_watermark(mark))
        if mark.silence.idle != FOREVER:
            more[IDLE_TIMEOUT] = _span(mark.silence.idle)
        if mark.silence.then == ADVANCE:
            more[ON_SILENCE] = ADVANCE
    for options in _options(below.source.plan_value()):
        yield _table(str(below.name), columns, {**options, **more})


def _span(us: int) -> str:
    return f"{us // MINUTE} min" if us % MINUTE == 0 else f"{us // 1_000_000} s" if us % 1_000_000 == 0 else f"{us} us"


def _watermark(mark: Any) -> str:
    name = quoted(mark.time)
    if mark.policy is None:
        return f"WATERMARK FOR {name} AS SOURCE_WATERMARK()"
    if not isinstance(mark.policy, Bounded):
        raise UnsupportedError("SQL has no words for this watermark")
    behind = f" - {interval(mark.policy.delay)}" if mark.policy.delay else ""
    return f"WATERMARK FOR {name} AS {name}{behind}"


def _column(field: Field) -> str:
    return f"{quoted(field.name)} {_type(field.dtype)}{'' if field.nullable else ' NOT NULL'}"


def _type(dtype: DType) -> str:
    return spelled(dtype)


def _table(name: str, columns: list[str], options: Mapping[str, str]) -> str:
    inside = ",\n".join(f"  {one}" for one in columns)
    given = ", ".join(f"{text_of(key)} = {text_of(value)}" for key, value in options.items())
    return f"CREATE TABLE {quoted(name)} (\n{inside}\n) WITH ({given})"


def _options(stored: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """The options of a connector, as Flink's where they may be."""
    name, given = stored["connector"], dict(stored["options"])
    if name in ("memory", "flow"):
        raise UnsupportedError("its data are in the program that made the plan")
    if name == "files" and set(given) <= set(_FILES) and isinstance(given.get("path"), str):
        # Flink must be told a format. What a source goes by is the end of its path; a directory may have none.
        known = "json" if stored["role"] == "sink" else str(given["path"]).rpartition(".")[2]
        chosen = {**given, "format": given.get("format", known)}
        if chosen["format"] in CONNECTORS["filesystem"].formats:
            yield {"connector": "filesystem", **{_FILES[key]: str(value) for key, value in chosen.items()}}
    if name == "kafka" and set(given) <= set(_KAFKA) and isinstance(given.get("topic"), str):
        for more in ({}, {"scan.startup.mode": "earliest-offset"}):
            yield {"connector": "kafka", **{_KAFKA[k]: str(v) for k, v in given.items()}, **more}
    if name == "stdout" and given == {"style": "changes"}:
        yield {"connector": "print"}
    if name == "blackhole" and not given:
        yield {"connector": "blackhole"}
    yield {"connector": name, **{key: _value(value) for key, value in given.items()}}


def _value(value: Any) -> str:
    made = option(value)
    return made if isinstance(made, str) else json.dumps(made)


def sink_table(output: Any, options: Any) -> str:
    """What declares the table of an output.

    Raises:
        UnsupportedError: If it cannot be a table of SQL.
    """
    if output.state_name is not None:
        raise UnsupportedError(f'there is no word for the name of its state, "{output.state_name}"')
    fields = [_column(field) for field in output.input.schema]
    if output.key:
        fields.append(f"PRIMARY KEY ({', '.join(map(quoted, output.key))}) NOT ENFORCED")
    reason = "CREATE TABLE makes another sink of it"
    try:
        for given in _options(output.sink.plan_value()):
            statement = _table(str(output.name), fields, given)
            trial = Script(options=options)
            trial.run(statement, FILE)
            found = trial.tables[str(output.name)]
            if found.table.sink(found.physical).plan_value() != output.sink.plan_value():
                continue
            wrong = [a for a, b in zip(output.input.schema, found.physical, strict=True) if a.dtype != b.dtype]
            if not wrong:
                return statement
            reason = f'"{wrong[0].name}" is {wrong[0].dtype}, which has no name in SQL here'
    except PenstockError as refused:
        reason = refused.message
    raise UnsupportedError(reason)
