"""Write docs/reference/sql-functions.md from Flink's function library; `--check` only compares.

Run: `python tools/gen_sql_reference.py [--check]`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from penstock.sql import aggregates, library
from penstock.sql.functions import NAMES
from tests.golden.departures import FUNCTIONS

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "sql-functions.md"

HEAD = """# Functions of SQL

<!-- Written by tools/gen_sql_reference.py from src/penstock/sql: change that. -->

Names, types and results are those of Flink 2.3: `python tools/flink_golden.py` ran every one of them there, over nulls,
zeros and extreme values, and the results in `tests/golden/functions` are what tests compare with. `CASE`, `CAST` and
`TRY_CAST` are there besides. Where Flink fails the job for a row, here the row leaves by `.errors()`.

"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, f"{len(NAMES)} functions and operators, {len(aggregates.NAMES)} aggregates.\n"]
    for family in library.FAMILIES:
        title = (inspect.getdoc(family) or "").partition("\n")[0].rstrip(".")
        signatures = dict.fromkeys(f"`{entry.signature}`" for entry in family.ENTRIES)
        others = [f"`{name}` is `{e.names[0]}`" for e in family.ENTRIES for name in e.names[1:]]
        parts.append(f"\n## {title}\n\n{', '.join(signatures)}.\n")
        parts.append(f"\n{'; '.join(dict.fromkeys(others))}.\n" if others else "")
    parts.append(f"\n## Aggregates\n\n{', '.join(f'`{name}`' for name in aggregates.TABLE)}.\n")
    parts.append("\n## Not offered yet\n\n| function | instead |\n|---|---|\n")
    parts += [f"| `{name}` | {hint} |\n" for name, hint in {**library.NOT_YET, **aggregates.NOT_YET}.items()]
    parts.append("\n## Where results differ from Flink's\n\n| expression | why |\n|---|---|\n")
    reasons: dict[str, list[str]] = {}
    for expression, departure in FUNCTIONS.items():
        reasons.setdefault(departure.reason, []).append(expression.partition(": ")[2] or expression)
    for reason, found in reasons.items():
        shown = ", ".join(f"`{one}`" for one in found[:3]) + (" and others" if len(found) > 3 else "")
        parts.append(f"| {shown} | {reason} |\n")
    parts.append("| comparisons with NaN | NaN equals itself and is greater than every number |\n")
    return "".join(parts)


def main(arguments: Sequence[str]) -> int:
    """Write the page, or say whether it is up to date."""
    if "--check" not in arguments:
        TARGET.write_text(page(), encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == page():
        return 0
    print(f"{TARGET.name} is not what is declared: run python tools/gen_sql_reference.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
