"""Runs: handles, failures, cancellation, demand, statistics; bad use says what was wrong."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from penstock import flow
from penstock.core.errors import PlanError
from penstock.flow import KillSwitch, LimitExceededError, NoElementError, Sink, Source, StreamClosedError
from penstock.flow.clock import Signal
from penstock.flow.tasks import Fiber
from penstock.testing import StuckError, TestSink, TestSource, VirtualTime

pytestmark = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def test_the_example_of_the_design(backend: str) -> None:
    async def main() -> Any:
        queue, numbers = flow.Source.queue(100, overflow="drop_head")
        async with numbers.map(abs).grouped_within(50, "1 s").to(flow.Sink.collect()).start() as running:
            await queue.offer(-7)
            queue.complete()
        return running.result

    assert anyio.run(main, backend=backend) == [[7]]


def test_demand_goes_up_and_elements_come_down(backend: str) -> None:
    async def main() -> None:
        time = VirtualTime()
        source, sink = TestSource(time), TestSink(time)
        async with source.source.map(lambda x: x * 2).filter(lambda x: x != 4).to(sink.sink).start(clock=time):
            await source.expect_no_request()
            sink.request(2)
            assert await source.expect_request() == 2
            source.send(1, 2, 3, 4)
            await sink.expect(2, 6)
            await sink.expect_no("1 h")
            await source.expect_no_request()
            sink.request(1)
            source.fail(KeyError("x"))
            await sink.expect(8)
            sink.request(1)
            await sink.expect_error(KeyError)
            await source.expect_closed()

    anyio.run(main, backend=backend)


def test_a_failure_comes_as_it_is_and_cancels_the_block(backend: str) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            async with Source.of(0).map(lambda x: 1 // x).to(Sink.collect()).start() as running:
                await anyio.sleep_forever()
        assert running.state == "failed"
        with pytest.raises(ZeroDivisionError):
            assert running.result

    anyio.run(main, backend=backend)


def test_a_failure_of_the_block_cancels_the_stream(backend: str) -> None:
    async def main() -> None:
        with pytest.raises(KeyError):
            async with Source.never().to(Sink.collect()).start() as running:
                raise KeyError("mine")
        assert running.state == "cancelled"
        with pytest.raises(StreamClosedError, match="cancelled"):
            assert running.result

    anyio.run(main, backend=backend)


def test_a_time_out_around_a_run_closes_a_generator(backend: str) -> None:
    closed = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            await anyio.sleep_forever()
        finally:
            closed.append(True)

    async def main() -> None:
        with anyio.move_on_after(0.01):
            await Source.from_async(numbers()).run()
        assert closed == [True]

    anyio.run(main, backend=backend)


def test_kill_switches(backend: str) -> None:
    async def main() -> None:
        time = VirtualTime()
        switch = KillSwitch()
        async with Source.tick("1 s", 1).kill_switch(switch).to(Sink.collect()).start(clock=time) as running:
            await time.advance("2500 ms")
            switch.shutdown()
        assert running.result == [1, 1, 1]
        async with Source.never().recover(type).to(Sink.collect()).start() as running:
            running.abort()
        assert running.result == [flow.StreamAbortedError]

    anyio.run(main, backend=backend)


def test_statistics_of_every_stage(backend: str) -> None:
    async def main() -> None:
        time = VirtualTime()
        stream = Source.tick("1 s", 1).take(4).map(abs).filter(lambda x: False)
        async with stream.to(Sink.count()).start(clock=time) as running:
            await time.advance("10 s")
        names = [one.name for one in running.statistics()]
        assert names == ["tick", "take", "map", "filter", "count"]
        by_name = {one.name: one for one in running.statistics()}
        assert (by_name["map"].elements_in, by_name["map"].elements_out) == (4, 4)
        assert (by_name["filter"].elements_in, by_name["filter"].elements_out) == (4, 0)
        assert by_name["map"].waiting_for_input_us == 3_000_000
        assert {one.state for one in running.statistics() if one.name != "tick"} == {"completed"}

    anyio.run(main, backend=backend)


def test_the_pull_view(backend: str) -> None:
    async def main() -> None:
        seen = []
        async with Source.range().elements() as elements:
            async for x in elements:
                seen.append(x)
                if x == 3:
                    break
        assert seen == [0, 1, 2, 3]

    anyio.run(main, backend=backend)


def test_what_never_ends_is_told(backend: str) -> None:
    async def main() -> None:
        with pytest.raises(StuckError):
            await VirtualTime().run(Source.never())

    anyio.run(main, backend=backend)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Source.range(3).take(-1), "take takes a whole number from 0 on as n, found -1"),
        (lambda: Source.range(3).buffer(0), "buffer takes a whole number from 1 on"),
        (lambda: Source.range(3).buffer(3, "drop"), "found 'drop'"),
        (lambda: Source.range(3).map(3), "map takes a function as f, found int"),
        (lambda: Source.range(3).map(anyio.sleep), "map_async waits"),
        (lambda: Source.from_iterable(3), "takes an iterable, found int"),
        (lambda: Source.range(3).via(Sink.count()), "via takes a Flow, found Sink"),
        (lambda: Source.range(3).to(Source.empty()), "to takes a Sink, found Source"),
        (lambda: Source.range(3).throttle(1, "0 s"), "above zero"),
        (lambda: Source.range(3).throttle(1, 5), "needs a unit"),
        (lambda: Source.range(3).merge(), "one other source or more"),
        (lambda: Source.range(3).supervised("ignore"), "one of stop, resume, restart"),
        (lambda: flow.Feedback(0), "a cycle needs a buffer"),
        (lambda: flow.Graph(), "one stream or more"),
    ],
)
def test_bad_use_says_what_was_wrong(make: Any, message: str, backend: str) -> None:
    with pytest.raises(PlanError) as raised:
        make()
    assert message in str(raised.value)


def test_bad_use_that_shows_when_it_runs(backend: str) -> None:
    async def main() -> None:
        queue, source = Source.queue(1)
        queue.complete()
        assert await source.run() == []
        with pytest.raises(StreamClosedError, match="runs once"):
            await source.run()
        with pytest.raises(StreamClosedError, match="the stream has ended"):
            await queue.offer(1)
        with pytest.raises(NoElementError):
            await Source.empty().run(Sink.first())
        with pytest.raises(LimitExceededError):
            await Source.range(5).group_by(lambda x: x, lambda key, sub: sub, most=3).run()
        with pytest.raises(PlanError, match="leads nowhere"):
            await flow.Graph(a=Source.range(3).broadcast(2)[0].to(Sink.count())).run()
        with pytest.raises(PlanError, match="async function"):
            await Source.range(3).map_async(abs).run()  # type: ignore[arg-type]

    anyio.run(main, backend=backend)


def test_graphs(backend: str) -> None:
    async def main() -> None:
        left, right = Source.range(5).broadcast(2)
        assert await left.zip(right.map(lambda x: x * x)).run() == [(x, x * x) for x in range(5)]
        graph = flow.Graph(all=left.to(Sink.collect()), two=right.take(2).to(Sink.collect()))
        assert await graph.run() == {"all": [0, 1, 2, 3, 4], "two": [0, 1]}
        loop = flow.Feedback(10)
        doubled = Source.of(1, 3).merge(loop.source).map(lambda x: 2 * x)
        again, done = doubled.partition(2, lambda x: int(x > 10), eager=True)
        found = await flow.Graph(back=again.to(loop.sink), done=done.take(2).to(Sink.collect())).run()
        assert sorted(found["done"]) == [12, 16]

    anyio.run(main, backend=backend)


def test_time_is_not_still_while_a_cancellation_is_on_its_way(backend: str) -> None:
    """asyncio tells a task that is about to run of its cancellation one turn of the loop later."""

    async def main() -> None:
        time, signal = VirtualTime(), Signal()

        async def work() -> None:
            await signal.wait()
            await signal.wait()

        async with anyio.create_task_group() as group:
            fiber = Fiber(group, work)
            await time.settle()

            async def cancel() -> None:
                fiber.cancel()

            group.start_soon(cancel)
            signal.notify()
            await time.settle()
            assert fiber.done
            group.cancel_scope.cancel()

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("how", ["stop", "resume", "restart"])
@pytest.mark.parametrize("sizes", [[1] * 9, [9], [2, 3]])
def test_a_coroutine_instead_of_a_value_fails_its_own_element(backend: str, how: str, sizes: list[int]) -> None:
    async def later(x: int) -> int:
        return x

    async def main() -> tuple[list[Any], int]:
        seen: list[Any] = []
        mixed = Source.range(9).rechunk(sizes).map(lambda x: later(x) if x in (2, 3, 6) else x).supervised(how)
        running = mixed.to(Sink.for_each(seen.append)).start()
        with contextlib.suppress(PlanError):
            async with running:
                await running.wait()
        return seen, running.statistics()[2].dropped["failed"] if how != "stop" else 0

    found = anyio.run(main, backend=backend)
    assert found == (([0, 1], 0) if how == "stop" else ([0, 1, 4, 5, 7, 8], 3))
