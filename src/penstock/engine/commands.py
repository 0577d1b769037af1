"""What a running pipeline can be asked and told from outside, through `penstock.control`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from penstock.control.server import Handler
from penstock.core.errors import one_of
from penstock.core.lazy import pl
from penstock.engine.step import Engine
from penstock.engine.waiting import waiting

if TYPE_CHECKING:
    from penstock.engine.job import Job


MOST_ROWS = 10_000


def handlers(job: Job) -> dict[str, Handler]:
    """The commands of a job, by name."""
    return {
        "status": lambda _: status(job),
        "stop": lambda _: _stop(job),
        "savepoint": lambda arguments: job.savepoint(_text(arguments, "name")),
        "why": lambda _: job.between_steps(lambda parts: waiting(parts.engine)),
        "checkpoint": lambda _: job.checkpoint(),
        "state": lambda arguments: state(job, _text(arguments, "operator"), int(arguments.get("limit", 20))),
    }


def status(job: Job) -> dict[str, Any]:
    """How a job stands, as JSON."""
    found = asdict(job.status())
    found["nodes"] = [dict(node) for node in found["nodes"]]
    return {**found, "notes": list(job.notes), "guarantee": job.guarantee(), "outputs": list(job.reports())}


def state(job: Job, operator: str | None, limit: int) -> Any:
    """The state of an operator of a running job; without one, which operators have state."""
    return job.between_steps(lambda parts: contents(parts.engine, operator, min(limit, MOST_ROWS)))


def contents(engine: Engine, operator: str | None, limit: int) -> Any:
    """The state of an operator as JSON: columns, and rows as texts; without one, which operators have state.

    Raises:
        UnknownNameError: If no operator of this name has state.
    """
    stateful = {made.identity: made for made in engine.plan.nodes if made.executor.state_layout() is not None}
    if operator is None:
        return {
            name: dict(zip(("rows", "bytes"), made.executor.state_size(), strict=True))
            for name, made in stateful.items()
        }
    if operator not in stateful:
        raise one_of("operator with state", operator, stateful)
    frame = stateful[operator].executor.contents(limit)
    if frame is None:
        return {"columns": [], "rows": []}
    return {"columns": frame.columns, "rows": [json.loads(row) for row in _rows(frame)]}


def _rows(frame: pl.DataFrame) -> list[str]:
    return frame.select(pl.struct(pl.all()).struct.json_encode().alias("row")).get_column("row").to_list()


def _stop(job: Job) -> str:
    job.stop()
    return "stopping"


def _text(arguments: Mapping[str, Any], name: str) -> str | None:
    value = arguments.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is a text")
    return value
