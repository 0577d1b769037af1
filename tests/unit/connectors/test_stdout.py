"""What is printed."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest

from penstock.connectors.stdout import StdoutSink
from penstock.core import dtypes as d
from penstock.core.errors import UnknownNameError
from penstock.core.schema import Schema
from penstock.testing.conform import sealed
from penstock.testing.driver import ManualClock
from tests.unit.connectors.samples import write_request

SCHEMA = Schema.of({"k": d.String, "n": d.Int64, "at": d.Datetime("us", "UTC"), "l": d.List(d.Int64)})
ROWS = pl.DataFrame(
    {"k": ["a", "bb", "a", "a"], "n": [1, None, 1, 20], "at": [0] * 4, "l": [[1], None, [1], []]},
    schema=SCHEMA.to_polars(),
)
DIFF = np.array([1, 1, -1, 1], dtype=np.int8)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def printed(style, *parts, stream=None, key=("k",), updating=False, **more):
    stream = stream or io.StringIO()
    writer = StdoutSink(style, stream=stream, **more).writer(write_request(SCHEMA, key, updating))
    for rows, diff in parts:
        writer.write(rows, diff)
    writer.commit([sealed(writer, 0)])
    writer.close()
    return stream.getvalue()


def test_rows_are_aligned_and_the_header_comes_again_when_they_widen():
    assert printed("rows", (ROWS[:1], None), (ROWS[1:], None)).splitlines() == [
        "k  n  at                    l",
        "a  1  1970-01-01T00:00:00Z  [1]",
        "k      n  at                    l",
        "bb  null  1970-01-01T00:00:00Z  null",
        "a      1  1970-01-01T00:00:00Z  [1]",
        "a     20  1970-01-01T00:00:00Z  []",
    ]


def test_json_is_an_object_per_line():
    assert printed("json", (ROWS[1:2], None)) == '{"k":"bb","n":null,"at":"1970-01-01T00:00:00Z","l":null}\n'


def test_changes_look_as_those_of_flink():
    parts = [(ROWS[:2], DIFF[:2]), (ROWS[2:], DIFF[2:]), (ROWS[1:2], -DIFF[1:2])]
    expected = [
        "+I[a, 1, 1970-01-01T00:00:00Z, [1]]",
        "+I[bb, null, 1970-01-01T00:00:00Z, null]",
        "-U[a, 1, 1970-01-01T00:00:00Z, [1]]",
        "+U[a, 20, 1970-01-01T00:00:00Z, []]",
        "-D[bb, null, 1970-01-01T00:00:00Z, null]",
    ]
    assert printed("changes", *parts).splitlines() == expected
    assert printed("auto", *parts, updating=True).splitlines() == expected


def test_auto_prints_rows_of_a_stream():
    assert printed("auto", (ROWS[:1], None)) == printed("rows", (ROWS[:1], None))


@pytest.mark.parametrize("style", ["rows", "json"])
def test_changes_are_never_printed_as_if_they_were_rows(style):
    assert printed(style, (ROWS, DIFF), updating=True).startswith("+I[")


def test_a_table_is_printed_once_where_there_is_no_terminal():
    assert printed("table", (ROWS, DIFF), updating=True).splitlines() == [
        "k      n  at                    l",
        "bb  null  1970-01-01T00:00:00Z  null",
        "a     20  1970-01-01T00:00:00Z  []",
    ]


def test_a_table_of_a_stream_shows_its_newest_rows():
    shown = printed("table", (ROWS[:2], None), (ROWS[2:], None), key=(), limit=2).splitlines()
    assert [line.split()[0] for line in shown] == ["k", "a", "a"]


def test_a_table_is_redrawn_on_a_terminal_but_not_too_often():
    clock, stream = ManualClock(), Terminal()
    writer = StdoutSink("table", stream=stream, clock=clock).writer(write_request(SCHEMA, ("k",), True))
    writer.write(ROWS[:1], DIFF[:1])
    assert stream.getvalue().count("1970-01-01T00:00:00Z") == 1
    writer.write(ROWS[1:2], DIFF[1:2])
    assert "bb" not in stream.getvalue()
    writer.prepare(0)()
    assert "bb" in stream.getvalue()
    writer.write(ROWS[2:], DIFF[2:])
    writer.close()
    assert "20" in stream.getvalue()


def test_long_texts_are_cut_in_columns_only():
    long = ROWS[:1].with_columns(k=pl.lit("x" * 100))
    assert "x" * 41 not in printed("rows", (long, None))
    assert "x" * 100 in printed("changes", (long, None))


def test_the_standard_output_is_that_of_the_moment(capsys):
    writer = StdoutSink("json").writer(write_request(SCHEMA))
    writer.write(ROWS[:1], None)
    writer.prepare(0)()
    assert capsys.readouterr().out.startswith('{"k":"a"')


def test_styles_are_named():
    with pytest.raises(UnknownNameError, match='no style "row"; did you mean "rows"'):
        StdoutSink("row")
    assert StdoutSink(name="totals").default_name() == "totals"
