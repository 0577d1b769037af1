"""Watermark policies: how far event time has come, as each split's own rows tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.core.dtypes import Datetime, Null
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.schema import Schema
from penstock.core.timespan import MILLISECOND, MINUTE, NEVER, duration
from penstock.core.where import caller
from penstock.expr.ast import Column, Term
from penstock.expr.build import term_of
from penstock.expr.infer import infer

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


@dataclass(frozen=True)
class Punctuated:
    """Rows say how far time has come: behind a row with a mark, no row at or before the mark is expected.

    Attributes:
        mark: An instant, or null for a row that says nothing.
    """

    mark: Term

    def check(self, schema: Schema) -> None:
        """Check the mark over the rows of a schema.

        Raises:
            PlanError: If it is no instant.
        """
        dtype = infer(self.mark, schema).dtype
        if dtype != Null and not isinstance(dtype, Datetime):
            hint = 'such as ps.when(col("kind") == "mark").then(col("at")).otherwise(None)'
            raise PlanError(f"a punctuated watermark takes an instant, found {self.mark}: {dtype}", hint=hint)

    def __str__(self) -> str:
        return f"punctuated by {self.mark}"


Policy = Bounded | Scripted | Punctuated


@dataclass(frozen=True)
class Silence:
    """What happens when a split has nothing to say.

    Attributes:
        idle: After how many microseconds without rows a split no longer holds the watermark back.
        then: When all are idle: `"advance"` (event time goes on at the pace of the clock) or `"hold"`.
    """

    idle: int = MINUTE
    then: str = ADVANCE


@dataclass(frozen=True)
class Alignment:
    """Splits keep pace with those of a group: one that is too far ahead is not read.

    Attributes:
        group: The name of the group.
        drift: How far ahead of the group's least watermark a split may be, in microseconds.
    """

    group: str
    drift: int = MINUTE

    def __str__(self) -> str:
        return f"aligned with {self.group}, at most {self.drift / 1e6:g} s ahead"


def alignment(group: Any, drift: Any) -> Alignment:
    """An alignment from what users write.

    Raises:
        PlanError: If the group has no name, or the drift is not positive.
    """
    if not isinstance(group, str) or not group:
        raise PlanError(f"align names a group of sources, found {group!r}", hint='align="orders"')
    length = duration(drift)
    if length <= 0:
        raise PlanError(f"a split may be ahead of its group by more than nothing, found drift={drift!r}")
    return Alignment(group, length)


def policy(value: Any) -> Policy:
    """A policy from what users write: a duration, `ps.monotonic()` or `ps.punctuated(...)`.

    Raises:
        PlanError: If it is neither.
    """
    if isinstance(value, (Bounded, Scripted, Punctuated)):
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


def punctuated(mark: Any) -> Punctuated:
    """The policy of rows that say themselves how far time has come.

    The watermark of a split is the greatest mark of its rows so far, in whole milliseconds. A row is measured by
    the marks before it, not by its own. A row for which the mark cannot be computed leaves by `errors`. If no row has a
    mark, windows close when bounded input ends, or never. Source of the rule: Flink's punctuated watermarks.

    Args:
        mark: A column, or an expression: an instant up to which all has come, or null.

    Raises:
        PlanError: If that is no term.
    """
    try:
        return Punctuated(Column(mark) if isinstance(mark, str) else term_of(mark))
    except PlanError as refused:
        raise refused.at(caller()) from None


@dataclass(frozen=True)
class IngestionTime:
    """The instant at which a row is taken, as the event time of a stream."""

    def __str__(self) -> str:
        return "ingestion time"


def ingestion_time() -> IngestionTime:
    """Event time by the clock, given to each row as it is taken: `ps.read(..., event_time=ps.ingestion_time())`.

    It adds the column `event_time`. Nothing is out of order, nothing is late. Unlike windows by
    `on=ps.processing_time()`, all later verbs follow the same instant, and splits that are silent are waited for
    as `idle=` says. Another run over the same input gives other results.
    """
    return IngestionTime()
