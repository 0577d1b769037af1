"""The rules of subscribers, one check each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from penstock.flow.reactive import Subscriber
from penstock.testing.reactive.publisher import verify
from penstock.testing.reactive.rules import Broken, Skipped, Verdict, need, refuse
from penstock.testing.reactive.stage import Feed, Pace, Stage

T = TypeVar("T")

ENOUGH = 30
"""Elements after which a subscriber has shown that it goes on asking."""


@dataclass(frozen=True, kw_only=True)
class SubscriberCase(Generic[T]):
    """A subscriber to check.

    What is not given here skips the checks that need it.

    Attributes:
        subscriber: Gives a new subscriber; or an asynchronous context manager of one, left after each check.
        element: Gives the element of a number.
        takes: After how many elements it wants no more; None if it takes all there are.
        request: Makes it ask for more, where it does not by itself.
        cancel: Makes it lose interest, so that it cancels.
        received: What it has processed so far.
        ended: Whether it has taken note of the end.
    """

    subscriber: Callable[[], Subscriber[T] | AbstractAsyncContextManager[Subscriber[T]]]
    element: Callable[[int], Any] = int
    takes: int | None = None
    request: Callable[[Any], object] | None = None
    cancel: Callable[[Any], object] | None = None
    received: Callable[[Any], Sequence[Any]] | None = None
    ended: Callable[[Any], object] | None = None

    def ask(self, subscriber: Any) -> None:
        """Make it ask for more, if it has to be told."""
        if self.request is not None:
            self.request(subscriber)


Check = Callable[["SubscriberCase[Any]", Stage], Awaitable[None]]


@asynccontextmanager
async def fed(case: SubscriberCase[Any], stage: Stage, *, subscribe: bool = True) -> AsyncIterator[tuple[Any, Feed]]:
    """A subscriber and the kit's side of its subscription; the stream is ended in the end."""
    async with stage.opened(case.subscriber()) as subscriber:
        feed = Feed(stage, subscriber, case.element)
        if subscribe:
            feed.subscribe()
        yield subscriber, feed
        await stage.settle()


@asynccontextmanager
async def running(case: SubscriberCase[Any], stage: Stage) -> AsyncIterator[tuple[Any, Feed]]:
    """The same, completed in the end unless it was cancelled."""
    async with fed(case, stage) as (subscriber, feed):
        yield subscriber, feed
        if not feed.cancelled:
            feed.complete()


async def give(case: SubscriberCase[Any], stage: Stage, subscriber: Any, feed: Feed, count: int) -> None:
    """Give so many elements, each when there is demand, unless it cancels."""
    while feed.given < count and not feed.cancelled:
        if not feed.demand:
            case.ask(subscriber)
        await feed.demanded(f"after {feed.given} elements there was no demand for another")
        if not feed.cancelled:
            feed.next()
    await stage.settle()


async def end_noted(case: SubscriberCase[Any], stage: Stage, subscriber: Any, what: str) -> None:
    """Wait until it has taken note of the end, if it can say so."""
    ended = case.ended
    if ended is not None:
        await stage.until(lambda: ended(subscriber), f"{what} was not taken note of")


def first(case: SubscriberCase[Any]) -> int:
    """A few elements, fewer than it takes."""
    return 3 if case.takes is None else min(3, case.takes - 1)


# -- checks --------------------------------------------------------------------


async def asks(case: SubscriberCase[Any], stage: Stage) -> None:
    """2.1: again and again, and gets what it asked for."""
    need(case.takes is None or case.takes > 0, "it takes nothing")
    count = ENOUGH if case.takes is None else case.takes
    async with running(case, stage) as (subscriber, feed):
        await give(case, stage, subscriber, feed, count)
        if case.takes is None and feed.cancelled:
            raise Broken(f"it cancelled after {feed.given} elements")
        await _all_received(case, stage, subscriber, count)


async def _all_received(case: SubscriberCase[Any], stage: Stage, subscriber: Any, count: int) -> None:
    received = case.received
    if received is not None:
        expected = [case.element(i) for i in range(count)]
        await stage.until(lambda: list(received(subscriber)) == expected, "what it was given is not what it processed")


async def ends_by_itself(case: SubscriberCase[Any], stage: Stage) -> None:
    """2.3: on_complete and on_error while demand is open."""
    for end in (Feed.complete, _fail):
        async with fed(case, stage) as (subscriber, feed):
            case.ask(subscriber)
            await stage.settle()
            if not feed.cancelled:
                end(feed)


def _fail(feed: Feed) -> None:
    feed.error(RuntimeError("the publisher failed, as the kit told it to"))


async def asks_no_more(case: SubscriberCase[Any], stage: Stage) -> None:
    """2.4: after the end."""
    for end in (Feed.complete, _fail):
        async with fed(case, stage) as (subscriber, feed):
            await give(case, stage, subscriber, feed, first(case))
            need(not feed.cancelled, "it cancels before the end")
            before = feed.requests
            end(feed)
            await stage.settle()
            if feed.requests != before:
                raise Broken("it went on requesting after the end")


async def one_subscription(case: SubscriberCase[Any], stage: Stage) -> None:
    """2.5: the second is cancelled, and the first goes on."""
    need(case.takes is None or case.takes > 0, "it takes nothing")
    async with running(case, stage) as (subscriber, feed):
        case.ask(subscriber)
        await stage.settle()
        second = Feed(stage, subscriber, case.element)
        second.subscribe()
        await stage.until(lambda: second.cancelled, "a second subscription was not cancelled")
        if feed.cancelled:
            raise Broken("a second subscription made it cancel the first")
        if second.requests:
            raise Broken("it requested from a second subscription")
        await give(case, stage, subscriber, feed, max(1, first(case)))


async def cancels(case: SubscriberCase[Any], stage: Stage) -> None:
    """2.6: when it has what it takes, or is told."""
    async with fed(case, stage) as (subscriber, feed):
        await _lose_interest(case, stage, subscriber, feed)
        await stage.until(lambda: feed.cancelled, "it needs no more, and did not cancel")


async def _lose_interest(case: SubscriberCase[Any], stage: Stage, subscriber: Any, feed: Feed) -> None:
    if case.takes is not None:
        await give(case, stage, subscriber, feed, case.takes)
    elif case.cancel is not None:
        case.ask(subscriber)
        await stage.settle()
        case.cancel(subscriber)
    else:
        raise Skipped("it takes all there is, and nothing was given that makes it cancel")


async def serially(case: SubscriberCase[Any], stage: Stage) -> None:
    """2.7: while many elements go through."""
    need(case.takes is None, "it takes too few elements")
    async with running(case, stage) as (subscriber, feed):
        await give(case, stage, subscriber, feed, ENOUGH)


async def bears_late_elements(case: SubscriberCase[Any], stage: Stage) -> None:
    """2.8: as many as it had asked for, after its cancel."""
    async with fed(case, stage) as (subscriber, feed):
        await _lose_interest(case, stage, subscriber, feed)
        await stage.until(lambda: feed.cancelled, "it needs no more, and did not cancel")
        for _ in range(max(1, min(feed.demand, 5))):
            feed.next()
            await stage.settle()
        if "2.13" in stage.faults:
            stage.faults["2.8"] = stage.faults["2.13"]


async def bears_the_end(case: SubscriberCase[Any], stage: Stage) -> None:
    """2.9: at once, and after some elements."""
    await _end(case, stage, Feed.complete, "2.9", "on_complete")


async def bears_a_failure(case: SubscriberCase[Any], stage: Stage) -> None:
    """2.10: at once, and after some elements."""
    await _end(case, stage, _fail, "2.10", "on_error")


async def _end(case: SubscriberCase[Any], stage: Stage, end: Callable[[Feed], None], number: str, what: str) -> None:
    for count in (0, first(case)) if case.takes is None or case.takes > 1 else (0,):
        async with fed(case, stage) as (subscriber, feed):
            if count:
                await give(case, stage, subscriber, feed, count)
            if not feed.cancelled:
                end(feed)
                await end_noted(case, stage, subscriber, f"{what} after {count} elements")
    if "2.13" in stage.faults:
        stage.faults[number] = stage.faults["2.13"]


async def in_order(case: SubscriberCase[Any], stage: Stage) -> None:
    """2.11: what it has processed is what it was given, whole and in order."""
    need(case.received, "it does not say what it has processed")
    need(case.takes is None, "it takes too few elements")
    async with running(case, stage) as (subscriber, feed):
        await give(case, stage, subscriber, feed, ENOUGH)
        await _all_received(case, stage, subscriber, ENOUGH)


async def refuses_none(case: SubscriberCase[Any], stage: Stage) -> None:
    """2.13: None in place of a subscription and of a failure."""
    async with fed(case, stage, subscribe=False) as (subscriber, feed):
        stage.refuses_none("2.13", "on_subscribe(None)", subscriber.on_subscribe, None)
        feed.subscribe()
        case.ask(subscriber)
        await stage.settle()
        stage.refuses_none("2.13", "on_error(None)", subscriber.on_error, None)
        if not feed.cancelled:
            feed.complete()


async def bears_elements_within_request(case: SubscriberCase[Any], stage: Stage) -> None:
    """3.10: all that was asked for."""
    need(case.takes is None or case.takes > 0, "it takes nothing")
    count = ENOUGH if case.takes is None else case.takes

    def answer(feed: Feed) -> None:
        while feed.demand and feed.given < count and not feed.cancelled:
            feed.next()

    async with fed(case, stage, subscribe=False) as (subscriber, feed):
        feed.answer(answer)
        feed.subscribe()
        while feed.given < count and not feed.cancelled:
            before = feed.given
            case.ask(subscriber)
            await stage.until(
                lambda before=before: feed.given > before or feed.cancelled,  # type: ignore[misc]
                f"given {feed.given} elements within request, it asked for no more",
            )
        await _all_received(case, stage, subscriber, count)
        if not feed.cancelled:
            feed.complete()


async def bears_the_end_within_request(case: SubscriberCase[Any], stage: Stage) -> None:
    """3.11: on_complete and on_error in answer to the first request."""
    for end, what in ((Feed.complete, "on_complete"), (_fail, "on_error")):
        over: list[int] = []

        def answer(feed: Feed, end: Callable[[Feed], None] = end, over: list[int] = over) -> None:
            if not over and not feed.cancelled:
                over.append(1)
                end(feed)

        async with fed(case, stage, subscribe=False) as (subscriber, feed):
            feed.answer(answer)
            feed.subscribe()
            case.ask(subscriber)
            await stage.until(lambda over=over, feed=feed: over or feed.cancelled, "it requested nothing")  # type: ignore[misc]
            if over:
                await end_noted(case, stage, subscriber, f"{what} within request")
    if "2.13" in stage.faults:
        stage.faults["3.11"] = stage.faults["2.13"]


CHECKS: dict[str, Check] = {
    "2.1": asks,
    "2.3": ends_by_itself,
    "2.4": asks_no_more,
    "2.5": one_subscription,
    "2.6": cancels,
    "2.7": serially,
    "2.8": bears_late_elements,
    "2.9": bears_the_end,
    "2.10": bears_a_failure,
    "2.11": in_order,
    "2.13": refuses_none,
    "3.10": bears_elements_within_request,
    "3.11": bears_the_end_within_request,
}


async def verify_subscriber(case: SubscriberCase[Any], *, pace: Pace | None = None) -> list[Verdict]:
    """Check a subscriber against every rule, and give a verdict on each.

    Rules 2.1 to 2.11, 2.13, 3.1, and that it bears what 3.10 and 3.11 allow.

    Args:
        case: The subscriber.
        pace: How long to wait.
    """
    return await verify(CHECKS, case, pace or Pace(), extra=("2.2", "3.1"))


async def check_subscriber(case: SubscriberCase[Any], *, pace: Pace | None = None) -> list[Verdict]:
    """Check a subscriber against every rule; give the verdicts, for what was skipped.

    Args:
        case: The subscriber.
        pace: How long to wait.

    Raises:
        CheckFailed: If it breaks one, with all that it breaks.
    """
    verdicts = await verify_subscriber(case, pace=pace)
    refuse("the subscriber", verdicts)
    return verdicts
