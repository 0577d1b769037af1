from __future__ import annotations

import datetime as dt

import pytest

from penstock.core.dtypes import Datetime, Float64, Int64, List, String
from penstock.core.errors import PlanError
from penstock.core.schema import Schema
from penstock.core.timespan import SECOND
from penstock.testing import T

UTC = dt.UTC


def test_a_table_has_a_schema_rows_and_marks():
    table = T("""
        # drawn by hand
        at       | k | v:Float64 | l
        00:00:01 | a | 1         | [1, 2]   # the first

        ~ 00:00:12               # the watermark
        ~ 00:00:12
        00:00:03 |   | null      |
        ~ 0:00:12.5
    """)
    assert table.schema == Schema.of({"at": Datetime("us", "UTC"), "k": String, "v": Float64, "l": List(Int64)})
    assert table.rows == [
        {"at": dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "k": "a", "v": 1.0, "l": [1, 2]},
        {"at": dt.datetime(1970, 1, 1, 0, 0, 3, tzinfo=UTC), "k": None, "v": None, "l": None},
    ]
    assert table.marks == ((1, 12 * SECOND), (1, 12 * SECOND), (2, 12 * SECOND + SECOND // 2))
    assert len(table) == 2
    assert table.frame().rows(named=True) == table.rows


def test_quotes_hold_bars_hashes_and_quotes():
    table = T(r"""
        a        | b
        "x|y#z"  | "say \"hi\" # no"  # "comment
        ["p|q"]  | "\n"
    """)
    assert [row["b"] for row in table.rows] == ['say "hi" # no', "\n"]
    assert table.cells[1][0] == '["p|q"]'


def test_types_of_the_header_win_over_others():
    table = T("a:String | b | c\n1 | 2 | 3")
    assert table.typed({"a": Int64, "b": Float64}) == [{"a": "1", "b": 2.0, "c": 3}]


def test_one_line_is_a_table_without_rows():
    assert T("k:String").rows == []
    assert T("k:String").frame().height == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with a line of column names"),
        ("a | b\n1", "row 1 has 1 cells for 2 columns"),
        ("a\n1 | 2", "row 1 has 2 cells for 1 columns"),
        ("a | a", 'two columns have the name "a"'),
        ("a | | b", "no name"),
        ("a:Strin", 'no type "Strin"; did you mean "String"?'),
        ('a\n"x', "not closed"),
        ("at\n~ soon", "no watermark"),
        ("at\n~ 00:00:02\n~ 00:00:01", "never goes back"),
        ("at\n~ 00:00:00.000001", "whole milliseconds"),
    ],
)
def test_mistakes_are_told_with_the_users_line(text, message):
    with pytest.raises(PlanError) as caught:
        T(text)
    assert message in str(caught.value)
    assert "test_notation.py" in str(caught.value)


def test_a_cell_that_does_not_fit_is_named():
    with pytest.raises(PlanError, match=r'row 2, column "b": "x" is no Int64'):
        T("a | b:Int64\n1 | 2\n1 | x").rows  # noqa: B018  (reading it is what fails)
