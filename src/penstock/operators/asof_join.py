"""Joins as of a row's time: each left row with the one right row that counts then: temporal and ASOF joins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.dtypes import Boolean, Null
from penstock.core.errors import PlanError, UnsupportedError, one_of
from penstock.core.schema import Schema
from penstock.core.timespan import END, MILLISECOND, NEVER, floor_to_millisecond, from_datetime
from penstock.expr.ast import Term
from penstock.expr.function import NotOnFlink
from penstock.expr.infer import infer
from penstock.expr.interpret import interpret
from penstock.expr.lower import lower
from penstock.operators.base import Emission, Environment, Executor, Meaning, Row
from penstock.operators.joining import INNER, LEFT, SIDES, PlainPairs, TwoInputs, both, late_names, late_schema
from penstock.operators.why import seconds
from penstock.plan.node import UPDATING, Facts, refused_schema

BACKWARD, FORWARD, NEAREST = "backward", "forward", "nearest"
STRATEGIES = (BACKWARD, FORWARD, NEAREST)

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class AsofJoin(TwoInputs):
    """Each left row with the one right row of its key that counts at its time: a Stream.

    `backward` takes the last right row at or before the left row's time, `forward` the first at or after it, `nearest`
    the nearer of the two (of equal distances the earlier). Of right rows with one time the last to arrive counts. A
    left row for which there is none, or one further away than `tolerance`, or a delete, or one for which the condition
    is not true, comes out with nulls (`left`) or not at all (`inner`).

    A left row waits until the watermark, the least of both inputs, is past its time (and past the tolerance, if it
    looks forward): what comes later changes nothing. Rows come out in the order of their times, of equal times as they
    came. Rows of either side behind the watermark that their own split had before them leave by `late`. (Flink's
    temporal join drops late left rows as we do, and keeps late versions, so that its result depends on how inputs are
    interleaved.)

    State: the left rows that wait, and of the right side the last row before the watermark per key and those after it;
    with a tolerance only rows within it. A deleted key goes. Source of the rules: Flink's event-time temporal join.

    Attributes:
        strategy: `backward`, `forward` or `nearest`.
        tolerance: How far apart in time the two may be, in microseconds; None = any distance, for `backward` only.
        delete: A condition over the right row: where it is true there is nothing from its time on.
        spelling: The verb that the user wrote: `join` or `join_asof`.
    """

    verb: ClassVar[str] = "asof_join"
    refuses: ClassVar[tuple[str, ...]] = ("late",)
    forms: ClassVar[tuple[str, ...]] = (INNER, LEFT)
    keyless: ClassVar[bool] = True

    strategy: str = BACKWARD
    tolerance: int | None = None
    delete: Term | None = None
    spelling: str = "join_asof"

    def derive(self) -> Facts:
        """The columns that were chosen; the event time is that of the left row."""
        self.check()
        if self.strategy not in STRATEGIES:
            raise one_of("strategy", self.strategy, STRATEGIES)
        for side, node in zip(SIDES, (self.left, self.right), strict=True):
            if node.facts.mode == UPDATING:
                raise PlanError(
                    f"a join as of a time takes Streams, and its {side} side is a Table",
                    hint='a Stream of versions becomes a Table by .as_table("key"), right before the join',
                )
            if node.facts.time is None or not node.facts.watermarked:
                raise PlanError(
                    f"a join as of a time needs event times, and its {side} side has none",
                    hint="ps.read(..., event_time=...), or .with_event_time(...)",
                )
        if self.tolerance is None and self.strategy != BACKWARD:
            raise PlanError(
                f"a {self.strategy} join must know how long to wait: it needs a tolerance", hint='tolerance="1 h"'
            )
        if self.tolerance is not None and self.tolerance < 0:
            raise PlanError("a tolerance is not negative")
        self._check_delete()
        left, right = both(self)
        found = [name for name, of, source in self.columns if (of, source) == (LEFT, left.time)]
        return Facts(
            schema=self.output_schema(),
            time=found[0] if found else None,
            time_shift=left.time_shift if found else 0,
            watermarked=bool(found),
            bounded=left.bounded and right.bounded,
            deterministic=left.deterministic and right.deterministic,
        )

    def _check_delete(self) -> None:
        if self.delete is None:
            return
        typed = infer(self.delete, self.right.schema)
        if typed.dtype not in (Boolean, Null):
            raise PlanError(f"delete takes a condition, found {typed.dtype}: {self.delete}")
        if not typed.deterministic or lower(typed).faults:
            raise UnsupportedError(
                f"what deletes can neither fail nor be random, found {self.delete}",
                hint="compute it before, by .with_columns(...)",
            )

    @property
    def wait(self) -> int:
        """How far the watermark must be past the time of a left row, in microseconds."""
        return 0 if self.strategy == BACKWARD else int(self.tolerance or 0)

    @property
    def keep(self) -> int | None:
        """For how long a right row may be needed after its time; None = until another one takes its place."""
        if self.tolerance is None:
            return None
        return 2 * self.tolerance if self.strategy == NEAREST else self.tolerance

    def held(self, watermark: int) -> int:
        """The watermark of the output: all left rows before it have come out."""
        if watermark in (NEVER, END):
            return watermark
        return floor_to_millisecond(watermark - self.wait) - MILLISECOND

    def late_names(self, side: int) -> dict[str, str]:
        """What the columns of a side are called among late rows."""
        return late_names(self, side)

    def late_schema(self) -> Schema:
        """The columns of late rows of either side."""
        return late_schema(self)

    def port_schema(self, port: str) -> Schema:
        """Late rows have the columns of both sides: those of the other one are null."""
        return refused_schema(self.late_schema()) if port == "late" else super().port_schema(port)

    def used(self, side: int) -> set[str]:
        """The columns of an input that the join needs, its event time among them."""
        deletes = self.delete.columns() if self.delete is not None and side == 1 else set()
        return super().used(side) | {str((self.left, self.right)[side].facts.time)} | deletes

    def describe(self) -> str:
        """Form, keys, strategy, and what bounds the state."""
        tolerance = "" if self.tolerance is None else f" within {seconds(self.tolerance)}"
        kept = "one row per key of the right side" if self.keep is None else f"the rows of {seconds(self.keep)}"
        condition = f" where {self.condition}" if self.condition is not None else ""
        deletes = f" delete where {self.delete}" if self.delete is not None else ""
        form = f"{self.how} {self.strategy} on {self.described_keys()}{tolerance}{condition}{deletes}"
        return f"{form}; state: {kept}, and those after the watermark"

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever, for people: without a tolerance as many rows as there are keys."""
        return "one row per key of the right side, until it is deleted" if self.keep is None else None

    def meaning(self) -> Meaning:
        """See `AsofJoinMeaning`."""
        return AsofJoinMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `AsofJoinExecutor`."""
        from penstock.operators.asof_join_execution import AsofJoinExecutor

        return AsofJoinExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class AsofJoinMeaning(Meaning):
    """All right rows are kept; a left row whose time is up takes the one that counts."""

    def __init__(self, node: AsofJoin) -> None:
        self.node, self.pairs = node, PlainPairs(node)
        self.times = [(str(side.facts.time), side.facts.time_shift) for side in (node.left, node.right)]
        self.late = [(node.late_names(side), node.late_schema().names) for side in (0, 1)]
        self.delete = interpret(infer(node.delete, node.right.schema)) if node.delete is not None else None
        self.lefts: list[tuple[int, int, dict[str, Any]]] = []
        self.rights: list[tuple[int, int, dict[str, Any]]] = []
        self.number = 0

    def row(self, port: int, row: Row) -> Iterator[Emission]:
        """Keep one row."""
        name, shift = self.times[port]
        time = from_datetime(row.values[name]) + shift
        if time < row.watermark:
            names, columns = self.late[port]
            values = {names[source]: value for source, value in row.values.items()}
            yield "late", row.with_values({column: values.get(column) for column in columns})
            return
        (self.lefts, self.rights)[port].append((time, self.number, row.values))
        self.number += 1

    def advance(self, watermark: int) -> Iterable[Emission]:
        """Left rows whose time is up come out, by time."""
        over = sorted(
            (one for one in self.lefts if one[0] + self.node.wait < watermark), key=lambda one: (one[0], one[1])
        )
        self.lefts = [one for one in self.lefts if one[0] + self.node.wait >= watermark]
        for time, _, left in over:
            found = self._counts(time, left)
            if found is not None:
                yield "out", Row(self.pairs.values(left, found))
            elif self.node.how == LEFT:
                yield "out", Row(self.pairs.values(left, None))

    def _counts(self, time: int, left: dict[str, Any]) -> dict[str, Any] | None:
        key = self.pairs.key(0, left)
        mine = [one for one in self.rights if key is not None and self.pairs.key(1, one[2]) == key]
        before = max((one for one in mine if one[0] <= time), key=lambda one: one[:2], default=None)
        after = min((one for one in mine if one[0] >= time), key=lambda one: (one[0], -one[1]), default=None)
        found = {BACKWARD: before, FORWARD: after, NEAREST: before or after}[self.node.strategy]
        if self.node.strategy == NEAREST and before and after:
            found = before if time - before[0] <= after[0] - time else after
        if found is None or (self.node.tolerance is not None and abs(found[0] - time) > self.node.tolerance):
            return None
        if self.delete is not None and self.delete(found[2]) is True:
            return None
        return found[2] if self.pairs.match(left, found[2]) else None

    def watermark(self, incoming: Sequence[int]) -> int:
        """Held back by what waits."""
        return self.node.held(min(incoming))


# -- Execution -----------------------------------------------------------------
# See `operators/asof_join_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
