"""penstock.flow beside aiostream, RxPY and bare asyncio queues: elements a second of the same work, in one run.

    python bench/flow.py [--elements 200000] [--repeat 3] [--write docs/performance.md]

All run on asyncio in one process and one thread, and nothing waits for anything outside: what counts is processor time,
which other programs disturb less than the clock. Every figure is the best of the repeats, which go round robin. Each
result is compared with what it must be. RxPY has no back-pressure: it pushes everything at once, and what cannot be
said in it is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiostream
import reactivex
from aiostream import pipe, stream
from reactivex import operators as rx

from penstock.flow import Sink, Source

LIBRARIES = ("penstock.flow", "aiostream", "RxPY", "asyncio.Queue")
CASES = ("map-filter-fold", "map_async 1", "map_async 32", "merge", "buffer", "group_by")
BEGIN, END = "<!-- flow: begin -->", "<!-- flow: end -->"
SIZE = 64
"""Elements that a buffer or queue keeps."""
_DONE = object()

Run = Callable[[int], Awaitable[Any]]


def plus(x: int) -> int:
    """The work of map."""
    return x + 1


def even(x: int) -> bool:
    """The work of filter."""
    return x % 2 == 0


def add(so_far: int, x: int) -> int:
    """The work of fold."""
    return so_far + x


async def call(x: int, *_: Any) -> int:
    """The work of map_async: one turn of the event loop."""
    await asyncio.sleep(0)
    return x + 1


# -- penstock.flow -------------------------------------------------------------

SUM = Sink.fold(0, add)


async def flow_fold(n: int) -> Any:
    """Three stages in chunks."""
    return await Source.range(n).map(plus).filter(even).run(SUM)


async def flow_async_1(n: int) -> Any:
    """One call at a time."""
    return await Source.range(n).map_async(call).run(SUM)


async def flow_async_32(n: int) -> Any:
    """Up to 32 calls, results in order."""
    return await Source.range(n).map_async(call, parallelism=32).run(SUM)


async def flow_merge(n: int) -> Any:
    """Two sources."""
    return await Source.range(n // 2).merge(Source.range(n // 2)).run(SUM)


async def flow_buffer(n: int) -> Any:
    """A bounded buffer between two tasks."""
    return await Source.range(n).buffer(SIZE).run(SUM)


async def flow_group_by(n: int) -> Any:
    """Ten substreams, each folded, merged again."""
    grouped = Source.range(n).group_by(lambda x: x % 10, lambda key, own: own.fold(0, add), size=SIZE)
    return await grouped.run(SUM)


# -- aiostream -----------------------------------------------------------------


async def aio_fold(n: int) -> Any:
    """The same in aiostream."""
    return await (stream.range(n) | pipe.map(plus) | pipe.filter(even) | pipe.reduce(add, initializer=0))


async def aio_async_1(n: int) -> Any:
    """One call at a time."""
    return await (stream.range(n) | pipe.map(call, task_limit=1) | pipe.reduce(add, initializer=0))


async def aio_async_32(n: int) -> Any:
    """Up to 32 calls, results in order."""
    return await (stream.range(n) | pipe.map(call, task_limit=32, ordered=True) | pipe.reduce(add, initializer=0))


async def aio_merge(n: int) -> Any:
    """Two sources."""
    merged = stream.merge(stream.range(n // 2), stream.range(n // 2))
    return await (merged | pipe.reduce(add, initializer=0))


# -- RxPY ----------------------------------------------------------------------


async def rx_fold(n: int) -> Any:
    """The same in RxPY."""
    return await reactivex.range(n).pipe(rx.map(plus), rx.filter(even), rx.reduce(add, 0))


async def rx_merge(n: int) -> Any:
    """Two sources; the one after the other, as nothing waits."""
    return await reactivex.merge(reactivex.range(n // 2), reactivex.range(n // 2)).pipe(rx.reduce(add, 0))


async def rx_group_by(n: int) -> Any:
    """Ten substreams."""
    folded = rx.flat_map(lambda own: own.pipe(rx.reduce(add, 0)))
    return await reactivex.range(n).pipe(rx.group_by(lambda x: x % 10), folded, rx.reduce(add, 0))


# -- asyncio.Queue -------------------------------------------------------------


async def queue_pipeline(n: int, *stages: Callable[[asyncio.Queue[Any], asyncio.Queue[Any]], Awaitable[None]]) -> Any:
    """A task for each stage, a queue between each two; the sum of what comes out."""
    queues: list[asyncio.Queue[Any]] = [asyncio.Queue(SIZE) for _ in range(len(stages) + 1)]

    async def produce() -> None:
        for x in range(n):
            await queues[0].put(x)
        await queues[0].put(_DONE)

    async def consume() -> int:
        total = 0
        while (x := await queues[-1].get()) is not _DONE:
            total += x
        return total

    between = zip(stages, queues[:-1], queues[1:], strict=True)
    work = [stage(before, after) for stage, before, after in between]
    return (await asyncio.gather(produce(), *work, consume()))[-1]


async def _mapped(before: asyncio.Queue[Any], after: asyncio.Queue[Any]) -> None:
    while (x := await before.get()) is not _DONE:
        await after.put(plus(x))
    await after.put(_DONE)


async def _filtered(before: asyncio.Queue[Any], after: asyncio.Queue[Any]) -> None:
    while (x := await before.get()) is not _DONE:
        if even(x):
            await after.put(x)
    await after.put(_DONE)


async def _called(before: asyncio.Queue[Any], after: asyncio.Queue[Any]) -> None:
    while (x := await before.get()) is not _DONE:
        await after.put(await call(x))
    await after.put(_DONE)


async def _called_by_many(before: asyncio.Queue[Any], after: asyncio.Queue[Any]) -> None:
    async def work() -> None:  # results as they come: order would cost more
        while (x := await before.get()) is not _DONE:
            await after.put(await call(x))
        await before.put(_DONE)

    await asyncio.gather(*(work() for _ in range(32)))
    await after.put(_DONE)


async def queue_fold(n: int) -> Any:
    """Two stages between producer and consumer."""
    return await queue_pipeline(n, _mapped, _filtered)


async def queue_async_1(n: int) -> Any:
    """One worker."""
    return await queue_pipeline(n, _called)


async def queue_async_32(n: int) -> Any:
    """32 workers, results out of order."""
    return await queue_pipeline(n, _called_by_many)


async def queue_merge(n: int) -> Any:
    """Two producers, one queue."""
    queue: asyncio.Queue[Any] = asyncio.Queue(SIZE)

    async def produce() -> None:
        for x in range(n // 2):
            await queue.put(x)
        await queue.put(_DONE)

    async def consume() -> int:
        total = ended = 0
        while ended < 2:
            x = await queue.get()
            if x is _DONE:
                ended += 1
            else:
                total += x
        return total

    return (await asyncio.gather(produce(), produce(), consume()))[-1]


async def queue_buffer(n: int) -> Any:
    """Producer, queue, consumer."""
    return await queue_pipeline(n)


async def queue_group_by(n: int) -> Any:
    """A queue and a task for each of ten keys."""
    queues: list[asyncio.Queue[Any]] = [asyncio.Queue(SIZE) for _ in range(10)]

    async def consume(queue: asyncio.Queue[Any]) -> int:
        total = 0
        while (x := await queue.get()) is not _DONE:
            total += x
        return total

    async def produce() -> None:
        for x in range(n):
            await queues[x % 10].put(x)
        for queue in queues:
            await queue.put(_DONE)

    _, *totals = await asyncio.gather(produce(), *map(consume, queues))
    return sum(totals)


RUNS: dict[str, dict[str, Run]] = {
    "map-filter-fold": dict(zip(LIBRARIES, (flow_fold, aio_fold, rx_fold, queue_fold), strict=True)),
    "map_async 1": {"penstock.flow": flow_async_1, "aiostream": aio_async_1, "asyncio.Queue": queue_async_1},
    "map_async 32": {"penstock.flow": flow_async_32, "aiostream": aio_async_32, "asyncio.Queue": queue_async_32},
    "merge": dict(zip(LIBRARIES, (flow_merge, aio_merge, rx_merge, queue_merge), strict=True)),
    "buffer": {"penstock.flow": flow_buffer, "asyncio.Queue": queue_buffer},
    "group_by": {"penstock.flow": flow_group_by, "RxPY": rx_group_by, "asyncio.Queue": queue_group_by},
}


def expected(case: str, n: int) -> int:
    """What a case must give."""
    if case == "map-filter-fold":
        return sum(x for x in range(1, n + 1) if x % 2 == 0)
    if case.startswith("map_async"):
        return sum(range(1, n + 1))
    return 2 * sum(range(n // 2)) if case == "merge" else sum(range(n))


def measure(n: int, repeat: int) -> dict[str, dict[str, float]]:
    """By case and library: elements a second, the best of the repeats."""
    best: dict[str, dict[str, float]] = {case: {} for case in CASES}
    for case in CASES:
        size = n // 10 if case.startswith("map_async") else n
        for _ in range(repeat):
            for library, run in RUNS[case].items():
                gc.collect()
                begun = time.process_time()
                found = asyncio.run(run(size))  # type: ignore[arg-type]
                rate = size / (time.process_time() - begun)
                if found != expected(case, size):
                    raise SystemExit(f"{library} {case}: {found} instead of {expected(case, size)}")
                best[case][library] = max(rate, best[case].get(library, 0.0))
    return best


def report(best: dict[str, dict[str, float]], n: int, repeat: int) -> list[str]:
    """A table, and what was measured with."""
    lines = [f"| thousand elements a second | {' | '.join(LIBRARIES)} | against the queues |"]
    lines.append("|---|" + "---:|" * (len(LIBRARIES) + 1))
    for case, rates in best.items():
        cells = [f"{rates[name] / 1e3:,.0f}" if name in rates else "" for name in LIBRARIES]
        lines.append(f"| {case} | {' | '.join(cells)} | {rates[LIBRARIES[0]] / rates[LIBRARIES[-1]]:.1f}x |")
    versions = f"aiostream {version('aiostream')}, reactivex {version('reactivex')}, Python {platform.python_version()}"
    lines += [
        "",
        f"{n:,} elements (a tenth for map_async), best of {repeat}; {versions}, asyncio, one thread, processor time.",
    ]
    return lines


def write(path: Path, lines: list[str]) -> None:
    """Replace what is between the marks of a page."""
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text:
        text += f"\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    lines = report(measure(arguments.elements, arguments.repeat), arguments.elements, arguments.repeat)
    sys.stdout.write("\n".join(lines) + "\n")
    if arguments.write:
        write(arguments.write, lines)


if __name__ == "__main__":
    assert aiostream
    main()
