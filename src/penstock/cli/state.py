"""`penstock state`: what an operator holds, of a running pipeline or of a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.cli import terminal, wording
from penstock.cli.stored import stored_pipeline
from penstock.cli.tables import table
from penstock.control.client import Client, NotRunning
from penstock.engine.standing import folder_of, stored_state


def show_state(job: str, operator: str | None, *, at: str | None, file: str | None, rows: int, as_json: bool) -> None:
    """The state of an operator as a table; without one, which operators have state.

    Args:
        job: The job.
        operator: Its identity.
        at: An epoch or savepoint; None = now, or the newest if it does not run.
        file: The program, for plans that cannot be rebuilt from what is stored.
        rows: How many rows to show.
        as_json: Whether to answer as JSON.

    Raises:
        UnknownNameError: If no operator of this name has state.
        StartError: If there is no such job or checkpoint.
    """
    found = _found(folder_of(job), operator, at, file, rows)
    if as_json:
        terminal.out(json.dumps(found, indent=2))
    elif operator is None:
        sizes = [(name, size["rows"], wording.size(size["bytes"])) for name, size in found.items()]
        for line in table(("operator", "rows", "bytes"), sizes):
            terminal.out(line)
    else:
        for line in table(found["columns"], [[row[name] for name in found["columns"]] for row in found["rows"]]):
            terminal.out(line)


def _found(folder: Path, operator: str | None, at: str | None, file: str | None, rows: int) -> Any:
    if at is None:
        try:
            with Client(folder) as client:
                return client.ask("state", operator=operator, limit=rows)
        except NotRunning:
            terminal.tell("it does not run: this is its newest checkpoint")
    return stored_state(folder, stored_pipeline(folder, file), at, operator, rows)
