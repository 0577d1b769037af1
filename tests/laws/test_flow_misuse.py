"""Misuse of every public name: a clear error, at once where that is possible, and nothing is held."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from penstock import flow
from penstock.core.errors import PenstockError
from penstock.flow import Flow, Graph, NoElementError, Sink, Source, StreamClosedError
from penstock.testing import VirtualTime
from tests.laws.flow_law import BACKENDS, SHAPES, Hurried, Ledger
from tests.laws.flow_misuse import MADE, NOTHING_TO_REFUSE, misuses
from tools import gen_flow_reference

# -- wrong values ------------------------------------------------------------------------------------------------------


def test_every_wrong_value_of_every_parameter_is_refused_before_anything_runs() -> None:
    unclear = []
    seen = 0
    for what, call in misuses():
        seen += 1
        try:
            call()
        except PenstockError as error:
            if not any(word in str(error) for word in ("found", " takes ", "is not a size")):
                unclear.append(f"{what}: {error}")
        except Exception as error:  # noqa: BLE001  (a traceback for a user's mistake: reported)
            unclear.append(f"{what}: {error!r}")
        else:
            unclear.append(f"{what} was taken")
    assert not unclear, "\n".join(unclear)
    assert seen > 1_000


def test_no_public_name_is_left_out() -> None:
    made = {f"Source.{name}" for name in gen_flow_reference.makers(Source)}
    made |= {f"Sink.{name}" for name in gen_flow_reference.makers(Sink)}
    made |= {name for name, value in vars(flow).items() if name in flow.__all__ and inspect.isfunction(value)}
    asynchronous = {"to_publisher", "to_subscriber", "to_processor", "observe"}  # below
    assert not made - set(MADE) - NOTHING_TO_REFUSE - asynchronous


@pytest.mark.parametrize("adapter", [flow.to_publisher, flow.to_subscriber, flow.to_processor])
@pytest.mark.parametrize("backend", BACKENDS)
def test_adapters_refuse_what_they_cannot_adapt(adapter: Any, backend: str) -> None:
    async def main() -> None:
        for value in (3, None, Graph, flow.KillSwitch()):
            with pytest.raises(PenstockError, match="found"):
                async with adapter(value):
                    raise AssertionError("entered")
        right: dict[Any, Any] = {flow.to_publisher: Source.empty(), flow.to_subscriber: Sink.ignore()}
        for wrong in (3, "utc"):
            with pytest.raises(PenstockError, match="clock"):
                async with adapter(right.get(adapter, Flow()), clock=wrong):
                    raise AssertionError("entered")
        if adapter is not flow.to_publisher:
            with pytest.raises(PenstockError, match="size"):
                async with adapter(right.get(adapter, Flow()), size=0):
                    raise AssertionError("entered")

    anyio.run(main, backend=backend)


# -- wrong states ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_handle_starts_once_and_answers_in_every_state(name: str, backend: str) -> None:
    async def main() -> None:
        ledger = Ledger()
        stream = SHAPES[name](ledger.source("a", list(range(6))), Flow().via(ledger.flow("b")).to(Sink.ignore()))
        running = stream.start(clock=VirtualTime())
        for early in (running.cancel, running.shutdown, running.abort, running.statistics, lambda: running.values):
            with pytest.raises(StreamClosedError, match="has not started"):
                early()
        assert running.state == "new"
        try:
            async with running:
                with pytest.raises(StreamClosedError, match="starts once"):
                    async with running:
                        raise AssertionError("entered")
                with pytest.raises(StreamClosedError, match="no result: the stream is running"):
                    assert running.result
                running.cancel()
                running.cancel()
        except NoElementError:  # of an input that was cancelled before it gave something
            pass
        assert running.state in ("cancelled", "completed")  # trio lets what never waits finish
        for again in (running.cancel, running.shutdown, running.abort):
            again()
        if running.state == "cancelled":
            with pytest.raises(StreamClosedError, match="no result: the stream is cancelled"):
                assert running.result
            with pytest.raises(StreamClosedError, match="cancelled"):
                await running.wait()
        assert running.statistics()
        assert ledger.held() == []
        with pytest.raises(StreamClosedError, match="starts once"):
            async with running:
                raise AssertionError("entered")

    anyio.run(main, backend=backend)


ONCE: dict[str, Callable[[], Any]] = {
    "queue": lambda: Source.queue(3)[1].to(Sink.ignore()),
    "merge hub": lambda: flow.MergeHub().source.to(Sink.ignore()),
    "broadcast hub": lambda: Source.never().to(flow.BroadcastHub().sink),
    "partition hub": lambda: Source.never().to(flow.PartitionHub(lambda x, n: 0).sink),
}


@pytest.mark.parametrize("name", ONCE)
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_runs_once_says_so_the_second_time(name: str, backend: str) -> None:
    async def main() -> None:
        stream = ONCE[name]()
        async with stream.start() as running:
            await anyio.lowlevel.checkpoint()
            with pytest.raises(StreamClosedError, match="runs once"):
                await stream.run()
            assert running.state == "running"  # the first goes on
            running.cancel()

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_queue_refuses_what_comes_behind_its_end(backend: str) -> None:
    async def main() -> None:
        for end in ("complete", "fail", "stream"):
            queue, source = Source.queue(3)
            if end == "complete":
                queue.complete()
                queue.complete()
            elif end == "fail":
                queue.fail(ValueError("no"))
                queue.complete()
                with pytest.raises(ValueError, match="no"):
                    await source.run()
            else:
                async with source.to(Sink.ignore()).start() as running:
                    await anyio.lowlevel.checkpoint()
                    running.cancel()
            with pytest.raises(StreamClosedError, match="the queue is closed"):
                await queue.offer(1)
            with pytest.raises(StreamClosedError, match="the queue is closed"):
                queue.offer_nowait(1)

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_waits_for_room_learns_of_the_end(backend: str) -> None:
    async def main() -> None:
        queue, source = Source.queue(1)
        failures: list[Exception] = []

        async def offer() -> None:
            try:
                for n in range(9):
                    await queue.offer(n)
            except StreamClosedError as closed:
                failures.append(closed)

        async with source.map_async(never).to(Sink.ignore()).start() as running:
            async with anyio.create_task_group() as group:
                group.start_soon(offer)
                await anyio.wait_all_tasks_blocked()
                running.cancel()
        assert len(failures) == 1

    anyio.run(main, backend=backend)


async def never(x: Any) -> None:
    """A call that does not end."""
    await anyio.sleep_forever()


# -- functions that block ----------------------------------------------------------------------------------------------

HOLDS: dict[str, Callable[[Source, Callable[[int], Any]], Any]] = {
    "map": lambda source, f: source.map(f),
    "filter": lambda source, f: source.filter(f),
    "stateful_map": lambda source, f: source.stateful_map(int, lambda n, x: (n, f(x))),
    "scan": lambda source, f: source.scan(0, lambda n, x: f(x)),
    "Sink.for_each": lambda source, f: source.to(Sink.for_each(f)),
    "Sink.fold": lambda source, f: source.to(Sink.fold(0, lambda n, x: f(x))),
    "Sink.all": lambda source, f: source.to(Sink.all(lambda x: f(x) or True)),
}


@pytest.mark.parametrize("name", HOLDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_function_that_blocks_is_named_and_holds_the_loop_for_one_call_at_a_time(name: str, backend: str) -> None:
    time = Hurried()
    turns = calls = 0

    def blocks(x: int) -> int:
        nonlocal calls
        calls += 1
        time.instant += 2_000_000  # as a call of two seconds would
        return x

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async def main() -> None:
        stream = HOLDS[name](Source.range(30), blocks)
        async with anyio.create_task_group() as group:
            group.start_soon(others)
            with pytest.warns(flow.BlockingWarning, match=rf"a function of {name} held the event loop for 2.0 s"):
                await (stream.to(Sink.ignore()) if isinstance(stream, Source) else stream).run(clock=time)
            group.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    assert calls == 30
    assert turns > 20
