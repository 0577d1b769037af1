"""A run: tasks, the scope of all resources, the result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any

import anyio

from penstock.core.errors import PlanError
from penstock.flow.clock import Clock, Signal, checked_clock
from penstock.flow.errors import StreamClosedError
from penstock.flow.home import Thread
from penstock.flow.scope import CANCELLED, COMPLETED, FAILED, Scope
from penstock.flow.stage import Context, KillSwitch, Run, StageStatistics

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

Consume = Callable[[Context], Awaitable[Any]]


async def drive(consume: Consume, context: Context) -> Any:
    """Consume in the context's scope, and close that: the result.

    A failure to release is raised if there is no other; otherwise it is a note of the other.
    """
    scope, outcome = context.scope, CANCELLED
    failure: BaseException | None = None
    try:
        result = await consume(context)
        outcome = COMPLETED
    except Exception as error:
        outcome, failure = FAILED, error
        raise
    finally:
        try:
            await scope.close(outcome)
        except Exception as release:
            if failure is None:
                raise
            failure.add_note(f"also failed, while it was released: {type(release).__name__}: {release}")
    return result


def _to_stop(several: BaseExceptionGroup[Any]) -> BaseException | None:
    """Ctrl-C, or the wish to exit, if that is all there is in a group: it is waited for by its name."""
    found: BaseException = several
    while isinstance(found, BaseExceptionGroup) and len(found.exceptions) == 1:
        found = found.exceptions[0]
    return found if isinstance(found, KeyboardInterrupt | SystemExit) else None


class Running:
    """A run of a stream, from the entry of `async with` to its exit.

    The exit waits for the end of the stream; an exception in the block cancels it. A failure of the stream cancels the
    block, and is raised by the exit as it is. When the block is left, all tasks have ended and all
    resources are released.
    """

    def __init__(self, consume: Consume, *, clock: Clock | None = None, seed: int | None = None) -> None:
        if seed is not None and not isinstance(seed, int):
            raise PlanError(f"seed is a whole number, found {seed!r}")
        self._consume, self._clock, self._seed = consume, checked_clock(clock), seed
        self._run: Run | None = None
        self._result: Any = None
        self._failure: Exception | None = None
        self._state = "new"
        self._cancel: anyio.CancelScope | None = None
        self._ended = Signal()
        self._thread = Thread()

    async def __aenter__(self) -> Running:
        if self._state != "new":
            raise StreamClosedError("a handle starts once", hint="call start() again: descriptions can run many times")
        self._state = "running"
        self._thread.mine()
        seed = self._clock.now() if self._seed is None else self._seed
        self._cancel, group = anyio.CancelScope(), anyio.create_task_group()
        await group.__aenter__()
        self._run = Run(self._clock, group, Random(seed))
        group.start_soon(self._work)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        assert self._run is not None
        if error is not None and isinstance(error, Exception):
            self.cancel()
            with anyio.CancelScope(shield=True):
                await self._wait()
            await self._left(self._run.group, None, None, None)
            return False
        if error is not None:
            self.cancel()
        swallowed = await self._left(self._run.group, kind, error, trace)
        if self._failure is not None and (error is None or swallowed):
            raise self._failure
        return swallowed

    async def _left(
        self, group: TaskGroup, kind: type[BaseException] | None, error: BaseException | None, trace: Any
    ) -> bool | None:
        try:
            return await group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as several:
            stop = _to_stop(several)
            if stop is None:
                raise
            raise stop from None

    async def _work(self) -> None:
        assert self._run is not None
        assert self._cancel is not None
        context = self._run.root = Context(self._run, Scope())
        try:
            with self._cancel:
                self._result = await drive(self._consume, context)
                self._state = COMPLETED
        except Exception as failure:  # noqa: BLE001  (raised by the exit of the block)
            self._failure, self._state = failure, FAILED
            self._run.group.cancel_scope.cancel()
        finally:
            if self._state == "running":
                self._state = CANCELLED
            self._ended.notify()

    async def _wait(self) -> None:
        while self._state == "running":
            await self._ended.wait()

    async def wait(self) -> Any:
        """Wait until the stream ends; its result.

        Raises:
            Exception: What made it fail.
            StreamClosedError: If it was cancelled.
        """
        await self._wait()
        return self.result

    @property
    def state(self) -> str:
        """`"new"`, `"running"`, `"completed"`, `"failed"` or `"cancelled"`."""
        return self._state

    @property
    def result(self) -> Any:
        """What the sink gives, once the stream has completed.

        Raises:
            Exception: What made it fail.
            StreamClosedError: If it has not ended yet, or was cancelled.
        """
        if self._failure is not None:
            raise self._failure
        if self._state != COMPLETED:
            raise StreamClosedError(f"there is no result: the stream is {self._state}", hint="await running.wait()")
        return self._result

    @property
    def switch(self) -> KillSwitch:
        """The kill switch of all sources of this run."""
        return self._started().switch

    def shutdown(self) -> None:
        """End all sources as if they had completed; elements under way are finished."""
        self._thread.check("shutdown")
        self.switch.shutdown()

    def abort(self, failure: Exception | None = None) -> None:
        """End all sources with an error."""
        self._thread.check("abort")
        self.switch.abort(failure)

    def cancel(self) -> None:
        """Stop at once: what is under way is dropped, resources are released, there is no result."""
        self._started()
        self._thread.check("cancel")
        if self._cancel is not None:
            self._cancel.cancel()

    async def value(self, name: str) -> Any:
        """A materialised value, once its stage has been opened (`keep="name"` of an operator)."""
        return await self._started().value(name)

    @property
    def values(self) -> dict[str, Any]:
        """Materialised values by name, as far as their stages are open."""
        return dict(self._started().values)

    def statistics(self) -> tuple[StageStatistics, ...]:
        """What has happened at each stage so far, in the order of the description; also after the end.

        Streams inside of a stage (`flat_map_concat`) count as that stage.
        """
        return tuple(edge.statistics() for edge in self._started().edges)

    def _started(self) -> Run:
        if self._run is None:
            raise StreamClosedError("the stream has not started", hint="async with runnable.start() as running: ...")
        return self._run
