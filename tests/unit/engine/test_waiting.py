"""What holds the output back is what is said, and what is said to release it does."""

from __future__ import annotations

import datetime as dt

import pytest

import penstock as ps
from penstock import col
from penstock.cli.why import why_lines
from penstock.core.timespan import SECOND, to_datetime
from penstock.engine.waiting import waiting
from penstock.testing import Driver, T
from penstock.testing.case import case_of

MILLISECOND = 1_000


def tens(rows, **options):
    """Counts per ten seconds."""
    return rows.window(ps.tumbling("10 s"), **options).agg(n=ps.count())


def started(build, text="at\n00:00:01\n00:00:09", **options):
    """A driver that has taken some rows."""
    case = case_of(build, T("at:Datetime"), **options)
    return Driver(case.pipeline).push("input", T(text)).step()


def row_at(instant):
    """A row of an instant."""
    return [{"at": to_datetime(instant).astimezone(dt.UTC)}]


def test_the_row_that_is_named_releases_and_the_one_before_does_not():
    driver = started(tens, watermark="3 s")
    (one,) = waiting(driver.engine)
    assert (one["verb"], one["window_end"], one["until"]) == ("window", 10 * SECOND, 10 * SECOND - MILLISECOND)
    (held,) = one["held_by"]
    assert (held["source"], held["split"], held["watermark"]) == ("input", "0", 6 * SECOND)
    driver.push("input", row_at(held["row"] - 1)).step()
    assert waiting(driver.engine)[0]["window_end"] == 10 * SECOND
    driver.push("input", row_at(held["row"])).step()
    assert waiting(driver.engine)[0]["window_end"] == 20 * SECOND


def test_lateness_that_windows_below_allow_is_added():
    def build(rows):
        first = tens(rows, allowed_lateness="5 s")
        return first.window(ps.tumbling("20 s")).agg(n=col("n").sum())

    driver = started(build, watermark="0 s")
    driver.push("input", row_at(24 * SECOND)).step()
    last = waiting(driver.engine)[-1]
    assert last["window_end"] == 20 * SECOND
    (held,) = last["held_by"]
    assert held["row"] == 25 * SECOND - MILLISECOND
    driver.push("input", row_at(held["row"])).step()
    assert [one["window_end"] for one in waiting(driver.engine)] == [30 * SECOND]


@pytest.mark.parametrize("span", [("0 s", "5 s"), ("-2 s", "1500 us"), ("-3 s", "0 s")])
def test_a_join_below_that_holds_the_watermark_back_is_looked_through(span):
    def build(rows):
        return tens(rows.with_columns(k=1).join(rows.select("at", k=1), on="k", within=span))

    driver = started(build, "at\n00:00:01", watermark="0 s")
    driver.push("input", row_at(10 * SECOND - MILLISECOND)).step()
    last = waiting(driver.engine)[-1]
    assert last["window_end"] == 10 * SECOND
    held = last["held_by"][0]
    driver.push("input", row_at(held["row"] - MILLISECOND)).step()
    assert waiting(driver.engine)[-1]["window_end"] == 10 * SECOND
    driver.push("input", row_at(held["row"])).step()
    assert waiting(driver.engine)[-1]["window_end"] > 10 * SECOND


def test_pairs_do_not_wait_and_rows_that_may_stay_alone_do():
    def joined(how):
        return lambda rows: rows.with_columns(k=1).join(rows.select("at", k=1), on="k", within=("0 s", "5 s"), how=how)

    assert waiting(started(joined("inner"), watermark="0 s").engine) == []
    assert [one["verb"] for one in waiting(started(joined("left"), watermark="0 s").engine)] == ["interval_join"]


def test_a_window_that_has_closed_and_takes_late_rows_holds_nothing():
    driver = started(lambda rows: tens(rows, allowed_lateness="5 s"), "at\n00:00:01", watermark="0 s")
    driver.push("input", row_at(10 * SECOND)).step()
    assert [one["window_end"] for one in waiting(driver.engine)] == [20 * SECOND]
    driver.push("input", row_at(20 * SECOND)).step()
    assert [one["window_end"] for one in waiting(driver.engine)] == [30 * SECOND]


def test_it_is_the_same_after_a_restart():
    driver = started(lambda rows: rows.window(ps.tumbling("10 s")).rows(), watermark="3 s")
    before = waiting(driver.engine)
    driver.checkpoint().restart()
    assert waiting(driver.engine) == before
    assert before[0]["rows"] == 2


def test_only_the_end_releases_what_has_no_bound_and_marks_what_is_marked():
    (one,) = waiting(started(tens, watermark=ps.punctuated("at")).engine)
    assert [held["by"] for held in one["held_by"]] == ["mark"]
    lines = list(why_lines(one))
    assert lines[-1].strip() == "released by a row with a mark from 1970-01-01 00:00:09.999 UTC on, or its end"


def test_nothing_waits_when_nothing_is_kept_or_all_has_ended():
    driver = started(tens, watermark="3 s")
    driver.end().step()
    assert waiting(driver.engine) == []
    assert waiting(started(lambda rows: rows.filter(col("at").is_not_null()), watermark="3 s").engine) == []


def test_lines_for_people():
    (one,) = waiting(started(tens, watermark="3 s").engine)
    assert list(why_lines(one)) == [
        f"{one['operator']} (window, 1 entry) waits to close the window that ends at 1970-01-01 00:00:10 UTC",
        "  its watermark is 1970-01-01 00:00:06 UTC",
        "  held by source input, split 0, whose watermark is 1970-01-01 00:00:06 UTC",
        '    released by a row with "at" from 1970-01-01 00:00:12.999 UTC on, or its end',
    ]


@pytest.mark.parametrize(
    ("then", "words"), [("advance", "the clock: all splits are silent"), ("hold", "nothing else: silence holds")]
)
def test_what_silence_does(then, words):
    (one,) = waiting(started(tens, watermark="3 s").engine)
    one["held_by"] = [{**one["held_by"][0], "silent": True, "then": then, "watermark": None}]
    lines = list(why_lines(one))
    assert lines[-1].endswith(words)
    assert "has given no row" in lines[-2]
