"""Frames as the text format of COPY, column by column: exact for every type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from penstock.connectors._postgres_types import is_nested
from penstock.connectors.formats._from_text import spans_of
from penstock.connectors.formats._json_columns import scan
from penstock.connectors.formats._to_text import json_text
from penstock.core.dtypes import Binary, Date, Datetime, Duration, Float32, Json, String, Time
from penstock.core.errors import SinkError
from penstock.core.lazy import pl
from penstock.core.timespan import DAY
from penstock.kernels.json_values import WHOLE
from penstock.kernels.text_spans import TEXT

if TYPE_CHECKING:
    from penstock.core.schema import Field, Schema

BLOCK_ROWS = 65_536
"""The most rows of a block of text."""

NULL = "\\N"
_ESCAPED = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}

_FIRST_DAY, _LAST_DAY = -2_440_588, 95_026_236
"""24 November 4714 BC, where PostgreSQL begins, and the end of the year 262142, where Polars ends."""
_YEAR_ONE, _YEAR_TEN_THOUSAND = -719_162, 2_932_897


def blocks(frame: pl.DataFrame, schema: Schema, most_bytes: int) -> Iterator[bytes]:
    """The rows as blocks of whole lines.

    Args:
        frame: The rows, with the columns of the schema in its order.
        schema: The columns.
        most_bytes: About how large a block may become.
    """
    width = max(1, int(frame.estimated_size()) // max(1, frame.height))
    size = max(1, min(BLOCK_ROWS, most_bytes // width))
    for start in range(0, frame.height, size):
        rows = frame.slice(start, size)
        texts = [_text(rows, field).fill_null(NULL).alias(field.name) for field in schema]
        # Two stages without rewriting, as for files of text: as one expression it takes twice as long.
        plan = rows.lazy().select(texts).select(pl.concat_str(list(schema.names), separator="\t").alias("line"))
        lines = plan.collect(optimizations=pl.QueryOptFlags.none(), engine="in-memory").get_column("line")
        yield (lines.str.join("\n").item() + "\n").encode()


def _text(rows: pl.DataFrame, field: Field) -> pl.Expr:
    """A column as PostgreSQL reads it, escaped for COPY."""
    value, dtype = pl.col(field.name), field.dtype
    if dtype == Float32:
        # Wider text of the same number: exact in columns of either width.
        return value.cast(pl.Float64).cast(pl.String)
    if dtype == Date or isinstance(dtype, Datetime):
        return _moment(rows.get_column(field.name), field)
    if dtype == Time:
        return value.dt.to_string("%H:%M:%S%.6f")
    if isinstance(dtype, Duration):
        return _duration(value, dtype)
    if dtype == Binary:
        return pl.concat_str(pl.lit("\\\\x"), value.bin.encode("hex"))
    if is_nested(dtype):
        return json_text(value, dtype).str.replace_many(_ESCAPED)
    if dtype in (String, Json):
        special = rows.get_column(field.name).str.contains_any(list(_ESCAPED)).any()
        return value.str.replace_many(_ESCAPED) if special else value
    return value.cast(pl.String)


def _moment(column: pl.Series, field: Field) -> pl.Expr:
    """A date or moment; instants in UTC."""
    value, dtype = pl.col(field.name), field.dtype
    form, zone = "", ""
    if isinstance(dtype, Datetime):
        form = " %H:%M:%S%.6f"
        if dtype.zone is not None:
            value, zone = value.dt.convert_time_zone("UTC").dt.replace_time_zone(None), "+00"
    first, last = _days(column, field)
    if first >= _YEAR_ONE and last < _YEAR_TEN_THOUSAND:
        return value.dt.to_string(f"%Y-%m-%d{form}{zone}")
    year = value.dt.year()
    digits = pl.when(year > 0).then(year).otherwise(1 - year).cast(pl.String).str.zfill(4)
    era = pl.when(year > 0).then(pl.lit("")).otherwise(pl.lit(" BC"))
    return pl.concat_str(digits, value.dt.to_string(f"-%m-%d{form}{zone}"), era)


def _days(column: pl.Series, field: Field) -> tuple[int, int]:
    """The first and the last day of a column of dates or moments, since 1970."""
    numbers = column.to_physical()
    lowest, highest = numbers.min(), numbers.max()
    if not isinstance(lowest, int) or not isinstance(highest, int):
        return 0, 0
    day = 1
    if isinstance(field.dtype, Datetime):
        day = DAY if field.dtype.unit == "us" else DAY // 1_000
    return lowest // day, highest // day


def _duration(value: pl.Expr, dtype: Duration) -> pl.Expr:
    """Seconds with six digits, which every version reads whatever its style of intervals."""
    ticks = value.to_physical()
    second, digits = (1_000_000, 6) if dtype.unit == "us" else (1_000, 3)
    sign = pl.when(ticks < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    whole = (ticks.abs() // second).cast(pl.String)
    rest = (ticks.abs() % second).cast(pl.String).str.zfill(digits)
    return pl.concat_str(sign, whole, pl.lit("."), rest, pl.lit(" seconds"))


# -- what PostgreSQL cannot hold -----------------------------------------------


def check(frame: pl.DataFrame, schema: Schema, key: tuple[str, ...], required: frozenset[str]) -> None:
    """Refuse what the table cannot hold, before the epoch is sealed: later it could never be published.

    Args:
        frame: The rows.
        schema: Their columns.
        key: The columns of the key, which have no nulls.
        required: The columns that the table declares to be without nulls.

    Raises:
        SinkError: If there is such a value; the message names the column.
    """
    for field in schema:
        column = frame.get_column(field.name)
        if field.name in key and column.null_count():
            raise SinkError(
                f'column "{field.name}" of the key is null in {column.null_count()} row(s): a primary key has no nulls',
                hint=f'.filter(col("{field.name}").is_not_null()), or .fill_null',
            )
        if field.name in required and column.null_count():
            raise SinkError(f'column "{field.name}" is null in {column.null_count()} row(s): the table takes none')
        fault = _fault(column, field)
        if fault:
            raise SinkError(f'column "{field.name}" holds {fault}')


def _fault(column: pl.Series, field: Field) -> str | None:
    if field.dtype == Date or isinstance(field.dtype, Datetime):
        first, last = _days(column, field)
        if first < _FIRST_DAY or last > _LAST_DAY:
            return "a time outside of the years 4714 BC to 262142"
    if field.dtype == String and column.str.contains("\0", literal=True).any():
        return "the character U+0000, which PostgreSQL's text cannot hold"
    if field.dtype == Json and scan(spans_of(column), TEXT, WHOLE).faults.any():
        return "a text that is no JSON"
    return None
