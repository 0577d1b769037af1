"""What single operators give, on virtual time: values and instants are exact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from penstock.flow import (
    Backoff,
    BroadcastHub,
    CircuitBreaker,
    Flow,
    FramingError,
    MergeHub,
    RateExceededError,
    Sink,
    Source,
    StreamTimeoutError,
)
from penstock.testing import VirtualTime

R = Source.range
SECOND = 1_000_000


def add(a: Any, b: Any) -> Any:
    return a + b


def fold(s: Source) -> Source:
    return s.fold((), lambda done, x: (*done, x))


CASES: list[tuple[str, Callable[[], Source], list[Any], float]] = [
    ("throttle", lambda: R(10).throttle(2, "1 s"), list(range(10)), 4.5),
    ("burst", lambda: R(10).throttle(2, "1 s", burst=5), list(range(10)), 2.5),
    ("cost", lambda: R(4).throttle(2, "1 s", cost=lambda x: x), [0, 1, 2, 3], 2.0),
    ("debounce", lambda: Source.tick("1 s", 1).take(3).debounce("2 s"), [1], 2),
    ("delay", lambda: R(10).delay("1 s", size=3), list(range(10)), 3 + 1 - (10 % 3 == 0)),
    ("grouped_within", lambda: Source.tick("1 s", 1).take(7).grouped_within(9, "2500 ms"), [[1] * 3, [1] * 3, [1]], 6),
    ("take_within", lambda: Source.tick("1 s", 1).take_within("2500 ms"), [1, 1, 1], 2.5),
    ("keep_alive", lambda: Source.tick("3 s", 1).take(2).keep_alive("1 s", lambda: 0), [1, 0, 0, 1], 3),
    ("conflate", lambda: R(10).conflate(add).pace("1 s"), [45], 0),
    ("batch", lambda: R(10).batch(3, add).pace("1 s"), [3, 12, 21, 9], 3),
    ("repeat", lambda: R(3).repeat(2), [0, 1, 2, 0, 1, 2], 0),
    ("scan", lambda: R(4).scan(0, add), [0, 0, 1, 3, 6], 0),
    ("sliding", lambda: R(8).sliding(2, 3), [[0, 1], [3, 4], [6, 7]], 0),
    ("interleave", lambda: R(5).interleave(R(10, 12), segment=2), [0, 1, 10, 11, 2, 3, 4], 0),
    ("merge_sorted", lambda: R(0, 6, 2).merge_sorted(R(1, 6, 2)), list(range(6)), 0),
    ("zip_all", lambda: R(2).zip_all(list("abc")), [(0, "a"), (1, "b"), (None, "c")], 0),
    ("split_when", lambda: R(7).split_when(lambda x: x % 3 == 0, fold), [(0, 1, 2), (3, 4, 5), (6,)], 0),
    ("split_after", lambda: R(7).split_after(lambda x: x % 3 == 0, fold), [(0,), (1, 2, 3), (4, 5, 6)], 0),
    ("or_else", lambda: Source.empty().or_else([1]), [1], 0),
    ("lines", lambda: Source.of(b"ab\nc", b"d\r\n\ne").lines(), ["ab", "cd", "", "e"], 0),
    ("json", lambda: Source.of(b'{"a": "}\\', b'""} [{"b"', b": {}}]").json_objects(), [{"a": '}"'}, {"b": {}}], 0),
    ("process", lambda: Source.from_process(["echo", "hi"]), [b"hi\n"], 0),
    ("unfold", lambda: Source.unfold(1, lambda n: (n * 2, n) if n < 9 else None), [1, 2, 4, 8], 0),
]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(("make", "expected", "seconds"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_values_and_instants(make: Callable[[], Source], expected: list[Any], seconds: float, backend: str) -> None:
    async def main() -> None:
        time = VirtualTime()
        assert await time.run(make()) == expected
        assert time.now() == seconds * SECOND

    anyio.run(main, backend=backend)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: R(10).throttle(2, "1 s", burst=4, mode="enforce"), RateExceededError),
        (lambda: Source.never().initial_timeout("1 s"), StreamTimeoutError),
        (lambda: Source.tick("3 s", 1).idle_timeout("2 s"), StreamTimeoutError),
        (lambda: Source.tick("1 s", 1).completion_timeout("3 s"), StreamTimeoutError),
        (lambda: R(3).backpressure_timeout("1 s").pace("2 s"), StreamTimeoutError),
        (lambda: Source.of(b"abc").lines(longest=2), FramingError),
        (lambda: Source.of(b"ab").length_frames(4), FramingError),
        (lambda: Source.of(b"no gzip").gunzip(), FramingError),
    ],
)
def test_failures_of_their_own(make: Callable[[], Source], kind: type[Exception]) -> None:
    async def main() -> None:
        with pytest.raises(kind):
            await VirtualTime().run(make())

    anyio.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_calls_in_order_out_of_order_and_by_key(backend: str) -> None:
    async def main() -> None:
        time = VirtualTime()

        async def slow(x: int) -> int:
            await time.sleep_until(time.now() + (10 - x) * 1000)
            return x

        assert await time.run(R(10).map_async(slow, parallelism=4)) == list(range(10))
        found = await time.run(R(10).map_async(slow, parallelism=4, ordered=False))
        assert found == [3, 2, 1, 0, 4, 5, 6, 7, 9, 8]
        keyed = await time.run(R(10).map_async(slow, parallelism=4, ordered=False, key=lambda x: x % 2))
        assert [x for x in keyed if x % 2] == [1, 3, 5, 7, 9]

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_trying_again(backend: str) -> None:
    async def main() -> None:
        time, failures = VirtualTime(), [3]

        def flaky(x: int) -> int:
            if x == 2 and failures[0]:
                failures[0] -= 1
                raise OSError("away")
            return x

        backoff = Backoff("1 s", "10 s", jitter=0, times=5)
        assert await time.run(R(4).map(flaky).retry(backoff)) == [0, 1] * 3 + [0, 1, 2, 3]
        assert time.now() == 7 * SECOND
        failures[0] = 1
        assert await time.run(R(4).via(Flow().map(flaky).retry(backoff))) == [0, 1, 3]
        failures[0] = 9
        with pytest.raises(OSError, match="away"):
            await time.run(R(4).map(flaky).retry(2))

        breaker = CircuitBreaker(2, "5 s", clock=time)
        called = []

        async def call(x: int) -> int:
            called.append(x)
            if x < 4:
                raise OSError("away")
            return x

        found = await time.run(R(8).pace("2 s").map_async(breaker.protect(call)).supervised("resume"))
        assert (found, called, breaker.state) == ([4, 5, 6, 7], [0, 1, 4, 5, 6, 7], "closed")

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_hubs(backend: str) -> None:
    async def main() -> None:
        hub = MergeHub()
        out_of_it = hub.source.take(6).to(Sink.collect()).start()
        async with out_of_it as merged, R(3).to(hub.sink).start(), R(10, 13).to(hub.sink).start():
            pass
        assert sorted(merged.result) == [0, 1, 2, 10, 11, 12]
        time, out = VirtualTime(), BroadcastHub()
        async with (
            out.source.to(Sink.collect()).start() as all_of_it,
            out.source.take(2).to(Sink.collect()).start() as two,
        ):
            await time.settle()
            assert out.consumers == 2
            assert await R(5).run(out.sink) == 5
        assert (all_of_it.result, two.result) == ([0, 1, 2, 3, 4], [0, 1])

    anyio.run(main, backend=backend)


def test_files(tmp_path: Path) -> None:
    async def main() -> None:
        place = tmp_path / "out.txt"
        assert await Source.of(b"x\n", b"y").run(Sink.to_file(place)) == 3
        assert await Source.from_lines(place).run() == ["x", "y"]
        with pytest.raises(KeyError):
            await Source.of(b"x").concat(Source.failed(KeyError("z"))).run(Sink.to_file(tmp_path / "no.txt"))
        assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]

    anyio.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_merge_latest_ends_when_an_input_has_nothing(backend: str) -> None:
    async def main() -> None:
        with anyio.fail_after(20):
            assert await Source.empty().merge_latest([0, 1]).run() == []
            assert await Source.of(1, 2).merge_latest([]).run() == []
            assert await Source.of(1, 2).merge_latest([3]).run() == [[1, 3], [2, 3]]

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("options", [{}, {"ordered": False}, {"key": str}])
@pytest.mark.parametrize("single", [False, True])
def test_map_async_has_as_many_calls_as_it_may_however_elements_come(options: Any, single: bool, backend: str) -> None:
    async def numbers() -> Any:
        for x in range(30):
            await anyio.lowlevel.checkpoint()
            yield x

    async def main() -> None:
        under_way, most = 0, 0
        time = VirtualTime()

        async def call(x: int) -> int:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await time.sleep_until(time.now() + 1_000_000)
            under_way -= 1
            return x

        source = Source.from_async(numbers()) if single else Source.range(30)
        found = await time.run(source.map_async(call, parallelism=10, **options))
        assert (sorted(found), most) == (list(range(30)), 10)

    anyio.run(main, backend=backend)
