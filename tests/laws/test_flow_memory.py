"""A slow consumer: what a stream keeps does not grow with what went through, for every operator and strategy."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from penstock.flow import BufferOverflowError, Flow, Graph, Runnable, Sink, Source, Spill
from penstock.flow.buffers import OVERFLOW
from penstock.flow.stage import Context, Pull
from penstock.testing import VirtualTime
from tests.laws.flow_law import SHAPES

SHORT, LONG = 2_000, 6_000
ALLOWED = 60_000
"""Bytes; a list of the 4,000 elements that one stream has more than the other takes three times that."""


def slow(turns: int, most: int = 16) -> Sink:
    """Takes some elements, and does something else for some turns of the loop; the result is how many it took."""

    async def drain(up: Pull, context: Context) -> int:
        taken = 0
        while chunk := await up.pull(most):
            taken += len(chunk)
            del chunk
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
        return taken

    return Sink("slow", drain)


async def run(stream: Runnable | Graph) -> None:
    time = VirtualTime()
    async with stream.start(clock=time, seed=0) as running:
        while running.state == "running":
            await time.step() or await time.settle()


def peak(name: str, n: int) -> int:
    """Bytes that a run had at most beyond those before it."""
    stream = SHAPES[name](Source.range(1_000, 1_000 + n), slow(3))  # small numbers would cost nothing

    async def main() -> int:
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            await run(stream)
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()

    return anyio.run(main)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_memory_does_not_grow_with_the_length_of_a_stream(name: str) -> None:
    assert peak(name, LONG) - peak(name, SHORT) < ALLOWED


def test_what_keeps_all_is_found() -> None:
    SHAPES["keeps all"] = lambda source, sink: source.fold([], lambda a, x: [*a, x] if x % 9 == 0 else a).to(sink)
    try:
        assert peak("keeps all", LONG) - peak("keeps all", SHORT) > ALLOWED / 10
    finally:
        del SHAPES["keeps all"]


@pytest.mark.parametrize("overflow", OVERFLOW)
def test_a_buffer_keeps_its_size_at_most_and_accounts_for_the_rest(overflow: str, tmp_path: Path) -> None:
    n, size, most = 100_000, 100, 0

    async def main() -> tuple[int, Any]:
        nonlocal most
        stream = Source.range(n).buffer(size, overflow, spill=Spill(tmp_path)).via(Flow())
        async with stream.to(slow(2, 512)).start() as running:
            while running.state == "running":
                (buffer,) = (one for one in running.statistics() if one.name == "buffer")
                most = max(most, buffer.buffered)
                await anyio.lowlevel.checkpoint()
        return running.result, running.statistics()[1]

    if overflow == "fail":
        with pytest.raises(BufferOverflowError, match="100 elements is full"):
            anyio.run(main)
        return
    taken, buffer = anyio.run(main)
    assert taken + sum(buffer.dropped.values()) == n
    assert most == size or (overflow == "spill" and most > size) or (overflow == "drop_buffer" and most <= size)
    if overflow in ("backpressure", "spill"):
        assert taken == n
    else:
        assert buffer.dropped[overflow] > 0
