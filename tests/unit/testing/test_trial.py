from __future__ import annotations

import pytest

import penstock as ps
from penstock.operators.base import SplitState
from penstock.testing import CheckFailed, T
from penstock.testing.case import case_of
from penstock.testing.check import reference
from penstock.testing.scene import at_once, one_by_one
from penstock.testing.trial import Mode, as_change, check_counts, driver_of, push, try_out, without_why

ROWS = T("at | k\n00:00:01 | a\n00:00:12 | b\n00:00:02 | a")


def counts(rows):
    return rows.group_by("k").window(ps.tumbling("10 s")).agg(n=ps.count())


def case():
    return case_of(counts, ROWS, watermark="0 s")


def test_runs_that_agree():
    one = case()
    for steps in (one_by_one(one.scene.events()), at_once(one.scene.events())):
        driver = try_out(one, reference(one), Mode("here", steps, 2, 5))
        assert driver.engine.steps == len(steps)


def test_a_reference_that_says_more():
    one = case()
    told = reference(one)
    told.outputs["output"].rows.insert(1, told.outputs["output"].rows[0])
    told.outputs["output"].events.insert(1, 2)
    with pytest.raises(CheckFailed, match="after step 3: what is sent") as caught:
        try_out(one, told, Mode("here", one_by_one(one.scene.events())))
    assert "0.0 @2: 00:00:02 | a" in str(caught.value)
    assert "ends" not in str(caught.value)  # the story stops at the step that differs


def test_a_reference_with_another_watermark():
    one = case()
    told = reference(one)
    told.watermarks[1] -= 1
    with pytest.raises(CheckFailed, match="the watermark of watermark"):
        try_out(one, told, Mode("here", at_once(one.scene.events())))


def test_a_reference_that_counted_otherwise():
    one = case()
    told = reference(one)
    told.taken[2] += 1
    with pytest.raises(CheckFailed, match="window: 3 rows in in the engine, 4 in the reference"):
        try_out(one, told, Mode("here", at_once(one.scene.events())))


def test_counts_that_do_not_add_up():
    one = case()
    driver = driver_of(one, Mode("here", []))
    push(driver, one, one.scene.events())
    driver.step()
    check_counts(driver)
    driver.engine.metrics[1].rows_out["out"] += 1
    with pytest.raises(CheckFailed):
        check_counts(driver)


def test_rows_keep_their_interleaving():
    two = case_of(lambda s: s, (T("v\n1\n2"), T("v\n3\n4")), order=[(0, 0), (0, 1), (0, 1), (0, 0)])
    driver = driver_of(two, Mode("here", []))
    push(driver, two, two.scene.events())
    assert [row["v"] for row in driver.step().rows()] == [1, 3, 4, 2]
    assert driver.engine.step([], 0, {(0, 0): SplitState(True)}) is None


def test_the_words_of_the_engine_are_left_out():
    assert without_why({"k": 1, "_why": {}}) == {"k": 1}
    assert as_change({"op": "-U", "k": 1}) == ({"k": 1}, -1)


def test_a_mode_says_when_it_is_interrupted():
    mode = Mode("here", [[]], 2, 5, {0: 0, 3: 2, 1: 1})
    assert (
        str(mode)
        == "here (1 steps, 2 shards, hash seed 5; saved after step 1; restarted after step 2 with 1, 4 with 2 shards)"
    )


def test_a_run_that_is_interrupted():
    one = case()
    steps = one_by_one(one.scene.events())
    driver = try_out(one, reference(one), Mode("here", steps, 1, 5, {0: 2, 1: 0, 2: 3}))
    assert driver.engine.steps == len(steps)
