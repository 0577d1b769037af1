"""Counters of a running plan: rows per port of every node, and frozen pictures of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from penstock.core.timespan import NEVER


@dataclass
class NodeMetrics:
    """Counters of one node, kept by the loop.

    Attributes:
        rows_in: Rows taken, over all inputs.
        rows_out: Rows that left, by port.
        deltas: How many deltas it was called with.
        busy_us: Time spent in it.
    """

    rows_in: int = 0
    rows_out: Counter[str] = field(default_factory=Counter)
    deltas: int = 0
    busy_us: int = 0


@dataclass(frozen=True)
class NodeStatistics:
    """A picture of the counters of one node.

    Attributes:
        identity: Its stable identity.
        label: Its verb or verbs.
        rows_in: Rows taken.
        rows_out: Rows that left by `out`.
        late: Rows refused as late.
        errors: Rows refused as bad.
        busy_us: Time spent in it, in microseconds.
        state_rows: Keys or rows in its state.
        state_bytes: Bytes of its state.
    """

    identity: str
    label: str
    rows_in: int
    rows_out: int
    late: int
    errors: int
    busy_us: int
    state_rows: int = 0
    state_bytes: int = 0


@dataclass(frozen=True)
class SplitStatistics:
    """How the rows of a split come in time, since the run began.

    Attributes:
        source: The source.
        split: Its split.
        watermark: How far it has come, in microseconds; NEVER if it has given no row.
        stated: The bound of disorder that its watermark states.
        rows: How many rows with an event time it has given.
        behind: How many of them came after a row with a later time.
        late: How many of them came when its watermark had reached them; later verbs decide what becomes of these.
        most: The bound that would have let 99 of 100 rows be in time; 0 if none is needed.
        nearly_all: The same for 999 of 1,000; what is suggested.
        all: The same for all.
        ahead_us: How far a row was ahead of the clock at most (negative = all were behind it): the skew of the clocks
            of those who write the rows. Of input that is read later than it was made it says how old that is. NEVER if
            no row came.
        held: Whether it is not read, because it is too far ahead of those that it is aligned with.
    """

    source: str
    split: str
    watermark: int
    stated: int
    rows: int
    behind: int
    late: int
    most: int
    nearly_all: int
    all: int
    ahead_us: int
    held: bool = False


@dataclass(frozen=True)
class Statistics:
    """A picture of a running pipeline.

    Attributes:
        pipeline: Its name.
        state: `starting`, `running`, `finished`, `stopped` or `failed`.
        rows_in: Rows taken from sources, the undecoded included.
        rows_out: Rows given to sinks, by output.
        late: Rows refused as late.
        errors: Rows refused as bad.
        watermark: The least watermark of the plan, in microseconds; NEVER if there is none yet.
        lag_us: How far the watermark is behind the clock; None if there is no watermark.
        steps: Steps taken.
        epochs: Epochs published.
        elapsed_us: Time since the start.
        nodes: The nodes in the order of execution.
        reasons: Refused rows by reason.
        checkpoint: The number of the newest epoch that is stored; None for runs that store nothing.
        checkpoint_bytes: How many bytes it took, without the manifest.
        pause_us: For how long the steps waited for it.
        restarts: How often the run has gone on from a checkpoint after a failure.
        splits: How the rows of each split come in time, where a bound of disorder is stated.
        rows_before: Of `rows_in`, those of the runs before, where it went on from a checkpoint.
    """

    pipeline: str
    state: str
    rows_in: int
    rows_out: dict[str, int]
    late: int
    errors: int
    watermark: int = NEVER
    lag_us: int | None = None
    steps: int = 0
    epochs: int = 0
    elapsed_us: int = 0
    nodes: tuple[NodeStatistics, ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()
    checkpoint: int | None = None
    checkpoint_bytes: int = 0
    pause_us: int = 0
    restarts: int = 0
    rows_before: int = 0
    splits: tuple[SplitStatistics, ...] = ()
