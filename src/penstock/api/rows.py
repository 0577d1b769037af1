"""Verbs that choose among rows: `dedup`, `distinct`, `as_table`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.api.columns import names_of
from penstock.core.errors import PlanError
from penstock.core.timespan import duration
from penstock.core.where import caller
from penstock.expr.build import term_of
from penstock.operators.as_table import AsTable
from penstock.operators.dedup import Dedup
from penstock.operators.group import Group
from penstock.plan.node import UPDATING, Node

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
        return _handle(Dedup(input=self.node, keys=names, within=span, where=caller()))

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


def _handle(node: Node) -> Any:
    # The handles know of these verbs and the verbs of handles: one of the two is found by name.
    made: Stream = importlib.import_module("penstock.api.stream").stream(node)
    return made
