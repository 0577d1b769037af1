"""A publisher, a subscriber and a processor that keep all rules, plainly; `violations.py` breaks them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from penstock.flow.reactive import Processor, Publisher, Subscriber, Subscription


def wanted(value, what):
    if value is None:
        raise TypeError(f"{what} is None")


class Line(Subscription):
    """Signals within request, in a loop instead of recursion."""

    def __init__(self, elements: Iterable[Any], subscriber: Subscriber[Any]) -> None:
        self.elements = iter(elements)
        self.subscriber: Subscriber[Any] | None = subscriber
        self.demand = 0
        self.busy = False

    def request(self, n: int) -> None:
        if self.subscriber is None:
            return
        if n < 1:
            self.end(ValueError(f"3.9: a demand is at least 1, found {n}"))
            return
        self.demand += n
        if not self.busy:
            self.busy = True
            self.run()
            self.busy = False

    def run(self) -> None:
        while self.demand and self.subscriber is not None:
            try:
                element = next(self.elements)
            except StopIteration:
                self.end(None)
            except Exception as failure:  # noqa: BLE001  (1.4: whatever it is, it is signalled)
                self.end(failure)
            else:
                self.demand -= 1
                self.subscriber.on_next(element)

    def cancel(self) -> None:
        self.subscriber = None

    def end(self, failure: BaseException | None) -> None:
        subscriber, self.subscriber = self.subscriber, None
        if subscriber is not None:
            subscriber.on_complete() if failure is None else subscriber.on_error(failure)


class Numbers(Publisher[int]):
    """0 to count - 1 for each subscriber."""

    line: Callable[..., Line] = Line

    def __init__(self, count: int) -> None:
        self.count = count

    def subscribe(self, subscriber: Subscriber[int]) -> None:
        wanted(subscriber, "the subscriber")
        subscriber.on_subscribe(self.line(range(self.count), subscriber))


class Failed(Publisher[int]):
    """Fails at once."""

    def subscribe(self, subscriber: Subscriber[int]) -> None:
        wanted(subscriber, "the subscriber")
        line = Line((), subscriber)
        subscriber.on_subscribe(line)
        line.end(OSError("there is nothing here"))


class Collector(Subscriber[Any]):
    """Keeps all, asks for a few at a time."""

    few = 4

    def __init__(self) -> None:
        self.subscription: Subscription | None = None
        self.elements: list[Any] = []
        self.open = 0
        self.ended = False

    def on_subscribe(self, subscription: Subscription) -> None:
        wanted(subscription, "the subscription")
        if self.subscription is not None:
            subscription.cancel()
            return
        self.subscription = subscription
        self.ask()

    def ask(self) -> None:
        self.open += self.few
        self.subscription.request(self.few)

    def on_next(self, element: Any) -> None:
        if self.ended:
            return
        self.elements.append(element)
        self.open -= 1
        if not self.open:
            self.ask()

    def on_error(self, failure: BaseException) -> None:
        wanted(failure, "the failure")
        self.ended = True

    def on_complete(self) -> None:
        self.ended = True

    def stop(self) -> None:
        self.ended = True
        self.subscription.cancel()


class Doubled(Processor[int, int]):
    """Each element twice as great: demand goes up as it is, elements come down as they are; one subscriber."""

    def __init__(self) -> None:
        self.above: Subscription | None = None
        self.below: Subscriber[int] | None = None
        self.over: BaseException | bool | None = False
        self.started = False
        self.early = 0

    # above

    def on_subscribe(self, subscription: Subscription) -> None:
        wanted(subscription, "the subscription")
        if self.above is not None or self.over is not False:
            subscription.cancel()
            return
        self.above = subscription
        if self.early:
            early, self.early = self.early, 0
            subscription.request(early)

    def on_next(self, element: int) -> None:
        if self.below is not None:
            self.below.on_next(element * 2)

    def on_error(self, failure: BaseException) -> None:
        wanted(failure, "the failure")
        self.end(failure)

    def on_complete(self) -> None:
        self.end(None)

    def end(self, outcome: BaseException | None) -> None:
        if self.over is False:
            self.over = outcome
            below, self.below = self.below, None
            if below is not None:
                below.on_complete() if outcome is None else below.on_error(outcome)

    # below

    def subscribe(self, subscriber: Subscriber[int]) -> None:
        wanted(subscriber, "the subscriber")
        if self.started:
            line = Line((), subscriber)
            subscriber.on_subscribe(line)
            line.end(RuntimeError("there is one subscriber already"))
            return
        self.started = True
        self.below = subscriber
        subscriber.on_subscribe(_Below(self))
        if self.over is not False and self.below is not None:
            below, self.below = self.below, None
            below.on_complete() if self.over is None else below.on_error(self.over)


class _Below(Subscription):
    def __init__(self, processor: Doubled) -> None:
        self.processor = processor

    def request(self, n: int) -> None:
        processor = self.processor
        if processor.below is None:
            return
        if n < 1:
            self.cancel_above()
            processor.end(ValueError(f"3.9: a demand is at least 1, found {n}"))
        elif processor.above is None:
            processor.early += n
        else:
            processor.above.request(n)

    def cancel(self) -> None:
        if self.processor.below is not None:
            self.processor.below = None
            self.processor.over = None
            self.cancel_above()

    def cancel_above(self) -> None:
        if self.processor.above is not None:
            self.processor.above.cancel()


class Threaded(Line):
    """Signals from one thread of its own, in the order of what it is told."""

    def __init__(self, elements: Iterable[Any], subscriber: Subscriber[Any]) -> None:
        super().__init__(elements, subscriber)
        self.told: deque[int] = deque()
        self.wake = threading.Condition()
        self.over = False
        threading.Thread(target=Threaded.serve, args=(self,), daemon=True).start()

    def request(self, n: int) -> None:
        with self.wake:
            self.told.append(n)
            self.wake.notify()

    def cancel(self) -> None:
        with self.wake:
            self.over = True
            self.subscriber = None
            self.wake.notify()

    def serve(self) -> None:
        while not self.over:
            with self.wake:
                self.wake.wait_for(lambda: self.told or self.over)
                n = self.told.popleft() if self.told else 0
            if self.over:
                return
            if n < 1:
                self.end(ValueError("3.9"))
            else:
                self.demand = n
                self.run()

    def end(self, failure):
        super().end(failure)
        self.over = True
