"""Operators on single elements: map, filter, take, drop, and what they are made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import CoroutineType
from typing import Any, Self

from penstock.core.errors import PlanError
from penstock.flow.errors import LimitExceededError
from penstock.flow.operators.base import (
    Elementwise,
    Step,
    Verbs,
    function,
    function_or,
    iterated,
    listed,
    positive,
    refuse_coroutine,
    same,
)
from penstock.flow.stage import Context, Pull

_NOTHING: Any = object()


class _With(Elementwise):
    """With a function."""

    def __init__(self, up: Pull, context: Context, f: Callable[[Any], Any]) -> None:
        super().__init__(up, context)
        self.f = f


class Map(_With):
    """`f` of each element."""

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        """See `Elementwise`."""
        f, append, coroutine = self.f, out.append, CoroutineType
        for x in items:
            y = f(x)
            if type(y) is coroutine:
                refuse_coroutine(self.name, y)
            append(y)


class _Filter(Map):
    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        f, append = self.f, out.append
        for x in items:
            if f(x):
                append(x)


class _FilterMap(Map):
    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        f, append = self.f, out.append
        for x in items:
            y = f(x)
            if y is not None:
                append(y)


class _Tap(Map):
    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        f, append = self.f, out.append
        for x in items:
            f(x)
            append(x)


class _MapConcat(_With):
    """Keeps the iterator of one element, so that a long or endless one needs no room."""

    _part: Iterator[Any] | None = None

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> bool | None:
        while len(out) < most:
            if self._part is None:
                x = next(items, _NOTHING)
                if x is _NOTHING:
                    return None
                self._part = iterated(self.name, self.f(x))
            part, self._part = self._part, None  # one that fails is dropped
            out.extend(islice(part, most - len(out)))
            self._part = part if len(out) >= most else None
        return True

    def want(self, most: int) -> int:
        return min(most, 16)

    def reset(self) -> None:
        self._part = None


class _Take(Elementwise):
    def __init__(self, up: Pull, context: Context, n: int) -> None:
        super().__init__(up, context)
        self.left = n
        self.done = n == 0

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        before = len(out)
        out.extend(islice(items, self.left))
        self.left -= len(out) - before
        self.done = self.left == 0

    def want(self, most: int) -> int:
        return min(most, self.left)


class _Drop(_Take):
    def __init__(self, up: Pull, context: Context, n: int) -> None:
        super().__init__(up, context, n)
        self.done = False

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        self.left -= sum(1 for _ in islice(items, self.left))
        out.extend(items)

    def want(self, most: int) -> int:
        return most if not self.left else self.left if self.left < 512 else 512


class _TakeWhile(Map):
    def __init__(self, up: Pull, context: Context, f: Callable[[Any], Any], inclusive: bool) -> None:
        super().__init__(up, context, f)
        self.inclusive = inclusive

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        f, append = self.f, out.append
        for x in items:
            if not f(x):
                if self.inclusive:
                    append(x)
                self.done = True
                return
            append(x)


class _DropWhile(Map):
    dropping = True

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        for x in items:
            if self.dropping and self.f(x):
                continue
            self.dropping = False
            out.append(x)
            out.extend(items)

    def reset(self) -> None:
        self.dropping = True


class _DropLast(Elementwise):
    """Gives an element when so many have come behind it."""

    def __init__(self, up: Pull, context: Context, n: int) -> None:
        super().__init__(up, context)
        self.n, self.kept = n, deque[Any]()

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        kept = self.kept
        for x in items:
            kept.append(x)
            if len(kept) > self.n:
                out.append(kept.popleft())

    def buffered(self) -> int:
        return len(self.kept) + len(self._out)


class _TakeLast(_DropLast):
    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        for x in items:
            self.kept.append(x)
            if len(self.kept) > self.n:
                self.kept.popleft()

    def finish(self, out: list[Any]) -> None:
        out.extend(self.kept)
        self.kept.clear()

    def want(self, most: int) -> int:
        return 512


class _Changes(Map):
    """Drops elements whose key is that of the one before."""

    last: Any = _NOTHING

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        for x in items:
            key = self.f(x)
            if self.last is _NOTHING or key != self.last:
                self.last = key
                out.append(x)

    def reset(self) -> None:
        self.last = _NOTHING


class _Limit(Map):
    def __init__(self, up: Pull, context: Context, n: int, weight: Callable[[Any], int] | None) -> None:
        super().__init__(up, context, weight or (lambda x: 1))
        self.n, self.sum = n, 0

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        for x in items:
            self.sum += self.f(x)
            if self.sum > self.n:
                raise LimitExceededError(f"the stream has more than its limit of {self.n}")
            out.append(x)


class _Intersperse(Elementwise):
    def __init__(self, up: Pull, context: Context, sep: Any, start: Any, end: Any) -> None:
        super().__init__(up, context)
        self.sep, self.end = sep, end
        self._next = start
        self._first = True

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        for x in items:
            if self._next is not _NOTHING:
                out.append(self._next)
            out.append(x)
            self._next, self._first = self.sep, False

    def finish(self, out: list[Any]) -> None:
        if self._first and self._next is not _NOTHING:
            out.append(self._next)
        if self.end is not _NOTHING:
            out.append(self.end)

    def want(self, most: int) -> int:
        return max(1, most // 2)


class _IfEmpty(Elementwise):
    def __init__(self, up: Pull, context: Context, values: tuple[Any, ...]) -> None:
        super().__init__(up, context)
        self.values, self.empty = values, True

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        out.extend(items)
        self.empty = False

    def finish(self, out: list[Any]) -> None:
        if self.empty:
            out.extend(self.values)


class _Rechunk(Elementwise):
    """Asks its input for other numbers of elements than it is asked for: for tests of chunking."""

    def __init__(self, up: Pull, context: Context, sizes: Iterable[int]) -> None:
        super().__init__(up, context)
        self.sizes = iter(sizes)

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        out.extend(items)

    def want(self, most: int) -> int:
        return next(self.sizes, most)


class Simple(Verbs):
    """Operators on single elements. Order is kept, and nothing is lost but what the operator says."""

    def map(self, f: Callable[[Any], Any]) -> Self:
        """`f` of each element. A failing element is dropped under `resume` and `restart`."""
        f = function("map", f)
        return self._then(Step("map", lambda up, ctx: Map(up, ctx, f)))

    def filter(self, predicate: Callable[[Any], Any]) -> Self:
        """Elements for which `predicate` is true."""
        f = function("filter", predicate, "predicate")
        return self._then(Step("filter", lambda up, ctx: _Filter(up, ctx, f)))

    def filter_not(self, predicate: Callable[[Any], Any]) -> Self:
        """Elements for which `predicate` is not true."""
        f = function("filter_not", predicate, "predicate")
        return self._then(Step("filter_not", lambda up, ctx: _Filter(up, ctx, lambda x: not f(x))))

    def filter_map(self, f: Callable[[Any], Any]) -> Self:
        """`f` of each element, without those for which it is None."""
        f = function("filter_map", f)
        return self._then(Step("filter_map", lambda up, ctx: _FilterMap(up, ctx, f)))

    def filter_type(self, *types: type) -> Self:
        """Elements that are instances of one of the types."""
        for one in types:
            if not isinstance(one, type):
                raise PlanError(f"filter_type takes types, found {one!r}")
        return self._then(Step("filter_type", lambda up, ctx: _Filter(up, ctx, lambda x: isinstance(x, types))))

    def map_while(self, f: Callable[[Any], Any]) -> Self:
        """`f` of each element, until it is None: then the stream completes."""
        f = function("map_while", f)
        return self.map(f).take_while(lambda y: y is not None)

    def tap(self, f: Callable[[Any], object]) -> Self:
        """Call `f` with each element that passes; its result does not matter, its failure does."""
        f = function("tap", f)
        return self._then(Step("tap", lambda up, ctx: _Tap(up, ctx, f)))

    def map_concat(self, f: Callable[[Any], Iterable[Any]]) -> Self:
        """All elements of `f(element)`, which may be endless: it is iterated on demand."""
        f = function("map_concat", f)
        return self._then(Step("map_concat", lambda up, ctx: _MapConcat(up, ctx, f)))

    def flatten(self) -> Self:
        """The elements of elements that are iterable."""
        return self.map_concat(lambda x: x)

    def take(self, n: int) -> Self:
        """The first `n` elements; the source is asked for no more."""
        n = positive("take", "n", n, 0)
        return self._then(Step("take", lambda up, ctx: _Take(up, ctx, n)))

    def drop(self, n: int) -> Self:
        """All but the first `n` elements."""
        n = positive("drop", "n", n, 0)
        return self._then(Step("drop", lambda up, ctx: _Drop(up, ctx, n)))

    def take_while(self, predicate: Callable[[Any], Any], *, inclusive: bool = False) -> Self:
        """Elements until one for which `predicate` is not true; with `inclusive`, that one too."""
        f = function("take_while", predicate, "predicate")
        return self._then(Step("take_while", lambda up, ctx: _TakeWhile(up, ctx, f, inclusive)))

    def take_until(self, predicate: Callable[[Any], Any]) -> Self:
        """Elements up to and with the first for which `predicate` is true."""
        f = function("take_until", predicate, "predicate")
        return self._then(Step("take_until", lambda up, ctx: _TakeWhile(up, ctx, lambda x: not f(x), True)))

    def drop_while(self, predicate: Callable[[Any], Any]) -> Self:
        """Elements from the first on for which `predicate` is not true."""
        f = function("drop_while", predicate, "predicate")
        return self._then(Step("drop_while", lambda up, ctx: _DropWhile(up, ctx, f)))

    def take_last(self, n: int) -> Self:
        """The last `n` elements, when the stream has completed. Keeps `n`."""
        n = positive("take_last", "n", n)
        return self._then(Step("take_last", lambda up, ctx: _TakeLast(up, ctx, n)))

    def drop_last(self, n: int = 1) -> Self:
        """All but the last `n` elements: each waits until `n` have come behind it. Keeps `n`."""
        n = positive("drop_last", "n", n)
        return self._then(Step("drop_last", lambda up, ctx: _DropLast(up, ctx, n)))

    def find(self, predicate: Callable[[Any], Any]) -> Self:
        """The first element for which `predicate` is true, and the end."""
        return self.filter(function("find", predicate, "predicate")).take(1)

    def changes(self, key: Callable[[Any], Any] | None = None) -> Self:
        """Elements that are not equal to the one before, or whose key is not."""
        f = function("changes", same if key is None else key, "key")
        return self._then(Step("changes", lambda up, ctx: _Changes(up, ctx, f)))

    def limit(self, n: int, *, weight: Callable[[Any], int] | None = None) -> Self:
        """At most `n` elements, or elements of a summed weight of `n`; one more is a `LimitExceededError`."""
        n, w = positive("limit", "n", n, 0), function_or("limit", weight, "weight", None)
        return self._then(Step("limit", lambda up, ctx: _Limit(up, ctx, n, w)))

    def intersperse(self, separator: Any, *, start: Any = _NOTHING, end: Any = _NOTHING) -> Self:
        """`separator` between elements; `start` before all and `end` behind all, if they are given."""
        return self._then(Step("intersperse", lambda up, ctx: _Intersperse(up, ctx, separator, start, end)))

    def if_empty(self, *values: Any) -> Self:
        """The elements, or `values` if the stream completes without one."""
        return self._then(Step("if_empty", lambda up, ctx: _IfEmpty(up, ctx, values)))

    def until_none(self) -> Self:
        """Elements up to the first None, which ends the stream."""
        return self.take_while(lambda x: x is not None)

    def drain(self) -> Self:
        """No element at all, but the end or the failure."""
        return self._then(Step("drain", lambda up, ctx: _Filter(up, ctx, lambda x: False)))

    def rechunk(self, sizes: Iterable[int]) -> Self:
        """The same elements, asked for in other numbers at a time. It changes nothing that can be seen: for tests."""
        sizes = tuple(positive("rechunk", "size", size) for size in listed("rechunk", "sizes", sizes))
        return self._then(Step("rechunk", lambda up, ctx: _Rechunk(up, ctx, sizes)))
