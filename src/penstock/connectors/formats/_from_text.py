"""Spans of text to typed columns, without a Python object per row; null where a text does not fit."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float64,
    Int64,
    Null,
    String,
    Time,
    UInt64,
    to_polars,
)
from penstock.core.lazy import np, pa, pl
from penstock.kernels import text_values
from penstock.kernels.arrays import frozen
from penstock.kernels.text_spans import ESCAPED, MISSING, NULL, TEXT, copy_spans, copy_texts

if TYPE_CHECKING:
    import numpy.typing as npt

    from penstock.kernels.arrays import Bytes, Words

JSON_ESCAPES = -1
"""Instead of a quote: texts have the escapes of JSON."""


class Spans(NamedTuple):
    """Texts within a block of bytes, one per row.

    Attributes:
        data: The block.
        starts: Where each text starts.
        ends: Where it ends.
        kinds: What each is; see `text_spans`.
    """

    data: Bytes
    starts: Words
    ends: Words
    kinds: Bytes

    def given(self) -> npt.NDArray[np.bool_]:
        """The rows that are not null."""
        found: npt.NDArray[np.bool_] = (self.kinds != MISSING) & (self.kinds != NULL)
        return found

    def as_text(self, *kinds: int) -> Spans:
        """The same spans where those of some kinds are plain text, and all others are missing."""
        chosen = np.isin(self.kinds, kinds)
        return self._replace(kinds=frozen(np.where(chosen, TEXT, MISSING), np.uint8))

    def plain(self, quote: int) -> Spans:
        """The same texts without escapes; copied only if there are any.

        Args:
            quote: The byte that is doubled in escaped texts, or JSON_ESCAPES.
        """
        if not (self.kinds == ESCAPED).any():
            return self
        texts = (self.kinds == TEXT) | (self.kinds == ESCAPED)
        offsets = np.empty(len(self.starts) + 1, dtype=np.int64)
        out = np.empty(int((self.ends - self.starts)[texts].sum()), dtype=np.uint8)
        copy_texts(self.data, self.starts, self.ends, self.kinds, quote, offsets, out)
        kinds = np.where(texts, TEXT, MISSING)
        return Spans(frozen(out), frozen(offsets[:-1]), frozen(offsets[1:]), frozen(kinds, np.uint8))


def spans_of(series: pl.Series) -> Spans:
    """The texts of a String column as spans."""
    array: Any = series.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    count = len(series)
    bounds = np.frombuffer(offsets, dtype=np.int64, count=count + 1, offset=array.offset * 8)
    heap = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
    kinds = np.where(series.is_null().to_numpy(), MISSING, TEXT)
    return Spans(frozen(heap), frozen(bounds[:-1]), frozen(bounds[1:]), frozen(kinds, np.uint8))


def texts(spans: Spans) -> pl.Series:
    """The texts as a String column; null where there is none. Escapes must be gone."""
    present = spans.kinds == TEXT
    lengths = np.where(present, spans.ends - spans.starts, 0)
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    out = np.empty(int(offsets[-1]), dtype=np.uint8)
    copy_spans(spans.data, spans.starts, frozen(offsets), out)
    valid = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
    array = pa.LargeStringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(out), valid)
    return pl.Series(pl.from_arrow(array))


def from_texts(spans: Spans, dtype: DType, kind: int = TEXT) -> pl.Series:
    """Texts as a column of a type that is not nested.

    Whole numbers are digits behind an optional sign; a Boolean is `true` or `false` in any case; moments are
    ISO 8601, with `T` or a space; a moment without an offset is read in the column's zone; Binary is base64.

    Args:
        spans: The texts, without escapes.
        dtype: The type.
        kind: The kind of span to read.

    Returns:
        A column that is null where there is no text, and where it is no value of the type.
    """
    wanted = to_polars(dtype)
    if dtype in INTEGERS and dtype != UInt64:
        values, fine = _parse(lambda *given: text_values.parse_integers(*given), spans, kind)
        return _masked(values, fine != 0).cast(wanted, strict=False)
    if dtype in _MOMENTS or isinstance(dtype, (Datetime, Duration)):
        return _moments(spans, dtype, kind)
    if kind != TEXT:
        spans = spans.as_text(kind)
    column = texts(spans)
    if dtype == String:
        return column
    if dtype in FLOATS:
        return _floats(column, wanted)
    if dtype == Boolean:
        lower = column.str.to_lowercase()
        return (lower == "true").set(~lower.is_in(["true", "false"]).fill_null(value=False), None)
    if dtype == Binary:
        return column.str.decode("base64", strict=False)
    if isinstance(dtype, Decimal):
        return _decimals(column, dtype)
    if dtype == Null:
        return pl.Series("", [None], dtype=pl.Null).new_from_index(0, len(column))
    return column.cast(wanted, strict=False)


def _parse(kernel: Callable[..., None], spans: Spans, kind: int, *more: Any) -> tuple[Words, Bytes]:
    values, fine = np.zeros(len(spans.starts), dtype=np.int64), np.zeros(len(spans.starts), dtype=np.uint8)
    kernel(spans.data, spans.starts, spans.ends, spans.kinds, kind, values, fine, *more)
    return values, fine


def _masked(values: Words, fine: npt.NDArray[np.bool_]) -> pl.Series:
    column = pl.Series("", values)
    return column if fine.all() else column.set(pl.Series(~fine), None)


def _moments(spans: Spans, dtype: DType, kind: int) -> pl.Series:
    work, wanted = np.zeros(3, dtype=np.int64), to_polars(dtype)
    if dtype == Date:
        values, fine = _parse(text_values.parse_dates, spans, kind, work)
        return _masked(values, fine != 0).cast(pl.Int32, strict=False).cast(wanted)
    if dtype == Time:
        values, fine = _parse(text_values.parse_times, spans, kind, work)
        return _masked(values, fine != 0).cast(wanted)
    if isinstance(dtype, Duration):
        values, fine = _parse(text_values.parse_durations, spans, kind, work)
        return _masked(values, fine != 0).cast(pl.Duration("us")).cast(wanted)
    assert isinstance(dtype, Datetime)
    values, fine = _parse(text_values.parse_instants, spans, kind, work)
    local = fine == text_values.LOCAL
    if dtype.zone is None:
        return _masked(values, local).cast(pl.Datetime("us")).cast(wanted)
    column = _masked(values, fine != text_values.FAILED).cast(pl.Datetime("us"))
    if dtype.zone == "UTC" or not local.any():
        return column.dt.replace_time_zone("UTC").cast(wanted)
    # A wall-clock time that the zone skips is null, and so is one that comes twice: which one is meant is not said.
    here = column.dt.replace_time_zone(dtype.zone, ambiguous="null", non_existent="null")
    return column.dt.replace_time_zone("UTC").cast(here.dtype).zip_with(pl.Series(~local), here).cast(wanted)


_MOMENTS = (Date, Time)


def _floats(column: pl.Series, wanted: Any) -> pl.Series:
    values = column.cast(wanted, strict=False)
    infinite = values.is_infinite().fill_null(value=False)
    if not infinite.any():
        return values
    # A number that is too large is not infinity.
    return values.set(infinite & ~column.str.to_lowercase().str.contains("inf", literal=True), None)


def _decimals(column: pl.Series, dtype: Decimal) -> pl.Series:
    powers = column.str.contains("[eE]").fill_null(value=False)
    if powers.any():
        column = pl.Series("", [_expanded(text) for text in column.to_list()], dtype=pl.String)
    values = column.cast(to_polars(dtype), strict=False)
    # The cast rounds; a digit that does not fit is a fault.
    return values.set(column.str.contains(rf"\.\d{{{dtype.scale}}}0*[1-9]").fill_null(value=False), None)


def _expanded(text: str | None) -> str | None:
    try:
        number = decimal.Decimal(text or "")
    except decimal.InvalidOperation:
        return text
    return f"{number:f}" if number.is_finite() and abs(number.adjusted()) < 100 else None


# What a text may be, in the order of trying; a text that is none of these is just a text.
_GUESSES: tuple[DType, ...] = (Boolean, Int64, Float64, Date, Datetime("us"), Datetime("us", "UTC"), Time)


_WHOLE: tuple[DType, ...] = (Int64, UInt64, Decimal(38, 0))


def guess(column: pl.Series, types: tuple[DType, ...] = _GUESSES) -> DType:
    """The type that all texts of a column fit; String if there is none, or no text at all.

    Numbers with leading zeros are texts: they are names of something. No digit of a whole number is lost: what is
    beyond Int64 is UInt64, else Decimal(38, 0), else a text.
    """
    if column.null_count() == len(column):
        return String
    numbered = bool(column.str.contains(r"^[+-]?0\d").any())
    whole = not numbered and bool(column.str.contains(r"^[+-]?\d+$").all())
    spans = spans_of(column)
    for dtype in _WHOLE if whole and Int64 in types else types:
        if numbered and dtype in (Int64, Float64):
            continue
        if from_texts(spans, dtype).null_count() == column.null_count():
            return dtype
    return String
