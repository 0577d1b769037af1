"""The first rows of each key in an order: a Table that changes with the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.dtypes import Int64
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.expr.function import NotOnFlink
from penstock.operators.aggregation import key_fields, plain_key
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.plan.node import UPDATING, Facts, Node
from penstock.plan.ordering import SortKey, compare_values, row_order
from penstock.state.kinds import check_kept

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class TopN(Executable):
    """The rows of some ranks of each key: a Table.

    Without a rank column only rows that enter and leave are sent. With one, every row whose rank shifts is sent anew.
    Rows that are equal in the order are ranked as they came; those of a Table by their other columns, since
    how often a row was taken back and came again must not be seen (Flink ranks them by arrival). One step
    sends what has changed since the step before. Source of the rules: Flink's Top-N.
    State: the rows up to the last rank per key; of a Table, whose rows may go, all its rows.

    Attributes:
        input: The rows.
        keys: The key columns; none = one ranking for all.
        by: The order.
        first: The first rank that is given, from 1.
        last: The last one.
        rank: The name of a column for the rank, or None.
    """

    verb: ClassVar[str] = "top_n"
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...]
    by: tuple[SortKey, ...]
    last: int
    first: int = 1
    rank: str | None = None

    def derive(self) -> Facts:
        """The input's columns, and the rank; updating."""
        below = self.input.facts
        key_fields(below.schema, self.keys)
        key_fields(below.schema, [key.column for key in self.by])
        if not 1 <= self.first <= self.last:
            raise PlanError(f"top_n takes ranks from 1 on, found {self.first} to {self.last}")
        check_kept(below.schema)
        if below.mode == UPDATING:
            key_fields(below.schema, below.schema.names)
        key = below.key
        if self.first == self.last and key is None:
            key = self.keys
        schema = below.schema
        if self.rank is not None:
            if self.rank in schema:
                raise PlanError(f'top_n makes a column "{self.rank}", and there is one already')
            schema = Schema((*schema.fields, Field(self.rank, Int64, nullable=False)))
            key = (*self.keys, self.rank)
        return Facts(
            schema=schema,
            mode=UPDATING,
            key=key,
            bounded=below.bounded,
            deterministic=below.deterministic,
            order_sensitive=below.mode != UPDATING,
        )

    def describe(self) -> str:
        """Ranks, order and keys."""
        ranks = f"{self.last}" if self.first == 1 else f"{self.first} to {self.last}"
        return f"{ranks} by {', '.join(map(str, self.by)) or 'arrival'} of each {', '.join(self.keys) or 'stream'}"

    @property
    def order(self) -> tuple[SortKey, ...]:
        """The whole order: of a Table the columns that are left decide last."""
        if self.input.facts.mode != UPDATING:
            return self.by
        named = {key.column for key in self.by}
        return (*self.by, *(SortKey(name) for name in self.input.schema.names if name not in named))

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever, for people; None if nothing does."""
        if self.input.facts.mode == UPDATING:
            return "all rows of its input, as long as they are there"
        return f"{self.last} row(s) per {', '.join(self.keys)}, for ever" if self.keys else None

    def needs(self, used: set[str]) -> list[set[str]]:
        """Keys, order and what is used; of a Table all columns, which tell its rows apart."""
        if self.input.facts.mode == UPDATING:
            return [set(self.input.schema.names)]
        below = used - ({self.rank} if self.rank else set())
        return [below | set(self.keys) | {key.column for key in self.by}]

    def meaning(self) -> Meaning:
        """See `TopNMeaning`."""
        return TopNMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `TopNExecutor`."""
        from penstock.operators.top_n_execution import TopNExecutor

        return TopNExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class TopNMeaning(Meaning):
    """All rows of each key in a sorted list; after each row the ranks before and after are compared."""

    def __init__(self, node: TopN) -> None:
        self.node, self.order = node, node.order
        self.groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """One row in, what has changed in its key out."""
        key = plain_key(row.values, self.node.keys)
        rows = self.groups.setdefault(key, [])
        before = self._shown(rows)
        if row.diff > 0:
            rows.append(dict(row.values))
            rows.sort(key=row_order(self.order))
        else:
            rows.remove(next(other for other in rows if self._equal(other, row.values)))
        after = self._shown(rows)
        yield from (("out", Row(one, -1)) for one in before if not any(one == other for other in after))
        yield from (("out", Row(one, 1)) for one in after if not any(one == other for other in before))
        yield from self._repeated(before, after)

    def _repeated(self, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[Emission]:
        """Equal rows of which there are more or fewer than before."""
        for number, one in enumerate(after):
            if one in before and one not in after[:number]:
                more = after.count(one) - before.count(one)
                for _ in range(abs(more)):
                    yield "out", Row(one, 1 if more > 0 else -1)

    def _equal(self, one: dict[str, Any], other: dict[str, Any]) -> bool:
        return all(compare_values(one[name], other[name], SortKey(name)) == 0 for name in one)

    def _shown(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        chosen = rows[self.node.first - 1 : self.node.last]
        if self.node.rank is None:
            return chosen
        return [{**row, self.node.rank: self.node.first + i} for i, row in enumerate(chosen)]


# -- Execution -----------------------------------------------------------------
# See `operators/top_n_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
