"""`penstock explain`: the plan of a pipeline, in other words."""

from __future__ import annotations

import json

from penstock.api.stored import to_json
from penstock.cli import terminal
from penstock.cli.load import load
from penstock.cli.opened import settings_of
from penstock.core.errors import UnsupportedError, one_of
from penstock.plan.explain import as_mermaid, as_text
from penstock.plan.pipeline import Pipeline

FORMS = ("text", "mermaid", "json")
LATER = {
    "sql": "plans are not written as SQL yet",
    "yaml": "plans are not written as YAML yet",
    "flink": "Flink's SQL comes with the Flink engine",
}


def explain_file(file: str, *, given: list[str], profile: str | None, form: str) -> None:
    """Explain the pipeline that a user names; see `penstock explain --help`.

    Raises:
        PenstockError: If it cannot be made, or the form does not exist.
    """
    if form in LATER:
        raise UnsupportedError(f"--as {form}: {LATER[form]}", hint=f"--as {', '.join(FORMS)}")
    if form not in FORMS:
        raise one_of("form", form, [*FORMS, *LATER])
    loaded = load(file, settings_of(given, profile))
    terminal.redaction.learn(loaded.pipeline)
    terminal.out(explained(loaded.pipeline, form))


def explained(pipeline: Pipeline, form: str) -> str:
    """The plan as text, as a Mermaid graph, or as JSON."""
    if form == "json":
        return json.dumps(json.loads(to_json(pipeline)), indent=2)
    return as_mermaid(pipeline) if form == "mermaid" else as_text(pipeline)
