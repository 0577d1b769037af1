"""A run that goes on after a failure."""

from __future__ import annotations

import pytest

import penstock as ps
from penstock.connectors.memory import MemorySink
from penstock.core.errors import SupersededError
from penstock.engine.job import FINISHED, Job
from penstock.engine.options import JobOptions


def job(state):
    plan = ps.Pipeline("p", ps.read([{"a": 1}]).write(MemorySink()))
    return Job(plan, JobOptions(state=state, control=False))


def test_it_goes_on_from_its_own_checkpoint(tmp_path):
    run = job(tmp_path)
    for _ in range(2):
        run._reopen()
    run.run()
    assert run.status().state == FINISHED


def test_it_does_not_begin_anew_when_another_has_come_to_the_end_of_the_input(tmp_path):
    run, other = job(tmp_path), None
    run.close()  # it waits, for a server that is away
    other = job(tmp_path)
    other.run()
    with pytest.raises(SupersededError):
        run._reopen()


def test_it_does_not_go_on_from_what_another_has_stored(tmp_path):
    run = job(tmp_path)
    run.close()
    job(tmp_path).close()
    with pytest.raises(SupersededError):
        run._reopen()
