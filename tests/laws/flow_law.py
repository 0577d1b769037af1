"""What the laws of streams share: operators to try, shapes with several ends, an account of resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio.lowlevel

from penstock.flow import BroadcastHub, Feedback, Flow, Graph, MergeHub, PartitionHub, Runnable, Sink, Source
from penstock.flow.catalogue import OPERATORS, Entry
from penstock.flow.clock import Signal
from penstock.flow.operators.base import Step
from penstock.flow.stage import Context, Stage

BACKENDS = ("asyncio", "trio")
SAMPLES = [entry for entry in OPERATORS if entry.sample is not None]


def by_name(entry: Entry) -> str:
    return entry.name


def applied(entry: Entry, source: Source) -> Source:
    assert entry.sample is not None
    found = entry.sample(source)
    assert isinstance(found, Source)
    return found


class Ledger:
    """What was acquired and released, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def held(self) -> list[str]:
        acquired = [name for what, name in self.events if what == "acquired"]
        for name in [name for what, name in self.events if what == "released"]:
            acquired.remove(name)  # ValueError: released twice, or never acquired
        return acquired

    def source(
        self, name: str, items: list[Any], *, fails_at: int | None = None, release_fails: bool = False
    ) -> Source:
        left = list(items)

        def create() -> str:
            self.events.append(("acquired", name))
            return name

        def read(resource: str) -> Any:
            at = len(items) - len(left)
            if fails_at is not None and at >= fails_at:
                raise ValueError("planned")
            return left.pop(0) if left else None

        def close(resource: str) -> None:
            self.events.append(("released", name))
            if release_fails:
                raise ValueError("release")

        return Source.unfold_resource(create, read, close)

    def flow(self, name: str) -> Flow:
        """A stage that holds something from its opening on."""
        ledger = self

        class Holds(Stage):
            async def close(self) -> None:
                ledger.events.append(("released", name))

        def make(up: Any, context: Context) -> Stage:
            ledger.events.append(("acquired", name))
            return Holds(up, context)

        return Flow((Step(name, make),))


class Hurried:
    """A clock on which an instant comes as soon as somebody waits for it; those in an hour do not."""

    def __init__(self) -> None:
        self.instant = 0

    def now(self) -> int:
        return self.instant

    async def wait(self, signal: Signal, until: int | None) -> bool:
        if until is None or until - self.instant > 1_800_000_000:
            await signal.wait()
            return True
        await self.sleep_until(until)
        return False

    async def sleep_until(self, until: int) -> None:
        await anyio.lowlevel.checkpoint()
        self.instant = max(self.instant, until)


# -- shapes with several ends ------------------------------------------------------------------------------------------

Shape = Callable[[Source, Sink], Runnable | Graph]


def _merge_hub(source: Source, sink: Sink) -> Graph:
    hub = MergeHub(2)
    into = source.to(hub.sink.map_result(lambda sent: hub.complete()))
    return Graph(into=into, out=hub.source.to(sink))


def _hub(hub: BroadcastHub, source: Source, sink: Sink) -> Graph:
    other = hub.source.map(lambda x: x).to(Sink.ignore())
    return Graph(into=source.to(hub.sink), out=hub.source.to(sink), other=other)


def _feedback(source: Source, sink: Sink) -> Graph:
    loop = Feedback(4)
    again, done = source.merge(loop.source, halt="left").partition(2, lambda x: x % 2, eager=True)
    return Graph(back=again.map(lambda x: x + 1).to(loop.sink), done=done.to(sink))


def _joined(n: int, join: Callable[..., Source], outlets: Callable[[Source], tuple[Source, ...]]) -> Shape:
    return lambda source, sink: join(*outlets(source)).to(sink)


SHAPES: dict[str, Shape] = {
    "broadcast": _joined(2, Source.zip, lambda s: s.broadcast(2)),
    "broadcast eager": _joined(2, Source.merge, lambda s: s.broadcast(2, size=3, eager=True)),
    "balance": _joined(3, Source.merge, lambda s: s.balance(3, size=1)),
    "partition": _joined(2, Source.merge, lambda s: s.partition(2, lambda x: x % 2)),
    "unzip": _joined(2, Source.zip, lambda s: s.map(lambda x: (x, -x)).unzip()),
    "graph": lambda source, sink: Graph(a=source.to(sink), b=Source.range(3).pace("1 s").to(Sink.ignore())),
    "merge hub": _merge_hub,
    "broadcast hub": lambda source, sink: _hub(BroadcastHub(2), source, sink),
    "partition hub": lambda source, sink: _hub(PartitionHub(lambda x, n: x % n, 2), source, sink),
    "feedback": _feedback,
    "sink and source": lambda source, sink: (
        Source.range(5).pace("1 s").via(Flow.from_sink_and_source(Sink.ignore(), source)).to(sink)
    ),
    "nested": lambda source, sink: (
        source.map(lambda x: Source.range(x % 3)).flat_map_merge(lambda s: s.also_to(Sink.ignore())).to(sink)
    ),
    **{
        entry.name: lambda source, sink, entry=entry: applied(entry, source).to(sink)  # type: ignore[misc]
        for entry in SAMPLES
    },
}
"""Junctions, hubs, cycles, and every operator."""
