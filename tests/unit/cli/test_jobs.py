"""What is said of pipelines that have run: each command, of runs that ended, failed to begin, or were damaged."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.command import DELAYS

ASK = ("status", "stop", "top", "savepoint", "checkpoints", "late", "why", "errors", "state", "replay")

ENDLESS = """
import penstock as ps
from penstock.connectors.files import FileSink
from penstock.connectors.generate import GenerateSource

rows = ps.read(GenerateSource({"n": "sequence", "k": {"kind": "int", "least": 1, "most": 9}}, rows=5_000), name="rows")
counts = rows.group_by("k").agg(KEPT)
pipeline = ps.Pipeline("counts", counts.changelog().write(FileSink("out/counts", format="json"), name="counts"))
"""


@pytest.fixture
def interrupted(penstock):
    """A pipeline that was stopped after a savepoint: its folder of checkpoints."""
    from penstock.cli.load import load
    from penstock.cli.opened import settings_of
    from penstock.engine.job import Job
    from penstock.engine.options import JobOptions

    penstock.write("counts.py", ENDLESS.replace("KEPT", "n=ps.count()"))
    state = penstock.folder / ".penstock" / "counts"
    job = Job(load("counts.py", settings_of([], None)).pipeline, JobOptions(state=state, control=False))
    for _ in range(2):
        job._parts.loop.once()
    job._parts.epochs.savepoint("before")
    job._parts.loop.once()
    job.stop()
    job.run()
    assert job.status().state == "stopped"
    return state / "checkpoints"


@pytest.mark.parametrize("command", ASK)
def test_a_job_that_is_not_there(penstock, command):
    assert penstock(command, "nope").refused(2).startswith('there is no job "nope"')


@pytest.mark.parametrize("command", ["stop", "top", "savepoint"])
def test_what_only_running_pipelines_do(penstock, interrupted, command):
    assert "no pipeline runs with the state directory" in penstock(command, "counts").refused(1)


def test_no_job_at_all(penstock):
    assert "no pipeline has run here" in penstock("jobs").err
    assert json.loads(penstock("jobs", "--json").out) == []


def test_a_run_that_has_finished_says_when(penstock):
    penstock.flights()
    penstock(*("run", penstock.write("delays.py", DELAYS), "-q"))
    [found] = json.loads(penstock("jobs", "--json").out)
    assert (found["job"], found["state"], found["pid"]) == ("delays", "finished", None)
    assert found["at"].startswith("20")
    assert penstock("status", "delays").out.endswith("; the next run starts anew\n")
    assert "None" not in penstock("status", "delays").out + penstock("jobs").out
    assert all(one["at"].startswith("20") for one in json.loads(penstock("checkpoints", "delays", "--json").out))


def test_a_run_that_could_not_begin_has_stored_nothing(penstock):
    penstock.flights()
    penstock.write("delays.py", DELAYS)
    penstock.write("out/delays/other.json", "{}\n")
    assert "output of two runs must not be mixed" in penstock("run", "delays.py").refused(2)
    assert penstock("status", "delays").out == "delays: empty, nothing is stored\n"
    assert json.loads(penstock("status", "delays", "--json").out)["job"] == "delays"


def test_a_damaged_job_does_not_hide_others(penstock, interrupted):
    penstock.flights()
    penstock("run", penstock.write("delays.py", DELAYS), "-q")
    newest = sorted(interrupted.glob("manifest-*.json"))[-1]
    newest.write_bytes(newest.read_bytes()[:-9])
    found = {one["job"]: one["state"] for one in json.loads(penstock("jobs", "--json").out)}
    assert found == {"counts": "damaged", "delays": "finished"}
    assert "cannot be read; penstock checkpoints shows what can" in penstock("status", "counts").out
    assert "damaged" in penstock("checkpoints", "counts").out


def test_a_run_says_where_it_goes_on_and_counts_its_own_rate(penstock, interrupted):
    ended = penstock("run", "counts.py")
    assert ended.code == 0, ended.err
    assert "  going on from epoch " in ended.err
    assert "in      5,000 rows, " in ended.err
    assert " of them in this run, " in ended.err


def test_going_back_says_that_rows_come_again(penstock, interrupted):
    ended = penstock("run", "counts.py", "--resume", "before")
    assert ended.code == 0, ended.err
    assert "stays, and comes again" in ended.err


def test_a_changed_program(penstock, interrupted):
    penstock.write("more.py", ENDLESS.replace("KEPT", 'n=ps.count(), many=ps.col("n").n_unique()'))
    more = penstock("migrate", "more.py")
    assert more.code == 0, more.err
    assert 'migrated  "many" is added, and counts rows from here on' in more.out
    other = ENDLESS.replace("KEPT", "c=ps.count()").replace('"k")', '"n")')
    penstock.write("other.py", other)
    assert "--approve" in penstock("migrate", "other.py").refused(3)
    assert "stored state would be lost" in penstock("run", "other.py").refused(3)
    ended = penstock("run", "more.py")
    assert "state counts/group-1 migrated" in ended.err


def test_nothing_to_migrate(penstock):
    penstock.flights()
    penstock.write("delays.py", DELAYS)
    assert "nothing is stored" in penstock("migrate", "delays.py").refused(2)
    assert not (penstock.folder / ".penstock").exists()
    penstock("run", "delays.py", "-q")
    ended = penstock("migrate", "delays.py", "--approve")
    assert (ended.code, ended.out) == (0, "")
    assert "the next one starts anew" in ended.err
    assert penstock("migrate", "delays.py", "--json").out == "[]\n"


def test_tables_of_refused_rows_that_are_empty(penstock, interrupted):
    for port in ("late", "errors"):
        ended = penstock(port, "counts")
        assert (ended.code, ended.out) == (0, "")
        assert f"0 rows in the table {port}" in ended.err


def test_a_savepoint_that_is_not_there(penstock, interrupted):
    assert penstock("savepoint", "counts", "x", "--remove").refused(2).endswith("hint: there are: before\n")
    assert penstock("savepoint", "counts", "before", "--remove").code == 0
    assert penstock("savepoint", "counts", "before", "--remove").refused(2).endswith("hint: there are: none\n")


def test_a_bucket_that_is_not_there_is_refused(penstock):
    penstock.flights()
    penstock.write("delays.py", DELAYS)
    assert "cannot keep checkpoints" in penstock("run", "delays.py", "--state", "s3://bucket/x").refused(2)
    assert not (penstock.folder / "s3:").exists()


def test_a_refusal_of_a_running_pipeline_has_its_exit_code(capsys):
    from penstock.cli.failure import Guard
    from penstock.control.protocol import Refused

    assert Guard().report(Refused("there is another", None, 3)) == 3


def test_a_new_output_of_a_resumed_pipeline_refuses_what_it_must_not_mix(penstock, interrupted):
    place = penstock.folder / "other"
    place.mkdir()
    foreign = place / "part-00000000-000000000000.json"
    foreign.write_text('{"k": 1}\n')
    more = ENDLESS.replace("KEPT", "n=ps.count()").rstrip().removesuffix(")")
    penstock.write("more.py", f'{more}, rows.write(FileSink("other", format="json"), name="other"))\n')
    assert "must not be mixed" in penstock("run", "more.py").refused(2)
    foreign.unlink()
    ended = penstock("run", "more.py")
    assert ended.code == 0, ended.err
    assert "other" in ended.err
