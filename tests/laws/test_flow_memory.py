"""A slow consumer: what a stream keeps does not grow with what went through, for every operator and strategy."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from penstock.flow import BufferOverflowError, Flow, Sink, Source, Spill
from penstock.flow.buffers import OVERFLOW
from penstock.flow.stage import Context, Pull
from tests.laws.flow_law import SHAPES, Hurried

SHORT, LONG = 1_000, 4_000
ALLOWED = 50_000
"""Bytes; a list of the 3,000 elements that one stream has more than the other takes twice that."""


def slow(turns: int, most: int = 16, seen: list[int] | None = None) -> Sink:
    """Takes some elements, and does something else for some turns of the loop; the result is how many it took.

    Into `seen` goes how many bytes are in use, every now and then.
    """

    async def drain(up: Pull, context: Context) -> int:
        taken = pulls = 0
        while chunk := await up.pull(most):
            taken += len(chunk)
            del chunk
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            pulls += 1
            if seen is not None and (pulls % 32 == 0 or pulls < 4):
                seen.append(in_use())
        return taken

    return Sink("slow", drain)


def in_use() -> int:
    """Bytes, without what only waits to be collected."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def peak(name: str, n: int) -> int:
    """Bytes that a run had at most beyond those before it."""
    gc.collect()
    gc.freeze()  # what is there before is not looked at each time
    tracemalloc.start()
    try:
        seen = [before := in_use()]
        # Small numbers would cost nothing.
        stream = SHAPES[name](Source.range(1_000, 1_000 + n), slow(3, seen=seen))
        anyio.run(lambda: stream.run(clock=Hurried(), seed=0))
        return max(seen) - before
    finally:
        tracemalloc.stop()
        gc.unfreeze()


KEEP = (
    *("broadcast", "broadcast eager", "balance", "partition", "graph", "merge hub", "broadcast hub", "partition hub"),
    *("feedback", "map_async", "throttle", "delay", "grouped_within", "keep_alive", "buffer", "detach", "conflate"),
    *("batch", "expand", "extrapolate", "aggregate", "prefix_and_tail", "group_by", "merge", "merge_preferred"),
    *("merge_prioritized", "merge_sorted", "merge_latest", "merge_sequence", "zip", "zip_all", "zip_latest"),
    *("interleave", "concat", "also_to", "divert_to", "wire_tap", "kill_switch"),
)
"""What keeps elements while others are at work; the other operators keep a chunk."""


@pytest.mark.slow
@pytest.mark.parametrize("name", KEEP)
def test_memory_does_not_grow_with_the_length_of_a_stream(name: str) -> None:
    assert peak(name, LONG) - peak(name, SHORT) < ALLOWED


def test_what_keeps_all_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    monkeypatch.setitem(SHAPES, "keeps all", lambda source, sink: source.tap(kept.append).to(sink))
    assert peak("keeps all", LONG) - peak("keeps all", SHORT) > ALLOWED


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
