"""Running aggregates by key: a Table that changes with every row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.schema import Schema
from penstock.expr.function import NotOnFlink, RowFault
from penstock.operators.aggregation import (
    Named,
    PlainAggregate,
    aggregate_fields,
    describe,
    deterministic,
    key_fields,
    order_sensitive,
    plain_key,
    results_of,
)
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.operators.lives import PlainExpiry, check_ttl, time_needed
from penstock.plan.node import UPDATING, Facts, Node
from penstock.plan.ttl import EVENT, TimeToLive

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Group(Executable):
    """One row per key, with aggregates over all rows of the key so far: a Table.

    A key whose rows are all taken back (of a Table below) goes. One step sends at most one change per key.
    State: one entry per key, for ever, unless the state has a time-to-live.

    With a time-to-live a key is forgotten once it has had no row for so long, as Flink does: nothing is sent then, a
    sink keeps its row, and a later row of the key begins it anew, with an insert. By event time the instant of a row is
    the later of its time and of its split's watermark before it; by processing time it is the clock of its step. A row
    `ttl` or more behind the greatest instant of its key finds it forgotten: that depends on the rows, and not on when
    memory is freed, which is soon after the watermark, or the clock, has come so far. A row that is taken back and
    whose key is not there leaves by `errors`; of a key that has begun anew it is taken all the same.

    A key whose sum does not fit its type has no row until it fits again. The row after which that is so leaves by
    `errors`; it is counted all the same. Which rows these are depends on the order of rows, not on the steps.

    Attributes:
        input: The rows.
        keys: The key columns; none = one row for all.
        aggregates: The aggregates by the names of their columns.
        ttl: How long a key is kept after its last row; None = for ever.
    """

    verb: ClassVar[str] = "group"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...]
    aggregates: Named
    ttl: TimeToLive | None = None

    def derive(self) -> Facts:
        """Key columns and aggregates; updating, keyed by the keys."""
        below = self.input.facts
        fields = key_fields(below.schema, self.keys)
        updating = below.mode == UPDATING
        check_ttl(self.ttl, below)
        made = aggregate_fields(below.schema, self.aggregates, updating=updating, grouped=True)
        return Facts(
            schema=Schema((*fields, *made)),
            mode=UPDATING,
            key=self.keys,
            bounded=below.bounded,
            deterministic=below.deterministic
            and deterministic(self.aggregates)
            and (self.ttl is None or self.ttl.clock == EVENT),
            order_sensitive=order_sensitive(self.aggregates),
        )

    def describe(self) -> str:
        """Keys and aggregates."""
        kept = f", kept {self.ttl}" if self.ttl is not None else ""
        return f"by {', '.join(self.keys) or 'nothing'}: {describe(self.aggregates)}{kept}"

    def needs(self, used: set[str]) -> list[set[str]]:
        """The keys, what is aggregated, and the time by which keys expire."""
        found = set(self.keys) | {name for _, term in self.aggregates for name in term.columns()}
        return [found | time_needed(self.ttl, self.input.facts)]

    def meaning(self) -> Meaning:
        """See `GroupMeaning`."""
        return GroupMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `GroupExecutor`."""
        from penstock.operators.group_execution import GroupExecutor

        return GroupExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class GroupMeaning(Meaning):
    """After each row, the row of its key is taken back and given anew, if it changed."""

    def __init__(self, node: Group) -> None:
        self.keys = node.keys
        self.aggregates = [PlainAggregate(name, term, node.input.schema) for name, term in node.aggregates]
        self.groups: dict[tuple[Any, ...], tuple[int, dict[str, Any], list[Any]]] = {}
        self.lives = PlainExpiry(node.ttl, node.input.facts)

    def tick(self, now: int) -> Iterable[Emission]:
        """See `Meaning.tick`."""
        self.lives.now = now
        return ()

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """One row in, the change of its key out."""
        try:
            arguments = [aggregate.arguments(row.values) for aggregate in self.aggregates]
        except RowFault:
            yield "errors", row
            return
        key = plain_key(row.values, self.keys)
        if self.lives.over(key, row):
            self.groups.pop(key, None)
        if self.lives.ttl is not None and row.diff < 0 and key not in self.groups:
            yield "errors", row
            return
        self.lives.count(key, row)
        empty = (0, {name: row.values[name] for name in self.keys}, [a.start() for a in self.aggregates])
        count, names, states = self.groups.get(key, empty)
        before = results_of(self.aggregates, states) if count else {}
        if count and before is not None:
            yield "out", Row({**names, **before}, -1)
        states = [a.add(s, args, row.diff) for a, s, args in zip(self.aggregates, states, arguments, strict=True)]
        count += row.diff
        if count:
            self.groups[key] = (count, names, states)
            after = results_of(self.aggregates, states)
            if after is not None:
                yield "out", Row({**names, **after}, 1)
            elif before is not None:
                yield "errors", row
        else:
            self.groups.pop(key)
            self.lives.forget(key)


# -- Execution -----------------------------------------------------------------
# See `operators/group_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
