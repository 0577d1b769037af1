"""A flow: three simulated sensors, merged; an alert when one has been too hot three times in a row."""

from __future__ import annotations

import random
from typing import NamedTuple

import anyio

from penstock.flow import Source


class Reading(NamedTuple):
    """What a sensor says."""

    sensor: str
    celsius: float


LIMIT = 80.0


def sensor(name: str, drift: float, seed: int) -> Source:
    """A temperature that wanders upward: forty readings, one each millisecond."""
    draw = random.Random(seed)
    steps = Source.tick("1 ms").map(lambda _: draw.gauss(drift, 2.0)).take(40)
    return steps.scan(60.0, lambda at, step: at + step, initial=False).map(lambda at: Reading(name, at))


def alerts(readings: Source) -> Source:
    """One alert for each time that a sensor stays above the limit for three readings."""

    def of_one(name: str, own: Source) -> Source:
        hot = own.scan(0, lambda count, reading: count + 1 if reading.celsius > LIMIT else 0, initial=False)
        return hot.filter(lambda count: count == 3).map(lambda _: f"{name} is too hot")

    return readings.group_by(lambda reading: reading.sensor, of_one)


async def main() -> None:
    """Run it."""
    quiet, drifting, hot = sensor("cellar", 0.0, 1), sensor("boiler", 0.5, 2), sensor("turbine", 2.0, 3)
    found = await alerts(quiet.merge(drifting, hot)).tap(print).run()
    assert "turbine is too hot" in found
    assert "cellar is too hot" not in found


if __name__ == "__main__":
    anyio.run(main)
