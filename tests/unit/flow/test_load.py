"""Rates that follow a pressure, work that gets cheaper, and what is dropped: with the account of it."""

from __future__ import annotations

import random

import anyio
import pytest

from penstock import flow
from penstock.core.errors import PlanError
from penstock.flow import Flow, Governor, Hysteresis, LatencySensor, Sink, Source
from penstock.testing import TestSink, TestSource, VirtualTime

pytestmark = pytest.mark.anyio

SECOND = 1_000_000


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


class Pressure:
    """A sensor in the hand of a test."""

    def __init__(self, value=0.7):
        self.value = value

    def __call__(self):
        return self.value


# -- sensors and the governor --------------------------------------------------


def decisions(pressures, **options):
    sensor = Pressure()
    governor = Governor(sensor, Hysteresis(**options))
    found = [governor.decide(0)]
    for i, value in enumerate(pressures):
        sensor.value = value
        found.append(governor.decide((i + 1) * SECOND))
    return found[1:]


def test_pressure_must_last():
    assert decisions([0.9, 0.7, 0.9, 0.9], readings=2) == [0, 0, 0, 1]
    assert decisions([0.9, 0.5, 0.9, 0.5], readings=2) == [0, 0, 0, 0]
    assert decisions([0.9, 0.9, 0.9, 0.9], readings=2) == [0, 1, 0, 1]
    assert decisions([0.5, 0.5, 0.5], readings=3) == [0, 0, -1]


def test_between_the_borders_nothing_changes():
    assert decisions([0.6, 0.8, 0.7] * 5, readings=1) == [0] * 15


def test_a_sensor_is_read_no_oftener_than_said():
    readings = []
    governor = Governor(lambda: readings.append(1) or 0.9, Hysteresis(every="10 s", readings=1))
    assert [governor.decide(at * SECOND) for at in (0, 5, 9, 10, 11, 25, 30)] == [0, 0, 0, 1, 0, 1, 0]
    assert len(readings) == 2


@pytest.mark.parametrize("options", [{"low": 0.8, "high": 0.8}, {"readings": 0}, {"every": "0 s"}, {"low": -1}])
def test_hysteresis_that_cannot_be(options):
    with pytest.raises(PlanError):
        Hysteresis(**options)


def test_sensors_of_the_machine():
    assert 0.0 <= flow.CpuSensor()() <= 1.0
    assert 0.0 < flow.MemorySensor()() < 1.0
    assert flow.MemorySensor("1 MiB")() > 1.0
    assert flow.highest(lambda: 0.2, lambda: 0.7)() == 0.7


async def test_a_latency_sensor_times_calls():
    time = VirtualTime()
    sensor = LatencySensor("100 ms", share=0.5, now=time.now)

    async def call(x):
        await time.sleep_until(time.now() + 200_000)
        if x == 1:
            raise OSError

    timed = sensor.timing(call)
    assert sensor() == 0.0
    async with anyio.create_task_group() as group:
        group.start_soon(timed, 0)
        await time.advance("1 s")
    assert sensor() == 2.0
    sensor.observe(0)
    assert sensor() == 1.0


# -- rates ---------------------------------------------------------------------


async def test_the_rate_follows_the_pressure():
    time, sensor = VirtualTime(), Pressure(0.7)
    sink = TestSink(time)
    adaptive = flow.adapt_rate(sensor, most=100, least=10, hysteresis=Hysteresis(readings=1))
    sink.request(10**6)

    async def a_second():
        before = len(sink.seen)
        await time.advance("1 s")
        return len(sink.seen) - before

    async with Source.range().via(adaptive).to(sink.sink).start(clock=time) as running:
        rate = await running.value("rate")
        assert await a_second() in range(98, 103)
        assert await a_second() in range(98, 103)
        sensor.value = 0.9
        await a_second()
        assert rate.now in (50, 25)
        for _ in range(5):
            await a_second()
        assert rate.now == 10
        assert await a_second() in range(9, 13)
        sensor.value = 0.7
        assert await a_second() in range(9, 13)
        sensor.value = 0.1
        for _ in range(12):
            await a_second()
        assert rate.now == 100
        assert rate.raised == 9
        assert sink.seen == list(range(len(sink.seen)))  # nothing is dropped
        running.cancel()


async def test_chunks_do_not_matter_for_an_adaptive_rate():
    time = VirtualTime()
    through = await time.run(Source.range(50).via(flow.adapt_rate(Pressure(), most=1000)))
    assert through == list(range(50))
    assert time.now() in range(30_000, 52_000)


def test_rates_that_cannot_be():
    for wrong in ({"most": 0}, {"most": 5, "least": 6}, {"most": 5, "least": 0}):
        with pytest.raises(PlanError, match="0 < least <= most"):
            flow.adapt_rate(Pressure(), **wrong)
    with pytest.raises(PlanError, match="function as sensor"):
        flow.adapt_rate(0.5, most=3)


# -- degradation ---------------------------------------------------------------


async def test_quality_goes_down_and_comes_back():
    time, sensor = VirtualTime(), Pressure(0.7)
    probe, sink = TestSource(time), TestSink(time)

    async def middle(x):
        return f"middle {x}"

    levels = [lambda x: f"full {x}", middle, lambda x: f"least {x}"]
    stage = flow.degrade(levels, sensor, hysteresis=Hysteresis(readings=1))
    sink.request(100)
    async with probe.source.via(stage).to(sink.sink).start(clock=time) as running:
        for pressure, level in [(0.7, "full"), (0.9, "middle"), (0.9, "least"), (0.9, "least"), (0.7, "least"),
                                (0.5, "middle"), (0.5, "full"), (0.5, "full")]:  # fmt: skip
            sensor.value = pressure
            probe.send(1)
            await sink.expect(f"{level} 1")
            await time.advance("1 s")
        state = running.values["degradation"]
        assert (state.level, state.changes) == (0, 4)
        assert state.by_level == {0: 3, 1: 2, 2: 3}
        probe.complete()
        await sink.expect_complete()


async def test_a_level_that_fails_is_judged():
    with pytest.raises(ZeroDivisionError):
        await Source.of(1, 0).via(flow.degrade([lambda x: 1 / x], Pressure())).run()
    with pytest.raises(PlanError, match="one function or more"):
        flow.degrade([], Pressure())


# -- shedding ------------------------------------------------------------------


async def shed(stage, items, *, seed=0):
    """What is left of items that come while nobody asks, and the account."""
    time = VirtualTime()
    probe, sink = TestSource(time), TestSink(time)
    async with probe.source.via(stage).to(sink.sink).start(clock=time, seed=seed) as running:
        sink.request(1)
        probe.send("first" if not isinstance(items[0], tuple) else (9, "first"))
        await time.settle()
        probe.send(*items)
        await time.settle()
        sink.request(10**6)
        probe.complete()
        await time.settle()
        return sink.seen[1:], running.values["shed"], running.statistics()


async def test_the_least_important_go():
    stage = flow.shed_by_priority(4, lambda x: x[0])
    items = [(1, "a"), (3, "b"), (1, "c"), (2, "d"), (3, "e"), (2, "f"), (1, "g"), (3, "h")]
    kept, account, statistics = await shed(stage, items)
    assert kept == [(3, "b"), (2, "d"), (3, "e"), (3, "h")]
    assert account.dropped == {1: 3, 2: 1}
    assert account.kept == 5
    assert {s.name: s.dropped for s in statistics}["shed_by_priority"] == {"priority 1": 3, "priority 2": 1}


async def test_shedding_by_priority_is_the_best_that_could_be_kept():
    draw = random.Random(3)
    for size in (1, 5, 40):
        items = [(draw.randrange(6), i) for i in range(200)]
        kept, account, _ = await shed(flow.shed_by_priority(size, lambda x: x[0]), items)
        best = sorted(sorted(items, key=lambda x: (-x[0], x[1]))[:size], key=lambda x: x[1])
        assert kept == best
        assert account.kept + sum(account.dropped.values()) == 201


async def test_without_load_nothing_is_shed():
    assert await Source.range(1000).via(flow.shed_by_priority(1000, lambda x: x)).run() == list(range(1000))
    sampled = await Source.range(1000).via(flow.shed_by_sampling(1000, lambda x: x + 1)).run()
    assert [(one.value, one.weight, one.factor) for one in sampled] == [(x, x + 1, 1.0) for x in range(1000)]


async def test_a_stage_that_sheds_stays_small():
    def heap(stage):
        return len(stage._heap)

    stages = []
    inner = flow.shed_by_priority(10, lambda x: x % 7)
    make = inner.steps[0].make
    spy = Flow((type(inner.steps[0])("spy", lambda up, ctx: stages.append(make(up, ctx)) or stages[-1]),))
    assert await Source.range(50_000).via(spy).run(Sink.fold(0, lambda n, x: n + 1)) > 0
    assert heap(stages[0]) <= 2 * 10 + 3 * 512


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_sums_of_samples_are_unbiased(anyio_backend):
    draw = random.Random(5)
    items = [draw.paretovariate(1.2) for _ in range(60)]
    true, true_even = sum(items), sum(items[::2])
    even = set(items[::2])
    sums, evens, counts = [], [], []
    for seed in range(300):
        kept, account, _ = await shed(flow.shed_by_sampling(12, lambda x: 1.0 if x == "first" else x), items, seed=seed)
        assert len(kept) == 12
        assert account.weight == pytest.approx(true - sum(one.value for one in kept))
        sums.append(sum(one.weight for one in kept))
        evens.append(sum(one.weight for one in kept if one.value in even))
        counts.append(sum(one.factor for one in kept))
    # within four standard errors of the mean, for fixed seeds
    for found, expected in ((sums, true), (evens, true_even), (counts, len(items))):
        mean = sum(found) / len(found)
        error = (sum((x - mean) ** 2 for x in found) / len(found) ** 2) ** 0.5
        assert abs(mean - expected) <= 4 * error
    assert len({round(x, 6) for x in evens}) > 100


async def test_weights_that_cannot_be():
    with pytest.raises(PlanError, match="a number above 0, found 0"):
        await Source.of(0).via(flow.shed_by_sampling(3, lambda x: x)).run()
