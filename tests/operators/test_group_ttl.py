"""Keys that expire: by event time and by the clock, the same however steps are cut."""

from __future__ import annotations

import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.timespan import MINUTE, SECOND
from penstock.testing import Driver, T, check
from penstock.testing.case import case_of

ROWS = T("""
    event_time | k | v:Int64
    00:00:00 | a | 1
    00:00:05 | b | 1
    00:00:09 | a | 2
    00:00:19 | a | 4
    00:00:14 | b | 2
    00:00:40 | b | 4
    00:00:41 | a | 8
""")


def totals(ttl):
    return lambda s: s.group_by("k").agg(n=ps.count(), total=col("v").sum(), low=col("v").min()).state("x", ttl=ttl)


def test_a_row_long_after_the_last_one_begins_its_key_anew():
    # a: 9 s after the first counts, 10 s after that does not. What was sent stays.
    check(totals("10 s"), input=ROWS, event_time="event_time", watermark="10 s", output=T("""
        op | k | n | total | low
        +I | a | 1 | 1 | 1
        +I | b | 1 | 1 | 1
        -U | a | 1 | 1 | 1
        +U | a | 2 | 3 | 1
        +I | a | 1 | 4 | 4
        -U | b | 1 | 1 | 1
        +U | b | 2 | 3 | 1
        +I | b | 1 | 4 | 4
        +I | a | 1 | 8 | 8
    """))  # fmt: skip


def test_by_the_clock():
    rows = T("k | v:Int64\na | 1\na | 2\na | 4\nb | 1\na | 8")
    ticks = [(1, "9 s"), (2, "10 s"), (4, "9 s")]
    check(totals(ps.processing_time("10 s")), input=rows, ticks=ticks, output=T("""
        op | k | n | total | low
        +I | a | 1 | 1  | 1
        -U | a | 1 | 1  | 1
        +U | a | 2 | 3  | 1
        +I | a | 1 | 4  | 4
        +I | b | 1 | 1  | 1
        -U | a | 1 | 4  | 4
        +U | a | 2 | 12 | 4
    """))  # fmt: skip


def test_a_row_that_moves_late_counts_as_its_watermark_does():
    # The third row says 1 s, and its split had come to 20 s: the key lives 10 s from there.
    rows = T("at | k\n00:00:00 | a\n00:00:20 | b\n00:00:01 | a\n00:00:29 | a\n00:00:40 | a")
    check(
        lambda s: s.group_by("k").agg(n=ps.count()).state("x", ttl="10 s"), input=rows, watermark="0 s", output=T("""
        op | k | n
        +I | a | 1
        +I | b | 1
        +I | a | 1
        -U | a | 1
        +U | a | 2
        +I | a | 1
    """))  # fmt: skip


def table_of(driver):
    return next(made.executor for made in driver.plan.nodes if made.node.verb == "group")


def test_keys_leave_memory_once_the_watermark_has_come_so_far():
    rows = T("at | k:Int64\n00:00:00 | 1")
    case = case_of(lambda s: s.group_by("k").agg(n=ps.count()).state("x", ttl="16 s"), rows, watermark="0 s")
    driver = Driver(case.pipeline)
    at = 1_700_000_000 * SECOND
    for second in range(100):
        frame = pl.DataFrame({"at": [at + second * SECOND] * 10, "k": range(second * 10, second * 10 + 10)})
        driver.take(0, 0, frame.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))))
        driver.step()
    held, _ = table_of(driver).state_size()
    assert 160 <= held <= 190  # 16 s of keys, and one bucket more that is not over yet
    driver.restart()
    assert table_of(driver).state_size()[0] == held
    frame = pl.DataFrame({"at": [at + 200 * SECOND, at + 201 * SECOND], "k": [7, 7]})
    driver.take(0, 0, frame.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))))
    driver.step()
    assert table_of(driver).state_size()[0] == 1


def test_the_clock_alone_frees_memory():
    case = case_of(
        lambda s: s.group_by("k").agg(n=ps.count()).state("x", ttl=ps.processing_time("1 min")), T("k\na\nb")
    )
    driver = Driver(case.pipeline)
    driver.take(0, 0, pl.DataFrame({"k": ["a", "b"]}))
    driver.step()
    assert table_of(driver).state_size()[0] == 2
    wakes = driver.engine.wakes()
    assert driver.clock.now() + MINUTE <= wakes <= driver.clock.now() + MINUTE + MINUTE // 8
    driver.clock.show(wakes)
    driver.step()
    assert table_of(driver).state_size()[0] == 0


def test_a_key_is_looked_at_once_per_time_to_live():
    """What expiry costs grows with the keys that expire, not with those that are there."""
    from penstock.state import expiry

    looked = []
    original = expiry.Expiry._sweep
    rows = T("at | k:Int64\n00:00:00 | 1")
    case = case_of(lambda s: s.group_by("k").agg(n=ps.count()).state("x", ttl="10 s"), rows, watermark="0 s")
    driver = Driver(case.pipeline)
    at = 1_700_000_000 * SECOND
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expiry.Expiry, "_sweep", lambda s, f, b, n: looked.append(len(f)) or original(s, f, b, n))
        for second in range(60):
            # 1,000 keys that come every second, and one that does not.
            frame = pl.DataFrame({"at": [at + second * SECOND] * 1_001, "k": [*range(1_000), 10_000 + second]})
            driver.take(0, 0, frame.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))))
            driver.step()
    assert sum(looked) <= 1_000 * 60 // 10 + 60 + 1_000


def test_a_row_taken_back_whose_key_has_expired_is_a_dead_letter():
    def pipeline(s):
        inner = s.group_by("k", "v").agg(n=ps.count())
        return inner.group_by("n").agg(keys=ps.count()).state("x", ttl=ps.processing_time("1 min"))

    driver = Driver(case_of(pipeline, T("k | v:Int64\na | 1")).pipeline)
    driver.take(0, 0, pl.DataFrame({"k": ["a"], "v": [1]}))
    driver.step()
    driver.advance("2 min")
    driver.take(0, 0, pl.DataFrame({"k": ["a"], "v": [1]}))
    driver.step()
    assert [change for _, change in driver.timed()] == [({"n": 1, "keys": 1}, 1), ({"n": 2, "keys": 1}, 1)]
    assert [(row["n"], row["_why"]["reason"]) for row in driver.errors] == [
        (1, "taken back, and its key is not in state: it has expired, or the row never came")
    ]


def test_what_cannot_expire_is_refused():
    stream = ps.read([{"k": 1}])
    with pytest.raises(UnsupportedError, match="the rows have none"):
        stream.group_by("k").agg(n=ps.count()).state("x", ttl="1 min")
    with pytest.raises(UnsupportedError, match='"filter" has no time-to-live'):
        stream.filter(col("k") > 1).state("x", ttl=ps.processing_time("1 min"))
    with pytest.raises(PlanError, match="millisecond at least"):
        stream.group_by("k").agg(n=ps.count()).state("x", ttl=ps.processing_time("0 s"))
    table = stream.group_by("k").agg(n=ps.count()).state("x", ttl=ps.processing_time("7 days"))
    with pytest.raises(UnsupportedError, match="rows of a Table have no event time"):
        table.group_by("n").agg(m=ps.count()).state("y", ttl="1 min")


def test_what_is_computed_of_aggregates_is_bounded_with_them():
    table = ps.read([{"k": 1}]).group_by("k").agg(x=ps.count() * 2).state("x", ttl=ps.processing_time("7 days"))
    group = table.node.inputs[0]
    assert (group.verb, group.state_name) == ("group", "x")
    assert "kept 7 days after its last row by the clock" in group.describe()
