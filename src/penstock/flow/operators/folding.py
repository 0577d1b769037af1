"""Operators with a state: scans, folds, groups, sliding windows, neighbours."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

from penstock.core.errors import PlanError
from penstock.flow.errors import NoElementError
from penstock.flow.operators.asynchronous import Async, called
from penstock.flow.operators.base import Elementwise, Step, Verbs, awaitable, function, function_or, pair, positive
from penstock.flow.stage import CHUNK, RESTART, STOP, Context, Pull, Stage

_NOTHING: Any = object()


class _Scan(Elementwise):
    """Each state; the first one before any element, unless it is left out."""

    def __init__(self, up: Pull, context: Context, start: Any, f: Callable[[Any, Any], Any], initial: bool) -> None:
        super().__init__(up, context)
        self.start = self.state = start
        self.f = f
        if initial:
            self._out = [start]

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        f = self.f
        for x in items:
            self.state = x if self.state is _NOTHING else f(self.state, x)
            out.append(self.state)

    def reset(self) -> None:
        self.state = self.start


class _Fold(_Scan):
    """The last state, at the end; also when `going` says that it is enough."""

    def __init__(
        self, up: Pull, context: Context, start: Any, f: Callable[[Any, Any], Any], going: Callable[[Any], Any] | None
    ) -> None:
        super().__init__(up, context, start, f, False)
        self.going = going

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        f, going = self.f, self.going
        for x in items:
            if going is not None and not going(self.state):
                self.done = True
                out.append(self.state)
                return
            self.state = x if self.state is _NOTHING else f(self.state, x)

    def finish(self, out: list[Any]) -> None:
        if self.state is _NOTHING:
            raise NoElementError("reduce of a stream without an element")
        out.append(self.state)

    def want(self, most: int) -> int:
        return CHUNK if self.going is None else 1


class _Stateful(Elementwise):
    def __init__(
        self,
        up: Pull,
        context: Context,
        create: Callable[[], Any],
        f: Callable[[Any, Any], tuple[Any, Any]],
        end: Callable[[Any], Iterable[Any]] | None,
        flat: bool,
    ) -> None:
        super().__init__(up, context)
        self.create, self.f, self.end, self.flat = create, f, end, flat
        self.state: Any = _NOTHING

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> bool | None:
        if self.state is _NOTHING:
            self.state = self.create()
        f, flat = self.f, self.flat
        for x in items:
            both = f(self.state, x)
            self.state, y = both if type(both) is tuple and len(both) == 2 else pair(self.name, both)
            if flat:
                out.extend(y)
                if len(out) >= most:
                    return True
            else:
                out.append(y)
        return None

    def finish(self, out: list[Any]) -> None:
        if self.end is not None:
            out.extend(self.end(self.create() if self.state is _NOTHING else self.state))

    def reset(self) -> None:
        self.state = self.create()


class _Grouped(Elementwise):
    """Lists of elements up to a weight."""

    def __init__(self, up: Pull, context: Context, n: int, weight: Callable[[Any], int] | None) -> None:
        super().__init__(up, context)
        self.n, self.weight, self.sum = n, weight, 0
        self.group: list[Any] = []

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        weight = self.weight
        for x in items:
            w = 1 if weight is None else weight(x)
            self.group.append(x)
            self.sum += w
            if self.sum >= self.n:
                self._flush(out)

    def _flush(self, out: list[Any]) -> None:
        out.append(self.group)
        self.group, self.sum = [], 0

    def finish(self, out: list[Any]) -> None:
        if self.group:
            self._flush(out)

    def want(self, most: int) -> int:
        left = self.n - self.sum
        return max(1, min(CHUNK, left + (most - 1) * self.n)) if self.weight is None else 1

    def buffered(self) -> int:
        return len(self.group)

    def reset(self) -> None:
        self.group, self.sum = [], 0


class _Adjacent(_Grouped):
    """Lists of elements of one key, one after another."""

    def __init__(self, up: Pull, context: Context, key: Callable[[Any], Any], n: int | None) -> None:
        super().__init__(up, context, n or 0, None)
        self.key, self.last = key, _NOTHING

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        for x in items:
            key = self.key(x)
            if self.group and (key != self.last or (self.n and len(self.group) >= self.n)):
                self._flush(out)
            self.last = key
            self.group.append(x)

    def want(self, most: int) -> int:
        return most


class _Sliding(Elementwise):
    """Windows of `n` elements, each `step` further; a shorter one at the end if nothing else has its elements."""

    def __init__(self, up: Pull, context: Context, n: int, step: int) -> None:
        super().__init__(up, context)
        self.n, self.step = n, step
        self.window: deque[Any] = deque()
        self.skip = 0
        self.new = 0  # elements in no window yet

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        window, n, step = self.window, self.n, self.step
        for x in items:
            if self.skip:
                self.skip -= 1
                continue
            window.append(x)
            self.new += 1
            if len(window) == n:
                out.append(list(window))
                self.new = 0
                if step >= n:
                    window.clear()
                    self.skip = step - n
                else:
                    for _ in range(step):
                        window.popleft()

    def finish(self, out: list[Any]) -> None:
        if self.new:
            out.append(list(self.window))

    def buffered(self) -> int:
        return len(self.window)

    def reset(self) -> None:
        self.window.clear()
        self.skip = self.new = 0


class _Neighbours(Elementwise):
    """Triples of the element before, the element, the one behind."""

    def __init__(self, up: Pull, context: Context, shape: Callable[[Any, Any, Any], Any]) -> None:
        super().__init__(up, context)
        self.shape = shape
        self.before: Any = None
        self.now: Any = _NOTHING

    def each(self, items: Iterator[Any], out: list[Any], most: int) -> None:
        for x in items:
            if self.now is not _NOTHING:
                out.append(self.shape(self.before, self.now, x))
                self.before = self.now
            self.now = x

    def finish(self, out: list[Any]) -> None:
        if self.now is not _NOTHING:
            out.append(self.shape(self.before, self.now, None))


class _ScanAsync(Stage):
    def __init__(self, up: Pull, context: Context, start: Any, f: Async, each: bool) -> None:
        super().__init__(up, context)
        self.start = self.state = start
        self.f, self.each = f, each
        self._first, self._last = each, False

    async def pull(self, most: int) -> list[Any]:
        if self._first:
            self._first = False
            return [self.start]
        if self._last:
            return []
        while chunk := await self.up.pull(1):
            try:
                self.state = await called("scan_async", self.f, self.state, chunk[0])
            except Exception as failure:
                verdict = self.context.verdict(failure)
                if verdict == STOP:
                    raise
                self.dropped["failed"] += 1
                if verdict == RESTART:
                    self.state = self.start
                continue
            if self.each:
                return [self.state]
        self._last = True
        return [] if self.each else [self.state]


class Folding(Verbs):
    """Operators with a state. Under `resume` a failing element is dropped and the state kept, under `restart` reset."""

    def scan(self, start: Any, f: Callable[[Any, Any], Any], *, initial: bool = True) -> Self:
        """Each state: `start` (unless `initial` is False), `f(start, first)`, and so on.

        `start` is the same object in each run: `f` gives a new state and does not change the old one.
        """
        f = function("scan", f)
        return self._then(Step("scan", lambda up, ctx: _Scan(up, ctx, start, f, initial)))

    def scan_reduce(self, f: Callable[[Any, Any], Any]) -> Self:
        """As `scan`, with the first element as the first state."""
        f = function("scan_reduce", f)
        return self._then(Step("scan_reduce", lambda up, ctx: _Scan(up, ctx, _NOTHING, f, False)))

    def scan_async(self, start: Any, f: Async) -> Self:
        """As `scan`, with an async function."""
        f = awaitable("scan_async", f)
        return self._then(Step("scan_async", lambda up, ctx: _ScanAsync(up, ctx, start, f, True)))

    def fold(self, start: Any, f: Callable[[Any, Any], Any], *, going: Callable[[Any], Any] | None = None) -> Self:
        """One element, when the stream completes: the last state; also as soon as `going(state)` is not true."""
        f, enough = function("fold", f), function_or("fold", going, "going", None)
        return self._then(Step("fold", lambda up, ctx: _Fold(up, ctx, start, f, enough)))

    def fold_async(self, start: Any, f: Async) -> Self:
        """As `fold`, with an async function."""
        f = awaitable("fold_async", f)
        return self._then(Step("fold_async", lambda up, ctx: _ScanAsync(up, ctx, start, f, False)))

    def reduce(self, f: Callable[[Any, Any], Any]) -> Self:
        """As `fold` from the first element on; without an element a `NoElementError`."""
        f = function("reduce", f)
        return self._then(Step("reduce", lambda up, ctx: _Fold(up, ctx, _NOTHING, f, None)))

    def stateful_map(
        self,
        create: Callable[[], Any],
        f: Callable[[Any, Any], tuple[Any, Any]],
        end: Callable[[Any], Iterable[Any]] | None = None,
    ) -> Self:
        """`state, y = f(state, x)` for each element gives `y`; `end(state)` gives elements at the end."""
        create, f = function("stateful_map", create, "create"), function("stateful_map", f)
        last = function_or("stateful_map", end, "end", None)
        return self._then(Step("stateful_map", lambda up, ctx: _Stateful(up, ctx, create, f, last, False)))

    def stateful_map_concat(
        self,
        create: Callable[[], Any],
        f: Callable[[Any, Any], tuple[Any, Iterable[Any]]],
        end: Callable[[Any], Iterable[Any]] | None = None,
    ) -> Self:
        """`state, ys = f(state, x)` for each element gives all of `ys`; see `stateful_map`."""
        create, f = function("stateful_map_concat", create, "create"), function("stateful_map_concat", f)
        last = function_or("stateful_map_concat", end, "end", None)
        return self._then(Step("stateful_map_concat", lambda up, ctx: _Stateful(up, ctx, create, f, last, True)))

    def grouped(self, n: int, *, weight: Callable[[Any], int] | None = None) -> Self:
        """Lists of `n` elements, or of a summed weight of `n` or more; the last may be smaller."""
        n, w = positive("grouped", "n", n), function_or("grouped", weight, "weight", None)
        return self._then(Step("grouped", lambda up, ctx: _Grouped(up, ctx, n, w)))

    def grouped_adjacent(self, key: Callable[[Any], Any], *, most: int | None = None) -> Self:
        """Lists of elements of equal key that stand side by side, of `most` elements if that is given."""
        f = function("grouped_adjacent", key, "key")
        n = None if most is None else positive("grouped_adjacent", "most", most)
        return self._then(Step("grouped_adjacent", lambda up, ctx: _Adjacent(up, ctx, f, n)))

    def sliding(self, n: int, step: int = 1) -> Self:
        """Lists of `n` elements in a row, each `step` further than the last.

        The last one is shorter if the stream ends before, and some element would be in none otherwise.
        """
        n, s = positive("sliding", "n", n), positive("sliding", "step", step)
        return self._then(Step("sliding", lambda up, ctx: _Sliding(up, ctx, n, s)))

    def with_index(self, start: int = 0) -> Self:
        """Tuples `(element, number)`, counted from `start`."""
        first: Any = start
        if not isinstance(first, int) or isinstance(first, bool):
            raise PlanError(f"with_index takes a whole number as start, found {first!r}")
        return self.stateful_map(lambda: first, lambda n, x: (n + 1, (x, n)))

    def with_next(self) -> Self:
        """Tuples `(element, the next one)`, None behind the last."""
        return self._then(Step("with_next", lambda up, ctx: _Neighbours(up, ctx, lambda p, x, n: (x, n))))

    def with_previous(self) -> Self:
        """Tuples `(the one before, element)`, None before the first."""
        return self.stateful_map(lambda: None, lambda before, x: (x, (before, x)))

    def with_neighbours(self) -> Self:
        """Tuples `(the one before, element, the next one)`."""
        return self._then(Step("with_neighbours", lambda up, ctx: _Neighbours(up, ctx, lambda *three: three)))
