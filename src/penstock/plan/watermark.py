"""Watermark policies: how far event time has come, as each split's own rows tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.timespan import MILLISECOND, MINUTE, NEVER, duration

ADVANCE = "advance"
HOLD = "hold"


@dataclass(frozen=True)
class Bounded:
    """Rows are at most `delay` out of order: the watermark is the greatest event time less the delay.

    Attributes:
        delay: Microseconds.
    """

    delay: int

    def __str__(self) -> str:
        return f"bounded disorder of {self.delay / 1e6:g} s" if self.delay else "monotonic"


@dataclass(frozen=True)
class Scripted:
    """Watermarks by position, as a test draws them.

    Attributes:
        marks: `(split, rows, instant)`: once the split has given so many rows, its watermark is the instant in
            microseconds, or a later one that it had before.
    """

    marks: tuple[tuple[int, int, int], ...] = ()

    def of_split(self, split: int) -> list[tuple[int, int]]:
        """The marks of one split as `(rows, instant)`, in order, the instants never going back."""
        found: list[tuple[int, int]] = []
        for of, rows, instant in sorted(self.marks):
            if of == split:
                found.append((rows, max(instant, found[-1][1]) if found else instant))
        return found

    def after(self, split: int, rows: int) -> int:
        """The watermark of a split that has given so many rows."""
        return max((instant for count, instant in self.of_split(split) if count <= rows), default=NEVER)

    def __str__(self) -> str:
        return "scripted"


Policy = Bounded | Scripted


@dataclass(frozen=True)
class Silence:
    """What happens when a split has nothing to say.

    Attributes:
        idle: After how many microseconds without rows a split no longer holds the watermark back.
        then: When all are idle: `"advance"` (event time goes on at the pace of the clock) or `"hold"`.
    """

    idle: int = MINUTE
    then: str = ADVANCE


def policy(value: Any) -> Policy:
    """A policy from what users write: a duration, or `ps.monotonic()`.

    Raises:
        PlanError: If it is neither.
    """
    if isinstance(value, (Bounded, Scripted)):
        return value
    delay = duration(value)
    if delay < 0:
        raise PlanError(f"a watermark cannot run ahead of its rows, found {value!r}")
    if delay % MILLISECOND:
        raise UnsupportedError(f"a watermark has whole milliseconds, found {value!r}")
    return Bounded(delay)


def monotonic() -> Bounded:
    """The policy of rows in order of event time: none is expected behind the greatest seen."""
    return Bounded(0)
