from __future__ import annotations

import pytest

import penstock as ps
from penstock import col
from penstock.testing import Driver, T, check
from penstock.testing.case import case_of


def counts(windows, *keys):
    return lambda rows: rows.group_by(*keys).window(windows).agg(n=ps.count())


# -- bounds --------------------------------------------------------------------


def test_a_row_at_the_start_is_in_and_one_at_the_end_is_not():
    rows = T("""
        at              | k
        00:00:10        | start
        00:00:19.999    | end less a millisecond
        00:00:19.999999 | end less a microsecond
        00:00:20        | end
        00:00:09.999999 | before
    """)
    check(counts(ps.tumbling("10 s"), "k"), input=rows, output=T("""
        k                       | window_start | window_end | n
        before                  | 00:00:00     | 00:00:10   | 1
        start                   | 00:00:10     | 00:00:20   | 1
        end less a millisecond  | 00:00:10     | 00:00:20   | 1
        end less a microsecond  | 00:00:10     | 00:00:20   | 1
        end                     | 00:00:20     | 00:00:30   | 1
    """))  # fmt: skip


def test_windows_before_the_epoch():
    rows = T("at\n1969-12-31 23:59:59\n1969-12-31 23:59:50\n1969-12-31 23:59:49.999")
    check(counts(ps.tumbling("10 s")), input=rows, output=T("""
        window_start        | window_end          | n
        1969-12-31 23:59:40 | 1969-12-31 23:59:50 | 1
        1969-12-31 23:59:50 | 00:00:00            | 2
    """))  # fmt: skip


def test_an_offset_shifts_all_bounds():
    rows = T("at\n00:00:02\n00:00:03\n00:00:13")
    wanted = T("""
        window_start        | window_end | n
        1969-12-31 23:59:53 | 00:00:03   | 1
        00:00:03            | 00:00:13   | 1
        00:00:13            | 00:00:23   | 1
    """)
    for offset in ("3 s", "-7 s", "13 s"):
        check(counts(ps.tumbling("10 s", offset=offset)), input=rows, output=wanted)


def test_it_fires_a_millisecond_before_its_end():
    case = case_of(counts(ps.tumbling("10 s")), T("at:Datetime"), watermark="0 s")
    driver = Driver(case.pipeline).push("input", T("at\n00:00:01\n00:00:09.998")).step()
    assert driver.rows() == []
    driver.push("input", T("at\n00:00:09.999")).step()
    assert [row["n"] for row in driver.rows()] == [3]


# -- late rows -----------------------------------------------------------------


def test_a_row_is_late_once_its_window_has_fired():
    for watermark, late in (("00:00:09.998", 0), ("00:00:09.999", 1), ("00:00:10", 1)):
        rows = T(f"""
            at              | k
            00:00:01        | a
            ~ {watermark}
            00:00:09.999999 | a
        """)
        wanted = [{"k": "a", "n": 2 - late}]
        check(counts(ps.tumbling("10 s"), "k"), input=rows, output=wanted, late=late)


def test_a_row_that_is_ahead_of_the_watermark_in_one_step_is_late_in_none():
    rows = T("at\n00:00:01\n00:00:25\n00:00:02\n00:00:12\n00:00:26")
    check(
        counts(ps.tumbling("10 s")),
        input=rows,
        watermark="0 s",
        output=[{"n": 1}, {"n": 2}],
        late=T("at\n00:00:02\n00:00:12"),
    )


def test_a_row_late_for_some_windows_counts_for_the_others():
    rows = T("""
        at       | k
        00:00:03 | a
        ~ 00:00:10           # [-5, 5) and [0, 10) are over
        00:00:04 | a         # late for both, and in no other
        00:00:06 | a         # late for [0, 10), not for [5, 15)
        00:00:06 | b
    """)
    check(counts(ps.hopping("10 s", every="5 s"), "k"), input=rows, output=T("""
        k | window_start        | n
        a | 1969-12-31 23:59:55 | 1
        a | 00:00:00            | 1
        a | 00:00:05            | 1
        b | 00:00:05            | 1
    """), late=[{"k": "a"}])  # fmt: skip


def test_a_row_late_for_some_cumulative_windows():
    rows = T("""
        at       | k
        00:00:01 | a
        ~ 00:00:05
        00:00:02 | a         # late for [0, 5)
        ~ 00:00:15
        00:00:03 | b         # late for [0, 5), [0, 10), [0, 15)
        ~ 00:00:20
        00:00:04 | c         # late for all
    """)
    check(counts(ps.cumulative("20 s", every="5 s"), "k"), input=rows, output=T("""
        k | window_end | n
        a | 00:00:05   | 1
        a | 00:00:10   | 2
        a | 00:00:15   | 2
        a | 00:00:20   | 2
        b | 00:00:20   | 1
    """), late=[{"k": "c"}])  # fmt: skip


def test_no_rewrite_moves_a_filter_below_the_watermark():
    rows = T("at | v\n00:00:01 | 1\n00:00:25 | 0\n00:00:02 | 1")
    check(
        lambda s: s.filter(col("v") > 0).window(ps.tumbling("10 s")).agg(n=ps.count()),
        input=rows,
        watermark="0 s",
        output=[{"n": 1}],
        late=1,
    )


# -- kinds of windows ----------------------------------------------------------


def test_hopping_windows_overlap():
    check(counts(ps.hopping("10 s", every="5 s")), input=T("at\n00:00:07\n00:00:10"), output=T("""
        window_start | window_end | n
        00:00:00     | 00:00:10   | 1
        00:00:05     | 00:00:15   | 2
        00:00:10     | 00:00:20   | 1
    """))  # fmt: skip


def test_a_hop_that_does_not_divide_the_size():
    check(counts(ps.hopping("5 s", every="3 s")), input=T("at\n00:00:04"), output=T("""
        window_start | window_end | n
        00:00:00     | 00:00:05   | 1
        00:00:03     | 00:00:08   | 1
    """))  # fmt: skip


def test_rows_between_windows_with_gaps_are_in_none():
    rows = T("at\n00:00:01\n00:00:02\n00:00:09\n00:00:10")
    check(counts(ps.hopping("2 s", every="10 s")), input=rows, output=T("""
        window_start | window_end | n
        00:00:00     | 00:00:02   | 1
        00:00:10     | 00:00:12   | 1
    """))  # fmt: skip


def test_cumulative_windows_share_their_start():
    check(counts(ps.cumulative("15 s", every="5 s")), input=T("at\n00:00:01\n00:00:07\n00:00:20"), output=T("""
        window_start | window_end | n
        00:00:00     | 00:00:05   | 1
        00:00:00     | 00:00:10   | 2
        00:00:00     | 00:00:15   | 2
        00:00:15     | 00:00:25   | 1
        00:00:15     | 00:00:30   | 1
    """))  # fmt: skip


# -- zones ---------------------------------------------------------------------


def test_days_of_a_zone_when_summer_time_begins():
    rows = T("""
        at                   | k
        2024-03-10 04:59:59Z | a      # 23:59:59 on the 9th in New York
        2024-03-10 05:00:00Z | a      # midnight; the day has 23 hours
        2024-03-11 03:59:59Z | a
        2024-03-11 04:00:00Z | a
    """)
    check(counts(ps.tumbling("1 day", zone="America/New_York")), input=rows, output=T("""
        window_start         | window_end           | n
        2024-03-09 00:00     | 2024-03-10 00:00     | 1
        2024-03-10 00:00     | 2024-03-11 00:00     | 2
        2024-03-11 00:00     | 2024-03-12 04:00Z    | 1
    """))  # fmt: skip


def test_days_of_a_zone_when_summer_time_ends():
    rows = T("at\n2024-11-03 03:59Z\n2024-11-03 04:00Z\n2024-11-04 04:59Z\n2024-11-04 05:00Z")
    check(counts(ps.tumbling("1 d", zone="America/New_York")), input=rows, output=T("""
        window_start      | window_end        | n
        2024-11-02 04:00Z | 2024-11-03 04:00Z | 1
        2024-11-03 04:00Z | 2024-11-04 05:00Z | 2
        2024-11-04 05:00Z | 2024-11-05 05:00Z | 1
    """))  # fmt: skip


def test_hours_are_exact_and_aligned_to_the_local_midnight():
    rows = T("at\n2024-03-10 06:30Z\n2024-03-10 07:00Z\n2024-03-11 03:00Z")
    check(counts(ps.tumbling("6 h", zone="America/New_York")), input=rows, output=T("""
        window_start      | window_end        | n
        2024-03-10 05:00Z | 2024-03-10 11:00Z | 2
        2024-03-10 23:00Z | 2024-03-11 04:00Z | 1
    """))  # fmt: skip


@pytest.mark.parametrize("windows", [
    ps.hopping("2 d", every="1 d", zone="America/New_York"),
    ps.cumulative("3 d", every="1 d", zone="America/New_York"),
    ps.tumbling("1 h", zone="Asia/Kolkata"),
    ps.tumbling("30 min", zone="Australia/Lord_Howe"),
    ps.tumbling("1 d", zone="Africa/Cairo"),  # whose midnight is skipped when summer time begins
])  # fmt: skip
def test_windows_in_zones_agree_across_the_changes_of_the_clock(windows):
    rows = T("""
        at
        2024-04-06 14:30Z
        2024-04-06 15:29:59.999Z
        2024-04-25 21:59:59.999Z
        2024-04-25 22:00Z
        2024-04-26 20:00Z
        2024-11-03 05:30Z
        2024-11-03 06:30Z
        2024-11-02 05:30Z
    """)
    check(counts(windows), input=rows, watermark="2 d", late=None)


# -- keys, aggregates, chains --------------------------------------------------


def test_null_and_nan_are_keys():
    rows = T("""
        at       | f
        00:00:01 | nan
        00:00:02 | null
        00:00:03 | -0.0
        00:00:04 | nan
        00:00:05 | 0.0
        00:00:06 | null
    """)
    check(counts(ps.tumbling("10 s"), "f"), input=rows, output=T("""
        f    | n
        null | 2
        0.0  | 2
        nan  | 2
    """))  # fmt: skip


def test_windows_leave_by_end_then_by_key():
    case = case_of(counts(ps.hopping("10 s", every="5 s"), "k", "f"), T("at:Datetime | k:String | f:Float64"))
    rows = T("""
        at       | k  | f
        00:00:11 | b  | 1
        00:00:01 | ä  | 1
        00:00:01 | b  | nan
        00:00:01 | b  | -1
        00:00:01 |    | 2
        00:00:01 | b  |
    """)
    for shards in (1, 2, 3):
        driver = Driver(case.pipeline, shards=shards).push("input", rows).end().step()
        found = [(row["window_end"].second, row["k"], str(row["f"])) for row in driver.rows()]
        one = [(None, "2.0"), ("b", "None"), ("b", "-1.0"), ("b", "nan"), ("ä", "1.0")]
        assert found == [(end, *key) for end in (5, 10) for key in one] + [(15, "b", "1.0"), (20, "b", "1.0")]


def test_aggregates_per_window():
    rows = T("""
        at       | k | v:Int64
        00:00:01 | a | 3
        00:00:02 | a | null
        00:00:03 | a | 5
        00:00:04 | b | null
        00:00:11 | a | 7
    """)
    check(
        lambda s: s.group_by("k").window(ps.tumbling("10 s")).agg(
            n=ps.count(), m=col("v").count(), total=col("v").sum(), mean=col("v").mean(), last=col("v").last(),
            big=ps.count().filter(col("v") > 3),
        ),
        input=rows,
        output=T("""
            k | window_start | n | m | total | mean | last | big
            a | 00:00:00     | 3 | 2 | 8     | 4.0  | 5    | 1
            b | 00:00:00     | 1 | 0 | null  | null | null | 0
            a | 00:00:10     | 1 | 1 | 7     | 7.0  | 7    | 1
        """),
    )  # fmt: skip


def test_first_and_last_of_overlapping_windows_follow_the_order_of_rows():
    rows = T("""
        at       | v
        00:00:09 | 1
        00:00:01 | 2
        00:00:06 | 3
        00:00:04 | 4
    """)
    check(
        lambda s: s.window(ps.hopping("10 s", every="5 s")).agg(first=col("v").first(), last=col("v").last()),
        input=rows,
        output=T("""
            window_start        | first | last
            1969-12-31 23:59:55 | 2     | 4
            00:00:00            | 1     | 4
            00:00:05            | 1     | 3
        """),
    )


def test_a_window_over_windows():
    rows = T("at | k\n00:00:01 | a\n00:00:06 | a\n00:00:06 | b\n00:00:12 | a")
    check(
        lambda s: s.group_by("k").window(ps.tumbling("5 s")).agg(n=ps.count())
        .window(ps.tumbling("10 s")).agg(windows=ps.count(), most=col("n").max()),
        input=rows,
        watermark="0 s",
        output=T("""
            window_start | window_end | windows | most
            00:00:00     | 00:00:10   | 3       | 1
            00:00:10     | 00:00:20   | 1       | 1
        """),
    )  # fmt: skip


def test_a_group_over_windows():
    rows = T("at | k\n00:00:01 | a\n00:00:06 | a\n00:00:16 | b")
    check(
        lambda s: s.group_by("k").window(ps.tumbling("5 s")).agg(n=ps.count()).group_by("k").agg(windows=ps.count()),
        input=rows,
        output=T("k | windows\na | 2\nb | 1"),
    )


def test_a_row_that_cannot_be_evaluated_is_refused_even_if_it_is_late():
    rows = T("""
        at       | k:String
        00:00:01 | 1
        00:00:02 | x
        ~ 00:00:10
        00:00:03 | x
    """)
    check(
        lambda s: s.window(ps.tumbling("10 s")).agg(total=col("k").cast(ps.Int64).sum()),
        input=rows,
        output=[{"total": 1}],
        errors=2,
    )


def test_state_goes_with_the_window():
    case = case_of(counts(ps.hopping("10 s", every="2 s"), "k"), T("at:Datetime | k:String"), watermark="0 s")
    driver = Driver(case.pipeline).push("input", T("at | k\n00:00:01 | a\n00:00:05 | b")).step()
    assert driver.engine.statistics()[-2].state_rows > 0
    driver.end().step()
    assert driver.engine.statistics()[-2].state_rows == 0


def test_no_rows():
    check(counts(ps.tumbling("10 s"), "k"), input=T("at:Datetime | k:String"), output=[])
