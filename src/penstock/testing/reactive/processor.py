"""The rules of processors: those of both sides, and two of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from penstock.flow.reactive import UNBOUNDED, Processor, Publisher, Subscriber, Subscription
from penstock.testing.reactive.publisher import (
    PublisherCase,
    attach,
    finished,
    received,
    verify,
    verify_publisher,
)
from penstock.testing.reactive.rules import BY_NUMBER, Broken, Verdict, refuse
from penstock.testing.reactive.stage import Feed, Numbers, Pace, Recorder, Stage
from penstock.testing.reactive.subscriber import SubscriberCase, verify_subscriber

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ProcessorCase(Generic[T]):
    """A processor to check: one that gives one element for each that it is given.

    Attributes:
        processor: Gives a new processor; or an asynchronous context manager of one, left after each check.
        element: Gives the element of a number.
        gives: What becomes of an element.
        buffer: How many elements it may ask for beyond the demand from below.
        recovers: Whether it mends a failure from above instead of passing it on.
        recursion: How many calls of `on_next` may be within each other (3.3).
    """

    processor: Callable[[], Processor[Any, T] | AbstractAsyncContextManager[Processor[Any, T]]]
    element: Callable[[int], Any] = int
    gives: Callable[[Any], Any] = lambda element: element
    buffer: int = 1024
    recovers: bool = False
    recursion: int = 1


def as_publisher(case: ProcessorCase[Any], stage: Stage) -> PublisherCase[Any]:
    """Its lower side, with the kit's publisher above."""

    @asynccontextmanager
    async def of(count: int, failure: BaseException | None = None) -> AsyncIterator[Publisher[Any]]:
        async with stage.opened(case.processor()) as processor:
            Numbers(count, case.element, failure).subscribe(processor)
            yield processor

    failed = None if case.recovers else (lambda: of(0, RuntimeError("the publisher above failed")))
    return PublisherCase(publisher=of, failed=failed, recursion=case.recursion)


class _Upper(Subscriber[Any]):
    """The upper side of a processor, with what its lower side has given."""

    def __init__(self, processor: Processor[Any, Any], below: Recorder) -> None:
        self._processor, self.below = processor, below

    def on_subscribe(self, subscription: Subscription) -> None:
        return self._processor.on_subscribe(subscription)

    def on_next(self, element: Any) -> None:
        return self._processor.on_next(element)

    def on_error(self, failure: BaseException) -> None:
        return self._processor.on_error(failure)

    def on_complete(self) -> None:
        return self._processor.on_complete()


def as_subscriber(case: ProcessorCase[Any], stage: Stage) -> SubscriberCase[Any]:
    """Its upper side, with the kit's subscriber below, who asks for all there is."""

    @asynccontextmanager
    async def upper() -> AsyncIterator[Subscriber[Any]]:
        async with stage.opened(case.processor()) as processor:
            below = await attach(stage, processor, first=UNBOUNDED)
            yield _Upper(processor, below)
            if not below.ended:
                below.cancel()

    def processed(upper: _Upper) -> list[Any]:
        """What it was given, by what came of it."""
        found = enumerate(upper.below.elements)
        return [case.element(i) if out == case.gives(case.element(i)) else out for i, out in found]

    return SubscriberCase(
        subscriber=upper,
        element=case.element,
        cancel=lambda upper: upper.below.cancel(),
        received=processed,
        ended=lambda upper: upper.below.ended,
    )


@asynccontextmanager
async def between(case: ProcessorCase[Any], stage: Stage) -> AsyncIterator[tuple[Feed, Recorder]]:
    """A processor between the kit's two sides."""
    async with AsyncExitStack() as stack:
        processor = await stack.enter_async_context(stage.opened(case.processor()))
        feed = Feed(stage, processor, case.element)
        feed.subscribe()
        below = await attach(stage, processor)
        yield feed, below
        if not below.ended:
            below.cancel()
        await stage.settle()


async def both_sides(case: ProcessorCase[Any], stage: Stage) -> None:
    """4.1: demand goes up by a bounded amount and early requests are not lost; the end and cancel pass through."""
    async with between(case, stage) as (feed, below):
        await stage.settle()
        if feed.total > case.buffer:
            raise Broken(f"without demand from below it asked for {feed.total} elements")
        below.request(5)
        for _ in range(5):
            await feed.demanded("elements were requested below and not above")
            feed.next()
        await received(stage, below, 5)
        expected = [case.gives(case.element(i)) for i in range(5)]
        if below.elements != expected:
            raise Broken(f"it gave {below.elements} instead of {expected}")
        feed.complete()
        await finished(stage, below)
    async with between(case, stage) as (feed, below):
        below.request(1)
        await stage.settle()
        below.cancel()
        await stage.until(lambda: feed.cancelled, "it was cancelled below and did not cancel above")


async def failures_pass(case: ProcessorCase[Any], stage: Stage) -> None:
    """4.2: on_error below without demand; or, if it recovers, no more use of the subscription."""
    async with between(case, stage) as (feed, below):
        await stage.settle()
        failure = RuntimeError("the publisher above failed")
        before = feed.requests
        feed.error(failure)
        if case.recovers:
            below.request(5)
            await stage.settle()
            if feed.requests != before:
                raise Broken("it recovered from on_error and went on requesting above")
            return
        await stage.until(lambda: below.ended, "on_error from above was not passed on at once")
        if below.failure is not failure:
            raise Broken(f"it passed on {below.failure!r} instead of the failure from above")


async def verify_processor(case: ProcessorCase[Any], *, pace: Pace | None = None) -> list[Verdict]:
    """Check a processor against every rule, and give a verdict on each: 4.1 is broken if any of another number is.

    Args:
        case: The processor.
        pace: How long to wait.
    """
    pace = pace or Pace()
    opener = Stage(pace)
    found = [
        *await verify_publisher(as_publisher(case, opener), pace=pace),
        *await verify_subscriber(as_subscriber(case, opener), pace=pace),
        *await verify({"4.1": both_sides, "4.2": failures_pass}, case, pace),
    ]
    for number, faults in opener.faults.items():
        found.append(Verdict(BY_NUMBER[number], "broken", "; ".join(faults)))
    return _together(found)


def _together(found: list[Verdict]) -> list[Verdict]:
    """One verdict for each rule: the worst; 4.1 says which others are broken."""
    worse = {"broken": 0, "kept": 1, "skipped": 2, "untested": 3}
    by_rule: dict[str, Verdict] = {}
    for verdict in sorted(found, key=lambda one: worse[one.outcome]):
        by_rule.setdefault(verdict.rule.number, verdict)
    broken = [number for number, verdict in by_rule.items() if verdict.outcome == "broken" and number < "4"]
    if broken and by_rule["4.1"].outcome != "broken":
        by_rule["4.1"] = Verdict(BY_NUMBER["4.1"], "broken", f"as a publisher or subscriber it breaks {broken}")
    return [by_rule[number] for number in BY_NUMBER if number in by_rule]


async def check_processor(case: ProcessorCase[Any], *, pace: Pace | None = None) -> list[Verdict]:
    """Check a processor against every rule; give the verdicts, for what was skipped.

    Args:
        case: The processor.
        pace: How long to wait.

    Raises:
        CheckFailed: If it breaks one, with all that it breaks.
    """
    verdicts = await verify_processor(case, pace=pace)
    refuse("the processor", verdicts)
    return verdicts
