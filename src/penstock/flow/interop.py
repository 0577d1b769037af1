"""Streams and Reactive Streams: a source as a publisher, a publisher as a source, and so on; RxPY in a line.

    async with flow.to_publisher(source) as publisher:      # each subscriber gets a run of its own
        publisher.subscribe(subscriber)

    await flow.from_publisher(publisher).map(abs).run()     # demand goes up, 16 elements at a time

    async with flow.to_subscriber(flow.Sink.collect()) as subscriber:
        publisher.subscribe(subscriber)
    print(subscriber.result)

Asynchronous iterables, of aiostream or whatever else, are `Source.from_async(stream)` and
`async with source.elements() as elements`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from penstock.core.errors import PlanError
from penstock.flow.clock import Clock, checked_clock
from penstock.flow.errors import StreamClosedError
from penstock.flow.home import Home
from penstock.flow.inlet import Inlet, given
from penstock.flow.operators.base import positive
from penstock.flow.outlet import Outlet, refuse
from penstock.flow.queue import SourceQueue
from penstock.flow.reactive import UNBOUNDED, Processor, Publisher, Subscriber, Subscription
from penstock.flow.running import Running
from penstock.flow.shapes import Flow, Sink, Source
from penstock.flow.stage import Context, Stage

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

SIZE = 16
"""How many elements are asked of a publisher at a time, unless told otherwise."""


# -- sources and publishers ----------------------------------------------------


@asynccontextmanager
async def to_publisher(source: Source, *, clock: Clock | None = None) -> AsyncIterator[Publisher[Any]]:
    """A source as a publisher, inside of the block.

    Each subscriber gets a run of its own (unicast). Elements, the end, and failures before the end, are looked
    for when there is demand, not earlier. The exit of the block waits for all runs; an exception in it cancels them.
    A subscriber that raises, which it may not (rule 2.13), cancels all, and the exit raises that.

    Args:
        source: What is published.
        clock: Where time comes from.

    Raises:
        PlanError: If it is no source.
    """
    if not isinstance(source, Source):
        raise PlanError(f"to_publisher takes a Source, found {type(source).__name__}")
    clock = checked_clock(clock)
    async with _collapsed(), anyio.create_task_group() as group:
        publisher = _Published(source, group, clock)
        try:
            yield publisher
        finally:
            publisher.open = False


class _Published(Publisher[Any]):
    def __init__(self, source: Source, group: TaskGroup, clock: Clock | None) -> None:
        self._source, self._group, self._clock = source, group, clock
        self._home = Home()
        self.open = True

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        """Begin a run for a subscriber; may be called from any thread."""
        self._home.call(self._serve, given(subscriber, "the subscriber"))

    def _serve(self, subscriber: Subscriber[Any]) -> None:
        if not self.open:
            refuse(subscriber, StreamClosedError("the block of the publisher was left"))
            return
        outlet = Outlet(self._home, subscriber, bool)
        subscriber.on_subscribe(outlet)
        if not outlet.cancelled:
            self._group.start_soon(outlet.serve, self._source, self._clock)


def from_publisher(publisher: Publisher[Any], *, size: int = SIZE) -> Source:
    """The elements of a publisher; each run subscribes anew.

    Args:
        publisher: Any with `subscribe`; it may signal in any thread.
        size: How many elements are asked for and kept at most. More are asked for when half of them are taken.

    The subscription is cancelled when the stream ends early. A publisher that gives more than was asked for fails it.

    Raises:
        PlanError: If it cannot be subscribed to.
    """
    if not callable(getattr(publisher, "subscribe", None)):
        raise PlanError(f"from_publisher takes something with subscribe, found {type(publisher).__name__}")
    size = positive("from_publisher", "size", size)
    return Source("from_publisher", lambda context: _Subscribed(context, publisher, size))


class _Subscribed(Stage):
    """Subscribes with the first pull."""

    def __init__(self, context: Context, publisher: Publisher[Any], size: int) -> None:
        super().__init__(self, context)
        self._publisher: Publisher[Any] | None = publisher
        self._inlet = Inlet(size)

    async def pull(self, most: int) -> list[Any]:
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.subscribe(self._inlet)
        return await self._inlet.pull(most)

    def buffered(self) -> int:
        return len(self._inlet)

    async def close(self) -> None:
        self._inlet.close()


# -- sinks and subscribers -----------------------------------------------------


class SinkSubscriber(Inlet):
    """A sink as a subscriber; made by `to_subscriber`."""

    def __init__(self, sink: Sink, size: int, clock: Clock | None) -> None:
        super().__init__(size)
        self.running: Running = Source("to_subscriber", self.open).to(sink).start(clock=clock)

    @property
    def result(self) -> Any:
        """What the sink gives, once the publisher has completed; see `Running.result`."""
        return self.running.result

    def stop(self) -> None:
        """Take no more: the subscription is cancelled, and there is no result."""
        self.home.call(self.running.cancel)


@asynccontextmanager
async def to_subscriber(sink: Sink, *, size: int = SIZE, clock: Clock | None = None) -> AsyncIterator[SinkSubscriber]:
    """A sink as a subscriber, inside of the block, whose exit waits for the end of the stream.

    Args:
        sink: Where the elements go.
        size: How many elements are asked for and kept at most.
        clock: Where time comes from.

    A sink that takes no more (`Sink.first`) cancels the subscription. A failure is raised by the exit.
    """
    if not isinstance(sink, Sink):
        raise PlanError(f"to_subscriber takes a Sink, found {type(sink).__name__}")
    subscriber = SinkSubscriber(sink, positive("to_subscriber", "size", size), clock)
    async with subscriber.running:
        yield subscriber


# -- flows and processors ------------------------------------------------------


class FlowProcessor(Inlet, Processor[Any, Any]):
    """A flow as a processor; made by `to_processor`."""

    def __init__(self, flow: Flow, size: int, group: TaskGroup, clock: Clock | None) -> None:
        super().__init__(size)
        self._source = Source("to_processor", self.open).via(flow)
        self._group, self._clock = group, clock
        self._served = False

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        """Serve a subscriber: the first; others are told that there is one."""
        self.home.call(self._serve, given(subscriber, "the subscriber"))

    def _serve(self, subscriber: Subscriber[Any]) -> None:
        if self._served or self.closed:
            why = "there is a subscriber already" if self._served else "the block of the processor was left"
            refuse(subscriber, StreamClosedError(f"{why}: what comes from above can be read once"))
            return
        self._served = True
        outlet = Outlet(self.home, subscriber, lambda: self.ended)
        self.listener = outlet.wake
        subscriber.on_subscribe(outlet)
        if outlet.cancelled:
            self.close()
        else:
            self._group.start_soon(outlet.serve, self._source, self._clock)


@asynccontextmanager
async def to_processor(
    flow: Flow, *, size: int = SIZE, clock: Clock | None = None
) -> AsyncIterator[Processor[Any, Any]]:
    """A flow as a processor, inside of the block, whose exit waits for the end of the stream.

    It has one subscriber. Nothing is asked of the publisher above before the subscriber asks; an end from above is
    passed on without demand, as soon as what the flow still holds is given.

    Args:
        flow: What is done to the elements.
        size: How many elements are asked for and kept at most.
        clock: Where time comes from.
    """
    if not isinstance(flow, Flow):
        raise PlanError(f"to_processor takes a Flow, found {type(flow).__name__}")
    size, clock = positive("to_processor", "size", size), checked_clock(clock)
    async with _collapsed(), anyio.create_task_group() as group:
        processor = FlowProcessor(flow, size, group, clock)
        try:
            yield processor
        except BaseException:
            processor.close()
            raise
        if not processor._served:
            processor.close()


@asynccontextmanager
async def _collapsed() -> AsyncIterator[None]:
    """Raise the one exception of a group of tasks as it is."""
    try:
        yield
    except BaseExceptionGroup as several:
        first = several.exceptions[0]
        if len(several.exceptions) > 1 or isinstance(first, BaseExceptionGroup):
            raise
        raise first from first.__cause__


# -- observables (RxPY) --------------------------------------------------------


class Observer(Protocol):
    """What RxPY calls an observer."""

    def on_next(self, value: Any) -> None:
        """Take a value."""

    def on_error(self, error: Exception) -> None:
        """Know that there was a failure."""

    def on_completed(self) -> None:
        """Know the end."""


def from_observable(observable: Any, size: int, overflow: str = "backpressure") -> Source:
    """The values of an observable of RxPY (`reactivex`); each run subscribes anew.

    Observables do not wait. What comes while `size` values are kept is treated by `overflow`; with `backpressure`,
    for which there is no way, the stream fails by `BufferOverflowError`.

    Args:
        observable: Any with `subscribe(on_next, on_error, on_completed)`; it may call in any thread.
        size: How many values are kept at most.
        overflow: As in `Source.queue`.
    """
    if not callable(getattr(observable, "subscribe", None)):
        raise PlanError(f"from_observable takes something with subscribe, found {type(observable).__name__}")
    Source.queue(size, overflow)  # refuses what cannot be
    return Source("from_observable", lambda context: _Observed(context, observable, size, overflow))


class _Observed(Stage):
    """Subscribes with the first pull, to a queue."""

    def __init__(self, context: Context, observable: Any, size: int, overflow: str) -> None:
        super().__init__(self, context)
        self._observable = observable
        self._queue: SourceQueue
        self._queue, source = Source.queue(size, "fail" if overflow == "backpressure" else overflow)
        self._stage = source.head(context)
        self._home = Home()
        self._subscription: Any = None
        self.dropped = self._queue.dropped

    async def pull(self, most: int) -> list[Any]:
        observable, self._observable = self._observable, None
        if observable is not None:
            call, queue = self._home.call, self._queue
            self._subscription = observable.subscribe(
                on_next=lambda value: call(self._came, value),
                on_error=lambda failure: call(queue.fail, failure),
                on_completed=lambda: call(queue.complete),
            )
        return await self._stage.pull(most)

    def _came(self, value: Any) -> None:
        if not (self._queue.closed or self._queue._ended):
            try:
                self._queue.offer_nowait(value)
            except Exception as full:  # noqa: BLE001  (the stream fails by it; the observable goes its way)
                self._queue.fail(full)

    def buffered(self) -> int:
        return len(self._queue)

    async def close(self) -> None:
        if self._subscription is not None:
            self._subscription.dispose()
        await self._stage.close()


class _Observing(Subscriber[Any]):
    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.subscription: Subscription | None = None

    def on_subscribe(self, subscription: Subscription) -> None:
        if self.subscription is not None:
            subscription.cancel()
            return
        self.subscription = given(subscription, "the subscription")
        subscription.request(UNBOUNDED)

    def on_next(self, element: Any) -> None:
        self._observer.on_next(element)

    def on_error(self, failure: BaseException) -> None:
        given(failure, "the failure")
        self._observer.on_error(failure if isinstance(failure, Exception) else RuntimeError(repr(failure)))

    def on_complete(self) -> None:
        self._observer.on_completed()

    def cancel(self) -> None:
        """Take no more."""
        if self.subscription is not None:
            self.subscription.cancel()


def observe(publisher: Publisher[Any], observer: Observer) -> Subscription:
    """Give all elements of a publisher to an observer of RxPY; the subscription, to cancel it.

    `reactivex.create(lambda observer, _: Disposable(flow.observe(publisher, observer).cancel))` is the observable.

    Raises:
        PlanError: If the publisher has not answered by `on_subscribe` yet: call from the thread of its event loop.
    """
    subscriber = _Observing(observer)
    publisher.subscribe(subscriber)
    if subscriber.subscription is None:
        raise PlanError("the publisher has not answered yet", hint="call observe in the thread of its event loop")
    return subscriber.subscription
