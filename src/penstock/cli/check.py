"""`penstock check`: what is known of a pipeline before it runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from penstock.api.references import resolved
from penstock.cli import terminal, wording
from penstock.cli.load import Target, load
from penstock.cli.opened import settings_of
from penstock.cli.portable import imported, of_flink
from penstock.engine.forecast import forecast, forecast_lines
from penstock.operators.write import Write
from penstock.plan.guarantee import RESTART, Guarantee, guarantees
from penstock.plan.node import UPDATING, Node, walk
from penstock.plan.pipeline import Pipeline
from penstock.sql.portable import OTHERWISE, REFUSES
from penstock.sql.types import spelled as sql_type


def check_file(file: str, *, given: list[str], profile: str | None, sample: int | None, as_json: bool) -> None:
    """Check the pipeline that a user names; see `penstock check --help`.

    Raises:
        PenstockError: If it cannot be made.
    """
    loaded = load(file, settings_of(given, profile))
    loaded.settings.options()
    terminal.redaction.learn(loaded.pipeline)
    path = Target.of(file).path
    found = findings(loaded.pipeline, path)
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


def findings(pipeline: Pipeline, path: Path | None = None) -> dict[str, Any]:
    """All that is known, as JSON.

    Args:
        pipeline: The pipeline.
        path: The file that it is from: types are called as in SQL if that is a text of SQL.
    """
    path = path or Path()
    spell = sql_type if path.suffix == ".sql" else str
    grown = {id(node): what for node, what in pipeline.grown()}
    order = list(walk(*pipeline.outputs))
    number = {id(node): i for i, node in enumerate(order, 1)}
    return {
        "pipeline": pipeline.name,
        "guarantee": pipeline.guarantee,
        "on_error": pipeline.on_error,
        "nodes": [_node(node, number, spell) for node in order],
        "outputs": [_output(*one, spell) for one in zip(pipeline.outputs, guarantees(pipeline), strict=True)],
        "restart": RESTART,
        "state": [_state(node, grown.get(id(node))) for node in order if node.stateful],
        "unbounded_state": list(pipeline.growing()),
        "deterministic": all(node.facts.deterministic for node in order),
        "order_sensitive": [_place(node) for node in order if _is_sensitive_itself(node)],
        "clock_sensitive": [_place(node) for node in order if _is_varying_itself(node)],
        "functions": imported(pipeline),
        "flink": of_flink(pipeline, path),
    }


def _node(node: Node, number: dict[int, int], spell: Callable[[Any], str]) -> dict[str, Any]:
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
        "columns": _columns(node, spell),
    }


def _columns(node: Node, spell: Callable[[Any], str]) -> list[dict[str, Any]]:
    return [{"name": f.name, "type": spell(f.dtype), "nullable": f.nullable, "mask": f.mask} for f in node.facts.schema]


def _output(node: Node, promised: Guarantee, spell: Callable[[Any], str]) -> dict[str, Any]:
    return {
        "name": promised.output,
        "connector": node.sink.connector if isinstance(node, Write) else "",
        "delivery": promised.delivery,
        "guarantee": promised.promise,
        "mode": node.facts.mode,
        "key": list(node.facts.key) if node.facts.key is not None else None,
        "columns": _columns(node, spell),
    }


def _state(node: Node, growing: str | None) -> dict[str, Any]:
    keyed = ", ".join(getattr(node, "keys", ()) or node.facts.key or ()) or "nothing"
    kept = getattr(node, "ttl", None)
    if growing is not None:
        held = "WITHOUT BOUND"
    elif kept is not None:
        held = f"kept {kept}"
    elif node.grows or getattr(node, "unbounded_state", None) is not None:
        held = "one entry per key; the input ends"
    else:
        held = "goes with its windows" if hasattr(node, "windows") else "bounded"
    return {"at": _place(node), "keyed_by": keyed, "held": held}


def _is_sensitive_itself(node: Node) -> bool:
    return node.facts.order_sensitive and not any(below.facts.order_sensitive for below in node.inputs)


def _is_varying_itself(node: Node) -> bool:
    return not node.facts.deterministic and all(below.facts.deterministic for below in node.inputs)


def _place(node: Node) -> str:
    return f"{node.verb} {node.where}" if node.where else node.verb


# -- for people ----------------------------------------------------------------


def as_text(found: dict[str, Any]) -> str:
    """What was found, for people."""
    lines = [f"pipeline {found['pipeline']}", ""]
    nodes = {node["number"]: node for node in found["nodes"]}
    for node in found["nodes"]:
        lines += _node_lines(node, nodes)
    lines.append("outputs")
    for output in found["outputs"]:
        lines.append(f"  {output['name']} ({output['connector']}): {output['guarantee']}")
        lines.append(f"    changelog: {_changes(output)}")
    lines.append(f"  asked for: {found['guarantee'].replace('_', '-')}; {found['restart']}")
    lines += ["", "state"]
    lines += [f"  {one['at']}: by {one['keyed_by']}, {one['held']}" for one in found["state"]] or ["  none"]
    lines += [f"  WITHOUT BOUND: {one}" for one in found["unbounded_state"]]
    lines += ["", "results"]
    lines.append(f"  {'the same for the same input' if found['deterministic'] else 'NOT DETERMINISTIC'}")
    lines.append(f"  depend on the order of rows: {', '.join(found['order_sensitive']) or 'no'}")
    lines.append(f"  depend on the clock or on chance: {', '.join(found['clock_sensitive']) or 'no'}")
    if found["functions"]:
        lines += ["", "functions in Python: their modules are imported, and so run"]
        lines += [f"  {one['name']} of {one['module']} ({one['file'] or 'no file'})" for one in found["functions"]]
    if found["flink"] is not None:
        lines += ["", *_flink_lines(found["flink"])]
    return "\n".join(lines)


def _flink_lines(flink: dict[str, Any]) -> list[str]:
    lines = ["Flink"]
    for title, kind in (("would refuse", REFUSES), ("does otherwise", OTHERWISE)):
        for one in flink[kind]:
            instead = f"; there: {one['instead']}" if one["instead"] else ""
            lines.append(f"  {title}: {one['what']}{instead}  [{one['where']}]")
    lines += [f"  here: {one}" for one in flink["here"]]
    return lines if len(lines) > 1 else ["Flink", "  nothing was found that it would refuse or do otherwise"]


def _changes(one: dict[str, Any]) -> str:
    """The changelog mode in Flink's words, and the key."""
    if one["mode"] != UPDATING:
        return "insert only"
    return f"insert, update, delete; key {', '.join(one['key'])}" if one["key"] else "insert, delete; no key"


def _node_lines(node: dict[str, Any], nodes: dict[int, dict[str, Any]]) -> list[str]:
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
    # What a filter passes on was told right above; an output always shows its own.
    same = [one for one in node["inputs"] if nodes[one]["columns"] == node["columns"]]
    if same and node["verb"] != Write.verb:
        return [*lines, f"       columns as in {same[0]}", ""]
    return [*lines, *_column_lines(node["columns"]), ""]


def _column_lines(columns: list[dict[str, Any]]) -> list[str]:
    width = max((len(column["name"]) for column in columns), default=0)
    lines = []
    for column in columns:
        extra = "" if column["nullable"] else " not null"
        extra += f" (masked: {column['mask']})" if column["mask"] else ""
        lines.append(f"       {column['name']:<{width}}  {column['type']}{extra}")
    return lines
