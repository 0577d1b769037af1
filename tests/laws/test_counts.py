"""Nothing vanishes: the counts of rows add up on every edge, and every row that came in is accounted for."""

from __future__ import annotations

from hypothesis import given

import penstock as ps
from penstock import col
from penstock.testing import Driver, T
from penstock.testing.case import case_of
from penstock.testing.plans import cases
from penstock.testing.scene import at_once
from penstock.testing.trial import Mode, check_counts, try_out
from tests.laws.law import LAW, told


@LAW
@given(cases())
def test_every_edge(case):
    driver = try_out(case, told(case), Mode("at once", at_once(case.scene.events())))
    check_counts(driver)
    read = sum(one.rows_in for one in driver.engine.statistics() if one.label == "read")
    assert read == sum(len(rows) for one in case.scene.inputs for rows in one.splits)


def test_every_row_of_a_pipeline():
    rows = T("""
        at       | k:String | v
        00:00:01 | 1        | 1     # counted
        00:00:02 | x        | 1     # refused: no number
        00:00:03 | 2        | 0     # filtered
                 | 2        | 1     # refused: no time
        00:00:30 | 3        | 1     # counted
        00:00:04 | 4        | 1     # late
        00:00:31 | 5        | -1    # refused: not expected
    """)
    case = case_of(
        lambda s: s.expect(positive=col("v") >= 0).filter(col("v") > 0).with_columns(k=col("k").cast(ps.Int64))
        .window(ps.tumbling("10 s")).agg(n=ps.count()),
        rows,
        watermark="0 s",
    )  # fmt: skip
    driver = Driver(case.pipeline).push("input", rows).end().step()
    counted = sum(row["n"] for row in driver.rows())
    filtered = 1
    assert (counted, len(driver.errors), len(driver.late)) == (2, 3, 1)
    assert counted + len(driver.errors) + len(driver.late) + filtered == len(rows)
