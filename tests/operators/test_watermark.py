from __future__ import annotations

import datetime as dt

import penstock as ps
from penstock import col
from penstock.core.timespan import END, NEVER, SECOND, from_datetime
from penstock.expr.build import from_epoch
from penstock.testing import Driver, Input, T, check
from penstock.testing.case import case_of

CLOCK = dt.datetime(2024, 10, 4, tzinfo=dt.UTC)
"""What a manual clock shows at first."""


def counts(rows):
    return rows.group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count())


def test_bounded_disorder_is_the_greatest_time_less_the_delay():
    rows = T("""
        at           | k
        00:00:08     | a
        00:00:12.998 | a     # 9.998: not yet over
        00:00:07     | a
        00:00:12.999 | a     # 9.999: over
        00:00:06     | a
    """)
    check(
        counts,
        input=rows,
        watermark="3 s",
        output=T("""
            k | window_start | n
            a | 00:00:00     | 2
            a | 00:00:10     | 2
        """),
        late=T("""
            at       | k
            00:00:06 | a
        """),
    )


def test_the_watermark_has_whole_milliseconds():
    rows = T("""
        at              | k
        00:00:09.998999 | a
        00:00:09.5      | a
        00:00:09.999    | a
        00:00:09.9      | a
    """)
    check(counts, input=rows, watermark=ps.monotonic(), output=[{"k": "a", "n": 3}], late=1)


def test_without_a_policy_nothing_is_late_and_windows_close_at_the_end():
    rows = T("""
        at       | k
        00:01:00 | a
        00:00:01 | a
    """)
    check(counts, input=rows, output=[{"n": 1}, {"n": 1}])
    check(counts, input=rows, output=[], ends=False)


def test_rows_without_a_time_are_refused_and_do_not_move_it():
    rows = T("""
        at       | k
        00:00:01 | a
                 | b
        00:00:02 | a
    """)
    check(counts, input=rows, watermark="0 s", output=[{"k": "a", "n": 2}], errors=[{"at": None, "k": "b"}])


def test_a_split_that_ended_holds_nothing_back_and_an_empty_one_neither():
    left = T("""
        at       | k
        00:00:01 | a
    """)
    right = T("""
        at       | k
        00:00:05 | a
        00:00:30 | a
    """)
    empty = T("at:Datetime | k:String")
    check(counts, input=(left, right, empty), watermark="0 s", output=[{"n": 2}, {"n": 1}])


def test_a_split_holds_the_stream_back_until_it_speaks():
    case = case_of(counts, (T("at | k\n00:00:50 | a"), T("at | k\n00:00:02 | a")), watermark="0 s")
    driver = Driver(case.pipeline, splits={"input": 2})
    driver.push("input", T("at | k\n00:00:50 | a")).step()
    assert driver.watermark == NEVER
    driver.push("input", T("at | k\n00:00:02 | a"), split=1).step()
    assert driver.watermark == 2 * SECOND
    assert driver.rows() == []
    driver.end("input", split=1).step()
    assert driver.watermark == 50 * SECOND
    assert [row["n"] for row in driver.rows()] == [1]
    driver.end().step()
    assert driver.watermark == END


def test_an_expression_as_event_time():
    rows = T("k | ms\na | 1000\na | 11000\nb | 2000")
    check(
        lambda s: counts(s.with_event_time(from_epoch("ms", "ms"), watermark="1 s")),
        input=rows,
        output=[{"k": "a", "n": 1}, {"k": "a", "n": 1}],
        late=[{"k": "b"}],
    )


def test_event_time_behind_a_filter_follows_what_passes():
    rows = T("k | v | ms\na | 1 | 1000\nx | 0 | 99000\na | 1 | 2000")
    check(
        lambda s: counts(s.filter(col("v") > 0).with_event_time(from_epoch("ms", "ms"), watermark="0 s")),
        input=rows,
        output=[{"k": "a", "n": 2}],
    )


# -- unbounded sources ---------------------------------------------------------


def unbounded(silence="advance", idle="1 min"):
    given = Input("input", T("at:Datetime | k:String").schema, ((), ()), None, ends=False, bounded=False)
    case = case_of(lambda s: counts(s.with_event_time("at", watermark="0 s", idle=idle, on_silence=silence)), given)
    return Driver(case.pipeline, splits={"input": 2})


def at(seconds):
    return [{"at": CLOCK + dt.timedelta(seconds=seconds), "k": "a"}]


def test_a_silent_split_no_longer_holds_back():
    driver = unbounded().push("input", at(1)).push("input", at(25), split=1).step()
    assert driver.watermark == from_datetime(CLOCK) + SECOND
    driver.silence("input", split=0).step()
    assert driver.watermark == from_datetime(CLOCK) + 25 * SECOND
    assert [row["n"] for row in driver.rows()] == [1]
    driver.wake("input", split=0).push("input", at(3)).step()
    assert len(driver.late) == 1  # tested against the watermark that went on without it


def test_silence_outlasts_a_restart():
    driver = unbounded().push("input", at(1)).push("input", at(25), split=1).step()
    driver.silence("input", split=0).step().restart()
    driver.wake("input", split=0).push("input", at(3)).step()
    assert len(driver.late) == 1
    driver.push("input", at(30), split=0).step().silence().step()
    before = driver.restart().watermark
    driver.advance("3 s").step().restart().advance("5 s").step()
    assert driver.watermark == before + 8 * SECOND


def test_a_split_that_is_heard_of_again_without_a_row_has_lost_no_time():
    # As after a restart, when nothing is known of how long it has been silent; or as a bad row comes.
    driver = unbounded().push("input", at(1)).push("input", at(25), split=1).step()
    driver.silence("input", split=0).step().restart()
    driver.wake("input", split=0).step()
    driver.push("input", at(3)).step()
    assert len(driver.late) == 1
    assert [row["n"] for row in driver.rows()] == [1]


def test_when_all_are_silent_time_goes_on_at_the_pace_of_the_clock():
    driver = unbounded().push("input", at(1)).push("input", at(2), split=1).step().silence().step()
    before = driver.watermark
    driver.advance("8 s").step()
    assert driver.watermark == before + 8 * SECOND
    assert driver.rows() == []
    driver.advance("1 s").step()
    assert [row["n"] for row in driver.rows()] == [2]


def test_or_it_holds():
    driver = unbounded("hold").push("input", at(1)).push("input", at(2), split=1).step().silence().step()
    before = driver.watermark
    driver.advance("1 h").step()
    assert driver.watermark == before


def test_times_absurdly_ahead_of_the_clock_are_refused():
    driver = unbounded().push("input", at(90_000)).push("input", at(3_600), split=1).step()
    (refused,) = driver.errors
    assert "ahead of the clock" in refused["_why"]["reason"]
    driver.push("input", at(2)).step()
    assert driver.watermark == from_datetime(CLOCK) + 2 * SECOND
