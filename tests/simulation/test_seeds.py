"""Seeds of the simulator: 150 that are always the same, and 50 that no run had before."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from penstock.testing import simulate
from tests.house.sources import ROOT

pytestmark = pytest.mark.slow

FIXED, DRAWN, BLOCK = 150, 50, 10


@pytest.fixture(scope="session")
def first():
    """The first of the seeds that no run had before; `PENSTOCK_SEEDS=N` gives those of another run again."""
    chosen = int(os.environ.get("PENSTOCK_SEEDS") or random.SystemRandom().randrange(10**6, 10**9))
    sys.__stderr__.write(f"\nseeds of this run: {chosen}..{chosen + DRAWN - 1}\n")
    return chosen


@pytest.mark.parametrize("block", range(FIXED // BLOCK))
def test_the_same_seeds(block):
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        simulate(seed).require()


@pytest.mark.parametrize("block", range(DRAWN // BLOCK))
def test_new_seeds(block, first):
    for seed in range(first + block * BLOCK, first + (block + 1) * BLOCK):
        simulate(seed).require()


@pytest.mark.parametrize("seed", [2, 9, 12, 56])
def test_a_seed_gives_the_same_run_again(seed):
    one, other = simulate(seed, trace=True), simulate(seed, trace=True)
    assert list(one.trace) == list(other.trace)
    assert one.digest == other.digest


def test_a_seed_gives_the_same_run_in_another_process():
    code = "from penstock.testing import simulate; print(simulate(3).digest)"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout.strip()
        for hashes in ("1", "2")
    }
    assert found == {simulate(3).digest}


def test_seeds_do_all_that_can_be_done():
    done = set()
    for seed in range(60):
        done |= set(simulate(seed).counts)
        if done >= {"kill", "power", "stop", "zombie", "twice", "full", "broken sync", "damage", "refusals"}:
            return
    pytest.fail(f"the first seeds did only {done}")
