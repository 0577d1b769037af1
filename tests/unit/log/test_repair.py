"""Damage is found by reading everything, and set aside when somebody asks: all that is whole stays where it was."""

from __future__ import annotations

import os

import pytest

from penstock.core.errors import StartError, StateError
from penstock.log import Log, Record, check, repair
from tests.unit.log.logs import everything


def filled(path):
    with Log(path, partitions=2, segment_bytes=4096) as log:
        for number in range(40):
            log.append_many([Record(b"%02d" % number + os.urandom(200), key=b"%d" % place) for place in range(5)])
        return everything(log)


def segments(path):
    return sorted(path.glob("*.segment"))


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


def test_a_whole_log_needs_no_repair(tmp_path):
    wanted = filled(tmp_path / "x")
    assert check(tmp_path / "x") == []
    assert repair(tmp_path / "x") == ([], {}, False, None)
    with Log(tmp_path / "x") as log:
        assert everything(log) == wanted


@pytest.mark.parametrize("which", [0, 3, -1])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.97])
def test_what_is_whole_stays_and_the_rest_is_a_gap(tmp_path, which, share):
    wanted = filled(tmp_path / "x")
    path = segments(tmp_path / "x")[which]
    flip(path, int(path.stat().st_size * share))
    (damage,) = check(tmp_path / "x")
    assert damage.path == path
    done = repair(tmp_path / "x")
    assert done.damage == [damage]
    assert [one.name.split(".")[0] for one in done.quarantine.iterdir()] == [path.name.split(".")[0]]
    assert check(tmp_path / "x") == []
    with Log(tmp_path / "x") as log:
        found = everything(log)
        for partition, (before, after) in enumerate(zip(wanted, found, strict=True)):
            gone = {
                offset for first, behind in done.lost.get(partition, []) for offset in range(first, min(behind, 999))
            }
            assert after == [one for one in before if one[0] not in gone]
        assert 0 < sum(map(len, wanted)) - sum(map(len, found)) <= 5
        place = log.append(b"new", partition=0)
        assert place.offset >= len(wanted[0])
        assert everything(log)[0][-1] == (place.offset, b"new")
    with Log(tmp_path / "x") as log:
        assert everything(log)[0][-1] == (place.offset, b"new")


def test_a_file_that_was_cut_short_is_repaired_without_giving_an_offset_twice(tmp_path):
    wanted = filled(tmp_path / "x")
    path = segments(tmp_path / "x")[-1]
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(StateError):
        Log(tmp_path / "x")
    done = repair(tmp_path / "x")
    assert done.tokens
    with Log(tmp_path / "x") as log:
        assert log.append(b"new", partition=0).offset >= len(wanted[0])


def test_what_cannot_be_repaired_is_told(tmp_path):
    filled(tmp_path / "x")
    flip(segments(tmp_path / "x")[2], 30)
    with pytest.raises(StateError, match="restore the file from a backup"):
        repair(tmp_path / "x")
    with pytest.raises(StartError, match="there is no log"):
        check(tmp_path / "y")
