"""CSV: round trips, bad rows where they are, cuts anywhere."""

from __future__ import annotations

import csv
import gzip
import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from penstock.connectors.base import ReadRequest
from penstock.connectors.formats import _blocks
from penstock.connectors.formats.csv import CsvFormat
from penstock.core import dtypes as d
from penstock.core.errors import PlanError, SinkError, SourceError
from penstock.core.schema import Field, Schema
from penstock.testing.conform import check_format
from tests.unit.connectors.samples import EVERY_TYPE, numbers, read, refused, schema_of, wanted, written

CSV = CsvFormat()
TWO = {"a": d.Int64, "b": d.String}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def lines(tmp_path, text, name="x.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "format", [CSV, CsvFormat(delimiter=";", null="NA"), CsvFormat(header=False), CsvFormat(delimiter="|", quote="'")]
)
def test_every_type_comes_back(tmp_path, format):
    path = written(format, tmp_path / "x.csv", EVERY_TYPE)
    assert_frame_equal(read(format, path, wanted(schema_of(EVERY_TYPE))).frame, EVERY_TYPE)


def test_it_keeps_the_contract_of_formats(tmp_path):
    check_format(CSV, tmp_path, EVERY_TYPE)


def test_quotes_hold_delimiters_newlines_and_quotes(tmp_path):
    path = lines(tmp_path, 'a,b\n1,"x, ""y""\nz"\n2,\'q\'\n')
    assert read(CSV, path, wanted(TWO)).frame.rows() == [(1, 'x, "y"\nz'), (2, "'q'")]


def test_a_quote_within_a_field_is_text(tmp_path):
    assert read(CSV, lines(tmp_path, 'a,b\n1,5" pipe\n'), wanted(TWO)).frame.rows() == [(1, '5" pipe')]


def test_an_empty_field_is_null_and_two_quotes_are_an_empty_text(tmp_path):
    assert read(CSV, lines(tmp_path, 'a,b\n,""\n1,\n'), wanted(TWO)).frame.rows() == [(None, ""), (1, None)]


def test_the_null_text_counts_only_without_quotes(tmp_path):
    path = lines(tmp_path, 'a,b\nNA,"NA"\n1,NA\n')
    assert read(CsvFormat(null="NA"), path, wanted(TWO)).frame.rows() == [(None, "NA"), (1, None)]


def test_blank_lines_mark_and_carriage_returns_are_no_rows(tmp_path):
    path = lines(tmp_path, b'\xef\xbb\xbfa,b\r\n\r\n1,x\r\n\n2,"y"\r\n3,z')
    chunk = read(CSV, path, wanted(TWO))
    assert chunk.frame.rows() == [(1, "x"), (2, "y"), (3, "z")]
    assert numbers(chunk.rows) == [0, 1, 2]


def test_in_a_single_column_a_blank_line_is_null(tmp_path):
    frame = pl.DataFrame({"a": ["x", None, "", None]})
    path = written(CSV, tmp_path / "x.csv", frame)
    assert_frame_equal(read(CSV, path, wanted(schema_of(frame))).frame, frame)


def test_bad_rows_say_line_and_reason_and_keep_their_text(tmp_path):
    text = 'a,b\n1,x\nabc,y\n3\n4,"m\nn"\n5,z,z\n6,"q"w\n7,"open\n8,"last'
    chunk = read(CSV, lines(tmp_path, text), wanted(TWO))
    assert chunk.frame.rows() == [(1, "x"), (4, "m\nn")]
    assert numbers(chunk.rows) == [0, 3]
    assert refused(chunk) == [
        (1, '3: column "a": "abc" is not an Int64'),
        (2, "4: 1 fields, not 2"),
        (4, "7: 3 fields, not 2"),
        (5, "8: text behind a closing quote"),
        (6, "9: text behind a closing quote"),
        (7, "10: a quote that is never closed"),
    ]
    assert [row.raw for row in chunk.bad] == ["abc,y", "3", "5,z,z", '6,"q"w', '7,"open', '8,"last']


def test_a_quote_that_is_never_closed_costs_one_line(tmp_path):
    chunk = read(CSV, lines(tmp_path, 'a,b\n1,"x\n2,y\n3,z\n'), wanted(TWO))
    assert chunk.frame.rows() == [(2, "y"), (3, "z")]
    assert refused(chunk) == [(0, "2: a quote that is never closed")]


def test_what_is_no_utf8_is_a_bad_row_and_shown_escaped(tmp_path):
    chunk = read(CSV, lines(tmp_path, b"a,b\n1,\xff\xfe\n2,\xc3\xa9\n"), wanted(TWO))
    assert chunk.frame.rows() == [(2, "é")]
    assert refused(chunk) == [(0, "2: not UTF-8")]
    assert chunk.bad[0].raw == "1,\\xff\\xfe"


def test_raw_text_is_not_kept_where_it_must_not_be(tmp_path):
    chunk = read(CSV, lines(tmp_path, "a,b\nx,y\n"), wanted(TWO, keep_raw=False))
    assert chunk.bad[0].raw is None


def test_a_null_where_there_must_be_none_is_a_bad_row(tmp_path):
    schema = Schema((Field("a", d.Int64, nullable=False), Field("b", d.String)))
    chunk = read(CSV, lines(tmp_path, "a,b\n1,x\n,y\n"), wanted(schema))
    assert refused(chunk) == [(1, '3: column "a" is null, and must not be')]


def test_a_wrong_type_in_a_late_row_costs_that_row(tmp_path):
    path = lines(tmp_path, "a,b\n" + "".join(f"{i},x\n" for i in range(200_000)) + "oops,x\n7,y\n")
    chunk = read(CSV, path, wanted(TWO, "a"))
    assert chunk.frame.height == 200_001
    assert refused(chunk) == [(200_000, '200002: column "a": "oops" is not an Int64')]


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        (d.Int64, " 1"), (d.Int64, "1.0"), (d.Int64, "9223372036854775808"), (d.Int8, "128"), (d.UInt8, "-1"),
        (d.Float64, "1,5"), (d.Float64, "1e999"), (d.Boolean, "yes"), (d.Date, "2020-02-30"), (d.Time, "24:00"),
        (d.Datetime("us", "UTC"), "2020-01-01T25:00"), (d.Datetime("us"), "2020-01-01T00:00Z"),
        (d.Datetime("us", "America/New_York"), "2020-03-08T02:30:00"), (d.Decimal(4, 1), "1.25"),
        (d.Decimal(4, 1), "12345"), (d.Duration("us"), "5 s"), (d.Binary, "!"), (d.List(d.Int64), "[1,"),
        (d.List(d.Int64), '["a"]'), (d.Json, "{"),
    ],
)  # fmt: skip
def test_what_is_no_value_of_the_type_is_refused(tmp_path, dtype, text):
    quoted = '"' + text.replace('"', '""') + '"'
    chunk = read(CSV, lines(tmp_path, f"a,b\n{quoted},x\n"), wanted({"a": dtype, "b": d.String}))
    assert chunk.frame.is_empty()
    assert f"is not a{'n' if str(dtype)[0] in 'IU' else ''} {dtype}" in chunk.bad[0].reason


def test_moments_are_read_in_the_zone_of_the_column_unless_they_say_another(tmp_path):
    text = "a,b\n2020-01-01 00:00,x\n2020-01-01T00:00:00.1234567+01:00,x\n"
    chunk = read(CSV, lines(tmp_path, text), wanted({"a": d.Datetime("us", "America/New_York"), "b": d.String}, "a"))
    assert chunk.frame["a"].dt.convert_time_zone("UTC").dt.to_string("iso").to_list() == [
        "2020-01-01 05:00:00.000000+00:00",
        "2019-12-31 23:00:00.123456+00:00",
    ]


def test_columns_are_found_by_name_and_others_passed_over(tmp_path):
    path = lines(tmp_path, "z,b,a\n9,x,1\n")
    assert read(CSV, path, wanted(TWO, "a")).frame.rows() == [(1,)]
    with pytest.raises(SourceError, match='has a column "z" that is not declared'):
        read(CSV, path, wanted(TWO, extra="forbid"))


def test_only_the_number_of_rows_may_be_wanted(tmp_path):
    request = ReadRequest(Schema.of(TWO), ())
    chunk = read(CSV, lines(tmp_path, "a,b\n1,x\n2\n3,y\n"), request)
    assert chunk.frame.shape == (2, 0)
    assert numbers(chunk.rows) == [0, 2]


def test_a_missing_column_is_an_error_or_null(tmp_path):
    path = lines(tmp_path, "amount,b\n1,x\n")
    with pytest.raises(SourceError, match=r'x.csv" has no column "amont"; did you mean "amount"'):
        read(CSV, path, wanted({"amont": d.Int64}))
    assert read(CsvFormat(missing="null"), path, wanted({"amont": d.Int64})).frame.rows() == [(None,)]
    with pytest.raises(SourceError, match='two columns "a"'):
        read(CSV, lines(tmp_path, "a,a\n1,2\n"), wanted(TWO, "a"))


def test_files_may_be_packed_and_must_be_whole(tmp_path):
    packed = gzip.compress(b"a,b\n1,x\n")
    assert read(CSV, lines(tmp_path, packed, "x.csv.gz"), wanted(TWO)).frame.rows() == [(1, "x")]
    with pytest.raises(SourceError, match=r'cannot read ".*x.csv.gz"'):
        read(CSV, lines(tmp_path, packed[:-9], "x.csv.gz"), wanted(TWO))


def test_other_encodings_are_named(tmp_path):
    with pytest.raises(SourceError, match="UTF-16"):
        read(CSV, lines(tmp_path, "a,b\n1,x\n".encode("utf-16")), wanted(TWO))


def test_a_record_without_end_is_one_bad_row(tmp_path, monkeypatch):
    monkeypatch.setattr("penstock.connectors.formats.csv.LONGEST_RECORD", 100)
    monkeypatch.setattr(_blocks, "BLOCK_BYTES", 64)
    chunk = read(CSV, lines(tmp_path, f'a,b\n1,x\n2,{"y" * 1000}\n3,z\n4,"{"q" * 1000}\n5,w\n'), wanted(TWO))
    assert chunk.frame.rows() == [(1, "x"), (3, "z"), (5, "w")]
    assert refused(chunk) == [(1, "3: longer than 100 bytes"), (3, "5: longer than 100 bytes")]
    assert all(len(row.raw) < 300 for row in chunk.bad)


def test_types_are_inferred_as_the_reader_reads_them(tmp_path):
    text = (
        "id,zip,x,flag,day,at,local,clock,name,empty\n"
        "1,00501,1.5,true,2020-01-01,2020-01-01T00:00:00Z,2020-01-01 00:00,12:30:00,a,\n"
        ",00502,2,False,,2020-01-01T00:00:00+01:00,,,1,\n"
    )
    found = CSV.infer(lines(tmp_path, text))
    assert {field.name: field.dtype for field in found} == {
        "id": d.Int64, "zip": d.String, "x": d.Float64, "flag": d.Boolean, "day": d.Date,
        "at": d.Datetime("us", "UTC"), "local": d.Datetime("us"), "clock": d.Time, "name": d.String, "empty": d.String,
    }  # fmt: skip
    assert CsvFormat(header=False).infer(lines(tmp_path, "1,x\n")).names == ("column_1", "column_2")
    with pytest.raises(PlanError, match="is empty"):
        CSV.infer(lines(tmp_path, ""))


def test_options_must_make_sense():
    with pytest.raises(PlanError, match="one character"):
        CsvFormat(delimiter="||")
    with pytest.raises(PlanError, match="the same"):
        CsvFormat(delimiter='"')


def test_without_quotes_nothing_ambiguous_is_written(tmp_path):
    with pytest.raises(SinkError, match="holds the delimiter"):
        written(CsvFormat(quote=""), tmp_path / "x.csv", pl.DataFrame({"a": ["x", "y,z"]}))


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6) | st.sampled_from(
    ['"', ",", "\n", ""]
)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(cells, cells), max_size=6),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    newline=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(1, 40),
    size=st.integers(1, 5),
    first=st.integers(0, 6),
)
def test_what_another_program_writes_is_read(folder, rows, quoting, newline, block, size, first):
    out = io.StringIO()
    csv.writer(out, quoting=quoting, lineterminator=newline).writerows([("a", "b"), *rows])
    path = lines(folder, out.getvalue().encode())
    plain = quoting == csv.QUOTE_MINIMAL
    wanted_rows = [tuple(None if plain and cell == "" else cell for cell in row) for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks, "BLOCK_BYTES", block)
        chunk = read(CSV, path, wanted({"a": d.String, "b": d.String}), first, size)
    assert chunk.bad == ()
    assert chunk.frame.rows() == wanted_rows[first:]
    assert numbers(chunk.rows) == list(range(first, len(rows)))


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=60) | st.text(',"\nab1', max_size=60).map(str.encode), block=st.integers(1, 30))
def test_any_bytes_are_rows_or_bad_rows_and_cuts_do_not_show(folder, data, block):
    path = lines(folder, b"a,b\n" + data)
    whole = read(CSV, path, wanted(TWO))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blocks, "BLOCK_BYTES", block)
        cut = read(CSV, path, wanted(TWO), rows=1)
    assert cut.frame.rows() == whole.frame.rows()
    assert cut.bad == whole.bad
    assert numbers(cut.rows) == numbers(whole.rows)
    assert sorted([*numbers(whole.rows), *(row.offset for row in whole.bad)]) == list(range(whole.next_row))


def test_a_header_alone_may_begin_with_a_mark(tmp_path):
    path = lines(tmp_path, b"\xef\xbb\xbfa,b")
    assert CSV.infer(path).names == ("a", "b")
    assert read(CSV, path, wanted(TWO)).frame.height == 0
