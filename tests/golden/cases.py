"""The golden cases of SQL: where they are, and how they are read. `tools/flink_golden.py` writes the results.

A function case is a line of `functions/<family>.sql`: an expression over the table of `functions/table.sql`.
`functions/<family>.json` has its type and its values, row by row, or that Flink refuses it or fails.

A script case is a file `scripts/<group>/<name>.sql`: statements, of which the last is a query. `-- uses: bids orders`
names files of `tables/`, whose statements come first; `${data}` is the folder `data`, where the inputs are.
`<name>.json` beside it has the columns, their types, and the rows that are there in the end, in order.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
DATA = FOLDER / "data"


@dataclass(frozen=True)
class Script:
    """A whole program: its name (`windows/tumble`), its statements, and what its last query gives in the end."""

    name: str
    path: Path

    @property
    def expected_path(self) -> Path:
        """Where its result is kept."""
        return self.path.with_suffix(".json")

    @property
    def text(self) -> str:
        """The whole text, with the tables that it uses and the folder of the inputs."""
        own = self.path.read_text()
        used = re.search("^-- uses: (.*)$", own, re.MULTILINE)
        tables = [(FOLDER / "tables" / f"{name}.sql").read_text() for name in (used[1].split() if used else ())]
        return "\n".join([*tables, own]).replace("${data}", str(DATA))

    def statements(self) -> list[str]:
        """The statements, one by one, without comments."""
        return statements_of(self.text)

    def expected(self) -> dict[str, Any]:
        """What Flink gave."""
        found: dict[str, Any] = json.loads(self.expected_path.read_text())
        return found


def statements_of(text: str) -> list[str]:
    """Cut a text at its semicolons, but for those in strings."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    pieces = re.findall(r"(?:'(?:[^']|'')*'|[^';])+", "\n".join(lines))
    return [piece.strip() for piece in pieces if piece.strip()]


def scripts() -> list[Script]:
    """All script cases, by name."""
    root = FOLDER / "scripts"
    return [Script(str(path.relative_to(root).with_suffix("")), path) for path in sorted(root.rglob("*.sql"))]


def families() -> list[str]:
    """The names of the files of function cases."""
    return sorted(path.stem for path in (FOLDER / "functions").glob("*.sql") if path.stem != "table")


def expressions(family: str) -> list[str]:
    """The expressions of a family, in order."""
    lines = (FOLDER / "functions" / f"{family}.sql").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("--")]


def settings(family: str) -> dict[str, str]:
    """The settings of a family: lines such as `-- set: table.local-time-zone = Europe/Berlin`."""
    text = (FOLDER / "functions" / f"{family}.sql").read_text()
    return dict(re.findall(r"^-- set: (\S+) = (\S+)$", text, re.MULTILINE))


def expected(family: str) -> dict[str, dict[str, Any]]:
    """What Flink gave, by expression."""
    path = FOLDER / "functions" / f"{family}.json"
    return {case["sql"]: case for case in json.loads(path.read_text())} if path.exists() else {}
