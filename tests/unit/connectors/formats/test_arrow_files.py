"""Parquet and Arrow files: round trips, types that go together, files that are not whole."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from penstock.connectors.base import ReadRequest
from penstock.connectors.formats.arrow import ArrowFormat
from penstock.connectors.formats.parquet import ParquetFormat
from penstock.core import dtypes as d
from penstock.core.errors import PlanError, SourceError
from penstock.core.schema import Field, Schema
from penstock.testing.conform import check_format
from tests.unit.connectors.samples import EVERY_TYPE, numbers, read, schema_of, wanted, written

FORMATS = [ParquetFormat(), ParquetFormat(compression="none"), ArrowFormat(), ArrowFormat(compression="none")]
each = pytest.mark.parametrize("format", FORMATS, ids=lambda one: f"{one.name}-{one.compression}")


def place(format, tmp_path):
    return tmp_path / f"x{format.extensions[0]}"


@each
def test_every_type_comes_back(tmp_path, format):
    path = written(format, place(format, tmp_path), EVERY_TYPE)
    assert_frame_equal(read(format, path, wanted(schema_of(EVERY_TYPE))).frame, EVERY_TYPE)
    assert format.infer(path) == schema_of(EVERY_TYPE)


@each
def test_it_keeps_the_contract_of_formats(tmp_path, format):
    check_format(format, tmp_path, EVERY_TYPE)


@each
def test_reading_goes_on_at_any_row_across_groups(tmp_path, format, monkeypatch):
    monkeypatch.setattr("penstock.connectors.formats._arrow_files.GROUP_ROWS", 3)
    path = place(format, tmp_path)
    frame = pl.DataFrame({"a": range(10)})
    with path.open("wb") as file:
        writer = format.writer(file, schema_of(frame))
        for start in range(0, 10, 2):
            writer.write(frame[start : start + 2])
        writer.finish()
    for first in range(11):
        chunk = read(format, path, wanted({"a": d.Int64}), first, 4)
        assert chunk.frame["a"].to_list() == list(range(first, 10))
        assert numbers(chunk.rows) == list(range(first, 10))


@each
def test_only_the_number_of_rows_may_be_wanted(tmp_path, format):
    path = written(format, place(format, tmp_path), pl.DataFrame({"a": range(5)}))
    chunks = list(format.read(path, ReadRequest(Schema.of({"a": d.Int64}), ()), 1, 3))
    assert [chunk.frame.height for chunk in chunks] == [3, 1]
    assert numbers(chunks[0].rows) == [1, 2, 3]


@each
def test_types_that_lose_nothing_are_taken(tmp_path, format):
    frame = pl.DataFrame(
        {
            "n": pl.Series([1, None], dtype=pl.Int32),
            "x": pl.Series([1.5, None], dtype=pl.Float32),
            "c": pl.Series(["a", None], dtype=pl.Categorical),
            "t": pl.Series([1_577_836_800_000_001_999, 1_577_836_799_999_999_999]).cast(pl.Datetime("ns")),
        }
    )
    path = place(format, tmp_path)
    if format.name == "parquet":
        frame.write_parquet(path)
    else:
        frame.write_ipc(path, compat_level=pl.CompatLevel.oldest())
    schema = {"n": d.Int64, "x": d.Float64, "c": d.String, "t": d.Datetime("us")}
    chunk = read(format, path, wanted(schema))
    assert chunk.frame.rows() == [
        (1, 1.5, "a", dt.datetime(2020, 1, 1, microsecond=1)),
        (None, None, None, dt.datetime(2019, 12, 31, 23, 59, 59, 999_999)),
    ]
    assert format.infer(path)["t"].dtype == d.Datetime("us")


@each
def test_values_that_do_not_fit_are_bad_rows(tmp_path, format):
    frame = pl.DataFrame({"a": [1, 300, None, 4], "b": ["x", "y", "z", None]})
    path = written(format, place(format, tmp_path), frame)
    schema = Schema((Field("a", d.Int8), Field("b", d.String, nullable=False)))
    chunk = read(format, path, wanted(schema))
    assert chunk.frame.rows() == [(1, "x"), (None, "z")]
    assert numbers(chunk.rows) == [0, 2]
    assert [reason.split(": ", 1)[1] for _, reason in refused_of(chunk)] == [
        'column "a": 300 is not an Int8',
        'column "b" is null, and must not be',
    ]
    assert chunk.bad[0].raw == "{'a': 300, 'b': 'y'}"


def refused_of(chunk):
    return [(row.offset, row.reason.split("row ")[1]) for row in chunk.bad]


@each
@pytest.mark.parametrize(
    ("values", "dtype", "found"),
    [
        (["x"], d.Int64, "String, not Int64"),
        ([1], d.String, "Int64, not String"),
        ([dt.datetime(2020, 1, 1)], d.Datetime("us", "UTC"), "a wall-clock time is no instant"),
        ([1.5], d.Int64, "Float64, not Int64"),
        ([[1]], d.List(d.String), r"List\(Int64\), not List\(String\)"),
    ],
)
def test_types_that_do_not_go_together_are_an_error_with_file_and_column(tmp_path, format, values, dtype, found):
    path = written(format, place(format, tmp_path), pl.DataFrame({"a": values}))
    with pytest.raises(
        SourceError, match=rf'x\.\w+": column "a" is .*, not {dtype.__class__.__name__[:3]}|, not'
    ) as error:
        read(format, path, wanted({"a": dtype}))
    assert str(path) in str(error.value)


@each
def test_a_missing_column_is_an_error_or_null(tmp_path, format):
    path = written(format, place(format, tmp_path), pl.DataFrame({"amount": [1]}))
    with pytest.raises(SourceError, match='there is no column "amont"; did you mean "amount"'):
        read(format, path, wanted({"amont": d.Int64, "amount": d.Int64}))
    lenient = type(format)(missing="null")
    request = wanted({"amont": d.Int64, "amount": d.Int64})
    assert read(lenient, path, request).frame.rows() == [(None, 1)]
    with pytest.raises(SourceError, match='has a column "amount" that is not declared'):
        read(lenient, path, wanted({"amont": d.Int64}, extra="forbid"))


@each
@pytest.mark.parametrize("left", [0, 6, 0.5, -1])
def test_a_file_that_is_not_whole_is_an_error_with_its_name(tmp_path, format, left):
    path = written(format, place(format, tmp_path), pl.DataFrame({"a": range(1000)}))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * left) if isinstance(left, float) else left])
    for action in (lambda: format.infer(path), lambda: read(format, path, wanted({"a": d.Int64}))):
        with pytest.raises(SourceError, match=rf'"{path}" is not a whole {format.name.title()} file'):
            action()


@each
def test_a_file_that_is_not_there_is_an_error_with_its_name(tmp_path, format):
    with pytest.raises(SourceError, match=r'cannot read ".*gone.x": No such file'):
        format.infer(tmp_path / "gone.x")


def test_the_streaming_variant_of_arrow_is_refused(tmp_path):
    path = tmp_path / "x.arrow"
    table = pa.table({"a": [1]})
    with pa.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)
    with pytest.raises(SourceError, match="streaming format, which is not read"):
        ArrowFormat().infer(path)


def test_types_without_a_counterpart_are_named(tmp_path):
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": pl.Series([1], dtype=pl.Int128)}).write_parquet(path)
    with pytest.raises(PlanError, match="Int128"):
        ParquetFormat().infer(path)
