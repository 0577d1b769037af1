"""Pipelines as JSON text and back: what `plan/serde.py` says of nodes, with the connectors that exist."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from penstock.connectors import lookup_of, sink_class, source_class
from penstock.core.errors import PlanError
from penstock.core.spec import configure
from penstock.operators import OPERATORS
from penstock.plan.pipeline import Pipeline
from penstock.plan.serde import canonical, nodes_from_json, nodes_to_json

_SETTINGS = ("guarantee", "unbounded", "on_error", "max_error_rate")


def to_json(pipeline: Pipeline) -> str:
    """A pipeline as versioned JSON text. Data in memory are stored by the name of their source."""
    data = nodes_to_json(pipeline.outputs)
    data |= {"name": pipeline.name, **{key: getattr(pipeline, key) for key in _SETTINGS}}
    return canonical(data)


def from_json(text: str, bind: Mapping[str, Any] | None = None) -> Pipeline:
    """The pipeline that `to_json` wrote.

    Args:
        text: The JSON text.
        bind: Sources and sinks of the program that the text names: by the name in their options.

    Raises:
        PlanError: If the text is no plan of a known version, or names what is not bound.
    """
    try:
        data = json.loads(text)
    except ValueError as broken:
        raise PlanError(f"a stored plan is JSON: {broken}") from None
    if not isinstance(data, dict):
        raise PlanError("a stored plan is a JSON object")
    outputs = nodes_from_json(data, OPERATORS, lambda stored: _connector(stored, bind or {}))
    settings = {key: data[key] for key in _SETTINGS if key in data}
    return Pipeline(data["name"], *outputs, **settings)


def _connector(stored: Mapping[str, Any], bind: Mapping[str, Any]) -> Any:
    if stored["role"] not in ("source", "sink"):
        return lookup_of(stored)
    options = dict(stored["options"])
    if stored["connector"] == "memory":
        name = options.get("name")
        if name not in bind:
            named = f' named "{name}"' if name is not None else ""
            raise PlanError(f"the plan reads or writes data in memory{named}", hint="give it as bind={name: ...}")
        bound = bind[str(name)]
        return bound
    find = source_class if stored["role"] == "source" else sink_class
    return configure(find(stored["connector"]), options)
