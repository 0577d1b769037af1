from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from penstock.kernels import _jit
from penstock.kernels._jit import Kernel, interpreted, kernel, lean_kernel, lean_scalar, scalar

FACTOR = 3


@scalar
def scaled(value: int) -> int:
    return value * FACTOR


@kernel
def sum_scaled(values: np.ndarray) -> int:
    total = 0
    for place in range(values.shape[0]):
        total += scaled(values[place])
    return total


@kernel
def zeros_like(values: np.ndarray) -> np.ndarray:
    return np.zeros(values.shape[0], np.int64)


@kernel
def wrap(value: np.uint64) -> np.uint64:
    return value + np.uint64(2)


@kernel
def divide(one: float, other: float) -> float:
    return one / other


@lean_scalar
def first_of(values: np.ndarray, place: int) -> int:
    return values[place]


@lean_kernel
def sum_lean(values: np.ndarray) -> int:
    total = 0
    for place in range(values.shape[0]):
        total += first_of(values, place)
    return total


@lean_kernel
def lean_zeros(count: int) -> np.ndarray:
    return np.zeros(count, np.int64)


def test_lean_kernels_hand_arrays_to_helpers(kernels: str) -> None:
    assert sum_lean(np.arange(5)) == 10


@pytest.mark.skipif(interpreted(), reason="only compiled code counts references")
def test_lean_kernels_make_no_arrays() -> None:
    with pytest.raises(numba.core.errors.TypingError, match="zeros"):
        lean_zeros.compile()(3)


def test_being_lean_is_part_of_the_digest() -> None:
    assert Kernel(sum_lean.python, inline=False).digest() != sum_lean.digest()


def test_kernels_call_scalars_and_use_numpy(kernels: str) -> None:
    assert sum_scaled(np.arange(5)) == 30
    assert zeros_like(np.arange(3)).tolist() == [0, 0, 0]


def test_arithmetic_is_that_of_compiled_code(kernels: str) -> None:
    assert wrap(np.uint64(2**64 - 1)) == 1
    assert divide(np.float64(1), np.float64(0)) == float("inf")


def test_interpreted_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_JIT", "0")
    assert _jit.interpreted()
    fresh = Kernel(sum_scaled.python, inline=False)
    assert fresh.compile() == fresh.interpret
    assert fresh(np.arange(5)) == 30


def test_digest_covers_what_is_compiled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sum_scaled.digest()
    assert before == Kernel(sum_scaled.python, inline=False).digest()
    monkeypatch.setitem(sum_scaled.python.__globals__, "FACTOR", 4)
    assert sum_scaled.digest() != before
    assert zeros_like.digest() != divide.digest()


@pytest.mark.slow
def test_a_second_process_finds_the_compiled_code(tmp_path: Path) -> None:
    program = (
        "import numpy, penstock.kernels.hashing as h;"
        "h.hash_words(numpy.zeros((1, 1), numpy.int64));"
        "print(sum(h.hash_words.compile().stats.cache_hits.values()))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PENSTOCK_JIT": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    found = [
        subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert found == [b"0", b"1"]
