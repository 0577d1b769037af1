"""Epochs while a run goes on: what waits is bounded, what appears and disappears is noticed."""

from __future__ import annotations

import threading

import pytest

import penstock as ps
from penstock.core.errors import SinkError, StartError, StateError
from penstock.engine import epochs
from penstock.engine.job import Job
from tests.unit.engine.models import ModelSink, Table, crash, expected, job, left, options, pipeline, wait_for

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def tables():
    return Table(), Table()


def test_an_output_that_lags_holds_sources_back(tmp_path, tables, monkeypatch):
    monkeypatch.setattr(epochs, "MOST_WAITING", 5)
    gate = threading.Event()
    tables[1].fault = lambda what, epochs_: gate.wait(30) if what == "before" and epochs_[0].token.epoch > 2 else None
    run = job(pipeline(*tables), tmp_path).start()
    parts = run._parts
    lagging = parts.epochs.publishers[1]
    try:
        wait_for(lambda: parts.epochs.full)
        wait_for(lambda: parts.epochs.publishers[0].waiting == 0)
        steps, waiting = parts.engine.steps, lagging.waiting
        wait_for(lambda: parts.loop._held())
        assert parts.engine.steps <= steps + 2
        assert lagging.waiting <= waiting + 2
        assert lagging.waiting_bytes > 0
        assert not run.wait(50_000)
    finally:
        gate.set()
    assert run.wait(60_000_000)
    assert tables[0].bag() == expected()[0]
    assert left(tables[1].rows) == left(expected()[1])


def test_an_output_that_lags_is_caught_up_with_by_the_next_run(tmp_path, tables):
    dead = threading.Event()

    def fault(what, epochs_):
        if what == "before" and epochs_ and epochs_[0].token.epoch > 2 and not dead.is_set():
            dead.wait(30)
            raise OSError(5, "gone")

    tables[1].fault = fault
    made = pipeline(*tables)
    run = Job(made, options(tmp_path))
    seal = run._parts.loop.seal

    def sealed():
        seal()
        run._parts.epochs.wait()
        if run._parts.loop.sealed == 12:
            wait_for(lambda: run._parts.epochs.publishers[0].waiting == 0)
            dead.set()
            wait_for(lambda: run._parts.epochs.publishers[1].failure is not None)

    run._parts.loop.seal = sealed
    with pytest.raises(SinkError, match="gone"):
        run.run()
    assert tables[0].token.epoch >= tables[1].token.epoch + 8
    job(pipeline(*tables), tmp_path).run()
    assert tables[0].bag() == expected()[0]
    assert left(tables[1].rows) == left(expected()[1])


# -- splits that come and go


def test_splits_that_appear_are_read_from_there_on(tmp_path, monkeypatch):
    from penstock.connectors.base import Split
    from penstock.connectors.generate import GenerateSource

    table, count = Table(), [1]
    monkeypatch.setattr(GenerateSource, "rediscovers", True, raising=False)
    monkeypatch.setattr(GenerateSource, "splits", lambda self: [Split(f"{i:04d}") for i in range(count[0])])
    names = [split.name for split in GenerateSource({"n": "sequence"}, split_count=1, rows=1).splits()]
    assert names == ["0000"]
    source = GenerateSource({"n": "sequence"}, rate=5_000.0, split_count=3)
    made = ps.Pipeline("modelled", ps.read(source).write(ModelSink(table=table), name="rows"))
    run = Job(made, options(tmp_path, look_every=20_000, epoch=20_000)).start()
    try:
        wait_for(lambda: table.rows)
        before = run.status().restarts
        count[0] = 3
        wait_for(lambda: run.status().restarts > before)
        assert "a source has new splits: they are read from here on" in run.notes
        size = len(table.rows)
        wait_for(lambda: len(table.rows) > size + 500)
    finally:
        run.stop()
        assert run.wait(30_000_000)
    assert max(table.bag().values()) == 1
    assert [token.epoch for token in table.tokens] == list(range(len(table.tokens)))
    count[0] = 2
    with pytest.raises(StartError, match='its split "0002" is not there any more'):
        Job(made, options(tmp_path))


def test_state_that_would_be_lost_is_refused_with_3(tmp_path, tables):
    crash(pipeline(*tables), tmp_path, 3)
    with pytest.raises(StateError) as refused:
        Job(pipeline(tables[0]), options(tmp_path))
    assert refused.value.exit_code == 3
    assert "running/group-1 dropped" in refused.value.message
