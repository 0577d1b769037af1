"""Whatever fails and whenever a stream is cancelled: it ends, says why, and holds nothing any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from penstock.flow import Flow, Graph, NoElementError, Runnable, Sink, Source, StreamAbortedError
from penstock.flow.catalogue import Entry
from penstock.testing import VirtualTime
from tests.laws.flow_law import BACKENDS, SAMPLES, SHAPES, Ledger, by_name

# -- callbacks ---------------------------------------------------------------------------------------------------------


class Callbacks:
    """A stream whose verbs get functions that count their calls, one of which fails."""

    def __init__(self, stream: Source, verb: str, fails: tuple[int, int]) -> None:
        self.stream, self.verb, self.fails = stream, verb, fails
        self.calls: list[int] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.stream, name)

        def call(*arguments: Any, **named: Any) -> Callbacks:
            if name == self.verb and name not in NO_FUNCTION:
                arguments = tuple(self.wrapped(a) for a in arguments)
                named = {key: self.wrapped(a) for key, a in named.items()}
            self.stream = method(*arguments, **named)
            return self

        return call

    def wrapped(self, f: Any) -> Any:
        if not callable(f) or isinstance(f, Source | Sink) or (isinstance(f, type) and issubclass(f, Exception)):
            return f
        number = len(self.calls)
        self.calls.append(0)

        def count() -> None:
            self.calls[number] += 1
            if (number, self.calls[number]) == self.fails:
                raise ValueError("callback")

        if iscoroutinefunction(f):

            async def waited(*arguments: Any) -> Any:
                count()
                return await f(*arguments)

            return waited

        @wraps(f, updated=())
        def called(*arguments: Any) -> Any:
            count()
            return f(*arguments)

        return called


SEVERAL = [name for name in SHAPES if name not in {entry.name for entry in SAMPLES}]
NO_FUNCTION = {"filter_type"}  # takes a type


async def tried(entry: Entry, fails: tuple[int, int], failing_input: bool) -> tuple[list[int], str]:
    """How often each callback was called, and how the stream ended; nothing is held."""
    ledger = Ledger()
    source = ledger.source("a", list(range(8)), fails_at=6 if failing_input else None)
    callbacks = Callbacks(source.via(ledger.flow("b")), entry.name, fails)
    assert entry.sample is not None
    entry.sample(callbacks)
    end = "completed"
    try:
        await VirtualTime().run(callbacks.stream.via(ledger.flow("c")), Sink.ignore())
    except ValueError as failure:
        end = str(failure)
    assert ledger.held() == [], fails
    return callbacks.calls, end


@pytest.mark.parametrize("entry", SAMPLES, ids=by_name)
@pytest.mark.parametrize("backend", BACKENDS)
def test_any_call_of_any_callback_may_fail(entry: Entry, backend: str) -> None:
    async def main() -> None:
        for failing_input in (False, True):  # callbacks that are for failures are called then
            whole, _ = await tried(entry, (-1, 0), failing_input)
            for number, calls in enumerate(whole):
                for call in {1, (calls + 1) // 2, calls} - {0}:
                    made, end = await tried(entry, (number, call), failing_input)
                    if made[number] >= call:
                        assert end == "callback" or failing_input, (number, call, end)
                        assert end != "completed", (number, call)

    anyio.run(main, backend=backend)


async def driven(stream: Runnable | Graph) -> str:
    """Run on virtual time; how it ends."""
    time = VirtualTime()
    try:
        async with stream.start(clock=time, seed=0) as running:
            for _ in range(PATIENCE):
                if running.state != "running":
                    break
                await time.step() or await time.settle()
            else:
                raise AssertionError("it does not end")
    except ValueError as failure:
        return str(failure)
    return running.state


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("backend", BACKENDS)
def test_shapes_fail_with_their_input_and_with_their_sink(name: str, backend: str) -> None:
    async def main() -> None:
        for at in (0, 3, 7):
            ledger = Ledger()
            source = ledger.source("a", list(range(8)), fails_at=at).via(ledger.flow("b"))
            assert await driven(SHAPES[name](source, Flow().via(ledger.flow("c")).to(Sink.ignore()))) == "planned"
            assert ledger.held() == [], at
            seen: list[Any] = []

            def sink(x: Any, at: int = at, seen: list[Any] = seen) -> None:
                seen.append(x)
                if len(seen) > at:
                    raise ValueError("sink")

            source = ledger.source("a", list(range(8))).via(ledger.flow("b"))
            end = await driven(SHAPES[name](source, Flow().via(ledger.flow("c")).to(Sink.for_each(sink))))
            assert end == ("sink" if len(seen) > at else "completed"), at
            assert ledger.held() == [], at

    anyio.run(main, backend=backend)


async def elsewhere(*_: Any) -> Any:
    """Awaits something that others have cancelled."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.cancel()
    return await future


@pytest.mark.parametrize(
    "make",
    [
        lambda s: s.map_async(elsewhere),
        lambda s: s.map_async(elsewhere, parallelism=3, ordered=False),
        lambda s: s.tap_async(elsewhere).merge(Source.never()),
        lambda s: s.filter_async(elsewhere).buffer(3),
        lambda s: s.also_to(Flow().tap_async(elsewhere).to(Sink.ignore())),
        lambda s: s.scan_async(0, elsewhere).group_by(lambda x: x, lambda key, own: own),
        lambda s: s.flat_map_merge(lambda x: Source.unfold_async(0, elsewhere)),
    ],
)
def test_a_cancellation_from_elsewhere_is_a_failure_and_no_task_waits_for_ever(
    make: Callable[[Source], Source],
) -> None:
    async def main() -> None:
        ledger = Ledger()
        with pytest.raises(StreamAbortedError, match="cancelled from elsewhere"):
            await VirtualTime().run(make(ledger.source("a", [1, 2, 3])))
        assert ledger.held() == []

    anyio.run(main)


# -- cancellation ------------------------------------------------------------------------------------------------------

PATIENCE = 300
"""Turns of the loop in which a cancelled stream has ended."""


async def cancelled_at(make: Callable[[Source, Sink], Runnable | Graph], turn: int, how: str) -> bool:
    """Cancel after so many turns of the loop; whether it was still running. It ends, and nothing is held."""
    ledger = Ledger()
    source = ledger.source("a", list(range(12))).via(ledger.flow("b"))
    sink = Flow().via(ledger.flow("c")).to(Sink.ignore())
    with suppress(NoElementError):  # of an input that was shut down
        async with make(source, sink).start(clock=VirtualTime()) as running:
            for _ in range(turn):
                await anyio.lowlevel.checkpoint()
            live = running.state == "running"
            if how == "shutdown and cancel":
                running.shutdown()
                await anyio.lowlevel.checkpoint()
            running.cancel()
            for _ in range(PATIENCE):
                if running.state != "running":
                    break
                await anyio.lowlevel.checkpoint()
            else:
                raise AssertionError(f"it does not end: {how} at {turn}")
    assert ledger.held() == [], (turn, how)
    return live


def all_turns(name: str, backend: str, turns: range) -> None:
    async def main() -> None:
        for turn in turns:
            live = False
            for how in ("cancel", "shutdown and cancel"):
                live |= await cancelled_at(SHAPES[name], turn, how)
            if backend == "asyncio":
                assert len(asyncio.all_tasks()) == 1
            if not live:
                return

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("name", SHAPES)
def test_a_cancelled_stream_ends_wherever_it_is(name: str) -> None:
    all_turns(name, "asyncio", range(0, 16, 3))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cancelled_stream_ends_wherever_it_is_at_every_turn(name: str, backend: str) -> None:
    all_turns(name, backend, range(40))
