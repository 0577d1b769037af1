"""Which plan runs: the one that a checkpoint was made with, as long as the program says the same.

The optimiser of another version may write a program's plan in another way, and state that belongs to one of them
need not fit the other. So a run goes on with the plan that is stored, until the program changes or somebody asks
for a new one (`penstock run --replan`); then what becomes of each state is a matter of `engine/migration.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from penstock.checkpoint.block import digest
from penstock.core.errors import PenstockError, PlanError
from penstock.operators import OPERATORS
from penstock.optimize import optimize
from penstock.plan.node import walk
from penstock.plan.pipeline import Pipeline
from penstock.plan.serde import canonical, nodes_from_json, nodes_to_json
from penstock.plan.values import encode


@dataclasses.dataclass(frozen=True)
class Planned:
    """A program's plan as it is written, and as it is to run.

    Attributes:
        logical: Tells apart what programs say: equal for equal plans, whatever the optimiser makes of them.
        pipeline: The plan that runs.
        note: What people should know about it; empty if there is nothing.
    """

    logical: str
    pipeline: Pipeline
    note: str = ""


def planned(pipeline: Pipeline, *, optimized: bool = True) -> Planned:
    """The plan as this version runs it.

    Args:
        pipeline: What the program says.
        optimized: Whether it is rewritten.
    """
    logical = digest([canonical(nodes_to_json(pipeline.outputs)).encode()])
    return Planned(logical, pipeline.with_outputs(optimize(pipeline.outputs)) if optimized else pipeline)


def as_stored(mine: Planned, manifest: Mapping[str, Any]) -> Planned:
    """The plan of a checkpoint if the program says what it said then, else the program's.

    Args:
        mine: The plan as this version would run it.
        manifest: The checkpoint.
    """
    if manifest.get("logical") != mine.logical:
        return mine
    plan = manifest["plan"]
    if all(plan[part] == found for part, found in nodes_to_json(mine.pipeline.outputs).items()):
        return mine
    try:
        connectors = _connectors(mine.pipeline)
        outputs = nodes_from_json(plan, OPERATORS, lambda stored: _bound(stored, connectors))
    except PenstockError as wrong:
        return dataclasses.replace(mine, note=f"planned anew, since the stored plan cannot be used: {wrong.message}")
    note = "going on with the plan that is stored; this version would plan otherwise (--replan)"
    return dataclasses.replace(mine, pipeline=mine.pipeline.with_outputs(outputs), note=note)


def _connectors(pipeline: Pipeline) -> dict[str, Any]:
    """The sources and sinks of a program, by what is stored of them.

    Raises:
        PlanError: If that does not tell apart which data of the program they hold.
    """
    found: dict[str, Any] = {}
    for node in walk(*pipeline.outputs):
        for value in node.parameters().values():
            if hasattr(value, "plan_value"):
                known = found.setdefault(canonical(encode(value.plan_value())), value)
                if getattr(known, "identity", None) != getattr(value, "identity", None):
                    raise PlanError("two sources hold data of the program under one name")
    return found


def _bound(stored: Mapping[str, Any], connectors: Mapping[str, Any]) -> Any:
    """The program's own source or sink, with its data and its secrets."""
    found = connectors.get(canonical(encode(stored)))
    if found is None:
        raise PlanError(f'the program has no "{stored["connector"]}" with the options that are stored')
    return found
