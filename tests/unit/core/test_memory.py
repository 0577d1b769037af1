"""Memory that grows where it is, and memory on files without a name that can leave."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from penstock.core import memory
from penstock.core.errors import ScratchError, StartError
from penstock.core.memory import SMALL, Buffer, Scratch, array, resident, using


def room() -> int:
    return resident() + (512 << 20)


@pytest.fixture
def scratch(tmp_path):
    with using(Scratch(tmp_path, room())) as made:
        yield made


def test_what_is_given_back_comes_back(scratch, tmp_path):
    numbers = Buffer(4 << 20, np.int64)
    numbers.array[:] = np.arange(4 << 20)
    before = resident()
    scratch.release(0)
    assert resident() < before - (24 << 20)
    assert (numbers.array == np.arange(4 << 20)).all()
    assert list(tmp_path.iterdir()) == []


def test_it_grows_on_its_file_and_is_zero_there(scratch):
    numbers = Buffer(SMALL // 8, np.int64)
    numbers.array[:] = 7
    for _ in range(10):
        scratch.release(0)
        known = len(numbers.array)
        numbers.grow()
        assert (numbers.array[:1] == 7).all()
        assert not numbers.array[known:].any()
    assert numbers.copied == SMALL
    assert (numbers.array[: SMALL // 8] == 7).all()


def test_a_full_disk_is_an_error_before_anything_is_written(scratch, monkeypatch):
    numbers = Buffer(SMALL, np.int64)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    length = len(numbers.array)
    with pytest.raises(ScratchError, match="bytes more of scratch space: No space left on device"):
        numbers.grow()
    assert len(numbers.array) == length
    with pytest.raises(ScratchError, match="No space left"):
        Buffer(SMALL, np.int64)


def test_a_file_that_cannot_be_made_is_an_error(tmp_path):
    with using(Scratch(tmp_path / "gone", room())), pytest.raises(ScratchError, match="no scratch file in"):
        Buffer(SMALL, np.int64)


def test_arrays_of_passing_use_share_regions(scratch):
    made = [array(SMALL, np.int64, (2,)) for _ in range(20)]
    for number, one in enumerate(made):
        one[:] = number
    assert len(scratch._regions) == 2
    scratch.release(0)
    assert all((one == number).all() for number, one in enumerate(made))
    assert array(4, np.int32).shape == (4,)


def test_files_end_with_their_last_user(scratch):
    before = len(os.listdir("/proc/self/fd"))
    numbers = Buffer(SMALL, np.int64)
    kept = numbers.array[:3]
    kept[:] = 5
    del numbers
    scratch.release(0)
    assert kept.tolist() == [5, 5, 5]
    del kept
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_budget_that_the_process_exceeds_already_is_refused(tmp_path):
    with pytest.raises(StartError, match="a memory budget of 10 MiB is too small") as refused:
        Scratch(tmp_path, 10 << 20)
    assert "at least" in str(refused.value.hint)


def test_elsewhere_a_budget_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_LINUX", False)
    with pytest.raises(StartError, match="needs Linux"):
        Scratch(tmp_path, room())


def test_buffers_come_from_the_run_that_was_started_last(tmp_path):
    one, other = Scratch(tmp_path, room()), Scratch(tmp_path, room())
    memory.enter(one)
    memory.enter(other)
    assert memory.current() is other
    memory.leave(one)
    assert memory.current() is other
    memory.leave(other)
    assert memory.current() is memory.PLAIN


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the C library of GNU")
def test_arrays_of_a_step_take_the_memory_that_the_last_step_has_freed():
    code = """
import resource, numpy as np
from penstock.core.freed import keep_freed
keep_freed()
def step():
    held = [np.ones(1 << 17) for _ in range(8)]
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 20 * 8 * 256 // 10
