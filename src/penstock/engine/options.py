"""How a pipeline runs on the embedded engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import SinkLost, SourceLost, StartError
from penstock.core.timespan import MILLISECOND, SECOND

READ_AHEAD = 256 << 20
"""How many bytes sources decode ahead, if nobody says; with a memory budget a quarter of it, if that is less."""

LEAST_ROWS = 256
MOST_ROWS = 1 << 17
"""How many rows a step has at least, if there are so many, and at most."""


@dataclass(frozen=True)
class LoopOptions:
    """How the loop behaves.

    Attributes:
        latency: The time that one step should take, in microseconds; steps grow and shrink to it.
        epoch: The time between two epochs, in microseconds.
        step_rows: A fixed number of rows per step; None = as `latency` says.
    """

    latency: int = 10 * MILLISECOND
    epoch: int = 10_000 * MILLISECOND
    step_rows: int | None = None


@dataclass(frozen=True)
class RestartPolicy:
    """What happens when a pipeline fails while it runs: it goes on from its last checkpoint, or ends.

    Attributes:
        attempts: How often in a row it goes on; an attempt that has stored an epoch begins a new row.
        pause: How long to wait before the first attempt, in microseconds; twice as long before each next.
        longest: How long to wait at most.
    """

    attempts: int = 5
    pause: int = SECOND
    longest: int = 30 * SECOND

    def allows(self, failure: BaseException, attempt: int, *, again: bool = False) -> bool:
        """Whether to go on after a failure.

        What may pass by itself does: a server that is away. Anything else would come again: wrong rows, wrong plans,
        damaged state, bugs.

        Args:
            failure: Why it failed.
            attempt: How often in a row it has gone on.
            again: Whether it has begun before: what is not there now has gone since, and may come back.
        """
        transient = isinstance(failure, (SinkLost, SourceLost)) or (isinstance(failure, StartError) and again)
        return transient and attempt < self.attempts

    def wait(self, attempt: int) -> int:
        """How long to wait before an attempt, from 0 on."""
        return min(self.longest, self.pause << attempt)


@dataclass(frozen=True)
class JobOptions:
    """How a pipeline runs on the embedded engine.

    Attributes:
        shards: Over how many shards keys are spread.
        loop: Latency and epochs.
        read_ahead: How many bytes sources may decode ahead of the steps.
        memory: How many bytes the process should have in memory at most; None = as many as it takes.
        state: The state directory, or None for runs that leave nothing behind.
        checkpoints: Where checkpoints are kept, if not in the state directory: `s3://bucket/prefix`.
        resume: `"latest"`, `"none"`, the number of an epoch, or the name of a savepoint.
        restarts: What happens when it fails.
        look_every: How often sources are asked for new splits, in microseconds.
        approved: Whether stored state may be lost, if the plan has changed so.
        replan: Whether the plan is made anew; else a run goes on with the one that its checkpoint was made with.
        control: Whether the run can be asked and told from outside, by the address in its state directory.
        guarded: Whether to check every delta; None = as `PENSTOCK_GUARDS` says.
        optimized: Whether the plan is rewritten first; results do not depend on it.
    """

    shards: int = 1
    loop: LoopOptions = LoopOptions()
    read_ahead: int = READ_AHEAD
    memory: int | None = None
    state: Path | None = None
    checkpoints: str | None = None
    resume: str = "latest"
    restarts: RestartPolicy = RestartPolicy()
    look_every: int = 30 * SECOND
    approved: bool = False
    replan: bool = False
    control: bool = True
    guarded: bool | None = None
    optimized: bool = True
