"""Keys that expire: by event time and by the clock, the same however steps are cut."""

from __future__ import annotations

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
