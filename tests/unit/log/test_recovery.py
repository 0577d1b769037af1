"""What is left after crashes, torn writes, failing disks and flipped bits: all that was acknowledged, or an error."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys

import pytest

from penstock.core import failpoint
from penstock.core.errors import SinkError, SinkLost, StateError
from penstock.log import DamagedError, Log, Record
from tests.unit.log.logs import everything, values

SEGMENT = "000000000001.segment"


def log_of(path, *records, **options):
    log = Log(path, partitions=options.pop("partitions", 1), **options)
    for record in records:
        log.append(record)
    return log


def copied(source, target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target


def torn(tmp_path):
    """A log in the middle of its fourth append: the folder of three, and the segment file of four."""
    log = log_of(tmp_path / "x", b"a", b"b", b"c")
    copied(tmp_path / "x", tmp_path / "three")
    log.append(b"d")
    log.close()
    return tmp_path / "three", (tmp_path / "x" / SEGMENT).read_bytes()


# -- torn tails ----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("fill", [b"", b"\0", b"\xaa"])
def test_an_append_that_was_torn_anywhere_leaves_what_came_before(tmp_path, fill):
    three, four = torn(tmp_path)
    begin = (three / SEGMENT).stat().st_size
    for cut in range(begin, len(four)):
        folder = copied(three, tmp_path / "crash")
        (folder / SEGMENT).write_bytes(four[:cut] + fill * (len(four) - cut))
        whole = (folder / SEGMENT).read_bytes() == four
        wanted = [b"a", b"b", b"c", b"d"] if whole else [b"a", b"b", b"c"]
        with Log(folder) as log:
            assert values(log) == wanted
            log.append(b"e")
            assert values(log) == [*wanted, b"e"]
        with Log(folder) as log:
            assert everything(log) == [list(enumerate([*wanted, b"e"]))]


def test_an_append_that_is_whole_and_was_not_acknowledged_is_kept_in_a_new_file(tmp_path):
    three, four = torn(tmp_path)
    (three / SEGMENT).write_bytes(four)
    with Log(three) as log:
        assert values(log) == [b"a", b"b", b"c", b"d"]
        assert sorted(path.name for path in three.glob("*.segment")) == [SEGMENT, "000000000002.segment"]


@pytest.mark.parametrize("head", ["missing", "torn", "old", "empty"])
def test_a_head_that_is_lost_with_the_power_costs_nothing(tmp_path, head):
    log = log_of(tmp_path / "x", b"a", segment_bytes=4096)
    old = (tmp_path / "x" / "head").read_bytes()
    wanted = [b"a"]
    for number in range(20):
        wanted.append(b"%d" % number * 300)
        log.append(wanted[-1])
    log.close()
    path = tmp_path / "x" / "head"
    if head == "missing":
        path.unlink()
    else:
        path.write_bytes({"torn": old[:10] + b"\xff" * (len(old) - 10), "old": old, "empty": b""}[head])
    with Log(tmp_path / "x") as log:
        assert values(log) == wanted
        log.append(b"z")
        assert values(log) == [*wanted, b"z"]


def test_what_was_acknowledged_is_never_cut_off(tmp_path):
    log_of(tmp_path / "x", b"a", b"b", b"c").close()
    path = tmp_path / "x" / SEGMENT
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StateError, match="it was durable up to byte"):
        Log(tmp_path / "x")


def test_damage_before_a_whole_append_is_told_and_not_cut_off(tmp_path):
    log = log_of(tmp_path / "x", b"a", b"b")
    place = (tmp_path / "x" / SEGMENT).stat().st_size
    old = (tmp_path / "x" / "head").read_bytes()
    log.append(b"c")
    log.append(b"d")
    log.close()
    path = tmp_path / "x" / SEGMENT
    data = bytearray(path.read_bytes())
    data[place + 70] ^= 1
    path.write_bytes(data)
    (tmp_path / "x" / "head").write_bytes(old)
    with pytest.raises(DamagedError, match="is damaged at byte") as caught:
        Log(tmp_path / "x")
    assert (caught.value.path, caught.value.position) == (path, place)


def test_a_missing_segment_is_told(tmp_path):
    log = log_of(tmp_path / "x", segment_bytes=4096)
    for _ in range(20):
        log.append(b"x" * 1000)
    log.close()
    segments = sorted((tmp_path / "x").glob("*.segment"))
    segments[-1].unlink()
    with pytest.raises(StateError, match=r"segment\" is missing"):
        Log(tmp_path / "x")


# -- flipped bits --------------------------------------------------------------


@pytest.mark.slow
def test_a_flipped_bit_anywhere_is_found_or_changes_nothing(tmp_path):
    with Log(tmp_path / "x", partitions=2) as log:
        log.append_many([Record(b"%d" % number, b"%d" % number) for number in range(5)])
        log.append(b"last")
        wanted = everything(log)
    copied(tmp_path / "x", tmp_path / "whole")
    for path in sorted((tmp_path / "whole").iterdir()):
        data = path.read_bytes()
        quiet = []
        for place in range(len(data)):
            folder = copied(tmp_path / "whole", tmp_path / "flipped")
            flipped = bytearray(data)
            flipped[place] ^= 1 << (place % 8)
            (folder / path.name).write_bytes(flipped)
            try:
                with Log(folder) as log:
                    assert everything(log) == wanted
                quiet.append(place)
            except StateError:
                assert path.suffix in (".segment", ".json"), path
        assert path.suffix != ".segment" or quiet == []


# -- failing disks -------------------------------------------------------------


def steps_of(path):
    """The points that are passed by an append, by one that begins a segment, and by a position."""
    seen: dict[str, None] = {}

    class Recorder(dict):
        def get(self, name, default=None):
            seen[name] = None
            return default

        def __bool__(self):
            return True

    real = failpoint.ACTIONS
    failpoint.ACTIONS = Recorder()
    try:
        with log_of(path, b"a", b"b" * 5000, b"c") as log:
            log.store_positions("g", {0: 1})
    finally:
        failpoint.ACTIONS = real
    return list(seen)


STEPS = [
    "log.before_roll", "log.segment_sealed", "log.segment_published", "log.before_write", "log.between_bodies",
    "log.before_sync", "log.synced", "log.before_head", "log.head_written",
]  # fmt: skip
FILES = [
    "files.create", "positioned.open_update", "files.open_read", "files.read", "files.write", "files.sync",
    "files.sync_directory", "files.publish", "files.published", "files.entries", "files.remove",
]  # fmt: skip


def test_every_step_is_tested(tmp_path):
    log_of(tmp_path / "x").close()
    positions = {
        "log.before_position",
        "log.position_stored",
        "files.rename",
        "files.renamed",
        "files.make_directory",
    }
    assert set(steps_of(tmp_path / "x")) - positions <= {*STEPS, *FILES}


class Fault:
    """Fails at the n-th time that a point is passed, and from then on if it lasts."""

    def __init__(self, number, code, lasts):
        self.number, self.code, self.lasts, self.fired = number, code, lasts, False

    def __call__(self):
        self.number -= 1
        if self.number == 0 or (self.lasts and self.number < 0):
            self.fired = True
            raise OSError(self.code, os.strerror(self.code))


@pytest.mark.slow
@pytest.mark.parametrize("lasts", [False, True])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("step", [*STEPS, *FILES])
def test_whatever_step_fails_nothing_that_was_acknowledged_is_lost(tmp_path, monkeypatch, step, code, lasts):
    number, fired = 0, True
    while fired and number < 150:
        number += 1
        path = tmp_path / str(number)
        fault = Fault(number, code, lasts)
        acknowledged, unknown, refused = [], [], 0
        log = Log(path, partitions=1, segment_bytes=4096)
        monkeypatch.setitem(failpoint.ACTIONS, step, fault)
        for record in (b"%d" % n * 700 for n in range(10)):
            try:
                log.append(record)
                acknowledged.append(record)
            except SinkLost:
                unknown.append(record)
            except SinkError:
                refused += 1
        monkeypatch.delitem(failpoint.ACTIONS, step)
        log.append(b"after")
        found = values(log)
        log.close()
        assert refused == 0
        fired = fault.fired
        with Log(path) as again:
            assert values(again) == found
        assert [one for one in found if one not in unknown] == [*acknowledged, b"after"]
        assert len(set(found)) == len(found)
        if not lasts and fired:
            assert len(unknown) == 1
    assert not fired or lasts


def test_a_file_whose_sync_failed_is_never_synced_or_written_again(tmp_path, monkeypatch):
    synced = []

    def fsync(descriptor):
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        synced.append(name)
        if name == SEGMENT and synced.count(SEGMENT) == 2:
            raise OSError(errno.EIO, "broken")

    log = log_of(tmp_path / "x", b"a")
    synced.clear()
    monkeypatch.setattr(os, "fsync", fsync)
    log.append(b"b")
    with pytest.raises(SinkLost, match="cannot append to the log"):
        log.append(b"c")
    size = (tmp_path / "x" / SEGMENT).stat().st_size
    log.append(b"d")
    log.append(b"e")
    assert synced.count(SEGMENT) == 2
    assert (tmp_path / "x" / SEGMENT).stat().st_size == size
    assert values(log) == [b"a", b"b", b"d", b"e"]
    log.close()
    with Log(tmp_path / "x") as log:
        assert everything(log) == [[(0, b"a"), (1, b"b"), (2, b"d"), (3, b"e")]]


def test_a_reader_sees_nothing_that_is_not_durable(tmp_path, monkeypatch):
    log = log_of(tmp_path / "x", b"a")
    reader = Log(tmp_path / "x")
    cursor = reader.cursor(0)
    seen = []

    def look():
        batch = cursor.poll(10)
        seen.append(batch and batch.frame["value"].to_list())

    look()
    for step in ("log.between_bodies", "log.synced", "log.head_written"):
        monkeypatch.setitem(failpoint.ACTIONS, step, look)
    log.append(b"b")
    assert seen == [[b"a"], None, None, [b"b"]]
    cursor.close()
    reader.close()
    log.close()


# -- killed processes ----------------------------------------------------------

APPENDS = """
import sys
from penstock.core import failpoint
from penstock.log import Log
with Log(sys.argv[1], partitions=2, segment_bytes=4096) as log:
    for number in range(30):
        if number == 3:
            failpoint.ACTIONS.update(failpoint.from_environment(sys.argv[2]))
        log.append(b"%d" % number * 300, partition=number % 2)
        print(number, flush=True)
"""


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.slow
@pytest.mark.parametrize("step", [*STEPS, "files.write", "files.publish", "files.published", "files.sync_directory"])
def test_a_killed_process_leaves_what_it_acknowledged(tmp_path, step):
    ran = run(APPENDS, tmp_path / "x", f"{step}=kill")
    assert ran.returncode == -9, ran.stderr
    acknowledged = [int(line) for line in ran.stdout.split()]
    assert 3 <= len(acknowledged) < 30
    with Log(tmp_path / "x") as log:
        found = sorted(int(value[: len(value) // 300]) for value in values(log))
        assert found in (acknowledged, [*acknowledged, len(acknowledged)])
        log.append(b"after", partition=0)
        assert everything(log)[0][-1][1] == b"after"
