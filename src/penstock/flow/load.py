"""How loaded the process is, and what follows: sensors, and a controller that does not swing.

A sensor is any function without arguments that gives a pressure: 1.0 is all there is, 0.0 is none. Those here can
be replaced by any other: `lambda: queue_length() / 1000`.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from penstock.core import files
from penstock.core.clock import SystemClock
from penstock.core.errors import PlanError
from penstock.core.sizes import byte_size
from penstock.core.timespan import duration
from penstock.flow.operators.base import function, function_or, number, positive, span_of

T = TypeVar("T")
Sensor = Callable[[], float]

_PROCESSORS = Path("/proc/stat")
_OWN_MEMORY = Path("/proc/self/statm")
_ALL_MEMORY = Path("/proc/meminfo")


class CpuSensor:
    """The share of the processors' time that was used since the last reading, by all processes (Linux).

    Elsewhere: the load average of a minute by the number of processors, 1.0 at most.
    """

    def __init__(self) -> None:
        self._before = self._times()

    def __call__(self) -> float:
        """The share, 0.0 to 1.0; 0.0 if no time has passed."""
        now = self._times()
        if now is None or self._before is None:
            return min(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        (used, total), (used_before, total_before) = now, self._before
        self._before = now
        return (used - used_before) / (total - total_before) if total > total_before else 0.0

    @staticmethod
    def _times() -> tuple[int, int] | None:
        if files.kind(_PROCESSORS) is None:
            return None
        ticks = [int(word) for word in files.read_text(_PROCESSORS).splitlines()[0].split()[1:9]]
        return sum(ticks) - ticks[3] - ticks[4], sum(ticks)  # without idle and waiting for disks


class MemorySensor:
    """The memory of this process as a share of a limit (Linux).

    Attributes:
        limit: `"4 GiB"` or bytes; without it, the memory of the machine.
    """

    def __init__(self, limit: str | int | None = None) -> None:
        if files.kind(_OWN_MEMORY) is None:
            raise PlanError("the memory of a process is known on Linux only", hint="hand in a sensor of your own")
        self.limit = self._machine() if limit is None else self._checked(limit)

    def __call__(self) -> float:
        """The share."""
        return int(files.read_text(_OWN_MEMORY).split()[1]) * os.sysconf("SC_PAGE_SIZE") / self.limit

    @staticmethod
    def _checked(limit: Any) -> int:
        found = byte_size(limit) if isinstance(limit, str) else limit
        return positive("a MemorySensor", "limit", found)

    @staticmethod
    def _machine() -> int:
        return int(files.read_text(_ALL_MEMORY).split()[1]) * 1024


class LatencySensor:
    """How long things take, as a share of a target: a mean in which each new one counts `share`.

    `sensor.timing(f)` is the async function `f`, timed: `source.map_async(sensor.timing(call))`.
    """

    def __init__(self, target: Any, *, share: float = 0.2, now: Callable[[], int] | None = None) -> None:
        self.target_us = span_of("a LatencySensor", target, name="target")
        self._share = number("a LatencySensor", "share", share, 0.001, 1)
        self._now: Callable[[], int] = function_or("a LatencySensor", now, "now", None) or SystemClock().monotonic
        self._mean: float | None = None

    def __call__(self) -> float:
        """The mean by the target; 0.0 before the first observation."""
        return 0.0 if self._mean is None else self._mean / self.target_us

    def observe(self, us: int) -> None:
        """Note how long something took."""
        self._mean = us if self._mean is None else self._mean + self._share * (us - self._mean)

    def timing(self, f: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """The same async function, each call timed, also one that fails."""

        async def timed(*arguments: Any) -> T:
            begun = self._now()
            try:
                return await f(*arguments)
            finally:
                self.observe(self._now() - begun)

        return timed


def highest(*sensors: Sensor) -> Sensor:
    """The pressure of the sensor that reads highest."""
    for sensor in sensors:
        function("highest", sensor, "sensor")
    if not sensors:
        raise PlanError("highest takes at least one sensor")
    return lambda: max(sensor() for sensor in sensors)


@dataclass(frozen=True)
class Hysteresis:
    """When pressure counts as too high, and when as low again.

    Attributes:
        low: Below this it is low.
        high: Above this it is too high. Between the two nothing changes, so that nothing swings.
        readings: How many readings in a row must agree.
        every: The time between two readings.
    """

    low: float = 0.6
    high: float = 0.8
    readings: int = 2
    every: Any = "1 s"

    def __post_init__(self) -> None:
        number("a Hysteresis", "low", self.low, 0)
        number("a Hysteresis", "high", self.high, 0)
        if not self.low < self.high:
            raise PlanError(f"low is less than high, found {self.low} and {self.high}")
        positive("a Hysteresis", "readings", self.readings)
        span_of("a Hysteresis", self.every, name="every")


def steady(verb: str, hysteresis: Any) -> Hysteresis:
    """The hysteresis that was given, or the usual one.

    Raises:
        PlanError: If it is something else.
    """
    if hysteresis is not None and not isinstance(hysteresis, Hysteresis):
        raise PlanError(f"{verb} takes a Hysteresis, found {hysteresis!r}")
    return hysteresis or Hysteresis()


@dataclass
class Governor:
    """Reads a sensor now and then, and says what to do: +1 relieve, -1 restore, 0 nothing.

    Attributes:
        sensor: Gives the pressure.
        hysteresis: What counts as high and low.
        pressure: The last reading.
    """

    sensor: Sensor
    hysteresis: Hysteresis
    pressure: float = 0.0
    _streak: int = 0
    _next: int | None = None
    _every: int = field(init=False)

    def __post_init__(self) -> None:
        self._every = duration(self.hysteresis.every)

    def decide(self, now: int) -> int:
        """What to do at an instant. After a decision the streak begins anew, so that its effect is seen first."""
        if self._next is None:
            self._next = now + self._every
            return 0
        if now < self._next:
            return 0
        self._next = now + self._every
        self.pressure = self.sensor()
        side = (self.pressure > self.hysteresis.high) - (self.pressure < self.hysteresis.low)
        self._streak = self._streak + side if side and self._streak * side >= 0 else side
        if abs(self._streak) < self.hysteresis.readings:
            return 0
        self._streak = 0
        return side
