"""Terms: what an expression is. Frozen values with plain equality; `build.Expr` is how users write them."""

from __future__ import annotations

import datetime as dt
import decimal
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from penstock.core.dtypes import (
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float64,
    Int64,
    List,
    Map,
    Null,
    String,
    Struct,
    Time,
)
from penstock.core.errors import PlanError
from penstock.core.where import caller
from penstock.expr.signatures import common_of


@dataclass(frozen=True)
class Term:
    """A node of an expression."""

    @property
    def children(self) -> tuple[Term, ...]:
        """The terms directly inside."""
        return ()

    def walk(self) -> Iterator[Term]:
        """This term and all inside it, outermost first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def columns(self) -> set[str]:
        """The names of the columns that the term reads."""
        return {term.name for term in self.walk() if isinstance(term, Column)}

    def rewrite(self, change: Callable[[Term], Term]) -> Term:
        """The term with `change` applied to every term in it, innermost first."""
        return change(self)


@dataclass(frozen=True)
class Column(Term):
    """The value of a column."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Literal(Term):
    """A constant.

    Attributes:
        value: A Python value; lists as tuples.
        dtype: Its type. A number written by the user (`flexible`) takes the type it meets.
        flexible: Whether the type may give way to that of the other operand.
    """

    value: Any
    dtype: DType
    flexible: bool = False

    def __str__(self) -> str:
        return repr(plain(self.value, self.dtype))


@dataclass(frozen=True)
class Call(Term):
    """A function of the table `FUNCTIONS` applied to terms, with constant options."""

    function: str
    args: tuple[Term, ...]
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def children(self) -> tuple[Term, ...]:
        """The arguments."""
        return self.args

    def rewrite(self, change: Callable[[Term], Term]) -> Term:
        """As `Term.rewrite`."""
        return change(Call(self.function, tuple(a.rewrite(change) for a in self.args), self.options))

    def __str__(self) -> str:
        symbol = _INFIX.get(self.function)
        if symbol and len(self.args) == 2:
            return f"({self.args[0]} {symbol} {self.args[1]})"
        name = self.function.removeprefix("sql.")
        if name == "cast":
            return f"cast({self.args[0]}, {dict(self.options).get('dtype')})"
        own = name == self.function  # of SQL's functions only what was asked for is told
        inside = [str(a) for a in self.args] + [o for o in _told(self.options) if own or not o.endswith("=False")]
        return f"{name}({', '.join(inside)})"


def _told(options: tuple[tuple[str, Any], ...]) -> list[str]:
    """Options that say something."""
    return [f"{key}={value!r}" for key, value in options if value is not None]


_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**",
    "sql.add": "+", "sql.subtract": "-", "sql.multiply": "*", "sql.divide": "/", "sql.mod": "%",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "and", "or": "or",
}  # fmt: skip


@dataclass(frozen=True)
class Cast(Term):
    """A conversion; a value that does not fit is an error row if `strict`, else null."""

    term: Term
    dtype: DType
    strict: bool = True

    @property
    def children(self) -> tuple[Term, ...]:
        """The converted term."""
        return (self.term,)

    def rewrite(self, change: Callable[[Term], Term]) -> Term:
        """As `Term.rewrite`."""
        return change(Cast(self.term.rewrite(change), self.dtype, self.strict))

    def __str__(self) -> str:
        if self.strict and isinstance(self.term, Literal) and type(self.term.value) is int:
            return str(self.term)  # a number in another type reads as it was written
        return f"{'cast' if self.strict else 'try_cast'}({self.term}, {self.dtype})"


@dataclass(frozen=True)
class Case(Term):
    """The value of the first branch whose condition is true; a branch not taken is not evaluated."""

    branches: tuple[tuple[Term, Term], ...]
    otherwise: Term

    @property
    def children(self) -> tuple[Term, ...]:
        """Conditions and values in order, then the last resort."""
        return (*(t for branch in self.branches for t in branch), self.otherwise)

    def rewrite(self, change: Callable[[Term], Term]) -> Term:
        """As `Term.rewrite`."""
        branches = tuple((c.rewrite(change), v.rewrite(change)) for c, v in self.branches)
        return change(Case(branches, self.otherwise.rewrite(change)))

    def __str__(self) -> str:
        inside = " ".join(f"when {c} then {v}" for c, v in self.branches)
        return f"case({inside} otherwise {self.otherwise})"


@dataclass(frozen=True)
class Aggregation(Term):
    """An aggregate of the table `AGGREGATES` over the rows of a group.

    Attributes:
        aggregate: Its name.
        args: What it aggregates, per row.
        where: Only rows for which this is true count.
        options: Constant options.
    """

    aggregate: str
    args: tuple[Term, ...]
    where: Term | None = None
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def children(self) -> tuple[Term, ...]:
        """The arguments, then the condition."""
        return (*self.args, *([self.where] if self.where else []))

    def rewrite(self, change: Callable[[Term], Term]) -> Term:
        """As `Term.rewrite`."""
        where = self.where.rewrite(change) if self.where else None
        return change(replace(self, args=tuple(a.rewrite(change) for a in self.args), where=where))

    def __str__(self) -> str:
        given = [] if self.aggregate.startswith("sql.") else _told(self.options)
        inside = ", ".join([*(str(a) for a in self.args), *given])
        where = f".filter({self.where})" if self.where else ""
        return f"{self.aggregate.removeprefix('sql.')}({inside}){where}"


@dataclass(frozen=True)
class Lag(Term):
    """The value of a term some rows before, in a frame; null where there is no such row."""

    term: Term
    rows: int

    @property
    def children(self) -> tuple[Term, ...]:
        """The term."""
        return (self.term,)

    def rewrite(self, change: Callable[[Term], Term]) -> Term:
        """As `Term.rewrite`."""
        return change(Lag(self.term.rewrite(change), self.rows))

    def __str__(self) -> str:
        return f"lag({self.term}, {self.rows})"


@dataclass(frozen=True)
class Frame:
    """Which rows of its key a row looks at: itself, and some before it.

    Attributes:
        kind: `"rows"` counts rows; `"range"` goes by event time, and rows of the same instant see each other.
        preceding: How many rows before it, or how many microseconds; None = all.
    """

    kind: str
    preceding: int | None = None

    def __str__(self) -> str:
        if self.preceding is None:
            return f'{self.kind}="all"'
        return f"rows={self.preceding + 1}" if self.kind == "rows" else f'range="{self.preceding} us"'


@dataclass(frozen=True)
class Over(Term):
    """A function of the rows in a frame: an `Aggregation`, or a `Lag`.

    Attributes:
        function: The function.
        keys: The columns by which rows are told apart.
        frame: Which rows.
    """

    function: Term
    keys: tuple[str, ...]
    frame: Frame

    @property
    def children(self) -> tuple[Term, ...]:
        """The function."""
        return (self.function,)

    def __str__(self) -> str:
        return f"{self.function}.over({', '.join([*self.keys, str(self.frame)])})"


@dataclass(frozen=True)
class Apply(Term):
    """A function that the user wrote, applied to terms of a row; verbs compute it in a node of its own.

    Attributes:
        function: The function, a `UserFunction`.
        args: Its arguments.
    """

    function: Any
    args: tuple[Term, ...]

    @property
    def children(self) -> tuple[Term, ...]:
        """The arguments."""
        return self.args

    def rewrite(self, change: Callable[[Term], Term]) -> Term:
        """As `Term.rewrite`."""
        return change(Apply(self.function, tuple(a.rewrite(change) for a in self.args)))

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.args))})"


class Pairs(dict[Any, Any]):
    """A dict that is a map as a constant, where a plain dict is a struct."""


def literal(value: Any) -> Literal:
    """The literal of a Python value.

    Raises:
        PlanError: If the value has no logical type.
    """
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        value = value.item()
    match value:
        case None:
            return Literal(None, Null)
        case bool():
            return Literal(value, Boolean)
        case int():
            return Literal(value, Int64, flexible=True)
        case float():
            return Literal(value, Float64, flexible=True)
        case str():
            return Literal(value, String)
        case bytes():
            return Literal(value, Binary)
        case decimal.Decimal():
            if not value.is_finite():
                raise PlanError(f"{value!r} cannot be a constant of an expression", hint="use float for it")
            return Literal(value, Decimal(38, max(0, -int(value.as_tuple().exponent))), flexible=True)
        case dt.datetime():
            return _moment(value)
        case dt.date():
            return Literal(value, Date)
        case dt.time():
            return Literal(value, Time)
        case dt.timedelta():
            return Literal(value, Duration("us"))
        case list() | tuple():
            return _list([literal(item) for item in value])
        case Pairs():
            keys, items = _list([literal(k) for k in value]), _list([literal(v) for v in value.values()])
            dtype = Map(getattr(keys.dtype, "inner", Null), getattr(items.dtype, "inner", Null))
            return Literal(tuple(zip(keys.value, items.value, strict=True)), dtype)
        case dict():
            fields = {str(k): literal(v) for k, v in value.items()}
            return Literal(
                tuple((name, field.value) for name, field in fields.items()),
                Struct(tuple((name, field.dtype) for name, field in fields.items())),
            )
    hint = None
    if type(value).__module__.partition(".")[0] == "polars":
        hint = "expressions of Polars are not those of Penstock: from penstock import col"
    raise PlanError(f"{value!r} cannot be a constant of an expression", where=caller(), hint=hint)


def _moment(value: dt.datetime) -> Literal:
    """A datetime; an offset that is no zone, such as +02:00, becomes UTC."""
    if value.tzinfo is None:
        return Literal(value, Datetime("us"))
    if isinstance(value.tzinfo, zoneinfo.ZoneInfo) and value.tzinfo.key != "UTC":
        return Literal(value, Datetime("us", value.tzinfo.key))
    return Literal(value.astimezone(dt.UTC), Datetime("us", "UTC"))


def _list(items: list[Literal]) -> Literal:
    """A list; whole numbers among floats become floats."""
    inner = common_of([item.dtype for item in items], "items of a list") if items else Null
    values = (float(i.value) if inner == Float64 and isinstance(i.value, int) else i.value for i in items)
    return Literal(tuple(values), List(inner))


def plain(value: Any, dtype: DType) -> Any:
    """The Python value of a literal: tuples become the lists and dicts that they stand for."""
    match dtype:
        case _ if not isinstance(value, tuple):
            return value
        case List(inner):
            return [plain(item, inner) for item in value]
        case Struct(fields):
            given = dict(value)
            return {name: plain(given.get(name), field) for name, field in fields}
        case Map(key, item):
            return {plain(k, key): plain(v, item) for k, v in value}
    return value
