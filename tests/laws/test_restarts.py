"""A run that is saved and restored gives what the run gives that is not: to the last bit, and in the same order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.operators.window_execution import WindowExecutor
from penstock.testing.plans import cases, grouped, windowed
from penstock.testing.strategies import cuts
from penstock.testing.trial import Mode, driver_of, push, try_out
from tests.laws.law import LAW, told


@st.composite
def pauses(draw, steps, shards):
    """After which steps the state is saved (0) or restored over so many shards."""
    return draw(st.dictionaries(st.integers(0, max(0, len(steps) - 1)), st.sampled_from([0, *shards]), max_size=8))


def sent(case, mode):
    """All that is sent, in order; floats by their digits, which tell all their bits."""
    driver = driver_of(case, mode)
    found = []
    for number, events in enumerate(mode.steps):
        push(driver, case, events)
        driver.step()
        mode.pause(driver, number)
        if number in mode.pauses:
            assert_queued(driver)
    found += [(step, diff, repr(row)) for step, (row, diff) in driver.timed()]
    return found, [repr(row) for row in driver.late], driver.engine.watermarks


def assert_queued(driver):
    """The queue of windows is made of the panes: it is what it was before the restart."""
    for made in driver.plan.nodes:
        if isinstance(made.executor, WindowExecutor):
            before = sorted(made.executor.queue)
            driver.restart()
            after = driver.plan.nodes[made.index].executor
            assert sorted(after.queue) == before
            assert after.known == set(before)


@LAW
@given(cases(), st.data())
def test_any_restarts_over_any_shards(case, data):
    steps = data.draw(cuts(case.scene.events(), most=12))
    shards = data.draw(st.integers(1, 3))
    try_out(case, told(case), Mode("restarts", steps, shards, 0, data.draw(pauses(steps, [1, 2, 3, 5]))))


def assert_same(case, data):
    steps = data.draw(cuts(case.scene.events(), most=12))
    shards = data.draw(st.integers(1, 3))
    stops = data.draw(pauses(steps, [shards]))
    assert sent(case, Mode("restored", steps, shards, 1, stops)) == sent(case, Mode("whole", steps, shards, 1))


@LAW
@given(cases(grouped), st.data())
def test_running_aggregates_are_the_same_to_the_last_bit(case, data):
    assert_same(case, data)


@LAW
@given(cases(windowed), st.data())
def test_windows_are_the_same_to_the_last_bit(case, data):
    assert_same(case, data)
