"""Key columns as canonical 8-byte words, and back.

A key is a row of words, equal exactly where the key is equal: a whole number, boolean or instant is its
physical value, a float is its bits with one NaN and one zero, a decimal is two words, a text or binary
is two words like a string view (see `penstock.kernels.texts`) and, if it is longer than 12 bytes, an
offset into a heap of bytes. Nullable columns share one more word with a bit per null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from penstock.core import dtypes
from penstock.core.dtypes import DType, to_polars
from penstock.core.errors import InvariantError, UnsupportedError
from penstock.core.lazy import np, pa, pl
from penstock.kernels.arrays import frozen
from penstock.kernels.row_slots import take_slot_texts, take_words
from penstock.kernels.texts import (
    long_bytes,
    put_floats,
    put_long_texts,
    put_nulls,
    put_short_texts,
    take_texts,
    text_bytes,
)
from penstock.state.kinds import DECIMAL, FLOAT, NOTHING, TEXT, WORD, kind_of

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Bytes, Flags, Rows, Words

MAX_NULLABLE = 64
MOST_BUFFERS = 16
TEXT_GUESS = 32
"""How many bytes a long text is thought to have, before it is known."""


@dataclass(frozen=True)
class KeyLayout:
    """How a key is laid out: all that an arrangement needs to know of it.

    Attributes:
        width: The number of key words.
        texts: For each text, the place of the first of its two words.
    """

    width: int
    texts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Keys:
    """The keys of some rows.

    Attributes:
        words: The key words, int64 [rows, width], read-only; never written after it was handed over.
        starts: For each row and text the offset of its bytes in `heap` [rows, texts]; no rows at all if
            no text is longer than 12 bytes.
        heap: Bytes of the long texts.
    """

    words: Words
    starts: Words
    heap: Bytes

    def __len__(self) -> int:
        return int(self.words.shape[0])


@dataclass(frozen=True)
class _Column:
    name: str
    dtype: DType
    kind: str
    place: int
    text: int
    null_bit: int


class KeyCodec:
    """Turns key columns into `Keys` and key rows back into columns.

    Args:
        names: The names of the key columns; none for the one key of a grouping without keys.
        columns: Their types.
        nullable: Which of them may hold null; all if not given. A declared nullable column costs a word.

    Raises:
        UnsupportedError: A column is of a type that has no canonical words (lists, structs, maps).
    """

    def __init__(self, names: Sequence[str], columns: Sequence[DType], nullable: Sequence[bool] | None = None) -> None:
        flags = [True] * len(columns) if nullable is None else list(nullable)
        if not len(names) == len(columns) == len(flags):
            raise InvariantError("names, types and nullability of key columns differ in number")
        made: list[_Column] = []
        place, texts, bits = 0, 0, 0
        for name, dtype, null in zip(names, columns, flags, strict=True):
            kind = kind_of(dtype)
            may_be_null = null or kind == NOTHING
            made.append(_Column(name, dtype, kind, place, texts, bits if may_be_null else -1))
            place += 2 if kind in (TEXT, DECIMAL) else 1
            texts += kind == TEXT
            bits += may_be_null
        if bits > MAX_NULLABLE:
            raise UnsupportedError(f"{bits} nullable key columns; at most {MAX_NULLABLE} are possible")
        self.columns = tuple(made)
        self.mask_place = place if bits else -1
        width = max(1, place + (1 if bits else 0))
        self.layout = KeyLayout(width, tuple(c.place for c in made if c.kind == TEXT))
        self._no_starts: Words = frozen(np.empty((0, texts), np.int64))
        self._no_bytes: Bytes = frozen(np.empty(0, np.uint8))
        # What needs no copy at all: one column of 8-byte numbers without nulls.
        self._plain = len(made) == 1 and bits == 0 and made[0].kind == WORD and _is_eight_bytes(made[0].dtype)

    @property
    def is_plain(self) -> bool:
        """Whether the key is one 8-byte number without nulls, whose word has the order of its value."""
        return self._plain and self.columns[0].dtype != dtypes.UInt64

    def encode(self, columns: Sequence[pl.Series | Array], length: int | None = None) -> Keys:
        """The keys of some rows.

        One not nullable column of 8-byte numbers, or of texts that are all short, is not copied.

        Args:
            columns: The key columns as Polars series; arrays may stand for numbers without nulls.
            length: The number of rows; needed only if there are no key columns.

        Raises:
            InvariantError: A column declared without nulls holds one, or is not of the type declared.
        """
        if self._plain:
            values = _plain_values(self.columns[0], columns[0])
            return Keys(frozen(values.view(np.int64).reshape(-1, 1)), self._no_starts, self._no_bytes)
        rows = len(columns[0]) if columns else (length or 0)
        pairs = list(zip(self.columns, columns, strict=True))
        texts = [_Texts.of(column, series, _valid(column, series)) for column, series in pairs if column.kind == TEXT]
        many = sum(text.long for text in texts)
        if len(pairs) == 1 and texts and self.mask_place < 0 and many == 0:
            return Keys(texts[0].views, self._no_starts, self._no_bytes)
        words = np.empty((rows, self.layout.width), np.int64)
        if not columns or self.mask_place >= 0:
            words[:, self.mask_place] = 0
        for column, series in pairs:
            valid = _valid(column, series)
            if column.kind != TEXT:
                _put_fixed(column, series, valid, words)
            if valid.shape[0] > 0:
                put_nulls(valid, words, column.place, self.mask_place, column.null_bit)
        starts, heap, tail = self._no_starts, self._no_bytes, 0
        if many > 0:
            starts, heap = np.zeros((rows, len(texts)), np.int64), np.empty(many, np.uint8)
        for text in texts:
            tail = text.put(words, starts, heap, tail)
        return Keys(frozen(words), frozen(starts), frozen(heap))

    def decode(self, rows: Words, heap: Bytes) -> list[pl.Series]:
        """Key rows (`Arrangement.key_rows`) as columns, exactly as they were, nulls included.

        Args:
            rows: Key words followed by heap offsets, one row per key.
            heap: The bytes that the offsets point into.
        """
        made = []
        width = self.layout.width
        for column in self.columns:
            valid = _no_flags()
            if column.null_bit >= 0:
                valid = (rows[:, self.mask_place] >> column.null_bit) & 1 == 0
            if column.kind == TEXT:
                series = _take_texts(column, rows, width + column.text, heap, valid)
            else:
                series = _take_fixed(column, rows, valid)
            made.append(series.rename(column.name))
        return made

    def take(self, number: int, table: Words, slots: Rows, heap: Bytes) -> pl.Series:
        """One column of some slots of a table, read where it lies: what `decode` gives of it.

        Args:
            number: Which column.
            table: All slots (`Arrangement.table`).
            slots: Which slots, in which order.
            heap: The bytes of their long texts (`Arrangement.heap`).
        """
        column, slots = self.columns[number], frozen(slots, np.int32)
        valid = _no_flags()
        if column.null_bit >= 0:
            there = (_taken(table, slots, self.mask_place) >> column.null_bit) & 1 == 0
            valid = valid if there.all() else there
        if column.kind == TEXT:
            views = np.empty((len(slots), 2), np.int64)
            start = self.layout.width + column.text
            taken = np.empty(TEXT_GUESS * len(slots), np.uint8)
            needed = take_slot_texts(table, slots, column.place, start, heap, views, taken)
            if needed > len(taken):
                taken = np.empty(_most_bytes(needed), np.uint8)
                take_slot_texts(table, slots, column.place, start, heap, views, taken)
            return _text_series(column, views, taken[:needed], valid)
        words = _taken(table, slots, column.place)
        if column.kind == DECIMAL:
            words = np.stack([words, _taken(table, slots, column.place + 1)], axis=1)
        return _fixed_series(column, words, valid)


def _taken(table: Words, slots: Rows, column: int) -> Words:
    words: Words = np.empty(len(slots), np.int64)
    take_words(table, slots, column, words)
    return words


def _most_bytes(count: int) -> int:
    if count >= 1 << 31:
        raise InvariantError("more than 2 GiB of texts in one batch of output")
    return count


@dataclass(frozen=True)
class _Texts:
    """A text column on its way to key words: string views, bytes of the long texts, and the buffers these lie in."""

    column: _Column
    views: Words
    valid: Flags
    long: int
    buffers: range
    array: pa.Array

    @classmethod
    def of(cls, column: _Column, series: pl.Series | Array, valid: Flags) -> _Texts:
        texts = series if isinstance(series, pl.Series) else pl.Series(series)
        return cls._of_array(column, texts.to_arrow(compat_level=pl.CompatLevel.newest()), valid)

    @classmethod
    def _of_array(cls, column: _Column, array: pa.Array, valid: Flags) -> _Texts:
        buffer = array.buffers()[1]
        if buffer is None or len(array) == 0:
            views: Words = frozen(np.empty((0, 2), np.int64))
        else:
            views = frozen(np.frombuffer(buffer, np.int64).reshape(-1, 2)[array.offset : array.offset + len(array)])
        found = np.empty(3, np.int64)
        long_bytes(views, valid, found)
        long, lowest, highest = found.tolist()
        if highest - lowest >= MOST_BUFFERS:
            # Every buffer costs a pass over the rows; the bytes in one buffer cost a copy.
            return cls._of_array(column, array.cast(pa.large_binary()).cast(pa.binary_view()), valid)
        return cls(column, views, valid, long, range(lowest, highest + 1), array)

    def put(self, words: Words, starts: Words, heap: Bytes, tail: int) -> int:
        place = self.column.place
        put_short_texts(self.views, self.valid, words, place)
        buffers = self.array.buffers()
        for number in self.buffers:
            source = frozen(np.frombuffer(buffers[2 + number], np.uint8))
            tail = put_long_texts(
                self.views, self.valid, number, source, words, place, starts, self.column.text, heap, tail
            )
        return tail


def _is_eight_bytes(dtype: DType) -> bool:
    return dtype in (dtypes.Int64, dtypes.UInt64) or isinstance(dtype, dtypes.Datetime | dtypes.Duration)


def _plain_values(column: _Column, series: pl.Series | Array) -> Array:
    if isinstance(series, pl.Series):
        if series.null_count() > 0:
            _valid(column, series)
        series = series.to_numpy()
    if series.dtype.itemsize != 8:
        raise InvariantError(f"key column {column.name!r} is of type {column.dtype} and holds {series.dtype}")
    return series


@cache
def _no_flags() -> Flags:
    return frozen(np.empty(0, np.bool_))


def _valid(column: _Column, series: pl.Series | Array) -> Flags:
    """Which rows are not null; empty if none is."""
    if not isinstance(series, pl.Series) or series.null_count() == 0:
        return _no_flags()
    if column.null_bit < 0:
        raise InvariantError(f"key column {column.name!r} was declared without nulls and holds one")
    return frozen(series.is_not_null().to_numpy())


def _physical(series: pl.Series | Array, valid: Flags) -> Array:
    if not isinstance(series, pl.Series):
        return series
    if valid.shape[0] > 0:
        # Any value will do: the words of nulls are zeroed.
        series = series.to_physical().fill_null(strategy="zero")
    elif series.dtype.is_temporal():
        series = series.cast(pl.Int64)
    return series.to_numpy()


def _put_fixed(column: _Column, series: pl.Series | Array, valid: Flags, words: Words) -> None:
    place = column.place
    if column.kind == NOTHING:
        words[:, place] = 0
    elif column.kind == DECIMAL:
        array = series.to_arrow() if isinstance(series, pl.Series) else pa.array(series)
        pairs = np.frombuffer(array.buffers()[1], np.int64).reshape(-1, 2)
        words[:, place : place + 2] = pairs[array.offset : array.offset + len(array)]
        if valid.shape[0] > 0:
            words[~valid, place + 1] = 0
    else:
        values = _physical(series, valid)
        if column.kind == FLOAT:
            floats = frozen(values, np.float64)
            put_floats(floats, floats.view(np.int64), words, place)
        elif values.dtype.kind in "mMu" and values.dtype.itemsize == 8:
            words[:, place] = values.view(np.int64)
        else:
            words[:, place] = values


def _take_fixed(column: _Column, rows: Words, valid: Flags) -> pl.Series:
    pairs = column.kind == DECIMAL
    words = rows[:, column.place : column.place + 2] if pairs else rows[:, column.place]
    return _fixed_series(column, np.ascontiguousarray(words), valid)


def _fixed_series(column: _Column, words: Words, valid: Flags) -> pl.Series:
    """A column of a fixed number of words, one per row or (decimals) two."""
    target = to_polars(column.dtype)
    count = words.shape[0]
    if column.kind == NOTHING:
        return pl.Series([None] * count, dtype=pl.Null)
    nulls = None if valid.shape[0] == 0 or valid.all() else ~valid
    if column.kind == DECIMAL:
        kind = pa.decimal128(*_decimal_of(column.dtype))
        bitmap = None if nulls is None else pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
        array = pa.Array.from_buffers(kind, count, [bitmap, pa.py_buffer(words)])
        return _series(array).cast(target)
    values: Array = words.view(np.float64) if column.kind == FLOAT else words
    if column.dtype == dtypes.UInt64:
        values = words.view(np.uint64)
    series = pl.Series(values) if nulls is None else _series(pa.array(values, mask=nulls))
    if column.dtype == dtypes.Date:
        series = series.cast(pl.Int32)
    return series if series.dtype == target else series.cast(target)


def _decimal_of(dtype: DType) -> tuple[int, int]:
    if not isinstance(dtype, dtypes.Decimal):
        raise InvariantError(f"{dtype} is not a decimal")
    return dtype.precision, dtype.scale


def _series(array: pa.Array) -> pl.Series:
    series = pl.from_arrow(array)
    if not isinstance(series, pl.Series):
        raise InvariantError("an Arrow array did not become a series")
    return series


def _take_texts(column: _Column, rows: Words, start_column: int, heap: Bytes, valid: Flags) -> pl.Series:
    rows = frozen(rows)
    views = np.empty((rows.shape[0], 2), np.int64)
    taken = np.empty(text_bytes(rows, column.place), np.uint8)
    if taken.shape[0] >= 1 << 31:
        raise InvariantError("more than 2 GiB of keys in one batch of output")
    take_texts(rows, column.place, start_column, frozen(heap), views, taken)
    return _text_series(column, views, taken, valid)


def _text_series(column: _Column, views: Words, taken: Bytes, valid: Flags) -> pl.Series:
    kind = pa.binary_view() if column.dtype == dtypes.Binary else pa.string_view()
    bitmap = None if valid.shape[0] == 0 else pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    buffers = [bitmap, pa.py_buffer(views)]
    if taken.shape[0] > 0:
        buffers.append(pa.py_buffer(taken))
    return _series(pa.Array.from_buffers(kind, views.shape[0], buffers))
