from __future__ import annotations

import penstock as ps
from penstock import col
from penstock.testing import Driver, T, check
from penstock.testing.case import case_of

ROWS = T("""
    at       | k | v
    00:00:01 | a | 1
    ~ 00:00:12.345
    00:00:03 | a | 2
    00:00:15 | b | 3
""")


def late_of(rows):
    return rows.group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count()).late()


def test_late_rows_have_all_columns_and_go_on_as_a_stream():
    check(lambda s: late_of(s).select("k", "v"), input=ROWS, output=[{"k": "a", "v": 2}], late=1)
    check(lambda s: late_of(s).group_by("k").agg(n=ps.count()), input=ROWS, output=[{"k": "a", "n": 1}], late=1)


def test_why_says_where_the_row_came_from_and_what_would_have_saved_it():
    case = case_of(late_of, ROWS)
    driver = Driver(case.pipeline).push("input", ROWS).step()
    (row,) = driver.rows()
    why = row["_why"]
    assert (why["source"], why["split"], why["offset"]) == ("input", "0", 1)
    assert why["behind"] == "2346 ms"  # after 00:00:09.999, when the window was over
    assert why["watermark"].isoformat() == "1970-01-01T00:00:12.345000+00:00"


def test_the_bound_that_would_have_saved_a_row_does():
    ahead = T("at\n00:00:12.345").rows[0]["at"]
    rows = [{"at": ROWS.rows[0]["at"], "k": "a"}, {"at": ahead, "k": "b"}, {"at": ROWS.rows[1]["at"], "k": "a"}]
    case = case_of(late_of, rows, watermark="1 s")
    (late,) = Driver(case.pipeline).push("input", rows).step().rows()
    assert late["_why"]["needed"] == "2347 ms"
    check(late_of, input=rows, output=[], late=0, watermark="2347 ms")
    check(late_of, input=rows, late=1, watermark="2346 ms")


def test_errors_of_a_filter():
    check(
        lambda s: s.filter(col("v") * 2 > 0).errors().select("v"),
        input=T("v\n9223372036854775807\n1"),
        output=[{"v": 2**63 - 1}],
        errors=1,
    )
