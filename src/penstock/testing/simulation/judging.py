"""What must hold of the outputs of a run, whatever was done to it."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Change = tuple[str, int]
"""A row as text, and +1 or -1."""

ROWS, CHANGES, CHANGELOG = "rows", "changes", "changelog"
"""What an output holds: rows, changes of a Table, or rows that tell of changes in their column `op`."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_SIGN = {"+I": 1, "+U": 1, "-U": -1, "-D": -1}
_SHOWN = 5


def row_of(row: Mapping[str, Any]) -> str:
    """A row as text that is equal for equal rows, whether it comes from Python or from a JSON file."""
    return json.dumps({name: _plain(value) for name, value in row.items()}, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        value = dt.datetime.fromisoformat(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") if value.tzinfo else value.isoformat()
    return value


def as_changes(kind: str, changes: Iterable[Change]) -> list[Change]:
    """Changes of a changelog by its column `op`; of others as they are."""
    if kind != CHANGELOG:
        return list(changes)
    found = []
    for text, _ in changes:
        row = json.loads(text)
        sign = _SIGN[row.pop("op")]
        found.append((json.dumps(row, sort_keys=True), sign))
    return found


def folded(changes: Iterable[Change]) -> tuple[Counter[str], str | None]:
    """What changes add up to, and what is wrong with them: a row that goes and is not there."""
    present: Counter[str] = Counter()
    wrong = None
    for number, (row, diff) in enumerate(changes):
        present[row] += diff
        if present[row] < 0 and wrong is None:
            wrong = f"change {number + 1} takes back a row that is not there: {row}"
    return +present, wrong


def compare(kind: str, found: Sequence[Change], wanted: Sequence[Change], *, whole: bool) -> str | None:
    """What is wrong with an output; None if nothing is.

    Args:
        kind: What the output holds.
        found: What it holds.
        wanted: What it must hold in the end.
        whole: Whether the run came to its end; else it must hold a part.
    """
    have, wrong = folded(as_changes(kind, found))
    if wrong is not None:
        return wrong
    want, _ = folded(as_changes(kind, wanted))
    missing, surplus = want - have, have - want
    if surplus and (whole or kind == ROWS):
        return f"{surplus.total()} rows too many: {_some(surplus)}; {missing.total()} missing: {_some(missing)}"
    if missing and whole:
        return f"{missing.total()} rows are missing: {_some(missing)}"
    return None


def _some(rows: Counter[str]) -> str:
    shown = ", ".join(f"{row} ({count})" for row, count in sorted(rows.items())[:_SHOWN])
    return shown + (" ..." if len(rows) > _SHOWN else "") if rows else "none"
