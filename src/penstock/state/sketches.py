"""The sketches of aggregates: blocks of eight words per slot, only those that are not empty.

An entry is (slot, block) with eight words; the entries of a slot form a chain, as those of `values`. So a small group
takes little, and a checkpoint takes the blocks that were touched. How words are combined does not depend on the order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import DType, Int32
from penstock.core.lazy import np, pl
from penstock.expr.function import Sketched
from penstock.expr.sketches import HEAD, HLL, QUANTILES, buckets_of, head_of, quantile, shape_of
from penstock.kernels import sketches as kernels
from penstock.kernels.arrays import frozen
from penstock.kernels.hashing import hash_words
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec
from penstock.state.values import NONE, PREVIOUS, ValueLayout, ValueStore, _link, rows_that_count

if TYPE_CHECKING:
    from penstock.state.batch import Batch

WORDS = 2
POISON = -1
"""The block of a slot into which bytes came that are no such sketch: it has no result."""


@dataclass(frozen=True)
class SketchLayout(ValueLayout):
    """What an entry of a sketch is.

    Attributes:
        sketched: The kind of sketch, and what is made of it.
    """

    sketched: Sketched

    @classmethod
    def sketch(cls, types: Sequence[DType], sketched: Sketched) -> SketchLayout:
        """The layout for a sketch of values of some types."""
        codec = KeyCodec(["slot", "block"], [Int32, Int32], [False, False])
        return cls(codec, tuple(types), False, sketched)

    def store(self, seed: int) -> ValueStore:
        """See `ValueLayout.store`."""
        return SketchStore(self, seed)


class SketchStore(ValueStore):
    """Sketches by slot of another table.

    Args:
        layout: What an entry is.
        seed: Seeds the index; results do not depend on it.
    """

    def __init__(self, layout: SketchLayout, seed: int = 0) -> None:
        self.layout: SketchLayout = layout
        self.shape = layout.sketched.shape
        self.entries = Arrangement(layout.codec.layout, [1, NONE, *[0] * kernels.BLOCK], seed=seed)
        self._begin()

    def add(self, slots: Any, rows: Any, names: tuple[str, ...], valid: Any, batch: Batch, step: int) -> None:
        """Put the values of rows into the sketches of their slots; see `ValueStore.add`."""
        chosen, slots = rows_that_count(slots, rows, valid, batch.length)
        if not len(chosen):
            return
        values = batch.series[names[0]].gather(pl.Series(chosen))
        if self.layout.sketched.merges:
            self._add_sketches(slots, values.to_list(), step)
            return
        shape = self.shape
        if shape.kind == QUANTILES:
            places = np.empty(len(values), np.int64)
            kernels.buckets_of(frozen(values.to_numpy(), np.float64), *buckets_of(shape), places)
            self._combine(slots, places, np.ones(len(values), np.int64), step)
            return
        hashes = self._hashes(values)
        each = 1 if shape.kind == HLL else shape.first
        places, words = np.empty(len(hashes) * each, np.int64), np.empty(len(hashes) * each, np.int64)
        kernels.places_of(shape.kind, shape.first, shape.second, shape.size, frozen(hashes), places, words)
        self._combine(np.repeat(slots, each), places, words, step)

    def _hashes(self, values: pl.Series) -> Any:
        # A moment has one hash, in whatever unit it is counted.
        if isinstance(values.dtype, pl.Datetime):
            values = values.cast(pl.Datetime("us", values.dtype.time_zone))
        elif isinstance(values.dtype, pl.Duration):
            values = values.cast(pl.Duration("us"))
        codec = KeyCodec(["v"], [self.layout.types[0]], [False])
        return hash_words(codec.encode([values], len(values)).words)

    def _add_sketches(self, slots: Any, values: Sequence[bytes], step: int) -> None:
        form = np.dtype([("number", "<u4"), ("words", "<i8", kernels.BLOCK)])
        parts = []
        for slot, data in zip(slots, values, strict=True):
            if shape_of(data) != self.shape:
                self._entries_for(np.array([slot], np.int32), np.array([POISON], np.int32), step)
                continue
            blocks = np.frombuffer(data, form, offset=HEAD.size)
            parts.append((np.full(len(blocks), slot, np.int32), blocks["number"].astype(np.int64), blocks["words"]))
        if parts:
            owners, numbers, words = (np.concatenate([part[i] for part in parts]) for i in range(3))
            self._combine_blocks(owners, numbers, words, step)

    def _combine_blocks(self, slots: Any, blocks: Any, words: Any, step: int) -> None:
        places = (blocks[:, None] * kernels.BLOCK + np.arange(kernels.BLOCK)).reshape(-1)
        self._combine(np.repeat(slots, kernels.BLOCK), places, np.ascontiguousarray(words).reshape(-1), step)

    def _combine(self, slots: Any, places: Any, words: Any, step: int) -> None:
        entries = self._entries_for(slots, (places // kernels.BLOCK).astype(np.int32), step)
        first = self.entries.first + WORDS
        kernels.put_words(self.entries.table, first, self.shape.kind, entries, frozen(places), frozen(words))

    def _entries_for(self, slots: Any, blocks: Any, step: int) -> Any:
        slots = np.ascontiguousarray(slots, np.int32)
        columns = [pl.Series("slot", slots), pl.Series("block", blocks)]
        touched = self.entries.upsert(self.layout.codec.encode(columns), None, step)
        new = touched.touched[touched.is_new]
        if len(slots):
            self._grow(int(slots.max()) + 1)
        owners = frozen(slots[touched.first_row[touched.is_new]], np.int32)
        _link(self._heads, self.entries.table, self.entries.first + PREVIOUS, new, owners)
        return touched.slots

    def result(self, slots: Any, aggregate: Callable[..., pl.Expr]) -> pl.Series:
        """What is made of the sketch of each slot; null for one without values, or with bytes of another."""
        owners, entries = self._entries_of(slots)
        table, first = self.entries.table, self.entries.first + WORDS
        blocks, words = table[entries, 1], table[entries, first : first + kernels.BLOCK]
        there, whole = np.zeros(len(slots), np.bool_), np.ones(len(slots), np.bool_)
        there[owners] = True
        whole[owners[blocks == POISON]] = False
        if self.layout.sketched.counts:
            ranks, found = np.zeros((len(slots), 256), np.int64), np.zeros(len(slots), np.int64)
            kernels.count_ranks(frozen(words), frozen(owners), ranks)
            kernels.estimate(ranks, self.shape.first, found)
            return pl.Series("result", found).zip_with(pl.Series(there & whole), pl.Series([None], dtype=pl.Int64))
        if self.layout.sketched.share is not None:
            return self._quantiles(owners, blocks, words, there & whole)
        order = np.lexsort((blocks, owners))
        edges = np.searchsorted(owners[order], np.arange(len(slots) + 1))
        form = np.dtype([("number", "<u4"), ("words", "<i8", kernels.BLOCK)])
        made: list[bytes | None] = []
        for place in range(len(slots)):
            mine = order[edges[place] : edges[place + 1]]
            if not there[place] or not whole[place]:
                made.append(None)
                continue
            packed = np.zeros(len(mine), form)
            packed["number"], packed["words"] = blocks[mine], words[mine]
            made.append(head_of(self.shape, len(mine)) + packed.tobytes())
        return pl.Series("result", made, dtype=pl.Binary)

    def _quantiles(self, owners: Any, blocks: Any, words: Any, valid: Any) -> pl.Series:
        share = self.layout.sketched.share
        assert share is not None
        order = np.lexsort((blocks, owners))
        cells = blocks[order][:, None] * kernels.BLOCK + np.arange(kernels.BLOCK)
        found, edges = np.zeros(len(valid), np.int64), np.searchsorted(owners[order], np.arange(len(valid) + 1))
        kernels.cells_at(frozen(words[order]), frozen(cells), frozen(edges, np.int64), share, found)
        # A group has few distinct cells at its quantiles: what one means is worked out once.
        means = {int(cell): quantile(self.shape, {int(cell): 1}, share) for cell in np.unique(found[valid])}
        return pl.Series(
            "result", [means[int(c)] if v else None for c, v in zip(found, valid, strict=True)], pl.Float64
        )

    def merge(self, other: ValueStore, theirs: Any, mine: Any, step: int) -> None:
        """Put the sketches of slots of another store into those of slots of this one, pair by pair."""
        owners, entries = (found[::-1] for found in other._entries_of(theirs))
        if not len(entries):
            return
        table, first = other.entries.table, other.entries.first + WORDS
        slots, blocks = mine[owners], table[entries, 1]
        words = table[entries, first : first + kernels.BLOCK]
        poisoned = blocks == POISON
        if poisoned.any():
            self._entries_for(slots[poisoned], blocks[poisoned].astype(np.int32), step)
        self._combine_blocks(slots[~poisoned], blocks[~poisoned], words[~poisoned], step)
