"""More sinks: single elements, questions, async functions, files, sinks that are tried again."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from penstock.core import files
from penstock.core.errors import PlanError
from penstock.flow.backoff import Backoff
from penstock.flow.bite import Bite
from penstock.flow.errors import NoElementError
from penstock.flow.operators.asynchronous import called
from penstock.flow.operators.base import awaitable, function, path_of, positive
from penstock.flow.scope import COMPLETED, FAILED
from penstock.flow.stage import CHUNK, STOP, Context, Pull

if TYPE_CHECKING:
    from penstock.flow.shapes import Sink

_NOTHING: Any = object()


def _sink(name: str, drain: Callable[[Pull, Context], Awaitable[Any]]) -> Sink:
    from penstock.flow.shapes import Sink

    return Sink(name, drain)


class MoreSinks:
    """Sinks beyond the simplest."""

    @staticmethod
    def first(default: Any = _NOTHING) -> Sink:
        """The first element, and no more is asked for; `default`, or a `NoElementError`, if there is none."""

        async def drain(up: Pull, context: Context) -> Any:
            return _only(await up.pull(1), default, "first")

        return _sink("first", drain)

    @staticmethod
    def last(default: Any = _NOTHING) -> Sink:
        """The last element; `default`, or a `NoElementError`, if there is none."""

        async def drain(up: Pull, context: Context) -> Any:
            last: list[Any] = []
            while chunk := await up.pull(CHUNK):
                last = chunk[-1:]
            return _only(last, default, "last")

        return _sink("last", drain)

    @staticmethod
    def take_last(n: int) -> Sink:
        """A list of the last `n` elements."""
        n = positive("take_last", "n", n)

        async def drain(up: Pull, context: Context) -> list[Any]:
            last: deque[Any] = deque(maxlen=n)
            while chunk := await up.pull(CHUNK):
                last.extend(chunk)
            return list(last)

        return _sink("take_last", drain)

    @staticmethod
    def count() -> Sink:
        """How many elements there are."""

        async def drain(up: Pull, context: Context) -> int:
            n = 0
            while chunk := await up.pull(CHUNK):
                n += len(chunk)
            return n

        return _sink("count", drain)

    @staticmethod
    def reduce(f: Callable[[Any, Any], Any]) -> Sink:
        """`f(so far, element)` from the first element on; a `NoElementError` if there is none."""
        from penstock.flow.shapes import Flow

        return Flow().reduce(f).to(MoreSinks.last())

    @staticmethod
    def any(predicate: Callable[[Any], Any]) -> Sink:
        """Whether `predicate` is true for some element; stops at the first."""
        f = function("any", predicate, "predicate")
        return _asks("any", f, True)

    @staticmethod
    def all(predicate: Callable[[Any], Any]) -> Sink:
        """Whether `predicate` is true for all elements; stops at the first for which it is not."""
        f = function("all", predicate, "predicate")
        return _asks("all", lambda x: not f(x), False)

    @staticmethod
    def for_each_async(f: Callable[[Any], Awaitable[Any]], *, parallelism: int = 1) -> Sink:
        """Wait for `f` of each element, `parallelism` calls at a time; the result is None."""
        from penstock.flow.shapes import Flow, Sink

        f = awaitable("for_each_async", f)
        if positive("for_each_async", "parallelism", parallelism) > 1:
            return Flow().map_async(f, parallelism=parallelism, ordered=False).to(Sink.ignore())

        async def drain(up: Pull, context: Context) -> None:
            while chunk := await up.pull(1):
                try:
                    await called("for_each_async", f, chunk[0])
                except Exception as failure:
                    if context.verdict(failure) == STOP:
                        raise

        return _sink("for_each_async", drain)

    @staticmethod
    def fold_async(start: Any, f: Callable[[Any, Any], Awaitable[Any]]) -> Sink:
        """As `fold`, with an async function."""
        from penstock.flow.shapes import Flow

        return Flow().fold_async(start, f).to(MoreSinks.last())

    @staticmethod
    def cancelled() -> Sink:
        """Asks for nothing and ends at once."""

        async def drain(up: Pull, context: Context) -> None:
            return None

        return _sink("cancelled", drain)

    @staticmethod
    def never() -> Sink:
        """Asks for nothing and does not end."""

        async def drain(up: Pull, context: Context) -> None:
            await anyio.sleep_forever()

        return _sink("never", drain)

    @staticmethod
    def lazy(make: Callable[[], Sink]) -> Sink:
        """The sink that `make()` gives when the first element has come; None if none comes."""
        make = function("lazy", make, "make")

        async def drain(up: Pull, context: Context) -> Any:
            chunk = await up.pull(1)
            return await make().consume(_Before(chunk, up), context) if chunk else None

        return _sink("lazy", drain)

    @staticmethod
    def to_file(path: Path | str) -> Sink:
        """Write bytes to a new file, in a thread; the result is their number.

        The file is made durable and gets its name at the end only: a stream that fails leaves none.

        Raises:
            OSError: When it runs, if the file cannot be written.
        """
        final = path_of("to_file", path)

        async def drain(up: Pull, context: Context) -> int:
            staged, written = files.unique(final.parent, "flow-"), 0
            file = await anyio.to_thread.run_sync(files.create, staged)

            async def clean() -> None:
                file.close()
                files.remove(staged)

            place = context.scope.on_close(clean)
            while chunk := await up.pull(64):
                for x in chunk:
                    if not isinstance(x, bytes | bytearray | memoryview):
                        raise PlanError(f"to_file writes bytes, found {type(x).__name__}", hint="map(str.encode)")
                data = b"".join(chunk)
                await anyio.to_thread.run_sync(files.write, file, data)
                written += len(data)
            await anyio.to_thread.run_sync(files.sync, file)
            file.close()
            await anyio.to_thread.run_sync(files.publish, staged, final)
            context.scope.forget(place)
            return written

        return _sink("to_file", drain)

    @staticmethod
    def restart_with_backoff(make: Callable[[], Sink], backoff: Backoff) -> Sink:
        """A sink made by `make()`, and another when that fails, after a wait.

        Elements that the failed one had taken are lost to the next. A failure of the stream is not retried.
        """
        make = function("restart_with_backoff", make, "make")
        if not isinstance(backoff, Backoff):
            raise PlanError(f"restart_with_backoff takes a Backoff, found {type(backoff).__name__}")

        async def drain(up: Pull, context: Context) -> Any:
            tries = backoff.tries(context.clock, context.run.random)
            shared = _Told(up)
            while True:
                inner = context.inside()
                try:
                    result = await make().consume(shared, inner)
                except Exception:
                    await inner.scope.close(FAILED)
                    if shared.failed or not await tries.again():
                        raise
                    continue
                await inner.scope.close(COMPLETED)
                return result

        return _sink("restart_with_backoff", drain)


class _Before:
    """Elements that were pulled already, and then the rest."""

    def __init__(self, chunk: list[Any], up: Pull) -> None:
        self.chunk, self.up = chunk, up

    async def pull(self, most: int) -> list[Any]:
        if self.chunk:
            chunk, self.chunk = self.chunk[:most], self.chunk[most:]
            return chunk
        return await self.up.pull(most)

    async def close(self) -> None:
        return None


class _Told:
    """An input that remembers whether it failed; one element at a time, so that few are lost with a sink."""

    failed = False

    def __init__(self, up: Pull) -> None:
        self.up = up

    async def pull(self, most: int) -> list[Any]:
        try:
            return await self.up.pull(1)
        except Exception:
            self.failed = True
            raise

    async def close(self) -> None:
        return None


def _only(found: list[Any], default: Any, name: str) -> Any:
    if found:
        return found[0]
    if default is _NOTHING:
        raise NoElementError(f"Sink.{name}() of a stream without an element", hint=f"Sink.{name}(default)")
    return default


def _asks(name: str, f: Callable[[Any], Any], found: bool) -> Sink:
    async def drain(up: Pull, context: Context) -> bool:
        bite = Bite(context.clock)
        while chunk := await up.pull(bite.size):
            bite.begin()
            for x in chunk:
                if f(x):
                    return found
            bite.end(len(chunk), f"Sink.{name}")
        return not found

    return _sink(name, drain)
