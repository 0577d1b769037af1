"""What stands around an implementation while a rule is checked: a recording subscriber, a recording subscription."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from penstock.core.clock import Signal, SystemClock
from penstock.flow.reactive import Publisher, Subscriber, Subscription
from penstock.testing.reactive.rules import Broken

Made = TypeVar("Made")

LINGER_US = 200
"""How long the kit stays in a call from another thread, so that calls that overlap are seen to."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long the kit waits.

    Attributes:
        turns: Turns of the event loop in which whatever is going to happen in it happens.
        patience: Seconds to wait, beyond these, for something that must happen: threads and other processes need them.
        quiet: Seconds to wait, beyond these, for something that must not happen; only for implementations with threads.
        between: Called in each turn: to move a clock or a loop of your own.
    """

    turns: int = 100
    patience: float = 1.0
    quiet: float = 0.0
    between: Callable[[], Awaitable[object]] | None = None


class Stage:
    """One check while it runs: waits, and keeps what was seen broken on the way, by the numbers of the rules."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.faults: dict[str, list[str]] = {}

    def fault(self, number: str, why: str) -> None:
        """Note a broken rule, and go on."""
        self.faults.setdefault(number, []).append(why)

    async def settle(self) -> None:
        """Let everything happen that is under way."""
        import anyio

        for _ in range(self.pace.turns):
            await self._turn()
        if self.pace.quiet:
            await anyio.sleep(self.pace.quiet)

    async def until(self, condition: Callable[[], object], why: str) -> None:
        """Wait until something holds.

        Raises:
            Broken: If it does not, in time.
        """
        import anyio

        for _ in range(self.pace.turns):
            if condition():
                return
            await self._turn()
        with anyio.move_on_after(self.pace.patience):
            while not condition():
                await self._turn()
                await anyio.sleep(0.001)
        if not condition():
            raise Broken(why)

    async def _turn(self) -> None:
        import anyio.lowlevel

        await anyio.lowlevel.checkpoint()
        if self.pace.between is not None:
            await self.pace.between()

    def call(self, number: str, what: str, function: Callable[..., object], *arguments: object) -> None:
        """Call something that must return normally, which is None."""
        try:
            given = function(*arguments)
        except Exception as failure:  # noqa: BLE001  (whatever it raises breaks the rule, and is told)
            self.fault(number, f"{what} raised {failure!r}")
        else:
            if given is not None:
                self.fault(number, f"{what} returned {given!r}; a coroutine that nobody awaits does nothing")
                close = getattr(given, "close", None)
                if callable(close):
                    close()

    def refuses_none(self, number: str, what: str, function: Callable[..., object], *arguments: object) -> None:
        """Call something with None, which must raise `TypeError`."""
        try:
            function(*arguments)
        except TypeError:
            return
        except Exception as failure:  # noqa: BLE001  (whatever else it raises breaks the rule, and is told)
            self.fault(number, f"{what} raised {failure!r} instead of TypeError")
        else:
            self.fault(number, f"{what} did not raise TypeError")

    @asynccontextmanager
    async def opened(self, made: Made | AbstractAsyncContextManager[Made]) -> AsyncIterator[Made]:
        """What a case has made, entered if it is a context manager."""
        if isinstance(made, AbstractAsyncContextManager):
            async with made as inner:
                yield inner
        else:
            yield made


class Serial:
    """Sees whether calls from several threads overlap; calls within a call of the same thread do not."""

    def __init__(self, overlap: Callable[[str], None]) -> None:
        self._overlap = overlap
        self._home = threading.get_ident()
        self._inside: list[tuple[int, str]] = []

    @contextmanager
    def enter(self, name: str) -> Iterator[None]:
        """Be in a call."""
        me = (threading.get_ident(), name)
        others = [other for thread, other in self._inside if thread != me[0]]
        if others:
            self._overlap(f"{name} was called in one thread while {others[0]} ran in another")
        self._inside.append(me)
        try:
            if me[0] != self._home:
                SystemClock().wait(Signal(), LINGER_US)
            yield
        finally:
            self._inside.remove(me)

    def depth(self, name: str) -> int:
        """How many calls of this name the present thread is in."""
        return self._inside.count((threading.get_ident(), name))

    def within(self, names: Sequence[str]) -> str | None:
        """The call of these names that the present thread is in."""
        mine = threading.get_ident()
        return next((name for thread, name in self._inside if thread == mine and name in names), None)


class Recorder(Subscriber[Any]):
    """The kit's subscriber: keeps what comes, and notes what may never come (1.1, 1.3, 1.7, 1.9, 2.12).

    Attributes:
        elements: What came by `on_next`.
        failure: What came by `on_error`.
        completed: Whether `on_complete` came.
        subscription: The first one.
        requested: The sum of all demands.
        deepest: How many calls of `on_next` were within each other at most.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        first: int = 0,
        each: Callable[[Recorder], None] | None = None,
    ) -> None:
        self._stage, self._first, self._each = stage, first, each
        self._serial = Serial(lambda why: stage.fault("1.3", why))
        self.elements: list[Any] = []
        self.failure: BaseException | None = None
        self.completed = False
        self.subscription: Subscription | None = None
        self.requested = 0
        self.signals = 0
        self.deepest = 0

    @property
    def ended(self) -> bool:
        """Whether a terminal signal came."""
        return self.completed or self.failure is not None

    def on_subscribe(self, subscription: Subscription) -> None:
        """Keep the subscription; ask for the first elements if told to."""
        with self._signal("on_subscribe"):
            if self.subscription is not None:
                self._stage.fault("2.12", "on_subscribe was called twice")
                return
            for method in ("request", "cancel"):
                if not callable(getattr(subscription, method, None)):
                    self._stage.fault("1.9", f"on_subscribe gave {subscription!r}, which has no {method}")
                    return
            self.subscription = subscription
            if self._first:
                self.request(self._first)

    def on_next(self, element: Any) -> None:
        """Keep an element."""
        with self._signal("on_next"):
            self.elements.append(element)
            self.deepest = max(self.deepest, self._serial.depth("on_next"))
            if len(self.elements) > self.requested:
                found = f"on_next number {len(self.elements)} came when {self.requested} had been requested"
                self._stage.fault("1.1", found)
            elif self._each is not None:
                self._each(self)

    def on_error(self, failure: BaseException) -> None:
        """Keep the failure."""
        with self._signal("on_error"):
            self.failure = failure
            given: object = failure
            if not isinstance(given, BaseException):
                self._stage.fault("1.4", f"on_error gave {given!r}, which is no exception")
                self.failure = RuntimeError(repr(given))

    def on_complete(self) -> None:
        """Know the end."""
        with self._signal("on_complete"):
            self.completed = True

    def request(self, n: int) -> None:
        """Ask for elements."""
        if n > 0:
            self.requested += n
        if self.subscription is not None:
            self._stage.call("3.16", f"request({n})", self.subscription.request, n)

    def cancel(self) -> None:
        """Ask for no more."""
        if self.subscription is not None:
            self._stage.call("3.15", "cancel()", self.subscription.cancel)

    @contextmanager
    def _signal(self, name: str) -> Iterator[None]:
        self.signals += 1
        if self.ended:
            self._stage.fault("1.7", f"{name} came after {'on_complete' if self.completed else 'on_error'}")
        if self.subscription is None and name != "on_subscribe":
            self._stage.fault("1.9", f"{name} came before on_subscribe")
        with self._serial.enter(name):
            yield


TERMINAL = ("on_complete", "on_error")


class Feed(Subscription):
    """The kit's side of a subscription: keeps what is asked, and feeds a subscriber.

    Attributes:
        demand: What was asked and not yet given.
        requests: The number of calls of `request`.
        cancelled: The number of calls of `cancel`.
        given: How many elements were given.
    """

    def __init__(self, stage: Stage, subscriber: Subscriber[Any], element: Callable[[int], Any]) -> None:
        self._stage, self._subscriber, self._element = stage, subscriber, element
        self._serial = Serial(lambda why: stage.fault("2.7", why))
        self._signals: Serial = Serial(lambda why: None)
        self._answer: Callable[[Feed], None] | None = None
        self._answering = False
        self.demand = 0
        self.total = 0
        self.requests = 0
        self.cancelled = 0
        self.given = 0

    def answer(self, how: Callable[[Feed], None]) -> None:
        """Answer each request within the request itself, without recursion."""
        self._answer = how

    def request(self, n: int) -> None:
        """Keep a demand."""
        with self._serial.enter("request"):
            self._forbidden("request")
            self.requests += 1
            if n < 1:
                self._stage.fault("3.9", f"the subscriber called request({n!r})")
                return
            self.demand += n
            self.total += n
            if self._answer is not None and not self._answering:
                self._answering = True
                try:
                    self._answer(self)
                finally:
                    self._answering = False

    def cancel(self) -> None:
        """Keep the cancellation."""
        with self._serial.enter("cancel"):
            self._forbidden("cancel")
            self.cancelled += 1

    def _forbidden(self, what: str) -> None:
        within = self._signals.within(TERMINAL)
        if within:
            self._stage.fault("2.3", f"{within} called {what}")

    def subscribe(self) -> None:
        """Signal `on_subscribe`."""
        self._signal("on_subscribe", self)

    def next(self) -> None:
        """Signal `on_next` with the element whose turn it is."""
        self.demand -= 1
        self.given += 1
        self._signal("on_next", self._element(self.given - 1))

    def error(self, failure: BaseException) -> None:
        """Signal `on_error`."""
        self._signal("on_error", failure)

    def complete(self) -> None:
        """Signal `on_complete`."""
        self._signal("on_complete")

    def _signal(self, name: str, *arguments: object) -> None:
        with self._signals.enter(name):
            self._stage.call("2.13", name, getattr(self._subscriber, name), *arguments)

    async def demanded(self, why: str) -> None:
        """Wait for demand, or for a cancellation."""
        await self._stage.until(lambda: self.demand > 0 or self.cancelled, why)


class Numbers(Publisher[Any]):
    """The kit's own publisher, for processors: 0 to n - 1 as fast as they are asked for, or a failure."""

    def __init__(self, count: int, element: Callable[[int], Any], failure: BaseException | None = None) -> None:
        self._count, self._element, self._failure = count, element, failure

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        """Serve a subscriber; each gets all."""
        line = _Line(self._count, self._element, subscriber)
        subscriber.on_subscribe(line)
        if self._failure is not None:
            line.end(self._failure)
        elif not self._count:
            line.end(None)


class _Line(Subscription):
    def __init__(self, count: int, element: Callable[[int], Any], subscriber: Subscriber[Any]) -> None:
        self._count, self._element = count, element
        self._subscriber: Subscriber[Any] | None = subscriber
        self._next = 0
        self._demand = 0
        self._busy = False

    def request(self, n: int) -> None:
        self._demand += n
        if self._busy:
            return
        self._busy = True
        while self._demand and self._subscriber is not None and self._next < self._count:
            self._demand -= 1
            self._next += 1
            self._subscriber.on_next(self._element(self._next - 1))
            if self._next == self._count:
                self.end(None)
        self._busy = False

    def cancel(self) -> None:
        self._subscriber = None

    def end(self, failure: BaseException | None) -> None:
        subscriber, self._subscriber = self._subscriber, None
        if subscriber is not None:
            if failure is None:
                subscriber.on_complete()
            else:
                subscriber.on_error(failure)
