"""What a world puts in the place of clock, threads and failpoints while it is entered."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

from penstock.core import clock, disk, failpoint, scheduling
from penstock.testing.simulation.world import START, SimulatedThread, World

T = TypeVar("T")


class SimulatedTimer(clock.Timer):
    """The time of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> int:
        """The instant, in microseconds since 1970-01-01 UTC."""
        return self._world.time

    def monotonic(self) -> int:
        """Microseconds since the world began."""
        return self._world.time - START


class SimulatedEvent:
    """A flag that threads of a world wait for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._set = False
        self._waiting: list[SimulatedThread] = []

    def set(self) -> None:
        """Set it, and let those who wait go on when it is their turn."""
        if self._world.is_dead:
            return
        self._set = True
        for thread in self._waiting:
            self._world.wake(thread)

    def clear(self) -> None:
        """Take it back."""
        if not self._world.is_dead:
            self._set = False

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, so many seconds of the world at most; whether it is set."""
        world = self._world
        world.require_alive()
        me = world.running
        if me is None:
            return self._set
        deadline = None if timeout is None else world.time + max(0, round(timeout * 1e6))
        self._waiting.append(me)
        try:
            while not self.is_set() and (deadline is None or world.time < deadline):
                world.wait(deadline)
        finally:
            self._waiting.remove(me)
        return self._set


class SimulatedLock:
    """A lock in a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._free = SimulatedEvent(world)
        self._free.set()

    def __enter__(self) -> bool:
        world = self._world
        world.point("lock")
        while world.running is not None and not self._free.is_set():
            self._free.wait()
        self._free.clear()
        return True

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._free.set()


class SimulatedFuture(Future[T]):
    """The result of what a pool was given."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.over = SimulatedEvent(world)

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result, and give it."""
        self.over.wait(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end; why it failed."""
        self.over.wait(timeout)
        return super().exception(0)


class SimulatedPool(Executor):
    """A pool of threads of a world, started when they are needed."""

    def __init__(self, world: World, name: str, size: int) -> None:
        self._world, self._name, self._size = world, name, size
        self._wake = SimulatedEvent(world)
        self._ended: list[SimulatedEvent] = []
        self._queue: deque[tuple[SimulatedFuture[Any], Callable[[], Any]]] = deque()
        self._closed = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Let a thread of the pool do something."""
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: SimulatedFuture[T] = SimulatedFuture(self._world)
        self._queue.append((future, lambda: fn(*args, **kwargs)))
        if len(self._ended) < self._size:
            ended = SimulatedEvent(self._world)
            self._ended.append(ended)
            self._world.start(f"{self._name}_{len(self._ended) - 1}", lambda: self._work(ended))
        self._wake.set()
        return future

    def _work(self, ended: SimulatedEvent) -> None:
        while True:
            self._wake.clear()
            if self._queue:
                future, work = self._queue.popleft()
                try:
                    future.set_result(work())
                except BaseException as failure:  # noqa: BLE001  (whoever asks for the result gets it)
                    future.set_exception(failure)
                future.over.set()
            elif self._closed:
                ended.set()
                self._wake.set()  # the others have to see it too
                return
            else:
                self._wake.wait()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more; wait until all is done, if asked to."""
        self._closed = True
        self._wake.set()
        for ended in self._ended if wait else ():
            ended.wait()


class SimulatedThreads(scheduling.Threads):
    """Threads of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def start(self, name: str, run: Callable[[], None]) -> None:
        """Start a thread of the process that runs."""
        self._world.start(name, run)

    def event(self) -> SimulatedEvent:
        """A flag."""
        return SimulatedEvent(self._world)

    def lock(self) -> SimulatedLock:
        """A lock."""
        return SimulatedLock(self._world)

    def pool(self, name: str, size: int) -> SimulatedPool:
        """A pool."""
        return SimulatedPool(self._world, name, size)


class Points(dict[str, Callable[[], None]]):
    """Failpoints that are points of a world."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def __bool__(self) -> bool:
        return True

    def get(self, name: str, default: object = None) -> Any:
        """Pass the point; there is nothing to do after it."""
        self._world.point(name)


@contextmanager
def entered(world: World, files: disk.Disk) -> Iterator[None]:
    """Let the world take the place of clock, threads, failpoints and files."""
    before = clock.current, scheduling.current, disk.current, failpoint.ACTIONS
    clock.current, scheduling.current = SimulatedTimer(world), SimulatedThreads(world)
    disk.current, failpoint.ACTIONS = files, Points(world)
    # When garbage is collected depends on what ran before: nothing must happen at such an instant.
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        clock.current, scheduling.current, disk.current, failpoint.ACTIONS = before
        if collecting:
            gc.enable()
