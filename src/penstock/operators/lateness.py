"""Late rows as refused rows, for operators that test event time row by row."""

from __future__ import annotations

from typing import Any

from penstock.core.delta import Delta
from penstock.core.lazy import pl
from penstock.core.timespan import MILLISECOND
from penstock.operators.base import Environment
from penstock.operators.why import refuse
from penstock.plan.node import Node
from penstock.plan.watermark import Bounded


def refuse_late(delta: Delta, behind: Any, delay: int | None, environment: Environment) -> Delta:
    """Late rows with how far behind they were, and the bound that would have saved them.

    Args:
        delta: The late rows.
        behind: For each, by how many microseconds the watermark had passed what would have been in time.
        delay: The bound that the watermark's policy states, or None.
        environment: Knows the names of sources and splits.
    """
    needed = None
    if delay is not None:
        needed = pl.Series(delay + behind // MILLISECOND * MILLISECOND + MILLISECOND)
    return refuse(delta, "late", environment, behind=pl.Series(behind), needed=needed)


def delay_of(node: Node) -> int | None:
    """The bound of disorder that the nearest watermark below a node states, on the way of its first input."""
    return stated_delay(node.inputs[0])


def stated_delay(node: Node) -> int | None:
    """The bound of disorder that a node, or the nearest watermark below it, states."""
    below: Node | None = node
    while below is not None:
        policy = getattr(below, "policy", None)
        if policy is not None:
            return policy.delay if isinstance(policy, Bounded) else None
        below = below.inputs[0] if len(below.inputs) == 1 else None
    return None
