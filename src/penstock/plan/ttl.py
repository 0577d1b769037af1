"""Time-to-live of state: how long a key is kept after its last row, and by which time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.core.errors import PlanError
from penstock.core.timespan import MILLISECOND, duration

EVENT, PROCESSING = "event", "processing"

MOST = 1 << 60
"""The longest time-to-live, in microseconds: instants and it do not overflow."""


@dataclass(frozen=True)
class ProcessingTime:
    """The clock of the machine, not the time of the rows; with a span, a length of time by that clock.

    Attributes:
        span: The span, such as `"7 days"`, or None.
    """

    span: Any = None


@dataclass(frozen=True)
class TimeToLive:
    """How long a key is kept after its last row.

    Attributes:
        span: In microseconds.
        clock: `"event"` or `"processing"`.
    """

    span: int
    clock: str = EVENT

    @classmethod
    def of(cls, value: Any) -> TimeToLive:
        """What users write: `"7 days"`, or `ps.processing_time("7 days")`.

        Raises:
            PlanError: If it is not understood, or shorter than a millisecond.
        """
        by_clock = isinstance(value, ProcessingTime)
        span = duration(value.span if by_clock else value)
        if not MILLISECOND <= span <= MOST:
            raise PlanError(f"a time-to-live is a millisecond at least, found {value!r}", hint='such as "7 days"')
        return cls(span, PROCESSING if by_clock else EVENT)

    def __str__(self) -> str:
        return self.since("its last row")

    def since(self, what: str) -> str:
        """How long keys are kept, counted from what."""
        seconds = self.span / 1_000_000
        text = f"{seconds:g} s" if seconds < 86_400 else f"{seconds / 86_400:g} days"
        return f"{text} after {what}" + (" by the clock" if self.clock == PROCESSING else "")


def processing_time(span: Any = None) -> ProcessingTime:
    """The clock of the machine, in the place of event time.

    `.window(ps.tumbling("10 s"), on=ps.processing_time())`: rows are in the windows of the instant at which a step
    takes them, and nothing is late. `.state("name", ttl=ps.processing_time("7 days"))`: keys are kept so long by it.

    What comes out then depends on when rows arrive, and not only on what they say: a replay of the journal gives the
    same, a second run over the same input may not.

    Args:
        span: A length of time, such as `"7 days"`, where one is asked for.
    """
    return ProcessingTime(span)
