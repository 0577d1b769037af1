"""`penstock explain`: the plan of a pipeline, in other words."""

from __future__ import annotations

from penstock.cli import terminal
from penstock.cli.load import load
from penstock.cli.opened import settings_of
from penstock.spelling import explain


def explain_file(file: str, *, given: list[str], profile: str | None, form: str) -> None:
    """Explain the pipeline that a user names; see `penstock explain --help`.

    Raises:
        PenstockError: If it cannot be made, or the form does not exist.
    """
    loaded = load(file, settings_of(given, profile))
    terminal.redaction.learn(loaded.pipeline)
    terminal.out(explain(loaded.pipeline, form))
