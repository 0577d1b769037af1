"""Sort rows into buckets, stably and in one pass each: by shard, or by pane and shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel
from penstock.kernels.arrays import frozen
from penstock.kernels.hashing import GROUPS, group_of_hash, mix_word

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Bytes, Number, Rows, Words

MOST_BUCKETS = 1 << 16


@dataclass(frozen=True)
class Bucket:
    """The rows of one pane and shard.

    Attributes:
        pane: The pane.
        shard: The shard.
        rows: Which rows, ascending (int32); `None` for all rows there are.
    """

    pane: int
    shard: int
    rows: Rows | None


@kernel
def _shards(words: Words, shards: Number) -> Rows:
    rows, width = words.shape
    found = np.empty(rows, np.int32)
    for row in range(rows):
        state = np.uint64(0)
        for column in range(width):
            state = mix_word(state, np.uint64(words[row, column]))
        found[row] = group_of_hash(state) * shards // GROUPS
    return found


def shards_of(words: Words, shards: int) -> Rows:
    """The shard of each row: shard = key group * shards // 256, so that each owns a range of groups.

    Args:
        words: Key words (`Keys.words`).
        shards: How many shards there are, 1 to 256.

    Raises:
        ValueError: The number of shards is out of range.
    """
    if not 1 <= shards <= GROUPS:
        raise ValueError(f"{shards} shards; possible are 1 to {GROUPS}")
    if shards == 1:
        return np.zeros(words.shape[0], np.int32)
    return _shards(words, shards)


@kernel
def _count(buckets: Rows, bounds: Words) -> None:
    for place in range(bounds.shape[0]):
        bounds[place] = 0
    for row in range(buckets.shape[0]):
        bounds[buckets[row] + 1] += 1
    for place in range(1, bounds.shape[0]):
        bounds[place] += bounds[place - 1]


@kernel
def _place(buckets: Rows, bounds: Words, order: Rows) -> None:
    nexts = bounds.copy()
    for row in range(buckets.shape[0]):
        bucket = buckets[row]
        order[nexts[bucket]] = row
        nexts[bucket] += 1


def scatter(buckets: Rows, count: int) -> tuple[Rows | None, Words]:
    """Order rows by bucket; rows of one bucket keep their order.

    Args:
        buckets: The bucket of each row, 0 to `count` - 1 (int32).
        count: How many buckets there are.

    Returns:
        The rows in order of their buckets (int32), or `None` if one bucket has them all, in which case the
        rows stay where they are; and the bounds: bucket b has the places from bounds[b] up to bounds[b + 1].
    """
    bounds: Words = np.zeros(count + 1, np.int64)
    rows = len(buckets)
    if count == 1 or rows == 0:
        bounds[1:] = rows
        return None, bounds
    buckets = frozen(buckets, np.int32)
    _count(buckets, bounds)
    if int(np.diff(bounds).max()) == rows:
        return None, bounds
    order: Rows = np.empty(rows, np.int32)
    _place(buckets, bounds, order)
    return order, bounds


@kernel
def _span(panes: Words, statuses: Bytes, wanted: Number, span: Words) -> None:
    for row in range(panes.shape[0]):
        if statuses[row] == wanted:
            if span[2] == 0 or panes[row] < span[0]:
                span[0] = panes[row]
            if span[2] == 0 or panes[row] > span[1]:
                span[1] = panes[row]
            span[2] += 1


@kernel
def _scatter_panes(
    panes: Words, statuses: Bytes, wanted: Number, lowest: Number, shard_of: Rows, shards: Number,
    order: Rows, bounds: Words,
) -> None:  # fmt: skip
    for row in range(panes.shape[0]):
        if statuses[row] == wanted:
            shard = shard_of[row] if shards > 1 else 0
            bounds[(panes[row] - lowest) * shards + shard + 1] += 1
    for place in range(1, bounds.shape[0]):
        bounds[place] += bounds[place - 1]
    nexts = bounds.copy()
    for row in range(panes.shape[0]):
        if statuses[row] == wanted:
            shard = shard_of[row] if shards > 1 else 0
            bucket = (panes[row] - lowest) * shards + shard
            order[nexts[bucket]] = row
            nexts[bucket] += 1


def scatter_panes(
    panes: Words, statuses: Bytes, wanted: int, shard_of: Rows | None = None, shards: int = 1
) -> list[Bucket]:
    """The rows of one status, by pane and shard.

    Args:
        panes: The pane of each row.
        statuses: The status of each row, as `penstock.kernels.windows` gives it.
        wanted: The status of the rows to take.
        shard_of: The shard of each row (`shards_of`); not needed for one shard.
        shards: How many shards there are.

    Returns:
        One bucket for each pane and shard that has rows, ascending by pane, then shard.
    """
    span: Words = np.zeros(3, np.int64)
    panes, statuses = frozen(panes, np.int64), frozen(statuses, np.uint8)
    _span(panes, statuses, wanted, span)
    lowest, highest, found = (int(number) for number in span)
    if found == 0:
        return []
    if lowest == highest and shards == 1 and found == len(panes):
        return [Bucket(lowest, 0, None)]
    shard_of = frozen(np.empty(0, np.int32) if shard_of is None else shard_of, np.int32)
    names: Array | None = None
    if (highest - lowest + 1) * shards > MOST_BUCKETS:
        # Rows far apart in time: number the panes that occur instead of all between them.
        names, numbers = np.unique(panes, return_inverse=True)
        panes, lowest, highest = frozen(numbers, np.int64), 0, len(names) - 1
    order: Rows = np.empty(found, np.int32)
    bounds: Words = np.zeros((highest - lowest + 1) * shards + 1, np.int64)
    _scatter_panes(panes, statuses, wanted, lowest, shard_of, shards, order, bounds)
    made = []
    for bucket in np.flatnonzero(np.diff(bounds)).tolist():
        pane = lowest + bucket // shards if names is None else int(names[bucket // shards])
        chosen = order[int(bounds[bucket]) : int(bounds[bucket + 1])]
        made.append(Bucket(pane, bucket % shards, None if len(chosen) == len(statuses) else chosen))
    return made
