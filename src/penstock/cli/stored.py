"""The plan of a job that is not running: rebuilt from its checkpoint, or taken from the program."""

from __future__ import annotations

import json
from pathlib import Path

from penstock.api.stored import from_json
from penstock.checkpoint.ledger import Ledger
from penstock.checkpoint.manifest import unpack
from penstock.cli.load import load
from penstock.cli.opened import settings_of
from penstock.core.errors import PlanError, StartError
from penstock.engine.planning import as_stored, planned
from penstock.engine.standing import opened
from penstock.plan.pipeline import Pipeline


def stored_pipeline(folder: Path, file: str | None) -> Pipeline:
    """The plan as it ran: optimised.

    Args:
        folder: The state directory.
        file: The program, or None to rebuild the plan from what is stored.

    Raises:
        StartError: If nothing is stored.
        PlanError: If the plan refers to data or functions of the program, which is not given.
    """
    with opened(folder) as store:
        numbers = store.manifests()
        if not numbers:
            raise StartError(f'nothing is stored in "{folder}"')
        name = unpack(store.read_manifest(numbers[-1]))["pipeline"]
        ledger = Ledger(store, name)
        manifest = next((m for _, m, _ in ledger.candidates() if m is not None and "plan" in m), None)
    if manifest is None:
        raise StartError(f'no plan is stored in "{folder}"')
    if file is not None:
        return as_stored(planned(load(file, settings_of([], None)).pipeline), manifest).pipeline
    try:
        return from_json(json.dumps({**manifest["plan"], "name": name}))
    except PlanError as refused:
        raise PlanError(
            f"the plan cannot be rebuilt: {refused.message}", hint="--file FILE gives the program"
        ) from None
