"""Plans as texts that can be read back: Python, YAML and SQL.

Every node is said in the language, read back, and written only if that gives the same node; one that has no spelling is
named with the reason. A node that a language cannot say is so never written as something else.
"""

from __future__ import annotations

import importlib
import json
from typing import Any

from penstock.core.errors import UnsupportedError, one_of
from penstock.plan.explain import as_mermaid, as_text
from penstock.plan.pipeline import Pipeline
from penstock.spelling.written import Missing, Written

__all__ = ["FORMS", "LANGUAGES", "Missing", "Written", "explain", "written"]

LANGUAGES = ("sql", "yaml", "python")
"""What a plan can be written in and read back from."""
FORMS = ("text", "mermaid", "json", *LANGUAGES)
"""All forms of `explain`."""
_LATER = {"flink": "Flink's SQL comes with the Flink engine"}


def written(pipeline: Pipeline, language: str) -> Written:
    """A plan in a language, and the nodes that have no spelling there.

    Args:
        pipeline: The plan.
        language: `sql`, `yaml` or `python`.

    Raises:
        UnknownNameError: If there is no such language.
    """
    if language not in LANGUAGES:
        raise one_of("language", language, LANGUAGES)
    made: Any = getattr(importlib.import_module(f"penstock.spelling.{language}"), language)
    found: Written = made(pipeline)
    return found


def explain(pipeline: Pipeline, as_: str = "text") -> str:
    """A plan in other words.

    In `"sql"`, `"yaml"` and `"python"` it is a text that gives the same plan when it is read: functions by their import
    path, secrets as references. What the language cannot say is named in comments at the top, each with its reason;
    the text names those rows and does not define them.

    Args:
        pipeline: The plan.
        as_: `"text"` (a tree, with what is known of each node's rows), `"mermaid"`, `"json"` (the stored form),
            `"sql"`, `"yaml"` or `"python"`.

    Raises:
        UnknownNameError: If there is no such form.
        UnsupportedError: If it is not there yet.
    """
    if as_ in _LATER:
        raise UnsupportedError(f"--as {as_}: {_LATER[as_]}", hint=f"--as {', '.join(FORMS)}")
    if as_ not in FORMS:
        raise one_of("form", as_, [*FORMS, *_LATER])
    if as_ in LANGUAGES:
        return written(pipeline, as_).text.rstrip("\n")
    if as_ == "json":
        from penstock.api.stored import to_json

        return json.dumps(json.loads(to_json(pipeline)), indent=2)
    return as_mermaid(pipeline) if as_ == "mermaid" else as_text(pipeline)
