"""Flows as sources of pipelines and outputs of pipelines as flows, with back-pressure across the bridge."""

from __future__ import annotations

import anyio
import polars as pl
import pytest

import penstock as ps
from penstock import flow
from penstock.connectors.flow import FlowSink, FlowSource
from penstock.connectors.memory import MemorySink
from penstock.core.errors import JobError, PlanError
from penstock.core.schema import Schema
from penstock.flow import Source
from penstock.testing.conform import check_source

ROWS = [{"id": i, "word": None if i % 3 == 0 else "w" * (i % 4)} for i in range(40)]
SCHEMA = {"id": ps.Int64, "word": ps.String}


def rows(n=40):
    return FlowSource(flow.Source.from_iterable(ROWS[:n]), bounded=True)


def test_a_flow_is_read_as_rows():
    found = ps.read(rows(), schema=SCHEMA).filter(ps.col("id") > 36).collect()
    assert found.to_dicts() == ROWS[37:]


def test_elements_that_are_no_dicts_are_the_only_column():
    numbers = flow.Source.range(100).map(lambda x: x * 2)
    stream = ps.read(FlowSource(numbers, bounded=True), schema={"n": ps.Int64})
    assert stream.collect()["n"].to_list() == list(range(0, 200, 2))


def test_elements_that_do_not_fit_are_bad_rows():
    elements = [{"id": 1, "word": "a"}, {"id": "x", "word": "b"}, 7, {"id": 3}, {"id": 4, "word": 4}]
    source = FlowSource(flow.Source.from_iterable(elements), bounded=True)
    stream, sink, errors = ps.read(source, schema=SCHEMA), MemorySink(), MemorySink("errors")
    ps.run(ps.Pipeline("bad", stream.write(sink, name="out"), stream.errors().write(errors, name="errors")), state=None)
    assert sink.frame().to_dicts() == [{"id": 1, "word": "a"}, {"id": 3, "word": None}]
    reasons = [why["reason"] for why in errors.frame()["_why"].to_list()]
    assert reasons == [
        "element 1: column \"id\": 'x' is not Int64",
        "element 2: a row of 2 columns is a dict, found int",
        'element 4: column "word": 4 is not String',
    ]


def test_a_flow_that_fails_fails_the_pipeline():
    source = FlowSource(flow.Source.of({"id": 1}).concat(flow.Source.failed(OSError("gone"))), bounded=True)
    with pytest.raises(JobError, match="the flow failed: OSError: gone"):
        ps.read(source, schema=SCHEMA).collect()


def test_a_flow_is_pulled_no_further_than_the_bound():
    pulled = []
    source = FlowSource(flow.Source.range(100_000).tap(pulled.append), bounded=True, size=100)
    reader = source.reader(source.splits()[0], None, _request())
    try:
        while not (first := reader.poll(10)):
            pass
        assert first.frame["n"].to_list() == list(range(first.frame.height))
        seen = first.frame.height
        for _ in range(20):
            polled = reader.poll(7)
            seen += polled.frame.height if polled else 0
            assert len(pulled) <= seen + 200
    finally:
        reader.close()
    assert len(pulled) < 1000


def _request():
    from penstock.connectors.base import ReadRequest

    return ReadRequest(Schema.of({"n": ps.Int64}), ("n",))


def test_closing_releases_the_flow():
    released = []

    async def ticking():
        try:
            for i in range(10**9):
                yield i
                await anyio.sleep(0)
        finally:
            released.append(True)

    source = FlowSource(flow.Source.from_async(ticking()))
    reader = source.reader(source.splits()[0], None, _request())
    while reader.poll(5) is None:
        pass
    reader.close()
    assert released == [True]


def test_a_durable_flow_keeps_the_contract_of_sources(tmp_path):
    source = FlowSource(flow.Source.from_iterable(iter(ROWS)), bounded=True, durable=tmp_path / "log")
    check_source(source, expected=ROWS, schema=Schema.of(SCHEMA))


def test_a_durable_flow_goes_on_behind_its_checkpoint(tmp_path):
    def run(elements, **options):
        source = FlowSource(flow.Source.from_iterable(elements), bounded=True, durable=tmp_path / "log")
        sink = MemorySink()
        ps.run(ps.Pipeline("durable", ps.read(source, schema=SCHEMA).write(sink)), state=tmp_path / "state", **options)
        return sink.frame()["id"].to_list()

    assert run(ROWS[:10]) == list(range(10))
    reader = FlowSource(flow.Source.empty(), bounded=True, durable=tmp_path / "log").reader(None, 4, _words())
    try:
        polled = None
        while polled is None:
            polled = reader.poll(100)
        assert (polled.offsets, polled.position) == (((4, 6),), 10)
    finally:
        reader.close()


def test_a_durable_flow_is_read_once_from_the_log_on(tmp_path):
    """Stopped in the middle and run again: the rest comes, and nothing twice."""
    seen = []

    def run(source, enough):
        flow_source = FlowSource(source, durable=tmp_path / "log")
        pipeline = ps.Pipeline("d", ps.read(flow_source, schema={"n": ps.Int64}).write(FlowSink(size=10), name="out"))
        job = ps.start(pipeline, state=tmp_path / "state", checkpoint="10 ms")
        seen.extend(anyio.run(job.flow("out").map(lambda row: row["n"]).take(enough).run))
        anyio.run(_stop_and_take_the_rest, job)
        assert job.wait(60_000_000)

    async def _stop_and_take_the_rest(job):
        job.stop()
        seen.extend(await job.flow("out").map(lambda row: row["n"]).run())

    run(Source.range(5_000).concat(Source.never()), 300)
    first = len(seen)
    assert 300 <= first < 5_000
    run(Source.range(5_000, 5_010).concat(Source.never()), 100)
    assert seen == list(range(len(seen)))
    assert len(seen) >= first + 100


def _words():
    from penstock.connectors.base import ReadRequest

    return ReadRequest(Schema.of(SCHEMA), ("id", "word"))


def test_read_takes_a_flow():
    stream = ps.read(flow.Source.range(5), schema={"n": ps.Int64})
    assert stream.node.source.connector == "flow"
    assert not stream.node.source.bounded
    assert ps.read(flow.Source.range(5), schema={"n": ps.Int64}, durable="d").node.source.durable == "d"
    with pytest.raises(PlanError, match="elements of a flow can be anything"):
        ps.read(flow.Source.range(5))
    with pytest.raises(PlanError, match="durable= is about flows"):
        ps.read(pl.DataFrame({"a": [1]}), durable="d")
    with pytest.raises(PlanError, match=r"takes a penstock\.flow\.Source, found int"):
        FlowSource(3)


def test_an_output_is_read_as_a_flow(tmp_path):
    doubled = ps.read(pl.DataFrame({"n": list(range(1000))})).with_columns(m=ps.col("n") * 2)
    pipeline = ps.Pipeline("out", doubled.write(FlowSink(size=50), name="out"))
    job = ps.start(pipeline, state=tmp_path / "state")
    found = anyio.run(job.flow("out").map(lambda row: row["m"]).run)
    assert found == list(range(0, 2000, 2))
    assert job.wait()


def test_a_slow_reader_holds_the_pipeline_back_and_stop_ends_that(tmp_path):
    source = FlowSource(flow.Source.range(10**7), size=100)
    sink = FlowSink(size=50)
    job = ps.start(ps.Pipeline("slow", ps.read(source, schema={"n": ps.Int64}).write(sink, name="out")), state=tmp_path)
    assert anyio.run(job.flow("out").map(lambda row: row["n"]).take(500).run) == list(range(500))
    assert job.status().rows_in < 100_000
    job.stop()
    assert job.wait(60_000_000)
    assert job.status().state == "stopped"


def test_a_pipeline_that_fails_fails_the_flow(tmp_path):
    source = FlowSource(flow.Source.failed(OSError("gone")), bounded=True)
    rows = ps.read(source, schema={"n": ps.Int64})
    job = ps.start(ps.Pipeline("f", rows.write(FlowSink(), name="out")), state=tmp_path)
    with pytest.raises(JobError, match="gone"):
        anyio.run(job.flow("out").run)
    with pytest.raises(JobError, match="gone"):
        job.wait()


def test_outputs_that_are_no_flows(tmp_path):
    frame = pl.DataFrame({"n": [1]})
    job = ps.start(ps.Pipeline("p", ps.read(frame).write(MemorySink(), name="out")), state=tmp_path / "s")
    with pytest.raises(PlanError, match='"out" is written elsewhere'):
        job.flow("out")
    with pytest.raises(PlanError, match="ouz"):
        job.flow("ouz")
    assert job.wait()
