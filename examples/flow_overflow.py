"""A flow: what each strategy of a full buffer keeps, while a slow consumer has not asked for anything yet."""

from __future__ import annotations

import tempfile

import anyio

from penstock.flow import BufferOverflowError, Sink, Source, Spill

STRATEGIES = ("backpressure", "drop_head", "drop_tail", "drop_new", "drop_buffer", "fail", "spill")


async def survivors(strategy: str, spill: Spill) -> tuple[list[int], int]:
    """Ten elements are offered to a buffer of four before anybody takes one; what comes out, and what was dropped."""
    queue, source = Source.queue(4, strategy, spill=spill)
    async with anyio.create_task_group() as group:
        offered = anyio.Event()

        async def offer() -> None:
            for i in range(10):
                with anyio.move_on_after(0.05) as waited:  # under backpressure there is no room before somebody takes
                    try:
                        await queue.offer(i)
                    except BufferOverflowError:
                        break
                if waited.cancelled_caught:
                    break
            queue.complete()
            offered.set()

        group.start_soon(offer)
        await offered.wait()
    kept = await source.run(Sink.collect())
    return kept, sum(queue.dropped.values())


async def main() -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        found = {strategy: await survivors(strategy, Spill(folder)) for strategy in STRATEGIES}
    for strategy, (kept, dropped) in found.items():
        print(f"{strategy:13} {kept!s:32} dropped {dropped}")
    assert found["backpressure"] == ([0, 1, 2, 3], 0)  # and the producer waits with 4
    assert found["drop_head"] == ([6, 7, 8, 9], 6)
    assert found["drop_tail"] == ([0, 1, 2, 9], 6)
    assert found["drop_new"] == ([0, 1, 2, 3], 6)
    assert found["drop_buffer"] == ([8, 9], 8)
    assert found["fail"] == ([0, 1, 2, 3], 0)  # and the producer is told
    assert found["spill"] == (list(range(10)), 0)


if __name__ == "__main__":
    anyio.run(main)
