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
from penstock.plan.node import UPDATING, Facts, Node

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Dedup(Executable):
    """Of each key the first row to arrive; later ones end here.

    With `within`, a row is a duplicate if a row of its key that was sent lies less than that before or after it in
    event time, so that the state can be forgotten: a row that is `within` or more behind the watermark of its split
    leaves by `late`, since nobody could tell any more. Without, every key is remembered for ever. Null is a key.
    Rows keep their order.
    State: one entry per key, and per piece of event time `within` long; it goes when the watermark is three times
    `within` past the piece. Which row is the first depends on the order of arrival (Flink: deduplication by
    processing time, keep first, which forgets by the clock).

    Attributes:
        input: The rows.
        keys: The columns that make two rows duplicates.
        within: Microseconds of event time, or None.
        spelling: The verb that the user wrote: `dedup` or `distinct`.
    """

    verb: ClassVar[str] = "dedup"
    refuses: ClassVar[tuple[str, ...]] = ("late",)
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...]
    within: int | None = None
    spelling: str = "dedup"

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
        return replace(below, order_sensitive=set(self.keys) != set(below.schema.names))

    def describe(self) -> str:
        """The keys, and within what."""
        span = "" if self.within is None else f" within {self.within / 1e6:g} s"
        return f"by {', '.join(self.keys)}{span}"

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever, for people; None if nothing does."""
        return None if self.within is not None else f"one entry per {', '.join(self.keys)}, for ever"

    def needs(self, used: set[str]) -> list[set[str]]:
        """The keys, the time, and what is used."""
        return [used | set(self.keys) | ({str(self.input.facts.time)} if self.within is not None else set())]

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

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """One row in, one or none out."""
        key, instant = plain_key(row.values, self.keys), 0
        if self.within is not None:
            instant = from_datetime(row.values[str(self.time)]) + self.shift
            if instant + self.within <= row.watermark:
                return [("late", row)]
        near = (self.within is None or abs(instant - other) < self.within for other in self.sent.get(key, ()))
        if any(near):
            return []
        self.sent.setdefault(key, []).append(instant)
        return [("out", row)]


# -- Execution -----------------------------------------------------------------
# See `operators/dedup_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
