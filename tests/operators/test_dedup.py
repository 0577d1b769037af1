from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.connectors.blackhole import BlackholeSink
from penstock.core.errors import PlanError
from penstock.core.timespan import SECOND
from penstock.testing import Driver, T, check
from penstock.testing.check import agree
from penstock.testing.plans import cases, keys_of
from tests.laws.law import LAW, told


def test_the_first_of_each_key_passes_and_null_is_a_key():
    check(lambda s: s.dedup("k"), input=T("k | v:Int64\na | 1\nb | 2\na | 3\n  | 4\n  | 5"), output=T("""
        k    | v
        a    | 1
        b    | 2
        null | 4
    """))  # fmt: skip


def test_within_a_span_of_event_time_the_bound_is_open():
    rows = T("""
        at       | k | v:Int64
        00:00:00 | a | 1
        00:00:09 | a | 2
        00:00:10 | a | 3
        00:00:19 | a | 4
        00:00:01 | a | 5
        00:00:20 | a | 6
    """)
    check(lambda s: s.dedup("k", within="10 s"), input=rows, output=T("v\n1\n3\n6"))


def test_an_earlier_row_is_no_duplicate_of_a_later_one_far_away():
    rows = T("""
        at       | k | v:Int64
        00:00:30 | a | 1
        00:00:20 | a | 2
        00:00:11 | a | 3
        00:00:10 | a | 4
    """)
    check(lambda s: s.dedup("k", within="10 s"), input=rows, output=T("v\n1\n2\n4"))


def test_a_row_that_nobody_can_judge_any_more_is_late():
    rows = T("""
        at       | k | v:Int64
        00:00:30 | a | 1
        ~ 00:00:30
        00:00:20 | a | 2
        00:00:21 | b | 3
        00:00:15 | c | 4
    """)
    check(lambda s: s.dedup("k", within="10 s"), input=rows, output=T("v\n1\n3"), late=2)


def test_distinct_rows():
    check(
        lambda s: s.distinct(),
        input=T("k | v:Int64\na | 1\na | 2\na | 1\n  |\n  |"),
        output=T("k | v\na | 1\na | 2\nnull | null"),
    )


def test_distinct_rows_of_a_table():
    def build(s):
        return s.group_by("k").agg(n=ps.count()).select("n").distinct()

    check(build, input=T("k\na\nb\na\nb\nc"), output=T("n\n1\n2"))


def test_the_first_by_time_is_sent_when_the_watermark_has_passed_it():
    rows = T("""
        at       | k | v:Int64
        00:00:05 | a | 1
        00:00:03 | a | 2
        00:00:04 | b | 3
        ~ 00:00:06
        00:00:02 | c | 4
        00:00:09 | a | 5
        00:00:09 | c | 6
        00:00:13 | a | 7
    """)
    built = T("k | v\na | 2\nb | 3\nc | 6\na | 7")
    check(lambda s: s.dedup("k", by="at", within="10 s"), input=rows, output=built, late=1)
    check(lambda s: s.dedup("k", by="at"), input=rows, output=T("k | v\na | 2\nb | 3\nc | 6"), late=1)


def test_what_cannot_mean_anything_is_refused():
    rows = ps.read([{"k": "a", "v": 1}])
    with pytest.raises(PlanError, match="rows of a Table change"):
        rows.group_by("k").agg(n=ps.count()).dedup("k")
    with pytest.raises(PlanError, match="span of event time"):
        rows.dedup("k", within="1 h")
    with pytest.raises(PlanError, match="needs columns"):
        rows.dedup()
    with pytest.raises(PlanError, match='"first" or "last"'):
        rows.dedup("k", keep="any")


@st.composite
def deduped(draw, rows):
    keys = draw(st.lists(st.sampled_from(keys_of(rows)[:3]), min_size=1, max_size=2, unique=True))
    within = draw(st.sampled_from([None, "1 ms", "1 s", "7 s", "1 min"])) if rows.node.facts.watermarked else None
    by = None
    if rows.node.facts.watermarked and draw(st.booleans()):
        rows = rows.select(*(f.name for f in rows.schema if f.name == "at" or f.name in keys_of(rows)))
        by = "at"
    return rows.dedup(*keys, within=within, by=by).filter(col(keys[0]).is_null() | True)


@LAW
@given(cases(deduped))
def test_as_the_reference(case):
    agree(case, told(case))


def test_a_key_is_forgotten_so_long_after_the_row_that_was_sent():
    # The duplicates of a at 6 s and 9 s do not keep it.
    rows = T("""
        event_time | k | n:Int64
        00:00:00 | a | 1
        00:00:06 | a | 2
        00:00:05 | b | 3
        00:00:09 | a | 4
        00:00:10 | a | 5
        00:00:14 | b | 6
        00:00:15 | b | 7
    """)
    seen = {"input": rows, "event_time": "event_time", "watermark": "10 s"}
    check(lambda s: s.dedup("k").state("seen", ttl="10 s"), **seen, output=T("""
        event_time | k | n:Int64
        00:00:00 | a | 1
        00:00:05 | b | 3
        00:00:10 | a | 5
        00:00:15 | b | 7
    """))  # fmt: skip


def test_by_the_clock_keys_are_forgotten_too():
    rows = T("k | n:Int64\na | 1\na | 2\na | 3\nb | 4\na | 5")
    ticks = [(1, "9 s"), (2, "1 s"), (4, "9 s")]
    check(lambda s: s.dedup("k").state("seen", ttl=ps.processing_time("10 s")), input=rows, ticks=ticks, output=T("""
        k | n:Int64
        a | 1
        a | 3
        b | 4
    """))  # fmt: skip


def test_what_is_forgotten_leaves_memory():
    rows = ps.read(
        pl.DataFrame({"at": [0], "k": [0]}).cast({"at": pl.Datetime("us", "UTC")}),
        event_time="at", watermark="0 s", name="input",
    )  # fmt: skip
    stream = rows.dedup("k").state("seen", ttl="16 s")
    assert stream.node.unbounded_state is None
    driver = Driver(ps.Pipeline("p", stream.write(BlackholeSink())))
    for second in range(100):
        times = pl.Series([second * SECOND] * 10).cast(pl.Datetime("us", "UTC"))
        driver.take(0, 0, pl.DataFrame({"at": times, "k": range(10 * second, 10 * second + 10)}))
        driver.step()
    (size,) = (made.executor.state_size()[0] for made in driver.engine.plan.nodes if made.node.verb == "dedup")
    assert size <= 10 * 18


def test_within_and_a_time_to_live_exclude_each_other():
    rows = ps.read([{"at": "2026-01-01T00:00:00Z", "k": 1}], event_time=col("at").str.to_datetime(), watermark="0 s")
    with pytest.raises(PlanError, match="would say it again"):
        rows.dedup("k", within="1 min").state("seen", ttl="1 min")
