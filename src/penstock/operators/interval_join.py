"""Interval joins: partners whose event times are at most so far apart; rows go when no partner can come any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from penstock.core.errors import PlanError
from penstock.core.schema import Schema
from penstock.core.timespan import END, MILLISECOND, NEVER, floor_to_millisecond, from_datetime
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
from penstock.operators.why import seconds
from penstock.plan.node import UPDATING, Facts, refused_schema

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class IntervalJoin(TwoInputs):
    """Pairs of rows with equal keys whose event times differ by `lower` to `upper`: a Stream.

    A pair comes with the later of its two rows to arrive. A row without a partner comes out (`left`, `right`, `full`,
    `anti`) once the watermark says that none can come any more; one whose key is null at once. A row is late if it is
    behind the watermark that its own split had before it; it leaves by `late` and finds no partners, nor is it sent
    alone. (Flink's SQL joins a late row with what is still there, and sends it alone at once if there is nothing:
    what that gives depends on how inputs are interleaved. Flink's DataStream API does as we do.)

    State: the rows of the interval. A left row goes when the watermark, the least of both inputs, is past its time and
    `upper`, a right one when it is past its time less `lower`. The watermark of the output is held back by as much as
    what still comes may be behind. Source of the rules: Flink's interval join.

    Attributes:
        lower: The least difference, right time less left time, in microseconds; the bound belongs to the interval.
        upper: The greatest.
    """

    verb: ClassVar[str] = "interval_join"
    refuses: ClassVar[tuple[str, ...]] = ("late",)
    forms: ClassVar[tuple[str, ...]] = (INNER, LEFT, RIGHT, FULL, SEMI, ANTI)
    keyless: ClassVar[bool] = True

    lower: int = field(kw_only=True)
    upper: int = field(kw_only=True)

    def derive(self) -> Facts:
        """The columns that were chosen; the event time is that of the left row (of a right join the right one)."""
        self.check()
        for side, node in zip(SIDES, (self.left, self.right), strict=True):
            if node.facts.mode == UPDATING:
                raise PlanError(
                    f"a join within an interval takes Streams, and its {side} side is a Table",
                    hint="join it without within=, or as_of=",
                )
            if node.facts.time is None or not node.facts.watermarked:
                raise PlanError(
                    f"a join within an interval needs event times, and its {side} side has none",
                    hint="ps.read(..., event_time=...), or .with_event_time(...)",
                )
        if self.lower > self.upper:
            raise PlanError("no difference of times is within the interval: its lower bound is above its upper one")
        left, right = both(self)
        name = self.time_name()
        return Facts(
            schema=self.output_schema(),
            time=name,
            time_shift=0 if name is None else (right if self.how == RIGHT else left).time_shift,
            watermarked=name is not None,
            bounded=left.bounded and right.bounded,
            deterministic=left.deterministic and right.deterministic,
        )

    def time_name(self) -> str | None:
        """What the event time is called in the output."""
        side = RIGHT if self.how == RIGHT else LEFT
        time = (self.right if side == RIGHT else self.left).facts.time
        found = [name for name, of, source in self.columns if (of, source) == (side, time)]
        return found[0] if found and self.how != FULL else None

    def held(self, watermark: int) -> int:
        """The watermark of the output: a pair may be as far behind as the other side's rows still find partners."""
        if watermark in (NEVER, END):
            return watermark
        behind = max(0, -self.lower if self.how == RIGHT else self.upper)
        return floor_to_millisecond(watermark - behind) - MILLISECOND

    def late_names(self, side: int) -> dict[str, str]:
        """What the columns of a side are called among late rows: those of both sides are in one table."""
        return late_names(self, side)

    def late_schema(self) -> Schema:
        """The columns of late rows of either side."""
        return late_schema(self)

    def port_schema(self, port: str) -> Schema:
        """Late rows have the columns of both sides: those of the other one are null."""
        return refused_schema(self.late_schema()) if port == "late" else super().port_schema(port)

    def used(self, side: int) -> set[str]:
        """The columns of an input that the join needs, its event time among them."""
        return super().used(side) | {str((self.left, self.right)[side].facts.time)}

    def describe(self) -> str:
        """Form, keys, interval, and what bounds the state."""
        span = f"{seconds(self.lower)} to {seconds(self.upper)}"
        condition = f" where {self.condition}" if self.condition is not None else ""
        kept = f"state: the rows of {seconds(self.upper - self.lower)} of event time"
        return f"{self.how} on {self.described_keys()} within {span}{condition}; {kept}"

    def meaning(self) -> Meaning:
        """See `IntervalJoinMeaning`."""
        return IntervalJoinMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `IntervalJoinExecutor`."""
        from penstock.operators.interval_join_execution import IntervalJoinExecutor

        return IntervalJoinExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


@dataclass
class PlainRow:
    """A row that waits for partners."""

    values: dict[str, Any]
    time: int
    number: int
    matched: bool = False


class IntervalJoinMeaning(Meaning):
    """Each row is paired with the near rows of the other side that came before it; alone when its time is up."""

    def __init__(self, node: IntervalJoin) -> None:
        self.node, self.pairs = node, PlainPairs(node)
        self.times = [(str(side.facts.time), side.facts.time_shift) for side in (node.left, node.right)]
        self.late = [(node.late_names(side), node.late_schema().names) for side in (0, 1)]
        self.rows: tuple[list[PlainRow], list[PlainRow]] = ([], [])
        self.alone = node.padded if node.pairs else (node.how == ANTI, False)
        self.number = 0

    def row(self, port: int, row: Row) -> Iterator[Emission]:
        """One row in, its pairs out."""
        name, shift = self.times[port]
        time = from_datetime(row.values[name]) + shift
        if time < row.watermark:
            names, columns = self.late[port]
            values = {names[source]: value for source, value in row.values.items()}
            yield "late", row.with_values({column: values.get(column) for column in columns})
            return
        if self.pairs.key(port, row.values) is None:
            if self.alone[port]:
                yield "out", Row(self._alone(port, row.values))
            return
        mine = PlainRow(row.values, time, self.number)
        self.number += 1
        for other in self.rows[1 - port]:
            left, right = (mine, other) if port == 0 else (other, mine)
            near = self.node.lower <= right.time - left.time <= self.node.upper
            if near and self.pairs.match(left.values, right.values):
                if self.node.pairs:
                    yield "out", Row(self.pairs.values(left.values, right.values))
                elif self.node.how == SEMI and not left.matched:
                    yield "out", Row(self.pairs.values(left.values, None))
                left.matched = right.matched = True
        self.rows[port].append(mine)

    def _alone(self, side: int, values: dict[str, Any]) -> dict[str, Any]:
        return self.pairs.values(values, None) if side == 0 else self.pairs.values(None, values)

    def advance(self, watermark: int) -> Iterable[Emission]:
        """Rows for which no partner can come any more go."""
        gone: list[tuple[int, int, int, PlainRow]] = []
        for side, reach in ((0, self.node.upper), (1, -self.node.lower)):
            over = [one for one in self.rows[side] if one.time + reach < watermark]
            self.rows[side][:] = [one for one in self.rows[side] if one.time + reach >= watermark]
            gone += [(one.time + reach, one.number, side, one) for one in over]
        for _, _, side, one in sorted(gone, key=lambda found: found[:2]):
            if self.alone[side] and not one.matched:
                yield "out", Row(self._alone(side, one.values))

    def watermark(self, incoming: Sequence[int]) -> int:
        """Held back."""
        return self.node.held(min(incoming))


# -- Execution -----------------------------------------------------------------
# See `operators/interval_join_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
