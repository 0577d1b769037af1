"""How users write expressions: `col`, `lit`, `when`, operators, methods and namespaces.

Methods are those of the tables `FUNCTIONS` and `AGGREGATES`: a declaration there is all that a new
method needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from penstock.core.dtypes import INTEGERS, as_dtype
from penstock.core.errors import PlanError
from penstock.core.where import caller
from penstock.expr.ast import Aggregation, Call, Case, Cast, Column, Literal, Term, literal
from penstock.expr.calls import METHODS, aggregation, as_term, call, unknown
from penstock.expr.frames import FrameMethods
from penstock.expr.functions import FUNCTIONS
from penstock.expr.signatures import limits

NAMESPACES = ("str", "dt", "list", "struct", "map", "json", "bin", "sketch")


def bare(value: Any) -> Any:
    """The term of an expression; anything else as it is."""
    return value.term if isinstance(value, Expr) else value


def term_of(value: Any) -> Term:
    """The term of an expression or of a plain value."""
    return as_term(bare(value))


class Namespace:
    """The functions of one family, such as `col("x").str`."""

    def __init__(self, expr: Expr, prefix: str) -> None:
        self._expr = expr
        self._prefix = prefix

    def __getattr__(self, name: str) -> Callable[..., Expr]:
        if name.startswith("_"):
            raise AttributeError(name)
        return _method(self._expr, f"{self._prefix}.{name}")

    def __call__(self, *args: Any, **options: Any) -> Expr:
        """The aggregate of the same name: `col("x").list()`."""
        if self._prefix not in METHODS:
            raise PlanError(f'"{self._prefix}" is a family of functions, not a function', where=caller())
        aggregate: Expr = _aggregate(self._expr, self._prefix)(*args, **options)
        return aggregate

    def __dir__(self) -> Iterable[str]:
        start = self._prefix + "."
        return [name.removeprefix(start) for name in FUNCTIONS if name.startswith(start)]


class Expr(FrameMethods):
    """An expression over the columns of a row, such as `col("price") * 0.9`.

    It is a value: nothing is computed until a pipeline runs. `==` and the like build expressions,
    so an `Expr` has no truth value.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, term: Term, name: str | None = None) -> None:
        self.term = term
        self.name = name

    def _of(self, term: Term) -> Expr:
        return Expr(term, self.name)

    def __repr__(self) -> str:
        return f"<Expr {self.term}{f' as {self.name}' if self.name else ''}>"

    def __bool__(self) -> bool:
        raise PlanError(
            f"{self.term} has no truth value while the plan is built",
            where=caller(),
            hint="combine conditions with & | ~ instead of and or not, and write chains like (a < b) & (b < c)",
        )

    def output_name(self) -> str | None:
        """The name of the column it makes: its alias, else the first column it reads, as in Polars."""
        if self.name:
            return self.name
        return next((t.name for t in self.term.walk() if isinstance(t, Column)), None)

    def alias(self, name: str) -> Expr:
        """The same value under another column name."""
        return Expr(self.term, name)

    def cast(self, dtype: Any, *, strict: bool = True) -> Expr:
        """Converted to a type; a value that does not fit makes an error row, or null if not `strict`."""
        return Expr(Cast(self.term, as_dtype(dtype), strict), self.name)

    def try_cast(self, dtype: Any) -> Expr:
        """Converted to a type; null where a value does not fit."""
        return self.cast(dtype, strict=False)

    def filter(self, condition: Expr) -> Expr:
        """Of an aggregate: only rows for which the condition is true count.

        Raises:
            PlanError: If this is no aggregate.
        """
        if not isinstance(self.term, Aggregation):
            raise PlanError(f"{self.term} is no aggregate: only those have .filter", where=caller())
        where = condition.term if self.term.where is None else Call("and", (self.term.where, condition.term))
        return Expr(replace(self.term, where=where), self.name)

    def is_in(self, values: Iterable[Any]) -> Expr:
        """Whether the value equals one of some constants, of which nulls do not count; null if it is null.

        Raises:
            PlanError: If `values` is an expression, or one string.
        """
        if isinstance(values, (Expr, str, bytes)):
            raise PlanError(
                f"is_in takes several constants, found {values!r}",
                where=caller(),
                hint="[...] for constants; .list.contains for a column of lists",
            )
        items = [constant for constant in map(term_of, values) if constant != literal(None)]
        return Expr(Call("is_in", (self.term, *items)), self.name)

    def __iter__(self) -> Iterator[Any]:
        raise PlanError(f"{self.term} has no values while the plan is built", where=caller(), hint="there is .list")

    def __contains__(self, value: object) -> bool:
        raise PlanError(
            f"{self.term} has no values while the plan is built",
            where=caller(),
            hint=".is_in, .str.contains and .list.contains are answered per row",
        )

    def __getitem__(self, key: Any) -> Expr:
        """An element: of a struct or JSON by name, of a list by index (from 0), of a map by key."""
        constant = key.term.value if isinstance(key, Expr) and isinstance(key.term, Literal) else key
        literal(constant)  # refuses what is no constant
        return Expr(Call("get_item", (self.term,), (("key", constant),)), self.name)

    def __getattr__(self, name: str) -> Any:
        if name in NAMESPACES:
            return Namespace(self, name)
        if name.startswith("_"):
            raise AttributeError(name)
        return _method(self, name)

    def __dir__(self) -> Iterable[str]:
        own = [name for name in FUNCTIONS if "." not in name]
        return [*super().__dir__(), *NAMESPACES, *own, *METHODS]

    def _binary(self, name: str, other: Any, reverse: bool = False) -> Expr:
        a, b = self.term, term_of(other)
        args = (b, a) if reverse else (a, b)
        alias = self.name or (other.name if isinstance(other, Expr) else None)
        return Expr(Call(name, args), alias)

    def __add__(self, other: Any) -> Expr:
        return self._binary("add", other)

    def __radd__(self, other: Any) -> Expr:
        return self._binary("add", other, reverse=True)

    def __sub__(self, other: Any) -> Expr:
        return self._binary("sub", other)

    def __rsub__(self, other: Any) -> Expr:
        return self._binary("sub", other, reverse=True)

    def __mul__(self, other: Any) -> Expr:
        return self._binary("mul", other)

    def __rmul__(self, other: Any) -> Expr:
        return self._binary("mul", other, reverse=True)

    def __truediv__(self, other: Any) -> Expr:
        return self._binary("truediv", other)

    def __rtruediv__(self, other: Any) -> Expr:
        return self._binary("truediv", other, reverse=True)

    def __floordiv__(self, other: Any) -> Expr:
        return self._binary("floordiv", other)

    def __rfloordiv__(self, other: Any) -> Expr:
        return self._binary("floordiv", other, reverse=True)

    def __mod__(self, other: Any) -> Expr:
        return self._binary("mod", other)

    def __rmod__(self, other: Any) -> Expr:
        return self._binary("mod", other, reverse=True)

    def __pow__(self, other: Any) -> Expr:
        return self._binary("pow", other)

    def __rpow__(self, other: Any) -> Expr:
        return self._binary("pow", other, reverse=True)

    def __neg__(self) -> Expr:
        return Expr(Call("neg", (self.term,)), self.name)

    def __abs__(self) -> Expr:
        return Expr(Call("abs", (self.term,)), self.name)

    def __eq__(self, other: object) -> Expr:  # type: ignore[override]
        return self._binary("eq", other)

    def __ne__(self, other: object) -> Expr:  # type: ignore[override]
        return self._binary("ne", other)

    def __lt__(self, other: Any) -> Expr:
        return self._binary("lt", other)

    def __le__(self, other: Any) -> Expr:
        return self._binary("le", other)

    def __gt__(self, other: Any) -> Expr:
        return self._binary("gt", other)

    def __ge__(self, other: Any) -> Expr:
        return self._binary("ge", other)

    def __and__(self, other: Any) -> Expr:
        return self._binary("and", other)

    def __rand__(self, other: Any) -> Expr:
        return self._binary("and", other, reverse=True)

    def __or__(self, other: Any) -> Expr:
        return self._binary("or", other)

    def __ror__(self, other: Any) -> Expr:
        return self._binary("or", other, reverse=True)

    def __invert__(self) -> Expr:
        return Expr(Call("not", (self.term,)), self.name)


def _method(expr: Expr, name: str) -> Callable[..., Expr]:
    """The method `name` of an expression, as declared.

    Raises:
        UnknownNameError: If no function or aggregate has the name; the message names the nearest.
    """
    if name in FUNCTIONS:
        return lambda *args, **options: _made(call, name, (expr, *args), options, expr.name)
    if name in METHODS:
        return _aggregate(expr, name)
    raise unknown(name)


def _made(
    make: Callable[..., Term], name: str, args: tuple[Any, ...], options: dict[str, Any], alias: str | None = None
) -> Expr:
    return Expr(make(name, tuple(map(bare, args)), {key: bare(value) for key, value in options.items()}), alias)


def _aggregate(expr: Expr, name: str) -> Callable[..., Expr]:
    return lambda *args, **options: _made(aggregation, METHODS[name].name, (expr, *args), options, expr.name)


def function(name: str) -> Callable[..., Expr]:
    """A function of several columns, such as `coalesce`; strings that are arguments are column names."""

    def build(*args: Any, **options: Any) -> Expr:
        flat = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
        return _made(call, name, tuple(col(a) if isinstance(a, str) else a for a in flat), options)

    build.__doc__ = FUNCTIONS[name].doc
    build.__name__ = name
    return build


def struct(*columns: Any, **named: Any) -> Expr:
    """A struct of columns: `struct("a", col("b"), total=col("c") + 1)`; fields are named as columns would be.

    Raises:
        PlanError: If a field has no name.
    """
    given = [col(column) if isinstance(column, str) else column for column in columns]
    names = [*(column.output_name() if isinstance(column, Expr) else None for column in given), *named]
    if None in names:
        raise PlanError("a field of a struct has no name", where=caller(), hint="give it one: struct(name=...)")
    terms = tuple(as_term(bare(value)) for value in (*given, *named.values()))
    return Expr(Call("struct", terms, (("names", tuple(names)),)))


def from_epoch(column: Any, unit: str = "s") -> Expr:
    """The instant, in UTC, of a number of `us`, `ms` or `s` since 1970-01-01 UTC; the date, of days (`d`)."""
    return _made(call, "from_epoch", (col(column) if isinstance(column, str) else column, unit), {})


def col(name: str) -> Expr:
    """The value of the column `name`; `"a.b"` is the field `b` of the struct `a` if no column has that name."""
    if not isinstance(name, str):
        raise PlanError(f"col takes the name of a column, found {name!r}", where=caller())
    return Expr(Column(name))


def lit(value: Any, dtype: Any = None) -> Expr:
    """A constant, of the given type or of the type that its Python value has."""
    constant = literal(value)
    target = None if dtype is None else as_dtype(dtype)
    if target is None or constant.dtype == target:
        return Expr(constant, "literal")
    if value is None or (type(value) is int and target in INTEGERS):
        low, high = limits(target) if value is not None else (0, 0)
        if not low <= (value or 0) <= high:
            raise PlanError(f"the integer {value} does not fit {target}", where=caller())
        return Expr(Literal(value, target), "literal")
    return Expr(Cast(constant, target), "literal")


def count() -> Expr:
    """The number of rows of a group."""
    return Expr(Aggregation("count", ()), "count")


class When:
    """A case expression being written: `when(a).then(b).when(c).then(d).otherwise(e)`."""

    def __init__(self, branches: tuple[tuple[Term, Term], ...], condition: Term) -> None:
        self._branches = branches
        self._condition = condition

    def then(self, value: Any) -> Then:
        """The value where the condition is true; a plain string is a constant."""
        return Then((*self._branches, (self._condition, term_of(value))))


class Then(Expr):
    """A case expression that may go on; without `otherwise` it is null where no condition is true."""

    def __init__(self, branches: tuple[tuple[Term, Term], ...]) -> None:
        super().__init__(Case(branches, literal(None)))
        self._branches = branches

    def when(self, condition: Expr) -> When:
        """A further condition, looked at where the earlier ones are not true."""
        return When(self._branches, term_of(condition))

    def otherwise(self, value: Any) -> Expr:
        """The value where no condition is true."""
        return Expr(Case(self._branches, term_of(value)))


def when(condition: Expr) -> When:
    """Begin a case expression: `when(col("x") > 0).then("up").otherwise("down")`."""
    return When((), term_of(condition))
