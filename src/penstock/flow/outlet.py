"""A subscription that is the end of a stream: elements go to a subscriber as it asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio

from penstock.flow.clock import Clock, Signal
from penstock.flow.home import Home
from penstock.flow.reactive import UNBOUNDED, Subscriber, Subscription
from penstock.flow.stage import CHUNK, Context, Pull

if TYPE_CHECKING:
    from penstock.flow.shapes import Source


class Outlet(Subscription):
    """One subscriber and the run that serves it: all signals come from one task, one after another (1.3, 3.3).

    Attributes:
        cancelled: Whether the subscriber asked for no more.
    """

    def __init__(self, home: Home, subscriber: Subscriber[Any], ended: Callable[[], bool]) -> None:
        self._home, self._ended = home, ended
        self._subscriber: Subscriber[Any] | None = subscriber
        self._demand = 0
        self._refused: ValueError | None = None
        self._fault: Exception | None = None
        self._signal = Signal()
        self._scope = anyio.CancelScope()
        self.cancelled = False

    # -- what the subscriber says, in any thread -------------------------------

    def request(self, n: int) -> None:
        """See `Subscription`."""
        self._home.call(self._requested, n)

    def cancel(self) -> None:
        """See `Subscription`; the stream is cancelled and releases what it holds."""
        self._home.call(self._stopped)

    def _requested(self, n: int) -> None:
        if self._subscriber is None or self._refused is not None:
            return
        if n < 1:
            self._refused = ValueError(f"a demand is at least 1, found {n} (rule 3.9)")
            self._scope.cancel()
        else:
            self._demand = min(UNBOUNDED, self._demand + n)
            self.wake()

    def _stopped(self) -> None:
        if self._subscriber is not None:
            self._subscriber, self.cancelled = None, True
            self._scope.cancel()

    def wake(self) -> None:
        """Look again whether there is something to do."""
        self._signal.notify()

    # -- the task --------------------------------------------------------------

    async def serve(self, source: Source, clock: Clock | None) -> None:
        """Run the source for the subscriber, and signal how it ended.

        Raises:
            Exception: What the subscriber raised, which it must not (2.13): the stream is cancelled.
        """
        from penstock.flow.shapes import Sink

        failure: Exception | None = None
        try:
            with self._scope:
                await source.to(Sink("publisher", self._drain)).run(clock=clock)
        except Exception as raised:  # noqa: BLE001  (1.4: whatever it is, it is signalled)
            failure = raised
        if self._fault is not None:
            raise self._fault
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is None:
            if failure is not None:  # it was cancelled, and could not release what it held: somebody must know
                raise failure
            return
        end = self._refused or failure
        if end is not None:
            subscriber.on_error(end)
        elif not self._scope.cancelled_caught:
            subscriber.on_complete()

    async def _drain(self, up: Pull, context: Context) -> None:
        ahead: list[Any] = []
        while True:
            while not self._demand and (ahead or not self._ended()):
                await self._signal.wait()
            chunk = ahead or await up.pull(max(1, min(self._demand, CHUNK)))
            if not chunk:
                return
            if not self._demand:
                ahead = chunk  # the input has ended: its end is looked for without demand (4.2)
                continue
            ahead = []
            if not self._give(chunk):
                self._scope.cancel()
                await anyio.sleep_forever()

    def _give(self, chunk: list[Any]) -> bool:
        """Signal elements; whether the subscriber wants to go on."""
        for element in chunk:
            subscriber = self._subscriber
            if subscriber is None or self._refused is not None:
                return False
            if self._demand < UNBOUNDED:
                self._demand -= 1
            try:
                subscriber.on_next(element)
            except Exception as fault:  # noqa: BLE001  (raised by `serve`: a subscriber may not raise)
                self._fault, self._subscriber = fault, None
                return False
            del subscriber  # 3.13: nothing refers to one that has cancelled
        return self._subscriber is not None and self._refused is None


class Refusal(Subscription):
    """The subscription of a subscriber that cannot be served."""

    def request(self, n: int) -> None:
        """Nothing comes."""

    def cancel(self) -> None:
        """There is nothing to cancel."""


def refuse(subscriber: Subscriber[Any], failure: Exception) -> None:
    """Tell a subscriber that it is not served, as rule 1.9 has it."""
    subscriber.on_subscribe(Refusal())
    subscriber.on_error(failure)
