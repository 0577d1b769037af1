"""Calls of outside sources beside the steps: several at a time, tried again, held back when nobody answers.

All decisions are made in the thread of the loop, between two steps: what is asked next, what is tried again and when.
Other threads only call. An answer wakes the loop, which hands it to the executor before the next step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Protocol

from penstock.connectors.lookups import Lookup
from penstock.core.clock import Clock, Signal
from penstock.core.errors import PenstockError, SourceLost
from penstock.core.lazy import pl
from penstock.core.threads import Worker
from penstock.core.timespan import NEVER
from penstock.engine.step import Engine
from penstock.operators.asking import Answer, AskingExecutor, Request, asking

if TYPE_CHECKING:
    import polars as pl


class Desk(Protocol):
    """Somebody who does one thing at a time."""

    def do(self, work: Callable[[], None]) -> None:
        """Begin it; it does not raise."""
        ...

    def close(self) -> None:
        """Do nothing any more once the work under way is done."""
        ...


class ThreadDesk:
    """A thread that does what it is given.

    Args:
        name: What the thread is called.
    """

    def __init__(self, name: str) -> None:
        self._work: deque[Callable[[], None] | None] = deque()
        self._wake = Signal()
        self._worker = Worker(name, self._run).start()

    def do(self, work: Callable[[], None]) -> None:
        """See `Desk.do`."""
        self._work.append(work)
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait(None)
            self._wake.clear()
            while self._work:
                work = self._work.popleft()
                if work is None:
                    return
                work()

    def close(self) -> None:
        """See `Desk.close`; a call that does not end is left behind."""
        self._work.append(None)
        self._wake.set()


@dataclass
class Call:
    """One call: the requests that it answers.

    Attributes:
        requests: The requests.
        tries: How often it was tried before.
        begun: When it has begun.
        given_up: Whether its answer does not count any more, since it came too late.
        rows: The answer.
        failure: Why it failed.
    """

    requests: Sequence[Request]
    tries: int = 0
    begun: int = 0
    given_up: bool = False
    rows: pl.DataFrame | None = None
    failure: Exception | None = None

    def keys(self) -> pl.DataFrame | None:
        """The distinct keys of all requests; None: all rows."""
        frames = [one.keys for one in self.requests if one.keys is not None]
        if not frames:
            return None
        return frames[0] if len(frames) == 1 else pl.concat(frames).unique(maintain_order=True)


class Caller:
    """The calls of one executor.

    Args:
        executor: Whose rows wait.
        clock: Its monotonic time counts.
        signal: Set when a call has ended.
        hire: Makes a desk.

    Attributes:
        failures: How many calls have failed in a row.
        open_until: Until when nobody is asked, or None.
    """

    def __init__(
        self, executor: AskingExecutor, clock: Clock, signal: Signal, hire: Callable[[], Desk] | None = None
    ) -> None:
        self.executor, self.options = executor, executor.options
        self.failures = 0
        self.open_until: int | None = None
        self._clock, self._signal = clock, signal
        self._hire = hire or (lambda: ThreadDesk("lookup"))
        self._fresh: deque[Call] = deque()
        self._later: list[tuple[int, int, Call]] = []
        self._put_off = 0
        self._running: list[Call] = []
        self._done: deque[tuple[Call, Desk]] = deque()
        self._desks: list[Desk] = []
        self._idle: list[Desk] = []
        self._opened: deque[Lookup] = deque()
        self._closed = False

    # -- in the thread of the loop

    def add(self, requests: Sequence[Request]) -> None:
        """Have requests asked."""
        now = self._clock.monotonic()
        for one in requests:
            if one.delay_us:
                self._put_off_until(now + one.delay_us, Call([one]))
            else:
                self._fresh.append(Call([one]))

    def _put_off_until(self, at: int, call: Call) -> None:
        self._put_off += 1
        heappush(self._later, (at, self._put_off, call))

    def pump(self) -> list[Answer]:
        """Begin what can begin; the answers that have come."""
        now = self._clock.monotonic()
        answers: list[Answer] = []
        while self._done:
            call, desk = self._done.popleft()
            self._idle.append(desk)
            self._running.remove(call)
            if not call.given_up:
                answers += self._ended(call, now)
        for call in self._running:
            if not call.given_up and now - call.begun > self.options.timeout_us:
                call.given_up = True
                seconds = self.options.timeout_us / 1e6
                late = Call(call.requests, call.tries, failure=SourceLost(f"no answer within {seconds:g} s"))
                answers += self._ended(late, now)
        if sum(call.given_up for call in self._running) >= self.options.parallelism:
            answers += self._stuck()
        self._begin(now)
        return answers

    def _stuck(self) -> list[Answer]:
        """All that waits fails: as many calls as may run at a time do not end."""
        waiting = [*(call for _, _, call in self._later), *self._fresh]
        self._later, self._fresh = [], deque()
        return [Answer(one.number, None, "its calls do not end") for call in waiting for one in call.requests]

    def begin(self) -> None:
        """Begin what can begin."""
        self._begin(self._clock.monotonic())

    def _ended(self, call: Call, now: int) -> list[Answer]:
        if call.failure is None:
            self.failures, self.open_until = 0, None
            assert call.rows is not None
            return [Answer(one.number, call.rows) for one in call.requests]
        self.failures += 1
        if self.options.breaker and self.failures >= self.options.breaker:
            self.open_until = now + self.options.pause_us
        again = isinstance(call.failure, SourceLost) or not isinstance(call.failure, PenstockError)
        if again and call.tries + 1 < self.options.attempts:
            delay = min(self.options.delay_us << min(call.tries, 40), self.options.most_delay_us)
            self._put_off_until(now + delay, Call(call.requests, call.tries + 1))
            return []
        reason = call.failure.message if isinstance(call.failure, PenstockError) else str(call.failure)
        return [Answer(one.number, None, reason) for one in call.requests]

    def _begin(self, now: int) -> None:
        """Begin calls while there are desks; while the circuit is open one, when it is time, to try it."""
        while self._has_desk():
            if self.open_until is not None and (self.open_until > now or self._running):
                return
            call = self._next(now)
            if call is None:
                return
            desk = self._idle.pop() if self._idle else self._hired()
            call.begun = now
            self._running.append(call)
            desk.do(lambda call=call, desk=desk: self._do(call, desk))  # type: ignore[misc]

    def _has_desk(self) -> bool:
        """Whether another call may run. One that was given up still has its desk, as many more may be hired."""
        given_up = sum(call.given_up for call in self._running)
        most = self.options.parallelism
        return len(self._running) - given_up < most and given_up < most

    def _hired(self) -> Desk:
        desk = self._hire()
        self._desks.append(desk)
        return desk

    def _next(self, now: int) -> Call | None:
        """The next call that may begin: one that was put off, or a new one with as many behind it as go into one."""
        if self._later and self._later[0][0] <= now:
            return heappop(self._later)[2]
        if not self._fresh:
            return None
        call = self._fresh.popleft()
        first = call.requests[0].keys
        if first is None:
            return call
        most = min(self.options.batch, self.executor.most_keys)
        requests, keys = [*call.requests], first.height
        while self._fresh:
            (more,) = self._fresh[0].requests
            if more.keys is None or keys + more.keys.height > most:
                break
            self._fresh.popleft()
            requests.append(more)
            keys += more.keys.height
        return Call(requests)

    def due(self) -> int | None:
        """When something is to be done even if no call ends, by the monotonic clock; None: nothing."""
        found = [call.begun + self.options.timeout_us + 1 for call in self._running if not call.given_up]
        soonest = NEVER if self._fresh else self._later[0][0] if self._later else None
        if soonest is not None and self._has_desk():
            if self.open_until is None:
                found.append(soonest)
            elif not self._running:
                found.append(max(soonest, self.open_until))
        return min(found, default=None)

    def close(self) -> None:
        """Let go of desks and of what is open."""
        self._closed = True
        for desk in self._desks:
            desk.close()
        self._release()

    def _release(self) -> None:
        while self._opened:
            self._opened.popleft().close()

    # -- in the thread of a desk

    def _do(self, call: Call, desk: Desk) -> None:
        """Call, and say what came."""
        opened: Lookup | None = None
        try:
            try:
                opened = self._opened.popleft()
            except IndexError:
                opened = self.executor.opened()
            keys = call.keys()
            call.rows = opened.load() if keys is None else opened.ask(keys)
            self._opened.append(opened)
        except Exception as failure:  # noqa: BLE001  (a source may raise anything; the loop decides)
            call.failure = failure
            if opened is not None:
                _close(opened)
        if self._closed:
            self._release()
        self._done.append((call, desk))
        self._signal.set()


def _close(opened: Lookup) -> Exception | None:
    """Close what has failed; how that fails tells nothing new."""
    try:
        opened.close()
    except Exception as failure:  # noqa: BLE001  (it is broken already)
        return failure
    return None


class Calls:
    """The calls of all executors of an engine.

    Args:
        engine: The engine.
        clock: Its time.
        signal: Wakes the loop.
        hire: Makes a desk: a thread, if it is not given.

    Attributes:
        answered: Whether the last step had an answer.
    """

    def __init__(self, engine: Engine, clock: Clock, signal: Signal, hire: Callable[[], Desk] | None = None) -> None:
        found = asking([made.executor for made in engine.plan.nodes])
        self.callers = [Caller(executor, clock, signal, hire) for executor in found.values()]
        self.answered = False

    def hand_in(self) -> None:
        """Before a step: give executors the answers that have come, and begin what can begin."""
        self.answered = False
        for caller in self.callers:
            caller.add(caller.executor.requests())
            answers = caller.pump()
            caller.executor.hear(answers)
            self.answered = self.answered or bool(answers)

    def hand_out(self) -> None:
        """After a step: have asked what it wants."""
        for caller in self.callers:
            requests = caller.executor.requests()
            if requests:
                caller.add(requests)
                caller.begin()

    @property
    def waits(self) -> bool:
        """Whether rows wait for answers."""
        return any(caller.executor.waits for caller in self.callers)

    @property
    def full(self) -> bool:
        """Whether so many rows wait somewhere that no more should come."""
        return any(caller.executor.full for caller in self.callers)

    def due(self) -> int | None:
        """When something is to be done even if no call ends, by the monotonic clock; None: nothing."""
        found = [at for caller in self.callers if (at := caller.due()) is not None]
        return min(found, default=None)

    def close(self) -> None:
        """End."""
        for caller in self.callers:
            caller.close()
