"""Every kind of source as a publisher, of sink as a subscriber, by the conformance kit."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager, nullcontext, suppress

import anyio
import pytest

from penstock import flow
from penstock.flow import Flow, Sink, Source
from penstock.testing.reactive import (
    Pace,
    PublisherCase,
    SubscriberCase,
    check_publisher,
    check_subscriber,
)
from tests.unit.flow.test_interop import subscriber_case
from tests.unit.testing.reactive.reference import Numbers

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PACE = Pace(turns=30, patience=10.0)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


async def asynchronous(n):
    for i in range(n):
        await anyio.lowlevel.checkpoint()
        yield i


async def later(x=0):
    await anyio.lowlevel.checkpoint()
    return x


async def step(i, n):
    await anyio.lowlevel.checkpoint()
    return (i + 1, i) if i < n else None


def file_of_lines(path):
    def make(n):
        place = path / f"{n}.txt"
        place.write_text("".join(f"{i}\n" for i in range(n)), encoding="utf-8")
        return Source.from_lines(place)

    return make


FINITE = {
    "from_iterable": lambda n: Source.from_iterable(list(range(n))),
    "from_factory": lambda n: Source.from_factory(lambda: iter(range(n))),
    "from_async": lambda n: Source.from_async(asynchronous(n)),
    "from_blocking": lambda n: Source.from_blocking(range(min(n, 400))),
    "range": lambda n: Source.range(n),
    "of": lambda n: Source.of(*range(n)),
    "unfold": lambda n: Source.unfold(0, lambda i: (i + 1, i) if i < n else None),
    "unfold_async": lambda n: Source.unfold_async(0, lambda i: step(i, n)),
    "unfold_resource": lambda n: Source.unfold_resource(
        lambda: iter(range(n)), lambda held: next(held, None), lambda held: None
    ),
    "lazy": lambda n: Source.lazy(lambda: range(n)),
    "merge": lambda n: Source.range(n // 2).merge(Source.range(n - n // 2)),
    "zip": lambda n: Source.range(n).zip(Source.range(n)),
    "concat": lambda n: Source.range(n // 2).concat(Source.range(n - n // 2)),
    "flat_map_concat": lambda n: Source.range(n).flat_map_concat(lambda x: Source.of(x)),
    "recovered": lambda n: Source.range(n).recover(lambda failure: None),
    "from_publisher": lambda n: flow.from_publisher(Numbers(n)),
}
ENDLESS = {
    "iterate": lambda n: Source.iterate(0, lambda x: x + 1),
    "constant": lambda n: Source.constant(1),
    "repeat": lambda n: Source.of(1, 2).repeat(),
    "calls": lambda n: Source.calls(later),
    "range()": lambda n: Source.range(),
    "tick": lambda n: Source.tick("10 us"),
}
ONE = {"call": lambda n: Source.call(later, 7), "resource": lambda n: Source.resource(lambda: nullcontext(7))}
NONE = {"empty": lambda n: Source.empty()}


def publisher_case(make, **options):
    return PublisherCase(
        publisher=lambda n: flow.to_publisher(make(n)),
        failed=lambda: flow.to_publisher(Source.failed(OSError("no"))),
        **options,
    )


@pytest.mark.parametrize("kind", FINITE)
async def test_sources_that_end(kind):
    most = 400 if kind == "from_blocking" else None  # a thread for each element
    await check_publisher(publisher_case(FINITE[kind], most=most), pace=PACE)


@pytest.mark.parametrize("kind", ENDLESS)
async def test_sources_that_do_not_end(kind):
    case = publisher_case(ENDLESS[kind], completes=False, most=400 if kind == "tick" else None)
    await check_publisher(case, pace=PACE)


@pytest.mark.parametrize("kind", ONE)
async def test_sources_of_one_element(kind):
    await check_publisher(publisher_case(ONE[kind], least=1, most=1), pace=PACE)


async def test_sources_of_no_element():
    await check_publisher(publisher_case(NONE["empty"], most=0), pace=PACE)


async def test_the_lines_of_a_file(tmp_path):
    await check_publisher(publisher_case(file_of_lines(tmp_path)), pace=PACE)


async def test_the_bytes_of_a_file(tmp_path):
    def make(n):
        place = tmp_path / f"{n}"
        place.write_bytes(bytes(n))
        return Source.from_file(place, size=1)

    await check_publisher(publisher_case(make), pace=PACE)


async def test_the_output_of_a_process():
    # It comes in pieces of any length: byte by byte there are as many as were written.
    await check_publisher(
        publisher_case(lambda n: Source.from_process(["head", "-c", f"{n}", "/dev/zero"]).flatten()), pace=PACE
    )


async def test_what_comes_over_a_connection():
    @asynccontextmanager
    async def served(n):
        async def answer(stream):
            async with stream:
                with suppress(anyio.BrokenResourceError):  # a check has cancelled
                    await stream.send(bytes(n))

        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, answer)
            async with flow.to_publisher(Source.from_tcp("127.0.0.1", port).flatten()) as publisher:
                yield publisher
            group.cancel_scope.cancel()

    await check_publisher(PublisherCase(publisher=served), pace=PACE)


TESTED_ELSEWHERE = {
    "queue": "in test_interop.py", "never": "gives no signal", "failed": "is the failing publisher of every case",
    **dict.fromkeys(("from_file", "from_lines", "from_process", "from_tcp"), "has a test of its own"),
}  # fmt: skip


def test_every_kind_of_source_is_here():
    from penstock.flow.sources import Sources
    from penstock.flow.sources_made import MadeSources

    kinds = {name for cls in (Sources, MadeSources) for name in vars(cls) if not name.startswith("_")}
    assert kinds - {*FINITE, *ENDLESS, *ONE, *NONE} == set(TESTED_ELSEWHERE)


ALL_TAKEN = {
    "fold_async": lambda found: Sink.fold_async(found, _append),
    "for_each_async": lambda found: Sink.for_each_async(lambda x: _append(found, x)),
    "count": lambda found: Flow().tap(found.append).to(Sink.count()),
    "last": lambda found: Flow().tap(found.append).to(Sink.last(0)),
    "take_last": lambda found: Flow().tap(found.append).to(Sink.take_last(3)),
    "reduce": lambda found: Flow().tap(found.append).prepend(Source.of(0)).to(Sink.reduce(max)),
    "all": lambda found: Flow().tap(found.append).to(Sink.all(lambda x: x >= 0)),
    "any": lambda found: Flow().tap(found.append).to(Sink.any(lambda x: x < 0)),
    "lazy": lambda found: Sink.lazy(lambda: Sink.for_each(found.append)),
    "collect": lambda found: Flow().tap(found.append).to(Sink.collect()),
    "ignore": lambda found: Flow().tap(found.append).to(Sink.ignore()),
    "fold": lambda found: Sink.fold(0, lambda so_far, x: found.append(x)),
    "for_each": lambda found: Sink.for_each(found.append),
    "restart_with_backoff": lambda found: Sink.restart_with_backoff(
        lambda: Sink.for_each(found.append), flow.Backoff(times=0)
    ),
}
SINKS_ELSEWHERE = {
    "first": "takes one",
    "cancelled": "takes nothing",
    "never": "takes nothing",
    "to_file": "has a test of its own",
}


def test_every_kind_of_sink_is_here():
    from penstock.flow.sinks import Sinks
    from penstock.flow.sinks_more import MoreSinks

    kinds = {name for cls in (Sinks, MoreSinks) for name in vars(cls) if not name.startswith("_")}
    assert kinds - set(ALL_TAKEN) == set(SINKS_ELSEWHERE)


async def _append(found, x):
    await anyio.lowlevel.checkpoint()
    found.append(x)
    return found


@pytest.mark.parametrize("kind", ALL_TAKEN)
async def test_sinks_that_take_all(kind):
    await check_subscriber(subscriber_case(ALL_TAKEN[kind], 4), pace=PACE)


@pytest.mark.parametrize("kind", ["first", "any"])
async def test_sinks_that_take_one(kind):
    sink = Sink.first(None) if kind == "first" else Sink.any(lambda x: True)
    case = subscriber_case(lambda found: Flow().tap(found.append).to(sink), 1)
    await check_subscriber(SubscriberCase(subscriber=case.subscriber, takes=1, ended=case.ended), pace=PACE)


async def test_a_file_takes_all(tmp_path):
    numbers = itertools.count()

    def make(found):
        return Flow().tap(found.append).map(bytes).to(Sink.to_file(tmp_path / f"{next(numbers)}"))

    await check_subscriber(subscriber_case(make, 4), pace=PACE)


def test_names_differ():
    assert len({*FINITE, *ENDLESS, *ONE, *NONE}) == sum(map(len, (FINITE, ENDLESS, ONE, NONE)))
    assert list(itertools.islice(FINITE, 1)) == ["from_iterable"]
