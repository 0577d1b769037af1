"""A flow: what is offered to a queue comes out in upper case; who offers waits while the printer is busy."""

from __future__ import annotations

import anyio

from penstock.flow import Sink, Source


async def main() -> None:
    """Run it."""
    queue, words = Source.queue(2)
    async with words.map(str.upper).tap(print).to(Sink.collect()).start() as running:
        for word in ["the", "water", "comes", "down", "the", "pipe"]:
            await queue.offer(word)
        queue.complete()
    assert running.result == ["THE", "WATER", "COMES", "DOWN", "THE", "PIPE"]


if __name__ == "__main__":
    anyio.run(main)
