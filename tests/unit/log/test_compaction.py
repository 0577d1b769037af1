"""Compaction keeps the last row of each key, where it was."""

from __future__ import annotations

import errno
import os

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import failpoint
from penstock.core.errors import SinkError, SinkLost
from penstock.log import Log, Record
from penstock.testing import ManualClock
from tests.unit.log.logs import everything, values
from tests.unit.log.test_recovery import run


def filled(path, **options):
    log = Log(path, partitions=2, segment_bytes=4096, clock=options.pop("clock", None) or ManualClock(), **options)
    for number in range(200):
        log.append(b"%03d" % number * 20, key=b"%d" % (number % 5))
    return log


def last_of(log):
    found = {}
    for partition in range(log.partitions):
        with_keys = log.cursor(partition)
        while (batch := with_keys.poll(100)) is not None:
            found |= dict(zip(batch.frame["key"].to_list(), batch.frame["value"].to_list(), strict=True))
        with_keys.close()
    return {key: value for key, value in found.items() if value is not None}


def test_the_last_of_each_key_stays_at_its_offset(tmp_path):
    with filled(tmp_path / "x") as log:
        before, wanted = everything(log), last_of(log)
        size = sum(path.stat().st_size for path in (tmp_path / "x").glob("*.segment"))
        done = log.compact()
        after = everything(log)
        assert done.rows == sum(map(len, before)) - sum(map(len, after)) > 150
        assert done.segments > 1
        assert sum(path.stat().st_size for path in (tmp_path / "x").glob("*.segment")) < size
        assert all(set(new) <= set(old) for new, old in zip(after, before, strict=True))
        assert last_of(log) == wanted
        assert log.compact() == (0, 0)
        assert log.ends() == [len(part) for part in before]
        log.append(b"x", key=b"1")
    with Log(tmp_path / "x") as log:
        assert last_of(log) == {**wanted, b"1": b"x"}


def test_reading_goes_on_within_gaps(tmp_path):
    with filled(tmp_path / "x") as log:
        log.compact()
        whole = everything(log)
        for partition, part in enumerate(whole):
            for offset in range(0, log.ends()[partition], 7):
                assert everything(log, 3, partition, offset) == [[one for one in part if one[0] >= offset]]


def test_a_reader_in_the_middle_reads_on(tmp_path):
    with filled(tmp_path / "x") as log:
        cursor = log.cursor(0)
        found = [cursor.poll(3).next]
        log.compact()
        while (batch := cursor.poll(3)) is not None:
            found.append(batch.next)
        cursor.close()
        assert found == sorted(found)
        assert found[-1] == log.ends()[0]


def test_tombstones_go_when_they_are_old(tmp_path):
    clock = ManualClock()
    with Log(tmp_path / "x", partitions=1, segment_bytes=4096, clock=clock) as log:
        log.append_many([Record(b"a", b"1"), Record(b"b", b"2"), Record(None, b"1"), Record(b"n"), Record(b"m")])
        log.append(os.urandom(5000))
        log.append(b"y")
        log.compact(tombstones="1 h")
        assert everything(log)[0][:4] == [(1, b"b"), (2, None), (3, b"n"), (4, b"m")]
        clock.advance("2 h")
        log.compact(tombstones="1 h")
        assert everything(log)[0][:3] == [(1, b"b"), (3, b"n"), (4, b"m")]


def test_rows_are_compacted_by_the_key_they_were_written_with(tmp_path):
    with Log(tmp_path / "x", partitions=2, segment_bytes=4096) as log:
        for number in range(40):
            log.append_frame(
                pl.DataFrame({"k": [number % 3, None], "n": [number, -number], "s": ["x" * 300] * 2}), key=["k"]
            )
        log.compact()
        frames = []
        for partition in range(2):
            with_rows = log.cursor(partition)
            while (batch := with_rows.poll(100)) is not None:
                frames.append(batch.frame)
            with_rows.close()
        rows = pl.concat(frames)
        assert rows.filter(pl.col("k").is_null()).height == 40
        assert dict(rows.filter(pl.col("k").is_not_null()).select("k", "n").rows()) == {0: 39, 1: 37, 2: 38}
    with Log(tmp_path / "y", partitions=1) as log:
        log.append_frame(pl.DataFrame({"k": [1]}))
        with pytest.raises(SinkError, match="no key to compact"):
            log.compact()


def test_ids_within_the_span_are_left(tmp_path):
    clock = ManualClock()
    with filled(tmp_path / "x", clock=clock, deduplicate="1 h") as log:
        assert log.compact() == (0, 0)
        clock.advance("2 h")
        assert log.compact().rows > 0


@pytest.mark.parametrize("step", ["files.sync", "log.before_replace", "files.rename", "files.renamed", "log.replaced"])
def test_a_step_that_fails_changes_nothing_that_is_read(tmp_path, monkeypatch, step):
    def fail():
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with filled(tmp_path / "x") as log:
        wanted = last_of(log)
        monkeypatch.setitem(failpoint.ACTIONS, step, fail)
        with pytest.raises(SinkLost):
            log.compact()
        assert last_of(log) == wanted
        monkeypatch.delitem(failpoint.ACTIONS, step)
        log.compact()
        assert last_of(log) == wanted
        assert list((tmp_path / "x").glob("*.staged")) == []


COMPACTS = """
import sys
from penstock.log import Log
with Log(sys.argv[1]) as log:
    from penstock.core import failpoint
    failpoint.ACTIONS.update(failpoint.from_environment(sys.argv[2]))
    log.compact()
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", ["log.before_replace", "files.renamed", "log.replaced"])
def test_a_killed_compaction_loses_nothing(tmp_path, step):
    with filled(tmp_path / "x") as log:
        wanted = last_of(log)
        ran = run(COMPACTS, tmp_path / "x", f"{step}=kill")
        assert ran.returncode == -9, ran.stderr
        assert last_of(log) == wanted
        log.compact()
        assert last_of(log) == wanted
        assert list((tmp_path / "x").glob("*.staged")) == []
        assert len(values(log)) < 60


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", None]), st.none() | st.binary(max_size=600)), min_size=1),
        max_size=12,
    ),
    st.sets(st.integers(0, 11)),
)
def test_any_log_has_the_same_last_values(tmp_path_factory, calls, compact_after):
    with Log(tmp_path_factory.mktemp("log") / "x", partitions=2, segment_bytes=4096) as log:
        latest: dict[bytes, bytes | None] = {}
        unkeyed = []
        for number, call in enumerate(calls):
            log.append_many([Record(value, key) for key, value in call])
            latest |= {key: value for key, value in call if key is not None}
            unkeyed += [value for key, value in call if key is None and value is not None]
            if number in compact_after:
                log.compact(tombstones="0 s")
        found = last_of(log)
        assert {key: value for key, value in found.items() if key is not None} == {
            key: value for key, value in latest.items() if value is not None
        }
        left = [value for value in values(log) if value is not None]
        assert all(left.count(value) >= unkeyed.count(value) for value in unkeyed)
