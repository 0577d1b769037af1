"""`${NAME}` and `${NAME:default}` in the options of connectors: the settings that they stand for.

The plan keeps the references: what they stand for is looked up when the columns of a source are asked for and when the
pipeline starts, so one plan serves every place where it runs.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, TypeVar

from penstock.connectors.base import Sink, Source
from penstock.core.errors import PlanError
from penstock.core.spec import options_of, parse
from penstock.operators.read import Read
from penstock.operators.write import Write
from penstock.plan.node import Node, rebuild
from penstock.plan.pipeline import Pipeline

C = TypeVar("C", Source, Sink)

Fill = Callable[[str, str], str]
"""From a text, and what it is for messages, to the text with its references replaced."""

_NAME = re.compile(r"(?<!\$)\$\{([^}:]*)")
_USED: ContextVar[Fill | None] = ContextVar("_USED", default=None)


@contextmanager
def using(fill: Fill) -> Iterator[None]:
    """Plans that are built in here look references up in these settings, not in those of the process."""
    token = _USED.set(fill)
    try:
        yield
    finally:
        _USED.reset(token)


def lookup() -> Fill:
    """What looks references up here: the settings of `using`, or of the process."""
    # By name, as connectors are: the settings belong to those that run plans.
    found: Fill = _USED.get() or importlib.import_module("penstock.settings").ambient().fill
    return found


def filled(connector: C, fill: Fill | None = None) -> C:
    """A source or sink with the settings in place of the references in its options; itself if it has none.

    Args:
        connector: The source or sink.
        fill: Looks references up; by default in the settings of the process.

    Raises:
        PlanError: If a reference names what is set nowhere, or the option does not take what it stands for.
    """
    given = _texts(connector)
    if not given:
        return connector
    # By name, as connectors are: the settings belong to those that run plans.
    found = fill or _USED.get() or importlib.import_module("penstock.settings").ambient().fill
    declared = {one.name: one for one in options_of(type(connector))}
    origin = f"of {connector.connector}"
    changes: dict[str, Any] = {}
    for name, value in given.items():
        place = f'the option "{name}" {origin}'
        text = _filled(value, place, found)
        try:
            changes[name] = parse(declared[name], text)
        except PlanError as refused:
            # The value is not shown: it may come from the environment.
            raise PlanError(f"{place} does not take what {value!r} stands for", hint=refused.hint) from None
    return replace(connector, **changes)


def resolved(pipeline: Pipeline, fill: Fill | None = None) -> Pipeline:
    """The pipeline with the settings in place of all references; itself if it has none.

    Raises:
        PlanError: As `filled`.
    """

    def change(node: Node) -> Node:
        try:
            if isinstance(node, Read) and _texts(node.source):
                return replace(node, source=filled(node.source, fill))
            if isinstance(node, Write) and _texts(node.sink):
                return replace(node, sink=filled(node.sink, fill))
        except PlanError as refused:
            raise refused.at(node.where) from None
        return node

    outputs = rebuild(pipeline.outputs, change)
    same = all(new is old for new, old in zip(outputs, pipeline.outputs, strict=True))
    return pipeline if same else pipeline.with_outputs(outputs)


def names(pipeline: Pipeline) -> set[str]:
    """The names that the options of a pipeline's connectors refer to."""
    connectors = [getattr(node, "source", None) or getattr(node, "sink", None) for node in pipeline.nodes()]
    texts = [text for one in connectors if one is not None for value in _texts(one).values() for text in _each(value)]
    return {name for text in texts for name in _NAME.findall(text)}


def _texts(connector: Any) -> dict[str, Any]:
    """The options that have references in them."""
    if not dataclasses.is_dataclass(connector) or isinstance(connector, type):
        return {}
    given = {one.name: getattr(connector, one.name) for one in options_of(type(connector))}
    return {name: value for name, value in given.items() if any("${" in text for text in _each(value))}


def _each(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _each(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _each(item)


def _filled(value: Any, origin: str, fill: Fill) -> Any:
    if isinstance(value, str):
        return fill(value, origin)
    if isinstance(value, (list, tuple)):
        return type(value)([_filled(item, origin, fill) for item in value])
    if isinstance(value, Mapping):
        return {name: _filled(item, origin, fill) for name, item in value.items()}
    return value
