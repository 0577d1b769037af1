"""Write `docs/reference/flow.md` from the table of operators: `python tools/gen_flow_reference.py [--check]`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path

from penstock.flow import Sink, Source
from penstock.flow.catalogue import OPERATORS
from penstock.flow.theirs import ELSEWHERE, NOT_OFFERED

TARGET = Path(__file__).resolve().parents[1] / "docs" / "reference" / "flow.md"

HEAD = """# Operators of streams

Made by `tools/gen_flow_reference.py` from `src/penstock/flow/catalogue.py`. What streams are, and how they run, is
in the [guide](../guides/flow.md).
"""


def first_line(thing: object) -> str:
    """The first sentence of the documentation of something, on one line."""
    text = (inspect.getdoc(thing) or "").partition("\n\n")[0]
    return " ".join(text.split()).replace("|", "\\|")


def makers(kind: type) -> list[str]:
    """The names of the functions that make sources, or sinks."""
    return sorted(
        name
        for name in dir(kind)
        if not name.startswith("_") and isinstance(inspect.getattr_static(kind, name), staticmethod)
    )


def page() -> str:
    """The page."""
    lines = [
        HEAD,
        "## Operators of `Source` and `Flow`\n",
        "| operator | what it does | Pekko | FS2 |",
        "|---|---|---|---|",
    ]
    for entry in OPERATORS:
        text = first_line(getattr(Source, entry.name))
        lines.append(f"| `{entry.name}` | {text} | {entry.pekko} | {entry.fs2} |")
    for title, kind in (("Sources", Source), ("Sinks", Sink)):
        lines += [f"\n## {title}\n", "| made by | what it does |", "|---|---|"]
        lines += [f"| `{kind.__name__}.{name}` | {first_line(getattr(kind, name))} |" for name in makers(kind)]
    for library, names in ELSEWHERE.items():
        lines += [f"\n## Other names of {library}\n", "| theirs | ours |", "|---|---|"]
        lines += [f"| {theirs} | {ours} |" for theirs, ours in sorted(names.items())]
    lines += ["\n## Not offered\n", "| theirs | why |", "|---|---|"]
    lines += [f"| {names} | {why} |" for names, why in NOT_OFFERED.items()]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` compare it; the exit code."""
    text = page()
    if "--check" not in arguments:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"{TARGET.name} is behind: run python tools/gen_flow_reference.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
