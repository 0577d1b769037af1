from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.core.errors import PlanError, UnsupportedError
from penstock.testing import T, check
from penstock.testing.check import agree
from penstock.testing.plans import cases, keys_of, numbers
from tests.laws.law import LAW, told

ROWS = T("""
    at       | k | v:Int64
    00:00:03 | a | 3
    00:00:01 | a | 1
    00:00:02 | b | 10
    00:00:02 | a |
    00:00:03 | a | 4
    00:00:09 | a | 5
    ~ 00:00:04
    00:00:04 | a | 7
""")


def test_the_last_rows_of_each_key_in_the_order_of_time():
    def build(s):
        return s.with_columns(m=col("v").mean().over("k", rows=2), n=ps.count().over("k", rows=2))

    check(build, input=ROWS, late=1, output=T("""
        at       | k | v    | m   | n
        00:00:01 | a | 1    | 1   | 1
        00:00:02 | b | 10   | 10  | 1
        00:00:02 | a | null | 1   | 2
        00:00:03 | a | 3    | 3   | 2
        00:00:03 | a | 4    | 3.5 | 2
        00:00:09 | a | 5    | 4.5 | 2
    """))  # fmt: skip


def test_a_range_has_its_bound_and_rows_of_one_instant_see_each_other():
    check(lambda s: s.select("at", "v", t=col("v").sum().over("k", range="2 s")), input=ROWS, late=1, output=T("""
        at       | v    | t
        00:00:01 | 1    | 1
        00:00:02 | 10   | 10
        00:00:02 | null | 1
        00:00:03 | 3    | 8
        00:00:03 | 4    | 8
        00:00:09 | 5    | 5
    """))  # fmt: skip


def test_rows_are_counted_that_have_no_other_function():
    """Then there is no column to keep of a row, and that it was there is kept all the same."""
    check(lambda s: s.select("at", "k", n=ps.count().over("k", range="2 s")), input=ROWS, late=1, output=T("""
        at       | k | n
        00:00:01 | a | 1
        00:00:02 | b | 1
        00:00:02 | a | 2
        00:00:03 | a | 4
        00:00:03 | a | 4
        00:00:09 | a | 1
    """))  # fmt: skip
    check(lambda s: s.select("at", "k", n=ps.count().over("k", rows=2)), input=ROWS, late=1, output=T("""
        at       | k | n
        00:00:01 | a | 1
        00:00:02 | b | 1
        00:00:02 | a | 2
        00:00:03 | a | 2
        00:00:03 | a | 2
        00:00:09 | a | 2
    """))  # fmt: skip


def test_all_rows_so_far():
    def build(s):
        return s.select(
            "v",
            rows=col("v").sum().over("k", rows="all"),
            range=col("v").sum().over("k", range="all"),
            top=col("v").max().over(rows="all"),
            first=col("v").first().over("k", rows="all"),
            big=col("v").sum().filter(col("v") > 3).over("k", rows="all"),
        )

    check(build, input=ROWS, late=1, output=T("""
        v    | rows | range | top | first | big
        1    | 1    | 1     | 1   | 1     | null
        10   | 10   | 10    | 10  | 10    | 10
        null | 1    | 1     | 10  | 1     | null
        3    | 4    | 8     | 10  | 1     | null
        4    | 8    | 8     | 10  | 1     | 4
        5    | 13   | 13    | 10  | 1     | 9
    """))  # fmt: skip


def test_shorthands():
    def build(s):
        return s.select(
            "v",
            total=col("v").cum_sum().over("k"),
            before=col("v").shift().over("k"),
            step=col("v").diff().over("k"),
            mean=col("v").rolling_mean(2).over("k"),
            span=col("v").rolling_max("1 s").over("k"),
            all=col("v").cum_count(),
        )

    check(build, input=ROWS, late=1, output=T("""
        v    | total | before | step | mean | span | all
        1    | 1     | null   | null | 1    | 1    | 1
        10   | 10    | null   | null | 10   | 10   | 2
        null | 1     | 1      | null | 1    | 1    | 2
        3    | 4     | null   | null | 3    | 4    | 3
        4    | 8     | 3      | 1    | 3.5  | 4    | 4
        5    | 13    | 4      | 1    | 4.5  | 5    | 5
    """))  # fmt: skip


def test_durations_booleans_and_whole_values():
    rows = T("at | v:Int64\n00:00:01 | 2\n00:00:03 | 2\n00:00:04 | 7\n00:00:05 | 1")

    def build(s):
        s = s.with_columns(gap=col("at") - col("at").shift())
        return s.select(
            waited=col("gap").sum().over(rows="all"),
            recent=col("gap").sum().over(rows=2),
            often=col("v").mode().over(rows=3),
            every=(col("v") > 1).all().over(rows="all"),
            some=(col("v") > 5).any().over(rows=2),
        )

    waited, recent = [
        [None if n is None else dt.timedelta(seconds=n) for n in one] for one in ([None, 2, 3, 4], [None, 2, 3, 2])
    ]
    often, every, some = [2, 2, 2, 1], [True, True, True, False], [False, False, True, True]
    names = ("waited", "recent", "often", "every", "some")
    made = [dict(zip(names, row, strict=True)) for row in zip(waited, recent, often, every, some, strict=True)]
    check(build, input=rows, output=made)


def test_terms_of_several_frames_are_one_expression():
    def build(s):
        share = col("v") / col("v").sum().over("k", rows=2)
        return s.select("v", share=share, both=(col("v").max() - col("v").min()).over("k", rows=3))

    check(build, input=T("at | k | v:Int64\n00:00:01 | a | 1\n00:00:02 | a | 3"), output=T("""
        v | share | both
        1 | 1.0   | 0
        3 | 0.75  | 2
    """))  # fmt: skip


def test_a_condition_may_look_back():
    check(lambda s: s.filter(col("v") > col("v").shift().over("k")), input=ROWS, late=1, output=T("""
        at       | k | v
        00:00:03 | a | 4
        00:00:09 | a | 5
    """))  # fmt: skip


def test_a_sum_that_does_not_fit_is_refused_and_counted():
    rows = T(f"at | v:Int64\n00:00:01 | {2**62}\n00:00:02 | {2**62}\n00:00:03 | -1\n00:00:04 | 5")
    check(lambda s: s.select("v", t=col("v").sum().over(rows=2)), input=rows, errors=1, output=T(f"""
        v       | t
        {2**62} | {2**62}
        -1      | {2**62 - 1}
        5       | 4
    """))  # fmt: skip
    check(lambda s: s.select("v", t=col("v").sum().over(rows="all")), input=rows, errors=2, output=T(f"""
        v       | t
        {2**62} | {2**62}
        -1      | {2**63 - 1}
    """))  # fmt: skip


def test_what_cannot_mean_anything_is_refused():
    rows = ps.read([{"k": "a", "v": 1, "at": "2024-01-01"}])
    timed = rows.with_event_time(col("at").str.to_datetime(zone="UTC") if False else ps.from_epoch("v", "s"))
    with pytest.raises(PlanError, match="needs an event time"):
        rows.select(m=col("v").mean().over("k", rows=2))
    with pytest.raises(PlanError, match="which rows"):
        timed.select(m=col("v").mean().over("k"))
    with pytest.raises(PlanError, match="no aggregate"):
        col("v").over("k", rows=1)
    with pytest.raises(PlanError, match="not both"):
        col("v").sum().over("k", rows=1, range="1 s")
    with pytest.raises(PlanError, match="from 1"):
        col("v").sum().over("k", rows=0)
    with pytest.raises(UnsupportedError, match="rows to come"):
        col("v").shift(-1)
    with pytest.raises(UnsupportedError, match="not offered"):
        timed.select(m=col("v").median().over("k", rows="all"))
    with pytest.raises(UnsupportedError, match="not offered"):
        timed.select(m=col("v").list().over("k", rows=3))
    decimals = timed.with_columns(d=col("v").cast(ps.Decimal(10, 2)))
    with pytest.raises(UnsupportedError, match="not offered"):
        decimals.select(m=col("d").sum().over("k", rows=3))
    with pytest.raises(PlanError, match="has its rows already"):
        col("v").cum_sum().over("k", rows=2)
    with pytest.raises(PlanError, match="no place here"):
        timed.expect(small=col("v").cum_sum() > 1)


NUMERIC = ("sum", "mean", "min", "max", "count", "first", "last")
FRAMES = ({"rows": 1}, {"rows": 3}, {"rows": "all"}, {"range": "2 s"}, {"range": "0 s"}, {"range": "all"})


@st.composite
def framed(draw, rows):
    usable = keys_of(rows)
    if not rows.node.facts.watermarked:
        return rows
    keys = draw(st.lists(st.sampled_from(usable[:2]), max_size=1))
    made = {}
    for i in range(draw(st.integers(1, 3))):
        name, frame = draw(st.sampled_from(usable)), draw(st.sampled_from(FRAMES))
        kinds = NUMERIC if name in numbers(rows) else ("min", "max", "count", "first", "last")
        term = getattr(col(name), draw(st.sampled_from(kinds)))()
        if draw(st.integers(0, 3)) == 0:
            term = term.filter(col(draw(st.sampled_from(usable))).is_not_null())
        made[f"m{i}"] = term.over(*keys, **frame)
    made["lag"] = col(draw(st.sampled_from(usable))).shift(draw(st.integers(0, 2))).over(*keys)
    return rows.with_columns(**made)


@LAW
@given(cases(framed))
def test_as_the_reference(case):
    agree(case, told(case))


@st.composite
def spread(draw, rows):
    found = [name for name in numbers(rows) if name in keys_of(rows)]
    if not found or not rows.node.facts.watermarked:
        return rows
    name, frame = draw(st.sampled_from(found)), draw(st.sampled_from(({"rows": 3}, {"range": "5 s"})))
    kinds = ("median", "n_unique", "var", "std")
    return rows.select("k", "at", m=getattr(col(name), draw(st.sampled_from(kinds)))().over("k", **frame))


@LAW
@given(cases(spread))
def test_others_as_the_reference(case):
    agree(case, told(case))
