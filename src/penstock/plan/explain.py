"""A plan for people: as a text tree, and as a Mermaid graph."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.plan.node import UPDATING, Node, walk
from penstock.plan.pipeline import Pipeline, identities


def as_text(pipeline: Pipeline) -> str:
    """A tree from each output down to its sources, with what is known of every node's rows."""
    names = identities(pipeline.outputs)
    lines = [f"pipeline {pipeline.name} ({pipeline.guarantee.replace('_', '-')})"]
    seen: set[int] = set()
    for output in pipeline.outputs:
        lines += _tree(output, names, seen, "")
    return "\n".join(lines)


def _tree(node: Node, names: dict[int, str], seen: set[int], indent: str) -> Iterator[str]:
    again = " (as above)" if id(node) in seen else ""
    yield f"{indent}{node.verb} {node.describe()}".rstrip() + again
    if again:
        return
    seen.add(id(node))
    same = len(node.inputs) == 1 and node.inputs[0].schema == node.schema and node.verb != "write"
    yield f"{indent}  | {facts_of(node) if same else facts_line(node)}"
    for below in node.inputs:
        yield from _tree(below, names, seen, indent + "  ")


def facts_line(node: Node) -> str:
    """Schema, mode, key and time of a node, on one line."""
    return f"{facts_of(node)}: {node.schema}"


def facts_of(node: Node) -> str:
    """Mode, key and time of a node."""
    facts = node.facts
    mode = facts.mode
    if mode == UPDATING:
        mode = (
            "Table without a key"
            if facts.key is None
            else f"Table keyed by {', '.join(facts.key) or 'nothing: one row'}"
        )
    parts = [mode]
    if facts.time:
        parts.append(f"event time {facts.time}")
    if not facts.bounded:
        parts.append("unbounded")
    if not facts.deterministic:
        parts.append("not deterministic")
    if facts.order_sensitive:
        parts.append("order-sensitive")
    return "; ".join(parts)


def as_mermaid(pipeline: Pipeline) -> str:
    """A Mermaid flowchart, sources on the left."""
    order = list(walk(*pipeline.outputs))
    index = {id(node): i for i, node in enumerate(order)}
    lines = ["flowchart LR"]
    for i, node in enumerate(order):
        text = f"{node.verb} {node.describe()}".strip().replace('"', "'")
        shape = f'[("{text}")]' if node.verb in ("read", "write") else f'["{text}"]'
        lines.append(f"  n{i}{shape}")
    for i, node in enumerate(order):
        for below in node.inputs:
            arrow = "-.->" if below.facts.mode == UPDATING else "-->"
            lines.append(f"  n{index[id(below)]} {arrow} n{i}")
    return "\n".join(lines)
