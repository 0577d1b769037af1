"""Windows whose bounds depend on the rows of a key: sessions and counts; and one window for all time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.dtypes import Boolean, Duration, Null
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.schema import Schema
from penstock.core.timespan import MILLISECOND, Span, span
from penstock.core.where import caller
from penstock.expr.ast import Column, Term
from penstock.expr.build import Expr, term_of
from penstock.expr.infer import infer


@dataclass(frozen=True, kw_only=True)
class KeyedWindows:
    """Windows that each key has for itself."""

    kind: ClassVar[str]
    timed: ClassVar[bool] = True
    """Whether rows have a place in them by their event time."""
    arrival: ClassVar[bool] = False
    """Whether the order in which rows come says which window they are in."""
    bounded: ClassVar[bool] = True
    """Whether a window has a start and an end."""

    def check(self, schema: Schema) -> None:
        """Check the terms over the rows of a schema.

        Raises:
            PlanError: If a type does not fit.
        """

    def columns(self) -> set[str]:
        """The columns that say which window a row is in, besides the event time."""
        return set()

    def shape(self) -> dict[str, Any]:
        """What must be equal for stored state to be usable, as JSON."""
        return {"kind": self.kind}

    @property
    def sensitive(self) -> bool:
        """Whether the order of rows matters."""
        return self.arrival


@dataclass(frozen=True, kw_only=True)
class Session(KeyedWindows):
    """A session is `[first row, last row + gap)`: it ends when nothing has come for so long.

    Attributes:
        gap: How long, for all rows or by row.
        split: A row for which this is true begins a session of its own.
    """

    kind: ClassVar[str] = "session"

    gap: Span | Term
    split: Term | None = None

    def __post_init__(self) -> None:
        if isinstance(self.gap, Span):
            length = self.gap.exact()
            if length <= 0 or length % MILLISECOND:
                raise PlanError(f"the gap of a session has whole milliseconds, at least one, found {self.gap}")

    def check(self, schema: Schema) -> None:
        """The gap is a duration, the split a condition."""
        if isinstance(self.gap, Term):
            dtype = infer(self.gap, schema).dtype
            if not isinstance(dtype, Duration):
                hint = 'such as "30 min", or a column of durations: pl.duration(...), or a difference of two instants'
                raise PlanError(f"the gap of a session is a length of time, found {self.gap}: {dtype}", hint=hint)
        if self.split is not None:
            dtype = infer(self.split, schema).dtype
            if dtype not in (Boolean, Null):
                raise PlanError(f"split_when takes a condition, found {self.split}: {dtype}")

    def columns(self) -> set[str]:
        """Those of gap and split."""
        found = self.gap.columns() if isinstance(self.gap, Term) else set()
        return found | (self.split.columns() if self.split is not None else set())

    @property
    def sensitive(self) -> bool:
        """A session is split in the order in which rows come."""
        return self.split is not None

    def __str__(self) -> str:
        split = f", split when {self.split}" if self.split is not None else ""
        return f"session with a gap of {self.gap}{split}"


@dataclass(frozen=True, kw_only=True)
class Count(KeyedWindows):
    """After every `every` rows of a key, its last `rows` rows, in the order in which they came.

    Attributes:
        rows: How many rows a window has.
        every: How many rows come between two windows.
    """

    kind: ClassVar[str] = "count"
    timed: ClassVar[bool] = False
    arrival: ClassVar[bool] = True
    bounded: ClassVar[bool] = False

    rows: int
    every: int

    def __post_init__(self) -> None:
        for what, number in (("rows", self.rows), ("every", self.every)):
            if type(number) is not int or number < 1:
                raise PlanError(f"{what} of a count window is a number from 1, found {number!r}")
        if self.every > self.rows:
            raise PlanError(f"a window of {self.rows} rows every {self.every} would leave rows out", hint="filter them")
        if self.rows // self.every > MOST_COUNTS:
            raise UnsupportedError(
                f"a row would be in {self.rows // self.every:,} count windows, at most {MOST_COUNTS:,} are possible",
                hint="a larger every=",
            )

    def shape(self) -> dict[str, Any]:
        """Rows are counted in windows."""
        return {"kind": self.kind, "rows": self.rows, "every": self.every}

    def __str__(self) -> str:
        return f"count of {self.rows}" + (f", every {self.every}" if self.every != self.rows else "")


MOST_COUNTS = 1_000
"""In how many count windows a row may be."""


@dataclass(frozen=True, kw_only=True)
class Everything(KeyedWindows):
    """One window for all rows of a key; it closes when bounded input is over."""

    kind: ClassVar[str] = "global"
    timed: ClassVar[bool] = False
    bounded: ClassVar[bool] = False

    def __str__(self) -> str:
        return "global"


@dataclass(frozen=True, kw_only=True)
class Sliding(KeyedWindows):
    """A window that ends at each row of a key, and has the rows from so much earlier on.

    Attributes:
        size: How far back it goes.
    """

    kind: ClassVar[str] = "sliding"

    size: Span

    def __post_init__(self) -> None:
        length = self.size.exact()
        if length <= 0 or length % MILLISECOND:
            raise PlanError(f"a sliding window has whole milliseconds, at least one, found {self.size}")

    def __str__(self) -> str:
        return f"sliding {self.size}"


@dataclass(frozen=True, kw_only=True)
class Hybrid(KeyedWindows):
    """Windows of a key that begin with a row, and last for so many rows or so long, whichever is reached first.

    Attributes:
        rows: How many rows fill a window.
        size: For how long it takes rows.
    """

    kind: ClassVar[str] = "hybrid"

    rows: int
    size: Span

    def __post_init__(self) -> None:
        if type(self.rows) is not int or self.rows < 1:
            raise PlanError(f"rows of a hybrid window is a number from 1, found {self.rows!r}")
        length = self.size.exact()
        if length <= 0 or length % MILLISECOND:
            raise PlanError(f"a hybrid window has whole milliseconds, at least one, found {self.size}")

    def shape(self) -> dict[str, Any]:
        """An open window goes on under another number of rows or size, if they are the same."""
        return {"kind": self.kind, "rows": self.rows, "size": self.size.exact()}

    def __str__(self) -> str:
        return f"hybrid of {self.rows} rows or {self.size}"


# -- what users write ----------------------------------------------------------


def session(gap: Any, *, split_when: Any = None) -> Session:
    """Sessions: rows of a key that follow each other within the gap.

    A row at `t` makes the window `[t, t + gap)`; windows that overlap or touch are one. Out of order rows prolong
    sessions, and join them. A session is over when the watermark has passed its end; a row is late if the session that
    it would make or join is over. Source of the rules: Flink's session windows.

    Args:
        gap: How long nothing must have come: `"30 min"`, or a column or an expression of durations, by row.
        split_when: A row for which this is true ends the sessions that it would have joined, for all that comes later,
            and begins one of its own. It follows the order in which rows come.

    Raises:
        PlanError: If the gap is not understood.
    """
    try:
        term = term_of(gap) if isinstance(gap, Expr) else None
        split = None if split_when is None else term_of(split_when)
        if term is None and isinstance(gap, str) and not any(letter.isdigit() for letter in gap):
            term = Column(gap)
        return Session(gap=term if term is not None else span(gap), split=split)
    except PlanError as refused:
        raise refused.at(caller()) from None


def count_window(rows: int, *, every: int | None = None) -> Count:
    """Windows of so many rows of a key, in the order in which they come.

    A window is sent with the row that completes it, and what is left over when bounded input ends. There are no
    bounds in time, and no row is late. Source of the rules: Flink's `countWindow`.

    Args:
        rows: How many rows a window has.
        every: How many rows come between two windows, which then overlap; `rows`, if not given. The first windows of
            a key have fewer rows.

    Raises:
        PlanError: If a number is not positive, or rows would be left out.
    """
    try:
        return Count(rows=rows, every=rows if every is None else every)
    except PlanError as refused:
        raise refused.at(caller()) from None


def sliding(size: Any) -> Sliding:
    """A window that ends at each row: `[t - size, t]`, both ends included, for each instant at which a key has a row.

    It is sent once, when the watermark reaches `t`: what a moving average or a rate limit needs, without a grid. Rows
    of one instant share a window. To have the result in every row, use `.over(key, range=size)`.

    Args:
        size: How far back it goes, such as `"10 min"`; days are days of UTC.

    Raises:
        PlanError: If the size is not understood.
    """
    try:
        return Sliding(size=span(size))
    except PlanError as refused:
        raise refused.at(caller()) from None


def hybrid(rows: int, size: Any) -> Hybrid:
    """Windows of a key that end after so many rows or so long, whichever is first: batches of bounded size and age.

    A window begins with the first row of a key that no window has, at `t`, and takes rows before `t + size`, at most
    `rows`; the next row begins the next one. Rows are taken in the order of event time (ties: source, split, offset),
    when the watermark reaches them, so that the result does not depend on the order in which they came; a row behind
    the watermark is late. A full window ends 1 ms behind its last row, and is sent with it; any other ends at
    `t + size`, and is sent when the watermark reaches that less 1 ms. Instants are taken in whole milliseconds, rounded
    up. With `on=ps.processing_time()` the clock says where rows are, in the order in which they come. Source of the
    idea: Flink's count trigger with a timeout; `groupedWithin` of Akka.

    Args:
        rows: How many rows fill a window.
        size: For how long it takes rows, such as `"10 s"`.

    Raises:
        PlanError: If the number is not positive, or the size is not understood.
    """
    try:
        return Hybrid(rows=rows, size=span(size))
    except PlanError as refused:
        raise refused.at(caller()) from None


def global_window() -> Everything:
    """One window for all rows of a key, without bounds: with `emit=` a Table that is sent as often as that says.

    The final result comes when bounded input ends. State: one entry per key, for ever.
    """
    return Everything()
