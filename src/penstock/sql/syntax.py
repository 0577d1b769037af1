"""What a text says: frozen trees with the offsets that they come from. Equality does not look at the offsets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.sql.types import SqlType


@dataclass(frozen=True, kw_only=True)
class Syntax:
    """A piece of syntax.

    Attributes:
        at: The offset of its first character.
        end: The offset after its last.
    """

    at: int = field(default=0, compare=False, repr=False)
    end: int = field(default=0, compare=False, repr=False)


# -- expressions ---------------------------------------------------------------


@dataclass(frozen=True)
class Expression(Syntax):
    """Something with a value."""


@dataclass(frozen=True)
class Constant(Expression):
    """A literal: a Python value and the type that Flink gives it."""

    value: Any
    type: SqlType


@dataclass(frozen=True)
class Ident(Syntax):
    """A name as written."""

    name: str


@dataclass(frozen=True)
class Name(Expression):
    """A column, perhaps behind a table's name, perhaps before fields: `t.a.b`."""

    parts: tuple[Ident, ...]


@dataclass(frozen=True)
class Bound(Expression):
    """An expression that is bound already: its typed term, over the rows at hand."""

    value: Any


@dataclass(frozen=True)
class Star(Expression):
    """`*` or `t.*`."""

    table: Ident | None = None


@dataclass(frozen=True)
class Interval(Expression):
    """`INTERVAL '1' DAY`: microseconds, or months."""

    us: int
    months: int
    unit: str


@dataclass(frozen=True)
class OrderItem(Syntax):
    """One key of an order; `nulls_first` is None if it was not said."""

    expression: Expression
    descending: bool = False
    nulls_first: bool | None = None


@dataclass(frozen=True)
class Frame(Syntax):
    """The frame of a window: bounds are None for unbounded, 0 for the current row, or an expression before it."""

    kind: str
    start: Expression | None
    following: bool = False


@dataclass(frozen=True)
class Window(Syntax):
    """`OVER (PARTITION BY ... ORDER BY ... ROWS ...)`, or the name of one."""

    partition: tuple[Expression, ...] = ()
    order: tuple[OrderItem, ...] = ()
    frame: Frame | None = None
    name: str | None = None


@dataclass(frozen=True)
class Call(Expression):
    """A function or operator: `name` in capitals as Flink calls it, `-` of one argument included.

    Attributes:
        name: What is called.
        args: The arguments.
        distinct: Whether `DISTINCT` is written before them.
        filter: The condition of `FILTER (WHERE ...)`.
        over: The window of `OVER`.
        words: Keywords among the arguments, such as the unit of `EXTRACT`.
        clauses: What is said behind the arguments of JSON functions, by the names of the library's options: a text
            (`on_empty`: `NULL`), an expression (`default_error`), a type (`returning`).
        written: The name as it was written.
    """

    name: str
    args: tuple[Expression, ...]
    distinct: bool = False
    filter: Expression | None = None
    over: Window | None = None
    words: tuple[str, ...] = ()
    clauses: tuple[tuple[str, str | Expression | SqlType], ...] = ()
    written: str = field(default="", compare=False)


@dataclass(frozen=True)
class CaseWhen(Expression):
    """`CASE [operand] WHEN ... THEN ... ELSE ... END`."""

    operand: Expression | None
    branches: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression | None


@dataclass(frozen=True)
class CastTo(Expression):
    """`CAST` or `TRY_CAST`."""

    expression: Expression
    type: SqlType
    lenient: bool = False


@dataclass(frozen=True)
class Field(Expression):
    """A field of a row that is no plain name: `f(x).a`."""

    expression: Expression
    name: Ident


@dataclass(frozen=True)
class Scalar(Expression):
    """A query in brackets used as a value."""

    query: Query


@dataclass(frozen=True)
class Exists(Expression):
    """`EXISTS (query)`."""

    query: Query


@dataclass(frozen=True)
class InQuery(Expression):
    """`x IN (query)`; several values are a row."""

    values: tuple[Expression, ...]
    query: Query
    negated: bool = False


# -- relations -----------------------------------------------------------------


@dataclass(frozen=True)
class Alias(Syntax):
    """`AS t (a, b)`."""

    name: str
    columns: tuple[Ident, ...] = ()


@dataclass(frozen=True)
class Hint(Syntax):
    """`/*+ NAME(...) */`: positional texts, and options."""

    name: str
    items: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Relation(Syntax):
    """Something in FROM."""


@dataclass(frozen=True)
class TableName(Relation):
    """A table or view by name, perhaps `FOR SYSTEM_TIME AS OF` a time."""

    path: tuple[Ident, ...]
    alias: Alias | None = None
    as_of: Expression | None = None
    hints: tuple[Hint, ...] = ()


@dataclass(frozen=True)
class Derived(Relation):
    """A query in brackets."""

    query: Query
    alias: Alias | None = None
    lateral: bool = False


@dataclass(frozen=True)
class TableFunction(Relation):
    """`TABLE(f(...))`, `LATERAL TABLE(f(...))` or `UNNEST(...)`; `args` by their names or positions."""

    name: str
    args: tuple[tuple[str | None, Syntax], ...]
    alias: Alias | None = None
    lateral: bool = False
    ordinality: bool = False


@dataclass(frozen=True)
class TableArgument(Syntax):
    """`TABLE t` or a query as an argument, perhaps `PARTITION BY ...`."""

    relation: Relation
    partition: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Descriptor(Syntax):
    """`DESCRIPTOR(a, b)`."""

    names: tuple[Ident, ...]


@dataclass(frozen=True)
class Join(Relation):
    """Two relations; `kind` is inner, left, right, full, cross, semi or anti."""

    left: Relation
    right: Relation
    kind: str
    condition: Expression | None = None
    using: tuple[Ident, ...] = ()
    natural: bool = False


@dataclass(frozen=True)
class Quantified(Syntax):
    """A variable of a pattern: how many rows at least and at most (None = any), as few as can be if reluctant."""

    name: Ident
    least: int
    most: int | None
    reluctant: bool = False


@dataclass(frozen=True)
class Measure(Syntax):
    """`expression AS name` of MEASURES."""

    name: Ident
    expression: Expression


@dataclass(frozen=True)
class Definition(Syntax):
    """`A AS condition` of DEFINE."""

    name: Ident
    condition: Expression


@dataclass(frozen=True)
class Skip(Syntax):
    """`AFTER MATCH SKIP ...`: `past last row`, `to next row`, `to first` or `to last` row of a variable."""

    to: str
    variable: Ident | None = None


@dataclass(frozen=True)
class MatchRecognize(Relation):
    """`MATCH_RECOGNIZE (...)`: one row per match of a pattern; `skip` is None if it was not said."""

    input: Relation
    partition: tuple[Expression, ...]
    order: tuple[OrderItem, ...]
    measures: tuple[Measure, ...]
    skip: Skip | None
    pattern: tuple[Quantified, ...]
    within: Interval | None
    define: tuple[Definition, ...]
    alias: Alias | None = None
    pattern_at: tuple[int, int] = (0, 0)


# -- queries -------------------------------------------------------------------


@dataclass(frozen=True)
class Query(Syntax):
    """Something with rows."""


@dataclass(frozen=True)
class SelectItem(Syntax):
    """One item of a SELECT list."""

    expression: Expression
    alias: Ident | None = None


@dataclass(frozen=True)
class GroupItem(Syntax):
    """One item of GROUP BY: an expression, or `kind` sets, rollup or cube of lists of expressions."""

    kind: str
    lists: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True)
class Select(Query):
    """`SELECT ... FROM ...`."""

    items: tuple[SelectItem, ...]
    source: Relation | None = None
    where: Expression | None = None
    group: tuple[GroupItem, ...] | None = None
    having: Expression | None = None
    qualify: Expression | None = None
    windows: tuple[tuple[str, Window], ...] = ()
    distinct: bool = False
    hints: tuple[Hint, ...] = ()
    emit: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetOperation(Query):
    """`UNION`, `INTERSECT` or `EXCEPT`."""

    kind: str
    all: bool
    left: Query
    right: Query


@dataclass(frozen=True)
class Values(Query):
    """`VALUES (1, 'a'), (2, 'b')`."""

    rows: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True)
class Cte(Syntax):
    """One name of a WITH."""

    alias: Alias
    query: Query


@dataclass(frozen=True)
class With(Query):
    """`WITH a AS (...) query`."""

    ctes: tuple[Cte, ...]
    query: Query


@dataclass(frozen=True)
class Ordered(Query):
    """A query with `ORDER BY`, `LIMIT` and `OFFSET`."""

    query: Query
    order: tuple[OrderItem, ...] = ()
    limit: int | None = None
    offset: int = 0
