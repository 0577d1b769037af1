"""Tables of CREATE TABLE as rows: physical columns, computed ones, the event time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from penstock.core.dtypes import Datetime
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.core.timespan import MINUTE
from penstock.expr.ast import Column
from penstock.operators.read import Read
from penstock.operators.select import Select as SelectNode
from penstock.operators.watermark import Watermark
from penstock.plan.node import Node
from penstock.plan.watermark import HOLD, Bounded, Silence
from penstock.sql import functions
from penstock.sql.bind_expression import Expressions
from penstock.sql.changes import changes
from penstock.sql.connectors import Table
from penstock.sql.metadata import metadata_of
from penstock.sql.own_options import silence as silence_of
from penstock.sql.scope import PROCTIME, Related, Scope, ScopeColumn
from penstock.sql.statements import (
    ColumnDefinition,
)
from penstock.sql.syntax import (
    Call,
    Interval,
    Name,
)
from penstock.sql.text import Text
from penstock.sql.types import dtype_of

FOREVER = MINUTE * 60 * 24 * 365 * 100
"""A silent split holds the watermark back for so long: no time-out was set."""


@dataclass(frozen=True)
class Declared:
    """A table that was declared.

    Attributes:
        table: Its connector and options.
        session: The zone.
        idle: After how many microseconds a silent split no longer holds the watermark back; None = never.
    """

    table: Table
    session: functions.Session
    idle: int | None = None

    @property
    def text(self) -> Text:
        """The text of the statement."""
        return self.table.text

    @cached_property
    def physical(self) -> Schema:
        """The columns that are read and written; metadata is none of them."""
        text, statement = self.text, self.table.statement
        fields: list[Field] = []
        for one in statement.columns:
            if one.type is not None and not one.is_metadata:
                dtype = dtype_of(one.type, self.session.zone)
                if any(field.name == one.name for field in fields):
                    raise text.error(f'two columns have the name "{one.name}"', one.at, one.at + len(one.name))
                fields.append(Field(one.name, dtype, one.type.nullable))
        if not fields:
            raise text.error(f'the table "{statement.name}" has no columns', statement.at, statement.at + 12)
        try:
            return Schema(tuple(fields))
        except PlanError as refused:
            raise refused.at(text.where(statement.at)) from None

    @cached_property
    def metadata(self) -> dict[str, tuple[str, Field]]:
        """The columns that are metadata: what each is, and its field."""
        return metadata_of(self.table, self.session.zone)

    @property
    def readable(self) -> Schema:
        """The columns that are read, metadata too."""
        return Schema((*self.physical, *(field for _, field in self.metadata.values())))

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The primary key."""
        names = [one.name for one in self.table.statement.columns]
        for one in self.table.statement.key:
            if one.name not in names:
                raise self.text.unknown("column", one.name, names, one.at)
        return tuple(one.name for one in self.table.statement.key)

    @cached_property
    def related(self) -> Related:
        """The rows of the table.

        Raises:
            PlanError: If it cannot be read from.
        """
        statement, text = self.table.statement, self.text
        place = text.where(statement.at, statement.at + len("CREATE TABLE"))
        schema = self.readable
        node: Node
        if self.table.is_changes:
            node = changes(self.table, schema, self.key, place)
        else:
            node = Read(
                source=self.table.source(schema, {name: key for name, (key, _) in self.metadata.items()}),
                name=statement.name,
                columns=schema,
                where=place,
            )
        columns = [ScopeColumn(f.name, Column(f.name), f.dtype, f.nullable) for f in schema]
        computed = [one for one in statement.columns if one.computed is not None]
        if computed:
            node, columns = self._computed(node, columns, computed)
        if statement.watermark is not None:
            node = self._watermark(node, columns)
            columns = [
                replace(one, nullable=False) if one.term == Column(str(node.facts.time)) else one for one in columns
            ]
        order = [one.name for one in statement.columns]
        columns.sort(key=lambda one: order.index(one.name))
        return Related(node, tuple(columns), versioned=statement.name, extras={"key": self.key})

    def _computed(
        self, node: Node, columns: list[ScopeColumn], computed: list[ColumnDefinition]
    ) -> tuple[Node, list[ScopeColumn]]:
        scope = Scope(Related(node, tuple(columns)))
        made = []
        for one in computed:
            assert one.computed is not None
            if isinstance(one.computed, Call) and one.computed.name == "PROCTIME":
                dtype = Datetime("ms", self.session.zone)
                columns = [*columns, ScopeColumn(one.name, Column("$proctime"), dtype, False, None, PROCTIME)]
                continue
            binder = Expressions(self.text, scope, self.session, place="a computed column")
            value = binder.bind(one.computed)
            made.append((one.name, value.term))
            columns = [*columns, ScopeColumn(one.name, Column(one.name), value.dtype, value.nullable)]
        if made:
            passed = tuple((name, Column(name)) for name in node.schema.names)
            place = self.text.where(computed[0].at, computed[-1].end)
            node = SelectNode(input=node, columns=(*passed, *made), where=place)
            columns = [
                one if one.role or not isinstance(one.term, Column)
                else replace(one, dtype=node.schema[one.term.name].dtype, nullable=node.schema[one.term.name].nullable)
                for one in columns
            ]  # fmt: skip
        return node, columns

    def _watermark(self, node: Node, columns: list[ScopeColumn]) -> Node:
        """`WATERMARK FOR t AS t - INTERVAL '5' SECOND`: the greatest time less the interval."""
        text, defined = self.text, self.table.statement.watermark
        assert defined is not None
        if self.table.is_changes:
            raise text.unsupported(
                "a table of changes has no event time here: its rows change", defined.at, defined.end,
                hint="leave WATERMARK out",
            )  # fmt: skip
        names = [one.name for one in columns]
        if defined.column.name not in names:
            raise text.unknown("column", defined.column.name, names, defined.column.at)
        column = next(one for one in columns if one.name == defined.column.name)
        if not isinstance(column.dtype, Datetime):
            raise text.error(
                f"event time is a TIMESTAMP or TIMESTAMP_LTZ, found {functions.spelled(column.dtype)}",
                defined.column.at, defined.column.end, hint="a computed column: t AS TO_TIMESTAMP_LTZ(ms, 3)",
            )  # fmt: skip
        given = defined.expression
        by_source = isinstance(given, Call) and given.name == "SOURCE_WATERMARK" and not given.args
        policy = None if by_source else Bounded(self._delay(defined.column.name))
        idle = self.idle if self.idle is not None else FOREVER
        silence = silence_of(self.table, Silence(idle, HOLD))
        place = text.where(defined.at, defined.end)
        try:
            return Watermark(input=node, time=defined.column.name, policy=policy, silence=silence, where=place)
        except PlanError as refused:
            name = defined.column.name
            refused.hint = f"WATERMARK FOR {name} AS {name} - INTERVAL '5' SECOND" if by_source else refused.hint
            raise

    def _delay(self, column: str) -> int:
        text, defined = self.text, self.table.statement.watermark
        assert defined is not None
        match defined.expression:
            case Name(parts) if parts[-1].name == column:
                return 0
            case Call("-", (Name(parts), Interval(us, 0, _))) if parts[-1].name == column and us >= 0:
                return us
        raise text.unsupported(
            "a watermark is the column, or the column less an interval", defined.expression.at, defined.expression.end,
            hint=f"WATERMARK FOR {column} AS {column} - INTERVAL '5' SECOND",
        )  # fmt: skip
