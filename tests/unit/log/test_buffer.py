"""The buffer on disk between stages: what is not acknowledged comes again, whenever the process ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.core.errors import PlanError
from penstock.flow import Sink, Source
from penstock.log import Log, acknowledging, persistent_buffer
from penstock.testing import TestSink, TestSource, VirtualTime

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


def values(kept):
    return [one.value for one in kept]


async def test_what_is_acknowledged_does_not_come_again(tmp_path):
    buffer = persistent_buffer(tmp_path / "b")

    def first_three(kept):
        if kept.value < 3:
            kept.ack()
        return kept

    assert values(await Source.range(6).via(buffer).map(first_three).run()) == [0, 1, 2, 3, 4, 5]
    assert values(await Source.of(6).via(buffer).run()) == [3, 4, 5, 6]
    assert values(await Source.empty().via(buffer).map(lambda kept: kept.ack() or kept).run()) == [3, 4, 5, 6]
    assert await Source.empty().via(buffer).run() == []


async def test_only_what_has_no_gap_before_it_is_stored(tmp_path):
    buffer = persistent_buffer(tmp_path / "b")

    def all_but_one(kept):
        if kept.value != 2:
            kept.ack()
            kept.ack()
        return kept

    await Source.range(5).via(buffer).map(all_but_one).run()
    assert values(await Source.empty().via(buffer).run()) == [2, 3, 4]


async def test_a_failure_below_loses_nothing(tmp_path):
    buffer = persistent_buffer(tmp_path / "b")
    seen = []

    async def work(x):
        if x == 4 and len(seen) < 5:
            seen.append("failed")
            raise OSError
        seen.append(x)

    stream = Source.range(10).via(buffer).map_async(acknowledging(work))
    with pytest.raises(OSError):  # noqa: PT011  (it has no text)
        await stream.run()
    await Source.empty().via(buffer).map_async(acknowledging(work)).run()
    assert set(seen) - {"failed"} == set(range(10))
    assert await Source.empty().via(buffer).run() == []


async def test_acknowledgements_make_room(tmp_path):
    time = VirtualTime()
    probe, sink = TestSource(time), TestSink(time)

    async def settled():
        for _ in range(20):  # threads are at work
            await time.settle()
            import anyio

            await anyio.sleep(0.002)

    async with probe.source.via(persistent_buffer(tmp_path / "b", most=3)).to(sink.sink).start(clock=time) as running:
        probe.send(*range(10))
        sink.request(10)
        await settled()
        assert values(sink.seen) == [0, 1, 2]
        sink.seen[1].ack()
        await settled()
        assert values(sink.seen) == [0, 1, 2]  # 0 is not acknowledged
        sink.seen[0].ack()
        await settled()
        assert values(sink.seen) == [0, 1, 2, 3, 4]
        assert running.statistics()[1].buffered == 3
        running.cancel()


async def test_what_was_appended_survives_at_any_moment(tmp_path):
    """The directory as it was when the process might have been killed: nothing is missing that was not acknowledged."""
    place, copies, acknowledged = tmp_path / "b", [], set()

    def work(kept):
        kept.ack()
        acknowledged.add(kept.value)
        if kept.value % 7 == 3:
            copy = tmp_path / f"copy-{kept.value}"
            shutil.copytree(place, copy)
            copies.append((copy, set(acknowledged)))
        return kept

    await Source.range(40).via(persistent_buffer(place)).map(work).run(Sink.ignore())
    assert len(copies) == 6
    for copy, before in copies:
        with Log(copy) as log:
            appended = set(range(log.ends()[0]))
        again = values(await Source.empty().via(persistent_buffer(copy)).run())
        assert again == sorted(again)
        assert set(again) | before >= appended


CHILD = """
import sys, anyio
from penstock.flow import Sink, Source
from penstock.log import persistent_buffer

def work(kept):
    print(kept.value, flush=True)
    kept.ack()

async def main():
    first, last = int(sys.argv[2]), int(sys.argv[3])
    await Source.range(first, last).via(persistent_buffer(sys.argv[1], most=50)).to(Sink.for_each(work)).run()

anyio.run(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_kill_loses_nothing(tmp_path, anyio_backend):
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    seen, first = set(), 0
    for kill_after in (1, 37, 200, None):
        command = [sys.executable, "-c", CHILD, str(tmp_path / "b"), str(first), "400"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as child:
            for count, line in enumerate(child.stdout, 1):
                seen.add(int(line))
                if count == kill_after:
                    child.send_signal(signal.SIGKILL)
                    break
            child.stdout.read()
            assert child.wait() == (0 if kill_after is None else -signal.SIGKILL)
        with Log(tmp_path / "b") as log:
            first = log.ends()[0]  # the source goes on behind what the buffer has taken
    assert seen == set(range(400))


async def test_what_cannot_be(tmp_path):
    with pytest.raises(PlanError, match="whole number from 1 on as most, found 0"):
        persistent_buffer(tmp_path / "b", most=0)
    with pytest.raises(PlanError, match="encode"):
        await Source.of(object()).via(persistent_buffer(tmp_path / "b")).run()
    packed = persistent_buffer(tmp_path / "c", encode=str.encode, decode=bytes.decode)
    assert values(await Source.of("ä").via(packed).run()) == ["ä"]
