"""Probes: the two ends of a stream in the hands of a test."""

from __future__ import annotations

from collections import deque
from typing import Any

from penstock.core.timespan import duration
from penstock.flow import Signal, Sink, Source, StreamClosedError
from penstock.flow.stage import Context, Pull, Pump, Stage
from penstock.testing.compare import CheckFailed
from penstock.testing.virtual import VirtualTime


class TestSource:
    """A source that gives what a test sends, and knows what was asked for.

    Pass `probe.source` to the stream under test; one run at a time.

    Attributes:
        requested: How many elements have been asked for in all, and not been sent.
        closed: Whether the stream has closed the source.
    """

    __test__ = False  # for pytest: this is no test

    def __init__(self, time: VirtualTime) -> None:
        self.time = time
        self.requested = 0
        self.closed = False
        self._items: deque[Any] = deque()
        self._ended = False
        self._failure: Exception | None = None
        self._signal = Signal()
        self.source = Source("test_source", lambda context: _Probed(self, context))

    def send(self, *items: Any) -> None:
        """Give elements; those that nobody has asked for yet wait."""
        if self._ended:
            raise StreamClosedError("the probe has completed or failed already")
        self._items += items
        self._signal.notify()

    def complete(self) -> None:
        """End, behind all that was sent."""
        self._ended = True
        self._signal.notify()

    def fail(self, failure: Exception) -> None:
        """Fail, behind all that was sent."""
        self._ended, self._failure = True, failure
        self._signal.notify()

    async def expect_request(self, least: int = 1) -> int:
        """How many elements are asked for, once all tasks wait.

        Raises:
            CheckFailed: If there are fewer than `least`.
        """
        await self.time.settle()
        if self.requested < least:
            raise CheckFailed(f"expected a request for {least} or more, found {self.requested}")
        return self.requested

    async def expect_no_request(self) -> None:
        """All tasks wait, and nothing is asked for.

        Raises:
            CheckFailed: If something is.
        """
        await self.time.settle()
        if self.requested:
            raise CheckFailed(f"expected no request, found one for {self.requested}")

    async def expect_closed(self) -> None:
        """The stream has closed the source.

        Raises:
            CheckFailed: If it has not.
        """
        await self.time.settle()
        if not self.closed:
            raise CheckFailed("expected the source to be closed")

    async def _pull(self, most: int) -> list[Any]:
        self.requested = most
        while not self._items and not self._ended:
            await self._signal.wait()
        chunk = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        self.requested = 0
        if not chunk and self._failure is not None:
            raise self._failure
        return chunk


class _Probed(Stage):
    def __init__(self, probe: TestSource, context: Context) -> None:
        super().__init__(self, context)
        self.probe = probe

    async def pull(self, most: int) -> list[Any]:
        return await self.probe._pull(most)

    async def close(self) -> None:
        self.probe.closed, self.probe.requested = True, 0


class TestSink:
    """A sink that asks for what a test requests, and shows what came.

    Pass `probe.sink` to the stream under test; one run at a time. Its result is the list of all elements.

    Attributes:
        seen: All elements that came.
    """

    __test__ = False  # for pytest: this is no test

    def __init__(self, time: VirtualTime) -> None:
        self.time = time
        self.seen: list[Any] = []
        self._checked = 0
        self._wanted = 0
        self._end: str | None = None
        self._failure: Exception | None = None
        self._signal = Signal()
        self.sink = Sink("test_sink", self._drain)

    def request(self, n: int) -> None:
        """Ask for `n` elements more."""
        self._wanted += n
        self._signal.notify()

    def cancel(self) -> None:
        """End the stream from below."""
        self._end = "cancelled"
        self._signal.notify()

    async def expect(self, *items: Any) -> None:
        """Once all tasks wait, these elements have come since the last look, and no others.

        Raises:
            CheckFailed: If there are others.
        """
        await self.time.settle()
        found, self._checked = self.seen[self._checked :], len(self.seen)
        if found != list(items):
            raise CheckFailed(f"expected {list(items)}, found {found}")

    async def expect_no(self, span: Any = "0 s") -> None:
        """For so long no element comes, and no end.

        Raises:
            CheckFailed: If one does.
        """
        await (self.time.advance(span) if duration(span) else self.time.settle())
        if len(self.seen) > self._checked or self._end is not None:
            raise CheckFailed(f"expected nothing, found {self.seen[self._checked :]} and the end {self._end}")

    async def expect_complete(self) -> None:
        """The stream has completed, and all its elements were expected.

        Raises:
            CheckFailed: If not.
        """
        await self.expect()
        if self._end != "completed":
            raise CheckFailed(f"expected completion, found {self._end or 'an open stream'} {self._failure or ''}")

    async def expect_error(self, kind: type[Exception] = Exception) -> Exception:
        """The stream has failed so, and all its elements were expected; the failure.

        The stream goes on to its end as if it had completed: what it raises is here.

        Raises:
            CheckFailed: If not.
        """
        await self.expect()
        if not isinstance(self._failure, kind):
            raise CheckFailed(f"expected {kind.__name__}, found {self._failure!r} and the end {self._end}")
        return self._failure

    async def _drain(self, up: Pull, context: Context) -> list[Any]:
        pump = Pump(up, context, self._signal)
        context.scope.on_close(pump.close)
        while self._end is None:
            if pump.ready:
                self._take(pump)
                continue
            pump.request(self._wanted)
            await self._signal.wait()
        return self.seen

    def _take(self, pump: Pump) -> None:
        try:
            chunk = pump.take()
        except Exception as failure:  # noqa: BLE001  (handed to the test)
            self._failure, self._end = failure, "failed"
            return
        if not chunk:
            self._end = "completed"
        self._wanted -= len(chunk)
        self.seen += chunk
