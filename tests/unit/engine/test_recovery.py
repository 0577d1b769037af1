"""How a run begins: where the last one was, at an epoch or savepoint that is named, or anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import penstock as ps
from penstock.checkpoint.ledger import Ledger
from penstock.checkpoint.store import open_store
from penstock.core.errors import SinkError, StartError, StateError
from penstock.engine.job import Job
from tests.house.sources import ROOT
from tests.unit.engine.models import (
    ModelSink,
    Table,
    crash,
    expected,
    job,
    left,
    options,
    pipeline,
    read,
    running,
    windows,
)

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def tables():
    return Table(), Table()


def manifests(folder):
    store = open_store(folder)
    try:
        ledger = Ledger(store, "modelled")
        return {number: ledger.read(number) for number in store.manifests()}
    finally:
        store.close()


def check(tables, wanted=None):
    wanted = wanted or expected()
    assert tables[0].bag() == wanted[0]
    assert left(tables[1].rows) == left(wanted[1])


def test_a_run_that_has_finished_starts_anew(tmp_path, tables):
    for times in (1, 2):
        job(pipeline(*tables), tmp_path).run()
        assert sum(tables[0].bag().values()) == times * sum(expected()[0].values())
    assert list(manifests(tmp_path).values())[-1]["kind"] == "closed"
    epochs = [token.epoch for token in tables[0].tokens]
    assert epochs == list(range(len(epochs)))


@pytest.mark.parametrize("publishes", [True, False])
def test_a_run_that_was_ended_goes_on(tmp_path, tables, publishes):
    for _ in range(3):
        crash(pipeline(*tables), tmp_path, 3, publishes=publishes)
    job(pipeline(*tables), tmp_path).run()
    check(tables)


def test_a_run_that_was_stopped_goes_on_and_knows_what_is_published(tmp_path, tables):
    job(pipeline(*tables), tmp_path, stop_after=4).run()
    newest = list(manifests(tmp_path).values())[-1]
    assert newest["kind"] == "stopped"
    assert {one["published"] for one in newest["ledger"].values()} == {newest["number"] - 1}
    job(pipeline(*tables), tmp_path).run()
    check(tables)


@pytest.mark.parametrize("shards", [(1, 4), (3, 1), (2, 5)])
def test_with_other_shards(tmp_path, tables, shards):
    crash(pipeline(*tables), tmp_path, 5, shards=shards[0])
    job(pipeline(*tables), tmp_path, shards=shards[1]).run()
    check(tables)


def test_none_starts_anew_and_publishes_what_was_sealed_before(tmp_path, tables):
    crash(pipeline(*tables), tmp_path, 5, publishes=False)
    sealed = manifests(tmp_path)
    last = sealed[max(sealed)]["outputs"]["windows"]["token"][4]
    before = len(tables[0].rows) + last
    job(pipeline(*tables), tmp_path, resume="none").run()
    assert len(tables[0].rows) == before + sum(expected()[0].values())


def test_an_epoch_or_a_savepoint_by_its_name(tmp_path, tables):
    crash(pipeline(*tables), tmp_path, 6)
    numbers = sorted(manifests(tmp_path))
    store = open_store(tmp_path)
    store.create_savepoint("here", numbers[-2])
    store.close()
    for name in (str(numbers[-2]), "here"):
        parts = Job(pipeline(*tables), options(tmp_path, resume=name))
        assert parts._parts.begun_with.manifest["number"] == numbers[-2]
        assert parts._parts.begun_with.base >= numbers[-1]
        parts.close()
    with pytest.raises(StartError, match='there is no checkpoint "gone"') as refused:
        Job(pipeline(*tables), options(tmp_path, resume="gone"))
    assert "here" in refused.value.hint


def test_a_savepoint_goes_on_after_all_else_is_gone(tmp_path, tables):
    crash(pipeline(*tables), tmp_path, 3)
    store = open_store(tmp_path)
    number = store.manifests()[-1]
    store.create_savepoint("kept", number)
    store.close()
    job(pipeline(*tables), tmp_path).run()
    other = Table(), Table()
    for path in (tmp_path / "checkpoints").glob("manifest-*"):
        path.unlink()
    # Nothing is known of outputs any more: all begin anew, the dead letters in place of the old ones.
    job(pipeline(*other), tmp_path, resume="kept").run()
    assert 0 < len(other[0].rows) < len(tables[0].rows)
    assert not other[0].bag() - expected()[0]


def test_the_end_of_a_run_is_nothing_to_go_on_from(tmp_path, tables):
    job(pipeline(*tables), tmp_path).run()
    newest = max(manifests(tmp_path))
    with pytest.raises(StartError, match=f"the epoch {newest} is the end of a run"):
        Job(pipeline(*tables), options(tmp_path, resume=str(newest)))


def test_a_start_that_is_refused_changes_nothing(tmp_path, tables):
    crash(pipeline(*tables), tmp_path, 6)
    before = sorted(manifests(tmp_path))
    tokens, tables[1].tokens = tables[1].tokens, []
    with pytest.raises(StateError, match="remembers no epoch"):
        Job(pipeline(*tables), options(tmp_path, resume=str(before[0])))
    assert sorted(manifests(tmp_path)) == before
    tables[1].tokens = tokens
    job(pipeline(*tables), tmp_path).run()
    check(tables)


def test_several_sinks_of_which_one_fails(tmp_path, tables):
    def fault(what, epochs):
        if what == "before" and any(one.token.epoch == 6 for one in epochs):
            raise SinkError("the second sink is full")

    tables[1].fault = fault
    with pytest.raises(SinkError, match="second sink is full"):
        job(pipeline(*tables), tmp_path).run()
    assert tables[1].token.epoch < 6 <= tables[0].token.epoch
    tables[1].fault = lambda what, epochs: None
    job(pipeline(*tables), tmp_path).run()
    check(tables)


def test_an_output_that_is_added_begins_here(tmp_path, tables):
    crash(pipeline(tables[0]), tmp_path, 5)
    job(pipeline(*tables), tmp_path).run()
    assert tables[0].bag() == expected()[0]
    begun = tables[1].tokens[0].epoch
    assert begun > 4
    assert [token.epoch for token in tables[1].tokens][-1] == tables[0].token.epoch


def two(*tables, which=(0, 1)):
    """Outputs that share a source of a stable name."""
    taken = read().state("taken")
    made = [windows(taken).state("w"), running(taken).state("r").changelog()]
    names = ("windows", "running")
    return ps.Pipeline("modelled", *(made[i].write(ModelSink(table=tables[i]), name=names[i]) for i in which))


def stateless(*tables, which=(0, 1)):
    taken = read().state("taken")
    made = [taken.select("n"), taken.select("v")]
    names = ("windows", "running")
    return ps.Pipeline("modelled", *(made[i].write(ModelSink(table=tables[i]), name=names[i]) for i in which))


def test_sealed_rows_of_an_output_that_is_removed_are_not_dropped_in_silence(tmp_path, tables):
    crash(stateless(*tables), tmp_path, 5, publishes=False)
    with pytest.raises(StateError, match="running dropped: epochs that may not be published: ") as refused:
        Job(stateless(*tables, which=[0]), options(tmp_path))
    assert refused.value.exit_code == 3
    job(stateless(*tables, which=[0]), tmp_path, approved=True).run()
    assert sum(tables[0].bag().values()) == 3_000
    assert sum(tables[1].bag().values()) < 3_000


def test_an_output_that_is_removed_after_a_stop_loses_nothing(tmp_path, tables):
    job(stateless(*tables), tmp_path, stop_after=4).run()
    job(stateless(*tables, which=[0]), tmp_path).run()
    assert sum(tables[0].bag().values()) == 3_000


def test_the_order_of_outputs_does_not_matter(tmp_path, tables):
    crash(two(*tables), tmp_path, 5)
    job(two(*tables, which=(1, 0)), tmp_path).run()
    check(tables)


def test_state_of_an_output_that_is_removed_needs_approval(tmp_path, tables):
    job(two(*tables), tmp_path, stop_after=4).run()
    with pytest.raises(StateError, match=r"lost: r dropped: nothing in the plan takes it\n"):
        Job(two(*tables, which=[0]), options(tmp_path))
    job(two(*tables, which=[0]), tmp_path, approved=True).run()
    assert tables[0].bag() == expected()[0]


def test_a_source_that_is_removed_needs_approval(tmp_path, tables):
    def union(*reads):
        first, *others = reads
        rows = first.select("n").union(*(one.select("n") for one in others)) if others else first.select("n")
        return ps.Pipeline("modelled", rows.write(ModelSink(table=tables[0]), name="windows"))

    named = [ps.read(read_of(i), name=f"s{i}").state(f"s{i}") for i in range(2)]
    job(union(*named), tmp_path, stop_after=3).run()
    with pytest.raises(StateError, match="s1 dropped: how far it was read is forgotten"):
        Job(union(named[0]), options(tmp_path))
    job(union(named[0]), tmp_path, approved=True).run()


def read_of(i):
    from tests.unit.engine.models import source

    return source(1_000 + i)


def test_damage_that_is_passed_over_is_noted(tmp_path, tables):
    crash(pipeline(*tables), tmp_path, 6, publishes=False)
    newest = sorted((tmp_path / "checkpoints").glob("manifest-*"))[-1]
    newest.write_bytes(newest.read_bytes()[:-9])
    found = job(pipeline(*tables), tmp_path)
    assert any("an older checkpoint is used" in note and "cut short" in note for note in found.notes)
    found.run()
    check(tables)


def test_damage_below_a_takeover_is_not_passed_over_once_its_rows_are_published(tmp_path, tables):
    """The last epoch of the output is the empty one of a takeover: rows are in the ones before."""
    crash(pipeline(*tables), tmp_path, 6)
    before = list(tables[0].rows)
    segments = sorted((tmp_path / "checkpoints" / "segments").iterdir())
    taken_over = Job(pipeline(*tables), options(tmp_path))  # from the newest: it publishes an empty epoch
    taken_over.close()
    segments[-1].write_bytes(b"")
    with pytest.raises(StateError, match=r"has the epoch \d+, whose checkpoint is damaged"):
        Job(pipeline(*tables), options(tmp_path))
    assert tables[0].rows == before


def test_when_all_is_damaged_nothing_is_begun_over_it(tmp_path, tables):
    crash(pipeline(*tables), tmp_path, 6)
    for path in (tmp_path / "checkpoints" / "segments").iterdir():
        path.write_bytes(b"")
    with pytest.raises(StateError, match=r"no checkpoint in .* is whole: .*cut short"):
        Job(pipeline(*tables), options(tmp_path))
    for path in (tmp_path / "checkpoints").glob("manifest-*"):
        path.write_bytes(b"")
    with pytest.raises(StateError, match=r"no checkpoint in .* is whole: the manifest"):
        Job(pipeline(*tables), options(tmp_path))


def test_the_state_of_another_pipeline_is_refused(tmp_path, tables):
    crash(pipeline(*tables), tmp_path, 3)
    other = ps.Pipeline("other", windows(read()).write(ModelSink(table=Table()), name="windows"))
    with pytest.raises(StateError, match='is of the pipeline "modelled", not of "other"'):
        Job(other, options(tmp_path))


SECOND = """
import penstock as ps
from penstock.connectors.blackhole import BlackholeSink
from penstock.connectors.generate import GenerateSource
pipeline = ps.Pipeline("p", ps.read(GenerateSource({"n": "sequence"}, rows=10)).write(BlackholeSink()))
"""


def test_a_second_process_is_refused_by_the_lock(tmp_path, tables):
    first = Job(pipeline(*tables), options(tmp_path / "state"))
    try:
        (tmp_path / "p.py").write_text(SECOND)
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"}
        command = [sys.executable, "-m", "penstock", "run", "p.py", "--state", "state"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 3, done.stderr
        assert f"is in use by process {os.getpid()} since " in done.stderr
        assert "Traceback" not in done.stderr
        with pytest.raises(StateError, match="is in use by this process since"):
            Job(pipeline(*tables), options(tmp_path / "state"))
    finally:
        first.close()


def test_manifests_are_plain_json(tmp_path, tables):
    job(pipeline(*tables), tmp_path, stop_after=2).run()
    for path in Path(tmp_path / "checkpoints").glob("manifest-*"):
        assert json.loads(path.read_text().splitlines()[0])["pipeline"] == "modelled"
