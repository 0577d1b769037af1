"""What a running pipeline can be asked and told from outside, through `penstock.control`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from penstock.control.server import Handler

if TYPE_CHECKING:
    from penstock.engine.job import Job


def handlers(job: Job) -> dict[str, Handler]:
    """The commands of a job, by name."""
    return {
        "status": lambda _: status(job),
        "stop": lambda _: _stop(job),
        "savepoint": lambda arguments: job.savepoint(_text(arguments, "name")),
        "checkpoint": lambda _: job.checkpoint(),
    }


def status(job: Job) -> dict[str, Any]:
    """How a job stands, as JSON."""
    found = asdict(job.status())
    found["nodes"] = [dict(node) for node in found["nodes"]]
    return {**found, "notes": list(job.notes), "guarantee": job.guarantee(), "outputs": list(job.reports())}


def _stop(job: Job) -> str:
    job.stop()
    return "stopping"


def _text(arguments: Mapping[str, Any], name: str) -> str | None:
    value = arguments.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is a text")
    return value
