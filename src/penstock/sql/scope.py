"""What names mean: relations, their columns, and how a name finds its column. Names are case-sensitive."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from penstock.core.dtypes import DType, Struct
from penstock.core.errors import PlanError
from penstock.expr.ast import Column, Term
from penstock.expr.infer import Typed
from penstock.plan.node import Node
from penstock.sql.syntax import Ident, Name
from penstock.sql.text import Text

START, END, TIME, RANK, PROCTIME = "start", "end", "time", "rank", "proctime"


@dataclass(frozen=True)
class ScopeColumn:
    """A column that a name can find.

    Attributes:
        name: Its name in SQL.
        term: Its value over the rows of the relation's node.
        dtype: Its type.
        nullable: Whether it may be NULL.
        table: The name of the table that it belongs to, or None.
        role: `start`, `end` or `time` of a window, `rank` of a row number, `proctime`; else empty.
        shown: Whether `*` gives it.
    """

    name: str
    term: Term
    dtype: DType
    nullable: bool = True
    table: str | None = None
    role: str = ""
    shown: bool = True

    @property
    def typed(self) -> Typed:
        """The value as a typed term."""
        return Typed(self.term, self.dtype, self.nullable)


@dataclass(frozen=True)
class Related:
    """Rows with named columns.

    Attributes:
        node: The rows.
        columns: What names find in them.
        window: Windows that rows were assigned to and that no operator has used yet: a `PendingWindow`, or None.
        rank: A row number that no filter has used yet: a `PendingRank`, or None.
        used: The windows of rows that were made per window, for window joins and Top-N per window.
        versioned: The name of the table if it is one by itself, for what is said of tables.
    """

    node: Node
    columns: tuple[ScopeColumn, ...]
    window: Any = None
    rank: Any = None
    used: Any = None
    versioned: Any = None
    extras: dict[str, Any] = field(default_factory=dict, compare=False)

    def renamed(self, table: str | None, names: tuple[Ident, ...], text: Text, at: int) -> Related:
        """Under another name, perhaps with other names of columns."""
        shown = [one for one in self.columns if one.shown]
        if names and len(names) != len(shown):
            raise text.error(f"there are {len(shown)} columns and {len(names)} names for them", at)
        given = {id(one): name.name for one, name in zip(shown, names, strict=False)}
        columns = tuple(
            replace(one, table=table or one.table, name=given.get(id(one), one.name)) for one in self.columns
        )
        return replace(self, columns=columns)

    def by_role(self, role: str) -> ScopeColumn | None:
        """The column of a role."""
        return next((one for one in self.columns if one.role == role), None)

    @property
    def time(self) -> str | None:
        """The physical column of event time."""
        return self.node.facts.time

    def is_time(self, column: ScopeColumn) -> bool:
        """Whether a column is the event time."""
        return column.role == TIME or (isinstance(column.term, Column) and column.term.name == self.time)


@dataclass(frozen=True)
class Scope:
    """The names of one query, and those of the query around it.

    Attributes:
        related: The rows.
        outer: The scope around a subquery, or None.
        joined: Whether names of the scope around may be used: the two are about to be joined.
    """

    related: Related
    outer: Scope | None = None
    joined: bool = False

    @property
    def columns(self) -> tuple[ScopeColumn, ...]:
        """The columns."""
        return self.related.columns

    @property
    def tables(self) -> list[str]:
        """The names of the tables."""
        return list(dict.fromkeys(one.table for one in self.columns if one.table))

    def find(self, name: Name, text: Text) -> tuple[ScopeColumn, tuple[Ident, ...]]:
        """The column that a name means, and the fields behind it.

        Raises:
            UnknownNameError: If there is none.
            PlanError: If there are several.
        """
        first, *rest = name.parts
        if rest and first.name in self.tables:
            column = self._in_table(first.name, rest[0], text)
            return column, tuple(rest[1:])
        found = [one for one in self.columns if one.name == first.name and (one.shown or one.role)]
        if len(found) > 1:
            tables = [f"{one.table}.{one.name}" for one in found if one.table]
            raise text.error(
                f'the name "{first.name}" is in several tables', first.at, first.end, hint=f"say {' or '.join(tables)}"
            )
        if found:
            return found[0], tuple(rest)
        if self.outer is not None and self._in_outer(name):
            if self.joined:
                return self.outer.find(name, text)
            raise OuterColumnError(name)
        raise self._unknown(name, text)

    def _in_outer(self, name: Name) -> bool:
        scope = self.outer
        first = name.parts[0].name
        while scope is not None:
            if any(one.name == first for one in scope.columns) or (len(name.parts) > 1 and first in scope.tables):
                return True
            scope = scope.outer
        return False

    def _in_table(self, table: str, column: Ident, text: Text) -> ScopeColumn:
        mine = [one for one in self.columns if one.table == table]
        found = [one for one in mine if one.name == column.name]
        if not found:
            raise text.unknown("column", column.name, [one.name for one in mine], column.at, inside=table)
        if len(found) > 1:
            raise text.error(f'"{table}" has several columns "{column.name}"', column.at, column.end)
        return found[0]

    def _unknown(self, name: Name, text: Text) -> PlanError:
        first, *rest = name.parts
        tables = self.tables
        if rest:
            known = [*tables, *(one.name for one in self.columns if isinstance(one.dtype, Struct))]
            return text.unknown("table or row", first.name, known, first.at)
        label = tables[0] if len(tables) == 1 else None
        return text.unknown("column", first.name, [one.name for one in self.columns], first.at, inside=label)


class OuterColumnError(PlanError):
    """A name that belongs to the query around a subquery."""

    def __init__(self, name: Name) -> None:
        super().__init__(f'"{".".join(p.name for p in name.parts)}" belongs to the query around this one')
        self.name = name
