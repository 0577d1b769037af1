"""What `penstock check` says of Flink, and of the functions in Python that a pipeline calls."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.api.sql import YAML, read_text
from penstock.expr.user_functions import UserFunction
from penstock.operators.write import Write
from penstock.plan.node import UPDATING, Node, walk
from penstock.plan.pipeline import Pipeline, output_name
from penstock.spelling import explain
from penstock.sql.portable import OTHERWISE, REFUSES, Departure, departures, without_effect
from penstock.sql.text import Text

AS_SQL = "explain --as sql"
_ONLY_ROWS = {"kafka": "'upsert-kafka' takes changes", "files": "'filesystem' takes no changes"}
"""Connectors that take rows only in Flink, and what to do."""


def of_flink(pipeline: Pipeline, path: Path) -> dict[str, Any] | None:
    """What Flink would refuse or do otherwise; None for a pipeline in Python, which is no text of Flink's.

    Of YAML it is said of the same pipeline as `explain --as sql` writes it.
    """
    if path.suffix == ".sql":
        text = Text(read_text(path), path.name)
    elif path.suffix in YAML:
        text = Text(explain(pipeline, "sql"), AS_SQL)
    else:
        return None
    found = [_told(one) for one in departures(text)]
    found += list(_of_outputs(pipeline))
    return {
        "text": text.file,
        REFUSES: [one for kind, one in found if kind == REFUSES],
        OTHERWISE: [one for kind, one in found if kind == OTHERWISE],
        "here": without_effect(text),
    }


def _told(one: Departure) -> tuple[str, dict[str, Any]]:
    return one.kind, {"what": one.what, "instead": one.instead, "where": str(one.where)}


def _of_outputs(pipeline: Pipeline) -> Iterator[tuple[str, dict[str, Any]]]:
    for node in pipeline.outputs:
        if isinstance(node, Write) and node.facts.mode == UPDATING and node.sink.connector in _ONLY_ROWS:
            what = f'"{output_name(node)}" gets rows that change: {_ONLY_ROWS[node.sink.connector]} in Flink'
            yield REFUSES, {"what": what, "instead": None, "where": str(node.where) if node.where else None}


def imported(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The functions of the user that a pipeline calls, each once, with the module that is imported for it."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for node in walk(*pipeline.outputs):
        for one in _functions(node.parameters()):
            module = sys.modules.get(one.module)
            told = {
                "name": one.qualname, "module": one.module, "file": getattr(module, "__file__", None),
                "deterministic": one.deterministic, "where": str(node.where) if node.where else None,
            }  # fmt: skip
            found.setdefault((one.module, one.qualname), told)
    return list(found.values())


def _functions(value: Any) -> Iterator[UserFunction]:
    if isinstance(value, UserFunction):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _functions(one)
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _functions(one)
    elif dataclasses.is_dataclass(value) and not isinstance(value, (Node, type)):
        for field in dataclasses.fields(value):
            yield from _functions(getattr(value, field.name))
