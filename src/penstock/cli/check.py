"""`penstock check`: what is known of a pipeline before it runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from penstock.api.references import resolved
from penstock.cli import terminal, wording
from penstock.cli.load import load
from penstock.cli.opened import settings_of
from penstock.engine.forecast import forecast, forecast_lines
from penstock.operators.write import Write
from penstock.plan.guarantee import RESTART, Guarantee, guarantees
from penstock.plan.node import UPDATING, Node, walk
from penstock.plan.pipeline import Pipeline


def check_file(file: str, *, given: list[str], profile: str | None, sample: int | None, as_json: bool) -> None:
    """Check the pipeline that a user names; see `penstock check --help`.

    Raises:
        PenstockError: If it cannot be made.
    """
    loaded = load(file, settings_of(given, profile))
    loaded.settings.options()
    terminal.redaction.learn(loaded.pipeline)
    found = findings(loaded.pipeline)
    foretold = forecast(resolved(loaded.pipeline), sample) if sample is not None else None
    if as_json:
        more = {} if foretold is None else {"forecast": asdict(foretold)}
        terminal.out(json.dumps({**found, **more}, indent=2, default=str))
        return
    terminal.out(as_text(found))
    if foretold is not None:
        terminal.out("\nforecast")
        for line in forecast_lines(foretold, wording.size, wording.span):
            terminal.out(f"  {line}")


def findings(pipeline: Pipeline) -> dict[str, Any]:
    """All that is known, as JSON."""
    order = list(walk(*pipeline.outputs))
    number = {id(node): i for i, node in enumerate(order, 1)}
    return {
        "pipeline": pipeline.name,
        "guarantee": pipeline.guarantee,
        "on_error": pipeline.on_error,
        "nodes": [_node(node, number) for node in order],
        "outputs": [_output(*one) for one in zip(pipeline.outputs, guarantees(pipeline), strict=True)],
        "restart": RESTART,
        "state": [_state(node) for node in order if node.stateful],
        "unbounded_state": list(pipeline.growing()),
        "deterministic": all(node.facts.deterministic for node in order),
        "order_sensitive": [_place(node) for node in order if _is_sensitive_itself(node)],
    }


def _node(node: Node, number: dict[int, int]) -> dict[str, Any]:
    facts = node.facts
    return {
        "number": number[id(node)],
        "verb": node.verb,
        "parameters": node.describe(),
        "where": str(node.where) if node.where else None,
        "inputs": [number[id(below)] for below in node.inputs],
        "mode": facts.mode,
        "key": list(facts.key) if facts.key is not None else None,
        "event_time": facts.time,
        "bounded": facts.bounded,
        "deterministic": facts.deterministic,
        "order_sensitive": facts.order_sensitive,
        "refuses": list(node.refuses),
        "columns": [
            {"name": f.name, "type": str(f.dtype), "nullable": f.nullable, "mask": f.mask} for f in facts.schema
        ],
    }


def _output(node: Node, promised: Guarantee) -> dict[str, Any]:
    return {
        "name": promised.output,
        "connector": node.sink.connector if isinstance(node, Write) else "",
        "delivery": promised.delivery,
        "guarantee": promised.promise,
        "mode": node.facts.mode,
        "key": list(node.facts.key) if node.facts.key is not None else None,
    }


def _state(node: Node) -> dict[str, Any]:
    keyed = ", ".join(getattr(node, "keys", ()) or node.facts.key or ()) or "nothing"
    if not node.grows:
        held = "goes with its windows" if hasattr(node, "windows") else "bounded"
    elif all(below.facts.bounded for below in node.inputs):
        held = "one entry per key; the input ends"
    else:
        held = "one entry per key, for ever"
    return {"at": _place(node), "keyed_by": keyed, "held": held}


def _is_sensitive_itself(node: Node) -> bool:
    return node.facts.order_sensitive and not any(below.facts.order_sensitive for below in node.inputs)


def _place(node: Node) -> str:
    return f"{node.verb} {node.where}" if node.where else node.verb


# -- for people ----------------------------------------------------------------


def as_text(found: dict[str, Any]) -> str:
    """What was found, for people."""
    lines = [f"pipeline {found['pipeline']}", ""]
    for node in found["nodes"]:
        lines += _node_lines(node)
    lines.append("outputs")
    for output in found["outputs"]:
        lines.append(f"  {output['name']} ({output['connector']}): {output['guarantee']}")
    lines.append(f"  asked for: {found['guarantee'].replace('_', '-')}; {found['restart']}")
    lines += ["", "state"]
    lines += [f"  {one['at']}: by {one['keyed_by']}, {one['held']}" for one in found["state"]] or ["  none"]
    lines += [f"  WITHOUT BOUND: {one}" for one in found["unbounded_state"]]
    lines += ["", "results"]
    lines.append(f"  {'the same for the same input' if found['deterministic'] else 'NOT DETERMINISTIC'}")
    sensitive = ", ".join(found["order_sensitive"])
    lines.append(f"  depend on the order of rows: {sensitive or 'no'}")
    return "\n".join(lines)


def _node_lines(node: dict[str, Any]) -> list[str]:
    place = f"  [{node['where']}]" if node["where"] else ""
    below = f" <- {', '.join(map(str, node['inputs']))}" if node["inputs"] else ""
    lines = [f"{node['number']:>3}  {node['verb']} {node['parameters']}".rstrip() + below + place]
    mode = "stream: rows only come"
    if node["mode"] == UPDATING:
        mode = f"Table keyed by {', '.join(node['key'])}" if node["key"] else "Table without a key"
    traits = [mode]
    if node["event_time"]:
        traits.append(f"event time {node['event_time']}")
    traits.append("ends" if node["bounded"] else "never ends")
    if not node["deterministic"]:
        traits.append("not deterministic")
    if node["refuses"]:
        traits.append(f"may refuse rows: {', '.join(node['refuses'])}")
    lines.append(f"     {'; '.join(traits)}")
    width = max((len(column["name"]) for column in node["columns"]), default=0)
    for column in node["columns"]:
        extra = "" if column["nullable"] else " not null"
        extra += f" (masked: {column['mask']})" if column["mask"] else ""
        lines.append(f"       {column['name']:<{width}}  {column['type']}{extra}")
    return [*lines, ""]
