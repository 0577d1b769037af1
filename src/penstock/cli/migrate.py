"""`penstock migrate`: what stored state becomes under a changed program, before anything starts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.api.references import resolved
from penstock.checkpoint.ledger import Ledger
from penstock.cli import terminal
from penstock.cli.load import load
from penstock.cli.opened import settings_of
from penstock.cli.tables import table
from penstock.core.errors import StateError
from penstock.engine.compile import compile_plan, sources_of
from penstock.engine.job import Job
from penstock.engine.migration import LOSSY, Change, changes, forgotten
from penstock.engine.planning import as_stored, planned
from penstock.engine.recovery import stored_manifest
from penstock.engine.standing import FINISHED, opened, standing
from penstock.engine.step import Engine
from penstock.plan.pipeline import Pipeline
from penstock.runner import Embedded, address, state_directory


def migrate_file(
    file: str,
    start: str | None,
    *,
    approve: bool,
    options: dict[str, Any],
    given: list[str],
    profile: str | None,
    as_json: bool,
) -> None:
    """Show what each stored state becomes; with `approve`, store it so.

    Raises:
        StartError: If nothing is stored.
        StateError: If something would be lost and is not approved, or the state is in use.
    """
    loaded = load(file, settings_of(given, profile))
    state = loaded.settings.options(**options).state
    pipeline = resolved(loaded.pipeline, loaded.settings.fill)
    folder = state_directory(pipeline, state)
    if start is None and address(state) is None and standing(folder).state == FINISHED:
        terminal.tell("the last run has finished: the next one starts anew, so there is nothing to migrate")
        if as_json:
            terminal.out("[]")
        return
    found = becoming(pipeline, address(state) or folder, start)
    _show(found, as_json=as_json)
    lossy = [change for change in found if change.verdict in LOSSY]
    if approve:
        _store(pipeline, state, start)
        terminal.tell("stored: the next run begins with it")
    elif lossy:
        raise StateError(
            f"{' and '.join(map(str, lossy))}: that would be lost", hint="--approve, once that is what is wanted"
        )


def becoming(pipeline: Pipeline, place: Path | str, start: str | None) -> list[Change]:
    """What each stored state becomes under a pipeline, and what else is stored that it does not take.

    Args:
        pipeline: The pipeline.
        place: Its state directory, or the address of its checkpoints.
        start: An epoch or savepoint; None = the newest.

    Raises:
        StartError: If there is no such checkpoint.
    """
    with opened(place) as store:
        ledger = Ledger(store, pipeline.name)
        manifest = stored_manifest(ledger, start)
        plan = as_stored(planned(pipeline), manifest).pipeline
        names = [[split.name for split in read.source.splits()] for read in sources_of(plan)]
        engine = Engine(compile_plan(plan, names), None)
        return [*changes(manifest["engine"], engine), *forgotten(manifest, engine, ledger)]


def _show(found: list[Change], *, as_json: bool) -> None:
    if as_json:
        rows = [{"operator": c.operator, "verdict": c.verdict, "details": list(c.details)} for c in found]
        terminal.out(json.dumps(rows, indent=2))
        return
    for line in table(("operator", "becomes", ""), [(c.operator, c.verdict, "; ".join(c.details)) for c in found]):
        terminal.out(line)


def _store(pipeline: Pipeline, state: str | None, start: str | None) -> None:
    """Begin with what is left, store it, and end at once."""
    options = Embedded().options(state_directory(pipeline, state), "10 s", start or "latest", address(state))
    job = Job(pipeline, replace(options, approved=True, control=False))
    job.stop()
    job.run()
