"""A flow: the running sum of the numbers of a file that are not negative, with constant memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio

from penstock.flow import Sink, Source


def running_sum(path: Path) -> Source:
    """The sums; a line that is no number ends the stream with an error."""
    numbers = Source.from_lines(path).map(float).filter(lambda number: number >= 0)
    return numbers.scan(0.0, lambda total, number: total + number, initial=False)


async def main() -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "numbers.txt"
        path.write_text("3\n-8\n0.5\n4\n-1\n", encoding="utf-8")
        await running_sum(path).run(Sink.for_each(print))
        assert await running_sum(path).run() == [3.0, 3.5, 7.5]


if __name__ == "__main__":
    anyio.run(main)
