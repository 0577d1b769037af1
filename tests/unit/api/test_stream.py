"""Verbs as users write them: what they give, and what they refuse."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.connectors.files import FileSink, FileSource


def reasons(stream: ps.Stream) -> list[str]:
    """Why rows were refused."""
    return stream.collect().get_column("_why").struct.field("reason").to_list()


def nulls() -> ps.Stream:
    """A row of nulls."""
    return ps.read([{"i": None, "f": None, "s": None}], schema={"i": ps.Int64, "f": ps.Float64, "s": ps.String})


def test_fill_null_takes_a_mapping_or_fits_the_value_to_columns() -> None:
    assert nulls().fill_null({"i": 7}).collect().rows() == [(7, None, None)]
    assert nulls().fill_null(i=7, s="x").collect().rows() == [(7, None, "x")]
    assert nulls().fill_null(0).collect().rows() == [(0, 0.0, None)]
    assert nulls().fill_null(0.5).collect().rows() == [(None, 0.5, None)]


def test_fill_null_that_fills_nothing_is_refused() -> None:
    with pytest.raises(ps.PlanError, match="no column can hold True"):
        nulls().fill_null(value=True)
    with pytest.raises(ps.PlanError, match='no column "j"'):
        nulls().fill_null({"j": 0})


def test_a_text_names_a_column_as_in_polars() -> None:
    stream = ps.read([{"a": 1, "b": "x"}])
    assert stream.select(c="a", d=ps.lit("a")).collect().rows() == [(1, "a")]


def test_errors_of_read_are_of_all_that_the_verb_does(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("at,v\n2024-01-01T00:00:00Z,1\n2024-01-01T00:00:01Z,oops\n,3\n")
    schema = {"at": ps.Datetime("us", "UTC"), "v": ps.Int64}
    stream = ps.read(FileSource(str(path)), schema=schema, event_time="at")
    found = reasons(stream.errors())
    assert len(found) == 2
    assert any("is not an Int64" in reason for reason in found)
    assert any("no event time" in reason for reason in found)
    assert stream.collect().height == 1


def test_errors_of_a_computed_event_time_are_errors_of_read() -> None:
    rows = [{"t": "x"}, {"t": "2024-01-01"}]
    stream = ps.read(rows, event_time=col("t").str.to_datetime("%Y-%m-%d"))
    assert stream.errors().columns == ["t", "_why"]
    assert stream.errors().collect().get_column("t").to_list() == ["x"]


def test_values_of_masked_sources_are_in_no_reason(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("ssn,v\nSECRET,1\n")
    schema = {"ssn": ps.Int64, "v": ps.Int64}
    stream = ps.read(FileSource(str(path)), schema=schema, mask={"ssn": "hash"})
    refused = stream.errors().collect()
    assert refused.height == 1
    assert "SECRET" not in str(refused.to_dicts())
    assert '"ssn"' in reasons(stream.errors())[0]


@pytest.mark.parametrize(
    ("value", "dtype", "shown"),
    [
        ("abc", ps.Int64, "abc"), (300, ps.Int8, "300"), (b"\xff", ps.String, "ff"), (1e300, ps.Int64, "1e+300"),
        ("x" * 500, ps.Date, "x" * 120 + "…"), ('a"b', ps.Int64, 'a"b'), ("", ps.Int64, ""),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_cast_is_named(value: object, dtype: object, shown: str) -> None:
    stream = ps.read([{"v": value, "n": 1}, {"v": value, "n": 1}]).with_columns(c=col("v").cast(dtype))
    assert reasons(stream.errors()) == [f'cannot cast "{shown}" to {dtype} (v)'] * 2


def test_each_row_has_the_value_and_the_reason_of_its_own() -> None:
    rows = [{"a": "1", "b": 1}, {"a": "x", "b": 1}, {"a": "y", "b": 2**63 - 1}, {"a": "3", "b": 2**63 - 1}]
    stream = ps.read(rows).with_columns(c=col("a").cast(ps.Int64), d=col("b") + 1)
    assert reasons(stream.errors()) == [
        'cannot cast "x" to Int64 (a)', 'cannot cast "y" to Int64 (a)', "no value for (b + 1)",
    ]  # fmt: skip
    assert stream.collect().rows() == [("1", 1, 1, 2)]


def test_values_of_masked_columns_are_in_no_reason_of_a_cast() -> None:
    stream = ps.read([{"ssn": "SECRET", "v": "x"}], mask={"ssn": "hash"})
    refused = stream.with_columns(n=(col("ssn") + col("v")).cast(ps.Int64)).errors()
    assert reasons(refused) == ['cannot cast "***" to Int64 (ssn + v)']


def test_outputs_do_not_share_a_directory(tmp_path: Path) -> None:
    stream, folder = ps.read([{"a": 1}]), str(tmp_path / "out")
    one, other = stream.write(FileSink(folder), name="one"), stream.write(FileSink(folder + "/"), name="other")
    with pytest.raises(ps.PlanError, match='the outputs "one" and "other" write to the directory'):
        ps.Pipeline("p", one, other)
    with pytest.raises(ps.PlanError, match="write to the directory"):
        ps.run(ps.Pipeline("p", one), ps.Pipeline("q", other), state=tmp_path)
    with pytest.raises(ps.PlanError, match="different names"):
        ps.run(ps.Pipeline("p", one), ps.Pipeline("p", one), state=tmp_path)


def test_times_beyond_the_days_of_a_zone_are_refused() -> None:
    moments = [dt.datetime(9999, 12, 31, 12), dt.datetime(2024, 1, 1), dt.datetime(1, 1, 1)]
    stream = ps.read(pl.DataFrame({"at": moments}), event_time="at")
    days = stream.window(ps.tumbling("1 day", zone="Europe/Oslo")).agg(n=ps.count())
    assert days.collect().get_column("n").to_list() == [1]
    assert days.errors().collect().height == 2


def test_a_row_is_in_a_bounded_number_of_windows() -> None:
    with pytest.raises(ps.PlanError, match="31,536,000 windows"):
        ps.hopping("365 days", every="1 s")


def test_verbs_that_do_not_exist_name_the_right_one() -> None:
    stream = ps.read([{"a": 1}])
    for wrong, right in {
        "mutate": "with_columns",
        "key_by": "group_by",
        "unique": "distinct",
        "order_by": "sort",
    }.items():
        with pytest.raises(ps.PlanError, match=f'no verb "{wrong}"; did you mean "{right}"'):
            getattr(stream, wrong)
    with pytest.raises(ps.PlanError, match="planned and not offered yet"):
        _ = stream.match
    assert not hasattr(stream, "mutate")


def test_a_header_that_is_no_text_is_an_error_of_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    path.write_bytes("größe,v\n1,2\n".encode("latin1"))
    with pytest.raises(ps.PenstockError, match="no UTF-8 text"):
        ps.read(FileSource(str(path)))
