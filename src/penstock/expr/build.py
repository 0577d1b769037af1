"""How users write expressions: `col`, `lit`, `when`, operators, methods and namespaces.

Methods are those of the tables `FUNCTIONS` and `AGGREGATES`: a declaration there is all that a new
method needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from penstock.core.dtypes import INTEGERS, Struct, as_dtype
from penstock.core.errors import PlanError, UnknownNameError
from penstock.core.where import caller
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.ast import Aggregation, Call, Case, Cast, Column, Literal, Term, literal, plain
from penstock.expr.function import Aggregate, Function, with_options
from penstock.expr.functions import FUNCTIONS
from penstock.expr.signatures import limits

NAMESPACES = ("str", "dt", "list", "struct", "map", "json", "bin")


def term_of(value: Any) -> Term:
    """The term of an expression or of a plain value."""
    if isinstance(value, Expr):
        return value.term
    if isinstance(value, Term):
        return value
    return literal(value)


class Namespace:
    """The functions of one family, such as `col("x").str`."""

    def __init__(self, expr: Expr, prefix: str) -> None:
        self._expr = expr
        self._prefix = prefix

    def __getattr__(self, name: str) -> Callable[..., Expr]:
        if name.startswith("_"):
            raise AttributeError(name)
        return _method(self._expr, f"{self._prefix}.{name}")

    def __dir__(self) -> Iterable[str]:
        start = self._prefix + "."
        return [name.removeprefix(start) for name in FUNCTIONS if name.startswith(start)]


class Expr:
    """An expression over the columns of a row, such as `col("price") * 0.9`.

    It is a value: nothing is computed until a pipeline runs. `==` and the like build expressions,
    so an `Expr` has no truth value.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, term: Term, name: str | None = None) -> None:
        self.term = term
        self.name = name

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
        return Expr(Aggregation(self.term.aggregate, self.term.args, where, self.term.options), self.name)

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
        return [*super().__dir__(), *NAMESPACES, *own, *AGGREGATES]

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
        return lambda *args, **options: Expr(_call(name, (expr, *args), options), expr.name)
    if name in AGGREGATES:
        return lambda *args, **options: Expr(aggregation(name, (expr, *args), options), expr.name)
    raise _unknown(name)


def _unknown(name: str) -> UnknownNameError:
    known = [*FUNCTIONS, *AGGREGATES]
    declarations: list[Function | Aggregate] = [*FUNCTIONS.values(), *AGGREGATES.values()]
    family, _, last = name.rpartition(".")
    guesses = [d.name for d in declarations if name in d.guesses or last in d.guesses or d.name.endswith(f".{last}")]
    if guesses:
        # Of several the one of the family that was meant.
        guess = next((found for found in guesses if found.rpartition(".")[0] == family), guesses[0])
        return UnknownNameError("function", name, known, where=caller(), guess=guess)
    return UnknownNameError("function", name, known, where=caller(), hint="docs/reference/functions.md lists them")


def _call(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Call:
    function = FUNCTIONS[name]
    terms, rest = _named(function, list(args), options)
    # Constants may be given by position after the column arguments: .str.contains("x"), .round(2).
    arity = _arity(name)
    if arity is not None and len(terms) > arity:
        names = [key for key in function.options if key not in rest]
        rest |= dict(zip(names, terms[arity:], strict=False))
        if len(terms) - arity > len(names):
            raise PlanError(f'"{name}" takes at most {arity + len(names)} arguments', where=caller())
        terms = terms[:arity]
    rest = {key: _constant(name, key, value) for key, value in rest.items()}
    if "dtype" in rest:
        rest["dtype"] = as_dtype(rest["dtype"])
    try:
        return Call(name, tuple(term_of(t) for t in terms), with_options(function.options, rest, name))
    except PlanError as refused:
        raise refused.at(caller()) from None


def _named(function: Function, args: list[Any], options: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Arguments that were given by keyword, in their places."""
    rest = dict(options)
    for place, parameter in enumerate(function.parameters, start=1):
        if parameter not in rest:
            continue
        if len(args) > place:
            raise PlanError(f'"{function.name}" has two values for "{parameter}"', where=caller())
        args += [None] * (place - len(args))
        args.append(rest.pop(parameter))
    return args, rest


def _constant(name: str, key: str, value: Any) -> Any:
    """The plain value of an option."""
    if isinstance(value, Expr) and isinstance(value.term, Literal):
        return plain(value.term.value, value.term.dtype)
    if isinstance(value, (Expr, Term)):
        raise PlanError(f'"{key}" of "{name}" is a constant, found the expression {value}', where=caller())
    return value


def _arity(name: str) -> int | None:
    """How many column arguments a function takes, by its first example; None if any number."""
    function = FUNCTIONS[name]
    return None if function.top or not function.options else len(function.examples[0][0])


def aggregation(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Aggregation:
    """The term of an aggregate; `args` are expressions.

    Raises:
        PlanError: If the number of arguments or an option is wrong.
    """
    aggregate = AGGREGATES[name]
    terms = list(args)
    if len(terms) > aggregate.arity:
        for key, value in zip(aggregate.options, terms[aggregate.arity :], strict=False):
            options.setdefault(key, value)
        terms = terms[: aggregate.arity]
    if len(terms) < aggregate.arity:
        raise PlanError(f'"{name}" takes {aggregate.arity} column(s), found {len(terms)}', where=caller())
    columns = [Column(t) if isinstance(t, str) else term_of(t) for t in terms]
    try:
        return Aggregation(name, tuple(columns), None, with_options(aggregate.options, options, name))
    except PlanError as refused:
        raise refused.at(caller()) from None


def function(name: str) -> Callable[..., Expr]:
    """A function of several columns, such as `coalesce`; strings that are arguments are column names."""

    def build(*args: Any, **options: Any) -> Expr:
        flat = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
        return Expr(_call(name, tuple(col(a) if isinstance(a, str) else a for a in flat), options))

    build.__doc__ = FUNCTIONS[name].doc
    build.__name__ = name
    return build


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


def struct_type(**fields: Any) -> Struct:
    """A struct type from keyword arguments."""
    return Struct(fields)
