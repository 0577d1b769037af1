"""Delimited text: CSV as RFC 4180 says, and its relatives.

A field that is empty and not quoted is null; `""` is an empty text. Lists, structs and maps are JSON in a
field, Binary is base64, moments are ISO 8601. Blank lines are skipped, unless there is only one column: there
they are nulls. A quote is special only at the beginning of a field; a record whose quotes make no sense is a
bad row of one line, and reading goes on at the next line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, NamedTuple

from penstock.connectors.base import ReadRequest
from penstock.connectors.formats._blocks import LONGEST_RECORD, Blocks, open_blocks
from penstock.connectors.formats._chunk import Decoded, assemble, refusal
from penstock.connectors.formats._from_text import Spans, from_texts, guess
from penstock.connectors.formats._json_columns import from_json_texts
from penstock.connectors.formats._to_text import CsvWriter
from penstock.connectors.formats.base import Chunk, Format, FrameWriter, Mark
from penstock.core.dtypes import Json, List, Map, String, Struct
from penstock.core.errors import PlanError, SourceError, nearest
from penstock.core.lazy import np
from penstock.core.schema import Field, Schema
from penstock.core.spec import option
from penstock.kernels.arrays import frozen
from penstock.kernels.csv_records import (
    AFTER_QUOTE,
    OPEN_QUOTE,
    RECORD_END,
    RECORD_FIELDS,
    RECORD_LINE,
    RECORD_START,
    TOO_FEW,
    TOO_MANY,
    note_nulls,
    scan_records,
)
from penstock.kernels.text_spans import FINE, LINES_NEXT, MISSING, NOT_UTF8, TOO_LONG, check_utf8

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Words

INFER_ROWS = 10_000
"""How many rows are looked at to find the types of columns."""


class _Room(NamedTuple):
    """Arrays that a scan fills, used again for every chunk."""

    starts: Array
    ends: Array
    kinds: Array
    records: Array
    faults: Words

    @classmethod
    def of(cls, columns: int, rows: int) -> _Room:
        shape = (max(1, columns), rows)
        starts, ends = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        kinds = np.full(shape, MISSING, dtype=np.uint8)
        return cls(starts, ends, kinds, np.zeros((rows, 4), dtype=np.int64), np.zeros(rows, dtype=np.int64))


@dataclass(frozen=True, kw_only=True)
class CsvFormat(Format):
    """Rows as lines of fields."""

    name: ClassVar[str] = "csv"
    extensions: ClassVar[tuple[str, ...]] = (".csv", ".csv.gz")

    delimiter: str = option(",", doc="The character between fields.", example=";")
    quote: str = option('"', doc="The character around fields that hold others; empty = there is none.")
    header: bool = option(True, doc="Whether the first record names the columns.")
    null: str = option("", doc="A text that means null where it is not quoted, besides the empty field.", example="NA")
    missing: str = option(
        "error", doc="What a declared column means that the header does not name.", choices=("error", "null")
    )

    def __post_init__(self) -> None:
        for what, character in (("delimiter", self.delimiter), ("quote", self.quote)):
            if (character or what == "delimiter") and (
                len(character) != 1 or not character.isascii() or character in "\r\n"
            ):
                raise PlanError(f"the {what} is one character of ASCII, found {character!r}")
        if self.delimiter == self.quote:
            raise PlanError("the delimiter and the quote are the same")

    def infer(self, path: Path) -> Schema:
        """The columns that the header names (`column_1` and so on without one), their types from the first rows.

        Raises:
            PlanError: If the file is empty.
            SourceError: If it cannot be read.
        """
        with open_blocks(path) as blocks:
            names = self._header(blocks, path, None)
        if not names:
            raise PlanError(f'"{path}" is empty: there are no columns', hint="say schema={...}")
        request = ReadRequest(Schema(tuple(Field(name, String) for name in names)), tuple(names))
        sample = next(self.read(path, request, 0, INFER_ROWS), None)
        if sample is None:
            return request.schema
        return Schema(tuple(Field(name, guess(sample.frame.get_column(name))) for name in names))

    def read(self, path: Path, request: ReadRequest, first_row: int, max_rows: int) -> Iterator[Chunk]:
        """The rows of a file; see `Format.read`."""
        yield from self.resume(path, request, first_row, None, max_rows)

    def resume(
        self, path: Path, request: ReadRequest, first_row: int, mark: Mark | None, max_rows: int
    ) -> Iterator[Chunk]:
        """The rows of a file from a mark on; see `Format.resume`."""
        with open_blocks(path) as blocks:
            names = self._header(blocks, path, request)
            if not names:
                return
            if mark is not None:
                blocks.seek(mark)
            yield from _CsvRows(self, blocks, path, request, names).chunks(first_row, max_rows, skip=mark is None)

    def writer(self, file: BinaryIO, schema: Schema) -> FrameWriter:
        """A writer of records; the header comes first."""
        return CsvWriter(file, schema, self.delimiter, self.quote, self.null, self.header)

    def marks(self, single: bool) -> Words:
        """Delimiter, quote and whether blank lines count, for kernels."""
        return frozen(np.array([ord(self.delimiter), ord(self.quote) if self.quote else -1, single], dtype=np.int64))

    def _header(self, blocks: Blocks, path: Path, request: ReadRequest | None) -> list[str]:
        """The names of the columns; the scan stands at the first row. None if the file is empty."""
        if not self.header and request is not None:
            return list(request.schema.names)
        state, base = blocks.state.copy(), blocks.base
        count = self._first_record(blocks, np.zeros(0, dtype=np.int64))[1]
        # Reading on may have dropped what was before the record.
        state[LINES_NEXT] -= blocks.base - base
        blocks.state[:] = state
        if not count:
            return []
        if not self.header:
            return [f"column_{place + 1}" for place in range(count)]
        spans, _ = self._first_record(blocks, np.arange(count, dtype=np.int64))
        _require_text(spans, path)
        names = from_texts(spans.plain(ord(self.quote or '"')), String).fill_null("").to_list()
        if request is not None:
            self._check(names, path, request)
        return names

    def _first_record(self, blocks: Blocks, wanted: Words) -> tuple[Spans, int]:
        room, found = _Room.of(len(wanted), 1), 0
        while True:
            found = scan_records(
                blocks.data, blocks.end, int(blocks.last), LONGEST_RECORD, self.marks(single=False), frozen(wanted),
                room.starts, room.ends, room.kinds, room.records, room.faults, blocks.state,
            )  # fmt: skip
            if found or blocks.last:
                break
            blocks.more()
        parts = (frozen(np.ascontiguousarray(part[:, 0])) for part in (room.starts, room.ends, room.kinds))
        return Spans(blocks.data, *parts), int(room.records[0, RECORD_FIELDS]) if found else 0

    def _check(self, names: list[str], path: Path, request: ReadRequest) -> None:
        for name in request.columns:
            if names.count(name) > 1:
                raise SourceError(f'"{path}" has two columns "{name}"')
            if name not in names and self.missing == "error":
                guess_ = nearest(name, names) or f"; columns: {', '.join(names)}"
                raise SourceError(f'"{path}" has no column "{name}"{guess_}', hint='missing="null" reads it as null')
        unknown = [name for name in names if name not in request.schema]
        if request.extra == "forbid" and unknown:
            raise SourceError(f'"{path}" has a column "{unknown[0]}" that is not declared')


def _require_text(spans: Spans, path: Path) -> None:
    for start, end in zip(spans.starts, spans.ends, strict=True):
        try:
            bytes(spans.data[start:end]).decode("utf-8")
        except UnicodeDecodeError:
            hint = "CSV is text in UTF-8; say format= if the file is of another kind"
            raise SourceError(f'the header of "{path}" is no UTF-8 text', hint=hint) from None


class _CsvRows:
    """Reads the records of one file."""

    def __init__(self, format: CsvFormat, blocks: Blocks, path: Path, request: ReadRequest, names: list[str]) -> None:
        self.format = format
        self.blocks = blocks
        self.path = path
        self.request = request
        self.fields = tuple(request.read_schema)
        slots = {field.name: slot for slot, field in enumerate(self.fields)}
        self.wanted = frozen(np.array([slots.get(name, -1) for name in names], dtype=np.int64))
        self.absent = {slot for name, slot in slots.items() if name not in names}
        self.marks = format.marks(single=len(names) == 1)
        self.null = frozen(np.frombuffer(format.null.encode(), dtype=np.uint8))

    def chunks(self, first_row: int, max_rows: int, *, skip: bool) -> Iterator[Chunk]:
        """The rows from a number on; those before it are skipped, unless the scan stands there already."""
        row = self._skip(first_row, max_rows) if skip else first_row
        room = _Room.of(len(self.fields), max_rows)
        while True:
            count = self._scan(room, self.wanted, max_rows)
            if count:
                places = room.records[:count]
                marks = self.blocks.marks(places[:, RECORD_START].copy(), places[:, RECORD_LINE].copy())
                yield self._decode(room, count, row)._replace(marks=marks)
                row += count
            elif self.blocks.last:
                return
            else:
                self.blocks.more()

    def _skip(self, first_row: int, max_rows: int) -> int:
        room, row = _Room.of(0, max_rows), 0
        nothing = frozen(np.full(len(self.wanted), -1, dtype=np.int64))
        while row < first_row:
            count = self._scan(room, nothing, min(max_rows, first_row - row))
            if not count:
                if self.blocks.last:
                    break
                self.blocks.more()
            row += count
        return row

    def _scan(self, room: _Room, wanted: Words, rows: int) -> int:
        found: int = scan_records(
            self.blocks.data, self.blocks.end, int(self.blocks.last), LONGEST_RECORD, self.marks, wanted,
            room.starts, room.ends, room.kinds, room.records, room.faults[:rows], self.blocks.state,
        )  # fmt: skip
        return found

    def _decode(self, room: _Room, count: int, first_row: int) -> Chunk:
        blocks, records, faults = self.blocks, room.records[:count].copy(), room.faults[:count].copy()
        check_utf8(blocks.data, frozen(records[:, RECORD_START]), frozen(records[:, RECORD_END]), faults)
        bad = faults != FINE
        columns, spans = [], []
        for slot, field in enumerate(self.fields):
            kinds = room.kinds[slot, :count]
            if slot in self.absent:
                kinds[:] = MISSING
            if bad.any():
                kinds[bad] = MISSING
            starts, ends = frozen(room.starts[slot, :count]), frozen(room.ends[slot, :count])
            if self.null.size:
                note_nulls(blocks.data, starts, ends, kinds, self.marks[1], self.null)
            found = Spans(blocks.data, starts, ends, frozen(kinds)).plain(int(self.marks[1]))
            nested = field.dtype == Json or isinstance(field.dtype, (List, Struct, Map))
            values = from_json_texts(found, field.dtype) if nested else from_texts(found, field.dtype)
            wrong = found.given() & values.is_null().to_numpy()
            columns.append(Decoded(field, values.alias(field.name), wrong if wrong.any() else None))
            spans.append(found)

        def reason(row: int, column: Decoded | None) -> str:
            place = f"{self.path}:{records[row, RECORD_LINE]}"
            if column is None:
                return f"{place}: {self._fault(int(faults[row]), int(records[row, RECORD_FIELDS]))}"
            found = spans[self.fields.index(column.field)]
            given = found.kinds[row] != MISSING
            text = bytes(found.data[found.starts[row] : found.ends[row]]).decode() if given else None
            return f"{place}: {refusal(column.field, text)}"

        def raw(row: int) -> str | None:
            start, end = int(records[row, RECORD_START]), int(records[row, RECORD_END])
            return blocks.text(start, end).rstrip("\r") if self.request.keep_raw else None

        return assemble(columns, count, first_row, reason, raw, bad)

    def _fault(self, fault: int, fields: int) -> str:
        if fault in (TOO_FEW, TOO_MANY):
            return f"{fields} fields, not {len(self.wanted)}"
        return {
            AFTER_QUOTE: "text behind a closing quote",
            OPEN_QUOTE: "a quote that is never closed",
            NOT_UTF8: "not UTF-8",
            TOO_LONG: f"longer than {LONGEST_RECORD:,} bytes",
        }[fault]


FORMAT = CsvFormat
