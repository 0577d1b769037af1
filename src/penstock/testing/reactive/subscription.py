"""The rules of subscriptions, as far as a publisher keeps them, one check each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.core.threads import Worker
from penstock.flow.reactive import UNBOUNDED
from penstock.testing.reactive.publisher import (
    ENDLESS,
    PublisherCase,
    attach,
    cancel_within,
    finished,
    one_more,
    received,
    subscribed,
)
from penstock.testing.reactive.rules import Broken, need
from penstock.testing.reactive.stage import Recorder, Stage

if TYPE_CHECKING:
    from penstock.testing.reactive.publisher import Check

MANY = 300
"""Elements for a recursion that would be deep."""
CANCELLERS = 4


async def from_within(case: PublisherCase[Any], stage: Stage) -> None:
    """3.2: request in on_subscribe and in on_next."""
    async with subscribed(stage, case.of(6), first=1, each=one_more(6)) as recorder:
        await stage.until(lambda: len(recorder.elements) >= 6 or recorder.ended, "requests within signals were lost")


async def bounded_recursion(case: PublisherCase[Any], stage: Stage) -> None:
    """3.3: one element at a time, each asked for in the one before."""
    async with subscribed(stage, case.of(MANY), first=1, each=one_more(MANY)) as recorder:
        await stage.until(lambda: len(recorder.elements) >= MANY or recorder.ended, f"{MANY} elements were to come")
        if recorder.deepest > case.recursion:
            raise Broken(f"{recorder.deepest} calls of on_next were within each other")


async def cancel_from_anywhere(case: PublisherCase[Any], stage: Stage) -> None:
    """3.5: from several threads at once, and here."""
    async with subscribed(stage, case.of(20)) as recorder:
        recorder.request(1)
        await received(stage, recorder, 1)
        workers = [Worker("cancel", recorder.cancel).start() for _ in range(CANCELLERS)]
        recorder.cancel()
        for worker in workers:
            worker.join()
        if faults := stage.faults.pop("3.15", []):
            stage.faults["3.5"] = faults
        await _silent(stage, recorder, "after cancel from several threads a request was answered", 5)


async def request_after_cancel(case: PublisherCase[Any], stage: Stage) -> None:
    """3.6: any request."""
    async with subscribed(stage, case.of(min(10, _most(case)))) as recorder:
        recorder.cancel()
        await _silent(stage, recorder, "request was answered after cancel", 1, UNBOUNDED, 0, -1)


async def cancel_after_cancel(case: PublisherCase[Any], stage: Stage) -> None:
    """3.7: twice more."""
    async with subscribed(stage, case.of(min(10, _most(case)))) as recorder:
        recorder.cancel()
        await stage.settle()
        before = recorder.signals
        for _ in range(2):
            recorder.cancel()
        await stage.settle()
        if faults := stage.faults.pop("3.15", []):
            stage.faults["3.7"] = faults
        if recorder.signals != before:
            raise Broken("a cancel after cancel was answered")


async def _silent(stage: Stage, recorder: Recorder, why: str, *demands: int) -> None:
    await stage.settle()
    before = recorder.signals
    for n in demands:
        recorder.request(n)
    await stage.settle()
    if recorder.signals != before:
        raise Broken(why)


async def demands_add_up(case: PublisherCase[Any], stage: Stage) -> None:
    """3.8: three requests before anything can come."""
    async with subscribed(stage, case.of(10)) as recorder:
        for n in (1, 2, 4):
            recorder.request(n)
        await received(stage, recorder, 7)


async def nothing_requested(case: PublisherCase[Any], stage: Stage) -> None:
    """3.9: 0 and -1."""
    need(_most(case) > 0, "there are no elements: it has ended before")
    for n in (0, -1):
        async with subscribed(stage, case.of(min(10, _most(case)))) as recorder:
            recorder.request(n)
            await finished(stage, recorder)
            if not isinstance(recorder.failure, ValueError):
                raise Broken(f"request({n}) was answered by {recorder.failure or 'on_complete'!r}, not by a ValueError")
            before = recorder.signals
            recorder.request(5)
            await stage.settle()
            if recorder.signals != before:
                raise Broken(f"request({n}) did not end the stream")


async def after_the_last_cancel(case: PublisherCase[Any], stage: Stage) -> None:
    """3.14: the next subscriber is served, or told that nobody is any more."""
    async with stage.opened(case.of(case.least)) as publisher:
        for _ in range(2):
            recorder = await attach(stage, publisher)
            recorder.cancel()
            await stage.settle()


async def cancel_returns(case: PublisherCase[Any], stage: Stage) -> None:
    """3.15: in every state."""
    async with subscribed(stage, case.of(case.least)) as recorder:
        recorder.cancel()
    async with subscribed(stage, case.of(case.least)) as recorder:
        recorder.request(3)
        recorder.cancel()
        await stage.settle()
        recorder.cancel()
    await _after_the_end(case, stage, Recorder.cancel)


async def request_returns(case: PublisherCase[Any], stage: Stage) -> None:
    """3.16: in every state, also with what it refuses."""

    def enough(recorder: Recorder) -> None:
        if len(recorder.elements) == 5:  # an endless publisher may signal within request
            recorder.cancel()

    for demands in ((1, 2), (0,), (-(2**63),), (UNBOUNDED, UNBOUNDED)):
        async with subscribed(stage, case.of(case.least), each=enough) as recorder:
            for n in demands:
                recorder.request(n)
            await stage.settle()
            recorder.cancel()
            recorder.request(1)
    await _after_the_end(case, stage, lambda recorder: recorder.request(1))


async def _after_the_end(case: PublisherCase[Any], stage: Stage, act: object) -> None:
    assert callable(act)
    ended = [case.of(case.least)] if case.completes else []
    ended += [case.failing()] if case.failed is not None else []
    for made in ended:
        async with subscribed(stage, made) as recorder:
            recorder.request(case.least + 1)
            await finished(stage, recorder)
            act(recorder)


async def unbounded(case: PublisherCase[Any], stage: Stage) -> None:
    """3.17: all there is, and sums that go beyond."""
    most = 20 if case.most is None else min(20, case.most)
    for demands in ((UNBOUNDED,), (UNBOUNDED - 1, 5), (UNBOUNDED, UNBOUNDED)):

        def enough(recorder: Recorder) -> None:
            if len(recorder.elements) == most and not case.completes:
                recorder.cancel()

        async with subscribed(stage, case.of(most), each=enough) as recorder:
            for n in demands:
                recorder.request(n)
            await stage.until(lambda: len(recorder.elements) >= most or recorder.ended, f"{most} were to come")
            if recorder.failure is not None:
                raise Broken(f"demands of {demands} were answered by {recorder.failure!r}")


def _most(case: PublisherCase[Any]) -> int:
    return ENDLESS if case.most is None else case.most


CHECKS: dict[str, Check] = {
    "3.2": from_within,
    "3.3": bounded_recursion,
    "3.5": cancel_from_anywhere,
    "3.6": request_after_cancel,
    "3.7": cancel_after_cancel,
    "3.8": demands_add_up,
    "3.9": nothing_requested,
    "3.12": cancel_within,
    "3.14": after_the_last_cancel,
    "3.15": cancel_returns,
    "3.16": request_returns,
    "3.17": unbounded,
}
