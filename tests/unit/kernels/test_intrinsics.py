from __future__ import annotations

import numpy as np

from penstock.kernels._jit import kernel
from penstock.kernels.intrinsics import load_eight, prefetch, store_eight


@kernel
def move(source: np.ndarray, start: int, into: np.ndarray, place: int) -> int:
    prefetch(source, start)
    word = load_eight(source, start)
    store_eight(into, place, word)
    return np.int64(word)


def test_eight_bytes_at_any_position(kernels: str) -> None:
    source = np.arange(200, 230, dtype=np.uint8)
    for start, place in ((0, 0), (3, 5), (22, 2)):
        into = np.zeros(16, np.uint8)
        word = move(source, start, into, place)
        assert into[place : place + 8].tolist() == source[start : start + 8].tolist()
        assert into.sum() == source[start : start + 8].sum()
        assert int(word) == int.from_bytes(source[start : start + 8].tobytes(), "little", signed=True)
