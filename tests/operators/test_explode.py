from __future__ import annotations

import pytest

import penstock as ps
from penstock.operators import explode
from penstock.testing import T, check

ROWS = T("""
    at       | k | l:List(Int64)
    00:00:01 | a | [1, 2]
    00:00:04 | b | []
    00:00:05 | c | null
    00:00:02 | a | [null, 3]
""")


def test_a_row_per_element_and_none_for_empty_or_null():
    check(lambda s: s.explode("l"), input=ROWS, output=T("""
        k | l
        a | 1
        a | 2
        a | null
        a | 3
    """))  # fmt: skip


def test_empty_and_null_lists_are_kept_as_null():
    check(lambda s: s.explode("l", keep_empty=True), input=ROWS, output=T("""
        k | l
        a | 1
        a | 2
        b | null
        c | null
        a | null
        a | 3
    """))  # fmt: skip


def test_every_element_is_late_or_none():
    check(
        lambda s: s.explode("l").window(ps.tumbling("10 s")).agg(n=ps.count()),
        input=T("""
            at       | l:List(Int64)
            00:00:01 | [1, 2]
            ~ 00:00:10
            00:00:03 | [3, 4, 5]
        """),
        output=[{"n": 2}],
        late=3,
    )


@pytest.mark.parametrize("most", [1, 2, 3])
def test_output_beyond_the_budget_leaves_in_parts(monkeypatch, most):
    monkeypatch.setattr(explode, "MOST_ROWS", most)
    check(lambda s: s.explode("l"), input=ROWS, output=[{"l": 1}, {"l": 2}, {"l": None}, {"l": 3}])
    check(
        lambda s: s.explode("l").group_by("k").window(ps.tumbling("4 s")).agg(n=ps.count()),
        input=ROWS,
        output=[{"k": "a", "n": 4}],
    )


def test_no_rows():
    check(lambda s: s.explode("l"), input=T("l:List(String)"), output=[])
