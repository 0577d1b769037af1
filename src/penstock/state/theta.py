"""The theta sketches of aggregates: the hashes of each slot, each an entry, and theta as one that is negative.

A slot keeps up to twice as many hashes as its sketch has, and then only the least: so what a row costs does not grow,
and most rows of a large group end at a comparison with theta. See `penstock.expr.theta` for what a sketch is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import Binary, DType, Int32, Int64, String
from penstock.core.lazy import np, pa, pl
from penstock.expr.function import Sketched
from penstock.expr.theta import WHOLE, from_bytes, head_of
from penstock.kernels.arrays import frozen
from penstock.kernels.theta import hash_numbers, hash_texts
from penstock.state.keys import KeyCodec
from penstock.state.values import COUNT, ValueLayout, ValueStore, rows_that_count

if TYPE_CHECKING:
    from penstock.state.batch import Batch

POISON = 0
"""The hash of a slot into which bytes came that are no such sketch: it has no result."""


@dataclass(frozen=True)
class ThetaLayout(ValueLayout):
    """What an entry of a theta sketch is: a slot and a hash.

    Attributes:
        sketched: What is made of it; `shape.first` is the precision.
        given: The type of what is aggregated.
    """

    sketched: Sketched
    given: DType

    @classmethod
    def sketch(cls, types: Sequence[DType], sketched: Sketched) -> ThetaLayout:
        """The layout for a sketch of values of some types."""
        codec = KeyCodec(["slot", "hash"], [Int32, Int64], [False, False])
        return cls(codec, (Int64,), False, sketched, types[0])

    def store(self, seed: int) -> ValueStore:
        """See `ValueLayout.store`."""
        return ThetaStore(self, seed)


class ThetaStore(ValueStore):
    """Theta sketches by slot of another table.

    Args:
        layout: What an entry is.
        seed: Seeds the index; results do not depend on it.
    """

    def __init__(self, layout: ThetaLayout, seed: int = 0) -> None:
        super().__init__(layout, seed)
        self.layout: ThetaLayout = layout
        self.most = 1 << layout.sketched.shape.first
        self._thetas: Any = np.full(64, WHOLE, np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return super().nbytes + int(self._thetas.nbytes)

    def add(self, slots: Any, rows: Any, names: tuple[str, ...], valid: Any, batch: Batch, step: int) -> None:
        """Put the values of rows into the sketches of their slots; see `ValueStore.add`."""
        chosen, slots = rows_that_count(slots, rows, valid, batch.length)
        if not len(chosen):
            return
        values = batch.series[names[0]].gather(pl.Series(chosen))
        if not self.layout.sketched.merges:
            self._take(slots, _hashes(values, self.layout.given), step)
            return
        owners, hashes = [], []
        for slot, data in zip(slots, values.to_list(), strict=True):
            found = from_bytes(data)
            made = [POISON] if found is None else [*found.hashes, *([-found.theta] if found.theta < WHOLE else [])]
            owners.append(np.full(len(made), slot, np.int32))
            hashes.append(np.array(made, np.int64))
        # An empty sketch is a value too: its slot keeps a theta that cuts nothing off.
        owners.append(np.array(slots, np.int32))
        hashes.append(np.full(len(slots), -WHOLE, np.int64))
        self._take(np.concatenate(owners), np.concatenate(hashes), step)

    def _take(self, slots: Any, hashes: Any, step: int) -> None:
        """Put hashes into slots, and thetas, which are negative."""
        self._widen(int(slots.max()) + 1)
        lower = hashes < 0
        np.minimum.at(self._thetas, slots[lower], -hashes[lower])
        keep = hashes < self._thetas[slots]
        slots, hashes = frozen(slots[keep], np.int32), hashes[keep]
        if len(slots):
            keys = self.layout.keys_of(slots, None, _keys(hashes), np.arange(len(slots)))
            self._put(slots, keys, np.ones(len(slots), np.int64), step)
        touched = np.unique(slots)
        lowered = np.isin(touched, slots[hashes < 0])
        full = touched[lowered | (self._sizes[touched] > 2 * self.most + 1)]
        if len(full):
            self._prune(frozen(full, np.int32), step)

    def _widen(self, needed: int) -> None:
        known = len(self._thetas)
        if needed > known:
            thetas = np.full(max(needed, 2 * known), WHOLE, np.int64)
            thetas[:known] = self._thetas
            self._thetas = thetas

    def _prune(self, slots: Any, step: int) -> None:
        """Let slots keep their least hashes only, and one theta."""
        owners, entries = self._entries_of(slots)
        hashes = self.entries.table[entries, 1]
        cuts, _, _ = self._cuts(slots, owners, hashes)
        thetas = np.minimum(cuts, self._thetas[slots])
        self._thetas[slots] = thetas
        drop = (hashes >= thetas[owners]) | ((hashes < 0) & (hashes != -thetas[owners]))
        table, first = self.entries.table, self.entries.first
        table[entries[drop], first + COUNT] = 0
        if drop.any():
            self._drop(slots, step)
        cut = slots[thetas < WHOLE]
        if len(cut):
            keys = self.layout.keys_of(cut, None, _keys(-self._thetas[cut]), np.arange(len(cut)))
            self._put(cut, keys, np.ones(len(cut), np.int64), step)

    def _cuts(self, slots: Any, owners: Any, hashes: Any) -> tuple[Any, Any, Any]:
        """By slot, the least hash that its sketch has no room for; the order of all by slot; where slots begin."""
        order = np.lexsort((hashes, owners))
        order = order[hashes[order] > POISON]
        edges = np.searchsorted(owners[order], np.arange(len(slots) + 1))
        cuts = np.full(len(slots), WHOLE, np.int64)
        over = np.flatnonzero(np.diff(edges) > self.most)
        cuts[over] = hashes[order[edges[over] + self.most]]
        return cuts, order, edges

    def result(self, slots: Any, aggregate: Callable[..., pl.Expr]) -> pl.Series:
        """The sketch of each slot; null for one without values, or with bytes of another kind."""
        owners, entries = self._entries_of(slots)
        self._widen(int(slots.max()) + 1 if len(slots) else 0)
        hashes = self.entries.table[entries, 1]
        there, whole = np.zeros(len(slots), np.bool_), np.ones(len(slots), np.bool_)
        there[owners] = True
        whole[owners[hashes == POISON]] = False
        cuts, order, edges = self._cuts(slots, owners, hashes)
        thetas = np.minimum(cuts, self._thetas[slots])
        made: list[bytes | None] = []
        for place, (start, end) in enumerate(pairwise(edges.tolist())):
            if not there[place] or not whole[place]:
                made.append(None)
                continue
            kept, theta = hashes[order[start : min(end, start + self.most)]], int(thetas[place])
            made.append(head_of(theta, len(kept)) + kept.astype("<i8").tobytes())
        return pl.Series("result", made, dtype=pl.Binary)

    def merge(self, other: ValueStore, theirs: Any, mine: Any, step: int) -> None:
        """Put the sketches of slots of another store into those of slots of this one, pair by pair."""
        owners, entries = other._entries_of(theirs)
        if len(entries):
            self._take(mine[owners], other.entries.table[entries, 1], step)

    def clear(self) -> None:
        """Drop all and keep the memory."""
        super().clear()
        self._thetas[:] = WHOLE

    def forget(self, slots: Any, step: int) -> None:
        """Drop the sketches of slots."""
        super().forget(slots, step)
        self._widen(int(slots.max()) + 1 if len(slots) else 0)
        self._thetas[slots] = WHOLE

    def restored(self) -> None:
        """See `ValueStore.restored`; thetas are among the entries."""
        super().restored()
        live = self.entries.live()
        owners, hashes = self.entries.table[live, 0], self.entries.table[live, 1]
        self._thetas[:] = WHOLE
        if len(live):
            self._widen(int(owners.max()) + 1)
            np.minimum.at(self._thetas, owners[hashes < 0], -hashes[hashes < 0])


def _keys(hashes: Any) -> Any:
    return KeyCodec(["hash"], [Int64], [False]).encode([np.ascontiguousarray(hashes)])


def _hashes(values: pl.Series, dtype: DType) -> Any:
    found = np.empty(len(values), np.int64)
    if dtype in (String, Binary):
        array = values.cast(pl.Binary).to_arrow().cast(pa.large_binary())
        starts = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
        data = array.buffers()[2]
        texts = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
        hash_texts(frozen(texts), frozen(starts), found)
        return found
    # A moment has one hash, in whatever unit it is counted.
    if isinstance(values.dtype, pl.Datetime):
        values = values.cast(pl.Datetime("us", values.dtype.time_zone))
    elif isinstance(values.dtype, pl.Duration):
        values = values.cast(pl.Duration("us"))
    codec = KeyCodec(["v"], [dtype], [False])
    hash_numbers(frozen(codec.encode([values], len(values)).words[:, 0]), found)
    return found
