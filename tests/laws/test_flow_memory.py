"""A slow consumer: what a stream keeps does not grow with what went through, for every operator and strategy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from penstock.flow import BufferOverflowError, Flow, Sink, Source, Spill
from penstock.flow.buffers import OVERFLOW
from penstock.flow.stage import Context, Pull
from tests.laws.flow_memory import CASES, blocks_kept

ELEMENTS = 8_000
ALLOWED = 2_500
"""Pieces of memory; chunks under way are some hundred; what keeps every element has twice as many."""


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


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_memory_does_not_grow_with_the_length_of_a_stream(name: str) -> None:
    assert blocks_kept(name, ELEMENTS) < ALLOWED


def test_what_keeps_all_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    monkeypatch.setitem(CASES, "keeps all", lambda source, sink: source.tap(kept.append).to(sink))
    assert blocks_kept("keeps all", ELEMENTS) > 2 * ALLOWED


@pytest.mark.parametrize("overflow", OVERFLOW)
def test_a_buffer_keeps_its_size_at_most_and_accounts_for_the_rest(overflow: str, tmp_path: Path) -> None:
    n, size, most = 100_000, 100, 0

    async def main() -> tuple[int, Any]:
        nonlocal most
        stream = Source.range(n).buffer(size, overflow, spill=Spill(tmp_path)).via(Flow())
        async with stream.to(slow(2, 512)).start() as running:
            while running.state == "running":
                most = max(most, *(one.buffered for one in running.statistics() if one.name == "buffer"), 0)
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
