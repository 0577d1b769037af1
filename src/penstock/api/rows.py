"""Verbs that choose among rows: `dedup`, `distinct`, `as_table`, `sort`, `top_n`."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.api.columns import flat, names_of, replaced
from penstock.core.errors import PlanError
from penstock.core.timespan import duration
from penstock.core.where import caller
from penstock.expr.ast import Column, Term
from penstock.expr.build import term_of
from penstock.operators.as_table import AsTable
from penstock.operators.dedup import Dedup
from penstock.operators.group import Group
from penstock.operators.limit import Limit
from penstock.operators.select import Select
from penstock.operators.sort import Sort
from penstock.operators.top_n import TopN
from penstock.plan.node import UPDATING, Node
from penstock.plan.ordering import SortKey

if TYPE_CHECKING:
    from penstock.api.stream import Stream, Table

S = TypeVar("S", bound="RowVerbs")


class RowVerbs:
    """What `Stream` can do with whole rows."""

    node: Node

    def dedup(self, *keys: Any, within: Any = None, keep: str = "first", by: Any = None) -> Any:
        """One row per key; see `Dedup` for the first and `AsTable` for the last.

        Args:
            *keys: The columns that make two rows duplicates.
            within: A span of event time: rows of a key that are further apart are no duplicates. Without it every
                key is remembered for ever.
            keep: `"first"` gives a Stream; `"last"` a Table, in which a row takes the place of the one before.
            by: None = in order of arrival; the event-time column = in order of time. The first by time is sent when
                the watermark has passed it. The last may be by any column.

        Raises:
            PlanError: If the columns do not exist, or the rows are a Table's.
        """
        names = names_of(keys, "dedup")
        column = names_of([by], "by")[0] if by is not None else None
        if keep not in ("first", "last"):
            raise PlanError(f'keep is "first" or "last", found {keep!r}', where=caller())
        span = duration(within) if within is not None else None
        if keep == "last":
            if span is not None:
                hint = "the rows of a Table stay until they are deleted"
                raise PlanError('within goes with keep="first"', where=caller(), hint=hint)
            return _handle(AsTable(input=self.node, keys=names, by=column, spelling="dedup", where=caller()))
        node = self.node
        if column is not None:
            if column != node.facts.time:
                hint = f'"{node.facts.time}", or keep="last"' if node.facts.time else "ps.read(..., event_time=...)"
                raise PlanError(f'the first by "{column}" needs it as the event time', where=caller(), hint=hint)
            node = Sort(input=node, by=(SortKey(column),), where=caller())
        return _handle(Dedup(input=node, keys=names, within=span, where=caller()))

    def sort(self: S, *by: Any, descending: Any = False, nulls: Any = None) -> S:
        """Rows in order: by event time as the watermark passes, by anything else at the end; see `Sort`.

        Args:
            *by: Columns or expressions, the first decides first.
            descending: Whether the greatest come first; one for all, or one for each of `by`.
            nulls: `"first"` or `"last"`; None = null is the least value, as in Flink.

        Raises:
            PlanError: If columns do not exist, the rows are a Table's, or never end and the order is not that of time.
        """
        node, order = ordered(self.node, by, descending, nulls, "sort")
        made: Node = Sort(input=node, by=order, where=caller())
        if node is not self.node:
            columns = tuple((name, Column(name)) for name in self.node.schema.names)
            made = Select(input=made, columns=columns, spelling="sort", where=caller())
        rows: S = _handle(made)
        return rows

    def limit(self: S, n: int) -> S:
        """The first rows to arrive, and then the end; see `Limit`. Of a Table, `n` rows in the order of its columns.

        Raises:
            PlanError: If the number is not one of rows.
        """
        rows_of("limit", n)
        node: Node
        if self.node.facts.mode == UPDATING:
            node = TopN(input=self.node, keys=(), by=(), last=n, where=caller())
        else:
            node = Limit(input=self.node, rows=n, where=caller())
        made: S = _handle(node)
        return made

    def distinct(self: S, *, within: Any = None) -> S:
        """Each whole row once; of a Table, each row once however often it is there.

        Args:
            within: Of a Stream: a span of event time, as for `dedup`.
        """
        names = self.node.schema.names
        if self.node.facts.mode == UPDATING:
            if within is not None:
                raise PlanError("within is for a Stream; the rows of a Table go by themselves", where=caller())
            made: S = _handle(Group(input=self.node, keys=names, aggregates=(), where=caller()))
            return made
        span = duration(within) if within is not None else None
        first: S = _handle(Dedup(input=self.node, keys=names, within=span, spelling="distinct", where=caller()))
        return first

    def as_table(self, *keys: Any, delete: Any = None, op: Any = None) -> Table:
        """The last row of each key, as a Table; see `AsTable`.

        Args:
            *keys: The key of the Table.
            delete: A condition; a row for which it is true takes the row of its key away.
            op: A column that says what each row is, `+I`, `-U`, `+U` or `-D`, as `changelog()` makes it.

        Raises:
            PlanError: If the columns do not exist, or the rows are a Table's already.
        """
        condition = term_of(delete) if delete is not None else None
        column = names_of([op], "op")[0] if op is not None else None
        names = names_of(keys, "as_table")
        table: Table = _handle(AsTable(input=self.node, keys=names, delete=condition, op=column, where=caller()))
        return table


class RankVerbs:
    """What `group_by(...)` can do with the rows of each key in an order."""

    node: Node
    keys: tuple[str, ...]

    def top_n(
        self, n: int, *, by: Any, descending: Any = True, nulls: Any = None, rank: str | None = None, offset: int = 0
    ) -> Table:
        """The first `n` rows of each key in an order, as a Table; see `TopN`.

        Args:
            n: How many.
            by: Columns or expressions, the first decides first.
            descending: Whether the greatest come first; one for all, or one for each of `by`.
            nulls: `"first"` or `"last"`; None = null is the least value, as in Flink.
            rank: The name of a column for the rank, from 1; without it ranks are not sent, which is cheaper.
            offset: How many ranks to leave out before.

        Raises:
            PlanError: If columns do not exist, or a number is not one of rows.
        """
        rows_of("top_n", n)
        if offset < 0:
            raise PlanError(f"offset is a number of ranks from 0, found {offset}", where=caller())
        node, order = ordered(self.node, by, descending, nulls, "top_n")
        made: Node = TopN(
            input=node, keys=self.keys, by=order, first=offset + 1, last=offset + n, rank=rank, where=caller()
        )
        if node is not self.node:
            names = (*self.node.schema.names, *([rank] if rank else []))
            columns = tuple((name, Column(name)) for name in names)
            made = Select(input=made, columns=columns, spelling="top_n", where=caller())
        table: Table = _handle(made)
        return table


def ordered(node: Node, by: Any, descending: Any, nulls: Any, verb: str) -> tuple[Node, tuple[SortKey, ...]]:
    """The rows with what they are ordered by as columns, and the order.

    Raises:
        PlanError: If what is said of the order does not fit together.
    """
    items = list(flat([by]))
    ways = list(flat([descending])) if isinstance(descending, (list, tuple)) else [descending] * len(items)
    if len(ways) != len(items) or not all(isinstance(way, bool) for way in ways):
        raise PlanError(f"descending is true or false, or one for each of by, found {descending!r}", where=caller())
    if nulls not in (None, "first", "last"):
        raise PlanError(f'nulls is "first" or "last", found {nulls!r}', where=caller())
    if not items:
        raise PlanError(f"{verb} needs an order", where=caller(), hint=f'such as .{verb}(..., by="score")')
    terms = [Column(item) if isinstance(item, str) else term_of(item) for item in items]
    computed: list[tuple[str, Term]] = []
    keys = []
    for term, way in zip(terms, ways, strict=True):
        if isinstance(term, Column):
            name = term.name
        else:
            name = free_name("_by", (*node.schema.names, *dict(computed)))
            computed.append((name, term))
        keys.append(SortKey(name, way, nulls == "first" if nulls else not way))
    if computed:
        columns = replaced(node.schema, tuple(computed))
        node = Select(input=node, columns=columns, spelling=verb, where=caller())
    return node, tuple(keys)


def rows_of(verb: str, n: Any) -> int:
    """A number of rows.

    Raises:
        PlanError: If it is none.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise PlanError(f"{verb} takes a number of rows from 1, found {n!r}", where=caller())
    return n


def free_name(start: str, taken: Iterable[str]) -> str:
    """A column name that nobody has."""
    names = set(taken)
    return next(name for i in itertools.count() if (name := f"{start}{i}") not in names)


def _handle(node: Node) -> Any:
    # The handles know of these verbs and the verbs of handles: one of the two is found by name.
    made: Stream = importlib.import_module("penstock.api.stream").stream(node)
    return made
