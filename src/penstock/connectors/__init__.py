"""Connectors by name: built-ins and those of other packages use the same door, and load lazily."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from penstock.connectors.base import Sink, Source
from penstock.connectors.lookups import Called, LookupSource, Whole
from penstock.core.errors import PlanError, one_of
from penstock.core.spec import configure

BUILTIN: dict[str, str] = {
    "memory": "penstock.connectors.memory",
    "files": "penstock.connectors.files",
    "log": "penstock.connectors.log",
    "generate": "penstock.connectors.generate",
    "nexmark": "penstock.connectors.nexmark",
    "postgres": "penstock.connectors.postgres",
    "stdout": "penstock.connectors.stdout",
    "blackhole": "penstock.connectors.blackhole",
    "kafka": "penstock.connectors.kafka",
    "flow": "penstock.connectors.flow",
    "sqlite": "penstock.connectors.sqlite",
    "http": "penstock.connectors.http",
}
"""Connector names and the modules that hold their `SOURCE` and `SINK` classes (None if they have none)."""

MACHINERY = ("lookups",)
"""Files that connectors share and that are none themselves."""

GROUP = "penstock.connectors"


def _installed() -> dict[str, str]:
    """The connectors of other packages, and their modules."""
    from importlib.metadata import entry_points  # loads the e-mail package: only when somebody asks

    return {point.name: point.value for point in entry_points(group=GROUP)}


def names() -> list[str]:
    """All connectors that are installed."""
    return sorted({*BUILTIN, *_installed()})


def module(name: str) -> Any:
    """The module of a connector: it has `SOURCE` and `SINK`.

    Raises:
        UnknownNameError: If there is no such connector.
        PlanError: If it needs a package that is not installed.
    """
    path = BUILTIN.get(name) or _installed().get(name)
    if path is None:
        raise one_of("connector", name, names())
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as missing:
        if str(missing.name).startswith("penstock"):
            raise
        raise PlanError(
            f'the connector "{name}" needs the package "{missing.name}"', hint=f"pip install 'penstock[{name}]'"
        ) from missing


def source_class(name: str) -> type[Source]:
    """The source of a connector.

    Raises:
        PlanError: If it has none.
    """
    found: type[Source] | None = module(name).SOURCE
    if found is None:
        raise PlanError(f'"{name}" cannot be read from: it is a sink only')
    return found


def sink_class(name: str) -> type[Sink]:
    """The sink of a connector.

    Raises:
        PlanError: If it has none.
    """
    found: type[Sink] | None = module(name).SINK
    if found is None:
        raise PlanError(f'"{name}" cannot be written to: it is a source only')
    return found


def lookup_class(name: str) -> type[LookupSource]:
    """What is asked by key of a connector.

    Raises:
        PlanError: If it has nothing.
    """
    found: type[LookupSource] | None = getattr(module(name), "LOOKUP", None)
    if found is None:
        raise PlanError(f'"{name}" cannot be asked by key')
    return found


def lookup_of(stored: Mapping[str, Any]) -> LookupSource:
    """What is looked up in, from what a plan has stored of it.

    Raises:
        PlanError: If there is no such connector.
    """
    if stored["role"] == "whole":
        return Whole(stored["source"], stored["columns"])
    if stored["role"] == "called":
        return Called(stored["function"], stored["columns"])
    return configure(lookup_class(stored["connector"]), stored["options"])
