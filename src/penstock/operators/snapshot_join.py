"""Joins as of processing time: each left row with what the right side holds when the row comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.errors import PlanError
from penstock.core.timespan import END, NEVER, instant_text
from penstock.expr.function import NotOnFlink
from penstock.operators.aggregation import plain_key
from penstock.operators.base import Emission, Environment, Executor, Meaning, Row
from penstock.operators.joining import ANTI, INNER, LEFT, SEMI, PlainPairs, TwoInputs, both
from penstock.plan.node import UPDATING, Facts

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class SnapshotJoin(TwoInputs):
    """Each left row with the right rows that are there at the instant of the clock at which it comes: a Stream.

    The right side may be a Stream or a Table, small or large, with keys or without: without them each left row
    is compared with all right rows by the condition. What came out is never corrected. A left row without
    partners comes out with nulls (`left`, `anti`) or not at all (`inner`, `semi`).

    A left row sees all changes of the right side up to its own instant, those of the same instant among them, and comes
    out when the clock goes on: at the next step, or when all input is over. With a load phase, it waits until the right
    side has been read to its end, or its watermark has reached an instant; then it sees what there is. Rows come out
    in the order in which they came, of one left row in the order in which its partners came (those of a Table in none).

    Event time is that of the left rows, with the watermarks that they came with; no row is late here. The watermark
    of the output follows the left side, and stands still while rows wait.

    State: the right rows, for ever; left rows while they wait. Source of the rules: Flink's joins by processing time,
    and its LATERAL SNAPSHOT.

    Attributes:
        until: How far the watermark of the right side must have come before left rows are joined: NEVER = they
            need not wait; END = it is read to its end.
    """

    verb: ClassVar[str] = "snapshot_join"
    forms: ClassVar[tuple[str, ...]] = (INNER, LEFT, SEMI, ANTI)
    keyless: ClassVar[bool] = True

    until: int = NEVER

    def derive(self) -> Facts:
        """The columns that were chosen; the event time is that of the left row."""
        self.check()
        left, right = both(self)
        if left.mode == UPDATING:
            raise PlanError(
                "a join as of processing time takes a Stream, and its left side is a Table",
                hint="without as_of= it follows the changes of both sides",
            )
        if NEVER < self.until < END and not right.watermarked:
            raise PlanError(
                "the right side has no event time that could reach an instant",
                hint='load="end", ps.read(..., event_time=...), or .with_event_time(...)',
            )
        found = [name for name, of, source in self.columns if (of, source) == (LEFT, left.time)]
        static = right.bounded and self.until == END
        return Facts(
            schema=self.output_schema(),
            time=found[0] if found else None,
            time_shift=left.time_shift if found else 0,
            watermarked=bool(found) and left.watermarked,
            bounded=left.bounded and right.bounded,
            deterministic=static and left.deterministic and right.deterministic,
        )

    def describe(self) -> str:
        """Form, keys, condition, and what bounds the state."""
        condition = f" where {self.condition}" if self.condition is not None else ""
        waits = {NEVER: "", END: "; loads the right side to its end"}
        load = waits.get(self.until, f"; loads the right side to {instant_text(self.until)}")
        kept = "the rows of the right side" + (", and left rows until then" if self.until > NEVER else "")
        return f"{self.how} by processing time on {self.described_keys()}{condition}{load}; state: {kept}"

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever, for people: the right side, unless it ends."""
        return None if self.right.facts.bounded else "all rows of the right side"

    def meaning(self) -> Meaning:
        """See `SnapshotJoinMeaning`."""
        return SnapshotJoinMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `SnapshotJoinExecutor`."""
        from penstock.operators.snapshot_join_execution import SnapshotJoinExecutor

        return SnapshotJoinExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class SnapshotJoinMeaning(Meaning):
    """Left rows wait until the clock goes on, and for the load; then they take what is there."""

    def __init__(self, node: SnapshotJoin) -> None:
        self.node, self.pairs = node, PlainPairs(node)
        self.waiting: list[Row] = []
        self.rights: list[dict[str, Any]] = []
        self.before: Sequence[int] = (NEVER, NEVER)
        self.sent = NEVER

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """A left row waits; a right row comes or goes."""
        if port == 0:
            self.waiting.append(row)
        elif row.diff > 0:
            self.rights.append(row.values)
        else:
            there = [plain_key(one, list(one)) for one in self.rights]
            del self.rights[there.index(plain_key(row.values, list(row.values)))]
        return ()

    def tick(self, now: int) -> Iterator[Emission]:
        """The clock goes on: rows that came before are joined, if the right side is loaded."""
        if self.before[1] >= self.node.until:
            yield from self._release()
            self.sent = self.before[0]

    def advance(self, watermark: int) -> Iterator[Emission]:
        """All input is over: nothing is left to wait for."""
        if watermark == END:
            yield from self._release()

    def _release(self) -> Iterator[Emission]:
        for row in self.waiting:
            for values in self.pairs.join([row.values], self.rights):
                yield "out", Row(values, watermark=row.watermark)
        self.waiting = []

    def watermark(self, incoming: Sequence[int]) -> int:
        """How far the left side had come when the clock last went on."""
        self.before = incoming
        return END if min(incoming) == END else self.sent


# -- Execution -----------------------------------------------------------------
# See `operators/snapshot_join_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
