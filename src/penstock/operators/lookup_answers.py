"""Answers of lookups as columns: which rows there are for each key, and those that are kept for later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import DType, to_polars
from penstock.core.lazy import np, pa, pl
from penstock.core.timespan import END
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec

if TYPE_CHECKING:
    import polars as pl

FIRST, COUNT, EXPIRES, USED = range(4)
"""Words of a kept key: its rows in the frame, when it is too old, when it was used last."""
SPARE = 8
"""A full cache drops one key in so many at a time, so that the search for the oldest is paid seldom."""


class Found:
    """The rows of some keys.

    Attributes:
        frame: The rows, those of a key one after the other.
        first: By key, the place of its first row.
        count: By key, how many rows it has.
    """

    def __init__(self, frame: pl.DataFrame, first: Any, count: Any) -> None:
        self.frame, self.first, self.count = frame, first, count

    def pairs(self, keys: Any, *, padded: bool) -> tuple[Any, Any]:
        """Rows with their answers.

        Args:
            keys: By row, the number of its key; -1 for a row without one.
            padded: Whether a row without an answer is given too, with the answer -1.

        Returns:
            Indices of rows, each as often as it has answers, and of the answers in the frame.
        """
        known = keys >= 0
        count = np.where(known, self.count[keys], 0) if len(self.count) else np.zeros(len(keys), np.int64)
        first = np.where(known, self.first[keys], 0) if len(self.first) else np.zeros(len(keys), np.int64)
        times = np.maximum(count, 1) if padded else count
        rows = np.repeat(np.arange(len(keys), dtype=np.int64), times)
        starts = np.cumsum(times) - times
        answers = first[rows] + np.arange(len(rows), dtype=np.int64) - starts[rows]
        answers[count[rows] == 0] = -1
        return rows, answers

    def column(self, name: str, answers: Any) -> pl.Series:
        """A column of answers; null where there is none."""
        series = self.frame[name]
        missing = answers < 0
        if not missing.any():
            return series[pl.Series(answers)]
        if not len(series):
            return pl.Series(name, [None], dtype=series.dtype).new_from_index(0, len(answers))
        index = pl.Series(pa.array(answers, mask=missing))
        return series.gather(index)


def distinct(keys: pl.DataFrame) -> tuple[pl.DataFrame, Any]:
    """The distinct keys in order of first appearance, and by row the number of its key."""
    names = keys.columns
    unique = keys.unique(maintain_order=True)
    if unique.height == keys.height:
        return keys, np.arange(keys.height, dtype=np.int64)
    numbered = unique.with_columns(pl.Series("\0", np.arange(unique.height, dtype=np.int64)))
    found = keys.join(numbered, on=names, how="left", maintain_order="left")
    return unique, found.get_column("\0").to_numpy()


def matched(keys: pl.DataFrame, rows: pl.DataFrame, values: Sequence[str]) -> Found:
    """The rows of an answer by key; rows of other keys are passed over.

    Args:
        keys: The keys that were asked for.
        rows: What was answered.
        values: The columns that are wanted, in order.
    """
    if keys.height == 1:
        return _matched_one(keys, rows, values)
    names = keys.columns
    cast = [pl.col(name).cast(keys.schema[name]).alias(f"\0{i}") for i, name in enumerate(names)]
    given = rows.select(*cast, *values)
    numbered = keys.rename({name: f"\0{i}" for i, name in enumerate(names)})
    numbered = numbered.with_columns(pl.Series("\0", np.arange(keys.height, dtype=np.int64)))
    joined = numbered.join(given, on=[f"\0{i}" for i in range(len(names))], how="inner", maintain_order="left_right")
    count = np.bincount(joined.get_column("\0").to_numpy(), minlength=keys.height).astype(np.int64)
    return Found(joined.select(values), np.cumsum(count) - count, count)


def _matched_one(keys: pl.DataFrame, rows: pl.DataFrame, values: Sequence[str]) -> Found:
    """As `matched`, of one key: comparing costs a tenth of a join."""
    equal = pl.Series([True]).new_from_index(0, rows.height)
    for one in keys.get_columns():
        series = rows.get_column(one.name)
        equal &= (series if series.dtype == one.dtype else series.cast(one.dtype)) == one
    kept = [rows.get_column(name).filter(equal) for name in values]
    count = np.array([int(equal.sum() or 0)], np.int64)
    return Found(pl.DataFrame(kept), np.zeros(1, np.int64), count)


class Answers:
    """Answers that are kept by key.

    Args:
        names: The columns of the key.
        types: Their types.
        values: The columns of the rows, and their types.
        most: The most keys.
        seed: Seeds the index.
    """

    def __init__(
        self, names: Sequence[str], types: Sequence[DType], values: dict[str, Any], most: int | None, seed: int
    ) -> None:
        self.codec = KeyCodec(list(names), list(types), [False] * len(names))
        self.most, self.seed = most, seed
        self.types = {name: to_polars(dtype) for name, dtype in zip(names, types, strict=True)}
        self.keys = self._empty()
        self.frame = pl.DataFrame(schema=values)
        self.live = 0
        self.turn = 0

    def _empty(self) -> Arrangement:
        return Arrangement(self.codec.layout, [0] * 4, seed=self.seed)

    def __len__(self) -> int:
        return len(self.keys)

    def _word(self, place: int) -> Any:
        return self.keys.table[:, self.keys.first + place]

    def find(self, keys: pl.DataFrame, now: int, idle_us: int | None) -> tuple[Found, Any]:
        """What is known of keys.

        Args:
            keys: Distinct keys.
            now: The instant: older answers do not count.
            idle_us: For how long an answer lives on when it is used; None = that does not matter.

        Returns:
            The rows by key, and by key whether something is known of it.
        """
        slots = self.keys.find(self.codec.encode(keys.get_columns(), keys.height))
        known = slots >= 0
        at = np.where(known, slots, 0)
        if not len(self.keys):
            return Found(self.frame, np.zeros(keys.height, np.int64), np.zeros(keys.height, np.int64)), known
        known &= self._word(EXPIRES)[at] > now
        if idle_us is not None:
            known &= self._word(USED)[at] + idle_us > now
        self._word(USED)[slots[known]] = now
        count = np.where(known, self._word(COUNT)[at], 0)
        return Found(self.frame, np.where(known, self._word(FIRST)[at], 0), count), known

    def keep(self, keys: pl.DataFrame, found: Found, now: int, ttl_us: int | None, *, misses: bool) -> None:
        """Keep the answers of keys, in the place of older ones.

        Args:
            keys: Distinct keys.
            found: Their rows.
            now: The instant.
            ttl_us: How long they count.
            misses: Whether it is kept that a key has no rows.
        """
        if not misses and (found.count == 0).any():
            some = np.flatnonzero(found.count)
            keys, found = keys[some], Found(found.frame, found.first[some], found.count[some])
        if not keys.height:
            return
        touched = self.keys.upsert(self.codec.encode(keys.get_columns(), keys.height), None, self.turn)
        self.turn += 1
        slots = touched.slots
        self.live -= int(self._word(COUNT)[slots].sum())
        self._word(FIRST)[slots] = found.first + self.frame.height
        self._word(COUNT)[slots] = found.count
        self._word(EXPIRES)[slots] = END if ttl_us is None else now + ttl_us
        self._word(USED)[slots] = now
        self.live += int(found.count.sum())
        self.frame = self.frame.vstack(found.frame)
        self._bound()
        if self.frame.n_chunks() > 64:
            self.frame = self.frame.rechunk()

    def _bound(self) -> None:
        """Drop the keys that were not used for the longest time, and rows that no key has any more."""
        if self.most is not None and len(self.keys) > self.most:
            slots = self.keys.live()
            gone = len(slots) - self.most + self.most // SPARE
            oldest = slots[np.argpartition(self._word(USED)[slots], min(gone, len(slots)) - 1)[:gone]]
            self.live -= int(self._word(COUNT)[oldest].sum())
            self._word(COUNT)[oldest] = 0
            self.keys.delete(oldest, self.turn)
            self.turn += 1
        if self.frame.height > 1024 and self.frame.height > 2 * self.live:
            self._compact()

    def _compact(self) -> None:
        slots = self.keys.live()
        count = self._word(COUNT)[slots].copy()
        all_of = Found(self.frame, self._word(FIRST)[slots].copy(), count)
        _, rows = all_of.pairs(np.arange(len(slots), dtype=np.int64), padded=False)
        self.frame = self.frame[pl.Series(rows)]
        self._word(FIRST)[slots] = np.cumsum(count) - count

    def fill(self, rows: pl.DataFrame, names: Sequence[str], now: int) -> None:
        """Take a whole table in the place of all there is."""
        cast = [pl.col(name).cast(dtype) for name, dtype in self.types.items()]
        keys = rows.select(cast).drop_nulls().unique(maintain_order=True)
        self.keys = self._empty()
        self.frame, self.live = self.frame.clear(), 0
        self.keep(keys, matched(keys, rows, list(self.frame.columns)), now, None, misses=True)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.keys.nbytes + int(self.frame.estimated_size())
