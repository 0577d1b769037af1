"""`penstock migrate`: what stored state becomes under a changed program, before anything starts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.checkpoint.ledger import Ledger
from penstock.cli import terminal
from penstock.cli.load import load
from penstock.cli.opened import settings_of
from penstock.cli.tables import table
from penstock.core.errors import StateError
from penstock.engine.compile import compile_plan, sources_of
from penstock.engine.job import Job
from penstock.engine.migration import LOSSY, Change, changes
from penstock.engine.recovery import stored_manifest
from penstock.engine.standing import FINISHED, opened, standing
from penstock.engine.step import Engine
from penstock.optimize import optimize
from penstock.plan.pipeline import Pipeline
from penstock.runner import Embedded, state_directory


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
    folder = state_directory(loaded.pipeline, loaded.settings.options(**options).state)
    if start is None and standing(folder).state == FINISHED:
        terminal.tell("the last run has finished: the next one starts anew, so there is nothing to migrate")
        if as_json:
            terminal.out("[]")
        return
    found = becoming(loaded.pipeline, folder, start)
    _show(found, as_json=as_json)
    lossy = [change for change in found if change.verdict in LOSSY]
    if approve:
        _store(loaded.pipeline, folder, start)
        terminal.tell("stored: the next run begins with it")
    elif lossy:
        raise StateError(
            f"{len(lossy)} of {len(found)} states would be lost", hint="--approve, once that is what is wanted"
        )


def becoming(pipeline: Pipeline, folder: Path, start: str | None) -> list[Change]:
    """What each stored state becomes under a pipeline.

    Raises:
        StartError: If there is no such checkpoint.
    """
    planned = pipeline.with_outputs(optimize(pipeline.outputs))
    with opened(folder) as store:
        manifest = stored_manifest(Ledger(store, pipeline.name), start)
    splits = [list(read.source.splits()) for read in sources_of(planned)]
    names = [[split.name for split in found] for found in splits]
    engine = Engine(compile_plan(planned, names), None)
    return changes(manifest["engine"], engine)


def _show(found: list[Change], *, as_json: bool) -> None:
    if as_json:
        rows = [{"operator": c.operator, "verdict": c.verdict, "details": list(c.details)} for c in found]
        terminal.out(json.dumps(rows, indent=2))
        return
    for line in table(("operator", "becomes", ""), [(c.operator, c.verdict, "; ".join(c.details)) for c in found]):
        terminal.out(line)


def _store(pipeline: Pipeline, folder: Path, start: str | None) -> None:
    """Begin with what is left, store it, and end at once."""
    options = Embedded().options(folder, "10 s", start or "latest")
    job = Job(pipeline, replace(options, approved=True, control=False))
    job.stop()
    job.run()
