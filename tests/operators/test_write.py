from __future__ import annotations

import penstock as ps
from penstock.testing import Driver, Kept, T, check


def test_one_stream_is_written_twice():
    rows = T("""
        k
        a
        b
    """)
    check(lambda s: {"one": s, "two": s}, input={"s": rows}, output={"one": rows, "two": rows})


def test_a_pipeline_of_its_own():
    source = ps.read([{"k": "x"}], schema={"k": ps.String}, name="rows")
    pipeline = ps.Pipeline("p", source.group_by("k").agg(n=ps.count()).write(Kept(), name="counts"))
    check(pipeline, input={"rows": T("k\na\na")}, output={"counts": [{"k": "a", "n": 2}]})
    driver = Driver(pipeline).push("rows", T("k\na\na")).step()
    assert driver.rows("counts") == [{"k": "a", "n": 2}]
    assert driver.changes("counts") == [({"k": "a", "n": 2}, 1)]
