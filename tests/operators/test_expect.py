from __future__ import annotations

from penstock import Int64, col
from penstock.testing import Driver, T, check
from penstock.testing.case import case_of

ROWS = T("""
    k | v:Int64
    a | 1
    b | -1
    c | null
""")


def test_rows_that_break_a_condition_are_refused_and_null_is_not_true():
    check(lambda s: s.expect(positive=col("v") > 0), input=ROWS, output=[{"k": "a", "v": 1}], errors=T("""
        k | v
        b | -1
        c | null
    """))  # fmt: skip


def test_what_was_refused_is_a_stream():
    def build(rows):
        good = rows.expect(positive=col("v") > 0)
        return {"good": good, "bad": good.errors()}

    check(build, input={"rows": ROWS}, output={"good": [{"k": "a"}], "bad": [{"k": "b"}, {"k": "c"}]}, errors=2)


def test_the_reason_names_the_condition():
    case = case_of(lambda s: s.expect(positive=col("v") > 0), ROWS)
    driver = Driver(case.pipeline).push("input", ROWS).step()
    reasons = [row["_why"]["reason"] for row in driver.errors]
    assert len(reasons) == 2
    assert all("positive" in reason for reason in reasons)
    assert [row["_why"]["offset"] for row in driver.errors] == [1, 2]


def test_a_condition_that_fails_is_not_true():
    check(lambda s: s.expect(number=col("k").cast(Int64) > 0), input=ROWS, output=[], errors=3)
