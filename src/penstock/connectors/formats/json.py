"""JSON lines: one object per line.

A field that is not there is null. Whole numbers, decimals and texts are taken exactly: a value that does not
fit its column makes the row bad, it is never rounded, cut or converted. See `_json_columns` for the types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Protocol

from penstock.connectors.base import ReadRequest
from penstock.connectors.formats._blocks import LONGEST_RECORD, Blocks, open_blocks
from penstock.connectors.formats._chunk import Decoded, assemble, refusal
from penstock.connectors.formats._from_text import Spans, guess
from penstock.connectors.formats._infer import common_type
from penstock.connectors.formats._json_columns import FAULTS, Scanned, fault, from_json, scan
from penstock.connectors.formats._to_text import JsonWriter
from penstock.connectors.formats.base import Chunk, Format, FrameWriter, Mark
from penstock.core.dtypes import Date, Datetime, DType, Json, List, Null, String, Struct
from penstock.core.errors import PlanError, SourceError
from penstock.core.lazy import np, pl
from penstock.core.schema import Field, Schema
from penstock.kernels.arrays import frozen
from penstock.kernels.json_tokens import TWICE, UNKNOWN
from penstock.kernels.json_values import FIELDS
from penstock.kernels.text_spans import (
    ESCAPED,
    FINE,
    MISSING,
    NOT_UTF8,
    NULL,
    OBJECT,
    TEXT,
    TOO_LONG,
    check_utf8,
    find_lines,
)

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Words

INFER_ROWS = 10_000
"""How many rows are looked at to find the columns and their types."""

_ARRAY = re.compile(r"\s*\[(\s*)\{")
_LOOK = 4096
_SPECIAL_FLOATS = ("NaN", "Infinity", "-Infinity")
_MOMENTS = (Date, Datetime("us"), Datetime("us", "UTC"))


@dataclass(frozen=True, kw_only=True)
class JsonFormat(Format):
    """Rows as JSON objects on lines of their own."""

    name: ClassVar[str] = "json"
    extensions: ClassVar[tuple[str, ...]] = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")

    def infer(self, path: Path) -> Schema:
        """The fields of the first rows, in order of appearance, and their types.

        A field with values of different types, or with none but null, is Json. Texts that are all moments are
        Dates or Datetimes. Rows that are no JSON are passed over.

        Raises:
            PlanError: If there is no row.
            SourceError: If the file cannot be read.
        """
        rows: list[dict[str, Any]] = []
        with open_blocks(path) as blocks:
            for starts, ends, _ in _lines(blocks, INFER_ROWS):
                texts = [blocks.text(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]
                if not rows:
                    _refuse_array(path, blocks, int(starts[0]), int(ends[0]))
                rows += [row for row in map(_parsed, texts) if isinstance(row, dict)]
                if len(rows) >= INFER_ROWS:
                    break
        if not rows:
            raise PlanError(f'"{path}" holds no JSON objects: there are no columns', hint="say schema={...}")
        names = dict.fromkeys(name for row in rows for name in row)
        return Schema(tuple(Field(name, _type([row.get(name) for row in rows])) for name in names))

    def read(self, path: Path, request: ReadRequest, first_row: int, max_rows: int) -> Iterator[Chunk]:
        """The rows of a file; see `Format.read`."""
        yield from self.resume(path, request, first_row, None, max_rows)

    def resume(
        self, path: Path, request: ReadRequest, first_row: int, mark: Mark | None, max_rows: int
    ) -> Iterator[Chunk]:
        """The rows of a file from a mark on; see `Format.resume`."""
        with open_blocks(path) as blocks:
            row = 0
            if mark is not None:
                blocks.seek(mark)
                row = first_row
            while row < first_row:
                room = min(max_rows, first_row - row)
                found = next(_lines(blocks, room), None)
                if found is None:
                    return
                row += len(found[0])
            yield from self.read_blocks(blocks, path, request, row, max_rows)

    def read_blocks(
        self, blocks: Blocks, path: Path, request: ReadRequest, first_row: int, max_rows: int
    ) -> Iterator[Chunk]:
        """The rows of blocks of text, numbered from `first_row` on; `path` is what reasons call them."""
        for starts, ends, lines in _lines(blocks, max_rows):
            if first_row == 0:
                _refuse_array(path, blocks, int(starts[0]), int(ends[0]))
            marks = blocks.marks(starts, lines)
            yield decode_texts(blocks, path, request, first_row, starts, ends, lines)._replace(marks=marks)
            first_row += len(starts)

    def writer(self, file: BinaryIO, schema: Schema) -> FrameWriter:
        """A writer of lines."""
        return JsonWriter(file, schema)


def _lines(blocks: Blocks, rows: int) -> Iterator[tuple[Words, Words, Words]]:
    """Starts, ends and numbers of the next lines, while the block is at hand."""
    while True:
        starts, ends, lines = (np.empty(rows, dtype=np.int64) for _ in range(3))
        count = find_lines(blocks.data, blocks.end, int(blocks.last), LONGEST_RECORD, starts, ends, lines, blocks.state)
        if count:
            yield starts[:count], ends[:count], lines[:count]
        elif blocks.last:
            return
        else:
            blocks.more()


class Texts(Protocol):
    """A block of bytes that holds the texts of rows.

    Attributes:
        data: The bytes.
    """

    data: Bytes

    def text(self, start: int, end: int) -> str:
        """Bytes of it as text; what is no UTF-8 is escaped."""
        ...


def decode_texts(
    blocks: Texts, place: Path | str, request: ReadRequest, first_row: int, starts: Words, ends: Words, lines: Words
) -> Chunk:
    """Texts of a block, each a JSON object, as a chunk.

    Args:
        blocks: The block.
        place: Where it is from, for the reasons of bad rows.
        request: What is wanted.
        first_row: The number of the first row.
        starts: Where each text starts.
        ends: Where it ends.
        lines: A number for each, which reasons say behind the place.
    """
    count, data = len(starts), blocks.data
    faults = np.where(ends - starts > LONGEST_RECORD, TOO_LONG, FINE)
    check_utf8(data, frozen(starts), frozen(ends), faults)
    given = Spans(data, frozen(starts), frozen(ends), frozen(np.full(count, OBJECT), np.uint8))
    names = request.schema.names if request.extra == "forbid" else request.columns
    found = scan(given, OBJECT, FIELDS, names, request.extra == "forbid", faults)
    columns, spans = [], {}
    for field in request.read_schema:
        spans[field.name] = found.column(names.index(field.name), data, count)
        values, wrong = from_json(spans[field.name], field.dtype)
        columns.append(Decoded(field, values.alias(field.name), wrong))

    def reason(row: int, column: Decoded | None) -> str:
        here = f"{place}:{lines[row]}"
        if column is None:
            return f"{here}: {_fault(blocks, found, row, int(starts[row]))}"
        return f"{here}: {refusal(column.field, _shown(spans[column.field.name], row))}"

    def raw(row: int) -> str | None:
        return blocks.text(int(starts[row]), int(ends[row])).rstrip("\r") if request.keep_raw else None

    return assemble(columns, count, first_row, reason, raw, faults != FINE)


class _Shown:
    """A value that is shown as it stands in the file."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def _shown(spans: Spans, row: int) -> _Shown | None:
    if spans.kinds[row] in (MISSING, NULL):
        return None
    quoted = spans.kinds[row] in (TEXT, ESCAPED)
    return _Shown(bytes(spans.data[spans.starts[row] - quoted : spans.ends[row] + quoted]).decode())


def _fault(blocks: Texts, found: Scanned, row: int, start: int) -> str:
    if found.faults[row] == NOT_UTF8:
        return "not UTF-8"
    if found.faults[row] == TOO_LONG:
        return f"longer than {LONGEST_RECORD:,} bytes"
    code, place = fault(int(found.faults[row]))
    if code in (TWICE, UNKNOWN):
        end = place + int(np.flatnonzero(blocks.data[place:] == ord('"'))[0])
        return f'the field "{blocks.text(place, end)}" {FAULTS[code]}'
    return f"malformed JSON at character {place - start + 1}: {FAULTS[code]}"


def _refuse_array(path: Path, blocks: Blocks, start: int, end: int) -> None:
    """The error for a file that is one array of objects: it is broken as a whole, not row by row.

    A first line that is only damaged is a bad row: an array goes on with its objects, or is whole.
    """
    found = _ARRAY.match(blocks.text(start, min(start + _LOOK, blocks.end)))
    if found is None:
        return
    line = blocks.text(start, end).rstrip()
    if "\n" in found[1] or line.endswith((",", "{")) or isinstance(_parsed(line), list):
        raise SourceError(
            f'"{path}" is one JSON array, not JSON lines',
            hint="one object per line is read; jq -c '.[]' makes lines of an array",
        )


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _type(values: list[Any]) -> DType:
    if any(isinstance(value, float) for value in values):
        values = [None if value in _SPECIAL_FLOATS else value for value in values]
    dtype = common_type(values, lambda one, other: Json)
    if dtype == String:
        return guess(pl.Series("", values, dtype=pl.String), _MOMENTS)
    return _known(dtype)


def _known(dtype: DType) -> DType:
    """The type with Json in the place of what is not known."""
    if dtype == Null:
        return Json
    if isinstance(dtype, List):
        return List(_known(dtype.inner))
    if isinstance(dtype, Struct):
        return Struct(tuple((name, _known(inner)) for name, inner in dtype.fields)) if dtype.fields else Json
    return dtype


FORMAT = JsonFormat
