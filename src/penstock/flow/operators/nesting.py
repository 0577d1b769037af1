"""Operators with streams as elements: flattening, substreams by key, streams that are cut."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Self

from penstock.flow.clock import Signal
from penstock.flow.nested import Inner, as_source
from penstock.flow.operators.base import Step, Verbs, function, positive
from penstock.flow.operators.substreams import GroupBy, PrefixAndTail, Split
from penstock.flow.stage import STOP, Context, Pull, Pump, Stage

_NOTHING: Any = object()


class _Flat(Stage):
    """One inner stream after another."""

    def __init__(self, up: Pull, context: Context, f: Callable[[Any], Any], verb: str) -> None:
        super().__init__(up, context)
        self.f, self.verb = f, verb
        self._inner: Inner | None = None

    def open(self, x: Any) -> Inner | None:
        """The stream of an element; None if the function failed, and the decider wants to go on."""
        try:
            source = as_source(self.verb, self.f(x))
        except Exception as failure:
            if self.context.verdict(failure) == STOP:
                raise
            self.dropped["failed"] += 1
            return None
        return Inner(source, self.context.inside())

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        while True:
            if self._inner is None:
                chunk = await self.up.pull(1)
                if not chunk:
                    return []
                self._inner = self.open(chunk[0])
                continue
            if chunk := await self._inner.pull(most):
                return chunk
            self._inner = None


class _FlatMerge(_Flat):
    """Up to `breadth` inner streams at a time, each pulled by a task of its own."""

    def __init__(self, up: Pull, context: Context, f: Callable[[Any], Any], breadth: int, verb: str) -> None:
        super().__init__(up, context, f, verb)
        self.breadth = breadth
        self.signal = Signal()
        self.outer = Pump(up, context, self.signal)
        self.inner: list[Pump] = []

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        while True:
            self._open_more()
            for pump in self.inner:
                pump.request(min(most, 64))
            for pump in list(self.inner):
                if pump.chunk:
                    self.inner.remove(pump)
                    self.inner.append(pump)  # the others first, next time
                    return pump.take(most)
                if pump.ended:
                    self.inner.remove(pump)
                    pump.take()
                    await pump.close()
                    self.signal.notify()
                    break
            else:
                if self.outer.ended and not self.outer.chunk and not self.inner:
                    return self.outer.take()
                await self.signal.wait()

    def _open_more(self) -> None:
        while len(self.inner) < self.breadth:
            self.outer.request(1)
            if not self.outer.chunk:
                return
            inner = self.open(self.outer.take()[0])
            if inner is not None:
                self.inner.append(Pump(inner, self.context, self.signal))

    def buffered(self) -> int:
        """What was pulled and not taken."""
        return sum(len(pump.chunk) for pump in self.inner)

    async def close(self) -> None:
        """Stop all tasks."""
        for pump in [self.outer, *self.inner]:
            pump.cancel()
        for pump in [self.outer, *self.inner]:
            await pump.close()


class _Switch(_FlatMerge):
    """The stream of the newest element; the one before is cancelled."""

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        while True:
            self.outer.request(1)
            if self.outer.chunk:
                for pump in self.inner:
                    await self._drop(pump)
                inner = self.open(self.outer.take()[0])
                self.inner = [Pump(inner, self.context, self.signal)] if inner else []
                continue
            if self.outer.failure is not None:
                raise self.outer.failure
            for pump in self.inner:
                pump.request(most)
                if pump.chunk:
                    return pump.take(most)
                if pump.ended:
                    pump.take()
                    await pump.close()
                    self.inner = []
            if self.outer.ended and not self.inner:
                return []
            if not self.outer.chunk and not any(pump.ready for pump in self.inner):
                await self.signal.wait()

    async def _drop(self, pump: Pump) -> None:
        self.dropped["switched"] += len(pump.chunk)
        await pump.close()
        if isinstance(pump.up, Inner):
            await pump.up.close()


class Nesting(Verbs):
    """Operators with streams as elements. What a function gives is a source, or an iterable."""

    def flat_map_concat(self, f: Callable[[Any], Any]) -> Self:
        """The stream `f(element)` of each element, one after another; each is released before the next is opened."""
        f = function("flat_map_concat", f)
        return self._then(Step("flat_map_concat", lambda up, ctx: _Flat(up, ctx, f, "flat_map_concat")))

    def flat_map_merge(self, f: Callable[[Any], Any], *, breadth: int = 16) -> Self:
        """The streams `f(element)`, up to `breadth` at a time, merged: each keeps its order."""
        f, n = function("flat_map_merge", f), positive("flat_map_merge", "breadth", breadth)
        return self._then(Step("flat_map_merge", lambda up, ctx: _FlatMerge(up, ctx, f, n, "flat_map_merge")))

    def switch_map(self, f: Callable[[Any], Any]) -> Self:
        """The stream `f(element)` of the newest element; the one before is cancelled, what it had not given is lost."""
        f = function("switch_map", f)
        return self._then(Step("switch_map", lambda up, ctx: _Switch(up, ctx, f, 1, "switch_map")))

    def flat_map_prefix(self, n: int, f: Callable[[list[Any]], Any]) -> Self:
        """`f(the first n elements)` gives a `Flow`, through which the rest goes."""
        n, f = positive("flat_map_prefix", "n", n, 0), function("flat_map_prefix", f)
        return self.prefix_and_tail(n).flat_map_concat(lambda pair: pair[1].via(f(pair[0])))

    def prefix_and_tail(self, n: int) -> Self:
        """One element: a list of the first `n`, and a source of the rest, which runs once and inside of this stream."""
        n = positive("prefix_and_tail", "n", n, 0)
        return self._then(Step("prefix_and_tail", lambda up, ctx: PrefixAndTail(up, ctx, n)))

    def group_by(
        self, key: Callable[[Any], Hashable], f: Callable[[Any, Any], Any], *, most: int = 64, size: int = 16
    ) -> Self:
        """A substream for each key, merged.

        Args:
            key: The key of an element.
            f: `f(key, source)` gives the stream of a key: operators on the source of its elements.
            most: How many substreams there may be open; one more is a `LimitExceededError`. One that ends by itself
                makes room, and its key begins anew.
            size: How many elements a substream may have waiting; a slow one holds all others up.
        """
        key, f = function("group_by", key, "key"), function("group_by", f)
        m, n = positive("group_by", "most", most), positive("group_by", "size", size)
        return self._then(Step("group_by", lambda up, ctx: GroupBy(up, ctx, key, f, m, n)))

    def split_when(self, predicate: Callable[[Any], Any], f: Callable[[Any], Any]) -> Self:
        """Cut before each element for which `predicate` is true: `f(source of a piece)`, one piece after another."""
        p, f = function("split_when", predicate, "predicate"), function("split_when", f)
        return self._then(Step("split_when", lambda up, ctx: Split(up, ctx, p, f, False)))

    def split_after(self, predicate: Callable[[Any], Any], f: Callable[[Any], Any]) -> Self:
        """Cut after each element for which `predicate` is true: `f(source of a piece)`, one piece after another."""
        p, f = function("split_after", predicate, "predicate"), function("split_after", f)
        return self._then(Step("split_after", lambda up, ctx: Split(up, ctx, p, f, True)))
