from __future__ import annotations

import penstock as ps
from penstock import Float64, Int64, col
from penstock.testing import T, check

ROWS = T("""
    at       | k | v:Int64
    00:00:01 | a | 1
    00:00:02 | b | null
""")


def test_columns_are_chosen_computed_and_renamed():
    check(
        lambda s: s.select("v", key=col("k"), w=col("v") + 1),
        input=ROWS,
        output=T("""
            v    | key | w
            1    | a   | 2
            null | b   | null
        """),
    )


def test_constants_are_as_long_as_the_rows():
    check(lambda s: s.select(x=ps.lit(7)), input=ROWS, output=[{"x": 7}, {"x": 7}])


def test_two_columns_change_places():
    check(
        lambda s: s.select(k=col("v"), v=col("k")),
        input=ROWS,
        output=T("""
            k    | v:String
            1    | a
            null | b
        """),
    )


def test_later_columns_see_the_input_and_not_each_other():
    check(lambda s: s.with_columns(v=col("v") + 1, w=col("v")).select("v", "w"), input=ROWS, output=T("""
        v    | w
        2    | 1
        null | null
    """))  # fmt: skip


def test_a_chain_sees_what_was_computed_before():
    check(
        lambda s: s.with_columns(w=col("v") + 1).with_columns(w=col("w") * 10).filter(col("w") > 10).drop("at"),
        input=ROWS,
        output=[{"k": "a", "v": 1, "w": 20}],
    )


def test_overflow_and_failed_casts_are_refused():
    check(
        lambda s: s.with_columns(w=col("v") + 1, n=col("k").cast(Int64)),
        input=T("""
            k | v
            1 | 1
            x | 1
            3 | 9223372036854775807
        """),
        output=None,
        errors=2,
    )


def test_a_row_that_is_filtered_first_does_not_fail():
    check(
        lambda s: s.filter(col("k") != "x").select(n=col("k").cast(Int64)),
        input=T("""
            k:String
            x
            1
        """),
        output=[{"n": 1}],
    )


def test_try_cast_gives_null():
    check(lambda s: s.select(n=col("k").try_cast(Float64)), input=ROWS, output=[{"n": None}, {"n": None}])


def test_the_event_time_goes_on_under_its_new_name():
    check(
        lambda s: s.rename(at="when").window(ps.tumbling("2 s")).agg(n=ps.count()),
        input=ROWS,
        output=T("""
            window_start | n
            00:00:00     | 1
            00:00:02     | 1
        """),
    )


def test_a_table_keeps_its_changes():
    check(
        lambda s: s.group_by("k").agg(n=ps.count()).with_columns(m=col("n") * 2),
        input=T("""
            k
            a
            b
            a
        """),
        output=T("""
            k | n | m
            a | 2 | 4
            b | 1 | 2
        """),
    )


def test_a_column_that_changes_is_left_out_of_a_table():
    check(
        lambda s: s.group_by("k").agg(n=ps.count()).select("k"),
        input=T("k\na\na\nb"),
        output=T("op | k\n+I | a\n+I | b"),
    )


def test_no_rows():
    check(lambda s: s.select(w=col("v") + 1), input=T("v:Int64"), output=[])
