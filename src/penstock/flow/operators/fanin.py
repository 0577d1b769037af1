"""Operators with several inputs: merge, zip, interleave, concatenate, and their relatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

from penstock.core.errors import PlanError
from penstock.flow.nested import Inputs, as_source
from penstock.flow.operators.base import Step, Verbs, function, listed, one_of, positive, same
from penstock.flow.operators.fanin_order import Concat, Interleave, MergeLatest, MergeSequence, MergeSorted, OrElse
from penstock.flow.stage import CHUNK, Context, Pull

SHARE = 256
"""How many elements an input gives before the next has its turn, if it has some."""

HALT = ("all", "any", "left", "right")


class _Merge(Inputs):
    """Takes turns between inputs that have something. Chunks are kept small, so that turns are short."""

    def __init__(self, up: Pull, context: Context, others: tuple[Any, ...], halt: str, weights: Sequence[int]) -> None:
        super().__init__(up, context, others)
        self.halt, self.weights = halt, weights
        self.turn = 0
        self._credit = list(weights)

    def _halted(self) -> bool:
        ended = [pump.ended and not pump.chunk for pump in self.pumps]
        if self.halt == "any":
            return any(ended)
        if self.halt == "left":
            return ended[0]
        return ended[-1] if self.halt == "right" else all(ended)

    async def pull(self, most: int) -> list[Any]:
        while True:
            for pump in self.pumps:
                pump.request(min(most, SHARE))
            for _ in range(2):
                if chunk := self._next(most):
                    return chunk
                self._credit = list(self.weights)  # a new round
            if self._halted():
                return []
            await self.signal.wait()

    def _next(self, most: int) -> list[Any]:
        n = len(self.pumps)
        for step in range(n):
            at = (self.turn + step) % n
            pump = self.pumps[at]
            if pump.failure is not None and not pump.chunk:
                raise pump.failure
            if pump.chunk and self._credit[at] > 0:
                chunk = pump.take(min(most, self._credit[at]))
                self._credit[at] -= len(chunk)
                self.turn = at if self._credit[at] > 0 and self.weights[at] < CHUNK else (at + 1) % n
                return chunk
        return []


class _MergePreferred(Inputs):
    """Takes from the first input that has something."""

    async def pull(self, most: int) -> list[Any]:
        while True:
            for pump in self.pumps:
                pump.request(most)
            for pump in self.pumps:
                if pump.chunk:
                    return pump.take(most)
                if pump.failure is not None:
                    raise pump.failure
            if all(pump.ended for pump in self.pumps):
                return []
            await self.signal.wait()


_MISSING: Any = object()


class _Zip(Inputs):
    def __init__(
        self, up: Pull, context: Context, others: tuple[Any, ...], f: Callable[..., Any], fill: Any = _MISSING
    ) -> None:
        super().__init__(up, context, others)
        self.f, self.fill = f, fill

    async def pull(self, most: int) -> list[Any]:
        for pump in self.pumps:
            pump.request(most)
        await self.all_ready(self.pumps)
        for pump in self.pumps:
            if pump.failure is not None and not pump.chunk:
                raise pump.failure
        with_some = [len(pump.chunk) for pump in self.pumps if pump.chunk]
        if not with_some or (self.fill is _MISSING and len(with_some) < len(self.pumps)):
            return []
        n = min(most, *with_some)
        columns = [pump.take(n) if pump.chunk else [self.fill] * n for pump in self.pumps]
        f = self.f
        return [f(*row) for row in zip(*columns, strict=True)]


class _ZipLatest(Inputs):
    """The last element of each input, once all have one, whenever one of them has a new one."""

    def __init__(self, up: Pull, context: Context, others: tuple[Any, ...], f: Callable[..., Any]) -> None:
        super().__init__(up, context, others)
        self.f = f
        self.last: list[Any] = [_MISSING] * len(self.pumps)

    async def pull(self, most: int) -> list[Any]:
        while True:
            for pump in self.pumps:
                pump.request(1)
            await self.ready([pump for pump in self.pumps if not (pump.ended and not pump.chunk)] or self.pumps)
            for at, pump in enumerate(self.pumps):
                if pump.chunk:
                    (self.last[at],) = pump.take(1)
                    if all(value is not _MISSING for value in self.last):
                        return [self.f(*self.last)]
                elif pump.failure is not None:
                    raise pump.failure
                elif pump.ended and self.last[at] is _MISSING:
                    return []
            if all(pump.ended and not pump.chunk for pump in self.pumps):
                return []


def _pair(*row: Any) -> tuple[Any, ...]:
    return row


def _sources(verb: str, others: tuple[Any, ...]) -> tuple[Any, ...]:
    if not others:
        raise PlanError(f"{verb} takes one other source or more")
    return tuple(as_source(verb, other) for other in others)


class FanIn(Verbs):
    """Operators with several inputs. Others are sources, or iterables. A failure of any input fails the stream."""

    def merge(self, *others: Any, halt: str = "all") -> Self:
        """Elements of all inputs as they come, in turns where several have some; each input keeps its order.

        Args:
            others: The other sources.
            halt: The end comes with that of `all`, of `any`, of the `left` (this one) or the `right` (the last one).
        """
        others, halt = _sources("merge", others), one_of("merge", "halt", halt, HALT)
        weights = [SHARE] * (len(others) + 1)
        return self._then(Step("merge", lambda up, ctx: _Merge(up, ctx, others, halt, weights)))

    def merge_preferred(self, *others: Any) -> Self:
        """As `merge`, but while an earlier input has elements, later ones wait: they may starve."""
        others = _sources("merge_preferred", others)
        return self._then(Step("merge_preferred", lambda up, ctx: _MergePreferred(up, ctx, others)))

    def merge_prioritized(self, *others: Any, priorities: Sequence[int]) -> Self:
        """As `merge`, with so many elements of each input to a round when all have some: priorities are shares."""
        others = _sources("merge_prioritized", others)
        weights = [
            positive("merge_prioritized", "priority", weight)
            for weight in listed("merge_prioritized", "priorities", priorities)
        ]
        if len(weights) != len(others) + 1:
            raise PlanError(f"merge_prioritized takes {len(others) + 1} priorities, found {len(weights)}")
        return self._then(Step("merge_prioritized", lambda up, ctx: _Merge(up, ctx, others, "all", weights)))

    def merge_sorted(self, *others: Any, key: Callable[[Any], Any] | None = None) -> Self:
        """Elements of inputs that are each in order, in order; equal ones in the order of the inputs."""
        others, f = _sources("merge_sorted", others), function("merge_sorted", same if key is None else key, "key")
        return self._then(Step("merge_sorted", lambda up, ctx: MergeSorted(up, ctx, others, f)))

    def merge_latest(self, *others: Any) -> Self:
        """A list of the last element of each input, at every element of any, once all have one."""
        others = _sources("merge_latest", others)
        return self._then(Step("merge_latest", lambda up, ctx: MergeLatest(up, ctx, others)))

    def merge_sequence(self, *others: Any, number: Callable[[Any], int]) -> Self:
        """Elements in the order of their numbers, from 0 on without a gap, wherever each comes from.

        Each input must be in order by itself; a gap or a number twice is a `FlowError`.
        """
        others, f = _sources("merge_sequence", others), function("merge_sequence", number, "number")
        return self._then(Step("merge_sequence", lambda up, ctx: MergeSequence(up, ctx, others, f)))

    def zip(self, *others: Any) -> Self:
        """Tuples of one element of each input; ends with the first that ends."""
        others = _sources("zip", others)
        return self._then(Step("zip", lambda up, ctx: _Zip(up, ctx, others, _pair)))

    def zip_with(self, *others: Any, f: Callable[..., Any]) -> Self:
        """`f(one of each input)`; ends with the first that ends."""
        others, f = _sources("zip_with", others), function("zip_with", f)
        return self._then(Step("zip_with", lambda up, ctx: _Zip(up, ctx, others, f)))

    def zip_all(self, *others: Any, fill: Any = None) -> Self:
        """Tuples of one element of each input, with `fill` for those that have ended; ends with the last."""
        others = _sources("zip_all", others)
        return self._then(Step("zip_all", lambda up, ctx: _Zip(up, ctx, others, _pair, fill)))

    def zip_latest(self, *others: Any, f: Callable[..., Any] | None = None) -> Self:
        """Tuples (or `f`) of the last element of each input, at every new one of any, once all have one."""
        others = _sources("zip_latest", others)
        f = function("zip_latest", _pair if f is None else f)
        return self._then(Step("zip_latest", lambda up, ctx: _ZipLatest(up, ctx, others, f)))

    def interleave(self, *others: Any, segment: int = 1, halt: str = "all") -> Self:
        """`segment` elements of each input in turn; with `halt="any"` the end comes with that of any."""
        others, n = _sources("interleave", others), positive("interleave", "segment", segment)
        eager = one_of("interleave", "halt", halt, ("all", "any")) == "any"
        return self._then(Step("interleave", lambda up, ctx: Interleave(up, ctx, others, n, eager)))

    def concat(self, *others: Any) -> Self:
        """This stream, and then the others, each opened when the one before has completed and was released."""
        others = _sources("concat", others)
        return self._then(Step("concat", lambda up, ctx: Concat(up, ctx, others, False)))

    def prepend(self, *others: Any) -> Self:
        """The others first, one after another, and then this stream."""
        others = _sources("prepend", others)
        return self._then(Step("prepend", lambda up, ctx: Concat(up, ctx, others, True)))

    def or_else(self, other: Any) -> Self:
        """This stream, or `other` if it completes without an element."""
        (other,) = _sources("or_else", (other,))
        return self._then(Step("or_else", lambda up, ctx: OrElse(up, ctx, (other,), False)))
