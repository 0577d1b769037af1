"""Sliding windows: one for each instant with rows, over what came before it."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock as ps
from penstock import col
from penstock.testing import T, check
from penstock.testing.check import agree
from penstock.testing.plans import aggregates, cases, keys_of
from penstock.testing.scene import one_by_one
from penstock.testing.trial import Mode, try_out
from tests.laws.law import LAW, told


def slid(size, *keys, **made):
    made = made or {"n": ps.count()}
    return lambda s: s.group_by(*keys).window(ps.sliding(size)).agg(**made)


def test_both_ends_are_part_of_a_window_and_rows_of_one_instant_share_it():
    check(
        slid("5 s", "k", n=ps.count(), total=col("v").sum()),
        input=T("""
            k | v | at
            a | 1 | 01:00:01
            a | 2 | 01:00:06
            a | 3 | 01:00:06
            b | 9 | 01:00:06
            a | 4 | 01:00:07
        """),
        output=T("""
            k | window_start | window_end | n | total
            a | 00:59:56     | 01:00:01   | 1 | 1
            a | 01:00:01     | 01:00:06   | 3 | 6
            b | 01:00:01     | 01:00:06   | 1 | 9
            a | 01:00:02     | 01:00:07   | 3 | 9
        """),
    )


def test_a_row_late_for_its_own_window_counts_in_later_ones_and_one_late_for_all_leaves():
    check(
        slid("5 s", first=col("at").min(), n=ps.count()),
        input=T("at\n01:00:10\n01:00:07\n01:00:12\n01:00:04"),
        watermark="0 s",
        output=T("""
            window_end | first    | n
            01:00:10   | 01:00:10 | 1
            01:00:12   | 01:00:07 | 3
        """),
        late=1,
    )


def test_a_row_counts_in_no_window_that_its_own_split_had_passed_though_another_holds_it_back():
    # The second split holds the window of 10 open; the first has passed it before its row of 8.
    check(
        slid("5 s"),
        input=(T("at\n01:00:10\n01:00:12\n01:00:08\n01:00:13"), T("at\n01:00:01\n01:00:20")),
        watermark="0 s",
        order=[(0, 1), (0, 0), (0, 0), (0, 0), (0, 0), (0, 1)],
        output=T("""
            window_end | n
            01:00:01   | 1
            01:00:10   | 1
            01:00:12   | 2
            01:00:13   | 4
            01:00:20   | 1
        """),
        late=0,
    )


def test_a_sum_that_does_not_fit_leaves_by_errors_and_later_windows_are_sent():
    check(
        slid("5 s", total=col("v").sum()),
        input=T("v | at\n9223372036854775807 | 01:00:00\n5 | 01:00:03\n7 | 01:00:07"),
        output=T("window_end | total\n01:00:00 | 9223372036854775807\n01:00:07 | 12"),
        errors=1,
    )


def test_it_is_over_range_without_the_rows_that_repeat():
    frame = pl.DataFrame({"at": [5, 1, 9, 9, 14, 30, 22], "k": list("abaabab"), "v": [1, 2, 3, 4, 5, 6, 7]})
    frame = frame.with_columns(at=pl.from_epoch("at").dt.replace_time_zone("UTC"))
    rows = ps.read(frame, event_time="at")
    mean, top = col("v").mean(), col("v").max()
    windows = rows.group_by("k").window(ps.sliding("8 s")).agg(mean=mean, top=top).collect()
    framed = rows.with_columns(mean=mean.over("k", range="8 s"), top=top.over("k", range="8 s")).collect()
    expected = framed.select("k", "at", "mean", "top").unique(maintain_order=True).rows()
    assert sorted(windows.select("k", "window_end", "mean", "top").rows()) == sorted(expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"emit": "change"}, "sent once"), ({"on": ps.processing_time()}, "sent once"),
     ({"allowed_lateness": "1 s"}, "sent once")],
)  # fmt: skip
def test_what_is_refused_says_why(options, words):
    rows = ps.read([{"k": 1, "at": None}], schema={"k": ps.Int64, "at": ps.Datetime("us", "UTC")}, event_time="at")
    with pytest.raises(ps.PlanError, match=words) as refused:
        rows.window(ps.sliding("1 s"), **options).agg(n=ps.count())
    assert refused.value.hint
    with pytest.raises(ps.PlanError, match="at least one"):
        ps.sliding("0 s")
    with pytest.raises(ps.PlanError, match="taken back"):
        rows.as_table("k").window(ps.sliding("1 s")).agg(n=ps.count())


@st.composite
def sliding(draw, rows):
    """Aggregates of sliding windows over some rows; those that are not offered are left out."""
    keys = (
        draw(st.lists(st.sampled_from((keys_of(rows) or [""])[:3]), max_size=2, unique=True)) if keys_of(rows) else []
    )
    windowed = rows.group_by(*keys).window(ps.sliding(draw(st.sampled_from(["1 ms", "1 s", "3 s", "20 s"]))))
    made = {}
    for name, aggregate in draw(aggregates(rows)).items():
        try:
            windowed.agg(**{name: aggregate})
        except ps.PlanError:
            continue
        made[name] = aggregate
    return windowed.agg(**(made or {"n": ps.count()}))


@LAW
@given(cases(sliding))
def test_engine_is_reference(case):
    agree(case, told(case))


@LAW
@given(cases(sliding))
def test_restored_after_every_step(case):
    events = case.scene.events()
    pauses = {number: number % 3 + 1 for number in range(len(events))}
    try_out(case, told(case), Mode("restored after every step", one_by_one(events), 2, 7, pauses))
