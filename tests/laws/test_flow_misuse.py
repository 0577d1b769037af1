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

        stream = source.map_async(never).to(Sink.ignore())
        async with stream.start() as running, anyio.create_task_group() as group:
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


# -- functions of sources, sinks, junctions and hubs that fail ---------------------------------------------------------


class Planned(Exception):
    """What the functions here raise."""


class Fails:
    """A function, or something to iterate or enter, that fails at a given call."""

    def __init__(self, at: int, good: Any = None) -> None:
        self.left, self.good = at, good

    def once(self) -> None:
        """Count a call."""
        self.left -= 1
        if self.left < 0:
            raise Planned

    def __call__(self, *values: Any) -> Any:
        self.once()
        return self.good(*values) if callable(self.good) else self.good

    async def later(self, *values: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return self(*values)

    def __iter__(self) -> Any:
        self.once()
        while True:
            yield 1
            self.once()

    async def __aiter__(self) -> Any:
        for x in self:
            await anyio.lowlevel.checkpoint()
            yield x

    def __enter__(self) -> Any:
        return self()

    def __exit__(self, *_: Any) -> None:
        self.once()

    def subscribe(self, *_: Any, **__: Any) -> None:
        """Of a publisher or an observable."""
        self.once()


FAILING_SOURCES: dict[str, Callable[[Fails], Source]] = {
    "from_iterable": lambda f: Source.from_iterable(f),
    "from_factory": lambda f: Source.from_factory(lambda: f),
    "from_async": lambda f: Source.from_async(f),
    "from_blocking": lambda f: Source.from_blocking(f),
    "from_publisher": lambda f: Source.from_publisher(f),  # type: ignore[arg-type]
    "from_observable": lambda f: flow.from_observable(f, 3),
    "iterate": lambda f: Source.iterate(0, f),
    "unfold": lambda f: Source.unfold(0, lambda n: (n, f(n))),
    "unfold_async": lambda f: Source.unfold_async(0, f.later),
    "call": lambda f: Source.call(f.later).repeat(),
    "calls": lambda f: Source.calls(f.later),
    "lazy": lambda f: Source.lazy(lambda: [f()]).repeat(),
    "resource entered": lambda f: Source.resource(lambda: f).repeat(),
    "created": lambda f: Source.unfold_resource(f, lambda held: None, lambda held: None).concat([1]).repeat(),
    "read": lambda f: Source.unfold_resource(int, lambda held: f() or 1, lambda held: None),
    "closed": lambda f: Source.unfold_resource(int, lambda held: None, f).concat([1]).repeat(),
}
WITHOUT_A_FUNCTION = {
    *("from_file", "from_lines", "from_process", "from_tcp", "failed", "range", "queue", "tick", "of", "empty"),
    *("never", "constant", "resource", "unfold_resource"),
}


def test_every_source_with_a_function_is_tried() -> None:
    assert set(gen_flow_reference.makers(Source)) <= set(FAILING_SOURCES) | WITHOUT_A_FUNCTION


@pytest.mark.parametrize("name", FAILING_SOURCES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_source_fails_with_its_functions(name: str, backend: str) -> None:
    async def main() -> None:
        for at in (0, 1, 5) if name not in ("from_publisher", "from_observable") else (0,):
            for below in (Flow(), Flow().buffer(2), Flow().merge(Source.range(2)), Flow().map_async(later)):
                ledger = Ledger()
                source = (
                    FAILING_SOURCES[name](Fails(at, None if "resource" in name else (1, 1)))
                    .via(ledger.flow("a"))
                    .via(below)
                    .via(ledger.flow("b"))
                )
                with pytest.raises(Planned):
                    await source.run(Sink.ignore(), clock=Hurried())
                assert ledger.held() == []

    anyio.run(main, backend=backend)


async def later(x: Any) -> Any:
    await anyio.lowlevel.checkpoint()
    return x


FAILING_SINKS: dict[str, Callable[[Fails], Sink]] = {
    "fold": lambda f: Sink.fold(0, f),
    "fold_async": lambda f: Sink.fold_async(0, f.later),
    "for_each": lambda f: Sink.for_each(f),
    "for_each_async": lambda f: Sink.for_each_async(f.later),
    "for_each_async 3": lambda f: Sink.for_each_async(f.later, parallelism=3),
    "reduce": lambda f: Sink.reduce(f),
    "any": lambda f: Sink.any(f),
    "all": lambda f: Sink.all(lambda x: f() or True),
    "lazy": lambda f: Flow().tap(f).to(Sink.lazy(lambda: Sink.for_each(f))),
    "lazy made": lambda f: Sink.lazy(lambda: f() or Sink.for_each(f)),
    "restart_with_backoff": lambda f: Sink.restart_with_backoff(lambda: Sink.for_each(f), flow.Backoff(times=0)),
    "contramap": lambda f: Sink.ignore().contramap(f),
    "map_result": lambda f: Flow().map_async(f.later).to(Sink.collect().map_result(f)),
    "divert_to": lambda f: Flow().divert_to(Sink.ignore(), f).to(Sink.ignore()),
    "also_to": lambda f: Flow().also_to(Sink.for_each(f)).to(Sink.ignore()),
    "wire_tap": lambda f: Flow().also_to(Flow().wire_tap(Sink.for_each(f)).to(Sink.ignore())).to(Sink.ignore()),
}
WITHOUT_A_CALL = {"cancelled", "collect", "count", "first", "ignore", "last", "never", "take_last", "to_file"}


def test_every_sink_with_a_function_is_tried() -> None:
    assert set(gen_flow_reference.makers(Sink)) == {*FAILING_SINKS, *WITHOUT_A_CALL} & set(
        gen_flow_reference.makers(Sink)
    )


@pytest.mark.parametrize("name", FAILING_SINKS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sink_fails_with_its_functions(name: str, backend: str) -> None:
    async def main() -> None:
        for at in (0, 1, 5):
            ledger = Ledger()
            source = ledger.source("a", list(range(9))).via(ledger.flow("b"))
            with pytest.raises(Planned):
                await VirtualTime().run(source, Flow().via(ledger.flow("c")).to(FAILING_SINKS[name](Fails(at))))
            assert ledger.held() == []

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_junctions_and_hubs_fail_with_their_functions(backend: str) -> None:
    async def main() -> None:
        for at in (0, 1, 5):
            ledger = Ledger()
            source = ledger.source("a", list(range(9))).via(ledger.flow("b"))
            fails = Fails(at, 0)
            left, right = source.partition(2, fails)
            sinks = [Flow().via(ledger.flow(name)).to(Sink.ignore()) for name in "cd"]
            with pytest.raises(Planned):
                await Graph(left=left.to(sinks[0]), right=right.to(sinks[1])).run()
            assert ledger.held() == []
            hub = flow.PartitionHub(Fails(at, 0), 2)
            out = {f"out{i}": hub.source.to(sink) for i, sink in enumerate(sinks)}
            with pytest.raises(Planned):
                await Graph(into=source.to(hub.sink), **out).run()
            assert ledger.held() == []

    anyio.run(main, backend=backend)


# -- other threads, and wishes to end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_from_another_thread_are_refused(backend: str) -> None:
    async def main() -> None:
        queue, source = Source.queue(3)
        async with source.to(Sink.ignore()).start() as running:
            await anyio.wait_all_tasks_blocked()
            calls: list[Callable[[], Any]] = [lambda: queue.offer_nowait(1), queue.complete, running.cancel]
            calls += [running.shutdown, running.abort, running.switch.shutdown, lambda: queue.fail(ValueError())]
            for call in calls:
                with pytest.raises(flow.FlowError, match="in another thread than that of its stream"):
                    await anyio.to_thread.run_sync(call)
            assert running.state == "running"
            await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(queue.offer, 1))
            queue.complete()
        assert running.state == "completed"

    anyio.run(main, backend=backend)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_wish_to_end_comes_out_by_its_name(stop: type[BaseException]) -> None:
    async def main(ledger: Ledger) -> None:
        def ends(x: Any) -> None:
            raise stop

        await ledger.source("a", [1, 2]).via(ledger.flow("b")).tap(ends).run()

    ledger = Ledger()
    with pytest.raises(stop):
        anyio.run(main, ledger, backend="trio")
    assert ledger.held() == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Source.of(1).map(lambda x: later(x)), "found one that gave a coroutine"),
        (lambda: Source.of(1).map_async(lambda x: x), "found one that gave int"),
        (lambda: Source.of(1).map_concat(lambda x: x), "gives an iterable, found one that gave int"),
        (lambda: Source.of(1).flat_map_concat(lambda x: None), "takes a Source or an iterable"),
        (lambda: Source.of(1).stateful_map(int, lambda n, x: x), "two values, the state first, found one that gave 1"),
        (lambda: Source.unfold(0, lambda n: 5), "two values, the state first, found one that gave 5"),
        (lambda: Source.resource(lambda: 3), "gives a context manager, found 3"),
        (lambda: Source.of("a").lines(), "cut from bytes, found str"),
    ],
)
def test_functions_that_give_something_else_are_named(make: Any, message: str) -> None:
    with pytest.raises(PenstockError) as raised:
        anyio.run(make().run)
    assert message in str(raised.value)
