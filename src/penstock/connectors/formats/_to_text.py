"""Typed columns to text, as expressions: what JSON and CSV files are written with."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from penstock.connectors.formats._from_text import spans_of
from penstock.connectors.formats._json_columns import scan
from penstock.connectors.formats.base import FrameWriter
from penstock.core.dtypes import (
    FLOATS,
    Binary,
    Boolean,
    Datetime,
    DType,
    Duration,
    Json,
    List,
    Map,
    String,
    Struct,
    Time,
    is_numeric,
)
from penstock.core.errors import SinkError
from penstock.core.lazy import pl
from penstock.core.schema import Schema
from penstock.kernels.json_values import WHOLE
from penstock.kernels.text_spans import TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

SLICE_ROWS = 65_536
"""How many rows are turned into text at once."""

_NAMED = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
_ESCAPED = {chr(code): _NAMED.get(code, f"\\u{code:04x}") for code in (*range(32), 34, 92)}


def plain_text(value: pl.Expr, dtype: DType) -> pl.Expr:
    """A value that is not nested as text: moments and durations as ISO 8601 (`Z` for UTC), Binary as base64."""
    if dtype in (String, Json):
        return value
    if isinstance(dtype, Datetime):
        zone = "" if dtype.zone is None else "Z" if dtype.zone == "UTC" else "%:z"
        return value.dt.to_string(f"%Y-%m-%dT%H:%M:%S%.f{zone}")
    if isinstance(dtype, Duration):
        return value.dt.to_string("iso")
    if dtype == Time:
        return value.dt.to_string("%H:%M:%S%.f")
    if dtype == Binary:
        return value.bin.encode("base64")
    return value.cast(pl.String)


def json_text(value: pl.Expr, dtype: DType) -> pl.Expr:
    """A value as JSON text; null stays null.

    Not-a-number and infinities are the texts `"NaN"`, `"Infinity"`, `"-Infinity"`; decimals are numbers; maps are
    objects; moments, durations and Binary are texts as `plain_text` writes them.
    """
    if isinstance(dtype, List):
        items = value.list.eval(json_text(pl.element(), dtype.inner).fill_null("null"))
        return pl.concat_str(pl.lit("["), items.list.join(","), pl.lit("]"))
    if isinstance(dtype, Struct):
        fields = [(name, json_text(value.struct.field(name), inner)) for name, inner in dtype.fields]
        return pl.when(value.is_null()).then(None).otherwise(object_text(fields))
    if isinstance(dtype, Map):
        key = json_text(pl.element().struct.field("key").pipe(plain_text, dtype.key), String)
        item = json_text(pl.element().struct.field("value"), dtype.value).fill_null("null")
        entries = value.map.entries().list.eval(pl.concat_str(key, pl.lit(":"), item))
        return pl.concat_str(pl.lit("{"), entries.list.join(","), pl.lit("}"))
    text = plain_text(value, dtype)
    if dtype in FLOATS:
        special = (
            pl.when(value.is_nan()).then(pl.lit('"NaN"'))
            .when(value > 0).then(pl.lit('"Infinity"')).otherwise(pl.lit('"-Infinity"'))
        )  # fmt: skip
        return pl.when(value.is_finite() | value.is_null()).then(text).otherwise(special)
    if dtype == Boolean or is_numeric(dtype):
        return text
    if dtype == Json:
        # White space between the words of JSON may be newlines, and a line is a row.
        return text.str.replace_all(r"[\r\n]", " ")
    if dtype == String:
        text = text.str.replace_many(_ESCAPED)
    return pl.concat_str(pl.lit('"'), text, pl.lit('"'))


def object_text(fields: Sequence[tuple[str, pl.Expr]]) -> pl.Expr:
    """An object as JSON text, of names and the JSON texts of their values."""
    parts: list[pl.Expr] = []
    for place, (name, text) in enumerate(fields):
        key = "".join(_ESCAPED.get(character, character) for character in name)
        parts += [pl.lit(f'{"{" if place == 0 else ","}"{key}":'), text.fill_null("null")]
    return pl.concat_str(*parts, pl.lit("}")) if parts else pl.lit("{}")


class TextWriter(FrameWriter):
    """Writes rows as lines.

    Attributes:
        texts: The text of each field, under the names of the columns.
        line: A row of these texts as a line.
    """

    def __init__(self, file: BinaryIO, texts: list[pl.Expr], line: pl.Expr) -> None:
        self._file = file
        self.texts = texts
        self.line = line

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows."""
        for start in range(0, frame.height, SLICE_ROWS):
            lines = self.lines(frame.slice(start, SLICE_ROWS))
            self._file.write((lines.str.join("\n").item() + "\n").encode())

    def lines(self, rows: pl.DataFrame) -> pl.Series:
        """Rows as lines, without their ends."""
        self.check(rows)
        # Two stages without rewriting: as one expression it takes twice as long.
        plan = rows.lazy().select(self.texts).select(self.line.alias("line"))
        lines = plan.collect(optimizations=pl.QueryOptFlags.none(), engine="in-memory").get_column("line")
        return lines if len(lines) == rows.height else lines.new_from_index(0, rows.height)

    def check(self, frame: pl.DataFrame) -> None:
        """Refuse what cannot be written."""

    def finish(self) -> None:
        """Nothing ends the file."""


class JsonWriter(TextWriter):
    """Writes rows as JSON objects, nulls included."""

    def __init__(self, file: BinaryIO, schema: Schema) -> None:
        texts = [json_text(pl.col(field.name), field.dtype).alias(field.name) for field in schema]
        super().__init__(file, texts, object_text([(name, pl.col(name)) for name in schema.names]))
        self._documents = [field.name for field in schema if field.dtype == Json]

    def check(self, frame: pl.DataFrame) -> None:
        """Refuse texts in Json columns that are none.

        Raises:
            SinkError: If there is one.
        """
        for name in self._documents:
            faults = scan(spans_of(frame.get_column(name)), TEXT, WHOLE).faults
            if faults.any():
                broken = frame.get_column(name)[int(faults.argmin())]
                raise SinkError(f'column "{name}" holds a text that is no JSON: {broken[:100]!r}')


class CsvWriter(TextWriter):
    """Writes rows as delimited fields, quoted where they must be."""

    def __init__(self, file: BinaryIO, schema: Schema, delimiter: str, quote: str, null: str, header: bool) -> None:
        self._quote, self._null, self._delimiter = quote, null, delimiter
        self._special = [delimiter, "\n", "\r", *([quote] if quote else [])]
        texts = [self._field(pl.col(field.name), field.dtype).alias(field.name) for field in schema]
        line = pl.concat_str([pl.col(name) for name in schema.names], separator=delimiter) if texts else pl.lit("")
        super().__init__(file, texts, line)
        if header:
            names = pl.DataFrame({"name": list(schema.names)}).select(self._field(pl.col("name"), String))
            file.write((delimiter.join(names.to_series().to_list()) + "\n").encode())

    def check(self, frame: pl.DataFrame) -> None:
        """Refuse texts that would need quotes where there are none.

        Raises:
            SinkError: If there is one.
        """
        if self._quote:
            return
        for text in self.texts:
            found = frame.select(text.alias("text")).filter(pl.col("text").str.contains_any(self._special))
            if found.height:
                raise SinkError(
                    f"a field holds the delimiter or a newline, and there is no quote: {found.item(0, 0)!r}"
                )

    def _field(self, value: pl.Expr, dtype: DType) -> pl.Expr:
        nested = dtype == Json or isinstance(dtype, (List, Struct, Map))
        text = json_text(value, dtype) if nested else plain_text(value, dtype)
        quote = self._quote
        if not quote or (is_numeric(dtype) and self._delimiter not in "0123456789+-.eENaif"):
            return text.fill_null(self._null)
        special = text.str.contains_any(self._special) | text.is_in(["", self._null])
        quoted = pl.concat_str(pl.lit(quote), text.str.replace_all(quote, quote * 2, literal=True), pl.lit(quote))
        return pl.when(special).then(quoted).otherwise(text).fill_null(self._null)
