"""The rows of windows themselves, or the first of each window and key in an order."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.dtypes import Datetime, Int64
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.core.timespan import END, MILLISECOND, from_datetime, to_datetime
from penstock.expr.function import NotOnFlink
from penstock.operators.aggregation import key_fields, key_order, plain_key
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.operators.window import windows_of
from penstock.plan.node import UPDATING, Facts, Node
from penstock.plan.ordering import SortKey, row_order
from penstock.plan.windows import Windows
from penstock.state.kinds import check_kept

BOUNDS = ("window_start", "window_end")

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowRows(Executable):
    """The rows of each window, or those of some ranks per window and key, sent once, when it closes: a Stream.

    A row comes once for each window that it is in, with `window_start` and `window_end` behind its columns; the event
    time is `window_end` less 1 ms. A window closes when the watermark reaches that, by the clock when it reaches the
    end. Windows come in the order of (end, start, key), the rows of one in the given order; rows that are equal in it,
    and all if there is none, come as they arrived. A row whose windows are all over for its own split leaves by
    `late`, one for which the zone has no days by `errors`.

    State: the rows of the open windows, or those up to the last rank per window and key; they go with the window.
    Source of the rules: Flink's window Top-N and window deduplication, which drop late rows unseen.

    Attributes:
        input: The rows.
        keys: The key columns; none = one ranking per window.
        windows: The windows.
        by: The order; none = as they came.
        first: The first rank that is given, from 1.
        last: The last one; None = all.
        rank: The name of a column for the rank, or None.
        clock: Whether the clock tells where rows are, and not their event time.
    """

    verb: ClassVar[str] = "window_rows"
    refuses: ClassVar[tuple[str, ...]] = ("late", "errors")
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...] = ()
    windows: Windows
    by: tuple[SortKey, ...] = ()
    first: int = 1
    last: int | None = None
    rank: str | None = None
    clock: bool = False

    def derive(self) -> Facts:
        """The input's columns, the bounds, and the rank."""
        below = self.input.facts
        if below.mode == UPDATING:
            raise PlanError(
                "the rows of a window are those of a Stream, and this is a Table",
                hint="aggregate it: .window(...).agg(...), or rank it without a window: .group_by(...).top_n(...)",
            )
        if not self.clock and (below.time is None or not below.watermarked):
            raise PlanError(
                "a window needs an event time, and this stream has none",
                hint="ps.read(..., event_time=...), or on=ps.processing_time(); a select that drops it loses it",
            )
        key_fields(below.schema, self.keys)
        key_fields(below.schema, [key.column for key in self.by])
        if self.first < 1 or (self.last is not None and self.last < self.first):
            raise PlanError(f"ranks are numbers from 1 on, found {self.first} to {self.last}")
        for name in (*BOUNDS, *([self.rank] if self.rank is not None else [])):
            if name in below.schema or (name == self.rank and name in BOUNDS):
                raise PlanError(f'the window makes a column "{name}", and there is one already', hint="rename it")
        check_kept(below.schema)
        made = Field(self.rank, Int64, nullable=False) if self.rank is not None else None
        return Facts(
            schema=Schema((*self.kept, made)) if made is not None else Schema(self.kept),
            time=None if self.clock else "window_end",
            time_shift=0 if self.clock else -MILLISECOND,
            watermarked=not self.clock,
            bounded=below.bounded,
            deterministic=below.deterministic and not self.clock,
            order_sensitive=self.last is not None,
        )

    @property
    def kept(self) -> tuple[Field, ...]:
        """The columns of a row and its window."""
        bound = Datetime("us", self.windows.zone)
        return (*self.input.schema.fields, *(Field(name, bound, nullable=False) for name in BOUNDS))

    def describe(self) -> str:
        """Windows, keys, ranks and order."""
        clock = " of the clock" if self.clock else ""
        if self.last is None:
            return f"all rows of {self.windows}{clock}"
        ranks = f"{self.last}" if self.first == 1 else f"{self.first} to {self.last}"
        order = ", ".join(map(str, self.by)) or "arrival"
        return f"{ranks} by {order} of each {', '.join((*self.keys, 'window'))}, {self.windows}{clock}"

    def needs(self, used: set[str]) -> list[set[str]]:
        """Keys, order, the event time, and what is used."""
        made = {*BOUNDS, self.rank}
        timed = set() if self.clock else {str(self.input.facts.time)}
        return [{name for name in used if name not in made} | timed | {*self.keys, *(one.column for one in self.by)}]

    def meaning(self) -> Meaning:
        """See `WindowRowsMeaning`."""
        return WindowRowsMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `WindowRowsExecutor`."""
        from penstock.operators.window_rows_execution import WindowRowsExecutor

        return WindowRowsExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class WindowRowsMeaning(Meaning):
    """A list of rows per window and key; when it closes, it is sorted and cut."""

    def __init__(self, node: WindowRows) -> None:
        facts = node.input.facts
        self.node, self.time, self.shift = node, str(facts.time), facts.time_shift
        self.zone = zoneinfo.ZoneInfo(node.windows.zone)
        self.order = key_order([facts.schema[name].dtype for name in node.keys])
        self.open: dict[tuple[int, int, tuple[Any, ...]], list[dict[str, Any]]] = {}
        self.now = 0

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """Put a row into its windows."""
        windows, key = self.node.windows, plain_key(row.values, self.node.keys)
        instant = self.now if self.node.clock else from_datetime(row.values[self.time]) + self.shift
        if windows.is_local and not 2 <= to_datetime(instant).year <= 9997:
            yield "errors", row
            return
        found = list(dict.fromkeys(windows_of(windows, instant)))
        in_time = [one for one in found if self.node.clock or one[1] - MILLISECOND > row.watermark]
        if found and not in_time:
            yield "late", row
        for start, end in in_time:
            self.open.setdefault((end, start, key), []).append(row.values)

    def tick(self, now: int) -> Iterable[Emission]:
        """The clock moves: what it closes is sent."""
        self.now = now
        return self._close(now - MILLISECOND) if self.node.clock else ()

    def advance(self, watermark: int) -> Iterable[Emission]:
        """Event time moves: what is over is sent."""
        return self._close(watermark) if not self.node.clock or watermark == END else ()

    def _close(self, until: int) -> Iterator[Emission]:
        over = [one for one in self.open if one[0] - MILLISECOND <= until]
        for one in sorted(over, key=lambda one: (one[0], one[1], self.order(one[2]))):
            rows = sorted(self.open.pop(one), key=row_order(self.node.by))
            moments = [to_datetime(instant).astimezone(self.zone) for instant in (one[1], one[0])]
            bounds = dict(zip(BOUNDS, moments, strict=True))
            for place, values in enumerate(rows, start=1):
                if self.node.first <= place and (self.node.last is None or place <= self.node.last):
                    rank = {self.node.rank: place} if self.node.rank is not None else {}
                    yield "out", Row({**values, **bounds, **rank})


# -- Execution -----------------------------------------------------------------
# See `operators/window_rows_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
