"""Rows of every type, and ways to read and write them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl

from penstock.connectors.base import BadRow, Polled, Reader, ReadRequest, Source, WriteRequest
from penstock.connectors.formats.base import Chunk, Format
from penstock.core import dtypes as d
from penstock.core.schema import Schema

EVERY_TYPE = pl.DataFrame(
    {
        "int": [1, None, -(2**63)],
        "small": pl.Series([127, None, -128], dtype=pl.Int8),
        "unsigned": pl.Series([2**64 - 1, 0, None], dtype=pl.UInt64),
        "float": [1.5, float("nan"), None],
        "infinite": [float("inf"), float("-inf"), -0.0],
        "single": pl.Series([3.4e38, None, 1e-45], dtype=pl.Float32),
        "text": ['a"\n\\,;é😀\x01', None, ""],
        "bool": [True, None, False],
        "date": [dt.date(2020, 1, 2), None, dt.date(1, 1, 1)],
        "time": [dt.time(1, 2, 3, 4), None, dt.time(0)],
        "instant": pl.Series(
            [dt.datetime(2020, 1, 1, 1, 2, 3, 4), None, dt.datetime(1960, 1, 1)], dtype=pl.Datetime("us", "UTC")
        ),
        "zoned": pl.Series(
            [dt.datetime(2020, 1, 1, 1, 2, 3), None, dt.datetime(2020, 7, 1)], dtype=pl.Datetime("ms")
        ).dt.replace_time_zone("America/New_York"),
        "wall": [dt.datetime(2020, 1, 1, 1, 2, 3), None, dt.datetime(9999, 1, 1)],
        "duration": [dt.timedelta(days=-1, seconds=3.5), None, dt.timedelta(days=500)],
        "decimal": pl.Series(["1.10", None, "-3"]).cast(pl.Decimal(10, 2)),
        "binary": [b"ab\xff", None, b""],
        "list": [[1, None], None, []],
        "struct": [{"a": 1, "b": [{"c": "x"}]}, None, {"a": None, "b": None}],
        "map": pl.Series([{"a": 1, "b": None}, None, {}], dtype=pl.Map(pl.String, pl.Int64)),
    }
)


def schema_of(frame: pl.DataFrame) -> Schema:
    return Schema.of({name: d.from_polars(dtype) for name, dtype in frame.schema.items()})


def wanted(schema: Schema | dict[str, Any], *columns: str, **more: Any) -> ReadRequest:
    schema = schema if isinstance(schema, Schema) else Schema.of(schema)
    return ReadRequest(schema, columns or schema.names, **more)


def written(format: Format, path: Path, frame: pl.DataFrame, schema: Schema | None = None) -> Path:
    with path.open("wb") as file:
        writer = format.writer(file, schema or schema_of(frame))
        writer.write(frame)
        writer.finish()
    return path


def read(format: Format, path: Path, request: ReadRequest, first: int = 0, rows: int = 65_536) -> Chunk:
    """The rows of a file from a number on, as one chunk."""
    chunks = list(format.read(path, request, first, rows))
    assert all(chunk.frame.height + len(chunk.bad) <= rows for chunk in chunks)
    frames = [pl.DataFrame(schema=request.read_schema.to_polars()), *(chunk.frame for chunk in chunks)]
    return Chunk(
        pl.concat(frames) if request.columns else frames[-1],
        tuple(run for chunk in chunks for run in chunk.rows),
        tuple(row for chunk in chunks for row in chunk.bad),
        chunks[-1].next_row if chunks else first,
    )


def refused(chunk: Chunk) -> list[tuple[int, str]]:
    """Numbers and reasons of bad rows, without the file's name."""
    return [(row.offset, row.reason.split(".", 1)[1].split(":", 1)[1]) for row in chunk.bad]


def numbers(runs: tuple[tuple[int, int], ...]) -> list[int]:
    return [number for first, count in runs for number in range(first, first + count)]


def polls(reader: Reader, rows: int) -> list[Polled]:
    """All that a reader has at hand."""
    found = []
    while (polled := reader.poll(rows)) is not None:
        found.append(polled)
    return found


def rows_of(source: Source, request: ReadRequest, position: Any = None, rows: int = 1000) -> tuple[list, list[BadRow]]:
    """Offsets with rows, and bad rows, of the only split of a source."""
    (split,) = source.splits()
    reader = source.reader(split, position, request)
    found = polls(reader, rows)
    reader.close()
    offsets = [number for polled in found for number in numbers(polled.offsets)]
    values = [row for polled in found for row in polled.frame.rows()]
    return list(zip(offsets, values, strict=True)), [row for polled in found for row in polled.bad]


def write_request(
    schema: Schema, key: tuple[str, ...] = (), updating: bool = False, fresh: bool = True
) -> WriteRequest:
    return WriteRequest(schema, key, updating, "pipeline", fresh)


def files_below(folder: str | Path) -> list[str]:
    """All files of a directory, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def shown(folder: str | Path) -> list[str]:
    """The files that anybody sees who looks into a directory."""
    return [name for name in files_below(folder) if not name.startswith((".", "_"))]


def staged(folder: str | Path) -> list[str]:
    """The staged files of a file sink."""
    return [name for name in files_below(folder) if name.endswith(".staged")]
