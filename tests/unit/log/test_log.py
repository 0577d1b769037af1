"""The log as users see it: what was acknowledged is there, once, in order, for every process."""

from __future__ import annotations

import datetime as dt
import errno
import os
import subprocess
import sys
import threading

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock.log
from penstock.core import failpoint
from penstock.core.clock import Signal, SystemClock
from penstock.core.errors import PlanError, SinkError, SourceError, StartError, StateError
from penstock.log import Appended, Log, Record, delete
from penstock.log.partitioning import partition_of_key
from penstock.log.settings import resolve
from penstock.testing import ManualClock
from tests.unit.log.logs import everything, values


def test_what_was_appended_is_read_in_order(tmp_path):
    with Log(tmp_path / "x", partitions=1) as log:
        assert log.append(b"a", key=b"k", timestamp=7) == Appended(0, 0)
        assert log.append_many([Record(b"b"), Record(None, b"k")]) == [Appended(0, 1), Appended(0, 2)]
        batch = log.read(0)
        assert batch.frame["value"].to_list() == [b"a"]
        assert batch.frame["key"].to_list() == [b"k"]
        assert batch.frame["timestamp"].to_list() == [dt.datetime(1970, 1, 1, 0, 0, 0, 7, dt.UTC)]
        assert (batch.offsets, batch.next) == (((0, 1),), 1)
        assert everything(log) == [[(0, b"a"), (1, b"b"), (2, None)]]
        assert log.read(0, 3) is None
        assert (log.starts(), log.ends()) == ([0], [3])


def test_a_log_that_is_opened_again_goes_on(tmp_path):
    for number in range(4):
        with Log(tmp_path / "x", partitions=2) as log:
            log.append(b"%d" % number, partition=number % 2)
    with Log(tmp_path / "x") as log:
        assert everything(log) == [[(0, b"0"), (1, b"2")], [(0, b"1"), (1, b"3")]]


def test_a_log_that_is_not_there_is_not_made_by_accident(tmp_path):
    with pytest.raises(StartError, match="there is no log"):
        Log(tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"partitions": 0}, "1 to 1024"),
        ({"partitions": 2000}, "1 to 1024"),
        ({"partitions": 1, "segment_bytes": 1}, "4 KiB"),
        ({"partitions": 1, "record_bytes": 0}, "1 GiB"),
        ({"partitions": 1, "deduplicate": "1 h", "retain": "1 s"}, "shorter than deduplicate"),
    ],
)
def test_settings_have_limits(tmp_path, options, words):
    with pytest.raises(StartError, match=words):
        Log(tmp_path / "x", **options)


def test_the_number_of_partitions_does_not_change(tmp_path):
    Log(tmp_path / "x", partitions=2).close()
    Log(tmp_path / "x", partitions=2).close()
    with pytest.raises(StartError, match=r"has 2 partition\(s\), not 3"):
        Log(tmp_path / "x", partitions=3)


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(StartError, match=r"holds mine\.txt and is no log"):
        Log(tmp_path, partitions=1)
    with pytest.raises(StartError, match="is a file"):
        Log(tmp_path / "mine.txt", partitions=1)


def test_a_plain_name_is_a_log_of_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Log("orders", partitions=1) as log:
        assert str(log.path) == ".penstock/logs/orders"
    assert (tmp_path / ".penstock/logs/orders/log.json").exists()
    assert str(resolve("a/b")) == "a/b"
    assert str(resolve("..")) == ".."


def test_only_the_owner_may_enter(tmp_path):
    Log(tmp_path / "x", partitions=1).close()
    assert (tmp_path / "x").stat().st_mode & 0o077 == 0


def test_settings_that_were_changed_by_hand_are_found(tmp_path):
    Log(tmp_path / "x", partitions=2).close()
    path = tmp_path / "x" / "log.json"
    path.write_text(path.read_text().replace('"partitions": 2', '"partitions": 3'))
    with pytest.raises(StateError, match="does not match its digest"):
        Log(tmp_path / "x")
    path.write_text("{")
    with pytest.raises(StateError, match="not JSON"):
        Log(tmp_path / "x")


# -- partitions ----------------------------------------------------------------


def test_a_key_has_one_partition_for_ever():
    # These are on disk: another result would tear keys apart.
    assert [partition_of_key(key, 16) for key in (b"", b"a", b"user-42", b"\xff" * 100)] == [11, 3, 8, 2]


def test_records_without_a_key_go_in_turn(tmp_path):
    with Log(tmp_path / "x", partitions=3) as log:
        assert sorted(log.append(b"x").partition for _ in range(6)) == [0, 0, 1, 1, 2, 2]
        assert {one.partition for one in log.append_many([Record(b"x")] * 5)} == {1}
        with pytest.raises(SinkError, match="partitions 0 to 2, not 3"):
            log.append(b"x", partition=3)
        with pytest.raises(StartError, match="partitions 0 to 2, not 3"):
            log.cursor(3)


# -- limits --------------------------------------------------------------------


def test_records_have_a_limit(tmp_path):
    with Log(tmp_path / "x", partitions=1, record_bytes=10) as log:
        log.append(b"12345", key=b"12345")
        with pytest.raises(SinkError, match="a record of 11 bytes"):
            log.append_many([Record(b"1"), Record(b"123456", b"12345")])
        assert log.ends() == [1]


def test_records_and_rows_are_not_mixed(tmp_path):
    with Log(tmp_path / "x", partitions=1) as log:
        log.append(b"x")
        with pytest.raises(SinkError, match="holds records: rows cannot"):
            log.append_frame(pl.DataFrame({"a": [1]}))
    with Log(tmp_path / "y", partitions=1) as log:
        log.append_frame(pl.DataFrame({"a": [1]}))
        with pytest.raises(SinkError, match="holds rows: records cannot"):
            log.append(b"x")
        with pytest.raises(SinkError, match=r"holds rows of \(a: Int64\), not of \(a: String\)"):
            log.append_frame(pl.DataFrame({"a": ["x"]}))
        assert log.ends() == [1]


# -- rows ----------------------------------------------------------------------


def test_rows_are_cut_by_key_and_come_back(tmp_path):
    frame = pl.DataFrame({"k": [f"key {n % 50}" for n in range(5000)], "n": range(5000)})
    with Log(tmp_path / "x", partitions=4, segment_bytes=4096) as log:
        for part in frame.iter_slices(700):
            log.append_frame(part, key=["k"])
        parts = []
        for number in range(4):
            cursor = log.cursor(number)
            frames = []
            while (batch := cursor.poll(333)) is not None:
                frames.append(batch.frame)
            cursor.close()
            parts.append(pl.concat(frames))
        assert sorted(pl.concat(parts)["n"]) == list(range(5000))
        assert sum(part["k"].n_unique() for part in parts) == 50
        assert all(part.filter(pl.col("k") == key)["n"].is_sorted() for part in parts for key in part["k"].unique())
        only = log.cursor(0, columns=["n"])
        assert only.poll(10).frame.columns == ["n"]
        only.close()


# -- ids -----------------------------------------------------------------------


def test_an_id_is_taken_once_within_the_span(tmp_path):
    clock = ManualClock()
    with Log(tmp_path / "x", partitions=2, deduplicate="1 min", clock=clock) as log:
        first = log.append(b"a", id=b"1")
        assert log.append(b"b", id=b"1") == first._replace(duplicate=True)
        pair = log.append_many([Record(b"c", id=b"2"), Record(b"d", id=b"2")])
        assert [one.duplicate for one in pair] == [False, True]
        clock.advance("61 s")
        assert not log.append(b"e", id=b"1").duplicate


def test_ids_are_known_after_a_restart_and_to_other_processes(tmp_path):
    with Log(tmp_path / "x", partitions=1, deduplicate="1 h", segment_bytes=4096) as log:
        for number in range(100):
            log.append_many([Record(b"x" * 50, id=b"%d" % number)])
        with Log(tmp_path / "x") as other:
            assert all(other.append(b"y", id=b"%d" % number) == Appended(0, number, True) for number in range(100))
            other.append(b"z", id=b"new")
        assert log.append(b"z", id=b"new").duplicate
        assert log.ends() == [101]


def test_ids_need_a_span(tmp_path):
    with Log(tmp_path / "x", partitions=1) as log, pytest.raises(SinkError, match="does not look at ids"):
        log.append(b"x", id=b"1")
    with Log(tmp_path / "y", partitions=1, deduplicate="1 h") as log, pytest.raises(SinkError, match="256 bytes"):
        log.append(b"x", id=b"1" * 257)


# -- threads and processes -----------------------------------------------------


def test_threads_share_a_log(tmp_path):
    with Log(tmp_path / "x", partitions=2, segment_bytes=4096) as log:
        found: list[Appended] = []

        def go(name):
            found.extend(log.append(b"%d-%d" % (name, number)) for number in range(25))

        threads = [threading.Thread(target=go, args=(name,)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(set(found)) == 150
        assert sorted(values(log)) == sorted(b"%d-%d" % (a, b) for a in range(6) for b in range(25))


def test_two_openings_take_turns(tmp_path):
    with Log(tmp_path / "x", partitions=1, segment_bytes=4096) as one, Log(tmp_path / "x") as other:
        for number in range(60):
            (one, other)[number % 2].append(b"%d" % number * 20)
        assert values(one) == values(other) == [b"%d" % number * 20 for number in range(60)]


APPENDS = """
import sys
from penstock.log import Log
with Log(sys.argv[1]) as log:
    for number in range(int(sys.argv[2])):
        log.append(b"%d" % number, partition=number % 2)
"""


def child(code, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow
def test_one_process_appends_and_another_reads(tmp_path):
    Log(tmp_path / "x", partitions=2, segment_bytes=4096).close()
    clock = SystemClock()
    with Log(tmp_path / "x") as log:
        cursors = [log.cursor(0), log.cursor(1)]
        writer = child(APPENDS, tmp_path / "x", 200)
        found: list[list[bytes]] = [[], []]
        begun = clock.monotonic()
        while sum(map(len, found)) < 200 and clock.monotonic() - begun < 60_000_000:
            for cursor, part in zip(cursors, found, strict=True):
                batch = cursor.poll(10)
                if batch is not None:
                    part += batch.frame["value"].to_list()
            clock.wait(Signal(), 1_000)
        assert writer.wait(60) == 0, writer.stderr.read()
        for stream in (writer.stdout, writer.stderr):
            stream.close()
        for cursor in cursors:
            cursor.close()
    assert found == [[b"%d" % n for n in range(0, 200, 2)], [b"%d" % n for n in range(1, 200, 2)]]


# -- groups --------------------------------------------------------------------


def test_groups_remember_positions(tmp_path):
    with Log(tmp_path / "x", partitions=2) as log:
        assert log.groups() == []
        assert log.positions("a") == {}
        log.store_positions("a", {0: 5})
        log.store_positions("a", {1: 7})
        log.store_positions("b", {0: 1})
        assert log.positions("a") == {0: 5, 1: 7}
        assert log.groups() == ["a", "b"]
        log.forget("b")
        assert log.groups() == ["a"]
        with pytest.raises(PlanError, match="cannot name a group"):
            log.store_positions("../a", {0: 1})
        with pytest.raises(SinkError, match="no offset 1 in partition 2"):
            log.store_positions("a", {2: 1})
        path = tmp_path / "x" / "groups" / "a.json"
        path.write_text(path.read_text().replace("7", "8"))
        with pytest.raises(StateError, match="does not match its digest"):
            log.positions("a")


# -- what goes -----------------------------------------------------------------


def filled(path, clock=None, **options):
    log = Log(path, partitions=1, segment_bytes=4096, clock=clock or ManualClock(), **options)
    for number in range(100):
        log.append(b"%03d" % number * 100)
    return log


def test_retention_by_bytes_leaves_the_youngest(tmp_path):
    with filled(tmp_path / "x") as log:
        assert log.retain(retain_bytes=20_000) > 0
        first = log.starts()[0]
        assert 0 < first < 100
        assert values(log) == [b"%03d" % number * 100 for number in range(first, 100)]
        with pytest.raises(SourceError, match=f"offset 3 to {first - 1} are not there any more"):
            log.read(0, 3)
        assert log.retain(retain_bytes=0) > 0
        assert log.ends() == [100]
        log.append(b"x")
        assert log.read(0, 100).frame["value"].to_list() == [b"x"]


def test_retention_by_age_looks_at_the_youngest_of_a_segment(tmp_path):
    clock = ManualClock()
    with filled(tmp_path / "x", clock) as log:
        assert log.retain(retain="1 s") == 0
        clock.advance("2 s")
        log.append(b"x" * 4096)
        log.append(b"y")
        assert log.retain(retain="1 s") > 0
        assert values(log)[-2:] == [b"x" * 4096, b"y"]
        assert len(values(log)) < 20


def test_retention_that_is_set_needs_nobody(tmp_path):
    with filled(tmp_path / "x", retain_bytes=20_000) as log:
        assert log.starts()[0] > 0
        assert sum(path.stat().st_size for path in (tmp_path / "x").glob("*.segment")) < 30_000


def test_retention_that_fails_does_not_fail_an_append(tmp_path, monkeypatch):
    def fail():
        raise OSError(errno.EIO, "broken")

    monkeypatch.setitem(failpoint.ACTIONS, "log.before_remove", fail)
    with filled(tmp_path / "x", retain_bytes=20_000) as log:
        assert log.starts() == [0]
        assert len(set(values(log))) == 100
        monkeypatch.delitem(failpoint.ACTIONS, "log.before_remove")
        log.append_many([Record(os.urandom(900)) for _ in range(9)])
        log.append(b"x")
        assert log.starts()[0] > 0


def test_retention_waits_for_groups(tmp_path):
    with filled(tmp_path / "x") as log:
        log.store_positions("slow", {0: 0})
        assert log.retain(retain_bytes=0) == 0
        log.store_positions("slow", {0: 50})
        assert log.retain(retain_bytes=0) > 0
        assert 40 <= log.starts()[0] <= 50
        assert log.retain(retain_bytes=0, unread="drop") > 0
        assert log.starts()[0] > 50


def test_retention_leaves_the_span_of_ids(tmp_path):
    clock = ManualClock()
    with filled(tmp_path / "x", clock, deduplicate="1 h") as log:
        assert log.retain(retain_bytes=0) == 0
        clock.advance("3601 s")
        assert log.retain(retain_bytes=0) > 0


def test_a_reader_that_is_overtaken_is_told(tmp_path):
    with filled(tmp_path / "x") as log:
        cursor = log.cursor(0)
        cursor.poll(1)
        log.retain(retain_bytes=0)
        with pytest.raises(SourceError, match="are not there any more"):
            drain(cursor)
        cursor.close()


def drain(cursor):
    while cursor.poll(10) is not None:
        assert cursor.offset < 100


def test_truncation_hides_at_once_and_removes_files(tmp_path):
    with filled(tmp_path / "x") as log:
        before = len(list((tmp_path / "x").glob("*.segment")))
        log.truncate({0: 57})
        assert log.starts() == [57]
        assert len(list((tmp_path / "x").glob("*.segment"))) < before
        assert values(log)[0] == b"057" * 100
        with pytest.raises(SourceError, match="offset 56 to 56"):
            log.cursor(0, 56)
        with pytest.raises(SinkError, match="ends at offset 100, before 101"):
            log.truncate({0: 101})
        with pytest.raises(SinkError, match="no partition 1"):
            log.truncate({1: 0})
    with Log(tmp_path / "x") as log:
        assert log.starts() == [57]


def test_a_deleted_log_is_gone_and_can_be_made_again(tmp_path):
    with filled(tmp_path / "x") as log:
        log.store_positions("g", {0: 1})
        cursor = log.cursor(0)
        cursor.poll(1)
        delete(tmp_path / "x")
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(StateError, match="was removed or replaced while it was open"):
            log.append(b"x")
        Log(tmp_path / "x", partitions=1).close()
        with pytest.raises(StateError, match="was removed or replaced while it was open"):
            log.append(b"x")
        delete(tmp_path / "x")
        cursor.close()
    with pytest.raises(StartError, match="there is no log"):
        delete(tmp_path / "x")
    with Log(tmp_path / "x", partitions=3) as log:
        assert log.ends() == [0, 0, 0]


# -- anything ------------------------------------------------------------------

RECORDS = st.builds(
    Record,
    st.none() | st.binary(max_size=40),
    st.none() | st.sampled_from([b"", b"a", b"b", b"\x00\xff"]),
    st.none() | st.integers(-(2**62), 2**62),
    st.none(),
)


@settings(max_examples=25, deadline=None)
@given(
    calls=st.lists(st.lists(RECORDS, min_size=1, max_size=6), max_size=25),
    partitions=st.integers(1, 3),
    reopen=st.sets(st.integers(0, 24)),
    at_once=st.integers(1, 9),
)
def test_anything_comes_back(tmp_path_factory, calls, partitions, reopen, at_once):
    path = tmp_path_factory.mktemp("log") / "x"
    log = Log(path, partitions=partitions, segment_bytes=4096)
    wanted: list[list] = [[] for _ in range(partitions)]
    for number, records in enumerate(calls):
        for record, place in zip(records, log.append_many(records), strict=True):
            assert place.offset == len(wanted[place.partition])
            wanted[place.partition].append((place.offset, record.value))
        if number in reopen:
            log.close()
            log = Log(path)
    assert everything(log, at_once) == wanted
    assert log.ends() == [len(part) for part in wanted]
    for partition, part in enumerate(wanted):
        for offset in range(0, len(part), 5):
            assert everything(log, 100, partition, offset) == [part[offset:]]
    log.close()


def test_the_package_gives_its_connectors():
    assert penstock.log.LogSource.connector == penstock.log.LogSink.connector == "log"
    with pytest.raises(AttributeError, match="Broker"):
        _ = penstock.log.Broker
