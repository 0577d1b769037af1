"""Spans of JSON text to typed columns, nested ones too, without a Python object per row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.connectors.formats._from_text import JSON_ESCAPES, Spans, from_texts, texts
from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
    Boolean,
    Decimal,
    DType,
    Json,
    List,
    Map,
    Null,
    Struct,
    UInt64,
    to_polars,
)
from penstock.core.lazy import np, pa, pl
from penstock.kernels import json_tokens
from penstock.kernels.arrays import frozen
from penstock.kernels.json_values import ELEMENTS, ENTRIES, FIELDS, MEMO_SIZE, WHOLE, scan_json
from penstock.kernels.text_spans import (
    ARRAY,
    ESCAPED,
    FALSE,
    FRACTION,
    INTEGER,
    MISSING,
    OBJECT,
    TEXT,
    TRUE,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from penstock.kernels.arrays import Array, Bytes, Words

DEEPEST = 512
"""How deep values may be nested."""

_SPECIAL_FLOATS = ("NaN", "Infinity", "-Infinity")

FAULTS = {
    json_tokens.EARLY_END: "it ends too early",
    json_tokens.UNEXPECTED: "unexpected character",
    json_tokens.TRAILING: "more text behind the value",
    json_tokens.CONTROL: "a control character in a text",
    json_tokens.BAD_ESCAPE: "no such escape",
    json_tokens.SURROGATE: "half of a surrogate pair",
    json_tokens.TOO_DEEP: f"nested more than {DEEPEST} deep",
    json_tokens.NOT_OBJECT: "not an object",
    json_tokens.TWICE: "is there twice",
    json_tokens.UNKNOWN: "is not declared",
}
"""What is wrong, by fault."""


class Scanned(NamedTuple):
    """What was found within spans.

    Attributes:
        starts: Where values start [fields, rows], or [1 or 2, elements].
        ends: Where they end.
        kinds: What they are.
        counts: How many elements each row has.
        total: How many there are in all.
        faults: Per row 0, or a negative number: see `fault`.
    """

    starts: Array
    ends: Array
    kinds: Array
    counts: Words
    total: int
    faults: Words

    def column(self, row: int, data: Bytes, count: int) -> Spans:
        """The spans of one field (or of elements) as a column."""
        parts = (self.starts[row, :count], self.ends[row, :count], self.kinds[row, :count])
        return Spans(data, frozen(parts[0]), frozen(parts[1]), frozen(parts[2]))


def fault(code: int) -> tuple[int, int]:
    """The fault and its position in the block, from a negative number of `Scanned.faults`."""
    return -code % 32, -code // 32


def scan(
    spans: Spans, given: int, mode: int, names: Sequence[str] = (), forbid: bool = False, faults: Words | None = None
) -> Scanned:
    """Find values within spans of one kind; see `scan_json`."""
    rows = len(spans.starts)
    encoded = [name.encode() for name in names]
    offsets = np.cumsum([0, *map(len, encoded)])
    width, room = 1, rows
    if mode == FIELDS:
        width = max(1, len(names))
    elif mode != WHOLE:
        width = 2 if mode == ENTRIES else 1
        # An element takes at least a character and a comma.
        room = int(((spans.ends - spans.starts)[spans.kinds == given] // 2 + 1).sum())
    starts, ends = np.zeros((width, room), dtype=np.int64), np.zeros((width, room), dtype=np.int64)
    kinds = np.full((width, room), MISSING, dtype=np.uint8)
    counts = np.zeros(rows, dtype=np.int64)
    faults = np.zeros(rows, dtype=np.int64) if faults is None else faults
    longest = max(map(len, encoded), default=0)
    total = scan_json(
        spans.data, spans.starts, spans.ends, spans.kinds, given, mode, int(forbid),
        frozen(np.frombuffer(b"".join(encoded), dtype=np.uint8)), frozen(offsets, np.int64),
        starts, ends, kinds, counts, faults,
        # A character of a name takes up to twelve bytes as an escape.
        np.zeros(DEEPEST, dtype=np.uint8), np.zeros(MEMO_SIZE, dtype=np.int64), np.zeros(12 * longest, dtype=np.uint8),
    )  # fmt: skip
    return Scanned(starts, ends, kinds, counts, int(total), faults)


def from_json(spans: Spans, dtype: DType) -> tuple[pl.Series, npt.NDArray[np.bool_] | None]:
    """JSON values as a typed column, and the rows whose value is not of the type (None if all are).

    A number is no text and a text is no number, except that NaN and infinities are the texts `"NaN"`,
    `"Infinity"` and `"-Infinity"`, and decimals may be texts. Moments, durations and Binary are texts as for
    `from_texts`. A map is an object; its keys are texts.
    """
    if isinstance(dtype, List):
        column = _lists(spans, dtype)
    elif isinstance(dtype, Struct):
        column = _structs(spans, dtype)
    elif isinstance(dtype, Map):
        column = _maps(spans, dtype)
    else:
        column = _scalars(spans, dtype)
    wrong = spans.given() & column.is_null().to_numpy()
    return column, wrong if wrong.any() else None


def from_json_texts(spans: Spans, dtype: DType) -> pl.Series:
    """Texts without escapes, each one JSON value, as a typed column; null where it is none of the type."""
    found = scan(spans, TEXT, WHOLE).column(0, spans.data, len(spans.starts))
    return from_json(found, dtype)[0]


def _scalars(spans: Spans, dtype: DType) -> pl.Series:
    if dtype == Boolean:
        truth = pl.Series("", spans.kinds == TRUE)
        return truth.set(pl.Series((spans.kinds != TRUE) & (spans.kinds != FALSE)), None)
    if dtype == Null:
        return pl.Series("", [None], dtype=pl.Null).new_from_index(0, len(spans.starts))
    if dtype == Json:
        return _raw(spans)
    if dtype in INTEGERS:
        return from_texts(
            spans.as_text(INTEGER) if dtype == UInt64 else spans, dtype, TEXT if dtype == UInt64 else INTEGER
        )
    if dtype in FLOATS:
        return _floats(spans, dtype)
    if isinstance(dtype, Decimal):
        return from_texts(spans.as_text(INTEGER, FRACTION, TEXT), dtype)
    return from_texts(spans.plain(JSON_ESCAPES), dtype)


def _floats(spans: Spans, dtype: DType) -> pl.Series:
    values = from_texts(spans.as_text(INTEGER, FRACTION), dtype)
    named = spans.as_text(TEXT)
    if not (named.kinds == TEXT).any():
        return values
    words = texts(named)
    special = words.is_in(_SPECIAL_FLOATS).fill_null(value=False)
    return words.cast(to_polars(dtype), strict=False).zip_with(special, values)


def _raw(spans: Spans) -> pl.Series:
    quoted = (spans.kinds == TEXT) | (spans.kinds == ESCAPED)
    kinds = np.where(spans.given(), TEXT, MISSING)
    return texts(Spans(spans.data, frozen(spans.starts - quoted), frozen(spans.ends + quoted), frozen(kinds, np.uint8)))


def _structs(spans: Spans, dtype: Struct) -> pl.Series:
    rows = len(spans.starts)
    found = scan(spans, OBJECT, FIELDS, [name for name, _ in dtype.fields])
    valid = (spans.kinds == OBJECT) & (found.faults == 0)
    columns = []
    for slot, (name, inner) in enumerate(dtype.fields):
        column, wrong = from_json(found.column(slot, spans.data, rows), inner)
        if wrong is not None:
            valid &= ~wrong
        columns.append(column.alias(name))
    if not columns:
        return pl.Series("", [None if not one else {} for one in valid.tolist()], dtype=to_polars(dtype))
    struct = pl.struct(columns)
    return pl.select(pl.when(pl.Series(valid)).then(struct).otherwise(None)).to_series().cast(to_polars(dtype))


def _lists(spans: Spans, dtype: List) -> pl.Series:
    found = scan(spans, ARRAY, ELEMENTS)
    children, wrong = from_json(found.column(0, spans.data, found.total), dtype.inner)
    return _gathered(children, found, wrong, spans.kinds == ARRAY).cast(to_polars(dtype))


def _maps(spans: Spans, dtype: Map) -> pl.Series:
    found = scan(spans, OBJECT, ENTRIES)
    values, wrong = from_json(found.column(0, spans.data, found.total), dtype.value)
    keys = from_texts(found.column(1, spans.data, found.total).plain(JSON_ESCAPES), dtype.key)
    parents = pl.Series(np.repeat(np.arange(len(spans.starts)), found.counts))
    refused = (keys.is_null() | pl.DataFrame({"parent": parents, "key": keys}).is_duplicated()).to_numpy()
    if wrong is not None:
        refused = refused | wrong
    entries = pl.DataFrame([keys.alias("key"), values.alias("value")]).to_struct("")
    return _gathered(entries, found, refused, spans.kinds == OBJECT).cast(to_polars(dtype))


def _gathered(
    children: pl.Series, found: Scanned, wrong: npt.NDArray[np.bool_] | None, valid: npt.NDArray[np.bool_]
) -> pl.Series:
    """Elements as lists; a list with a wrong element is null."""
    if wrong is not None:
        valid[np.repeat(np.arange(len(valid)), found.counts)[wrong]] = False
    offsets = np.concatenate(([0], np.cumsum(found.counts)))
    values: Any = children.rechunk().to_arrow()
    array = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), values, mask=pa.array(~valid))
    return pl.Series(pl.from_arrow(array))
