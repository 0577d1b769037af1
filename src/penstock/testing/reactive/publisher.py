"""The rules of publishers and of their subscriptions, one check each."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from penstock.flow.reactive import Publisher
from penstock.testing.reactive.rules import Broken, Skipped, Verdict, judge, need, refuse
from penstock.testing.reactive.stage import Pace, Recorder, Stage

T = TypeVar("T")

Made = Publisher[Any] | AbstractAsyncContextManager[Publisher[Any]]


ENDLESS = 5_000
"""A demand that no publisher has met by the time of a cancel in its second element."""


@dataclass(frozen=True, kw_only=True)
class PublisherCase(Generic[T]):
    """A publisher to check.

    Attributes:
        publisher: Gives a new publisher of exactly so many elements that then completes; or an asynchronous context
            manager of one, left after each check.
        failed: Gives a publisher that fails at once; without it, what a failure needs is skipped.
        least: The smallest number that `publisher` can be asked for.
        most: The greatest, if there is one.
        completes: Whether it ends at all; `publisher` then ignores its argument.
        recursion: How many calls of `on_next` may be within each other (3.3).
    """

    publisher: Callable[[int], Publisher[T] | AbstractAsyncContextManager[Publisher[T]]]
    failed: Callable[[], Publisher[T] | AbstractAsyncContextManager[Publisher[T]]] | None = None
    least: int = 0
    most: int | None = None
    completes: bool = True
    recursion: int = 1

    def of(self, count: int) -> Made:
        """A publisher of so many elements.

        Raises:
            Skipped: If there is none.
        """
        need(self.most is None or count <= self.most, f"needs {count} elements, and there are {self.most} at most")
        return self.publisher(max(count, self.least))

    def ending(self, count: int) -> Made:
        """One of exactly so many elements that completes."""
        need(self.completes, "it never completes")
        need(count >= self.least, f"needs a publisher of {count} elements, and there are {self.least} at least")
        return self.of(count)

    def failing(self) -> Made:
        """One that fails."""
        if self.failed is None:
            raise Skipped("no failing publisher was given")
        return self.failed()


Check = Callable[["PublisherCase[Any]", Stage], Awaitable[None]]


@asynccontextmanager
async def subscribed(
    stage: Stage, made: Made, *, first: int = 0, each: Callable[[Recorder], None] | None = None
) -> AsyncIterator[Recorder]:
    """A recorder that has its subscription; cancelled in the end."""
    async with stage.opened(made) as publisher:
        recorder = await attach(stage, publisher, first=first, each=each)
        yield recorder
        if not recorder.ended:
            recorder.cancel()
        await stage.settle()


async def attach(
    stage: Stage, publisher: Publisher[Any], *, first: int = 0, each: Callable[[Recorder], None] | None = None
) -> Recorder:
    """Subscribe a recorder, and wait for its subscription."""
    recorder = Recorder(stage, first=first, each=each)
    stage.call("1.9", "subscribe", publisher.subscribe, recorder)
    try:
        await stage.until(lambda: recorder.signals, "nothing was signalled after subscribe")
    except Broken as why:
        stage.fault("1.9", str(why))
        raise
    if recorder.subscription is None:
        raise Broken("there was no on_subscribe")
    return recorder


def one_more(count: int) -> Callable[[Recorder], None]:
    """Ask for one element in each on_next, until so many have come: an endless publisher may signal within request."""

    def each(recorder: Recorder) -> None:
        if len(recorder.elements) < count:
            recorder.request(1)

    return each


async def received(stage: Stage, recorder: Recorder, count: int) -> None:
    """Wait for so many elements, and for nothing else."""
    await stage.until(
        lambda: len(recorder.elements) >= count or recorder.ended,
        f"of {recorder.requested} requested elements {count} were to come",
    )
    await stage.settle()
    if len(recorder.elements) != count:
        raise Broken(f"{count} elements were to come, and {len(recorder.elements)} came")


async def finished(stage: Stage, recorder: Recorder) -> None:
    """Wait for a terminal signal."""
    await stage.until(lambda: recorder.ended, "neither on_complete nor on_error came")


async def failed(stage: Stage, recorder: Recorder) -> None:
    """Wait for the end of a publisher that fails at once, or when it is asked."""
    await stage.settle()
    if not recorder.ended:
        recorder.request(1)
    await finished(stage, recorder)


# -- 1: publishers -------------------------------------------------------------


async def only_what_was_requested(case: PublisherCase[Any], stage: Stage) -> None:
    """1.1: element by element, and nothing before the first request."""
    async with subscribed(stage, case.of(min(10, case.most or 10))) as recorder:
        await stage.settle()
        need(case.most is None or case.most >= 1, "there are no elements")
        for step in (1, 2, 3) if case.most is None or case.most >= 10 else (1,):
            before = recorder.requested
            recorder.request(step)
            await received(stage, recorder, before + step)


async def fewer_and_the_end(case: PublisherCase[Any], stage: Stage) -> None:
    """1.2: three elements where ten were asked for."""
    async with subscribed(stage, case.ending(min(3, case.most if case.most is not None else 3))) as recorder:
        recorder.request(10)
        await finished(stage, recorder)


async def serially(case: PublisherCase[Any], stage: Stage) -> None:
    """1.3: many elements, asked for in on_next and beside it."""
    async with subscribed(stage, case.of(50), first=5, each=one_more(50)) as recorder:
        for _ in range(5):
            recorder.request(3)
            await stage.settle()
        await stage.until(lambda: len(recorder.elements) >= 50 or recorder.ended, "50 elements were to come")


async def failure_is_signalled(case: PublisherCase[Any], stage: Stage) -> None:
    """1.4: on_error, without demand."""
    async with subscribed(stage, case.failing()) as recorder:
        await failed(stage, recorder)
        if recorder.failure is None:
            raise Broken("a publisher that fails has signalled on_complete")


async def end_is_signalled(case: PublisherCase[Any], stage: Stage) -> None:
    """1.5: after the last element, and of an empty stream."""
    counts = [n for n in (0, 3) if n >= case.least and (case.most is None or n <= case.most)]
    counts = counts or [case.least]
    for count in counts:
        async with subscribed(stage, case.ending(count)) as recorder:
            recorder.request(count + 1)
            await finished(stage, recorder)
            if not recorder.completed:
                raise Broken(f"a stream of {count} elements ended by {recorder.failure!r}")
            if len(recorder.elements) != count:
                raise Broken(f"a stream of {count} elements gave {len(recorder.elements)}")


async def end_cancels(case: PublisherCase[Any], stage: Stage) -> None:
    """1.6: after the end the subscription does nothing, as after cancel."""
    async with _ended(case, stage) as recorder:
        before = recorder.signals
        recorder.request(0)
        recorder.cancel()
        await stage.settle()
        if recorder.signals != before:
            raise Broken("after the end, a request of 0 was answered: the subscription was still alive")


async def nothing_after_the_end(case: PublisherCase[Any], stage: Stage) -> None:
    """1.7: whatever is requested."""
    async with _ended(case, stage) as recorder:
        recorder.request(10)
        await stage.settle()


@asynccontextmanager
async def _ended(case: PublisherCase[Any], stage: Stage) -> AsyncIterator[Recorder]:
    need(case.completes or case.failed, "it neither completes nor fails")
    for made in [case.ending] if case.completes else []:
        async with subscribed(stage, made(max(case.least, min(2, case.most if case.most is not None else 2)))) as one:
            one.request(10)
            await finished(stage, one)
            yield one
            return
    async with subscribed(stage, case.failing()) as one:
        await failed(stage, one)
        yield one


async def cancel_stops(case: PublisherCase[Any], stage: Stage) -> None:
    """1.8: after a demand that was met, and in the middle of a great one."""
    async with subscribed(stage, case.of(20)) as recorder:
        recorder.request(2)
        await received(stage, recorder, 2)
        recorder.cancel()
        await stage.settle()
        before = recorder.signals
        await stage.settle()
        if recorder.signals != before:
            raise Broken("signals went on after cancel")
    await cancel_within(case, stage)


async def cancel_within(case: PublisherCase[Any], stage: Stage) -> None:
    """3.12, and half of 1.8: in the second on_next, with a demand that is far from met."""

    def second(recorder: Recorder) -> None:
        if len(recorder.elements) == 2:
            recorder.cancel()

    async with subscribed(stage, case.of(ENDLESS), each=second) as recorder:
        recorder.request(ENDLESS)
        await stage.until(lambda: len(recorder.elements) >= 2 or recorder.ended, "two elements were to come")
        await stage.settle()
        before = recorder.signals
        await stage.settle()
        if recorder.signals != before or len(recorder.elements) >= ENDLESS:
            raise Broken(f"{len(recorder.elements)} elements came though the second was answered by cancel")


async def subscribe_first(case: PublisherCase[Any], stage: Stage) -> None:
    """1.9: with None, and of publishers that work and that fail."""
    async with stage.opened(case.of(case.least)) as publisher:
        stage.refuses_none("1.9", "subscribe(None)", publisher.subscribe, None)
    async with subscribed(stage, case.of(case.least)):
        await stage.settle()
    if case.failed is not None:
        async with subscribed(stage, case.failing()):
            await stage.settle()


async def subscribed_again(case: PublisherCase[Any], stage: Stage) -> None:
    """1.10: the second is served, or told by on_error."""
    async with stage.opened(case.of(case.least)) as publisher:
        for which in ("first", "second"):
            recorder = await attach(stage, publisher)
            recorder.request(10)
            await stage.until(lambda one=recorder: one.elements or one.ended, f"the {which} subscriber heard nothing")  # type: ignore[misc]
            if not recorder.ended:
                recorder.cancel()
            await stage.settle()


async def several_at_once(case: PublisherCase[Any], stage: Stage) -> None:
    """1.11: the one with demand is served by it, the one without is not."""
    need(case.most is None or case.most >= 3, "there are too few elements")
    async with stage.opened(case.of(5)) as publisher:
        idle = await attach(stage, publisher)
        eager = await attach(stage, publisher)
        eager.request(3)
        await stage.settle()
        idle.request(1)
        await stage.until(
            lambda: (idle.elements or idle.ended) and (eager.elements or eager.ended),
            "of two subscribers one heard nothing",
        )
        for recorder in (idle, eager):
            if not recorder.ended:
                recorder.cancel()
        await stage.settle()


async def forgotten(case: PublisherCase[Any], stage: Stage) -> None:
    """3.13: after cancel nothing refers to the subscriber."""
    async with stage.opened(case.of(min(10, case.most if case.most is not None else 10))) as publisher:
        reference = await _cancelled(stage, publisher)
        for _ in range(3):
            await stage.settle()
            gc.collect()
            if reference() is None:
                return
        raise Broken("after cancel something still refers to the subscriber")


async def _cancelled(stage: Stage, publisher: Publisher[Any]) -> weakref.ref[Recorder]:
    recorder = await attach(stage, publisher)
    if case_has := recorder.subscription:
        recorder.request(1)
        await stage.settle()
        del case_has
    recorder.cancel()
    return weakref.ref(recorder)


# -- running them --------------------------------------------------------------

PERMISSIONS = {
    "3.10": "leave for the publisher; subscribers are checked to bear it",
    "3.11": "leave for the publisher; subscribers are checked to bear it",
}


def checks() -> dict[str, Check]:
    """By rule: its check."""
    from penstock.testing.reactive import subscription

    return {
        "1.1": only_what_was_requested,
        "1.2": fewer_and_the_end,
        "1.3": serially,
        "1.4": failure_is_signalled,
        "1.5": end_is_signalled,
        "1.6": end_cancels,
        "1.7": nothing_after_the_end,
        "1.8": cancel_stops,
        "1.9": subscribe_first,
        "1.10": subscribed_again,
        "1.11": several_at_once,
        "2.12": subscribe_first,
        **subscription.CHECKS,
        "3.13": forgotten,
    }


async def verify_publisher(case: PublisherCase[Any], *, pace: Pace | None = None) -> list[Verdict]:
    """Check a publisher and its subscriptions against every rule, and give a verdict on each.

    Rules 1.1 to 1.11, 2.12 (the publisher's side of it) and 3.2 to 3.17.

    Args:
        case: The publisher.
        pace: How long to wait.
    """
    return await verify(checks(), case, pace or Pace(), extra=(*PERMISSIONS, "3.4"), skipped=PERMISSIONS)


async def check_publisher(case: PublisherCase[Any], *, pace: Pace | None = None) -> list[Verdict]:
    """Check a publisher and its subscriptions against every rule; give the verdicts, for what was skipped.

    Args:
        case: The publisher.
        pace: How long to wait.

    Raises:
        CheckFailed: If it breaks one, with all that it breaks.
    """
    verdicts = await verify_publisher(case, pace=pace)
    refuse("the publisher", verdicts)
    return verdicts


async def verify(
    checks: dict[str, Callable[[Any, Stage], Awaitable[None]]],
    case: Any,
    pace: Pace,
    *,
    extra: Sequence[str] = (),
    skipped: dict[str, str] | None = None,
) -> list[Verdict]:
    """Run checks, each by itself, and judge."""
    found: dict[str, list[str]] = {}
    left = dict(skipped or {})
    for number, check in checks.items():
        stage = Stage(pace)
        try:
            await check(case, stage)
        except Skipped as why:
            left[number] = str(why)
        except Broken as why:
            stage.fault(number, str(why))
        except Exception as failure:  # noqa: BLE001  (what escapes from an implementation breaks the rule that was tried)
            stage.fault(number, f"{failure!r} escaped")
        for rule, faults in stage.faults.items():
            found.setdefault(rule, []).extend(faults)
    return judge([*checks, *extra], found, left)
