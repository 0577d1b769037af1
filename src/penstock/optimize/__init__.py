"""Rewrites of plans that change their cost and nothing else; one file per rule."""

from __future__ import annotations

from collections.abc import Callable

from penstock.optimize.prune_columns import prune_columns
from penstock.optimize.share_subplans import share_subplans
from penstock.plan.node import Node

Rule = Callable[[tuple[Node, ...]], tuple[Node, ...]]

RULES: tuple[Rule, ...] = (share_subplans, prune_columns, share_subplans)
"""The rules, in the order in which they are applied."""


def optimize(outputs: tuple[Node, ...]) -> tuple[Node, ...]:
    """The outputs of a plan with all rules applied."""
    for rule in RULES:
        outputs = rule(outputs)
    return outputs
