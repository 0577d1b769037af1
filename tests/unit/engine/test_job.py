"""Restarts: what passes by itself is waited for, all else ends the run at once."""

from __future__ import annotations

import pytest

import penstock as ps
from penstock.checkpoint.store import open_store
from penstock.core.clock import SystemClock
from penstock.core.errors import JobError, SinkError, SinkLost, SourceLost, StartError, StateError
from penstock.engine.assembly import Assembly
from penstock.engine.job import Job
from penstock.engine.options import RestartPolicy
from tests.unit.engine.models import Table, expected, left, options, pipeline

pytestmark = pytest.mark.timeout(120)


class Waits(SystemClock):
    """Waits for none of the long pauses, and takes note of them."""

    def __init__(self):
        super().__init__()
        self.pauses = []

    def wait(self, signal, timeout):
        if timeout is not None and timeout >= 7_000_000:
            self.pauses.append(timeout)
            timeout = 1_000
        return super().wait(signal, timeout)


POLICY = RestartPolicy(attempts=3, pause=7_000_000, longest=20_000_000)


def failing(table, *, at, failure, turns):
    """Let a sink fail when it has prepared so many epochs, some times."""
    left_, prepared = [turns], [0]

    def fault(what, epochs):
        if what == "prepare":
            prepared[0] += 1
            if prepared[0] > at and left_[0]:
                left_[0] -= 1
                raise failure

    table.fault = fault


def job(folder, *tables, **more):
    found = Job(pipeline(*tables), options(folder, restarts=POLICY, **more), Waits())
    return found, found._clock


@pytest.mark.parametrize("failure", [SinkLost("away"), SourceLost("away")])
def test_what_passes_is_waited_for_longer_each_time(tmp_path, failure):
    tables = Table(), Table()
    failing(tables[0], at=0, failure=failure, turns=3)
    run, clock = job(tmp_path, *tables)
    run.run()
    assert clock.pauses == [7_000_000, 14_000_000, 20_000_000]
    assert run.status().restarts == 3
    failures = [note for note in run.notes if not note.startswith("going on from epoch")]
    assert failures == ["away; going on from the last checkpoint"] * 3
    wanted = expected()
    assert tables[0].bag() == wanted[0]
    assert left(tables[1].rows) == left(wanted[1])


def test_attempts_end(tmp_path):
    table = Table()
    failing(table, at=0, failure=SinkLost("away"), turns=4)
    run, clock = job(tmp_path, table)
    with pytest.raises(SinkLost):
        run.run()
    assert len(clock.pauses) == 3
    assert run.status().state == "failed"


def test_an_epoch_that_was_stored_begins_a_new_row(tmp_path):
    table = Table()
    count = [0]

    def fault(what, epochs):
        if what == "prepare":
            count[0] += 1
            if count[0] % 2 == 0 and count[0] <= 20:
                raise SinkLost("away")

    table.fault = fault
    run, clock = job(tmp_path, table)
    run.run()
    # How many there are depends on how many epochs fit between two others.
    assert len(clock.pauses) >= 2
    assert set(clock.pauses) == {7_000_000}
    assert table.bag() == expected(outputs=1)[0]


@pytest.mark.parametrize("failure", [StartError("not there"), SinkLost("away")])
@pytest.mark.parametrize(("times", "ends"), [(2, True), (3, False)])
def test_what_cannot_be_opened_again_counts_on(tmp_path, monkeypatch, failure, times, ends):
    table = Table()
    failing(table, at=1, failure=SinkLost("away"), turns=1)
    run, clock = job(tmp_path, table)
    opened, left_ = Assembly.open, [times]

    def fails(*given, **more):
        if left_[0]:
            left_[0] -= 1
            raise failure
        return opened(*given, **more)

    monkeypatch.setattr(Assembly, "open", fails)
    if ends:
        run.run()
        assert table.bag() == expected(outputs=1)[0]
    else:
        with pytest.raises(type(failure)):
            run.run()
    assert clock.pauses == [7_000_000, 14_000_000, 20_000_000]


@pytest.mark.parametrize(
    "failure",
    [SinkError("refused"), StateError("damaged"), StartError("not there"), JobError("?"), ValueError("a bug")],
)
def test_all_else_ends_the_run_at_once(tmp_path, failure):
    table = Table()
    failing(table, at=0, failure=failure, turns=1)
    run, clock = job(tmp_path, table)
    with pytest.raises(ps.PenstockError) as ended:
        run.run()
    assert not clock.pauses
    assert str(failure) in str(ended.value)
    Job(pipeline(table), options(tmp_path)).run()
    assert table.bag() == expected(outputs=1)[0]


def test_a_stop_while_it_waits_ends_it_with_the_failure(tmp_path):
    table = Table()
    failing(table, at=1, failure=SinkLost("away"), turns=1)
    run, clock = job(tmp_path, table)
    waits = clock.wait

    def stopping(signal, timeout):
        if timeout is not None and timeout >= 7_000_000:
            run.stop()
        return waits(signal, timeout)

    clock.wait = stopping
    with pytest.raises(SinkLost):
        run.run()
    assert run.status().restarts == 0
    Job(pipeline(table), options(tmp_path)).run()
    assert table.bag() == expected(outputs=1)[0]


def test_while_it_waits_it_holds_no_lock(tmp_path):
    table, seen = Table(), []
    failing(table, at=1, failure=SinkLost("away"), turns=1)
    run, clock = job(tmp_path, table)
    waits = clock.wait

    def looking(signal, timeout):
        if timeout is not None and timeout >= 7_000_000:
            other = open_store(tmp_path)
            other.lock()
            seen.append(other)
            other.close()
        return waits(signal, timeout)

    clock.wait = looking
    run.run()
    assert len(seen) == 1
