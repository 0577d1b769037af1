"""`ps.sql` and `ps.load`: text becomes Streams and pipelines."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.api.references import using
from penstock.api.stream import Stream, stream
from penstock.connectors.base import Source
from penstock.core import files
from penstock.core.errors import PlanError
from penstock.core.where import caller
from penstock.operators.read import Read
from penstock.plan.node import Node
from penstock.plan.pipeline import Pipeline

# `penstock.sql` is a package and a function. The package must have been imported before the function takes its name in
# `penstock`: the first import of a package binds its name there.
importlib.import_module("penstock.sql")

YAML = (".yaml", ".yml")
"""What files in YAML end in."""


def sql(query: str, *, functions: Mapping[str, Any] | None = None, **tables: Any) -> Stream:
    """The rows of a query in Flink's SQL, as a Stream; as a Table if they change.

    The text may have statements before the query: `SET`, `CREATE TABLE`, `CREATE VIEW`. Names of tables and columns are
    case-sensitive. The meaning of functions, types and NULL is Flink's, also over rows of the program: `/` of integers
    truncates, `AVG` keeps the type.

    Args:
        query: The text.
        functions: Functions of the program by the names that the text has for them: made by `ps.udf`, or with annotated
            types. Rows for which one fails leave by `errors`.
        **tables: Rows by the names that the text has for them: Streams, Tables, sources, frames, lists of dicts.

    Raises:
        PlanError: If the text is no SQL, or cannot mean anything; with line, column and a caret.
        UnsupportedError: If it means something that is not offered yet.
    """
    from penstock.sql.script import Script

    where = caller()
    script = Script()
    script.give({name: _node(name, value, where) for name, value in tables.items()})
    script.call({name: _function(name, value, where) for name, value in (functions or {}).items()})
    script.run(query)
    if script.inserts:
        raise PlanError("an INSERT belongs into a file: ps.load", where=where, hint="ps.sql takes a query")
    if len(script.queries) != 1:
        found = "no query" if not script.queries else f"{len(script.queries)} queries"
        raise PlanError(
            f"ps.sql takes one query, found {found}", where=where, hint='ps.sql("SELECT ... FROM t", t=stream)'
        )
    return stream(script.queries[0].node)


def load(path: str | os.PathLike[str], **settings: Any) -> Pipeline:
    """The pipeline of a file: in YAML, or in Flink's SQL: all its INSERTs, under the file's name.

    Args:
        path: A file that ends in `.sql`, `.yaml` or `.yml`.
        **settings: What `${NAME}` in the text stands for.

    Raises:
        PlanError: If there is no such file, or its text cannot mean anything; with line, column and a caret.
    """
    place = Path(path)
    if place.suffix not in (".sql", *YAML):
        hint = "a file in Python has its pipeline as a variable: import it, or penstock run FILE"
        raise PlanError(f'"{place}" is neither SQL nor YAML by its name', where=caller(), hint=hint)
    text = read_text(place)
    if not settings:
        return pipeline_of(text, place)
    made = importlib.import_module("penstock.settings").Settings(
        given={name: str(value) for name, value in settings.items()}
    )
    with using(made.fill):
        from penstock.api.references import resolved

        return resolved(pipeline_of(text, place), made.fill)


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        PlanError: If it cannot be read.
    """
    try:
        return files.read_text(path)
    except FileNotFoundError:
        raise PlanError(f'there is no file "{path}"') from None
    except IsADirectoryError:
        raise PlanError(f'"{path}" is a directory') from None
    except UnicodeDecodeError:
        raise PlanError(f'"{path}" is no text in UTF-8') from None
    except OSError as failure:
        raise PlanError(f'"{path}" cannot be read: {failure.strerror}') from None


def pipeline_of(text: str, path: Path) -> Pipeline:
    """The pipeline of a text that was read from a file.

    Raises:
        PlanError: If it cannot mean anything.
    """
    if path.suffix in YAML:
        # By name: YAML is read by the verbs of this package.
        made: Pipeline = importlib.import_module("penstock.yaml.document").pipeline_of(
            text, path.name, folder=path.parent
        )
        return made
    from penstock.sql.script import Script

    script = Script(folder=path.parent)
    script.run(text, path.name)
    if not script.inserts:
        hint = "INSERT INTO a table with 'connector' = 'print'" if script.queries else "INSERT INTO t SELECT ..."
        raise PlanError(f'"{path.name}" has no INSERT: nothing would be written', hint=hint)
    if script.queries:
        raise PlanError(
            f'"{path.name}" has a query whose rows go nowhere', where=script.queries[0].node.where,
            hint="INSERT INTO a table with 'connector' = 'print'",
        )  # fmt: skip
    return Pipeline(script.name or path.stem, *script.outputs())


def _function(name: str, value: Any, where: Any) -> Any:
    from penstock.sql.udfs import declared

    try:
        return declared(value, name)
    except PlanError as refused:
        raise refused.at(where) from None


def _node(name: str, value: Any, where: Any) -> Node:
    if isinstance(value, Stream):
        return value.node
    from penstock.connectors.memory import as_source

    source = value if isinstance(value, Source) else as_source(value)
    return Read(source=source, name=name, columns=source.schema(), where=where)
