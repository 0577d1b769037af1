from __future__ import annotations

from penstock.connectors.base import BadRow
from penstock.core.lazy import pl
from penstock.engine.step import Taken
from penstock.testing import Driver, T, check
from penstock.testing.case import case_of


def test_rows_come_as_they_are():
    rows = T("""
        k | v
        a | 1
        a | 1
          | null
    """)
    check(lambda s: s, input=rows, output=rows)


def test_no_rows():
    check(lambda s: s, input=T("k:String | v:Int64"), output=[])


def test_undecoded_rows_leave_by_errors_and_are_counted():
    rows = T("k\na\nb")
    driver = Driver(case_of(lambda s: s, rows).pipeline)
    frame = pl.DataFrame({"k": ["a", "b"]})
    bad = (BadRow(1, "no JSON", "{"),)
    driver.engine.step([Taken(0, 0, frame, ((0, 1), (2, 1)), bad)], 0)
    assert [row["k"] for row in driver.rows()] == ["a", "b"]
    (refused,) = driver.errors
    assert refused["k"] is None
    why = refused["_why"]
    assert (why["reason"], why["source"], why["offset"], why["raw"]) == ("no JSON", "input", 1, "{")
    (read, _) = driver.engine.statistics()
    assert (read.rows_in, read.rows_out, read.errors) == (3, 2, 1)
