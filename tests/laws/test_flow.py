"""Laws of streams, for every operator of the table: chunks are not seen, resources balance, failures keep order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.flow import Flow, Sink, Source
from penstock.flow.catalogue import Entry
from penstock.testing import VirtualTime
from tests.laws.flow_law import BACKENDS, SAMPLES, Ledger, applied, by_name

EXACT = [entry for entry in SAMPLES if entry.exact]

numbers = st.lists(st.integers(0, 20), max_size=12)
sizes = st.lists(st.integers(1, 5), max_size=12)


def found(make: Callable[[], Source], backend: str = "asyncio") -> tuple[list[Any], str]:
    """What comes out before the end, and what the end is."""
    seen: list[Any] = []

    async def main() -> str:
        try:
            await VirtualTime().run(make(), Sink.for_each(seen.append))
        except ValueError as failure:
            return repr(failure)
        return "completed"

    return seen, anyio.run(main, backend=backend)


def failing(items: list[Any]) -> Source:
    return Source.from_iterable(items).concat(Source.failed(ValueError("planned")))


# -- chunks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", EXACT, ids=by_name)
@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=4)
@given(items=numbers, above=sizes, below=sizes, fails=st.booleans())
def test_chunks_are_not_seen(
    backend: str, entry: Entry, items: list[int], above: list[int], below: list[int], fails: bool
) -> None:
    def source() -> Source:
        return failing(items) if fails else Source.from_iterable(items)

    whole = found(lambda: applied(entry, source()), backend)
    single = found(lambda: applied(entry, source().rechunk([1] * 100)).rechunk([1] * 100), backend)
    cut = found(lambda: applied(entry, source().rechunk(above)).rechunk(below), backend)
    assert whole == single == cut


@pytest.mark.parametrize("entry", EXACT, ids=by_name)
def test_asyncio_and_trio_agree(entry: Entry) -> None:
    one, other = (found(lambda: applied(entry, Source.range(12)), backend) for backend in BACKENDS)
    assert one == other
    assert one[1] == "completed"


@pytest.mark.parametrize("entry", [e for e in SAMPLES if not e.exact], ids=by_name)
@pytest.mark.parametrize("backend", BACKENDS)
def test_others_complete_too(entry: Entry, backend: str) -> None:
    assert found(lambda: applied(entry, Source.range(12)), backend)[1] == "completed"


# -- composition -------------------------------------------------------------------------------------------------------

PURE = [
    e for e in EXACT if e.name in {"map", "filter", "scan", "take", "drop", "sliding", "changes", "map_async", "buffer"}
]


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=40)
@given(items=numbers, picks=st.tuples(*[st.sampled_from(range(len(PURE)))] * 3))
def test_via_is_associative_and_has_an_identity(backend: str, items: list[int], picks: tuple[int, int, int]) -> None:
    def flow(pick: int) -> Flow:
        sample = PURE[pick].sample
        assert sample is not None
        # Later operators work on what earlier ones give: lists count as their lengths.
        numbers_again = Flow().map(lambda x: len(x) if isinstance(x, list) else x)
        return numbers_again.via(sample(Flow()))

    a, b, c = map(flow, picks)
    source = Source.from_iterable(items)
    left = found(lambda: source.via(a.via(b)).via(c), backend)
    assert left == found(lambda: source.via(a.via(b.via(c))), backend)
    assert left == found(lambda: source.via(Flow()).via(a).via(b).via(Flow()).via(c).via(Flow()), backend)


EARLY = (
    *("find", "map_while", "repeat", "restart_with_backoff", "retry"),
    *("take", "take_until", "take_while", "zip", "zip_with"),
)

# -- resources ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", SAMPLES, ids=by_name)
@pytest.mark.parametrize("backend", BACKENDS)
def test_resources_balance_wherever_a_stream_fails(entry: Entry, backend: str) -> None:
    async def main() -> None:
        for at in (0, 3, 8):
            for where in ("source", "sink", "release"):
                ledger = Ledger()
                fails_at = at if where == "source" else None
                source = ledger.source("a", list(range(8)), fails_at=fails_at, release_fails=where == "release")
                stream = applied(entry, source.via(ledger.flow("b"))).via(ledger.flow("c"))
                seen: list[Any] = []

                def sink(x: Any, at: int = at, where: str = where, seen: list[Any] = seen) -> None:
                    seen.append(x)
                    if where == "sink" and len(seen) > at:
                        raise ValueError("sink")

                failure = ""
                try:
                    await VirtualTime().run(stream, Sink.for_each(sink))
                except ValueError as error:
                    failure = str(error)
                assert ledger.held() == [], (at, where)
                released = [name for what, name in ledger.events if what == "released"]
                # In reverse order; what ends before its input lets go of that at once.
                above = [name for name in released if name in "bc"]
                assert above == ["c", "b"] or (entry.name in EARLY and above == ["b", "c"])
                if "a" in released:
                    assert released.index("b") < released.index("a")
                if where == "sink" and len(seen) > at:
                    assert failure == "sink"

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("entry", SAMPLES, ids=by_name)
@pytest.mark.parametrize("backend", BACKENDS)
def test_resources_balance_wherever_a_stream_is_cancelled(entry: Entry, backend: str) -> None:
    async def main() -> None:
        for at in (0, 2, 5):
            for how in ("cancel", "shutdown", "abort"):
                ledger, time = Ledger(), VirtualTime()
                gap = Flow().throttle(1, "1 s")
                stream = applied(entry, ledger.source("a", list(range(8))).via(gap).via(ledger.flow("b")))
                async with stream.via(ledger.flow("c")).to(Sink.ignore()).start(clock=time) as running:
                    await time.advance(f"{at} s")
                    if how == "abort":
                        running.abort(ValueError("abort"))
                        running.cancel()
                    elif how == "shutdown":
                        running.shutdown()
                    else:
                        running.cancel()
                    while running.state == "running":
                        await time.step() or await time.settle()
                assert running.state in ("cancelled", "completed")
                assert ledger.held() == [], (at, how)

    anyio.run(main, backend=backend)


def test_a_failing_release_is_told_and_keeps_none_from_running() -> None:
    ledger = Ledger()
    source = ledger.source("a", [1, 2], release_fails=True)
    assert found(lambda: source.via(ledger.flow("b"))) == ([1, 2], "ValueError('release')")
    assert ledger.held() == []

    async def main() -> None:
        both = Ledger()
        stream = both.source("a", [1, 2], release_fails=True).tap(lambda x: 1 // (x - 2))
        with pytest.raises(ZeroDivisionError) as raised:
            await stream.run()
        assert "release" in raised.value.__notes__[0]
        assert both.held() == []

    anyio.run(main)
