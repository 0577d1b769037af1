from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.core.errors import PlanError
from penstock.operators.as_table import AsTable
from penstock.testing import T, check
from penstock.testing.check import agree
from penstock.testing.plans import cases, keys_of
from tests.laws.law import LAW, told


def test_the_last_row_of_each_key():
    check(lambda s: s.as_table("k"), input=T("k | v:Int64\na | 1\nb | 2\na | 3\n  | 4\na | 3"), output=T("""
        op | k    | v
        +I | a    | 1
        +I | b    | 2
        -U | a    | 1
        +U | a    | 3
        +I | null | 4
    """))  # fmt: skip


def test_a_row_deletes():
    rows = T("k | v:Int64 | gone:Boolean\na | 1 | false\nb | 2 |\na | 0 | true\nc | 0 | true\na | 5 | false")
    check(lambda s: s.as_table("k", delete=col("gone")), input=rows, output=T("""
        op | k | v
        +I | a | 1
        +I | b | 2
        -D | a | 1
        +I | a | 5
    """))  # fmt: skip


def test_changes_are_a_table_again():
    def build(s):
        totals = s.group_by("k").agg(n=ps.count(), top=col("v").max())
        return totals.changelog().as_table("k", op="op")

    check(build, input=T("k | v:Int64\na | 1\nb | 7\na | 3\n  | 4\nb | 9"), output=T("""
        k    | n | top
        a    | 2 | 3
        b    | 2 | 9
        null | 1 | 4
    """))  # fmt: skip


def test_an_op_that_is_none_is_refused():
    rows = T("op:String | k | v:Int64\n+I | a | 1\n-D | b | 2\n+X | a | 2\nnull | a | 3\n-U | a | 1\n+U | a | 9")
    check(lambda s: s.as_table("k", op="op"), input=rows, output=T("k | v\na | 9"), errors=2)


def test_a_condition_that_fails_is_refused():
    rows = T("k | v:String\na | 1\na | x\na | 0")
    check(lambda s: s.as_table("k", delete=col("v").cast(ps.Int64) > 5), input=rows, output=T("k | v\na | 0"), errors=1)


def test_the_last_by_time():
    rows = T("""
        at       | k | v:Int64
        00:00:05 | a | 1
        00:00:03 | a | 2
        00:00:05 | a | 3
        00:00:01 | b | 4
        00:00:02 | b | 5
        00:00:01 | b | 6
    """)
    check(lambda s: s.dedup("k", keep="last", by="at"), input=rows, output=T("k | v\na | 3\nb | 5"))


def test_what_is_made_of_a_table_takes_rows_back():
    def build(s):
        return s.as_table("k", delete=col("v") < 0).group_by("w").agg(n=ps.count(), total=col("v").sum())

    rows = T("k | w | v:Int64\na | x | 1\nb | x | 2\na | y | 3\nb | x | -1\na | y | 5")
    check(build, input=rows, output=T("w | n | total\ny | 1 | 5"))


def test_what_cannot_mean_anything_is_refused():
    rows = ps.read([{"k": "a", "v": 1, "l": [1]}])
    with pytest.raises(PlanError, match="a Table already"):
        rows.group_by("k").agg(n=ps.count()).as_table("k")
    with pytest.raises(PlanError, match="go by arrival"):
        AsTable(input=rows.drop("l").node, keys=("k",), by="v", delete=(col("v") < 0).term)
    with pytest.raises(PlanError, match="needs the key"):
        rows.as_table()
    with pytest.raises(PlanError, match="condition"):
        rows.drop("l").as_table("k", delete=col("v"))
    with pytest.raises(PlanError, match='"v" says what a change is'):
        rows.drop("l").as_table("k", op="v")
    with pytest.raises(PlanError, match='"l" cannot be a key'):
        rows.as_table("l")
    with pytest.raises(PlanError, match='"m" cannot be kept'):
        rows.with_columns(m=ps.struct(x=col("k").cast(ps.Binary))).as_table("k")


def test_rows_with_lists_and_structs_are_kept():
    rows = [
        {"k": "a", "l": [1.5, None, float("nan")], "s": {"x": 1, "t": 'é"\n'}},
        {"k": "b", "l": None, "s": None},
        {"k": "a", "l": [], "s": {"x": None, "t": None}},
        {"k": "b", "l": [float("-inf"), 0.1], "s": {"x": 2**62, "t": ""}},
        {"k": "c", "l": [1e-300], "s": {"x": -1, "t": None}},
    ]
    check(lambda s: s.as_table("k"), input=rows, output=rows[2:])
    check(lambda s: s.group_by("k").top_n(1, by="k"), input=rows, output=[rows[0], rows[1], rows[4]])
    check(lambda s: s.sort("k"), input=rows, output=rows)


@st.composite
def tables(draw, rows):
    kept = [f.name for f in rows.schema if f.name in keys_of(rows)]
    rows = rows.select(*kept)
    keys = draw(st.lists(st.sampled_from(keys_of(rows)[:3]), min_size=1, max_size=2, unique=True))
    kind = draw(st.sampled_from(["plain", "delete", "by", "grouped"]))
    if kind == "by":
        return rows.dedup(*keys, keep="last", by=draw(st.sampled_from(kept)))
    other = draw(st.sampled_from(kept))
    if kind == "delete":
        return rows.as_table(*keys, delete=col(other).is_null())
    table = rows.as_table(*keys)
    return table.group_by(other).agg(n=ps.count()) if kind == "grouped" else table


@LAW
@given(cases(tables))
def test_as_the_reference(case):
    agree(case, told(case))
