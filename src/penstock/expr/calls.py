"""From the names of functions and aggregates, with arguments as users give them, to terms."""

from __future__ import annotations

from typing import Any

from penstock.core.dtypes import as_dtype
from penstock.core.errors import PlanError
from penstock.core.where import caller
from penstock.expr.aggregates import AGGREGATES, DISTINCT
from penstock.expr.ast import Aggregation, Call, Column, Literal, Term, literal, plain
from penstock.expr.function import Aggregate, Function, with_options
from penstock.expr.functions import FUNCTIONS
from penstock.expr.guesses import GUESSES, PLANNED, SAME, PlannedFunctionError, UnknownFunctionError

METHODS: dict[str, Aggregate] = {
    aggregate.name if aggregate.method is None else aggregate.method: aggregate
    for aggregate in AGGREGATES.values()
    if aggregate.method != ""
}
"""The aggregates by the names of the methods of a column."""


def as_term(value: Any) -> Term:
    """A term as it is; a plain value as a constant."""
    return value if isinstance(value, Term) else literal(value)


def unknown(name: str) -> PlanError:
    """The error for a name that no function and no aggregate has; it names the nearest, or says that it is planned."""
    # Those of SQL have no method: what differs from Python's is only bound there.
    python = {key: function for key, function in FUNCTIONS.items() if not key.startswith("sql.")}
    known = [*python, *METHODS]
    declared: dict[str, Function | Aggregate] = {**METHODS, **python}
    family, _, last = name.rpartition(".")
    planned = SAME.get(name, name)
    if planned in PLANNED:
        found = f'"{name}"' if planned == name else f'"{name}", here "{planned}",'
        return PlannedFunctionError(f"{found} is planned and not offered yet", where=caller(), hint=PLANNED[planned])
    if name in GUESSES:
        return UnknownFunctionError("function", name, known, where=caller(), guess=GUESSES[name])
    guesses = [n for n, d in declared.items() if name in d.guesses or last in d.guesses or n.endswith(f".{last}")]
    if guesses:
        # Of several the one of the family that was meant.
        guess = next((found for found in guesses if found.rpartition(".")[0] == family), guesses[0])
        return UnknownFunctionError("function", name, known, where=caller(), guess=guess)
    return UnknownFunctionError("function", name, known, where=caller(), hint="docs/reference/functions.md lists them")


def call(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Call:
    """The term of a call of a function; `args` are terms and plain values.

    Raises:
        PlanError: If the number of arguments or an option is wrong.
    """
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
        return Call(name, tuple(as_term(t) for t in terms), with_options(function.options, rest, name))
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
    if isinstance(value, Literal):
        return plain(value.value, value.dtype)
    if isinstance(value, Term):
        raise PlanError(f'"{key}" of "{name}" is a constant, found the expression {value}', where=caller())
    return value


def _arity(name: str) -> int | None:
    """How many column arguments a function takes, by its first example; None if any number."""
    function = FUNCTIONS[name]
    return None if function.top or not function.options else len(function.examples[0][0])


def aggregation(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Aggregation:
    """The term of an aggregate; `args` are terms, and names of columns.

    Raises:
        PlanError: If the number of arguments or an option is wrong.
    """
    aggregate, terms, rest = AGGREGATES[name], list(args), dict(options)
    if rest.get("by") is not None and (aggregate.by or aggregate.arity == 2):
        # A second column: what the first is taken by.
        terms.insert(1, rest.pop("by"))
        aggregate = AGGREGATES[aggregate.by or name]
    if rest.pop("distinct", False):
        aggregate = AGGREGATES[_distinct(aggregate.name, name)]
    if aggregate.name == "quantile" and isinstance(rest.get("q", terms[1] if len(terms) > 1 else None), (list, tuple)):
        aggregate = AGGREGATES["quantiles"]
    names = [key for key in aggregate.options if key not in rest]
    if len(terms) < aggregate.arity:
        raise PlanError(f'"{name}" takes {aggregate.arity} column(s), found {len(terms)}', where=caller())
    if len(terms) > aggregate.arity + len(names):
        hint = "name the column to go by: by=..." if aggregate.by else None
        most = aggregate.arity + len(names)
        raise PlanError(f'"{name}" takes at most {most} arguments', where=caller(), hint=hint)
    rest |= dict(zip(names, terms[aggregate.arity :], strict=False))
    rest = {key: _constant(name, key, value) for key, value in rest.items()}
    columns = [Column(t) if isinstance(t, str) else as_term(t) for t in terms[: aggregate.arity]]
    try:
        return Aggregation(aggregate.name, tuple(columns), None, with_options(aggregate.options, rest, name))
    except PlanError as refused:
        raise refused.at(caller()) from None


def _distinct(name: str, spelled: str) -> str:
    """The aggregate over distinct values.

    Raises:
        PlanError: If equal values cannot count once in it.
    """
    if name not in DISTINCT:
        known = ", ".join(sorted(METHODS_OF_DISTINCT))
        raise PlanError(f'"{spelled}" has no distinct=True', where=caller(), hint=f"these have: {known}")
    return DISTINCT[name]


METHODS_OF_DISTINCT = {AGGREGATES[name].method or name for name in DISTINCT}
