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
from penstock.core.timespan import duration
from penstock.engine.outputs import REFUSED_SCHEMA
from penstock.engine.standing import folder_of
from penstock.operators.why import seconds

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
    bounds = bounds_needed(found) if port == "late" else None
    if as_json:
        answer = _answer(found, counts, last) | ({} if bounds is None else {"bounds": bounds.to_dicts()})
        terminal.out(json.dumps(answer, indent=2, default=str))
        return
    terminal.tell(f"{wording.rows(found.height)} in the table {port}; what an output of .{port}() took is not in it")
    if found.is_empty():
        return
    for line in (*table(("verb", "reason", "rows"), counts.rows()), "", *table(_SHOWN, last.rows())):
        terminal.out(line)
    if bounds is not None and not bounds.is_empty():
        for line in ("", "watermark= that would have saved late rows, by source and split", *_bounds_table(bounds)):
            terminal.out(line)
        terminal.out("")
        terminal.out(suggestion(bounds))


def bounds_needed(found: pl.DataFrame) -> pl.DataFrame:
    """By source and split, which bounds of disorder would have saved how many of the late rows.

    Args:
        found: The table `late`.

    Returns:
        Columns `source`, `split`, `rows`, and in microseconds `half`, `most` (nine of ten), `nearly_all` (99 of 100)
        and `all`: the least bound that would have saved so many. Rows that no bound would save (there is none, because
        their source has no bound) are left out.
    """
    texts = found.get_column("needed").unique().drop_nulls()
    lengths = pl.DataFrame(
        {"needed": texts, "bound": [duration(text) for text in texts]}, schema={"needed": pl.String, "bound": pl.Int64}
    )
    known = found.select("source", "split", "needed").join(lengths, on="needed")
    shares = {"half": 0.5, "most": 0.9, "nearly_all": 0.99, "all": 1.0}
    return (
        known.group_by("source", "split")
        .agg(
            pl.len().alias("rows"),
            *(pl.col("bound").quantile(q, "higher").cast(pl.Int64).alias(name) for name, q in shares.items()),
        )
        .sort("source", "split")
    )


def suggestion(bounds: pl.DataFrame) -> str:
    """What to write instead, for people: the bound that would have saved nearly all late rows of every split."""
    nearly, every = (max(bounds.get_column(name).to_list()) for name in ("nearly_all", "all"))
    saves = f'watermark="{seconds(every)}" would have saved them all'
    if nearly == every:
        return f"{saves}; results then come that much later"
    return f'watermark="{seconds(nearly)}" would have saved 99 of 100 in every split, {saves}; results then come later'


def _bounds_table(bounds: pl.DataFrame) -> list[str]:
    rows = [(*row[:3], *(seconds(us) for us in row[3:])) for row in bounds.iter_rows()]
    return list(table(("source", "split", "late rows", "half", "9 of 10", "99 of 100", "all"), rows))


def _answer(found: pl.DataFrame, counts: pl.DataFrame, last: pl.DataFrame) -> dict[str, Any]:
    return {"rows": found.height, "counts": counts.to_dicts(), "last": last.to_dicts()}


def refused(folder: Path, port: str) -> pl.DataFrame:
    """The dead-letter table of a state directory, in order of arrival."""
    path = folder / port
    empty = pl.DataFrame(schema=REFUSED_SCHEMA.to_polars())
    if files.kind(path) != "directory" or not any(files.walk(path)):
        return empty
    return read(FileSource(str(path), format="json"), schema=REFUSED_SCHEMA.to_polars()).collect()
