from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.core.errors import PlanError
from penstock.testing import T, check
from penstock.testing.check import agree
from penstock.testing.plans import cases, keys_of
from tests.laws.law import LAW, told

ROWS = T("""
    at       | v:Int64
    00:00:05 | 1
    00:00:03 | 2
    00:00:05 | 3
    ~ 00:00:04
    00:00:04 | 4
    00:00:09 | 5
    00:00:06 | 6
""")


def test_rows_wait_for_the_watermark_and_late_ones_leave():
    check(lambda s: s.sort("at"), input=ROWS, output=T("v\n2\n1\n3\n6\n5"), late=T("v:Int64\n4"))


def test_what_comes_behind_takes_rows_in_order():
    def build(s):
        return s.sort("at").group_by().agg(first=col("v").first(), last=col("v").last(), n=ps.count())

    check(build, input=ROWS, output=T("first | last | n\n2 | 5 | 5"), late=1)


def test_ties_are_in_the_order_of_splits_however_they_interleave():
    one, two = T("at | v:Int64\n00:00:05 | 1\n00:00:05 | 2"), T("at | v:Int64\n00:00:05 | 3\n00:00:04 | 4")
    for order in ([(0, 0), (0, 1), (0, 0), (0, 1)], [(0, 1), (0, 1), (0, 0), (0, 0)]):
        check(
            lambda s: s.sort("at").group_by().agg(values=col("v").list()),
            input=(one, two),
            order=order,
            output=[{"values": [4, 1, 2, 3]}],
        )


def test_by_anything_at_the_end():
    rows = T("k | v:Int64\nb | 1\na | 2\n | 3\na | 1\nb | 1")
    last = lambda s: s.group_by().agg(values=ps.col("v").list())  # noqa: E731
    check(lambda s: last(s.sort("k", "v")), input=rows, output=[{"values": [3, 1, 2, 1, 1]}])
    check(lambda s: last(s.sort("k", descending=True, nulls="first")), input=rows, output=[{"values": [3, 1, 1, 2, 1]}])
    check(lambda s: last(s.sort(-col("v"), nulls="last")), input=rows, output=[{"values": [3, 2, 1, 1, 1]}])
    check(lambda s: s.sort("v"), input=rows, ends=False, output=[])


def test_rows_of_a_window_in_order_behind_it():
    def build(s):
        return s.group_by("v").window(ps.tumbling("2 s")).agg(n=ps.count()).sort("window_end")

    check(build, input=ROWS, output=T("v | n\n2 | 1\n1 | 1\n3 | 1\n4 | 1\n6 | 1\n5 | 1"), late=0)


def test_what_cannot_mean_anything_is_refused():
    rows = ps.read([{"k": "a", "v": 1}])
    with pytest.raises(PlanError, match="rows of a Table change"):
        rows.group_by("k").agg(n=ps.count()).sort("n")
    with pytest.raises(PlanError, match="needs an order"):
        rows.sort()
    with pytest.raises(PlanError, match='first by "v"'):
        rows.dedup("k", by="v")


@st.composite
def sorted_rows(draw, rows):
    usable = keys_of(rows)
    if rows.node.facts.watermarked and draw(st.booleans()):
        return rows.sort("at")
    by = draw(st.lists(st.sampled_from(usable), min_size=1, max_size=2, unique=True))
    return rows.sort(*by, descending=[draw(st.booleans()) for _ in by], nulls=draw(st.sampled_from([None, "last"])))


@LAW
@given(cases(sorted_rows))
def test_as_the_reference(case):
    agree(case, told(case))
