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
from penstock.testing.plans import cases, keys_of
from tests.laws.law import LAW, told

ROWS = T("""
    k | v:Int64 | w
    a | 3       | x
    a | 5       | y
    b | 1       | z
    a | 4       | x
    a | 5       | w
      | 2       | v
""")


def test_without_a_rank_only_what_enters_and_leaves_is_sent():
    check(lambda s: s.group_by("k").top_n(2, by="v"), input=ROWS, output=T("""
        op | k    | v | w
        +I | a    | 3 | x
        +I | a    | 5 | y
        +I | b    | 1 | z
        -D | a    | 3 | x
        +I | a    | 4 | x
        -D | a    | 4 | x
        +I | a    | 5 | w
        +I | null | 2 | v
    """))  # fmt: skip


def test_with_a_rank_every_shift_is_sent():
    check(lambda s: s.group_by("k").top_n(2, by="v", rank="rank").filter(col("k") == "a"), input=ROWS, output=T("""
        op | k | v | w | rank
        +I | a | 3 | x | 1
        -U | a | 3 | x | 1
        +U | a | 5 | y | 1
        +I | a | 3 | x | 2
        -U | a | 3 | x | 2
        +U | a | 4 | x | 2
        -U | a | 4 | x | 2
        +U | a | 5 | w | 2
    """))  # fmt: skip


def test_ranks_of_a_table_follow_its_changes():
    def build(s):
        return s.group_by("k").agg(n=ps.count()).group_by().top_n(2, by="n", rank="rank")

    check(build, input=T("k\na\nb\nb\nc\nc\nc"), output=T("k | n | rank\nc | 3 | 1\nb | 2 | 2"))


def test_rows_of_a_table_that_are_equal_in_the_order_are_ranked_by_their_other_columns():
    def build(s):
        return s.group_by("k").agg(n=ps.count()).group_by().top_n(2, by="n", rank="rank")

    check(build, input=T("k\nc\nb\na\na\nb\nc"), output=T("k | n | rank\na | 2 | 1\nb | 2 | 2"))


def test_a_row_that_goes_lets_another_in():
    def build(s):
        return s.as_table("id", delete=col("v").is_null()).group_by().top_n(1, by="v")

    rows = T("id | v:Int64\n1 | 5\n2 | 7\n3 | 6\n2 |\n3 | 1")
    check(build, input=rows, output=T("id | v\n1 | 5"))


def test_orders_of_several_columns_nulls_and_expressions():
    rows = T("v:Int64 | w\n1 | a\n  | b\n1 | c\n2 | a\n3 | é")
    check(lambda s: s.group_by().top_n(2, by="v"), input=rows, output=T("v | w\n2 | a\n3 | é"))
    check(lambda s: s.group_by().top_n(2, by="v", descending=False), input=rows, output=T("v:Int64 | w\n | b\n1 | a"))
    check(lambda s: s.group_by().top_n(1, by="v", nulls="first"), input=rows, output=T("v:Int64 | w\n | b"))
    check(
        lambda s: s.group_by().top_n(2, by=["v", "w"], descending=[False, True], nulls="last"),
        input=rows,
        output=T("v | w\n1 | c\n1 | a"),
    )
    check(lambda s: s.group_by().top_n(1, by=-col("v"), nulls="last"), input=rows, output=T("v | w\n1 | a"))
    check(lambda s: s.group_by().top_n(1, by="w", offset=1), input=rows, output=T("v | w\n1 | c"))


def test_texts_numbers_and_times_are_ordered_as_they_should_be():
    rows = T("s | f:Float64\nlonger than twelve b | nan\nlonger than twelve a | -1.5\nz | 0.0\nlonger | -2\n | inf")
    check(lambda s: s.group_by().top_n(2, by="f", rank="r"), input=rows, output=T("""
        s                    | f   | r
        longer than twelve b | nan | 1
        null                 | inf | 2
    """))  # fmt: skip
    check(lambda s: s.group_by().top_n(3, by="s", descending=False, nulls="last").select("f"), input=rows, output=T("""
        f:Float64
        -2
        -1.5
        nan
    """))  # fmt: skip


def test_what_is_known_of_the_key():
    rows = ps.read([{"k": "a", "v": 1}])
    table = rows.group_by("k").agg(n=ps.count())
    assert rows.group_by("k").top_n(2, by="v").key is None
    assert rows.group_by("k").top_n(1, by="v").key == ("k",)
    assert rows.group_by("k").top_n(2, by="v", rank="r").key == ("k", "r")
    assert table.group_by().top_n(2, by="n").key == ("k",)
    assert table.group_by().top_n(2, by="n", rank="r").key == ("r",)


def test_what_grows_for_ever_is_told():
    never_ends = ps.read(GenerateSource({"k": "sequence", "at": "time"}), event_time="at", watermark="1 s")
    table = never_ends.group_by("k").agg(n=ps.count())
    grows = {
        "dedup keeps one entry per k": never_ends.dedup("k"),
        "as_table keeps the last row per k": never_ends.as_table("k").changelog(),
        "top_n keeps 3 row": never_ends.group_by("k").top_n(3, by="at").changelog(),
        "over keeps 1 row": never_ends.with_columns(n=ps.count().over("k", rows="all")),
    }
    for growth, rows in grows.items():
        with pytest.raises(PlanError, match=growth):
            ps.Pipeline("p", rows.write(MemorySink()), unbounded="error")
    ranked = ps.Pipeline("p", table.group_by().top_n(3, by="n").changelog().write(MemorySink()))
    assert any("top_n keeps all rows" in one for one in ranked.growing())
    bounded = never_ends.dedup("k", within="1 s").sort("at").select(n=ps.count().over("k", range="1 s")).limit(3)
    first = never_ends.group_by().top_n(3, by="at").changelog()
    for rows in (bounded, first):
        assert list(ps.Pipeline("p", rows.write(MemorySink()), unbounded="error").growing()) == []


def test_what_cannot_mean_anything_is_refused():
    rows = ps.read([{"k": "a", "v": 1}])
    with pytest.raises(PlanError, match="from 1"):
        rows.group_by("k").top_n(0, by="v")
    with pytest.raises(PlanError, match='"v", and there is one'):
        rows.group_by("k").top_n(1, by="k", rank="v")
    with pytest.raises(PlanError, match="one for each of by"):
        rows.group_by("k").top_n(1, by="v", descending=[True, False])
    with pytest.raises(PlanError, match='"first" or "last"'):
        rows.group_by("k").top_n(1, by="v", nulls="never")


@st.composite
def rankings(draw, rows):
    usable = keys_of(rows)
    rows = rows.select(*(f.name for f in rows.schema if f.name in usable))
    keys = draw(st.lists(st.sampled_from(usable[:2]), max_size=1))
    if draw(st.booleans()):
        table = draw(st.sampled_from(["group", "as_table"]))
        other = draw(st.sampled_from(usable))
        rows = rows.group_by(other).agg(n=ps.count()) if table == "group" else rows.as_table(other)
        keys = [key for key in keys if key in rows.columns]
    by = draw(st.lists(st.sampled_from(rows.columns), min_size=1, max_size=2, unique=True))
    ways = [draw(st.booleans()) for _ in by]
    first = draw(st.integers(0, 1))
    rank = draw(st.sampled_from([None, "rank"]))
    nulls = draw(st.sampled_from([None, "first", "last"]))
    return rows.group_by(*keys).top_n(
        draw(st.integers(1, 3)), by=by, descending=ways, nulls=nulls, rank=rank, offset=first
    )


@LAW
@given(cases(rankings))
def test_as_the_reference(case):
    agree(case, told(case))
