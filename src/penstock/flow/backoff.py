"""Waiting longer each time, and breakers that do not even try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import anyio

from penstock.core.errors import PlanError
from penstock.core.timespan import duration
from penstock.flow.clock import Clock, Signal, checked_clock
from penstock.flow.errors import CircuitOpenError, StreamTimeoutError
from penstock.flow.operators.base import awaitable, number, positive, span_of


@dataclass(frozen=True)
class Backoff:
    """How long to wait before trying again, and how often.

    The n-th wait is `first` doubled n times, at most `most`, and up to `jitter` of it longer, by chance.

    Attributes:
        first: The first wait.
        most: The longest.
        jitter: How much longer a wait may be, as a share of it: 0.2 is up to a fifth.
        times: How many tries again there are; None for any number.
        within: `times` counts tries within this time, and waits begin anew when there was none; None: in all.
    """

    first: Any = "100 ms"
    most: Any = "10 s"
    jitter: float = 0.2
    times: int | None = None
    within: Any = None

    def __post_init__(self) -> None:
        number("a Backoff", "jitter", self.jitter, 0, 1)
        if self.times is not None:
            positive("a Backoff", "times", self.times, 0)
        if self.within is not None:
            span_of("a Backoff", self.within, name="within")
        first, most = span_of("a Backoff", self.first, 0, "first"), span_of("a Backoff", self.most, 0, "most")
        if most < first:
            raise PlanError(f"waits go from first to most, found {self.first!r} and {self.most!r}")

    def tries(self, clock: Clock, random: Random) -> Tries:
        """A count of tries."""
        return Tries(self, clock, random)


class Tries:
    """Counts tries, and waits between them."""

    def __init__(self, backoff: Backoff, clock: Clock, random: Random) -> None:
        self.backoff, self.clock, self.random = backoff, clock, random
        self._first, self._most = duration(backoff.first), duration(backoff.most)
        self._within = None if backoff.within is None else duration(backoff.within)
        self._made: list[int] = []
        self._count = 0

    async def again(self) -> bool:
        """Wait for the next try; False if there is none left."""
        now, times = self.clock.now(), self.backoff.times
        if self._within is not None:
            self._made = [at for at in self._made if now - at < self._within]
            self._count = self._count if self._made else 0
        if times is not None and (len(self._made) if self._within is not None else self._count) >= times:
            return False
        wait = min(self._most, self._first << min(self._count, 40))
        wait += int(wait * self.backoff.jitter * self.random.random())
        self._count += 1
        if self._within is not None:
            self._made.append(now)
        await self.clock.sleep_until(now + wait)
        return True


class CircuitBreaker:
    """Keeps calls away from what fails: after `failures` in a row it is open, and calls fail at once.

    `reset` later one call is let through: if it succeeds the breaker is closed again, else it stays open for twice as
    long, at most `most`.

    Args:
        failures: How many failures in a row open it.
        reset: How long it stays open at first.
        most: How long it stays open at most.
        timeout: A call that takes longer counts as a failure, and is cancelled.
        clock: Where time comes from.
    """

    def __init__(
        self, failures: int, reset: Any, *, most: Any = "1 min", timeout: Any = None, clock: Clock | None = None
    ) -> None:
        verb = "a circuit breaker"
        self.clock = checked_clock(clock)
        self._limit = positive(verb, "failures", failures)
        self._reset = span_of(verb, reset, name="reset")
        self._most = max(self._reset, span_of(verb, most, name="most"))
        self._timeout = None if timeout is None else span_of(verb, timeout, name="timeout")
        self._failures, self._openings, self._until = 0, 0, 0
        self._trying = False

    @property
    def state(self) -> str:
        """`"closed"`, `"open"` or `"half_open"`."""
        if self._failures < self._limit:
            return "closed"
        return "half_open" if self._trying or self.clock.now() >= self._until else "open"

    def protect(self, f: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """`f` behind the breaker: for `map_async` and its neighbours."""
        f = awaitable("protect", f)

        async def guarded(*args: Any) -> Any:
            return await self.call(f, *args)

        return guarded

    async def call(self, f: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Call `f` through the breaker.

        Raises:
            CircuitOpenError: If it is open: `f` was not called.
            StreamTimeoutError: If the call took too long.
        """
        trial = self._failures >= self._limit
        if trial:
            remaining = self._until - self.clock.now()
            if remaining > 0 or self._trying:
                raise CircuitOpenError("the circuit breaker is open", max(0, remaining))
            self._trying = True
        try:
            if self._timeout is None:
                answer = await f(*args)
            else:
                answer = await in_time(self.clock, self._timeout, f, *args)
        except Exception:
            self._failures += 1
            if self._failures >= self._limit:
                self._until = self.clock.now() + min(self._most, self._reset << min(self._openings, 40))
                self._openings += 1
            raise
        finally:
            if trial:
                self._trying = False
        self._failures = self._openings = 0
        return answer


async def in_time(clock: Clock, span: int, f: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """Call and wait, for `span` microseconds at most.

    Raises:
        StreamTimeoutError: If it took longer; the call was cancelled.
    """
    signal = Signal()
    answer: list[Any] = []
    failure: list[Exception] = []
    until = clock.now() + span

    async def call() -> None:
        try:
            answer.append(await f(*args))
        except Exception as error:  # noqa: BLE001  (raised below, out of the group)
            failure.append(error)
        signal.notify()

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        while not answer and not failure and clock.now() < until:
            await clock.wait(signal, until)
        group.cancel_scope.cancel()
    if failure:
        raise failure[0]
    if not answer:
        raise StreamTimeoutError(f"a call took longer than {span / 1e6:g} s")
    return answer[0]
