from __future__ import annotations

import pytest

import penstock as ps
from penstock.core.errors import PlanError, UnknownNameError
from penstock.plan.watermark import Scripted
from penstock.testing import Kept, T
from penstock.testing.case import case_of, is_changelog, is_ordered

ROWS = T("at | k | v\n00:00:01 | a | -3\n~ 00:00:05\n00:00:02 | b | 2.5")


def pipeline(**options):
    rows = ps.read(
        [{"ms": 1, "k": "x"}], schema={"ms": ps.Int64, "k": ps.String}, name="rows",
        event_time=options.pop("event_time", None), **options,
    )  # fmt: skip
    return ps.Pipeline("p", rows.write(Kept(), name="out"))


def test_functions_get_a_stream_per_input():
    assert case_of(lambda s: s, ROWS).pipeline.outputs[0].schema.names == ("at", "k", "v")
    two = case_of(lambda a, b: a.union(b), [ROWS, ROWS])
    assert [one.name for one in two.scene.inputs] == ["input1", "input2"]
    named = case_of(lambda *, left, right: [right, left], {"left": ROWS, "right": ROWS})
    assert [one.name for one in named.scene.inputs] == ["right", "left"]  # as the plan meets them
    assert [node.name for node in named.pipeline.outputs] == ["output1", "output2"]


def test_the_order_speaks_of_the_inputs_as_given():
    case = case_of(lambda a, b: b.union(a), [ROWS, ROWS], order=[(0, 0), (1, 0)])
    assert [one.name for one in case.scene.inputs] == ["input2", "input1"]
    assert case.scene.order == ((1, 0), (0, 0))


def test_outputs_may_be_written_already():
    case = case_of(lambda s: s.write(Kept(), name="mine"), ROWS)
    assert case.pipeline.outputs[0].name == "mine"
    with pytest.raises(PlanError, match="needs a Stream"):
        case_of(lambda s: None, ROWS)


def test_a_pipeline_reads_its_inputs_by_name():
    case = case_of(pipeline(), {"rows": T("k\na")})
    assert case.scene.inputs[0].splits == (({"ms": None, "k": "a"},),)
    with pytest.raises(PlanError, match="reads rows"):
        case_of(pipeline(), {"row": T("k")})
    with pytest.raises(UnknownNameError, match='no column of the source "rows" "kk"'):
        case_of(pipeline(), {"rows": T("kk\na")})


def test_watermark_lines_take_the_place_of_a_pipelines_policy():
    timed = ps.read(ROWS.frame(), name="rows", event_time="at", watermark="1 s")
    made = ps.Pipeline("p", timed.write(Kept(), name="out"))
    (node,) = [n for n in case_of(made, {"rows": ROWS}).pipeline.nodes() if n.verb == "watermark"]
    assert node.policy == Scripted(((0, 1, 5_000_000),))
    without = T("at | k | v\n00:00:01 | a | 1")
    (node,) = [n for n in case_of(made, {"rows": without}).pipeline.nodes() if n.verb == "watermark"]
    assert str(node.policy) == "bounded disorder of 1 s"
    with pytest.raises(PlanError, match="no event time"):
        case_of(pipeline(), {"rows": T("k\na\n~ 00:00:01")})


def test_one_source_is_read_once():
    rows = ps.read([{"k": "x"}], name="rows")
    other = ps.read([{"k": "y"}], name="rows")
    with pytest.raises(PlanError, match="one name"):
        case_of(ps.Pipeline("p", rows.union(other).write(Kept(), name="out")), {"rows": T("k\na")})


def test_the_tolerance_follows_the_magnitudes():
    assert case_of(lambda s: s, ROWS).within.absolute == pytest.approx(5.5e-12)


def test_what_depends_on_the_cut():
    table = case_of(lambda s: s.group_by("k").agg(n=ps.count()), ROWS).pipeline.outputs[0]
    changes = case_of(lambda s: s.group_by("k").agg(n=ps.count()).changelog(), ROWS).pipeline.outputs[0]
    merged = case_of(lambda s: s.union(s), ROWS).pipeline.outputs[0]
    assert (is_ordered(table), is_ordered(changes), is_ordered(merged)) == (True, False, True)
    assert (is_changelog(table), is_changelog(changes)) == (False, True)


def test_a_case_tells_what_it_is():
    told = repr(case_of(lambda s: s.filter(ps.col("v") > 0), ROWS))
    assert "filter (v > 0)" in told
    assert "00:00:02 | b | 2.5" in told
