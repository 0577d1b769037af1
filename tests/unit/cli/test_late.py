"""`penstock late`: the bounds that would have saved late rows are those that do."""

from __future__ import annotations

import json

import polars as pl

from penstock.cli.refused import bounds_needed, suggestion

LATE = """
import datetime as dt
import penstock as ps
from penstock.connectors.files import FileSink, FileSource

rows = ps.read(FileSource("rows.csv"), schema={"at": ps.Datetime("us", "UTC")}, name="rows", event_time="at",
               watermark="BOUND")
counts = rows.window(ps.tumbling("10 s")).agg(n=ps.count())
pipeline = ps.Pipeline("counts", counts.write(FileSink("out/counts", format="json"), name="counts"))
"""


def of(*items):
    """A table of late rows: source, split, needed."""
    return pl.DataFrame(items, schema={"source": pl.String, "split": pl.String, "needed": pl.String}, orient="row")


def test_quantiles_are_bounds_that_some_row_needed():
    rows = [("a", "0", f"{n} s") for n in range(1, 101)] + [("a", "1", "1500 ms"), ("b", "0", None)]
    found = bounds_needed(of(*rows))
    assert found.select("source", "split", "rows").rows() == [("a", "0", 100), ("a", "1", 1)]
    half, most, nearly, every = found.select("half", "most", "nearly_all", "all").row(0)
    bounds = pl.Series(range(1, 101)) * 1_000_000
    for bound, share in ((half, 50), (most, 90), (nearly, 99), (every, 100)):
        assert share <= (bounds <= bound).sum() <= share + 1
    assert found["all"][1] == 1_500_000
    assert suggestion(found).startswith('watermark="100 s" would have saved')


def test_nothing_is_late():
    assert bounds_needed(of()).is_empty()


def test_what_is_suggested_saves_them(penstock):
    seconds = ["00:01", "00:25", "00:04", "00:31", "00:12", "00:03"]
    penstock.write("rows.csv", "\n".join(["at", *(f"2026-01-01T00:{s}Z" for s in seconds)]) + "\n")
    penstock.write("counts.py", LATE.replace("BOUND", "1 s"))
    assert penstock("run", "counts.py").code == 0
    told = penstock("late", "counts")
    assert "would have saved them all" in told.out
    (bounds,) = json.loads(penstock("late", "counts", "--json").out)["bounds"]
    assert (bounds["source"], bounds["rows"]) == ("rows", 3)
    penstock.write("counts.py", LATE.replace("BOUND", f"{bounds['all'] // 1000} ms").replace('counts"', 'again"'))
    assert penstock("run", "counts.py").code == 0
    assert json.loads(penstock("late", "again", "--json").out)["rows"] == 0
