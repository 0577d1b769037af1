"""Parts of a plan that mean the same are computed once."""

from __future__ import annotations

from penstock.plan.node import Node, rebuild


def share_subplans(outputs: tuple[Node, ...]) -> tuple[Node, ...]:
    """Nodes with equal fingerprints become one node; outputs stay apart."""
    known: dict[str, Node] = {}

    def share(node: Node) -> Node:
        if node.verb == "write":
            return node
        return known.setdefault(node.fingerprint, node)

    return rebuild(outputs, share)
