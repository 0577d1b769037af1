"""What the statements of a script say: frozen trees with the offsets that they come from."""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.sql.syntax import Expression, Ident, Query, Syntax
from penstock.sql.types import SqlType


@dataclass(frozen=True)
class Statement(Syntax):
    """One statement of a script."""


@dataclass(frozen=True)
class ColumnDefinition(Syntax):
    """A column of CREATE TABLE: of a type, computed by an expression, or from metadata."""

    name: str
    type: SqlType | None = None
    computed: Expression | None = None
    metadata: str | None = None
    is_metadata: bool = False
    virtual: bool = False
    comment: str | None = None


@dataclass(frozen=True)
class WatermarkDefinition(Syntax):
    """`WATERMARK FOR column AS expression`."""

    column: Ident
    expression: Expression


@dataclass(frozen=True)
class Option(Syntax):
    """`'key' = 'value'`."""

    key: str
    value: str
    value_at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class CreateTable(Statement):
    """`CREATE [TEMPORARY] TABLE`."""

    name: str
    columns: tuple[ColumnDefinition, ...]
    watermark: WatermarkDefinition | None = None
    key: tuple[Ident, ...] = ()
    partitioned: tuple[Ident, ...] = ()
    options: tuple[Option, ...] = ()
    like: Ident | None = None
    like_options: tuple[str, ...] = ()
    query: Query | None = None
    if_not_exists: bool = False
    comment: str | None = None


@dataclass(frozen=True)
class CreateView(Statement):
    """`CREATE [TEMPORARY] VIEW`."""

    name: str
    columns: tuple[Ident, ...]
    query: Query
    if_not_exists: bool = False


@dataclass(frozen=True)
class CreateFunction(Statement):
    """`CREATE FUNCTION f AS 'module.name' LANGUAGE PYTHON`."""

    name: str
    target: str
    language: str
    if_not_exists: bool = False


@dataclass(frozen=True)
class Insert(Statement):
    """`INSERT INTO t [(columns)] query`."""

    table: Ident
    columns: tuple[Ident, ...]
    query: Query
    overwrite: bool = False
    conflict: str | None = None


@dataclass(frozen=True)
class QueryStatement(Statement):
    """A query by itself."""

    query: Query


@dataclass(frozen=True)
class SetOption(Statement):
    """`SET 'key' = 'value'`; without a key it shows all."""

    key: str | None
    value: str = ""
    value_at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class ResetOption(Statement):
    """`RESET 'key'`, or all."""

    key: str | None


@dataclass(frozen=True)
class Explain(Statement):
    """`EXPLAIN [details] statement`."""

    statement: Statement
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Describe(Statement):
    """`DESCRIBE t`."""

    table: Ident


@dataclass(frozen=True)
class Show(Statement):
    """`SHOW TABLES` and the like; `like` is a pattern of names, or of those that are not wanted (`negated`)."""

    what: str
    table: Ident | None = None
    like: str | None = None
    negated: bool = False


@dataclass(frozen=True)
class Use(Statement):
    """`USE CATALOG default_catalog`: there is no other, so that it changes nothing."""


@dataclass(frozen=True)
class Drop(Statement):
    """`DROP TABLE [IF EXISTS] t`."""

    kind: str
    name: Ident
    if_exists: bool = False


@dataclass(frozen=True)
class StatementSet(Statement):
    """INSERTs that belong together."""

    inserts: tuple[Insert, ...]
