from __future__ import annotations

import pytest

import penstock as ps
from penstock import col
from penstock.core.errors import PlanError
from penstock.testing import CheckFailed, T, check
from penstock.testing.check import modes
from penstock.testing.oracle import Ended

ROWS = T("""
    at       | k | v
    00:00:01 | a | 1
    00:00:04 | a | 2
    ~ 00:00:12           # the watermark
    00:00:03 | a | 3     # late
""")


def counts(rows):
    return rows.group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count())


def fails(build, **options):
    with pytest.raises(CheckFailed) as caught:
        check(build, **options)
    return str(caught.value)


def test_the_example_of_the_documentation():
    check(
        lambda s: s.group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count()),
        input=ROWS,
        output=T("""
            k | window_start | window_end | n
            a | 00:00:00     | 00:00:10   | 2
        """),
        late=1,
    )


def test_a_wrong_expectation_is_shown():
    told = fails(counts, input=ROWS, output=T("k | n\na | 3"), late=1)
    assert 'the output "output" is not what was expected' in told
    assert "- a | 3" in told
    assert "+ a | 2" in told


def test_rows_that_are_too_many_or_missing():
    assert "nothing was expected" in fails(counts, input=ROWS, output=[], late=1)
    assert "only in the expectation" in fails(counts, input=ROWS, output=T("k | n\na | 2\na | 2"), late=1)


def test_late_rows_must_be_said():
    assert "1 row(s) are refused as late, 0 were expected" in fails(counts, input=ROWS)
    assert "is not what was expected" in fails(counts, input=ROWS, late=T("k | v\na | 4"))
    check(counts, input=ROWS, late=T("k | v\na | 3"))
    check(counts, input=ROWS, late=None)


def test_refused_rows_must_be_said():
    assert "refused as errors" in fails(lambda s: s.expect(small=col("v") < 3), input=ROWS)
    check(lambda s: s.expect(small=col("v") < 3), input=ROWS, errors=[{"v": 3}])


def test_columns_may_be_left_out_and_must_exist():
    check(counts, input=ROWS, output=T("n\n2"), late=1)
    with pytest.raises(PlanError, match="has no column m"):
        check(counts, input=ROWS, output=T("m\n2"), late=1)


def test_expected_values_take_the_types_of_the_output():
    check(
        lambda s: s.select(f=col("v") / 3, t=col("k")),
        input=T("k:String | v\n7 | 1"),
        output=T("f | t\n0.333333333 | 7"),
    )


def test_frames_and_dicts_are_inputs_and_outputs():
    check(lambda s: s, input=ROWS.frame(), output=ROWS.frame())
    check(lambda s: s.select("k"), input=[{"k": 1}], output=[{"k": 1}])


def test_several_outputs():
    both = {"counts": [{"n": 2}], "late": [{"v": 3}]}
    check(lambda rows: {"counts": counts(rows), "late": counts(rows).late()}, input={"rows": ROWS}, output=both, late=2)
    check(lambda s: [s, s.select("v")], input=T("v\n1"), output=[T("v\n1"), T("v\n1")])
    with pytest.raises(PlanError, match="the outputs"):
        check(lambda s: {"a": s}, input={"s": ROWS}, output={"b": ROWS})


def test_a_table_is_compared_by_its_rows_or_its_changes():
    def table(rows):
        return rows.group_by("k").agg(n=ps.count())

    check(table, input=T("k\na\na"), output=T("k | n\na | 2"))
    check(table, input=T("k\na\na"), output=T("diff | n\n1 | 1\n-1 | 1\n1 | 2"))
    assert "not what was expected" in fails(table, input=T("k\na\na"), output=T("op | n\n+I | 1\n+U | 2"))


def test_windows_of_an_input_that_goes_on_stay_open():
    check(counts, input=T("at | k\n00:00:01 | a"), output=[], ends=False)


def test_the_modes():
    events = [Ended(0, i) for i in range(5)]
    found = list(modes(events, seed=3, cuts=4))
    assert {mode.shards for mode in found} == {1, 2, 3}
    assert len({mode.seed for mode in found}) > 4
    assert all([event for step in mode.steps for event in step] == events for mode in found)
    assert [str(mode) for mode in modes(events, seed=3)] == [str(mode) for mode in modes(events, seed=3)]
