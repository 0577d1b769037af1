"""Operators that look at the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from penstock.core.errors import PlanError
from penstock.flow.buffers import checked_overflow
from penstock.flow.operators import timed_stages as stages
from penstock.flow.operators.base import Step, Verbs, function, function_or, one_of, positive, span_of


class Timed(Verbs):
    """Operators that look at the clock. Durations are texts such as `"1 s"`, or `timedelta`."""

    def throttle(
        self,
        n: int,
        per: Any,
        *,
        burst: int | None = None,
        cost: Callable[[Any], int] | None = None,
        mode: str = "shape",
    ) -> Self:
        """At most `n` elements in the time `per`, evenly: a bucket of tokens.

        Args:
            n: How many tokens come in `per`.
            per: The time.
            burst: How many tokens are kept at most, and there are at the start; 1 unless it is given.
            cost: How many tokens an element takes; 1 unless it is given.
            mode: `shape` lets elements wait, `enforce` fails the stream with a `RateExceededError`.
        """
        n, us = positive("throttle", "n", n), span_of("throttle", per)
        b = positive("throttle", "burst", 1 if burst is None else burst)
        hard = one_of("throttle", "mode", mode, ("shape", "enforce")) == "enforce"
        price = function_or("throttle", cost, "cost", None)
        return self._then(Step("throttle", lambda up, ctx: stages.Throttle(up, ctx, n, us, b, price, hard)))

    def pace(self, every: Any) -> Self:
        """One element each `every` at most."""
        return self.throttle(1, every)

    def debounce(self, span: Any) -> Self:
        """An element when none has come for `span` after it; others are dropped. The last one comes at the end."""
        us = span_of("debounce", span)
        return self._then(Step("debounce", lambda up, ctx: stages.Debounce(up, ctx, us)))

    def sample(self, every: Any) -> Self:
        """The last element of each interval that had one, at its end; the others are dropped."""
        us = span_of("sample", every)
        return self._then(Step("sample", lambda up, ctx: stages.Sample(up, ctx, us)))

    def delay(self, span: Any, *, size: int = 1024, overflow: str = "backpressure") -> Self:
        """Each element `span` after it came; `size` of them wait at most, and then it is as with `buffer`."""
        us = span_of("delay", span)
        return self.delay_with(lambda x: us, size=size, overflow=overflow)

    def delay_with(self, delay: Callable[[Any], int], *, size: int = 1024, overflow: str = "backpressure") -> Self:
        """Each element `delay(element)` microseconds after it came, and not before those that came before it."""
        f, n = function("delay_with", delay, "delay"), positive("delay_with", "size", size)
        if checked_overflow("delay", overflow) == "spill":
            raise PlanError("delay keeps its elements in memory", hint='buffer(n, "spill") behind it')
        return self._then(Step("delay", lambda up, ctx: stages.Delay(up, ctx, f, n, overflow)))

    def initial_delay(self, span: Any) -> Self:
        """Ask for the first element `span` after somebody asked for it."""
        us = span_of("initial_delay", span)
        return self._then(Step("initial_delay", lambda up, ctx: stages.InitialDelay(up, ctx, us)))

    def grouped_within(self, n: int, span: Any, *, weight: Callable[[Any], int] | None = None) -> Self:
        """Lists of `n` elements (or of a summed weight of `n`), or of what came within `span` of the first one."""
        n, us = positive("grouped_within", "n", n), span_of("grouped_within", span)
        w = function_or("grouped_within", weight, "weight", None)
        return self._then(Step("grouped_within", lambda up, ctx: stages.GroupedWithin(up, ctx, n, us, w)))

    def take_within(self, span: Any) -> Self:
        """Elements that come within `span` of the start; then the stream completes."""
        us = span_of("take_within", span)
        return self._then(Step("take_within", lambda up, ctx: stages.TakeWithin(up, ctx, us)))

    def drop_within(self, span: Any) -> Self:
        """Elements that come after `span`; those before are dropped."""
        us = span_of("drop_within", span)
        return self._then(Step("drop_within", lambda up, ctx: stages.DropWithin(up, ctx, us)))

    def keep_alive(self, span: Any, make: Callable[[], Any]) -> Self:
        """The elements, and `make()` whenever none has passed for `span` and somebody waits for one."""
        us, f = span_of("keep_alive", span), function("keep_alive", make, "make")
        return self._then(Step("keep_alive", lambda up, ctx: stages.KeepAlive(up, ctx, us, f)))

    def idle_timeout(self, span: Any) -> Self:
        """Fail with a `StreamTimeoutError` if an element that is asked for does not come within `span`."""
        return self._timeout("idle_timeout", span, "idle", "no element came")

    def initial_timeout(self, span: Any) -> Self:
        """Fail with a `StreamTimeoutError` if no element has come within `span` of the start."""
        return self._timeout("initial_timeout", span, "initial", "no first element came")

    def completion_timeout(self, span: Any) -> Self:
        """Fail with a `StreamTimeoutError` if the stream has not completed within `span` of the start."""
        return self._timeout("completion_timeout", span, "completion", "the stream did not complete")

    def _timeout(self, verb: str, span: Any, kind: str, what: str) -> Self:
        us = span_of(verb, span)
        return self._then(Step(verb, lambda up, ctx: stages.Timeout(up, ctx, us, kind, what)))

    def backpressure_timeout(self, span: Any) -> Self:
        """Fail with a `StreamTimeoutError` if nobody asks for the next element within `span`.

        The failure is told when somebody asks, as failures are told to whoever pulls.
        """
        us = span_of("backpressure_timeout", span)
        return self._then(Step("backpressure_timeout", lambda up, ctx: stages.BackpressureTimeout(up, ctx, us)))
