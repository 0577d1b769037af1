from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given

import penstock as ps
from penstock import col
from penstock.testing import Driver, Input, Kept, T, check
from penstock.testing.case import case_of
from penstock.testing.check import agree, one_by_one
from penstock.testing.plans import cases, counted
from penstock.testing.trial import Mode, try_out
from tests.laws.law import LAW, told


def counts(windows, *keys, **options):
    return lambda rows: rows.group_by(*keys).window(windows, **options).agg(n=ps.count())


# -- sessions ------------------------------------------------------------------


def test_rows_within_the_gap_are_one_session_and_those_a_microsecond_further_are_not():
    rows = T("""
        at              | k
        00:00:01        | touches
        00:00:11        | touches
        00:00:01        | apart
        00:00:11.000001 | apart
    """)
    check(counts(ps.session("10 s"), "k"), input=rows, output=T("""
        k       | window_start    | window_end      | n
        touches | 00:00:01        | 00:00:21        | 2
        apart   | 00:00:01        | 00:00:11        | 1
        apart   | 00:00:11.000001 | 00:00:21.000001 | 1
    """))  # fmt: skip


def test_a_row_between_two_sessions_makes_them_one():
    rows = T("at\n00:00:01\n00:00:30\n00:00:50\n00:00:10\n00:00:20")
    check(counts(ps.session("10 s")), input=rows, output=T("""
        window_start | window_end | n
        00:00:01     | 00:00:40   | 4
        00:00:50     | 00:01:00   | 1
    """))  # fmt: skip


def test_what_follows_the_order_of_rows_follows_it_through_sessions_that_become_one():
    rows = T("""
        at       | v
        00:00:20 | 1
        00:00:01 | 2
        00:00:10 | 3
    """)
    check(
        lambda s: s.window(ps.session("10 s")).agg(a=col("v").first(), z=col("v").last(), all=col("v").max()),
        input=rows,
        output=[{"a": 1, "z": 3, "all": 3}],
    )


def test_a_row_is_late_if_the_session_that_it_would_make_or_join_is_over():
    rows = T("""
        at              | k
        00:00:01        | a
        ~ 00:00:09
        00:00:00        | a       # joins a session that is not over: [0, 11)
        ~ 00:00:15
        00:00:02        | a       # [1, 11) was sent, [2, 12) is over
        00:00:05.000999 | b       # [5, 15) and 999 us: over at the millisecond before 15
        00:00:05.002    | b       # just not
        00:00:06        | a       # touches what was sent, and begins anew
    """)
    check(counts(ps.session("10 s"), "k"), input=rows, output=T("""
        k | window_start | window_end   | n
        a | 00:00:00     | 00:00:11     | 2
        b | 00:00:05.002 | 00:00:15.002 | 1
        a | 00:00:06     | 00:00:16     | 1
    """), late=[{"k": "a"}, {"k": "b"}])  # fmt: skip


def test_a_late_row_says_how_far_it_was_behind():
    case = case_of(counts(ps.session("10 s")), T("at:Datetime"), watermark="2 s")
    driver = Driver(case.pipeline).push("input", T("at\n00:00:01\n00:01:00\n00:00:02")).step()
    (row,) = driver.late
    assert (row["_why"]["reason"], row["_why"]["behind"], row["_why"]["needed"]) == ("late", "46001 ms", "48002 ms")


def test_a_gap_by_row():
    rows = T("""
        at       | k | gap:Int64
        00:00:00 | a | 5
        00:00:04 | a | 20
        00:00:20 | a | 1
        00:00:30 | a | 5
        00:00:31 | a | 0
        00:00:32 | a | null
        00:00:33 | a | -4
    """)

    def plan(s):
        with_gap = s.with_columns(gap=col("gap") * ps.lit(dt.timedelta(seconds=1)))
        return with_gap.group_by("k").window(ps.session("gap")).agg(n=ps.count())

    check(plan, input=rows, errors=3, output=T("""
        k | window_start | window_end | n
        a | 00:00:00     | 00:00:24   | 3
        a | 00:00:30     | 00:00:35   | 1
    """))  # fmt: skip


def test_a_session_is_split_by_a_condition_in_the_order_of_rows():
    rows = T("""
        at       | what
        00:00:01 | view
        00:00:02 | login
        00:00:03 | view
        00:00:04 | login
        00:00:02 | view
    """)
    check(counts(ps.session("10 s", split_when=col("what") == "login")), input=rows, output=T("""
        window_start | window_end | n
        00:00:01     | 00:00:11   | 1
        00:00:02     | 00:00:13   | 2
        00:00:02     | 00:00:14   | 2
    """))  # fmt: skip


def test_sessions_of_splits_that_are_apart_in_time():
    fast = T("at:Datetime | k:String\n00:01:00 | a\n00:00:45 | a")
    slow = T("at:Datetime | k:String\n00:00:01 | a\n00:00:40 | a\n00:00:05 | a")
    order = [(0, 0), (0, 1), (0, 1), (0, 0), (0, 1)]
    check(counts(ps.session("10 s"), "k"), input=(fast, slow), watermark="0 s", order=order, late=None)


def test_a_sum_that_does_not_fit_leaves_when_its_session_closes():
    rows = T(f"at | k | v\n00:00:01 | a | {2**63 - 1}\n00:00:02 | a | 1\n00:00:02 | b | 1")
    check(
        lambda s: s.group_by("k").window(ps.session("10 s")).agg(v=col("v").sum()),
        input=rows,
        output=[{"k": "b", "v": 1}],
        errors=[{"k": "a", "at": None, "v": None}],
    )


def test_many_sessions_of_one_key_out_of_order():
    many = 400
    times = [dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=20 * (i * 37 % many)) for i in range(many)]
    case = case_of(counts(ps.session("10 s")), [{"at": at} for at in times], watermark="10 d")
    for cut in (1, 7, many):
        driver = Driver(case.pipeline)
        for first in range(0, many, cut):
            driver.push("input", [{"at": at} for at in times[first : first + cut]]).step()
        driver.end().step()
        assert [row["window_start"] for row in driver.rows()] == sorted(times)
        assert driver.plan.nodes[-2].executor.state_size()[0] == 0


def test_state_goes_with_the_sessions():
    case = case_of(counts(ps.session("10 s"), "k"), T("at:Datetime | k:String"), watermark="0 s")
    driver = Driver(case.pipeline, shards=2)
    driver.push("input", T("at | k\n00:00:01 | a\n00:00:02 | b\n00:01:00 | c\n00:00:01 | d")).step()
    executor = next(made.executor for made in driver.plan.nodes if made.node.verb == "keyed_window")
    assert executor.state_size()[0] == 1
    assert sum(len(chains.keys) for chains in executor.places.chains) == 1
    assert executor.contents(10).rows(named=True)[0]["k"] == "c"


# -- counts --------------------------------------------------------------------


def test_windows_of_so_many_rows_and_what_is_left_over():
    rows = T("k | v\na | 1\nb | 2\na | 3\na | 4\nb | 5\na | 6\na | 7")
    made = lambda s: s.group_by("k").window(ps.count_window(2)).agg(n=ps.count(), v=col("v").sum())  # noqa: E731
    check(made, input=rows, output=T("k | n | v\na | 2 | 4\nb | 2 | 7\na | 2 | 10\na | 1 | 7"))
    last = lambda s: s.window(ps.count_window(3, every=2)).agg(n=ps.count(), v=col("v").last())  # noqa: E731
    check(last, input=rows, output=T("n | v\n2 | 2\n3 | 4\n3 | 6\n2 | 7"))


@LAW
@given(cases(counted))
def test_any_count(case):
    agree(case, told(case))
    events = case.scene.events()
    try_out(case, told(case), Mode("restarts", one_by_one(events), 1, 0, {n: n % 3 + 1 for n in range(len(events))}))


# -- emission ------------------------------------------------------------------

ROWS = T("""
    at       | k | v
    00:00:01 | a | 1
    00:00:04 | a | 2
    00:00:02 | b | 3
    00:00:12 | a | 4
""")


def test_every_change_is_sent_and_the_table_is_keyed_by_key_and_window():
    made = []

    def plan(s):
        made.append(counts(ps.tumbling("10 s"), "k", emit="change")(s))
        return made[-1]

    check(plan, input=ROWS, output=T("""
        op | k | window_start | window_end | n
        +I | a | 00:00:00     | 00:00:10   | 1
        -U | a | 00:00:00     | 00:00:10   | 1
        +U | a | 00:00:00     | 00:00:10   | 2
        +I | b | 00:00:00     | 00:00:10   | 1
        +I | a | 00:00:10     | 00:00:20   | 1
    """))  # fmt: skip
    assert isinstance(made[-1], ps.Table)
    assert made[-1].key == ("k", "window_start", "window_end")


def test_what_has_changed_is_sent_when_the_clock_passes_a_multiple():
    case = case_of(counts(ps.tumbling("10 s"), "k", emit=ps.every("5 s")), ROWS, watermark="0 s")
    driver = Driver(case.pipeline)
    driver.push("input", ROWS.rows[:2]).step()
    assert driver.changes() == []
    assert driver.engine.wakes() == driver.clock.now() + 5_000_000
    driver.advance("5 s").step()
    assert [(row["k"], row["n"], diff) for row, diff in driver.changes()] == [("a", 2, 1)]
    driver.advance("5 s").step()
    assert len(driver.changes()) == 1  # nothing new
    assert driver.engine.wakes() is None
    driver.push("input", ROWS.rows[2:]).step()  # closes [0, 10): the final result comes at once
    assert [(row["k"], row["n"], diff) for row, diff in driver.changes(step=3)] == [("b", 1, 1)]
    driver.end().step()
    assert sorted((row["k"], row["n"]) for row in driver.rows()) == [("a", 1), ("a", 2), ("b", 1)]


def test_every_so_many_rows_of_a_window():
    rows = T("at | k\n" + "\n".join(f"00:00:0{i} | a" for i in range(8)))
    check(counts(ps.tumbling("10 s"), "k", emit=ps.every(rows=3)), input=rows, output=T("""
        op | k | n
        +I | a | 3
        -U | a | 3
        +U | a | 6
        -U | a | 6
        +U | a | 8
    """))  # fmt: skip


def test_late_rows_correct_what_was_sent_as_long_as_they_are_allowed():
    rows = T("""
        at       | k
        00:00:01 | a
        ~ 00:00:10
        00:00:02 | a
        00:00:02 | b
        ~ 00:00:14.998
        00:00:03 | a
        ~ 00:00:14.999
        00:00:04 | a
    """)
    check(counts(ps.tumbling("10 s"), "k", allowed_lateness="5 s"), input=rows, late=1, output=T("""
        op | k | n
        +I | a | 1
        -U | a | 1
        +U | a | 2
        +I | b | 1
        -U | a | 2
        +U | a | 3
    """))  # fmt: skip


def test_a_session_that_a_late_row_prolongs_is_taken_back_until_it_closes_again():
    rows = T("""
        at       | k
        00:00:01 | a
        ~ 00:00:12
        00:00:08 | a       # [1, 11) was sent; it is [1, 18) now, and open
        ~ 00:00:18
    """)
    check(counts(ps.session("10 s"), "k", allowed_lateness="10 s"), input=rows, output=T("""
        op | k | window_start | window_end | n
        +I | a | 00:00:01     | 00:00:11   | 1
        -D | a | 00:00:01     | 00:00:11   | 1
        +I | a | 00:00:01     | 00:00:18   | 2
    """))  # fmt: skip


def test_corrections_are_not_late_below():
    rows = T("""
        at       | v
        00:00:01 | 1
        ~ 00:00:21
        00:00:02 | 2
        ~ 00:01:30
    """)

    def plan(s):
        inner = s.window(ps.tumbling("10 s"), allowed_lateness="20 s").agg(v=col("v").sum())
        return inner.window(ps.tumbling("20 s")).agg(v=col("v").sum(), n=ps.count())

    check(plan, input=rows, output=T("""
        window_start | window_end | v | n
        00:00:00     | 00:00:20   | 3 | 1
    """))  # fmt: skip


def test_only_what_is_new_is_sent():
    windows = counts(ps.tumbling("10 s"), "k", emit=ps.every("5 s"), accumulate=False)
    check(windows, input=ROWS, ticks=[(2, "5 s")], output=T("""
        k | window_start | n
        a | 00:00:00     | 2
        b | 00:00:00     | 1
        a | 00:00:10     | 1
    """))  # fmt: skip
    check(windows, input=ROWS, ticks=[(1, "5 s")], output=[{"n": n} for n in (1, 1, 1, 1)])


def test_a_window_for_all_time():
    check(counts(ps.global_window(), "k"), input=ROWS, output=[{"k": "a", "n": 3}, {"k": "b", "n": 1}])
    check(counts(ps.global_window(), emit=ps.every(rows=3)), input=ROWS, output=T("""
        op | n
        +I | 3
        -D | 3
        +I | 4
    """))  # fmt: skip


def test_windows_of_the_clock():
    rows = T("v\n1\n2\n3\n4")
    plan = counts(ps.tumbling("10 s"), on=ps.processing_time())
    check(plan, input=rows, ticks=[(1, "9999 ms"), (2, "1 ms"), (3, "25 s")], output=[{"n": 2}, {"n": 1}, {"n": 1}])
    sessions = counts(ps.session("10 s"), on=ps.processing_time())
    check(sessions, input=rows, ticks=[(1, "9999 ms"), (2, "9999 ms"), (3, "10 s")], output=[{"n": 3}, {"n": 1}])


def test_a_window_of_the_clock_closes_without_rows():
    case = case_of(counts(ps.tumbling("10 s"), on=ps.processing_time()), T("v\n1"), ends=False)
    driver = Driver(case.pipeline).push("input", T("v\n1")).step()
    assert driver.engine.wakes() == driver.clock.now() + 10_000_000
    driver.advance("9999 ms").step()
    assert driver.rows() == []
    assert [row["n"] for row in driver.advance("1 ms").step().rows()] == [1]
    assert driver.engine.wakes() is None


# -- what is refused -----------------------------------------------------------


@pytest.mark.parametrize(
    ("windows", "options", "message"),
    [
        (ps.session("10 s"), {"emit": ps.every(rows=2)}, "not sent by rows"),
        (ps.session("10 s"), {"emit": ps.every("2 s"), "allowed_lateness": "1 s"}, "would depend on the steps"),
        (ps.session("10 s", split_when=col("v") > 1), {"emit": "change"}, "may have the same bounds"),
        (ps.session("v"), {}, "the gap of a session is a length of time"),
        (ps.session("10 s", split_when=col("v")), {}, "split_when takes a condition"),
        (ps.tumbling("10 s"), {"emit": "now"}, "emit says when windows are sent"),
        (ps.tumbling("10 s"), {"on": "clock"}, "on says which time"),
        (ps.tumbling("10 s"), {"accumulate": False}, "this window is sent once"),
        (ps.tumbling("10 s"), {"accumulate": False, "emit": "change"}, "is sent by the clock"),
        (ps.tumbling("10 s"), {"on": ps.processing_time(), "allowed_lateness": "1 s"}, "nothing is late"),
        (ps.global_window(), {"allowed_lateness": "1 s"}, "nothing is late"),
        (ps.tumbling("10 s"), {"allowed_lateness": "-1 s"}, "not less than none"),
        (ps.tumbling("10 s"), {"evict": 3}, "evict of a window is not offered"),
    ],
)
def test_what_means_nothing_is_refused(windows, options, message):
    with pytest.raises(ps.PlanError, match=message) as refused:
        case_of(counts(windows, "k", **options), ROWS)
    assert refused.value.where is not None


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ps.every(), "either a length of time or rows"),
        (lambda: ps.every("1 s", rows=2), "either a length of time or rows"),
        (lambda: ps.every(rows=0), "a number of rows from 1"),
        (lambda: ps.every("0 s"), "whole milliseconds"),
        (lambda: ps.session("0 s"), "at least one"),
        (lambda: ps.session(5), "a duration needs a unit"),
    ],
)
def test_what_is_no_emission_and_no_session(build, message):
    with pytest.raises(ps.PlanError, match=message):
        build()


def test_what_grows_for_ever_is_told():
    unbounded = Input(name="rows", schema=ROWS.schema, splits=((),), time="at", policy=ps.monotonic(), bounded=False)
    rows = ps.api.stream.stream(unbounded.node())

    def growing(windows, **options):
        return list(ps.Pipeline("p", counts(windows, "k", **options)(rows).write(Kept(), name="o")).growing())

    assert growing(ps.tumbling("10 s"), emit="change") == growing(ps.session("10 s"), allowed_lateness="5 s") == []
    for windows in (ps.count_window(3), ps.global_window()):
        assert growing(windows) == ["keyed_window by k: one entry per key, for ever"]


def test_a_session_that_takes_in_another_takes_back_what_it_had_sent():
    check(
        lambda s: s.group_by("k").window(ps.session("3 s"), emit="change").agg(n=col("v").sum(), m=col("v").max()),
        input=T("""
            at       | k | v:Int64
            00:00:01 | a | 4
            00:00:06 | a | 7
            00:00:04 | a | 2
        """),
        output=[{"n": 13, "m": 7}],
    )
