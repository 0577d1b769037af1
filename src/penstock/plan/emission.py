"""When the results of windows are sent: at the close, at every change, by the clock or by rows; and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.timespan import MILLISECOND, duration
from penstock.core.where import caller

CLOSE = "close"
CHANGE = "change"
TIME = "time"
ROWS = "rows"


@dataclass(frozen=True)
class Every:
    """Send what has changed again and again.

    Attributes:
        us: At every multiple of so many microseconds of the clock; 0 = not by the clock.
        rows: After so many rows of a window; 0 = not by rows.
    """

    us: int = 0
    rows: int = 0

    def __str__(self) -> str:
        return f"every {self.us / 1e6:g} s" if self.us else f"every {self.rows} rows"


@dataclass(frozen=True)
class Emit:
    """When the results of a window are sent.

    Attributes:
        when: `close`, `change`, `time` or `rows`; the final result is sent at the close in any case.
        every: How many microseconds or rows, for the last two.
        lateness: For how many microseconds of event time after its end a window takes late rows.
        accumulate: Whether a result holds all rows of the window, or those since the last result only.
    """

    when: str = CLOSE
    every: int = 0
    lateness: int = 0
    accumulate: bool = True

    @property
    def once(self) -> bool:
        """Whether each window is sent once."""
        return self.when == CLOSE and not self.lateness

    @property
    def updating(self) -> bool:
        """Whether results change: each that is sent takes the place of the one before."""
        return not self.once and self.accumulate

    def __str__(self) -> str:
        when = {TIME: f"every {self.every / 1e6:g} s", ROWS: f"every {self.every} rows"}.get(self.when, self.when)
        late = f", {self.lateness / 1e6:g} s of lateness allowed" if self.lateness else ""
        return f"sent {when}{late}{'' if self.accumulate else ', what is new only'}"


ONCE = Emit()
"""Each window once, when it closes."""


def every(span: Any = None, *, rows: int | None = None) -> Every:
    """Send windows again and again before they close: `emit=ps.every("5 s")`, `emit=ps.every(rows=100)`.

    What has changed is sent at every multiple of the span of the step's clock, or whenever a key has so many more rows
    in a window. The final result is sent when the window closes, whatever was sent before.

    Args:
        span: A length of time of the clock, of whole milliseconds.
        rows: A number of rows, from 1.

    Raises:
        PlanError: If it is neither or both, or not positive.
    """
    try:
        if (span is None) == (rows is None):
            raise PlanError("every takes either a length of time or rows", hint='ps.every("5 s"), ps.every(rows=100)')
        if rows is not None:
            if type(rows) is not int or rows < 1:
                raise PlanError(f"every takes a number of rows from 1, found {rows!r}")
            return Every(rows=rows)
        length = duration(span)
        if length <= 0 or length % MILLISECOND:
            raise PlanError(f"every takes whole milliseconds, at least one, found {span!r}")
        return Every(us=length)
    except PlanError as refused:
        raise refused.at(caller()) from None


def emission(emit: Any, lateness: Any, accumulate: Any) -> Emit:
    """What `emit=`, `allowed_lateness=` and `accumulate=` of a window say.

    Raises:
        PlanError: If they are not understood.
    """
    late = duration(lateness)
    if late < 0 or late % MILLISECOND:
        raise PlanError(f"allowed_lateness has whole milliseconds, not less than none, found {lateness!r}")
    if not isinstance(accumulate, bool):
        raise PlanError(f"accumulate is True or False, found {accumulate!r}")
    if isinstance(emit, Every):
        return Emit(TIME if emit.us else ROWS, emit.us or emit.rows, late, accumulate)
    if emit not in (CLOSE, CHANGE):
        hint = 'emit="close", emit="change", emit=ps.every("5 s"), emit=ps.every(rows=100)'
        raise PlanError(f"emit says when windows are sent, found {emit!r}", hint=hint)
    if emit == CLOSE and not late and not accumulate:
        raise UnsupportedError(
            "accumulate=False sends what is new since the last time, and this window is sent once",
            hint='with emit=ps.every("5 s"), or an allowed lateness',
        )
    return Emit(emit, 0, late, accumulate)
