"""The first row of each key: for ever, or within a span of event time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.core.errors import PlanError
from penstock.core.timespan import from_datetime
from penstock.expr.function import NotOnFlink
from penstock.operators.aggregation import key_fields, plain_key
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.operators.lives import PlainExpiry, check_ttl, time_needed
from penstock.plan.node import UPDATING, Facts, Node
from penstock.plan.ttl import EVENT, TimeToLive

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Dedup(Executable):
    """Of each key the first row to arrive; later ones end here.

    With `within`, a row is a duplicate if a row of its key that was sent lies less than that before or after it in
    event time, so that the state can be forgotten: a row that is `within` or more behind the watermark of its split
    leaves by `late`, since nobody could tell any more. Without, every key is remembered for ever. Null is a key.
    Rows keep their order.

    With a time-to-live a key is forgotten so long after the row that was sent, as Flink does: duplicates do not keep
    it. A row whose instant (see `Group`) is `ttl` or more behind that of the row that was sent is sent, whenever
    memory is freed.

    State: one entry per key, and per piece of event time `within` long; it goes when the watermark is three times
    `within` past the piece. Which row is the first depends on the order of arrival (Flink: deduplication by
    processing time, keep first, which forgets by the clock).

    Attributes:
        input: The rows.
        keys: The columns that make two rows duplicates.
        within: Microseconds of event time, or None.
        spelling: The verb that the user wrote: `dedup` or `distinct`.
        ttl: How long a key is kept after the row that was sent; None = for ever, or as `within` says.
    """

    verb: ClassVar[str] = "dedup"
    refuses: ClassVar[tuple[str, ...]] = ("late",)
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...]
    within: int | None = None
    spelling: str = "dedup"
    ttl: TimeToLive | None = None

    def derive(self) -> Facts:
        """As the input."""
        below = self.input.facts
        if not self.keys:
            raise PlanError(f"{self.spelling} needs columns that make two rows equal", hint='such as .dedup("id")')
        if below.mode == UPDATING:
            raise PlanError(
                f"the rows of a Table change, and {self.spelling} sends the first for good",
                hint="put it before the verb that makes the Table",
            )
        key_fields(below.schema, self.keys)
        if self.within is not None:
            if self.within <= 0:
                raise PlanError("dedup needs a span of time: within is more than zero")
            if below.time is None or not below.watermarked:
                raise PlanError(
                    "within is a span of event time, and this stream has none",
                    hint="ps.read(..., event_time=...), or .with_event_time(...); a select that drops it loses it",
                )
            if self.ttl is not None:
                raise PlanError("within says how long keys are kept: a time-to-live would say it again")
        check_ttl(self.ttl, below)
        return replace(
            below,
            deterministic=below.deterministic and (self.ttl is None or self.ttl.clock == EVENT),
            order_sensitive=set(self.keys) != set(below.schema.names),
        )

    def describe(self) -> str:
        """The keys, and within what."""
        span = "" if self.within is None else f" within {self.within / 1e6:g} s"
        kept = f", kept {self.ttl.since('the row that was sent')}" if self.ttl is not None else ""
        return f"by {', '.join(self.keys)}{span}{kept}"

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever, for people; None if nothing does."""
        return (
            None
            if self.within is not None or self.ttl is not None
            else f"one entry per {', '.join(self.keys)}, for ever"
        )

    def needs(self, used: set[str]) -> list[set[str]]:
        """The keys, the time, and what is used."""
        times = {str(self.input.facts.time)} if self.within is not None else time_needed(self.ttl, self.input.facts)
        return [used | set(self.keys) | times]

    def meaning(self) -> Meaning:
        """See `DedupMeaning`."""
        return DedupMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `DedupExecutor`."""
        from penstock.operators.dedup_execution import DedupExecutor

        return DedupExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class DedupMeaning(Meaning):
    """Remember the times of all rows that were sent, by key, and look through them."""

    def __init__(self, node: Dedup) -> None:
        self.keys, self.within = node.keys, node.within
        self.time, self.shift = node.input.facts.time, node.input.facts.time_shift
        self.sent: dict[tuple[Any, ...], list[int]] = {}
        self.lives = PlainExpiry(node.ttl, node.input.facts)

    def tick(self, now: int) -> Iterable[Emission]:
        """See `Meaning.tick`."""
        self.lives.now = now
        return ()

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """One row in, one or none out."""
        key, instant = plain_key(row.values, self.keys), 0
        if self.lives.over(key, row):
            del self.sent[key]
        if self.within is not None:
            instant = from_datetime(row.values[str(self.time)]) + self.shift
            if instant + self.within <= row.watermark:
                return [("late", row)]
        near = (self.within is None or abs(instant - other) < self.within for other in self.sent.get(key, ()))
        if any(near):
            return []
        self.sent.setdefault(key, []).append(instant)
        self.lives.count(key, row)
        return [("out", row)]


# -- Execution -----------------------------------------------------------------
# See `operators/dedup_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
