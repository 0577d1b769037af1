from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.connectors.generate import GenerateSource
from penstock.connectors.memory import MemorySink
from penstock.core.errors import PlanError
from penstock.testing import T, check
from penstock.testing.check import agree
from penstock.testing.plans import cases, grouped, stateless
from tests.laws.law import LAW, told


def test_the_first_rows():
    check(lambda s: s.limit(2), input=T("k | v:Int64\na | 1\nb | 2\nc | 3"), output=T("k | v\na | 1\nb | 2"))
    check(lambda s: s.limit(9), input=T("k | v:Int64\na | 1"), output=T("k | v\na | 1"))


def test_with_the_last_row_windows_close():
    def build(s):
        return s.limit(2).group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count())

    rows = T("at | k\n00:00:01 | a\n00:00:02 | a\n00:00:03 | a")
    check(build, input=rows, ends=False, output=T("k | n\na | 2"))


def test_rows_of_a_table_that_go_let_others_in():
    def build(s):
        return s.as_table("k", delete=col("v") < 0).limit(2)

    check(build, input=T("k | v:Int64\nb | 1\na | 2\nc | 3\na | -1"), output=T("k | v\nb | 1\nc | 3"))


def test_a_source_that_nobody_else_needs_is_read_no_further():
    rows = ps.read(GenerateSource({"v": "sequence"}))
    assert rows.limit(5).collect().height == 5


def test_a_source_that_somebody_else_needs_is_read_to_its_end(tmp_path):
    rows = ps.read([{"v": i} for i in range(1_000)])
    few, every = MemorySink(), MemorySink()
    pipeline = ps.Pipeline("both", rows.limit(3).write(few, name="few"), rows.write(every, name="every"))
    ps.run(pipeline, state=tmp_path)
    assert few.frame().get_column("v").to_list() == [0, 1, 2]
    assert every.frame().height == 1_000


def test_what_cannot_mean_anything_is_refused():
    with pytest.raises(PlanError, match="from 1"):
        ps.read([{"v": 1}]).limit(0)


@st.composite
def limited(draw, rows):
    rows = draw(stateless(rows)).limit(draw(st.integers(1, 6)))
    return draw(grouped(rows)) if draw(st.booleans()) else rows


@LAW
@given(cases(limited))
def test_as_the_reference(case):
    agree(case, told(case))
