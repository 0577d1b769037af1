"""Operators for failures: supervision, recovery, opening again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from penstock.core.errors import PlanError
from penstock.flow.backoff import Backoff
from penstock.flow.nested import Inner, as_source
from penstock.flow.operators.base import Opener, Step, Verbs, function, one_of, positive
from penstock.flow.scope import COMPLETED, FAILED
from penstock.flow.stage import RESTART, RESUME, STOP, Context, Decider, KillSwitch, Origin, Pull, Stage

VERDICTS = (STOP, RESUME, RESTART)


class _Recover(Stage):
    """One element in the place of a failure, and the end."""

    def __init__(self, up: Pull, context: Context, f: Callable[[Exception], Any], kinds: tuple[Any, ...]) -> None:
        super().__init__(up, context)
        self.f, self.kinds, self.done = f, kinds, False

    async def pull(self, most: int) -> list[Any]:
        if self.done:
            return []
        try:
            return await self.up.pull(most)
        except self.kinds as failure:
            self.done = True
            return self.instead(failure)

    def instead(self, failure: Exception) -> list[Any]:
        return [self.f(failure)]


class _Complete(_Recover):
    def instead(self, failure: Exception) -> list[Any]:
        return []


class _MapError(_Recover):
    def instead(self, failure: Exception) -> list[Any]:
        other = self.f(failure)
        if not isinstance(other, Exception):
            raise PlanError(f"map_error takes a function that gives an exception, found {type(other).__name__}")
        raise other from failure


class _RecoverWith(Stage):
    """Another stream in the place of the one that failed."""

    def __init__(
        self, up: Pull, context: Context, f: Callable[[Exception], Any], kinds: tuple[Any, ...], times: int | None
    ) -> None:
        super().__init__(up, context)
        self.f, self.kinds, self.left = f, kinds, times
        self._now: Pull = up

    async def pull(self, most: int) -> list[Any]:
        while True:
            try:
                return await self._now.pull(most)
            except self.kinds as failure:
                if self.left == 0:
                    raise
                self.left = None if self.left is None else self.left - 1
                if isinstance(self._now, Inner):
                    await self._now.context.scope.close(FAILED)
                self._now = Inner(as_source("recover_with", self.f(failure)), self.context.inside())


class _Again(Stage):
    """Opens all so far again, at its failure or also at its end."""

    def __init__(
        self, opener: Opener, context: Context, backoff: Backoff, always: bool, kinds: tuple[Any, ...]
    ) -> None:
        super().__init__(self, context)
        self.opener, self.always, self.kinds = opener, always, kinds
        self.tries = backoff.tries(context.clock, context.run.random)
        self._inner: Context | None = None
        self._up: Pull | None = None

    async def pull(self, most: int) -> list[Any]:
        while True:
            if self._up is None or self._inner is None:
                self._inner = self.context.inside()
                try:
                    self._up = self.opener(self._inner)
                except self.kinds:
                    await self._close(FAILED)
                    if not await self.tries.again():
                        raise
                    continue
            try:
                chunk = await self._up.pull(most)
            except self.kinds:
                await self._close(FAILED)
                if getattr(self.opener, "spent", False) or not await self.tries.again():
                    raise
                continue
            if chunk or not self.always:
                return chunk
            await self._close(COMPLETED)
            if getattr(self.opener, "spent", False) or not await self.tries.again():
                return []

    async def _close(self, outcome: str) -> None:
        inner, self._inner, self._up = self._inner, None, None
        if inner is not None:
            await inner.scope.close(outcome)


class _Cycle(Stage):
    """All so far, again and again."""

    def __init__(self, opener: Opener, context: Context, times: int | None) -> None:
        super().__init__(self, context)
        self.opener, self.left = opener, times
        self._inner: Context | None = None
        self._up: Pull | None = None
        self._empty = True

    async def pull(self, most: int) -> list[Any]:
        while True:
            if self._up is None or self._inner is None:
                if self.left == 0:
                    return []
                self._inner, self._empty = self.context.inside(), True
                self._up = self.opener(self._inner)
            chunk = await self._up.pull(most)
            if chunk:
                self._empty = False
                return chunk
            await self._inner.scope.close(COMPLETED)
            self._up = self._inner = None
            if self.left is None and self._empty:
                return []  # endlessly nothing
            self.left = None if self.left is None else self.left - 1


class _Watch(Stage):
    """Tells how the stream ended: `completed`, `failed`, `cancelled`."""

    def __init__(self, up: Pull, context: Context, f: Callable[[str], object]) -> None:
        super().__init__(up, context)
        self.f = f

    async def close(self) -> None:
        self.f(self.context.scope.outcome or COMPLETED)


def decider(verdicts: Any) -> Decider:
    """A decider of a verdict for all failures, a mapping of types to verdicts, or a function.

    Raises:
        PlanError: If it is nothing of that.
    """
    if isinstance(verdicts, str):
        verdict = one_of("supervised", "verdict", verdicts, VERDICTS)
        return lambda failure: verdict
    if isinstance(verdicts, Mapping):
        _kinds(tuple(verdicts))
        table = {kind: one_of("supervised", "verdict", one, VERDICTS) for kind, one in verdicts.items()}
        return lambda failure: next((one for kind, one in table.items() if isinstance(failure, kind)), STOP)
    return function("supervised", verdicts, "verdicts")


def _kinds(kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise PlanError(f"failures are named by types of exceptions, found {kind!r}")
    return kinds or (Exception,)


class Failing(Verbs):
    """Operators for failures. Without them the first failure ends the stream, behind all elements before it."""

    def supervised(self, verdicts: Any) -> Self:
        """What becomes of elements with which a function of an operator before this one fails.

        Args:
            verdicts: `"stop"` fails the stream, as happens without this. `"resume"` drops the element and goes
                on. `"restart"` drops it and the state of the operator too. Or a mapping of types of exceptions to
                these (others stop), or a function of the exception.

        Failures of sources and of streams inside of operators are not elements: they stop.
        `statistics()` counts what was dropped.
        """
        decide = decider(verdicts)
        return self._enclose("supervised", lambda opener, ctx: opener(ctx.supervised(decide)))

    def recover(self, f: Callable[[Exception], Any], *kinds: type[Exception]) -> Self:
        """At a failure (of these types) the element `f(failure)`, and the end."""
        f, types = function("recover", f), _kinds(kinds)
        return self._then(Step("recover", lambda up, ctx: _Recover(up, ctx, f, types)))

    def recover_with(self, f: Callable[[Exception], Any], *kinds: type[Exception], times: int | None = None) -> Self:
        """At a failure the stream `f(failure)` goes on in its place; also at its failures, `times` in all.

        What the failed stream had not given is lost.
        """
        f, types = function("recover_with", f), _kinds(kinds)
        n = None if times is None else positive("recover_with", "times", times, 0)
        return self._then(Step("recover_with", lambda up, ctx: _RecoverWith(up, ctx, f, types, n)))

    def map_error(self, f: Callable[[Exception], Exception], *kinds: type[Exception]) -> Self:
        """Fail with `f(failure)` instead."""
        f, types = function("map_error", f), _kinds(kinds)
        return self._then(Step("map_error", lambda up, ctx: _MapError(up, ctx, f, types)))

    def on_error_complete(self, *kinds: type[Exception]) -> Self:
        """Complete at a failure (of these types), as if the stream had ended there. Nobody learns of the failure."""
        types = _kinds(kinds)
        return self._then(Step("on_error_complete", lambda up, ctx: _Complete(up, ctx, str, types)))

    def retry(self, backoff: Backoff | int, *kinds: type[Exception]) -> Self:
        """Open all so far again when it fails, after a wait; with a number, so often at most.

        A source begins from its start: elements it has given are given again. In a `Flow` the input goes on, and what
        was inside of the flow is lost; a failure of its input is not retried.
        """
        if not isinstance(backoff, Backoff):
            backoff = Backoff(times=positive("retry", "backoff", backoff, 0))
        again, types = backoff, _kinds(kinds)
        return self._enclose("retry", lambda opener, ctx: _Again(opener, ctx, again, False, types))

    def restart_with_backoff(self, backoff: Backoff, *kinds: type[Exception]) -> Self:
        """As `retry`, and also when it completes: for what should never end."""
        if not isinstance(backoff, Backoff):
            raise PlanError(f"restart_with_backoff takes a Backoff, found {type(backoff).__name__}")
        types = _kinds(kinds)
        return self._enclose("restart_with_backoff", lambda opener, ctx: _Again(opener, ctx, backoff, True, types))

    def repeat(self, times: int | None = None) -> Self:
        """All so far `times` times, or for ever unless it is empty, opened anew each time. It is for sources."""
        n = None if times is None else positive("repeat", "times", times, 0)
        return self._enclose("repeat", lambda opener, ctx: _Cycle(opener, ctx, n))

    def kill_switch(self, switch: KillSwitch) -> Self:
        """End here when the switch is thrown: above is cancelled, below completes or fails."""
        if not isinstance(switch, KillSwitch):
            raise PlanError(f"kill_switch takes a KillSwitch, found {type(switch).__name__}")
        return self._then(Step("kill_switch", lambda up, ctx: Origin(up, ctx, switch)))

    def on_close(self, f: Callable[[str], object]) -> Self:
        """Call `f` with `"completed"`, `"failed"` or `"cancelled"` when the stream is released, in order of scopes."""
        f = function("on_close", f)
        return self._then(Step("on_close", lambda up, ctx: _Watch(up, ctx, f)))
