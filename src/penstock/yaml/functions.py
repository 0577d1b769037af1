"""Functions in Python in YAML: those that expressions call, and those of `map`, `flat_map` and `map_batches`.

A file reaches the modules of its own folder only; see `penstock.sql.udfs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.core.errors import PlanError
from penstock.expr.user_functions import UserFunction
from penstock.sql.functions import NAMES
from penstock.sql.terms import Session
from penstock.sql.udfs import declared, found
from penstock.yaml.kinds import Context, Kind, by_name, mapping, text
from penstock.yaml.tree import Node, where, wrong


@dataclass(frozen=True)
class Calling(Session):
    """A session with the functions that its expressions may call.

    Attributes:
        functions: The functions by their names.
        folder: Where modules may be.
    """

    functions: Mapping[str, UserFunction] = field(default_factory=dict)
    folder: Path = field(default_factory=Path.cwd)


def _functions(node: Node, context: Context) -> dict[str, UserFunction]:
    pairs = mapping(node, "names with functions", "functions: {score: module.score}")
    made = {}
    for name, at in pairs.keys.items():
        target = text(pairs.items[name], "where a function is: module.name")
        if name.upper() in NAMES or not name.isidentifier():
            raise wrong(at, f'"{name}" cannot name a function', "a word that is no function of SQL")
        made[name] = declared(*_found(target, pairs.items[name], context))
    return made


def _found(target: str, node: Node, context: Context) -> tuple[Any, str, str]:
    folder = context.session.folder if isinstance(context.session, Calling) else Path.cwd()
    try:
        return found(target, folder, where(node), "functions: {score: module.score}")
    except PlanError as refused:
        raise refused.at(where(node)) from None


def _function(node: Node, context: Context) -> Any:
    value, name, _ = _found(text(node, "where a function is: module.name"), node, context)
    if not callable(value):
        raise wrong(node, f'"{name}" is no function')
    return value


FUNCTIONS = Kind("names with functions", _functions, by_name({"type": "string"}))
FUNCTION = Kind("a function: module.name", _function, {"type": "string"})
