"""Frames by functions of users: `map_batches`."""

from __future__ import annotations

import penstock as ps
from penstock import col
from penstock.testing import T, check

ROWS = T("""
    at       | k | v:Int64
    00:00:01 | a | 4
    00:00:04 | b | 0
    00:00:05 | c | null
    00:00:02 | a | 2
""")


def doubled(frame):
    if (frame["v"] == 0).any():
        raise ValueError("zero")
    return frame.select("at", v=frame["v"] * 2)


def test_frames_with_event_time_and_rows_that_fail():
    schema = {"at": ps.Datetime("us", "UTC"), "v": ps.Int64}
    check(
        lambda s: s.map_batches(doubled, schema).window(ps.tumbling("10 s")).agg(n=col("v").sum()),
        input=ROWS,
        output=[{"n": 12}],
        errors=1,
    )


def test_rows_that_go_again():
    check(
        lambda s: (
            s.group_by("k").agg(n=col("v").sum()).map_batches(lambda rows: rows.select(w=rows["n"] // 4), {"w": int})
        ),
        input=ROWS,
        errors=None,
    )


def test_what_is_not_declared_is_refused():
    rows = ps.read([{"v": 1}, {"v": 2}])

    def reasons(function):
        made = rows.map_batches(function, {"v": int})
        assert made.collect().height == 0
        return {row["reason"] for row in made.errors().collect()["_why"].to_list()}

    assert any("gave 0 rows for 1" in one for one in reasons(lambda frame: frame.clear()))
    assert any("is not declared" in one for one in reasons(lambda frame: frame.with_columns(w=1)))
    assert any('gave String for "v"' in one for one in reasons(lambda frame: frame.cast({"v": str})))
    assert any("gave int" in one for one in reasons(lambda frame: 1))
