"""Sinks: where streams end, and what their results are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from penstock.flow.bite import Bite
from penstock.flow.operators.base import function
from penstock.flow.sinks_more import MoreSinks
from penstock.flow.stage import CHUNK, STOP, Context, Pull

if TYPE_CHECKING:
    from penstock.flow.shapes import Sink

Drain = Callable[[Pull, Context], Awaitable[Any]]


async def collected(up: Pull, context: Context) -> list[Any]:
    """All elements."""
    found: list[Any] = []
    while chunk := await up.pull(CHUNK):
        found += chunk
    return found


def _sink(name: str, drain: Drain) -> Sink:
    from penstock.flow.shapes import Sink

    return Sink(name, drain)


class Sinks(MoreSinks):
    """How sinks are made."""

    @staticmethod
    def collect() -> Sink:
        """The list of all elements. Its size is the stream's: put `limit` before it where that is not known."""
        return _sink("collect", collected)

    @staticmethod
    def ignore() -> Sink:
        """Takes everything; the result is None."""

        async def drain(up: Pull, context: Context) -> None:
            while await up.pull(CHUNK):
                pass

        return _sink("ignore", drain)

    @staticmethod
    def fold(start: Any, f: Callable[[Any, Any], Any]) -> Sink:
        """`f(so far, element)` over all elements, from `start` on."""
        f = function("fold", f)

        async def drain(up: Pull, context: Context) -> Any:
            state, bite = start, Bite(context.clock)
            while chunk := await up.pull(bite.size):
                bite.begin()
                for x in chunk:
                    state = f(state, x)
                bite.end(len(chunk), "Sink.fold")
            return state

        return _sink("fold", drain)

    @staticmethod
    def for_each(f: Callable[[Any], object]) -> Sink:
        """Call `f` with each element; the result is None."""
        f = function("for_each", f)

        async def drain(up: Pull, context: Context) -> None:
            bite = Bite(context.clock)
            while chunk := await up.pull(bite.size):
                bite.begin()
                for x in chunk:
                    try:
                        f(x)
                    except Exception as failure:
                        if context.verdict(failure) == STOP:
                            raise
                bite.end(len(chunk), "Sink.for_each")

        return _sink("for_each", drain)
