"""The contract of stages: chunks are pulled, demand travels up with the pull.

A running stream is a chain of `Pull`s. `pull(most)` is demand for up to `most` elements, and answers with

- 1 to `most` elements, in a list that then belongs to the caller;
- `[]` when the stream has completed;
- an exception when it has failed, after every element that came before the failure.

Rules that make batching invisible:

1. A pull waits for its first element only. What is at hand is given; nothing is held back to fill a chunk.
2. Nobody pulls twice at a time, nor after the end. `Edge` sees to it.
3. A pull that was cancelled is followed by `close` only: who wants to wait for something else beside an
   input puts a `Pump` before it.
4. `close` is called once, by the scope, in reverse order of opening, when no pull is under way, and shielded from
   cancellation. A stage that was never pulled is closed too.
5. What a stage keeps has a bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.lowlevel

from penstock.core.errors import PlanError
from penstock.flow.clock import Clock, Signal
from penstock.flow.kill import KillSwitch
from penstock.flow.scope import Scope
from penstock.flow.tasks import Fiber, Pump, unasked

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = [
    "CHUNK",
    "RESTART",
    "RESUME",
    "STOP",
    "Context",
    "Decider",
    "Edge",
    "Fiber",
    "KillSwitch",
    "Origin",
    "Pull",
    "Pump",
    "Run",
    "Stage",
    "StageStatistics",
    "stop_always",
]

CHUNK = 512
"""How many elements a sink asks for at a time: demand, not something to wait for."""

PULLS_PER_TURN = 32
"""After so many pulls that never waited, other tasks get their turn."""

TURN_US = 2_000
"""After so many microseconds without waiting, likewise."""

STOP, RESUME, RESTART = "stop", "resume", "restart"

Decider = Callable[[Exception], str]


def stop_always(failure: Exception) -> str:
    """The decision for all failures, unless another decider is given: the stream fails."""
    return STOP


class Pull(Protocol):
    """What gives elements; see the module for the rules."""

    async def pull(self, most: int) -> list[Any]:
        """1 to `most` elements, or `[]` at the end."""
        ...

    async def close(self) -> None:
        """Release what the stage holds."""
        ...


class Stage:
    """A step of a running stream: pulls from `up`, is pulled from below.

    Attributes:
        waits: Of a source: whether a pull may wait, so that a kill switch must be able to end it.
    """

    waits = True

    def __init__(self, up: Pull, context: Context) -> None:
        self.up = up
        self.context = context
        self.dropped: Counter[str] = Counter()
        self.name = type(self).__name__

    async def pull(self, most: int) -> list[Any]:
        """1 to `most` elements, or `[]` at the end; here those of the input."""
        return await self.up.pull(most)

    async def close(self) -> None:
        """Release what the stage itself holds; its input is closed by the scope."""

    def buffered(self) -> int:
        """How many elements the stage keeps now."""
        return 0


@dataclass(frozen=True)
class StageStatistics:
    """What has happened at one stage so far.

    Attributes:
        name: The operator.
        elements_in: How many elements came from above; None for a source.
        elements_out: How many it has given.
        waiting_for_input_us: Microseconds in which it waited for elements from above (a source: for its own).
        waiting_for_demand_us: Microseconds in which nobody below asked for more.
        buffered: How many elements it keeps now.
        dropped: Elements that it dropped, by reason.
        state: `"open"`, `"completed"`, `"failed"`.
    """

    name: str
    elements_in: int | None
    elements_out: int
    waiting_for_input_us: int
    waiting_for_demand_us: int
    buffered: int
    dropped: dict[str, int]
    state: str


class Edge:
    """The output of a stage: counts, and keeps the rules of `Pull` on both sides."""

    def __init__(self, name: str, inner: Pull, context: Context, above: Edge | None = None) -> None:
        self.name, self.inner, self.above = name, inner, above
        self.count = self.asked_us = self.idle_us = 0
        self.state = "open"
        self._failure: Exception | None = None
        self._pulling = False
        self._now = context.run.clock.now
        self._since = self._now()
        self._scope = context.scope
        self.first: int | None = None
        self.last: int | None = None
        self._counted: Edge = self

    def of_sink(self) -> Pull:
        """What a sink pulls: the edge above it, if there is one, which counts the same elements."""
        if isinstance(self.inner, Edge):
            self._counted = self.inner
            return self.inner
        return self

    async def pull(self, most: int) -> list[Any]:
        """Pull from the stage, unless it has ended."""
        if self.state != "open":
            if self._failure is not None:
                raise self._failure
            return []
        if self._pulling or most < 1:
            raise RuntimeError(f"{self.name} was pulled {'twice at a time' if self._pulling else f'for {most}'}")
        self._pulling = True
        start = self._now()
        self.idle_us += start - self._since
        try:
            chunk = await self.inner.pull(most)
        except Exception as failure:
            self.state, self._failure = "failed", failure
            raise
        except BaseException as stopped:
            self._failure = unasked(stopped)
            if self._failure is None:
                raise
            self.state = "failed"
            raise self._failure from stopped
        finally:
            self._since = self._now()
            self.asked_us += self._since - start
            self._pulling = False
        if chunk:
            self.count += len(chunk)
        else:
            self.state = "completed"
            if self.first is not None and self.last is not None:
                await self._scope.release_open(self.first, self.last)
        return chunk

    async def close(self) -> None:
        """Nothing: the scope closes the stage itself."""

    def statistics(self) -> StageStatistics:
        """What has happened so far."""
        stage, above, counted = self.inner, self.above, self._counted
        return StageStatistics(
            name=self.name,
            elements_in=above.count if above else None,
            elements_out=counted.count,
            waiting_for_input_us=above.asked_us if above else self.asked_us,
            waiting_for_demand_us=counted.idle_us,
            buffered=stage.buffered() if isinstance(stage, Stage) else 0,
            dropped=dict(stage.dropped) if isinstance(stage, Stage) else {},
            state=counted.state,
        )


class Origin(Stage):
    """Stands below a source: lets a kill switch end it, and other tasks have their turn."""

    def __init__(self, up: Pull, context: Context, switch: KillSwitch | None = None) -> None:
        super().__init__(up, context)
        if isinstance(up, Stage):
            self.dropped = up.dropped
        self._scope: anyio.CancelScope | None = None
        self._switch = switch or context.run.switch
        self._turn = context.run.turn
        self._waits = getattr(up, "waits", True)

    async def pull(self, most: int) -> list[Any]:
        """Pull from the source; the end, or the error of the switch, once that was thrown."""
        await self._turn()
        if not self._switch.thrown:
            if not self._waits:
                return await self.up.pull(most)
            self._switch.listeners.add(self)
            self._switch.thread.mine()
            try:
                with anyio.CancelScope() as self._scope:
                    return await self.up.pull(most)
            finally:
                self._switch.listeners.discard(self)
        return self._switch.end()

    def buffered(self) -> int:
        """How many elements the source keeps."""
        return self.up.buffered() if isinstance(self.up, Stage) else 0

    def interrupt(self) -> None:
        """End the pull that is under way."""
        if self._scope is not None:
            self._scope.cancel()


@dataclass
class Run:
    """What all stages of one run share.

    Attributes:
        clock: Where time comes from.
        group: Where tasks are started; use `Context.spawn`.
        random: Where chance comes from (jitter, sampling).
        switch: Ends all sources.
        values: Materialised values by name.
        edges: Outputs of all stages outside of nested streams, in order of opening.
        shared: What several openings of one description share, by that description.
        root: The outermost context of the run.
    """

    clock: Clock
    group: TaskGroup
    random: Random
    switch: KillSwitch = field(default_factory=KillSwitch)
    values: dict[str, Any] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    shared: dict[Any, Any] = field(default_factory=dict)
    root: Context | None = None
    _given: Signal = field(default_factory=Signal)
    _pulls: int = 0
    _turn: int = 0

    def give(self, name: str, value: Any) -> None:
        """Materialise a value."""
        self.values[name] = value
        self._given.notify()

    async def value(self, name: str) -> Any:
        """A materialised value, once it is there."""
        while name not in self.values:
            await self._given.wait()
        return self.values[name]

    async def turn(self) -> None:
        """Let other tasks run, if this one has not let them for long."""
        self._pulls += 1
        if self._pulls < PULLS_PER_TURN and self.clock.now() - self._turn < TURN_US:
            return
        await anyio.lowlevel.checkpoint()
        self._pulls, self._turn = 0, self.clock.now()


@dataclass(frozen=True)
class Context:
    """What a stage is opened with.

    Attributes:
        run: What all stages of the run share.
        scope: Owns the stages; closes them.
        decide: What becomes of a failing element: `"stop"`, `"resume"`, `"restart"`.
        nested: Whether this is inside of another stage (`flat_map_concat` and the like).
        nest: Owns what a stage opens while it runs: closed after the stage, so that it has stopped its tasks before.
    """

    run: Run
    scope: Scope
    decide: Decider = stop_always
    nested: bool = False
    nest: Scope | None = None

    @property
    def clock(self) -> Clock:
        """Where time comes from."""
        return self.run.clock

    def edge(
        self, name: str, stage: Pull, above: Pull | None = None, *, first: int | None = None, owned: bool = True
    ) -> Edge:
        """Put a stage into service: it is counted, and, if it is owned, closed by the scope.

        `first` is the number in the scope from which on all belongs to what is above.
        """
        edge = Edge(name, stage, self, above if isinstance(above, Edge) else None)
        if owned:
            if isinstance(stage, Stage):
                stage.name = name
            edge.last = self.scope.on_close(stage.close)
            self.scope.edges[edge.last] = edge
            edge.first = edge.above.first if first is None and edge.above is not None else first
        if not self.nested:
            self.run.edges.append(edge)
        return edge

    def inside(self) -> Context:
        """The context of a stream inside of a stage, with a scope of its own."""
        return replace(self, scope=Scope(self.nest or self.scope), nest=None, nested=True)

    def apart(self) -> Context:
        """The same context with a scope of its own, which may be closed earlier."""
        return replace(self, scope=Scope(self.nest or self.scope), nest=None)

    def nesting(self) -> Context:
        """The context of one stage: what it opens while it runs is closed behind it."""
        return replace(self, nest=Scope(self.scope))

    def supervised(self, decide: Decider) -> Context:
        """The same context with another decider."""
        return replace(self, decide=decide)

    def spawn(self, work: Callable[[], Awaitable[None]]) -> Fiber:
        """Run `work` as a task of its own, until it ends or is stopped."""
        return Fiber(self.run.group, work)

    def verdict(self, failure: Exception) -> str:
        """What becomes of a failing element.

        Raises:
            PlanError: If the decider answers something else.
        """
        verdict = self.decide(failure)
        if verdict not in (STOP, RESUME, RESTART):
            raise PlanError(f'a decider answers "stop", "resume" or "restart", found {verdict!r}')
        return verdict
