"""A flow: the average of the last n values, as soon as there are n."""

from __future__ import annotations

from collections.abc import Iterable

import anyio

from penstock.flow import Flow, Source


def moving_average(n: int) -> Flow:
    """A piece that fits behind any source of numbers."""
    return Flow().sliding(n).filter(lambda window: len(window) == n).map(lambda window: sum(window) / n)


async def averages(values: Iterable[float], n: int) -> list[float]:
    """All averages."""
    found: list[float] = await Source.from_iterable(values).via(moving_average(n)).run()
    return found


async def main() -> None:
    """Run it."""
    found = await averages([2, 4, 6, 8, 10], 3)
    print(found)
    assert found == [4.0, 6.0, 8.0]


if __name__ == "__main__":
    anyio.run(main)
