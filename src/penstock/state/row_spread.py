"""Stores of rows over another number of shards."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.lazy import np
from penstock.kernels.arrays import frozen
from penstock.kernels.scatter import shards_of
from penstock.state.keys import Keys
from penstock.state.row_layout import BASE_WORDS
from penstock.state.rows import RowStore


def spread_all(stores: Sequence[RowStore], shards: int, step: int) -> list[RowStore]:
    """The rows of some stores over as many new ones as there are shards, the words of rows and keys included."""
    new = [RowStore(stores[0].layout, stores[0].seed) for _ in range(shards)]
    for store in stores:
        _spread(store, new, step)
    return new


def _spread(old: RowStore, stores: Sequence[RowStore], step: int) -> None:
    owners = old.keys.live()
    if not len(owners):
        return
    layout, keys = old.layout, old.keys_of(owners)
    shard_of = shards_of(keys.words, len(stores))
    probes, rows = old.walk(owners)
    columns = old.columns(rows)
    places = old.places(rows) if layout.ordered else None
    times = old.moments(rows) if layout.timed else None
    starts = keys.starts[probes] if len(keys.starts) else keys.starts
    spread = Keys(frozen(keys.words[probes]), frozen(starts), keys.heap)
    for shard, store in enumerate(stores):
        mine = np.flatnonzero(shard_of[probes] == shard).astype(np.int32)
        if not len(mine):
            continue
        put = store.put(spread, columns, step, chosen=mine, signs=old.counts(rows), places=places, times=times)
        for number in range(len(layout.words)):
            store.own(number)[put.slots] = old.own(number)[rows[mine]]
        for number in range(len(layout.key_words)):
            word = BASE_WORDS + number
            store.key_word(word)[put.keys] = old.key_word(word)[owners[probes[mine]]]
