"""One stream, several outlets: broadcast, balance, partition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.core.errors import PlanError
from penstock.flow.clock import Signal
from penstock.flow.errors import FlowError
from penstock.flow.scope import CANCELLED
from penstock.flow.stage import CHUNK, Context, Fiber, Stage

if TYPE_CHECKING:
    from penstock.flow.shapes import Source


class _Outlet(Stage):
    """One outlet of a junction."""

    def __init__(self, context: Context, junction: Junction) -> None:
        super().__init__(self, context)
        self.junction = junction
        self.items: deque[Any] = deque()
        self.wanted = 0
        self.closed = False

    async def pull(self, most: int) -> list[Any]:
        """See `Pull`."""
        junction = self.junction
        self.wanted = most
        junction.begin()
        while not self.items and not junction.ended:
            await junction.signal.wait()
        chunk = [self.items.popleft() for _ in range(min(most, len(self.items)))]
        self.wanted = 0
        junction.signal.notify()
        if not chunk and junction.failure is not None:
            raise junction.failure
        return chunk

    def buffered(self) -> int:
        """What waits at this outlet."""
        return len(self.items)

    async def close(self) -> None:
        """Take no more; the last one closes the junction."""
        self.closed = True
        self.items.clear()
        self.junction.signal.notify()
        await self.junction.left()


class Junction(ABC):
    """Takes elements in a task of its own, as outlets want them, and hands them out.

    Attributes:
        ended: Whether the input has ended.
        failure: Why it failed.
    """

    def __init__(self, source: Source, n: int, context: Context, eager: bool, size: int) -> None:
        self.source, self.n, self.eager, self.size = source, n, eager, size
        self.context = context.apart()
        self.signal = Signal()
        self.outlets: dict[int, _Outlet] = {}
        self.ended = False
        self.failure: Exception | None = None
        self._up: Any = None
        self._fiber: Fiber | None = None

    def attach(self, number: int, context: Context) -> _Outlet:
        """Open an outlet.

        Raises:
            PlanError: If it is open already.
        """
        if number in self.outlets:
            raise PlanError(
                f"outlet {number} of {self.source.name} is used twice", hint="broadcast has as many as needed"
            )
        outlet = self.outlets[number] = _Outlet(context, self)
        return outlet

    def check(self) -> None:
        """All outlets are open.

        Raises:
            PlanError: If one is not.
        """
        missing = [number for number in range(self.n) if number not in self.outlets]
        if missing:
            raise PlanError(
                f"outlet {missing[0]} of {self.n} leads nowhere", hint="Sink.ignore() takes what nobody needs"
            )

    def begin(self) -> None:
        """Start, with the first demand."""
        if self._fiber is None:
            self.check()
            self._up = self.source.open(self.context)
            self._fiber = self.context.spawn(self._work)
        self.signal.notify()

    def open(self) -> list[_Outlet]:
        """Outlets that take elements."""
        return [outlet for outlet in self.outlets.values() if not outlet.closed]

    @abstractmethod
    def demand(self) -> int:
        """How many elements may be taken in now."""

    @abstractmethod
    def share(self, chunk: list[Any]) -> None:
        """Hand elements out."""

    async def _work(self) -> None:
        try:
            while True:
                while not (most := self.demand()):
                    await self.signal.wait()
                chunk = await self._up.pull(min(most, CHUNK))
                if not chunk:
                    break
                self.share(chunk)
                self.signal.notify()
        except Exception as failure:  # noqa: BLE001  (raised by the outlets)
            self.failure = failure
        self.ended = True
        self.signal.notify()

    async def left(self) -> None:
        """An outlet was closed: if it was the last, so is the input."""
        live = self.open()
        if len(self.outlets) == self.n and (not live or (self.eager and not self.ended)):
            self.ended = True
            if self._fiber is not None:
                await self._fiber.stop()
            await self.context.scope.close(self.context.scope.outcome or "completed" if not live else CANCELLED)
            self.signal.notify()


class Broadcast(Junction):
    """Each element to each outlet: as fast as the slowest, which may be `size` behind."""

    def demand(self) -> int:
        """What the slowest has room for."""
        live = self.open()
        return max(0, min(o.wanted + self.size - len(o.items) for o in live)) if live else 0

    def share(self, chunk: list[Any]) -> None:
        """To each."""
        for outlet in self.open():
            outlet.items.extend(chunk)


class Balance(Junction):
    """Each element to one outlet that waits."""

    turn = 0

    def demand(self) -> int:
        """What all have room for."""
        return sum(max(0, min(o.wanted, 16) + self.size - len(o.items)) for o in self.open())

    def share(self, chunk: list[Any]) -> None:
        """In turns, where there is room."""
        for x in chunk:
            live = self.open()
            if not live:
                return
            room = [o for o in live if o.wanted + self.size > len(o.items)] or live
            self.turn += 1
            room[self.turn % len(room)].items.append(x)


class Partition(Junction):
    """Each element to the outlet that a function names; one that is slow holds the others up."""

    select: Callable[[Any], int]

    def demand(self) -> int:
        """One, or what all have room for, unless an outlet is full."""
        rooms = [o.wanted + self.size - len(o.items) for o in self.open()]
        if any(room < 0 for room in rooms) or not any(o.wanted for o in self.open()):
            return 0
        full = [o for o in self.open() if len(o.items) > self.size and len(o.items) >= o.wanted]
        return 0 if full else max(1, min(rooms))

    def share(self, chunk: list[Any]) -> None:
        """By the function."""
        for x in chunk:
            number = self.select(x)
            if number not in self.outlets:
                raise FlowError(f"partition takes a function that gives 0 to {self.n - 1}, found {number!r}")
            if not self.outlets[number].closed:
                self.outlets[number].items.append(x)


def outlets(name: str, n: int, make: Callable[[Context], Junction]) -> tuple[Source, ...]:
    """The outlets of a junction, as sources that belong into one run."""
    from penstock.flow.shapes import Source

    token = object()

    def head(number: int, context: Context) -> _Outlet:
        shared = context.run.shared
        if token not in shared:
            assert context.run.root is not None
            shared[token] = make(context.run.root)
        junction: Junction = shared[token]
        return junction.attach(number, context)

    return tuple(Source(f"{name}[{i}]", partial(head, i)) for i in range(n))
