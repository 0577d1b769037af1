"""Window joins: partners are rows of one window; what comes out comes when the window closes."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.dtypes import Datetime
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.core.timespan import MILLISECOND, from_datetime, to_datetime
from penstock.expr.function import NotOnFlink
from penstock.operators.base import Emission, Environment, Executor, Meaning, Row
from penstock.operators.joining import (
    ANTI,
    FULL,
    INNER,
    LEFT,
    RIGHT,
    SEMI,
    SIDES,
    PlainPairs,
    TwoInputs,
    both,
    late_names,
    late_schema,
)
from penstock.operators.window import windows_of
from penstock.plan.node import UPDATING, Facts, refused_schema
from penstock.plan.windows import Windows

BOUNDS = ("window_start", "window_end")

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowJoin(TwoInputs):
    """Pairs of rows with equal keys in the same window, sent once, when the watermark passes its end: a Stream.

    Each row is in all its windows, and pairs are made in each of them. The columns `window_start` and `window_end`
    come last; the event time is `window_end` less 1 ms. A window closes when the watermark, the least of both inputs,
    reaches its end less 1 ms. A row is late for a window if the watermark of its own split had reached that before it;
    a row that is late for all its windows leaves by `late`. Windows come out in the order of their ends, pairs of one
    in the order of their left rows.

    State: the rows of the open windows, once per window; they go with it. Source of the rules: Flink's window join.

    Attributes:
        windows: The windows.
    """

    verb: ClassVar[str] = "window_join"
    refuses: ClassVar[tuple[str, ...]] = ("late", "errors")
    forms: ClassVar[tuple[str, ...]] = (INNER, LEFT, RIGHT, FULL, SEMI, ANTI)
    keyless: ClassVar[bool] = True

    windows: Windows

    def derive(self) -> Facts:
        """The columns that were chosen, and the bounds of the window."""
        self.check()
        for side, node in zip(SIDES, (self.left, self.right), strict=True):
            if node.facts.mode == UPDATING:
                raise PlanError(
                    f"a join in windows takes Streams, and its {side} side is a Table",
                    hint="join it without window=, or as_of=",
                )
            if node.facts.time is None or not node.facts.watermarked:
                raise PlanError(
                    f"a join in windows needs event times, and its {side} side has none",
                    hint="ps.read(..., event_time=...), or .with_event_time(...)",
                )
        left, right = both(self)
        schema = self.output_schema()
        for name in BOUNDS:
            if name in schema:
                raise PlanError(f'the join makes a column "{name}", and there is one already', hint="rename it before")
        bound = Datetime("us", self.windows.zone)
        return Facts(
            schema=schema.plus(*(Field(name, bound, nullable=False) for name in BOUNDS)),
            time="window_end",
            time_shift=-MILLISECOND,
            watermarked=True,
            bounded=left.bounded and right.bounded,
            deterministic=left.deterministic and right.deterministic,
        )

    def late_names(self, side: int) -> dict[str, str]:
        """What the columns of a side are called among late rows."""
        return late_names(self, side)

    def late_schema(self) -> Schema:
        """The columns of late rows of either side."""
        return late_schema(self)

    def port_schema(self, port: str) -> Schema:
        """Refused rows have the columns of both sides: those of the other one are null."""
        return refused_schema(self.late_schema()) if port in self.refuses else super().port_schema(port)

    def used(self, side: int) -> set[str]:
        """The columns of an input that the join needs, its event time among them."""
        return super().used(side) | {str((self.left, self.right)[side].facts.time)}

    def describe(self) -> str:
        """Form, keys, windows, and what bounds the state."""
        condition = f" where {self.condition}" if self.condition is not None else ""
        kept = "the rows of the open windows"
        return f"{self.how} on {self.described_keys()} in {self.windows}{condition}; state: {kept}"

    def meaning(self) -> Meaning:
        """See `WindowJoinMeaning`."""
        return WindowJoinMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `WindowJoinExecutor`."""
        from penstock.operators.window_join_execution import WindowJoinExecutor

        return WindowJoinExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class WindowJoinMeaning(Meaning):
    """Rows are put into each of their windows; one that is over is joined by definition."""

    def __init__(self, node: WindowJoin) -> None:
        self.node, self.pairs = node, PlainPairs(node)
        self.times = [(str(side.facts.time), side.facts.time_shift) for side in (node.left, node.right)]
        self.late = [(node.late_names(side), node.late_schema().names) for side in (0, 1)]
        self.zone = zoneinfo.ZoneInfo(node.windows.zone)
        self.open: dict[tuple[int, int], tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {}

    def row(self, port: int, row: Row) -> Iterator[Emission]:
        """Add one row."""
        name, shift = self.times[port]
        moment = row.values[name]
        names, columns = self.late[port]
        values = {names[source]: value for source, value in row.values.items()}
        refused = row.with_values({column: values.get(column) for column in columns})
        utc = moment.astimezone(dt.UTC) if moment.tzinfo else moment
        if self.node.windows.is_local and not 2 <= utc.year <= 9997:
            yield "errors", refused
            return
        found = list(windows_of(self.node.windows, from_datetime(moment) + shift))
        in_time = [(start, end) for start, end in found if end - MILLISECOND > row.watermark]
        if found and not in_time:
            yield "late", refused
        for bounds in in_time:
            self.open.setdefault(bounds, ([], []))[port].append(row.values)

    def advance(self, watermark: int) -> Iterable[Emission]:
        """Send the windows that are over, by end."""
        over = sorted((end, start) for start, end in self.open if end - MILLISECOND <= watermark)
        for end, start in over:
            lefts, rights = self.open.pop((start, end))
            bounds = {"window_start": self._local(start), "window_end": self._local(end)}
            for values in self.pairs.join(lefts, rights):
                yield "out", Row({**values, **bounds})

    def _local(self, instant: int) -> dt.datetime:
        return to_datetime(instant).astimezone(self.zone)

    def watermark(self, incoming: Sequence[int]) -> int:
        """What is over has been sent."""
        return min(incoming)


# -- Execution -----------------------------------------------------------------
# See `operators/window_join_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
