"""Regions of the index: growth, and use again of what growth left. The rest is tested through arrangements."""

from __future__ import annotations

import numpy as np

from penstock.kernels import index
from penstock.kernels.index import clear_index, grow_region


def fresh(entries: int) -> tuple[np.ndarray, np.ndarray]:
    header = np.zeros(index.HEADER, np.int64)
    header[index.ENTRIES_TAIL] = index.FIRST_ENTRY
    return np.zeros(entries, np.uint64), header


def region(header: np.ndarray, group: int) -> list[int]:
    return header[index.REGIONS + 4 * group :][:4].tolist()


def entry(tag: int, slot: int) -> int:
    return tag << 32 | slot + 1


def test_regions_left_by_growth_are_used_again_empty(kernels: str) -> None:
    entries, header = fresh(200)
    for group in (3, 4):
        assert grow_region(entries, header, group)
        assert region(header, group) == [16 + 16 * (group - 3), 15, 0, 8]
    entries[16 + 5] = entry(21, 8)
    entries[16 + 6] = entry(5, 9)  # displaced from 5
    for group in (3, 4):
        assert grow_region(entries, header, group)
    assert region(header, 3) == [48, 31, 0, 16]
    assert {int(place): int(entries[48 + place]) for place in np.flatnonzero(entries[48:80])} == {
        21: entry(21, 8),
        5: entry(5, 9),
    }
    for group, start in ((7, 32), (8, 16)):
        assert grow_region(entries, header, group)
        assert region(header, group) == [start, 15, 0, 8]
        assert not entries[start : start + 16].any()


def test_no_room(kernels: str) -> None:
    entries, header = fresh(40)
    assert grow_region(entries, header, 0)
    before = header.copy()
    assert not grow_region(entries, header, 1)
    assert header[index.NEEDS] == index.MORE_ENTRIES
    header[index.NEEDS] = before[index.NEEDS]
    assert (header == before).all()


def test_clear_keeps_regions(kernels: str) -> None:
    entries, header = fresh(60)
    assert grow_region(entries, header, 0)
    entries[20] = entry(4, 1)
    header[index.REGIONS + 2] = 1
    clear_index(entries, header)
    assert not entries.any()
    assert region(header, 0) == [16, 15, 0, 8]
