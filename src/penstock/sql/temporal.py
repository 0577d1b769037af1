"""Temporal joins: `FOR SYSTEM_TIME AS OF left.rowtime`, onto the stream of versions that a table is made of."""

from __future__ import annotations

from dataclasses import replace

from penstock.core.errors import PlanError
from penstock.expr.ast import Column
from penstock.operators.as_table import AsTable
from penstock.operators.asof_join import AsofJoin
from penstock.operators.select import Select
from penstock.plan.node import UPDATING, Node
from penstock.sql.operators import JoinPattern


def temporal_join(pattern: JoinPattern, key: tuple[str, ...]) -> Node:
    """Each left row with the version that held at its time.

    Args:
        pattern: The join; its right side is a table of versions.
        key: The primary key of the right side, if it is a declared table.

    Raises:
        PlanError: If the right side has no versions, or the condition does not compare its whole key.
    """
    if pattern.right.facts.mode == UPDATING:
        found = _versions(pattern.right)
        if found is None:
            raise PlanError(
                "FOR SYSTEM_TIME AS OF takes a table of versions", where=pattern.where,
                hint="ROW_NUMBER() OVER (PARTITION BY id ORDER BY rowtime DESC) = 1, or a table with a PRIMARY KEY "
                "and a WATERMARK",
            )  # fmt: skip
        rows, keys = found
    else:
        rows, keys = pattern.right, key
    if not keys:
        raise PlanError(
            "a table of versions has a primary key, which tells what a version is of", where=pattern.where,
            hint="PRIMARY KEY (id) NOT ENFORCED",
        )  # fmt: skip
    compared = {term.name for term in pattern.right_on if isinstance(term, Column)}
    if compared != set(keys) or len(compared) != len(pattern.right_on):
        raise PlanError(
            f"a temporal join compares the whole key of the table of versions: {', '.join(keys)}", where=pattern.where
        )
    try:
        return AsofJoin(**(pattern.arguments() | {"right": rows}), spelling="join")
    except PlanError as refused:
        raise refused.at(pattern.where) from None


def _versions(node: Node) -> tuple[Node, tuple[str, ...]] | None:
    """The stream of versions below a view that keeps the last row of each key by event time, and its key."""
    if isinstance(node, AsTable):
        fits = node.by is not None and node.by == node.input.facts.time
        return (node.input, node.keys) if fits else None
    if not isinstance(node, Select):
        return None
    below = _versions(node.input)
    if below is None:
        return None
    rows, keys = below
    named = {term.name: name for name, term in reversed(node.columns) if isinstance(term, Column)}
    if not set(keys) <= set(named):
        return None
    return replace(node, input=rows), tuple(named[key] for key in keys)
