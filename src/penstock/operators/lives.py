"""What operators whose keys expire have in common: the check of a time-to-live, instants of rows, the plain meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.errors import UnsupportedError
from penstock.core.lazy import np, pl
from penstock.core.timespan import NEVER, from_datetime
from penstock.operators.base import Row, StepContext
from penstock.operators.watermark import instants
from penstock.plan.node import UPDATING, Facts
from penstock.plan.ttl import EVENT, TimeToLive

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAKEN_BACK = "taken back, and its key is not in state: it has expired, or the row never came"
"""Why a row that goes was refused."""


def check_ttl(ttl: TimeToLive | None, below: Facts) -> None:
    """Check that rows have the time by which keys expire.

    Raises:
        UnsupportedError: If they have not.
    """
    if ttl is None or ttl.clock != EVENT:
        return
    if below.mode == UPDATING:
        raise UnsupportedError(
            "the rows of a Table have no event time by which state could expire",
            hint='.state("name", ttl=ps.processing_time("7 days"))',
        )
    if below.time is None:
        raise UnsupportedError(
            "state cannot expire by event time: the rows have none",
            hint='ps.read(..., event_time="column", watermark="5 s"), or ttl=ps.processing_time("7 days")',
        )


def time_needed(ttl: TimeToLive | None, below: Facts) -> set[str]:
    """The column by which keys expire, if there is one."""
    return {below.time} if ttl is not None and ttl.clock == EVENT and below.time is not None else set()


def instants_of(ttl: TimeToLive, below: Facts, delta: Delta, context: StepContext) -> NDArray[np.int64]:
    """By row, its instant: the later of its event time and of its split's watermark before it, or the step's clock.

    Args:
        ttl: Says by which time.
        below: What is known of the rows.
        delta: The rows.
        context: The step.
    """
    from penstock.kernels.expiry import STOPPED, UNTOUCHED  # a plan needs no kernels

    if ttl.clock != EVENT or below.time is None:
        return np.full(delta.length, context.now, np.int64)
    times = delta.columns[below.time]
    if times.null_count():
        times = times.fill_null(pl.lit(0).cast(times.dtype))
    found = instants(times) + below.time_shift
    if delta.watermarks is not None:
        found = np.maximum(found, delta.watermarks.to_numpy())
    clipped: NDArray[np.int64] = np.clip(found, UNTOUCHED + 1, STOPPED - ttl.span - 1)
    return clipped


class PlainExpiry:
    """When keys expire, in plain Python.

    Args:
        ttl: The time-to-live, or None: then no key does.
        below: What is known of the rows.

    Attributes:
        now: The clock.
    """

    def __init__(self, ttl: TimeToLive | None, below: Facts) -> None:
        self.ttl, self.below = ttl, below
        self.now = NEVER
        self.last: dict[Any, int] = {}

    def instant(self, row: Row) -> int:
        """The instant of a row."""
        assert self.ttl is not None
        if self.ttl.clock != EVENT:
            return self.now
        time = row.values[self.below.time] if self.below.time is not None else None
        return max(from_datetime(time) + self.below.time_shift if time is not None else 0, row.watermark)

    def over(self, key: Any, row: Row) -> bool:
        """Whether a key had expired before a row of it."""
        if self.ttl is None or key not in self.last:
            return False
        if self.last[key] + self.ttl.span > self.instant(row):
            return False
        del self.last[key]
        return True

    def count(self, key: Any, row: Row) -> None:
        """A row of the key counts."""
        if self.ttl is not None:
            at = self.instant(row)
            self.last[key] = max(self.last.get(key, at), at)

    def forget(self, key: Any) -> None:
        """The key has no rows any more."""
        self.last.pop(key, None)
