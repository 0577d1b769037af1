"""`penstock status` and `why` of a pipeline that runs, through its endpoint."""

from __future__ import annotations

import json

import pytest

import penstock as ps
from penstock.connectors.generate import GenerateSource
from penstock.connectors.memory import MemorySink
from penstock.core.clock import Signal, SystemClock


@pytest.fixture
def live(penstock):
    """A pipeline that runs on, with a window of a hundred days open."""
    source = GenerateSource({"n": "sequence", "at": "time"}, rows=None)
    rows = ps.read(source, name="rows", event_time="at", watermark="1 h")
    counts = rows.window(ps.tumbling("100 d")).agg(n=ps.count())
    job = ps.start(ps.Pipeline("counts", counts.write(MemorySink())), state=str(penstock.folder / ".penstock/counts"))
    clock = SystemClock()
    while not job.status().rows_in:
        clock.wait(Signal(), 10_000)
    yield job
    job.stop()
    job.wait()


def test_a_pipeline_that_runs_says_what_holds_it_back_and_how_its_rows_come_in_time(penstock, live):
    told = penstock("why", "counts")
    assert told.code == 0, told.err
    assert "does not run" not in told.err
    assert "waits to close the window that ends at" in told.out
    assert "held by source rows, split" in told.out
    assert 'released by a row with "at" from' in told.out
    (one,) = json.loads(penstock("why", "counts", "--json").out)
    assert one["verb"] == "window"
    status = penstock("status", "counts")
    assert status.code == 0, status.err
    assert "counts: running for" in status.out
    assert "of the clock" in status.out or "the clock" in status.out
    assert 'watermark="3600 s"' in status.out
    found = json.loads(penstock("status", "counts", "--json").out)
    assert found["splits"][0]["source"] == "rows"
    assert found["splits"][0]["stated"] == 3_600_000_000
