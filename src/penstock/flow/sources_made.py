"""Sources that make their elements: by functions, from resources, files, processes and sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from itertools import repeat
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from penstock.core import files
from penstock.core.errors import PlanError
from penstock.flow.errors import FlowError
from penstock.flow.nested import Inner, as_source
from penstock.flow.operators.asynchronous import called
from penstock.flow.operators.base import awaitable, function, listed, pair, path_of, positive
from penstock.flow.stage import Context, Pull, Stage

if TYPE_CHECKING:
    from penstock.flow.reactive import Publisher
    from penstock.flow.shapes import Source

_NOTHING: Any = object()


class _Made(Stage):
    """Elements of an async function, one at a time, until it gives nothing."""

    def __init__(self, context: Context, make: Callable[[], Awaitable[list[Any]]]) -> None:
        super().__init__(self, context)
        self.make = make

    async def pull(self, most: int) -> list[Any]:
        return await self.make()


class _Resource(Stage):
    """Opened by the first pull, closed by the scope."""

    def __init__(
        self, context: Context, create: Callable[[], Any], read: Callable[[Any], Any], close: Callable[[Any], Any]
    ) -> None:
        super().__init__(self, context)
        self.create, self.read, self.release = create, read, close
        self.resource = _NOTHING

    async def pull(self, most: int) -> list[Any]:
        if self.resource is _NOTHING:
            # Once it is there, it is released: no cancellation comes in between.
            with anyio.CancelScope(shield=True):
                self.resource = await _value(self.create())
        x = await _value(self.read(self.resource))
        return [] if x is None else [x]

    async def close(self) -> None:
        if self.resource is not _NOTHING:
            resource, self.resource = self.resource, _NOTHING
            await _value(self.release(resource))


class _Lazy(Stage):
    def __init__(self, context: Context, make: Callable[[], Any]) -> None:
        super().__init__(self, context)
        self.make = make
        self._inner: Inner | None = None

    async def pull(self, most: int) -> list[Any]:
        if self._inner is None:
            self._inner = Inner(as_source("lazy", await _value(self.make())), self.context.inside())
        return await self._inner.pull(most)


async def _value(answer: Any) -> Any:
    return await answer if hasattr(answer, "__await__") else answer


def _source(name: str, head: Callable[[Context], Pull], *, composite: bool = False) -> Source:
    from penstock.flow.shapes import Source

    return Source(name, head, composite=composite)


class MadeSources:
    """Sources that make their elements. What they call is called on demand, anew in each run."""

    @staticmethod
    def constant(value: Any) -> Source:
        """`value` for ever."""
        return _from(lambda: repeat(value), "constant")

    @staticmethod
    def iterate(start: Any, f: Callable[[Any], Any]) -> Source:
        """`start`, `f(start)`, `f(f(start))`, for ever."""
        f = function("iterate", f)

        def values() -> Iterator[Any]:
            x = start
            while True:
                yield x
                x = f(x)

        return _from(values, "iterate")

    @staticmethod
    def unfold(start: Any, f: Callable[[Any], tuple[Any, Any] | None]) -> Source:
        """`state, element = f(state)` from `start` on, until `f` gives None."""
        f = function("unfold", f)

        def values() -> Iterator[Any]:
            state = start
            while (found := f(state)) is not None:
                state, x = pair("unfold", found)
                yield x

        return _from(values, "unfold")

    @staticmethod
    def unfold_async(start: Any, f: Callable[[Any], Awaitable[tuple[Any, Any] | None]]) -> Source:
        """As `unfold`, with an async function."""
        f = awaitable("unfold_async", f)

        def head(context: Context) -> Stage:
            state = [start]

            async def make() -> list[Any]:
                found = await called("unfold_async", f, state[0])
                if found is None:
                    return []
                state[0], x = pair("unfold_async", found)
                return [x]

            return _Made(context, make)

        return _source("unfold_async", head)

    @staticmethod
    def call(f: Callable[..., Awaitable[Any]], *args: Any) -> Source:
        """One element: what `f(*args)` gives, awaited."""
        f = awaitable("call", f)

        def head(context: Context) -> Stage:
            left = [f]

            async def make() -> list[Any]:
                return [await called("call", left.pop(), *args)] if left else []

            return _Made(context, make)

        return _source("call", head)

    @staticmethod
    def calls(f: Callable[..., Awaitable[Any]], *args: Any) -> Source:
        """What `f(*args)` gives, awaited, again and again."""
        f = awaitable("calls", f)

        async def make() -> list[Any]:
            return [await called("calls", f, *args)]

        return _source("calls", lambda ctx: _Made(ctx, make))

    @staticmethod
    def lazy(make: Callable[[], Any]) -> Source:
        """The source (or iterable) that `make()` gives when the first element is asked for; it may be async."""
        _callable("lazy", "make", make)
        return _source("lazy", lambda ctx: _Lazy(ctx, make), composite=True)

    @staticmethod
    def unfold_resource(create: Callable[[], Any], read: Callable[[Any], Any], close: Callable[[Any], Any]) -> Source:
        """Elements `read(resource)`, until it gives None; `close(resource)` is called in every case.

        The functions may be async. What `create` has given is closed also on failure and cancellation, and once.
        """
        for name, f in (("create", create), ("read", read), ("close", close)):
            _callable("unfold_resource", name, f)
        return _source("unfold_resource", lambda ctx: _Resource(ctx, create, read, close))

    @staticmethod
    def resource(make: Callable[[], AbstractAsyncContextManager[Any] | AbstractContextManager[Any]]) -> Source:
        """One element: what the (async) context manager `make()` gives on entry; it is left when the stream ends.

        `Source.resource(connect).flat_map_concat(rows_of)` holds the resource while the rows are read.
        """
        make = function("resource", make, "make")

        async def enter() -> list[Any]:
            manager = make()
            if not any(hasattr(manager, name) for name in ("__aenter__", "__enter__")):
                raise PlanError(f"resource takes a function that gives a context manager, found {manager!r}")
            entered = manager.__aenter__() if hasattr(manager, "__aenter__") else manager.__enter__()
            return [manager, await _value(entered), False]

        def read(held: list[Any]) -> Any:
            if held[2]:
                return None
            held[2] = True
            return (held[1],)  # which may be None

        async def leave(held: list[Any]) -> None:
            manager = held[0]
            exit_of = manager.__aexit__ if hasattr(manager, "__aexit__") else manager.__exit__
            await _value(exit_of(None, None, None))

        return MadeSources.unfold_resource(enter, read, leave).map(itemgetter(0))

    @staticmethod
    def from_blocking(items: Iterable[Any]) -> Source:
        """The elements of an iterable that blocks, asked for in a thread, one at a time.

        A cancelled stream waits for the element that is asked for just then.
        """
        if not hasattr(items, "__iter__"):
            raise PlanError(f"from_blocking takes an iterable, found {type(items).__name__}")

        async def read(iterator: Iterator[Any]) -> Any:
            return await anyio.to_thread.run_sync(next, iterator, _NOTHING)

        def head(context: Context) -> Stage:
            held: list[Iterator[Any]] = []

            async def make() -> list[Any]:
                if not held:
                    held.append(iter(items))
                x = await read(held[0])
                return [] if x is _NOTHING else [x]

            return _Made(context, make)

        return _source("from_blocking", head)

    @staticmethod
    def from_file(path: Path | str, *, size: int = 65_536) -> Source:
        """The bytes of a file, `size` at most to an element, read in a thread."""
        n, place = positive("from_file", "size", size), path_of("from_file", path)

        async def create() -> Any:
            return await anyio.to_thread.run_sync(files.open_read, place)

        async def read(file: Any) -> Any:
            return await anyio.to_thread.run_sync(files.read, file, n) or None

        return MadeSources.unfold_resource(create, read, lambda file: file.close())

    @staticmethod
    def from_lines(path: Path | str, *, longest: int = 1 << 20) -> Source:
        """The lines of a UTF-8 file, without their ends; one of more than `longest` bytes is a `FramingError`."""
        return MadeSources.from_file(path).lines(longest=longest)

    @staticmethod
    def from_process(command: Sequence[str]) -> Source:
        """What a program writes to its standard output, as bytes; it is killed if the stream ends before it does.

        An exit code other than 0 is a `FlowError`, behind all output.
        """
        arguments = [str(part) for part in listed("from_process", "command", command)]
        if not arguments:
            raise PlanError("from_process takes a command and its arguments, found an empty list")

        async def create() -> Any:
            return await anyio.open_process(arguments, stdin=None, stderr=None)

        async def read(process: Any) -> Any:
            try:
                return await process.stdout.receive()
            except anyio.EndOfStream:
                code = await process.wait()
                if code:
                    raise FlowError(f"{arguments[0]} ended with exit code {code}") from None
                return None

        async def close(process: Any) -> None:
            if process.returncode is None:
                process.kill()
            await process.aclose()

        return MadeSources.unfold_resource(create, read, close)

    @staticmethod
    def from_publisher(publisher: Publisher[Any], *, size: int = 16) -> Source:
        """The elements of a publisher of Reactive Streams; see `penstock.flow.from_publisher`."""
        from penstock.flow.interop import from_publisher

        return from_publisher(publisher, size=size)

    @staticmethod
    def from_tcp(host: str, port: int) -> Source:
        """What a TCP server sends, as bytes, until it closes the connection."""
        if not isinstance(host, str):
            raise PlanError(f"from_tcp takes a name or an address as host, found {host!r}")
        if positive("from_tcp", "port", port) > 65_535:
            raise PlanError(f"from_tcp takes a port up to 65535, found {port}")

        async def create() -> Any:
            return await anyio.connect_tcp(host, port)

        async def read(stream: Any) -> Any:
            try:
                return await stream.receive()
            except anyio.EndOfStream:
                return None

        return MadeSources.unfold_resource(create, read, lambda stream: stream.aclose())


def _callable(verb: str, name: str, f: Any) -> None:
    if not callable(f):
        raise PlanError(f"{verb} takes a function as {name}, found {type(f).__name__}")


def _from(values: Callable[[], Iterable[Any]], name: str) -> Source:
    from dataclasses import replace

    from penstock.flow.shapes import Source

    return replace(Source.from_factory(values), name=name)
