"""State that expires: what `.state(ttl=)` does to the node of a verb."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.where import caller
from penstock.operators.join import Join
from penstock.plan.node import Node
from penstock.plan.ttl import TimeToLive


def bounded_state(node: Node, ttl: Any) -> Node:
    """A node whose keys expire.

    Raises:
        UnsupportedError: If it has no keys that could.
        PlanError: If the time-to-live is not understood.
    """
    if getattr(node, "spelling", "") == "agg":
        return node.replace_inputs({id(node.inputs[0]): bounded_state(node.inputs[0], ttl)})
    if not any(one.name == "ttl" for one in fields(node)):
        raise UnsupportedError(
            f'the state of "{node.verb}" has no time-to-live',
            where=caller(),
            hint=".group_by(...).agg(...), .dedup(...) and inner joins have one",
        )
    if isinstance(node, Join):
        return bounded_sides(node, ttl, ttl)
    changes: dict[str, Any] = {"ttl": time_to_live(ttl)}
    return replace(node, **changes)


def bounded_sides(node: Node, left: Any, right: Any) -> Node:
    """A join whose rows expire; None = those of a side do not.

    Raises:
        UnsupportedError: If it is no join whose rows could.
        PlanError: If a time-to-live is not understood.
    """
    if not isinstance(node, Join):
        raise UnsupportedError(f'"{node.verb}" has no two sides that expire', where=caller(), hint="ttl=")
    lives = [None if ttl is None else time_to_live(ttl) for ttl in (left, right)]
    return replace(node, ttl=lives[0], ttl_right=lives[1])


def time_to_live(ttl: Any) -> TimeToLive:
    """What users write as a time-to-live.

    Raises:
        PlanError: If it is not understood.
    """
    try:
        return TimeToLive.of(ttl)
    except PlanError as refused:
        raise refused.at(caller()) from None
