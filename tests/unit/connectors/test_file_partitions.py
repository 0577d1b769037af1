"""Columns as directories, and files that are rolled: what is written is read again, by others too."""

from __future__ import annotations

import datetime as dt
import os

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.connectors._file_hive import NULL, values_of
from penstock.connectors.base import WriteRequest
from penstock.connectors.files import FileSink, FileSource
from penstock.core import dtypes as d
from penstock.core.errors import PlanError, SinkError, SourceError
from penstock.core.schema import Field, Schema
from penstock.core.spec import configure
from penstock.testing.conform import check_sink, check_source, sealed
from tests.unit.connectors.samples import rows_of, schema_of, shown, staged, wanted

FRAME = pl.DataFrame({"n": range(5), "country": ["DE", "US", None, "DE", "a/b"], "x": [1.5, None, 2.5, 3.5, 4.5]})


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def out(folder, *epochs, **options):
    writer = FileSink(folder, **options).writer(WriteRequest(schema_of(epochs[0]), (), False, "conformance"))
    for epoch, frame in enumerate(epochs):
        writer.write(frame, None)
        writer.commit([sealed(writer, epoch)])
    writer.close()


def frame_of(source, schema=None, **more):
    schema = schema or source.schema()
    rows, bad = rows_of(source, wanted(schema, **more))
    assert bad == []
    return pl.DataFrame([row for _, row in rows], schema=schema.to_polars(), orient="row")


@pytest.mark.parametrize("format", ["json", "csv", "parquet", "arrow"])
def test_columns_become_directories_and_come_back(tmp_path, format):
    out(tmp_path, FRAME, FRAME[:2], partition_by=("country",), format=format)
    folders = {name.split("/")[0] for name in shown(tmp_path)}
    assert folders == {"country=DE", "country=US", f"country={NULL}", "country=a%2Fb"}
    assert len(shown(tmp_path)) == 6
    source = FileSource(tmp_path)
    assert source.schema() == Schema.of({"n": d.Int64, "x": d.Float64, "country": d.String})
    found = frame_of(source)
    assert found.sort("n", "country", nulls_last=True).rows() == sorted(
        pl.concat([FRAME, FRAME[:2]]).select("n", "x", "country").rows(), key=lambda row: (row[0], row[2] or "~")
    )
    expected = pl.concat([FRAME, FRAME[:2]]).select("n", "x", "country").to_dicts()
    check_source(source, expected=expected)
    check_source(FileSource(tmp_path, manifests=False, hive=True), expected=expected)
    assert FileSource(tmp_path, hive=False).schema().names == ("n", "x")


@pytest.mark.parametrize("format", ["json", "parquet"])
def test_it_keeps_the_contract_of_sinks(tmp_path, format):
    names = iter(range(10))

    def read_back(sink):
        if not shown(sink.path):
            return []
        columns = Schema.of({"n": d.Int64, "country": d.String, "x": d.Float64})
        return frame_of(FileSource(sink.path, manifests=False, hive=True), columns).to_dicts()

    frames = [FRAME[:1], FRAME[1:2], FRAME[2:3]]
    options = {"partition_by": ["country"], "roll_rows": 2, "format": format}
    check_sink(lambda: FileSink(tmp_path / str(next(names)), **options), lambda s: ordered(read_back(s)), frames=frames)


def ordered(rows):
    return sorted(rows, key=lambda row: row["n"])


def test_other_readers_of_hive_directories_understand_it(tmp_path):
    frame = FRAME.with_columns(country=pl.Series(["DE", "US", None, "x y", "ü%"]))
    out(tmp_path, frame, partition_by="country", format="parquet")
    scan = pl.scan_parquet(f"{tmp_path}/**/*.parquet", hive_partitioning=True)
    found = scan.collect().select(frame.columns)
    assert found.sort("n").rows() == frame.rows()


TYPED = pl.DataFrame(
    {
        "n": [1, 2, 3],
        "text": ["007", None, ""],
        "small": pl.Series([-3, None, 7], dtype=pl.Int8),
        "flag": [True, None, False],
        "day": [dt.date(2026, 5, 1), None, dt.date(1, 1, 1)],
        "instant": pl.Series([dt.datetime(2026, 5, 1, 1, 2, 3), None, dt.datetime(1960, 1, 1)]).dt.replace_time_zone(
            "UTC"
        ),
        "amount": pl.Series(["1.50", None, "-3.00"]).cast(pl.Decimal(10, 2)),
    }
)


def test_values_come_back_with_the_types_they_had(tmp_path):
    columns = TYPED.columns[1:]
    out(tmp_path, TYPED, partition_by=columns)
    found = frame_of(FileSource(tmp_path))
    assert dict(found.schema) == dict(TYPED.schema)
    assert found.select(TYPED.columns).rows() == TYPED.rows()
    # Without manifests types are declared, or guessed by what the texts look like: 007 is a name, not a number.
    plain = FileSource(tmp_path, manifests=False, hive=True)
    assert plain.schema()["text"].dtype == d.String
    assert plain.schema()["small"].dtype == d.Int64
    declared = frame_of(plain, schema_of(TYPED)).sort("n")
    assert declared.rows() == TYPED.rows()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.text(max_size=12), min_size=1, max_size=8))
def test_any_text_is_a_directory_of_its_own_and_comes_back(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("x")
    texts = [text.encode("utf-8", "ignore").decode() if text is not None else None for text in texts]
    texts += [NULL, "%2F", "a=b", "..", "\x00", "C:\\x", " "]
    frame = pl.DataFrame({"n": range(len(texts)), "text": pl.Series(texts, dtype=pl.String)})
    out(folder, frame, partition_by="text")
    assert frame_of(FileSource(folder)).sort("n").select("n", "text").rows() == frame.rows()
    assert len({name.split("/")[0] for name in shown(folder)}) == len(set(texts))


def test_rows_keep_their_order_within_a_directory(tmp_path):
    frame = pl.DataFrame({"n": range(1000), "k": [n % 3 for n in range(1000)]})
    out(tmp_path, frame[:500], frame[500:], partition_by="k", roll_rows=70)
    found = frame_of(FileSource(tmp_path))
    for k in range(3):
        assert found.filter(pl.col("k") == k)["n"].to_list() == list(range(k, 1000, 3))


def test_columns_that_are_not_wanted_are_not_read(tmp_path):
    out(tmp_path, FRAME, partition_by="country")
    source = FileSource(tmp_path)
    rows, _ = rows_of(source, wanted(source.schema(), "country"))
    assert sorted(str(row[0]) for _, row in rows) == sorted(map(str, FRAME["country"]))
    rows, _ = rows_of(source, wanted(source.schema(), "x", "n"))
    assert sorted(row[1] for _, row in rows) == list(range(5))


def test_directories_that_do_not_fit_the_declared_type_are_an_error(tmp_path):
    out(tmp_path, FRAME, partition_by="country")
    declared = Schema.of({"n": d.Int64, "country": d.Int64})
    with pytest.raises(SourceError, match=r"says country=\w+, which is not Int64"):
        rows_of(FileSource(tmp_path), wanted(declared))
    strict = Schema((Field("n", d.Int64), Field("country", d.String, nullable=False)))
    with pytest.raises(SourceError, match=r'"country" is null, and it must not be'):
        rows_of(FileSource(tmp_path), wanted(strict))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("nation", 'no column "nation"'),
        ("x", '"x" is Float64'),
        ("n, x, country", '"x" is Float64'),
    ],
)
def test_columns_that_cannot_be_directories_are_refused(tmp_path, columns, message):
    with pytest.raises(PlanError, match=message):
        out(tmp_path / "x", FRAME, partition_by=columns)
    assert not (tmp_path / "x").exists()


def test_something_must_be_left_to_write(tmp_path):
    with pytest.raises(PlanError, match="nothing is left to write"):
        out(tmp_path, FRAME.select("country"), partition_by="country")


def test_there_are_only_so_many_open_files(tmp_path):
    frame = pl.DataFrame({"n": range(9), "k": range(9)})
    writer = FileSink(tmp_path, partition_by="k", open_files=8).writer(
        WriteRequest(schema_of(frame), (), False, "conformance")
    )
    with pytest.raises(SinkError, match="to more than 8 directories") as error:
        writer.write(frame, None)
    assert "partition by less than k" in error.value.hint
    assert staged(tmp_path) == shown(tmp_path) == []
    writer.write(frame[:8], None)
    writer.commit([sealed(writer, 0)])
    writer.write(frame[1:], None)
    writer.commit([sealed(writer, 1)])
    assert len(shown(tmp_path)) == 16


# -- rolled files --------------------------------------------------------------


@pytest.mark.parametrize("format", ["json", "csv", "parquet", "arrow"])
def test_files_roll_by_rows(tmp_path, format):
    frame = pl.DataFrame({"n": range(100)})
    out(tmp_path, frame[:7], frame[7:], roll_rows=10, format=format)
    counts = [rows_count(tmp_path / name) for name in shown(tmp_path)]
    assert counts == [7, *[10] * 9, 3]
    assert frame_of(FileSource(tmp_path))["n"].to_list() == list(range(100))


def rows_count(path):
    return len(rows_of(FileSource(path), wanted({"n": d.Int64}))[0])


def test_files_roll_by_size(tmp_path):
    frame = pl.DataFrame({"n": range(200_000)})
    out(tmp_path, frame, roll_size="500 KB", format="csv")
    sizes = [(tmp_path / name).stat().st_size for name in shown(tmp_path)]
    assert len(sizes) == 3
    assert all(500_000 <= size < 650_000 for size in sizes[:-1])
    assert frame_of(FileSource(tmp_path))["n"].to_list() == list(range(200_000))


def test_many_full_files_do_not_stay_open(tmp_path):
    frame = pl.DataFrame({"n": range(300)})
    writer = FileSink(tmp_path, roll_rows=1).writer(WriteRequest(schema_of(frame), (), False, "conformance"))
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    writer.write(frame, None)
    if before:
        assert len(os.listdir("/proc/self/fd")) - before < 15
    writer.commit([sealed(writer, 0)])
    assert frame_of(FileSource(tmp_path))["n"].to_list() == list(range(300))


def test_options_may_be_text():
    given = {"path": "x", "partition_by": "a, b", "roll_size": "1 MiB", "roll_rows": "10", "keep": "1 GiB"}
    assert configure(FileSink, given) == FileSink(
        "x", partition_by=["a", "b"], roll_size="1 MiB", roll_rows=10, keep="1 GiB"
    )
    assert configure(FileSource, {"path": "x", "hive": "yes", "manifests": "no"}) == FileSource(
        "x", hive=True, manifests=False
    )
    plan = FileSink("x", partition_by="a").plan_value()["options"]
    assert configure(FileSink, plan) == FileSink("x", partition_by=("a",))


def test_only_directories_name_columns():
    assert values_of("a=1/b=%25/c/=x/x=1.json") == {"a": "1", "b": "%"}
