"""A plan as versioned JSON and back.

Every node is stored by its verb, its version and its parameters; values inside are tagged with the
name of their class. The user's line is not stored. A connector is stored by its name and options
(see `plan_value` of `Source` and `Sink`); one that holds data is stored by its name, and bound again
from the program that reads the plan.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from penstock.core.errors import PlanError, one_of
from penstock.plan.node import Node, walk
from penstock.plan.values import decode, encode

FORMAT_VERSION = 1


def nodes_to_json(outputs: tuple[Node, ...]) -> dict[str, Any]:
    """The nodes below some outputs as JSON: a list in which inputs come before what reads them."""
    order = list(walk(*outputs))
    index = {id(node): i for i, node in enumerate(order)}
    nodes = [
        {
            "verb": node.verb,
            "version": node.version,
            "inputs": [index[id(below)] for below in node.inputs],
            "parameters": {name: encode(value) for name, value in node.parameters().items()},
        }
        for node in order
    ]
    return {"format": FORMAT_VERSION, "nodes": nodes, "outputs": [index[id(output)] for output in outputs]}


def nodes_from_json(
    data: Mapping[str, Any], operators: Mapping[str, type[Node]], connector: Callable[[dict[str, Any]], Any]
) -> tuple[Node, ...]:
    """The outputs of a stored plan.

    Args:
        data: What `nodes_to_json` gave.
        operators: The node classes by verb.
        connector: Makes sources and sinks of what `plan_value` gave.

    Raises:
        PlanError: If the data are no plan of a known version.
    """
    if data.get("format") != FORMAT_VERSION:
        raise PlanError(
            f"a stored plan of format {data.get('format')!r} cannot be read; this one reads {FORMAT_VERSION}"
        )
    nodes: list[Node] = []
    for item in data["nodes"]:
        if item["verb"] not in operators:
            raise one_of("verb", item["verb"], operators)
        cls = operators[item["verb"]]
        if item["version"] > cls.version:
            raise PlanError(f'"{cls.verb}" was stored by a newer version ({item["version"]} > {cls.version})')
        stored = cls.upcast(dict(item["parameters"]), item["version"])
        parameters = {name: decode(value, connector) for name, value in stored.items()}
        nodes.append(cls(**parameters, **input_fields(cls, [nodes[i] for i in item["inputs"]])))
    return tuple(nodes[i] for i in data["outputs"])


def input_fields(cls: type[Node], inputs: list[Node]) -> dict[str, Any]:
    """The inputs of a node by the names of its fields."""
    if not inputs:
        return {}
    names = [f.name for f in dataclasses.fields(cls) if str(f.type) in ("Node", "tuple[Node, ...]")]
    kinds = {f.name: str(f.type) for f in dataclasses.fields(cls)}
    if len(names) == 1 and kinds[names[0]].startswith("tuple"):
        return {names[0]: tuple(inputs)}
    return dict(zip(names, inputs, strict=True))


def canonical(data: Any) -> str:
    """JSON text that is equal for equal data."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))
