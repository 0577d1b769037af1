from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.kernels import scatter as module
from penstock.kernels.hashing import groups_of
from penstock.kernels.scatter import scatter, scatter_panes, shards_of


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.lists(st.integers(0, 4), max_size=20))
def test_scatter_is_a_stable_sort(kernels: str, count: int, drawn: list[int]) -> None:
    buckets = np.array([number % count for number in drawn], np.int32)
    order, bounds = scatter(buckets, count)
    rows = np.arange(len(buckets)) if order is None else order
    assert rows.tolist() == np.argsort(buckets, kind="stable").tolist()
    assert bounds.tolist() == [0, *np.cumsum(np.bincount(buckets, minlength=count))]
    assert (order is None) == (len(set(buckets.tolist())) <= 1)


@pytest.mark.parametrize("shards", [1, 2, 3, 256])
def test_a_shard_owns_a_range_of_groups(kernels: str, shards: int) -> None:
    words = np.arange(300, dtype=np.int64).reshape(-1, 2)
    assert shards_of(words, shards).tolist() == [group * shards // 256 for group in groups_of(words).tolist()]


def test_the_number_of_shards_is_checked() -> None:
    for shards in (0, 257):
        with pytest.raises(ValueError, match="possible are 1 to 256"):
            shards_of(np.zeros((1, 1), np.int64), shards)


ROWS = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3), st.integers(0, 2)), max_size=20)


@pytest.mark.parametrize("spread", [1, 10**12])
def test_panes_and_shards(kernels: str, spread: int) -> None:
    @settings(deadline=None, max_examples=25)
    @given(ROWS, st.integers(1, 3), st.integers(0, 3))
    def check(rows: list[tuple[int, int, int]], shards: int, wanted: int) -> None:
        panes = np.array([pane * spread for pane, _, _ in rows], np.int64)
        statuses = np.array([status for _, status, _ in rows], np.uint8)
        shard_of = np.array([shard % shards for _, _, shard in rows], np.int32)
        expected: dict[tuple[int, int], list[int]] = {}
        for row, (pane, status, shard) in enumerate(rows):
            if status == wanted:
                expected.setdefault((pane * spread, shard % shards), []).append(row)
        found = scatter_panes(panes, statuses, wanted, shard_of, shards)
        everything = list(range(len(rows)))
        assert [(b.pane, b.shard) for b in found] == sorted(expected)
        for bucket in found:
            chosen = everything if bucket.rows is None else bucket.rows.tolist()
            assert chosen == expected[bucket.pane, bucket.shard]
            assert (bucket.rows is None) == (chosen == everything)

    check()


def test_far_apart_panes_do_not_cost_memory() -> None:
    assert module.MOST_BUCKETS < 10**12
    found = scatter_panes(np.array([0, 10**12, 0]), np.zeros(3, np.uint8), 0)
    assert [(bucket.pane, bucket.rows.tolist()) for bucket in found if bucket.rows is not None] == [
        (0, [0, 2]),
        (10**12, [1]),
    ]
