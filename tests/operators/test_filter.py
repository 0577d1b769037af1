from __future__ import annotations

from penstock import Int64, col
from penstock.testing import T, check

ROWS = T("""
    at       | k | v:Int64
    00:00:01 | a | 1
    00:00:02 | b | -1
    00:00:03 |   | 2
    00:00:04 | c | null
""")


def test_null_conditions_are_not_true():
    check(
        lambda s: s.filter(col("v") > 0),
        input=ROWS,
        output=T("""
            k    | v
            a    | 1
            null | 2
        """),
    )


def test_several_conditions_must_all_hold():
    check(lambda s: s.filter(col("v") > 0, col("k").is_not_null()), input=ROWS, output=[{"k": "a", "v": 1}])


def test_what_cannot_be_evaluated_is_refused_where_it_is_reached():
    check(
        lambda s: s.filter(col("k") != "x").filter(col("k").cast(Int64) > 1),
        input=T("""
            k:String
            1
            2
            x
            y
        """),
        output=[{"k": "2"}],
        errors=[{"k": "y"}],
    )


def test_changes_of_a_table_are_filtered():
    check(
        lambda s: s.group_by("k").agg(n=col("v").count()).filter(col("n") < 2),
        input=T("""
            k | v
            a | 1
            b | 1
            a | 1
        """),
        output=[{"k": "b", "n": 1}],
    )


def test_no_rows():
    check(lambda s: s.filter(col("v") > 0), input=T("v:Int64"), output=[])
