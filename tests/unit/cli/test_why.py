"""`penstock why` of a pipeline that was interrupted, and of one that has finished."""

from __future__ import annotations

import json

ENDLESS = """
import penstock as ps
from penstock.connectors.files import FileSink
from penstock.connectors.generate import GenerateSource

source = GenerateSource({"n": "sequence", "at": "time"}, rows=ROWS)
rows = ps.read(source, name="rows", event_time="at", watermark="1 h")
counts = rows.window(ps.tumbling("100 d")).agg(n=ps.count())
pipeline = ps.Pipeline("counts", counts.write(FileSink("out/counts", format="json"), name="counts"))
"""


def interrupt(penstock):
    """A run that was stopped after a step."""
    from penstock.cli.load import load
    from penstock.cli.opened import settings_of
    from penstock.engine.job import Job
    from penstock.engine.options import JobOptions

    penstock.write("counts.py", ENDLESS.replace("ROWS", "None"))
    state = penstock.folder / ".penstock" / "counts"
    job = Job(load("counts.py", settings_of([], None)).pipeline, JobOptions(state=state, control=False))
    while not job.status().rows_in:
        job._parts.loop.once()
    job.stop()
    job.run()


def test_a_pipeline_that_does_not_run_says_how_its_checkpoint_stood(penstock):
    interrupt(penstock)
    told = penstock("why", "counts")
    assert told.code == 0, told.err
    assert "it does not run" in told.err
    assert "waits to close the window that ends at" in told.out
    assert "held by source rows, split" in told.out
    (one,) = json.loads(penstock("why", "counts", "--json").out)
    assert (one["verb"], one["held_by"][0]["by"]) == ("window", "at")


def test_a_run_that_has_finished_waits_for_nothing(penstock):
    penstock.write("counts.py", ENDLESS.replace("ROWS", "100"))
    assert penstock("run", "counts.py").code == 0
    told = penstock("why", "counts")
    assert "nothing is held back" in told.out, told.err
