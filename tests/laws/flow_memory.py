"""Memory of streams of ten million elements under a slow consumer: every operator, junction, hub and strategy.

    python -m tests.laws.flow_memory [--elements 10000000] [--only NAME ...] [--seconds S] [--write docs/performance.md]

Every case runs in a process of its own. The consumer takes some hundred elements and lets others run for some turns
of the loop, so that what runs ahead does so. A case holds if the resident memory of its process, after a tenth of the
elements, grows by less than `ALLOWED` in the rest: ten million of anything kept would be eighty megabytes at least.
With `--seconds` a case ends after that time, and the report says how many elements it saw.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from penstock import flow
from penstock.flow import BufferOverflowError, Flow, Sink, Source, Spill
from penstock.flow.buffers import OVERFLOW
from penstock.flow.stage import Context, Pull
from tests.laws.flow_law import SHAPES, Hurried, Shape

ALLOWED = 8_000_000
"""Bytes, of at least eighty million if each of ten million elements left a pointer."""
BEGIN, END = "<!-- flow memory: begin -->", "<!-- flow memory: end -->"
TURNS, EVERY = 3, 512


def resident() -> int:
    """Bytes of memory that this process has."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Watch:
    """Counts what comes out of a source, and looks at the memory now and then."""

    def __init__(self, n: int, until: float) -> None:
        self.n, self.until = n, until
        self.made = self.taken = 0
        self.seen: list[int] = []
        self.cut = False

    def numbers(self) -> Source:
        """As many elements as are wanted, or as the time lets; each is an object of its own."""

        def made() -> Any:
            step = max(1, min(self.n // 200, 5_000))
            for x in range(1_000, 1_000 + self.n):
                self.made += 1
                if self.made % step == 0:
                    self.seen.append(resident())
                    if time.monotonic() > self.until:
                        self.cut = True
                        return
                yield x

        return Source.from_factory(made)

    def grown(self) -> int:
        """Bytes by which the memory grew after the first tenth."""
        tenth = len(self.seen) // 10
        return max(0, max(self.seen[tenth:]) - max(self.seen[:tenth])) if tenth else 0

    def sink(self) -> Sink:
        """A slow consumer."""

        async def drain(up: Pull, context: Context) -> None:
            rest = EVERY
            while chunk := await up.pull(EVERY):
                self.taken += len(chunk)
                rest -= len(chunk)
                del chunk
                if rest <= 0:
                    rest = EVERY
                    for _ in range(TURNS):
                        await anyio.lowlevel.checkpoint()

        return Sink("slow", drain)


def _overflowing(overflow: str) -> Shape:
    folder = Path(tempfile.gettempdir())
    return lambda source, sink: source.buffer(100, overflow, spill=Spill(folder)).to(sink)


def _queue(overflow: str) -> Shape:
    def shape(source: Source, sink: Sink) -> Any:
        queue, out = Source.queue(100, overflow, spill=Spill(Path(tempfile.gettempdir())))
        fed = source.to(Sink.for_each_async(queue.offer).map_result(lambda _: queue.complete()))
        return flow.Graph(fed=fed, out=out.to(sink))

    return shape


LOAD: dict[str, Shape] = {
    "adapt_rate": lambda source, sink: source.via(flow.adapt_rate(lambda: 0.5, most=1e6)).to(sink),
    "degrade": lambda source, sink: source.via(flow.degrade([abs, abs], lambda: 0.5)).to(sink),
    "shed_by_priority": lambda source, sink: source.via(flow.shed_by_priority(100, lambda x: x % 7)).to(sink),
    "shed_by_sampling": lambda source, sink: source.via(flow.shed_by_sampling(100)).to(sink),
}


class Published:
    """A source as a publisher, and a publisher as a source: runs inside of a block."""

    def __init__(self, source: Source, sink: Sink) -> None:
        self.source, self.sink = source, sink

    async def run(self, **options: Any) -> None:
        async with flow.to_publisher(self.source) as publisher, flow.to_processor(Flow().map(abs)) as processor:
            publisher.subscribe(processor)
            await flow.from_publisher(processor).run(self.sink, **options)


CASES: dict[str, Callable[[Source, Sink], Any]] = {
    **SHAPES,
    "limit": lambda source, sink: source.limit(10**9).to(sink),
    **{f"buffer {overflow}": _overflowing(overflow) for overflow in OVERFLOW},
    **{f"queue {overflow}": _queue(overflow) for overflow in OVERFLOW},
    **LOAD,
    "publisher and processor": Published,
}
"""All there is: operators, junctions, hubs, strategies of buffers and queues, load, Reactive Streams."""


def blocks_kept(name: str, n: int) -> int:
    """How many pieces of memory a run holds more in its last three quarters than in its first; for short runs."""
    watch, seen = Watch(n, time.monotonic() + 3_600), list[int]()

    def look(x: int) -> None:
        if x % (n // 8) == 0:
            gc.collect()
            seen.append(sys.getallocatedblocks())

    # Small numbers would cost nothing.
    stream = CASES[name](Source.range(1_000 * n, 1_001 * n).tap(look), watch.sink())
    gc.collect()
    gc.freeze()  # what is there before is not looked at each time
    try:
        with suppress(BufferOverflowError):
            anyio.run(lambda: stream.run(clock=Hurried(), seed=0))
    finally:
        gc.unfreeze()
    return max(seen[2:]) - max(seen[:2]) if len(seen) > 2 else 0


def measured(name: str, n: int, seconds: float) -> dict[str, Any]:
    """What one case did, in this process."""
    begun = time.monotonic()
    watch = Watch(n, begun + seconds)
    stream = CASES[name](watch.numbers(), watch.sink())
    ended = "completed"
    gc.collect()
    try:
        anyio.run(lambda: stream.run(clock=Hurried(), seed=0))
    except BufferOverflowError:
        ended = "overflow"
    return {
        "name": name,
        "made": watch.made,
        "taken": watch.taken,
        "grown": watch.grown(),
        "peak": max(watch.seen, default=resident()),
        "ended": "cut" if watch.cut else ended,
        "seconds": round(time.monotonic() - begun, 1),
    }


def apart(name: str, n: int, seconds: float) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "tests.laws.flow_memory", "--case", name, "--elements", str(n)]
    done = subprocess.run([*command, "--seconds", str(seconds)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def report(found: list[dict[str, Any]], n: int) -> list[str]:
    """A table of all cases: how many elements each saw, how it ended, what it grew by."""
    whole = [one for one in found if one["made"] >= n]
    early = [one for one in found if one["made"] < n and one["ended"] != "cut"]
    cut = [one for one in found if one["ended"] == "cut"]
    lines = [
        f"{len(whole)} of {len(found)} cases saw all {n:,} elements, {len(cut)} were cut off by the time allowed;"
        f" the most that one grew after the first tenth is {max(one['grown'] for one in found) / 1e6:.1f} MB."
        f" Python {platform.python_version()}.",
        "",
        "| case, those first that grew most | elements seen | end | MB at most | grown by MB | seconds |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for one in sorted(found, key=lambda one: (-one["grown"], one["name"])):
        size, grown = one["peak"] / 1e6, one["grown"] / 1e6
        end = "cut off" if one["ended"] == "cut" else "all seen" if one["made"] >= n else "ended early"
        lines.append(f"| {one['name']} | {one['made']:,} | {end} | {size:.0f} | {grown:.1f} | {one['seconds']:.0f} |")
    if early:
        names = ", ".join(f"`{one['name']}`" for one in early)
        lines += ["", f"Ended by what they are before all of the input was read: {names}."]
    return lines


def write(path: Path, lines: list[str]) -> None:
    """Replace what is between the marks of a page."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> int:
    """Measure and report; 1 if something grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, default=3_600)
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--case", choices=list(CASES))
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    if asked.case:
        sys.stdout.write(json.dumps(measured(asked.case, asked.elements, asked.seconds)))
        return 0
    found = []
    for name in asked.only:
        found.append(apart(name, asked.elements, asked.seconds))
        sys.stderr.write(json.dumps(found[-1]) + "\n")
    lines = report(found, asked.elements)
    sys.stdout.write("\n".join(lines) + "\n")
    if asked.write:
        write(asked.write, lines)
    return int(any(one["grown"] > ALLOWED for one in found))


if __name__ == "__main__":
    raise SystemExit(main())
