"""`penstock late | errors`: rows that were refused and that no output took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.api.read import read
from penstock.cli import terminal, wording
from penstock.cli.tables import table
from penstock.connectors.files import FileSource
from penstock.core import files
from penstock.core.lazy import pl
from penstock.engine.outputs import REFUSED_SCHEMA
from penstock.engine.standing import folder_of

_SHOWN = ("verb", "row", "reason", "source", "split", "offset", "behind", "needed")


def show_refused(job: str, port: str, rows: int, *, as_json: bool) -> None:
    """How many rows were refused, by verb and reason, and the last of them.

    Args:
        job: The job.
        port: `late` or `errors`.
        rows: How many to show.
        as_json: Whether to answer as JSON.

    Raises:
        StartError: If there is no such job.
    """
    found = refused(folder_of(job), port)
    counts = found.group_by("verb", "reason").len("rows").sort("rows", descending=True)
    last = found.tail(rows).select(_SHOWN)
    if as_json:
        terminal.out(json.dumps(_answer(found, counts, last), indent=2, default=str))
        return
    terminal.tell(f"{wording.rows(found.height)} in the table {port}; what an output of .{port}() took is not in it")
    if found.is_empty():
        return
    for line in (*table(("verb", "reason", "rows"), counts.rows()), "", *table(_SHOWN, last.rows())):
        terminal.out(line)


def _answer(found: pl.DataFrame, counts: pl.DataFrame, last: pl.DataFrame) -> dict[str, Any]:
    return {"rows": found.height, "counts": counts.to_dicts(), "last": last.to_dicts()}


def refused(folder: Path, port: str) -> pl.DataFrame:
    """The dead-letter table of a state directory, in order of arrival."""
    path = folder / port
    empty = pl.DataFrame(schema=REFUSED_SCHEMA.to_polars())
    if files.kind(path) != "directory" or not any(files.walk(path)):
        return empty
    return read(FileSource(str(path), format="json"), schema=REFUSED_SCHEMA.to_polars()).collect()
