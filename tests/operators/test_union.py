from __future__ import annotations

import pytest

import penstock as ps
from penstock import col
from penstock.testing import T, check

LEFT = T("""
    at       | k
    00:00:01 | a
    00:00:09 | b
    ~ 00:00:20
    00:00:03 | a
""")
RIGHT = T("""
    k | at
    c | 00:00:02
    d | 00:00:30
""")


def test_columns_are_matched_by_name():
    check(lambda a, b: a.union(b), input=[LEFT, RIGHT], output=T("""
        at       | k
        00:00:01 | a
        00:00:09 | b
        00:00:03 | a
        00:00:02 | c
        00:00:30 | d
    """))  # fmt: skip


def test_lateness_is_that_of_the_rows_own_split_and_windows_wait_for_all():
    left, right = [(0, 0)] * 3, [(1, 0)] * 2
    for order in (left + right, right + left, [(1, 0), (0, 0), (0, 0), (1, 0), (0, 0)]):
        check(
            lambda a, b: a.union(b).group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count()),
            input=[LEFT, RIGHT],
            output=T("""
                k | window_start | n
                a | 00:00:00     | 1
                b | 00:00:00     | 1
                c | 00:00:00     | 1
                d | 00:00:30     | 1
            """),
            late=[{"k": "a"}],
            order=order,
        )


def test_a_stream_with_itself_doubles_it():
    check(
        lambda s: s.union(s.filter(col("k") == "a")).group_by("k").agg(n=ps.count()),
        input=T("""
            k
            a
            b
        """),
        output=T("""
            k | n
            a | 2
            b | 1
        """),
    )


def test_tables_keep_equal_rows_apart():
    def build(s):
        ones = s.group_by("k").agg(n=ps.count())
        return ones.union(ones.filter(col("n") > 1)).group_by("k").agg(rows=ps.count())

    check(build, input=T("""
        k
        a
        b
        a
    """), output=T("""
        k | rows
        a | 2
        b | 1
    """))  # fmt: skip


def test_a_side_without_rows():
    check(lambda a, b: a.union(b), input=[T("k:String"), T("k:String")], output=[])


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (
            {"a": 1, "b": 2},
            {"a": 1},
            r'the second stream \("right"\) has no column "b", which the first ',
        ),
        (
            {"a": 1},
            {"a": 1, "b": 2},
            r'second stream \("right"\) has a column "b", which the first stream \("left"\)',
        ),
        ({"amount": 1}, {"amuont": 1}, r'the second stream .* has no column "amount".*did you mean "amuont"'),
    ],
)
def test_columns_that_differ_are_told_with_the_stream_that_has_them(first, second, told):
    left, right = ps.read([first], name="left"), ps.read([second], name="right")
    with pytest.raises(ps.PlanError, match=told):
        left.union(right)
    with pytest.raises(ps.PlanError, match="the third stream"):
        left.union(left, right)
