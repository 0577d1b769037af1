"""Results depend neither on the number of shards nor on how keys are hashed: not even their order does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.testing.compare import canonical
from penstock.testing.plans import cases, grouped, windowed
from penstock.testing.strategies import cuts
from penstock.testing.trial import Mode, driver_of, push
from tests.laws.law import LAW


def sent(case, steps, shards, seed):
    driver = driver_of(case, Mode("shards", steps, shards, seed))
    for events in steps:
        push(driver, case, events)
        driver.step()
    return canonical([(step, diff, without_floats(row)) for step, (row, diff) in driver.timed()])


def without_floats(row):
    """Sums may differ in their last bit where shards merge in another order."""
    return {name: value for name, value in row.items() if not isinstance(value, float)}


@LAW
@given(cases(grouped), st.data())
def test_running_aggregates(case, data):
    steps = data.draw(cuts(case.scene.events()))
    seeds = st.integers(0, 2**40)
    expected = sent(case, steps, 1, 0)
    assert sent(case, steps, data.draw(st.integers(2, 5)), data.draw(seeds)) == expected
    assert sent(case, steps, 1, data.draw(seeds)) == expected


@LAW
@given(cases(windowed), st.data())
def test_windows(case, data):
    steps = data.draw(cuts(case.scene.events()))
    seeds = st.integers(0, 2**40)
    expected = sent(case, steps, 1, 0)
    assert sent(case, steps, data.draw(st.integers(2, 5)), data.draw(seeds)) == expected
    assert sent(case, steps, 1, data.draw(seeds)) == expected
