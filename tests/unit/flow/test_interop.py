"""Sources, sinks and flows as publishers, subscribers and processors, by the conformance kit, and the ways back."""

from __future__ import annotations

import contextlib
import threading
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from penstock import flow
from penstock.core.errors import PlanError
from penstock.flow import Flow, Sink, Source
from penstock.testing.reactive import (
    Pace,
    ProcessorCase,
    PublisherCase,
    SubscriberCase,
    check_processor,
    check_publisher,
    check_subscriber,
)
from tests.unit.testing.reactive.reference import Collector, Line, Numbers, Threaded

pytestmark = pytest.mark.anyio

PACE = Pace(turns=30, patience=5.0)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


async def asynchronous(n):
    for i in range(n):
        await anyio.lowlevel.checkpoint()
        yield i


async def failing(n):
    for i in range(n):
        yield i
    raise OSError("no more")


async def later(x):
    await anyio.lowlevel.checkpoint()
    return x


SOURCES = {
    "range": lambda n: Source.range(n),
    "list": lambda n: Source.from_iterable(list(range(n))),
    "generator": lambda n: Source.from_factory(lambda: iter(range(n))),
    "asynchronous": lambda n: Source.from_async(asynchronous(n)),
    "mapped": lambda n: Source.range(n).map(str).buffer(7),
    "map_async": lambda n: Source.range(n).map_async(later, parallelism=3),
    "publisher": lambda n: flow.from_publisher(Numbers(n)),
    "publisher in threads": lambda n: flow.from_publisher(type("T", (Numbers,), {"line": Threaded})(n), size=64),
}


def publisher_case(make, **options):
    return PublisherCase(
        publisher=lambda n: flow.to_publisher(make(n)),
        failed=lambda: flow.to_publisher(Source.failed(OSError("no"))),
        **options,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
async def test_every_source_is_a_publisher(kind):
    await check_publisher(publisher_case(SOURCES[kind]), pace=PACE)


@pytest.mark.slow
async def test_one_element_and_an_endless_source():
    await check_publisher(publisher_case(lambda n: Source.of(1), least=1, most=1), pace=PACE)
    await check_publisher(publisher_case(lambda n: Source.empty(), most=0), pace=PACE)
    await check_publisher(publisher_case(lambda n: Source.range(), completes=False), pace=PACE)


@pytest.mark.slow
async def test_a_queue_is_a_publisher():
    @asynccontextmanager
    async def fed(n):
        queue, source = Source.queue(8)

        async def feed():
            with contextlib.suppress(flow.StreamClosedError):  # a check has cancelled
                for i in range(n):
                    await queue.offer(i)
            queue.complete()

        async with anyio.create_task_group() as group:
            async with flow.to_publisher(source) as publisher:
                group.start_soon(feed)
                yield publisher
            group.cancel_scope.cancel()

    # it runs once: 1.10 and 1.11 say that the next subscriber is told so
    await check_publisher(PublisherCase(publisher=fed), pace=PACE)


SINKS = {
    "for_each": lambda found: Sink.for_each(found.append),
    "collect": lambda found: Flow().tap(found.append).to(Sink.collect()),
    "ignore": lambda found: Flow().tap(found.append).to(Sink.ignore()),
    "fold": lambda found: Sink.fold(found, lambda so_far, x: so_far.append(x) or so_far),
    "buffered": lambda found: Flow().buffer(3).to(Sink.for_each(found.append)),
}


def subscriber_case(make, size, clock=None):
    @asynccontextmanager
    async def made():
        found = []
        with contextlib.suppress(RuntimeError):  # of the kit, which fails streams
            async with flow.to_subscriber(make(found), size=size, clock=clock) as subscriber:
                subscriber.found = found
                yield subscriber

    return SubscriberCase(
        subscriber=made,
        cancel=lambda one: one.stop(),
        received=lambda one: one.found,
        ended=lambda one: one.running.state != "running",
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", SINKS)
@pytest.mark.parametrize("size", [1, 16])
async def test_every_sink_is_a_subscriber(kind, size):
    verdicts = await check_subscriber(subscriber_case(SINKS[kind], size), pace=PACE)
    assert {one.rule.number for one in verdicts if one.outcome != "kept"} == {"2.2", "3.1"}


async def test_a_sink_that_takes_few_cancels():
    case = subscriber_case(lambda found: Flow().tap(found.append).take(2).to(Sink.collect()), 1)
    case = replace(case, takes=2, cancel=None)
    verdicts = await check_subscriber(case, pace=PACE)
    assert {one.rule.number for one in verdicts if one.outcome == "kept"} >= {"2.6", "2.8", "3.10"}


FLOWS = {
    "nothing": Flow(),
    "map": Flow().map(lambda x: x),
    "buffer": Flow().buffer(4),
    "map_async": Flow().map_async(later, parallelism=2),
    "long": Flow().map(lambda x: x + 1).filter(lambda x: True).buffer(2).map(lambda x: x - 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", FLOWS)
async def test_every_flow_is_a_processor(kind):
    case = ProcessorCase(processor=lambda: flow.to_processor(FLOWS[kind]), buffer=0)
    verdicts = await check_processor(case, pace=PACE)
    assert {one.rule.number for one in verdicts if one.outcome != "kept"} == {"2.2", "3.1", "3.4"}


# -- the ways between ----------------------------------------------------------


async def test_there_and_back():
    async with flow.to_publisher(Source.range(1000).map(lambda x: x * 2)) as publisher:
        assert await flow.from_publisher(publisher, size=7).run() == list(range(0, 2000, 2))
        async with flow.to_subscriber(Sink.collect()) as subscriber:
            publisher.subscribe(subscriber)
        assert subscriber.result == list(range(0, 2000, 2))


async def test_a_chain_of_processors():
    collector = Collector()
    async with flow.to_processor(Flow().map(str)) as last, flow.to_processor(Flow().map(lambda x: x + 1)) as first:
        last.subscribe(collector)
        first.subscribe(last)
        Numbers(100).subscribe(first)
    assert collector.elements == [str(x + 1) for x in range(100)]
    assert collector.ended


async def test_demand_goes_up_no_further_than_the_size():
    asked = []

    class Counting(Line):
        def request(self, n):
            asked.append(n)
            super().request(n)

    source = flow.from_publisher(type("P", (Numbers,), {"line": Counting})(10**6), size=10)
    async with source.elements() as elements:
        assert [await anext(elements) for _ in range(3)] == [0, 1, 2]
        assert asked == [10]
        assert [await anext(elements) for _ in range(3)] == [3, 4, 5]
        assert asked == [10, 5]


async def test_failures_go_through():
    async with flow.to_publisher(Source.from_async(failing(3))) as publisher:
        found = []
        with pytest.raises(OSError, match="no more"):
            await flow.from_publisher(publisher).tap(found.append).run()
        assert found == [0, 1, 2]

    async def subscribed():
        source = flow.to_publisher(Source.from_async(failing(3)))
        async with flow.to_subscriber(Sink.ignore()) as subscriber, source as other:
            other.subscribe(subscriber)

    with pytest.raises(OSError, match="no more"):
        await subscribed()


async def test_a_flow_may_mend_what_comes_from_above():
    async with flow.to_processor(Flow().map(lambda x: x)) as processor:
        collector = Collector()
        processor.subscribe(collector)
        processor.on_error(OSError("no more"))
    assert collector.ended
    assert not collector.elements


async def test_cancel_releases_the_source():
    closed = []

    async def numbers():
        try:
            async for x in asynchronous(10**9):
                yield x
        finally:
            closed.append(True)

    async with flow.to_publisher(Source.from_async(numbers())) as publisher:
        assert await flow.from_publisher(publisher).take(5).run() == [0, 1, 2, 3, 4]
    assert closed == [True]


async def test_leaving_the_block_by_an_error_cancels():
    with pytest.raises(ZeroDivisionError):  # noqa: PT012  (what is left is what is tested)
        async with flow.to_publisher(Source.never()) as publisher:
            publisher.subscribe(Collector())
            raise ZeroDivisionError
    collector = Collector()
    publisher.subscribe(collector)
    assert collector.ended  # told by on_error


async def test_a_subscriber_that_raises_ends_the_block():
    class Bad(Collector):
        def on_next(self, element):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with flow.to_publisher(Source.range(10)) as publisher:
            publisher.subscribe(Bad())


async def test_a_publisher_that_floods_fails_the_stream():
    class Flood(Line):
        def request(self, n):
            super().request(n + 1)

    with pytest.raises(flow.FlowError, match=r"more elements than were requested \(rule 1\.1\)"):
        await flow.from_publisher(type("P", (Numbers,), {"line": Flood})(100), size=4).run()


async def test_signals_of_another_thread_keep_their_order():
    async with flow.to_subscriber(Sink.collect(), size=4) as subscriber:
        publisher = type("T", (Numbers,), {"line": Threaded})(500)
        thread = threading.Thread(target=publisher.subscribe, args=(subscriber,))
        thread.start()
    thread.join()
    assert subscriber.result == list(range(500))


async def test_what_cannot_be_adapted_is_refused():
    for wrong in (flow.to_publisher(3), flow.to_subscriber(3), flow.to_processor(3)):
        with pytest.raises(PlanError, match=r"takes a (Source|Sink|Flow), found int"):
            async with wrong:
                raise AssertionError
    for adapt in (flow.from_publisher, lambda x: flow.from_observable(x, 3)):
        with pytest.raises(PlanError, match="something with subscribe, found int"):
            adapt(3)
    with pytest.raises(PlanError, match="whole number from 1 on as size, found 0"):
        flow.from_publisher(Numbers(3), size=0)


# -- other libraries -----------------------------------------------------------


async def test_rxpy_adapts_in_a_line():
    import reactivex
    from reactivex import operators

    observable = reactivex.from_iterable(range(10)).pipe(operators.map(lambda x: x * 2))
    assert await flow.from_observable(observable, 16).run() == list(range(0, 20, 2))
    assert await flow.from_observable(observable, 4, "drop_head").run() == [12, 14, 16, 18]
    with pytest.raises(flow.BufferOverflowError):
        await flow.from_observable(observable, 4).run()
    with pytest.raises(OSError, match="no"):
        await flow.from_observable(reactivex.throw(OSError("no")), 4).run()

    async with flow.to_publisher(Source.range(10)) as publisher:
        back = reactivex.create(lambda observer, _: flow.observe(publisher, observer).cancel)
        found = []
        back.pipe(operators.filter(lambda x: x % 2 == 0)).subscribe(found.append)
    assert found == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_aiostream_adapts_in_a_line(anyio_backend):
    from aiostream import pipe, stream

    theirs = stream.range(10) | pipe.map(lambda x: x * 2)
    async with theirs.stream() as streamed:
        assert await Source.from_async(streamed).run() == list(range(0, 20, 2))
    async with Source.range(10).elements() as elements:
        assert await stream.list(stream.iterate(elements) | pipe.take(3)) == [0, 1, 2]
