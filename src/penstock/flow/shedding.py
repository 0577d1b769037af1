"""Dropping under load, with an account: by priority, or by sampling with weights that keep sums unbiased."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from penstock.core.errors import PlanError
from penstock.flow.operators.base import Step, checked_name, function, positive
from penstock.flow.relay import Relay
from penstock.flow.shapes import Flow
from penstock.flow.stage import CHUNK, Context, Pull


@dataclass
class Shed:
    """The account of a running stage that sheds; materialised. `kept` and what was dropped add up to what came.

    Attributes:
        kept: How many elements went out.
        dropped: How many were dropped, by priority (None: by sampling).
        weight: Of sampling: the sum of the weights of what was dropped.
    """

    kept: int = 0
    dropped: Counter[Hashable] = field(default_factory=Counter)
    weight: float = 0.0


class _Shedding(Relay):
    """Takes whatever comes. Subclasses keep some of it."""

    def __init__(self, up: Pull, context: Context, size: int, name: str) -> None:
        super().__init__(up, context)
        self.size, self.shed = size, Shed()
        context.run.give(name, self.shed)

    def room(self) -> int:
        return 0 if self.wanted and self.buffered() else CHUNK

    def drop(self, reason: str, group: Hashable, weight: float = 0.0) -> None:
        """Account for an element that is dropped."""
        self.dropped[reason] += 1
        self.shed.dropped[group] += 1
        self.shed.weight += weight


class _ByPriority(_Shedding):
    """What is kept, in order of arrival; beside it a heap of (priority, youngest first), whose dead entries wait."""

    def __init__(self, up: Pull, context: Context, size: int, priority: Callable[[Any], Any], name: str) -> None:
        super().__init__(up, context, size, name)
        self._priority = priority
        self._kept: dict[int, tuple[Any, Any]] = {}
        self._heap: list[tuple[Any, int]] = []
        self._numbers = count()

    def accept(self, chunk: list[Any]) -> None:
        for x in chunk:
            priority, number = self._priority(x), next(self._numbers)
            self._kept[number] = (priority, x)
            heapq.heappush(self._heap, (priority, -number))
            if len(self._kept) > self.size:
                self._evict()
        if len(self._heap) > 2 * self.size + CHUNK:  # entries of elements that have gone out
            self._heap = [(priority, -number) for number, (priority, _) in self._kept.items()]
            heapq.heapify(self._heap)

    def _evict(self) -> None:
        while True:
            priority, number = heapq.heappop(self._heap)
            if self._kept.pop(-number, None) is not None:
                break
        self.drop(f"priority {priority}", priority)

    def give(self, most: int) -> list[Any]:
        chunk: list[Any] = []
        while self._kept and len(chunk) < most:
            number = next(iter(self._kept))
            chunk.append(self._kept.pop(number)[1])
        if not self._kept:
            self._heap.clear()
        self.shed.kept += len(chunk)
        return chunk

    def buffered(self) -> int:
        return len(self._kept)


def shed_by_priority(size: int, priority: Callable[[Any], Any], *, name: str = "shed") -> Flow:
    """Never hold the input back: keep `size` elements, and drop the least important beyond.

    What is kept goes out in order of arrival. Of equal priorities the youngest is dropped.

    Args:
        size: How many elements are kept that nobody has asked for.
        priority: Of an element; greater is more important. Any values that compare and can be keys of a dict.
        name: Under which the account, a `Shed`, is materialised. `statistics()` counts what was dropped, too.

    Raises:
        PlanError: If the size is none.
    """
    n, f = positive("shed_by_priority", "size", size), function("shed_by_priority", priority, "priority")
    name = checked_name("shed_by_priority", name)
    return Flow((Step("shed_by_priority", lambda up, ctx: _ByPriority(up, ctx, n, f, name)),))


class Weighted(NamedTuple):
    """An element that stands for others.

    Attributes:
        value: The element.
        weight: The weight it stands for: its own if nothing was dropped. The sum over all is unbiased.
        factor: For how many elements of its kind it stands: `weight` by its own weight. The sum of `factor * f(value)`
            is an unbiased estimate of the sum of `f` over all elements.
    """

    value: Any
    weight: float
    factor: float


class _Sampling(_Shedding):
    """Priority sampling: each element gets the rank weight / u; the highest are kept, the rest sets the threshold.

    A sample that somebody begins to take is closed; the next one begins with the next element.
    """

    def __init__(self, up: Pull, context: Context, size: int, weight: Callable[[Any], float], name: str) -> None:
        super().__init__(up, context, size, name)
        self._weight = weight
        self._sample: list[tuple[float, int, float, Any]] = []  # rank, number, weight, element
        self._numbers = count()
        self._threshold = 0.0
        self._closed: deque[Weighted] = deque()

    def accept(self, chunk: list[Any]) -> None:
        for x in chunk:
            weight = float(self._weight(x))
            if not 0 < weight < float("inf"):
                raise PlanError(f"the weight of an element is a number above 0, found {weight}")
            rank = weight / (1.0 - self.context.run.random.random())
            heapq.heappush(self._sample, (rank, next(self._numbers), weight, x))
            if len(self._sample) > self.size:
                least, _, lost, _ = heapq.heappop(self._sample)
                self._threshold = max(self._threshold, least)
                self.drop("sampled out", None, lost)

    def give(self, most: int) -> list[Any]:
        if not self._closed:
            for _, _, weight, x in sorted(self._sample, key=lambda one: one[1]):
                stands = max(weight, self._threshold)
                self._closed.append(Weighted(x, stands, stands / weight))
            self._sample, self._threshold = [], 0.0
        chunk = [self._closed.popleft() for _ in range(min(most, len(self._closed)))]
        self.shed.kept += len(chunk)
        return chunk

    def buffered(self) -> int:
        return len(self._sample) + len(self._closed)


def _one(x: Any) -> float:
    return 1.0


def shed_by_sampling(size: int, weight: Callable[[Any], float] | None = None, *, name: str = "shed") -> Flow:
    """Never hold the input back: while nobody asks, keep a weighted sample of `size` elements of what comes.

    Gives `Weighted` elements in order of arrival. Whoever adds up `factor * f(value)` has an unbiased
    estimate of the sum over all elements, and the exact sum if nothing was dropped. This is priority
    sampling (Duffield, Lund, Thorup 2007): of all ways to draw that many with given weights its variance is close to
    the least. `seed=` of `run` and `start` makes it repeatable.

    Args:
        size: How many elements are kept; twice as many while a sample is taken.
        weight: Of an element, above 0: those that weigh more are kept rather. By default all weigh the same. For sums
            of an amount take the amount.
        name: Under which the account, a `Shed`, is materialised.

    Raises:
        PlanError: If the size is none; while it runs, if a weight is not above 0.
    """
    n = positive("shed_by_sampling", "size", size)
    f = function("shed_by_sampling", weight, "weight") if weight is not None else _one
    name = checked_name("shed_by_sampling", name)
    return Flow((Step("shed_by_sampling", lambda up, ctx: _Sampling(up, ctx, n, f, name)),))
