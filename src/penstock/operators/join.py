"""Joins of all rows of two inputs by equal keys: regular joins, which follow every change of either side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.timespan import END
from penstock.expr.ast import Column
from penstock.expr.function import NotOnFlink
from penstock.operators.aggregation import plain_key
from penstock.operators.base import Emission, Environment, Executor, Meaning, Row
from penstock.operators.joining import CROSS, INNER, SEMI, SIDES, PlainPairs, TwoInputs, both
from penstock.operators.lives import PlainExpiry, check_ttl, time_needed
from penstock.plan.node import APPEND, UPDATING, Facts
from penstock.plan.ttl import EVENT, TimeToLive

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Join(TwoInputs):
    """Pairs of rows with equal keys, kept up to date whatever either side does.

    An inner or cross join of Streams is a Stream: a pair comes with the later of its two rows. Any other is a Table:
    a row without a partner comes out with nulls (`left`, `right`, `full`), and is taken back when a partner comes; a
    `semi` join has the left rows that have a partner, an `anti` join those that have none. What a step sends
    is the net of the step. The rules are those of Flink's regular join.

    With a time-to-live, for inner and cross joins of Streams, a row is kept so long after its instant: by event time
    the later of its time and of its split's watermark before it, else the clock of its step. A row that comes later
    than that finds it no more. So a pair comes if the later one of its rows came before the earlier one had expired.

    State: all rows of both sides, for ever or until they expire; of the right side of a semi or anti join without a
    condition only how many there are per key. Rows whose key cannot be equal to any (null) are not kept.

    More pairs than one delta should have are sent as several. A Table whose rows are each one row of one side
    (an outer join to a unique key) sends one delta, which is as large as what the step changes.

    Attributes:
        ttl: How long left rows are kept; None = for ever.
        ttl_right: How long right rows are kept.
        every: Of a semi or anti join by all columns: whether rows are counted, as in SQL's `INTERSECT ALL` and
            `EXCEPT ALL`. A row then has one partner at most, and is no other's: a semi join has each row as often as
            the side that has fewer of it, an anti join as many times as the left side has more.
    """

    verb: ClassVar[str] = "join"
    bound: ClassVar[str] = "all rows of both sides: without bound"

    every: bool = False
    ttl: TimeToLive | None = None
    ttl_right: TimeToLive | None = None

    def derive(self) -> Facts:
        """The columns that were chosen; a Stream only for an inner or cross join of Streams."""
        self.check()
        if self.every:
            self._check_every()
        left, right = both(self)
        plain = left.mode == right.mode == APPEND and self.how in (INNER, CROSS)
        self._check_lives(plain)
        lasting = self.clock is None or self.clock.clock == EVENT
        return Facts(
            schema=self.output_schema(),
            mode=APPEND if plain else UPDATING,
            key=None if plain else self.unique_key(),
            bounded=left.bounded and right.bounded,
            deterministic=left.deterministic and right.deterministic and lasting,
        )

    @property
    def lives(self) -> tuple[TimeToLive | None, TimeToLive | None]:
        """How long rows of either side are kept."""
        return self.ttl, self.ttl_right

    @property
    def clock(self) -> TimeToLive | None:
        """A time-to-live, if there is any: it says by which time both sides go."""
        return self.ttl or self.ttl_right

    def _check_lives(self, plain: bool) -> None:
        if self.clock is None:
            return
        if not plain:
            raise UnsupportedError(
                "time-to-live is offered for inner and cross joins of Streams: this one sends changes",
                hint='within=("-1 h", "1 h") bounds the state of outer joins, too',
            )
        if len({ttl.clock for ttl in self.lives if ttl is not None}) > 1:
            raise PlanError("both sides of a join expire by one time: the event time, or the clock")
        for node in (self.left, self.right):
            check_ttl(self.clock, node.facts)

    def used(self, side: int) -> set[str]:
        """The columns of an input that the join needs, the time by which its rows expire among them."""
        return super().used(side) | time_needed(self.clock, (self.left, self.right)[side].facts)

    def _check_every(self) -> None:
        compared = {term.name for term in self.left_on if isinstance(term, Column)}
        if self.pairs or self.condition is not None or not compared >= {source for _, _, source in self.columns}:
            raise PlanError("rows are counted in semi and anti joins by all columns that come out, without a condition")

    def describe(self) -> str:
        """Form, keys, condition, and what bounds the state."""
        condition = f" where {self.condition}" if self.condition is not None else ""
        kept = [f"{side} rows {ttl}" for side, ttl in zip(SIDES, self.lives, strict=True) if ttl is not None]
        bound = ", ".join(kept) if all(self.lives) else "; ".join([self.bound, *kept])
        return f"{self.how}{' of counted rows' * self.every} on {self.described_keys()}{condition}; state: {bound}"

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever, for people."""
        sides = [side for side, ttl in zip(SIDES, self.lives, strict=True) if ttl is None]
        return {0: None, 1: f"all rows of the {sides[0] if sides else ''} side", 2: "all rows of both sides"}[
            len(sides)
        ]

    def meaning(self) -> Meaning:
        """See `JoinMeaning`."""
        return JoinMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `JoinExecutor`."""
        from penstock.operators.join_execution import JoinExecutor

        return JoinExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class JoinMeaning(Meaning):
    """The join of all rows that are there, by definition, before and after each row: what differs goes and comes.

    Where rows only come, that is each row with all that are there on the other side, in the order in which they came.
    """

    def __init__(self, node: Join) -> None:
        self.plain = node.facts.mode == APPEND
        self.pairs = PlainPairs(node)
        self.join = self._counted if node.every else self.pairs.join
        self.how = node.how
        self.rows: tuple[list[dict[str, Any]], list[dict[str, Any]]] = ([], [])
        self.lives, self.clock = node.lives, node.clock
        self.times = [PlainExpiry(node.clock, side.facts) for side in (node.left, node.right)]
        self.until: tuple[list[int], list[int]] = ([], [])
        self.before: list[dict[str, Any]] = []

    def tick(self, now: int) -> Iterable[Emission]:
        """The clock by which rows may expire."""
        for times in self.times:
            times.now = now
        return ()

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, the difference that it makes out."""
        rows = self.rows[port]
        if row.diff > 0:
            rows.append(row.values)
        else:
            identities = [plain_key(one, list(one)) for one in rows]
            del rows[identities.index(plain_key(row.values, list(row.values)))]
        if self.plain:
            others = self._alive(port, row)
            sides = ([row.values], others) if port == 0 else (others, [row.values])
            return [("out", Row(values)) for values in self.join(*sides)]
        after = self.join(*self.rows)
        made = [*_without(self.before, after, -1), *_without(after, self.before, 1)]
        self.before = after
        return [("out", Row(values, diff)) for values, diff in made]

    def _alive(self, port: int, row: Row) -> list[dict[str, Any]]:
        """The rows of the other side that have not expired when a row comes; the next one may be of an earlier time."""
        others, ttl = self.rows[1 - port], self.lives[port]
        if self.clock is None:
            return others
        now = self.times[port].instant(row)
        self.until[port].append(END if ttl is None else now + ttl.span)
        return [one for one, until in zip(others, self.until[1 - port], strict=True) if until > now]

    def _counted(self, lefts: list[dict[str, Any]], rights: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Left rows that take a right row each, while there are any; or those that find none."""
        there = Counter(self.pairs.key(1, row) for row in rights)
        made = []
        for row in lefts:
            key = self.pairs.key(0, row)
            found = key is not None and there[key] > 0
            there[key] -= found
            if found == (self.how == SEMI):
                made.append(self.pairs.values(row, None))
        return made


def _without(rows: list[dict[str, Any]], others: list[dict[str, Any]], diff: int) -> list[tuple[dict[str, Any], int]]:
    """The rows that are not among others, each as often as it is more often here."""
    left = Counter(plain_key(row, list(row)) for row in others)
    made = []
    for row in rows:
        identity = plain_key(row, list(row))
        if left[identity] > 0:
            left[identity] -= 1
        else:
            made.append((row, diff))
    return made


# -- Execution -----------------------------------------------------------------
# See `operators/join_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
