from __future__ import annotations

import penstock as ps
from penstock import col
from penstock.core.timespan import END, NEVER, SECOND
from penstock.testing import T
from penstock.testing.case import case_of
from penstock.testing.check import reference
from penstock.testing.oracle import Arrival, Interpreter

ROWS = T("""
    at       | k | v
    00:00:01 | a | 1
    00:00:12 | b | 2
    00:00:03 | a | 3
""")


def windows(rows):
    return rows.group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count())


def test_rows_are_told_with_the_event_that_caused_them():
    told = reference(case_of(windows, ROWS, watermark="0 s"))
    found = told.outputs["output"]
    assert [row.values["k"] for row in found.rows] == ["a", "b"]
    assert found.events == [1, 3]  # the second row, and the end
    assert [row.place for _, row in told.refused_by("late")] == [(0, 0, 2)]


def test_counts_and_watermarks_of_every_node():
    told = reference(case_of(windows, ROWS, watermark="0 s", ends=False))
    assert [node.verb for node in told.nodes] == ["read", "watermark", "window", "write"]
    assert dict(told.taken) == {0: 3, 1: 3, 2: 3, 3: 1}
    assert dict(told.given) == {(0, "out"): 3, (1, "out"): 3, (2, "out"): 1, (2, "late"): 1, (3, "out"): 1}
    assert told.watermarks == {0: NEVER, 1: 12 * SECOND, 2: 12 * SECOND, 3: 12 * SECOND}


def test_the_stream_waits_for_its_slowest_split():
    case = case_of(windows, (T("at | k\n00:00:50 | a"), T("at | k\n00:00:02 | a")), watermark="0 s", ends=False)
    interpreter = Interpreter(case.pipeline.outputs, [2])
    first, second = case.scene.events()
    interpreter.take(first)
    assert interpreter.told.watermarks[1] == NEVER
    interpreter.take(second)
    assert interpreter.told.watermarks[1] == 2 * SECOND


def test_all_ends():
    assert set(reference(case_of(windows, ROWS)).watermarks.values()) == {END}


def test_inputs_are_taken_in_declared_order():
    told = reference(case_of(lambda s: s.filter(col("v") > 1).select("k").union(s.select("k")), ROWS))
    assert [(row.values["k"], row.sequence) for row in told.outputs["output"].rows] == [
        ("a", 0), ("b", 1), ("b", 1), ("a", 2), ("a", 2)
    ]  # fmt: skip


def test_a_narrowed_source_gives_what_is_wanted():
    case = case_of(lambda s: s, ROWS)
    (read,) = [node for node in case.pipeline.nodes() if node.verb == "read"]
    narrow = case.with_outputs(tuple(case.pipeline.outputs))
    assert reference(narrow).outputs["output"].rows[0].values.keys() == set(read.schema.names)
    interpreter = Interpreter(case.pipeline.outputs, [1])
    interpreter.take(Arrival(0, 0, 0, {**ROWS.rows[0], "more": 1}))
    assert "more" not in interpreter.told.outputs["output"].rows[0].values
