"""Overflow: the exact survivors of every strategy, under a consumer that asks for nothing for a while."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from penstock.core.errors import PlanError
from penstock.flow import BufferOverflowError, Running, Source, Spill
from penstock.flow.buffers import OVERFLOW
from penstock.testing import TestSink, VirtualTime

BACKENDS = ("asyncio", "trio")

SURVIVORS: dict[str, tuple[list[int], dict[str, int]]] = {
    "backpressure": (list(range(20)), {}),
    "drop_head": ([0, 15, 16, 17, 18, 19], {"drop_head": 14}),
    "drop_tail": ([0, 1, 2, 3, 4, 19], {"drop_tail": 14}),
    "drop_new": ([0, 1, 2, 3, 4, 5], {"drop_new": 14}),
    "drop_buffer": ([0, 16, 17, 18, 19], {"drop_buffer": 15}),
    "fail": ([0, 1, 2, 3, 4, 5], {}),
    "spill": (list(range(20)), {}),
}


def test_every_strategy_is_in_the_table() -> None:
    assert set(SURVIVORS) == set(OVERFLOW)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("overflow", OVERFLOW)
def test_the_survivors_of_a_slow_consumer(overflow: str, backend: str, tmp_path: Path) -> None:
    async def main() -> None:
        time = VirtualTime()
        probe = TestSink(time)
        stream = Source.range(20).buffer(5, overflow, spill=Spill(tmp_path)).to(probe.sink)
        async with stream.start(clock=time) as running:
            probe.request(1)
            await probe.expect(0)
            assert len(list(tmp_path.iterdir())) == (overflow == "spill")
            probe.request(100)
            survivors, dropped = SURVIVORS[overflow]
            await probe.expect(*survivors[1:])
            if overflow == "fail":
                await probe.expect_error(BufferOverflowError)
            else:
                await probe.expect_complete()
            assert of(running, "buffer").dropped == dropped
        assert list(tmp_path.iterdir()) == []

    anyio.run(main, backend=backend)


def of(running: Running, name: str) -> Any:
    return next(one for one in running.statistics() if one.name == name)


@pytest.mark.parametrize("overflow", OVERFLOW)
def test_a_queue_keeps_the_same(overflow: str, tmp_path: Path) -> None:
    async def main() -> None:
        queue, source = Source.queue(5, overflow, spill=Spill(tmp_path))
        kept = []
        for n in range(12):
            try:
                kept.append(queue.offer_nowait(n))
            except BufferOverflowError:
                kept.append(False)
        queue.complete()
        expected = {
            "drop_head": [7, 8, 9, 10, 11],
            "drop_tail": [0, 1, 2, 3, 11],
            "drop_buffer": [10, 11],
            "spill": list(range(12)),
        }.get(overflow, [0, 1, 2, 3, 4])
        assert await source.run() == expected
        assert kept[:5] == [True] * 5
        assert all(kept) == (overflow in ("drop_head", "drop_tail", "drop_buffer", "spill"))
        assert list(tmp_path.iterdir()) == []

    anyio.run(main)


def test_what_cannot_be_spilled_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        time = VirtualTime()
        stream = Source.from_iterable([(1, 2)] * 9).buffer(2, "spill", spill=Spill(tmp_path)).pace("1 s")
        with pytest.raises(PlanError, match="tuple cannot be spilled as JSON"):
            await time.run(stream)
        coded = Spill(tmp_path, encode=lambda x: repr(x).encode(), decode=lambda data: data.decode())
        found = await time.run(Source.from_iterable(range(5)).buffer(1, "spill", spill=coded).pace("1 s"))
        assert [str(x) for x in found] == list("01234")

    anyio.run(main)


def test_spilling_has_a_limit(tmp_path: Path) -> None:
    async def main() -> None:
        stream = Source.range(1000).buffer(1, "spill", spill=Spill(tmp_path, limit=50)).pace("1 s")
        with pytest.raises(BufferOverflowError, match="more than 50 bytes"):
            await VirtualTime().run(stream)
        assert list(tmp_path.iterdir()) == []

    anyio.run(main)


def test_a_spill_that_is_never_empty_gives_its_space_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.flow.spill.SEGMENT", 100)

    async def main() -> None:
        queue, source = Source.queue(1, "spill", spill=Spill(tmp_path, limit=1_000))
        async with source.elements() as elements:
            for n in range(5):
                await queue.offer(n)
            for n in range(5, 2_000):  # far more than the limit in all
                await queue.offer(n)
                assert await anext(elements) == n - 5
                assert len(list(tmp_path.iterdir())) <= 3
        assert list(tmp_path.iterdir()) == []

    anyio.run(main)
