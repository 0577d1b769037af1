"""Streams that yield to load: an adaptive rate, and work that is done more cheaply for a while."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core.errors import PlanError
from penstock.flow.load import Governor, Hysteresis, Sensor, steady
from penstock.flow.operators.base import Step, checked_name, function, listed, number
from penstock.flow.shapes import Flow
from penstock.flow.stage import STOP, Context, Pull, Stage

SECOND = 1_000_000


@dataclass
class Rate:
    """The rate of a running `adapt_rate`; materialised.

    Attributes:
        now: Elements a second.
        pressure: The last reading of the sensor.
        lowered: How often it was lowered.
        raised: How often it was raised.
    """

    now: float
    pressure: float = 0.0
    lowered: int = 0
    raised: int = 0


class _Adaptive(Stage):
    """A token bucket whose rate follows the governor."""

    def __init__(self, up: Pull, context: Context, governor: Governor, limits: tuple[float, float], name: str) -> None:
        super().__init__(up, context)
        self._governor = governor
        self._least, self._most = limits
        self.rate = Rate(self._most)
        self._tokens = 1.0
        self._filled = context.clock.now()
        context.run.give(name, self.rate)

    async def pull(self, most: int) -> list[Any]:
        clock = self.context.clock
        while True:
            now = clock.now()
            self._fill(now)
            self._adjust(now)
            if self._tokens >= 1:
                break
            await clock.sleep_until(now + max(1, int((1 - self._tokens) / self.rate.now * SECOND) + 1))
        chunk = await self.up.pull(min(most, int(self._tokens)))
        self._fill(clock.now())
        self._tokens -= len(chunk)
        return chunk

    def _fill(self, now: int) -> None:
        burst = max(1.0, self.rate.now / 10)  # what a tenth of a second gives
        self._tokens = min(burst, self._tokens + self.rate.now * (now - self._filled) / SECOND)
        self._filled = now

    def _adjust(self, now: int) -> None:
        decision = self._governor.decide(now)
        rate = self.rate
        rate.pressure = self._governor.pressure
        if decision > 0 and rate.now > self._least:
            rate.now, rate.lowered = max(self._least, rate.now / 2), rate.lowered + 1
        elif decision < 0 and rate.now < self._most:
            rate.now, rate.raised = min(self._most, rate.now + self._most / 10), rate.raised + 1


def adapt_rate(
    sensor: Sensor,
    *,
    most: float,
    least: float = 1.0,
    hysteresis: Hysteresis | None = None,
    name: str = "rate",
) -> Flow:
    """Let elements through at a rate that follows a pressure: back-pressure above, nothing is dropped.

    Under too high a pressure the rate is halved, under a low one a tenth of `most` is added (additive increase,
    multiplicative decrease, as TCP does). The bucket holds what a tenth of a second gives.

    Args:
        sensor: Gives the pressure: `CpuSensor()`, `MemorySensor("2 GiB")`, `LatencySensor("50 ms")`, any function.
        most: The highest rate, in elements a second; the first.
        least: The lowest.
        hysteresis: What counts as high and low, and how often it is read.
        name: Under which the `Rate` is materialised.

    Raises:
        PlanError: If the rates cannot be, or the sensor is no function.
    """
    function("adapt_rate", sensor, "sensor")
    number("adapt_rate", "most", most, 0)
    number("adapt_rate", "least", least, 0)
    name = checked_name("adapt_rate", name)
    if not 0 < least <= most:
        raise PlanError(f"adapt_rate takes rates with 0 < least <= most, found {least} and {most}")
    even = steady("adapt_rate", hysteresis)
    return Flow((Step("adapt_rate", lambda up, ctx: _Adaptive(up, ctx, Governor(sensor, even), (least, most), name)),))


@dataclass
class Degradation:
    """How far a running `degrade` has come down; materialised.

    Attributes:
        level: The present level: 0 is full quality.
        pressure: The last reading of the sensor.
        by_level: How many elements went through each level.
        changes: How often the level changed.
    """

    level: int = 0
    pressure: float = 0.0
    changes: int = 0
    by_level: Counter[int] = field(default_factory=Counter)


class _Degrading(Stage):
    def __init__(
        self, up: Pull, context: Context, levels: Sequence[Callable[[Any], Any]], governor: Governor, name: str
    ) -> None:
        super().__init__(up, context)
        self._levels, self._governor = levels, governor
        self.state = Degradation()
        context.run.give(name, self.state)

    async def pull(self, most: int) -> list[Any]:
        while chunk := await self.up.pull(1):
            state = self.state
            self._adjust()
            try:
                value = self._levels[state.level](chunk[0])
                if inspect.isawaitable(value):
                    value = await value
            except Exception as failure:
                if self.context.verdict(failure) == STOP:
                    raise
                self.dropped["failed"] += 1
                continue
            state.by_level[state.level] += 1
            return [value]
        return []

    def _adjust(self) -> None:
        state = self.state
        decision = self._governor.decide(self.context.clock.now())
        state.pressure = self._governor.pressure
        level = min(len(self._levels) - 1, max(0, state.level + decision))
        if level != state.level:
            state.level, state.changes = level, state.changes + 1


def degrade(
    levels: Sequence[Callable[[Any], Any]],
    sensor: Sensor,
    *,
    hysteresis: Hysteresis | None = None,
    name: str = "degradation",
) -> Flow:
    """Work on each element by the first of several functions, by a cheaper one under load, and back again.

    Args:
        levels: What is done, the best first; async functions are awaited, one element at a time.
        sensor: Gives the pressure. A level is left for the next when it is too high, for the one before when it is low.
        hysteresis: What counts as high and low, and how often it is read.
        name: Under which the `Degradation` is materialised.

    Nothing is dropped; which level an element got depends on the clock.

    Raises:
        PlanError: If there is no level, or the sensor is no function.
    """
    chosen = listed("degrade", "levels", levels)
    if not chosen or not all(callable(one) for one in chosen):
        raise PlanError("degrade takes one function or more, the best first")
    function("degrade", sensor, "sensor")
    even, name = steady("degrade", hysteresis), checked_name("degrade", name)
    return Flow((Step("degrade", lambda up, ctx: _Degrading(up, ctx, chosen, Governor(sensor, even), name)),))
