"""Implementations that break one rule each: by rule, where and how."""

from __future__ import annotations

import threading

from penstock.flow.reactive import Subscriber
from tests.unit.testing.reactive.reference import Collector, Doubled, Failed, Line, Numbers, wanted


def publisher(rule, line=Line, **methods):
    """A publisher whose lines, or itself, have other methods."""
    own = {name: method for name, method in methods.items() if name == "subscribe"}
    lines = {name: method for name, method in methods.items() if name != "subscribe"}
    other = type("Other", (line,), lines)
    return rule, type("Broken", (Numbers,), {"line": other, **own})


def _one_too_many(self, n):
    Line.request(self, n + 1 if n > 0 else n)


def _two_threads(self):
    subscriber = self.subscriber
    both = threading.Barrier(2)

    def run():
        both.wait()
        subscriber.on_next(0)

    threads = [threading.Thread(target=run) for _ in range(2)]
    if self.demand > 1:
        self.demand -= 2
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    Line.run(self)


def _never_completes(self, failure):
    if failure is not None:
        Line.end(self, failure)
    self.subscriber = None


def _alive_after_the_end(self, failure):
    subscriber, self.demand = self.subscriber, 0
    if subscriber is not None:
        subscriber.on_complete() if failure is None else subscriber.on_error(failure)


def _twice(self, failure):
    subscriber = self.subscriber
    Line.end(self, failure)
    if subscriber is not None and failure is None:
        subscriber.on_complete()


def _deaf(self):
    self.asked_to_stop = True


def _complete_first(self, subscriber):
    wanted(subscriber, "the subscriber")
    subscriber.on_next(-1)
    Numbers.subscribe(self, subscriber)


def _bears_none(self, subscriber):
    if subscriber is not None:
        Numbers.subscribe(self, subscriber)


def _raises_at_the_second(self, subscriber):
    if getattr(self, "used", False):
        raise RuntimeError("only once")
    self.used = True
    Numbers.subscribe(self, subscriber)


def _subscribes_twice(self, subscriber):
    Numbers.subscribe(self, subscriber)
    subscriber.on_subscribe(Line((), subscriber))


def _loses_requests_within(self, n):
    if not self.busy:
        Line.request(self, n)


def _recursive(self, n):
    if n < 1:
        Line.request(self, n)
        return
    self.demand += n
    self.run()


def _request_after_cancel(self):
    self.cancelled_subscriber, self.subscriber = self.subscriber, None


def _answers_after_cancel(self, n):
    if self.subscriber is None and getattr(self, "cancelled_subscriber", None) is not None:
        self.cancelled_subscriber.on_next(0)
    else:
        Line.request(self, n)


def _completes_at_the_second_cancel(self):
    if self.subscriber is None and getattr(self, "kept", None) is not None:
        self.kept.on_complete()
        self.kept = None
    elif self.subscriber is not None:
        self.kept, self.subscriber = self.subscriber, None


def _latest_only(self, n):
    if not self.busy and n > 0:
        self.demand = 0
    Line.request(self, n)


class Slow(Line):
    """Signals when it is asked the second time."""

    def request(self, n):
        self.calls = getattr(self, "calls", 0) + 1
        if n > 0 and self.subscriber is not None:
            self.demand = n
            if self.calls == 3:
                self.run()
        else:
            Line.request(self, n)


def _ignores_nonsense(self, n):
    if n > 0:
        Line.request(self, n)


def _type_error_for_nonsense(self, n):
    if n < 1 and self.subscriber is not None:
        self.end(TypeError("no"))
    else:
        Line.request(self, n)


def _raises_for_nonsense(self, n):
    if n < 1:
        raise ValueError("no")
    Line.request(self, n)


def _cancel_after_the_demand(self):
    self.stop_later = True


def _remembers(self):
    self.__class__.memory = [self.subscriber]
    self.subscriber = None


def _cancels_once(self):
    if self.subscriber is None:
        raise RuntimeError("it is cancelled already")
    self.subscriber = None


def _small(self, n):
    if n > 2**31:
        self.end(OverflowError("too many"))
    else:
        Line.request(self, n)


def _returns_a_coroutine(self, n):
    Line.request(self, n)
    return n


PUBLISHERS = [
    publisher("1.1", request=_one_too_many),
    publisher("1.3", run=_two_threads),
    publisher("1.5", end=_never_completes),
    publisher("1.6", end=_alive_after_the_end),
    publisher("1.7", end=_twice),
    publisher("1.8", cancel=_deaf, request=_answers_after_cancel),
    publisher("1.9", subscribe=_complete_first),
    publisher("1.9", subscribe=_bears_none),
    publisher("1.10", subscribe=_raises_at_the_second),
    publisher("2.12", subscribe=_subscribes_twice),
    publisher("3.2", request=_loses_requests_within),
    publisher("3.3", request=_recursive),
    publisher("3.5", cancel=_cancels_once),
    publisher("3.6", cancel=_request_after_cancel, request=_answers_after_cancel),
    publisher("3.7", cancel=_completes_at_the_second_cancel),
    publisher("3.8", line=Slow),
    publisher("3.9", request=_ignores_nonsense),
    publisher("3.9", request=_type_error_for_nonsense),
    publisher("3.12", cancel=_cancel_after_the_demand),
    publisher("3.13", cancel=_remembers),
    publisher("3.15", cancel=_cancels_once),
    publisher("3.16", request=_raises_for_nonsense),
    publisher("3.16", request=_returns_a_coroutine),
    publisher("3.17", request=_small),
]


class FailsByRaising(Failed):
    """1.4: no on_error."""

    def subscribe(self, subscriber):
        wanted(subscriber, "the subscriber")
        subscriber.on_subscribe(Line((), subscriber))
        raise OSError("there is nothing here")


class FailsByCompleting(Failed):
    """1.4: on_complete in place of on_error."""

    def subscribe(self, subscriber):
        wanted(subscriber, "the subscriber")
        line = Line((), subscriber)
        subscriber.on_subscribe(line)
        line.end(None)


FAILED = [("1.9", FailsByRaising), ("1.4", FailsByRaising), ("1.4", FailsByCompleting)]


def subscriber(rule, **methods):
    return rule, type("Broken", (Collector,), methods)


def _asks_once(self, element):
    self.elements.append(element)


def _cancels_at_the_end(self):
    self.ended = True
    self.subscription.cancel()


def _requests_later(self):
    self.ended = True
    asking = threading.Timer(0.0, self.subscription.request, (1,))
    asking.start()
    asking.join()


def _takes_both(self, subscription):
    wanted(subscription, "the subscription")
    self.subscription = self.subscription or subscription
    subscription.request(4)


def _stops_silently(self):
    self.ended = True


def _two_requesters(self):
    both = threading.Barrier(2)

    def run():
        both.wait()
        self.subscription.request(2)

    self.open += 4
    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _refuses_late_elements(self, element):
    if self.ended:
        raise RuntimeError("it is over")
    Collector.on_next(self, element)


def _needs_elements_first(self):
    if not self.elements:
        return
    self.ended = True


def _needs_elements_to_fail(self, failure):
    wanted(failure, "the failure")
    self.ended = bool(self.elements)


def _raises_at_the_end(self):
    raise RuntimeError("already?")


def _reorders(self, element):
    Collector.on_next(self, element)
    self.elements.sort(key=lambda one: -one)


def _bears_none_too(self, failure):
    self.ended = True


def _asks_for_nothing(self):
    self.open += 4
    self.subscription.request(0)
    self.subscription.request(4)


def _counts_after_asking(self):
    self.open = 0
    self.subscription.request(self.few)
    self.open += self.few


def _forgets_the_end_within(self):
    if self.elements or self.asked:
        self.ended = True


def _asks_and_remembers(self):
    self.open += self.few
    self.asked = False
    self.subscription.request(self.few)
    self.asked = True


SUBSCRIBERS = [
    subscriber("2.1", ask=lambda self: None),
    subscriber("2.1", on_next=_asks_once),
    subscriber("2.3", on_complete=_cancels_at_the_end),
    subscriber("2.4", on_complete=_requests_later),
    subscriber("2.5", on_subscribe=_takes_both),
    subscriber("2.6", stop=_stops_silently),
    subscriber("2.7", ask=_two_requesters),
    subscriber("2.8", on_next=_refuses_late_elements),
    subscriber("2.9", on_complete=_needs_elements_first),
    subscriber("2.10", on_error=_needs_elements_to_fail),
    subscriber("2.11", on_next=_reorders),
    subscriber("2.13", on_complete=_raises_at_the_end),
    subscriber("2.13", on_error=_bears_none_too),
    subscriber("3.9", ask=_asks_for_nothing),
    subscriber("3.10", ask=_counts_after_asking),
    subscriber("3.11", ask=_asks_and_remembers, on_complete=_forgets_the_end_within, asked=False),
]


def processor(rule, **methods):
    return rule, type("Broken", (Doubled,), methods)


def _greedy(self, subscription):
    wanted(subscription, "the subscription")
    if self.above is not None:
        subscription.cancel()
        return
    self.above = subscription
    subscription.request(10**9)


def _keeps_failures(self, failure):
    wanted(failure, "the failure")
    self.failure = failure


def _wraps_failures(self, failure):
    wanted(failure, "the failure")
    self.end(RuntimeError(str(failure)))


def _forgets_early_demand(self, subscription):
    self.early = 0
    Doubled.on_subscribe(self, subscription)


def _drops(self, element):
    if element != 3:
        Doubled.on_next(self, element)


PROCESSORS = [
    processor("1.1", on_subscribe=_greedy),
    processor("4.1", on_subscribe=_greedy),
    processor("4.1", on_next=_drops),
    processor("4.1", on_subscribe=_forgets_early_demand),
    processor("4.2", on_error=_keeps_failures),
    processor("4.2", on_error=_wraps_failures),
]

assert issubclass(Collector, Subscriber)
